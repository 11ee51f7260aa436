//! What a demo machine prints that is asked to look at another one: what its connections meet in this
//! world, by the rules, lists and guests of now.
//!
//! Lives here: the answer to the program's own script for it, in its form. Must not live here: who
//! meets what (`world::path`).

use std::fmt::Write;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::world::{Face, World};

const SCRIPT: &str = include_str!("../../assets/kit/neighbour.sh");
/// Characters of an answer, in the order that its sum goes by.
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/=,+@-;";
const MODULUS: u32 = 65_521;
/// Milliseconds of a fast answer, a slow one, and of waiting in vain.
const FAST: u32 = 12;
const SLOW: u32 = 2600;
const IN_VAIN: u32 = 16_000;

/// What a script asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    port: u16,
    kind: String,
    id: String,
    others: Vec<u16>,
    addresses: Vec<Ipv4Addr>,
}

/// What the script asks, if it is the one for a neighbour.
pub fn looks_at(script: &str) -> Option<Asked> {
    let (head, body) = SCRIPT.split_once("{{common}}")?;
    if !script.contains(body) {
        return None;
    }
    let asked = head.lines().position(|line| line.starts_with("P="))?;
    let line = script.lines().nth(asked)?;
    let value = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}="))?;
        let rest = rest.strip_prefix('\'').unwrap_or(rest);
        Some(rest.split(['\'']).next()?.to_owned())
    };
    let words = |name| value(name).unwrap_or_default();
    Some(Asked {
        port: words("P").split(' ').next()?.parse().ok()?,
        kind: words("K"),
        id: words("ID"),
        others: words("W")
            .split(' ')
            .filter_map(|it| it.parse().ok())
            .collect(),
        addresses: words("L")
            .split(' ')
            .filter_map(|it| it.parse().ok())
            .collect(),
    })
}

/// What it prints on a machine.
pub fn answer(world: &World, from: usize, asked: &Asked) -> String {
    let blocks = asked.addresses.iter().map(|to| {
        let mut body = String::new();
        let mut put = |key: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(body, "{key}={value};");
        };
        put("id", &asked.id);
        put("to", &to.to_string());
        put("port", &asked.port.to_string());
        put("kind", &asked.kind);
        put("clock", &format!("{:.0}", Timestamp::now()));
        let face = world.face_from(from, *to, asked.port);
        put("tcp", word(face));
        put("by", "bash");
        if word(face) == "open" {
            let (key, (said, ms)) = match asked.kind.as_str() {
                "rdp" => ("x224", desktop(face)),
                _ => ("hello", greeting(face)),
            };
            put(key, &said);
            put("hms", &ms.to_string());
        }
        for port in &asked.others {
            put(&format!("n{port}"), word(world.face_from(from, *to, *port)));
        }
        put(
            "ping",
            if world.ping_from(from, *to) {
                "3/3"
            } else {
                "0/3"
            },
        );
        let sum = sum(&body);
        format!("cvmtop-kit 1;\n{body}cvmtop-kit end {sum};\n")
    });
    blocks.collect::<Vec<_>>().concat()
}

/// How a connection ends.
fn word(face: Face) -> &'static str {
    match face {
        Face::Refused => "refused",
        Face::Silent => "silent",
        _ => "open",
    }
}

/// The first line of an SSH server, and after how long.
fn greeting(face: Face) -> (String, u32) {
    let told = |word: &str, ms| (word.to_owned(), ms);
    match face {
        Face::SshSlow => told("SSH-2.0-OpenSSH-9.6", SLOW),
        Face::SshClosed => told("closed", FAST),
        Face::SshReset => told("reset", FAST),
        Face::SshThrottle => told("throttled", FAST),
        Face::WrongProtocol => told("other", FAST),
        Face::SshSilent | Face::Open | Face::RdpNla | Face::RdpTls | Face::RdpSilent => {
            told("silent", IN_VAIN)
        }
        _ => told("SSH-2.0-OpenSSH-9.6", FAST),
    }
}

/// The answer to a connection request of X.224 (MS-RDPBCGR 2.2.1.2), and after how long.
fn desktop(face: Face) -> (String, u32) {
    const HEAD: &str = "030000130ed00000123400";
    let agreed = |protocol: u8| format!("{HEAD}02000800{protocol:02x}000000");
    let failed = |code: u8| format!("{HEAD}03000800{code:02x}000000");
    let ms = if face == Face::RdpSlow { SLOW } else { FAST };
    let said = match face {
        Face::RdpTls => agreed(1),
        Face::RdpLegacy => "0300000b06d00000123400".to_owned(),
        Face::RdpFailure1 => failed(1),
        Face::RdpFailure2 => failed(2),
        Face::RdpFailure3 => failed(3),
        Face::RdpFailure4 => failed(4),
        Face::RdpFailure5 => failed(5),
        Face::RdpFailure6 => failed(6),
        Face::RdpSilent | Face::Open => "silent".to_owned(),
        Face::RdpClosed => "closed".to_owned(),
        Face::RdpReset => "reset".to_owned(),
        Face::RdpNla | Face::RdpSlow | Face::RdpMixed | Face::RdpExpired | Face::RdpNotYetValid => {
            agreed(2)
        }
        // `SSH-2.0` in place of an answer.
        _ => "5353482d322e30".to_owned(),
    };
    (said, ms)
}

fn sum(body: &str) -> String {
    let places = body.chars().filter_map(|c| ALPHABET.find(c));
    let (a, b) = places.fold((0_u32, 0_u32), |(a, b), place| {
        let a = (a + place as u32 + 1) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    format!("{b}-{a}")
}
