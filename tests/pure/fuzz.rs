//! Every parser of outside bytes over its seeds and over thousands of changed ones, the same
//! ones in each run. `cargo fuzz` goes on from the same seeds: see `tests/fuzz/Cargo.toml`.
//!
//! Must not live here: what must hold (`fuzz/judge.rs`).

#[path = "../fuzz/judge.rs"]
mod judge;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Changed inputs of each parser.
const CHANGED: usize = 2_000;
const LONGEST: usize = 64 << 10;

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(target);
    let mut all: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() >= 2, "{target} has fewer than two seeds");
    all
}

/// A small generator of its own, so that a failure is the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// What breaks parsers: lengths, ends, separators, escapes, halves of characters.
const NASTY: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\x1b[2J",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\"",
    b"'",
    b"{",
    b"[[",
    b"]]",
    b"+++\n",
    b"=",
    b",",
    b"::",
    b"0x",
    b"-1",
    b"18446744073709551616",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x91",
    "\u{202e}".as_bytes(),
    "\u{130}".as_bytes(),
    "\u{3000}".as_bytes(),
    b"NaN",
    b"null",
];

fn change(seed: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(6) {
        let at = chance.below(bytes.len() + 1);
        let to = (at + chance.below(40)).min(bytes.len());
        match chance.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            1 if at < bytes.len() => bytes[at] = chance.below(256) as u8,
            2 => drop(bytes.drain(at..to)),
            3 => {
                let piece = bytes[at..to].repeat(1 + chance.below(20));
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            5 => {
                let nasty = NASTY[chance.below(NASTY.len())];
                bytes.splice(at..at, nasty.iter().copied());
            }
            _ => {
                let from = chance.below(other.len() + 1);
                let until = (from + chance.below(200)).min(other.len());
                bytes.splice(at..at, other[from..until].iter().copied());
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

#[test]
fn every_parser_holds_on_its_seeds_and_on_changed_ones() {
    for (target, judge) in judge::ALL {
        let seeds = seeds(target);
        for (path, bytes) in &seeds {
            assert!(catch_unwind(|| judge(bytes)).is_ok(), "{}", path.display());
        }
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ target.len() as u64);
        for number in 0..CHANGED {
            let seed = &seeds[number % seeds.len()].1;
            let other = &seeds[chance.below(seeds.len())].1;
            let bytes = change(seed, other, &mut chance);
            if catch_unwind(|| judge(&bytes)).is_err() {
                let file = std::env::temp_dir().join(format!("cvmtop-{target}-{number}"));
                fs::write(&file, &bytes).unwrap();
                panic!(
                    "{target}: changed input {number} is kept in {}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn every_parser_is_a_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (target, _) in judge::ALL {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
        assert!(
            folder.join(format!("targets/{target}.rs")).is_file(),
            "{target}"
        );
    }
}
