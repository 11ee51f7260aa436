//! Tells the program which commit it was built from.
//!
//! `CVMTOP_COMMIT` wins, for packagers; then the checkout's git; then what `cargo package` put
//! into a source archive. Development builds say `dev`, so that a commit rebuilds nothing.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=CVMTOP_COMMIT");
    println!("cargo:rerun-if-changed=src/build.rs");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = std::env::var("CVMTOP_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty())
        .or_else(|| {
            if release {
                of_checkout().or_else(of_archive)
            } else {
                Some("dev".into())
            }
        })
        .unwrap_or_else(|| "unknown commit".into());
    println!("cargo:rustc-env=CVMTOP_COMMIT={commit}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn of_checkout() -> Option<String> {
    // An archive unpacked inside somebody else's checkout must not take that one's commit.
    let top = std::fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    let here = std::fs::canonicalize(std::env::var_os("CARGO_MANIFEST_DIR")?).ok()?;
    if top != here {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn of_archive() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let commit: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_hexdigit())
        .take_while(char::is_ascii_hexdigit)
        .take(12)
        .collect();
    (!commit.is_empty()).then_some(commit)
}
