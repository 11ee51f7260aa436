//! Tells the program which commit it was built from, makes the table of evidence, and links the
//! unwinder into the program.
//!
//! `CVMTOP_COMMIT` wins, for packagers; then the checkout's git; then what `git archive` or `cargo
//! package` put into a source archive. Where none knows, the version stands alone. Development builds
//! say `dev`, so that a commit rebuilds nothing.

#[path = "build/commit.rs"]
mod commit;
#[path = "build/evidence.rs"]
mod evidence;

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=src/build");
    println!("cargo:rerun-if-changed=assets/knowledge/evidence.toml");
    if let Err(error) = make_evidence() {
        println!("cargo:error={error}");
        return;
    }
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
        .map(|commit| format!(" ({commit})"))
        .unwrap_or_default();
    println!("cargo:rustc-env=CVMTOP_COMMIT={commit}");
    if let Err(error) = link_unwinder_statically() {
        println!("cargo:warning=the program will need libgcc_s: {error}");
    }
}

/// Writes the table of evidence for `domain::evidence` to include.
fn make_evidence() -> Result<(), String> {
    let said = |error: std::io::Error| format!("assets/knowledge/evidence.toml: {error}");
    let text = std::fs::read_to_string("assets/knowledge/evidence.toml").map_err(said)?;
    let folder = std::env::var("OUT_DIR").unwrap_or_default();
    std::fs::write(format!("{folder}/evidence.rs"), evidence::generate(&text)?).map_err(said)
}

/// The standard library asks for the shared unwinder by name. A linker script of that name, found
/// first, gives it the static one of the same compiler, as `-static-libgcc` does for C, so that the
/// program needs nothing but the C library. Where the compiler has none, nothing changes.
fn link_unwinder_statically() -> std::io::Result<()> {
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let gnu = variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && variable("TARGET") == variable("HOST");
    if !gnu {
        return Ok(());
    }
    let linker = std::env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".into());
    let asked = Command::new(linker)
        .arg("-print-file-name=libgcc_eh.a")
        .output()?;
    // A file that is not there comes back as it was asked for.
    let archive = String::from_utf8_lossy(&asked.stdout);
    if !std::path::Path::new(archive.trim()).is_absolute() {
        return Ok(());
    }
    let folder = variable("OUT_DIR");
    std::fs::write(format!("{folder}/libgcc_s.so"), "INPUT(-lgcc_eh)\n")?;
    println!("cargo:rustc-link-search=native={folder}");
    Ok(())
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
    let read = |path| std::fs::read_to_string(path).ok();
    let of_git = read("src/build/commit.txt").and_then(|text| commit::of_git_archive(&text));
    of_git.or_else(|| commit::of_cargo_package(&read(".cargo_vcs_info.json")?))
}
