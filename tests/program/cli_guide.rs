//! `cvmtop guide` as a script or a person runs it.

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The program with a home of its own, so that no setting of this machine plays a part.
fn cvmtop(home: &TempDir) -> Command {
    let mut command = Command::cargo_bin("cvmtop").expect("the binary is built with its tests");
    command
        .env_clear()
        .env("HOME", home.path())
        .env("CVMTOP_STATE_DIR", home.path().join("state"));
    command
}

fn output(command: &mut Command) -> (i32, String, String) {
    let out = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        out.status.code().unwrap_or(-1),
        text(&out.stdout),
        text(&out.stderr),
    )
}

#[test]
fn all_guides_are_listed() {
    let home = TempDir::new().expect("a directory");
    let (status, out, err) = output(cvmtop(&home).arg("guide"));
    assert_eq!((status, err.as_str()), (0, ""));
    let all = cvmtop::guide::library().guides().len();
    assert_eq!(out.lines().count(), all, "{out}");
    assert!(out.starts_with("login-failure-overview"));
}

#[test]
fn an_error_from_standard_input_names_its_guide_first() {
    let home = TempDir::new().expect("a directory");
    let mut command = cvmtop(&home);
    command.args(["guide", "--error", "-", "--format", "json", "--lang", "ko"]);
    command.write_stdin("\u{1b}[31mssh: connect to host h port 22: Connection refused\u{1b}[0m\n");
    let (status, out, _) = output(&mut command);
    assert_eq!(status, 0);
    let object: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(object["recognised"][0]["state"], "connect-refused");
    assert_eq!(object["recognised"][0]["stage"], "connect");
    assert_eq!(object["guides"][0]["slug"], "linux-port-issue");
    let title = object["guides"][0]["title"].as_str().expect("a title");
    assert!(title.contains("포트"), "{title}");
    assert!(!out.contains('\u{1b}'));
}

#[test]
fn a_guide_is_printed_in_each_language_with_its_steps() {
    let home = TempDir::new().expect("a directory");
    for (lang, heading, step) in [
        ("en", "Steps", "[action vnc-url]"),
        ("ko", "단계", "[작업 vnc-url]"),
        ("zh", "步骤", "[操作 vnc-url]"),
    ] {
        let (status, out, _) = output(cvmtop(&home).args(["guide", "linux-fstab", "--lang", lang]));
        assert_eq!(status, 0);
        assert!(out.contains(heading) && out.contains(step), "{out}");
        assert!(out.contains("findmnt --verify"), "{out}");
    }
}

#[test]
fn a_guide_as_json_carries_kinds_and_commands() {
    let home = TempDir::new().expect("a directory");
    let (_, out, _) = output(cvmtop(&home).args(["guide", "security-group", "--format", "json"]));
    let guide: Value = serde_json::from_str(&out).expect("one JSON object");
    let steps = guide["steps"].as_array().expect("steps");
    assert_eq!(steps[1]["kind"], "action");
    assert_eq!(steps[1]["action"], "open-port");
    assert!(
        steps[0]["commands"][0]
            .as_str()
            .is_some_and(|c| c.starts_with("cvmtop diagnose"))
    );
}

#[test]
fn a_wrong_slug_says_which_was_meant() {
    let home = TempDir::new().expect("a directory");
    let (status, out, err) = output(cvmtop(&home).args(["guide", "linux-fstabs"]));
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("linux-fstab"), "{err}");
}

#[test]
fn what_is_not_known_leads_to_where_to_start() {
    let home = TempDir::new().expect("a directory");
    let (status, out, _) = output(cvmtop(&home).args(["guide", "--error", "zzz qqq xxyyzz"]));
    assert_eq!(status, 0);
    assert!(out.contains("none of the known messages"), "{out}");
    assert!(out.contains("login-failure-overview"), "{out}");
}

#[test]
fn own_guides_are_used_and_their_mistakes_named_with_file_and_line() {
    let home = TempDir::new().expect("a directory");
    let folder = home.path().join("guides");
    std::fs::create_dir_all(folder.join("ko")).expect("a folder");
    let text = "+++\nslug = \"house-vpn\"\ntitle = \"House VPN first\"\nos = \"both\"\n\
        causes = [\"client-network-fault\"]\nsymptoms = [\"zebra tunnel is down\"]\n\
        reviewed = \"2026-11-01\"\n+++\n\n## Steps {#steps}\n\n1. `user` Start the VPN.\n\n\
        ## Works {#check}\n\nYes.\n\n## Back {#undo}\n\nNo.\n";
    std::fs::write(folder.join("house-vpn.md"), text).expect("written");
    let wrong = text
        .replace("house-vpn", "wrong")
        .replace("`user`", "`action dance`");
    std::fs::write(folder.join("ko/wrong.md"), wrong).expect("written");
    let mut command = cvmtop(&home);
    command.env("CVMTOP_GUIDES", &folder);
    let (status, out, err) = output(command.args(["guide", "--search", "zebra tunnel is down"]));
    assert_eq!(status, 0);
    assert!(out.starts_with("house-vpn"), "{out}");
    assert!(
        err.contains("wrong.md:12:") && err.contains("dance"),
        "{err}"
    );
    // The folder beside the config needs no setting, and the slug prints the guide.
    let beside = home.path().join(".config/cvmtop/guides/en");
    std::fs::create_dir_all(&beside).expect("a folder");
    std::fs::write(beside.join("house-vpn.md"), text).expect("written");
    let (status, out, err) = output(cvmtop(&home).args(["guide", "house-vpn"]));
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("House VPN first"), "{out}");
    let (_, out, _) = output(cvmtop(&home).arg("guide"));
    assert!(out.contains("house-vpn"), "{out}");
}
