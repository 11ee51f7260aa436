//! A build from a source archive knows the commit that it is made of.

#[path = "../../src/build/commit.rs"]
mod commit;

use std::process::Command;

use crate::support::not_run;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR")])
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

#[test]
fn an_archive_of_git_names_its_commit_and_a_checkout_does_not() {
    let Some(head) = git(&["rev-parse", "HEAD"]) else {
        not_run("this is no checkout");
        return;
    };
    let file = "src/build/commit.txt";
    // The bytes of the archive hold the file's, once its header has been passed.
    let archive = git(&["archive", "HEAD", file]).expect("an archive");
    let whole = head.trim();
    assert!(
        archive.contains(&format!("\0{whole}\n")),
        "no commit in {file}"
    );
    assert_eq!(commit::of_git_archive(&head).as_deref(), Some(&whole[..12]));
    let here = include_str!("../../src/build/commit.txt");
    assert_eq!(commit::of_git_archive(here), None);
}

#[test]
fn a_package_of_cargo_names_its_commit() {
    let info =
        r#"{"git": {"sha1": "0123456789abcdef0123456789abcdef01234567"}, "path_in_vcs": ""}"#;
    assert_eq!(
        commit::of_cargo_package(info).as_deref(),
        Some("0123456789ab")
    );
    assert_eq!(commit::of_cargo_package("{}"), None);
}
