//! Secrets and strangers attacked from outside: what is pasted into a ticket, what a child process
//! sees, what an address holds, folders that somebody made before us, output that cannot be written,
//! machines without threads or `/proc`, and answers made to run something.

use crate::support::lab;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use lab::{Lab, all_files};

const SECRET: &str = "HUNTER2";

fn both(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs with what a shell makes of the output.
fn redirected(lab: &Lab, words: &[&str], redirection: &str) -> Output {
    let ours = lab.command(words);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("\"$0\" \"$@\" {redirection}")])
        .arg(ours.get_program())
        .args(ours.get_args())
        .env_clear();
    for (name, value) in ours.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.output().unwrap()
}

/// What stands behind the words that hand a password over.
fn handed(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("(shown once, stored nowhere): ")?;
    rest.lines().next()
}

#[test]
fn an_action_ends_as_it_ended_and_hands_its_secret_over_where_output_cannot_be_written() {
    let lab = Lab::new();
    let reset = ["act", "shop-web-01", "reset-password", "--yes"];
    for format in ["text", "json"] {
        let words = [&reset[..], &["--format", format]].concat();
        let output = redirected(&lab, &words, ">/dev/full");
        let told = told(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        let sentences = told.lines().filter(|line| line.starts_with("cvmtop: "));
        assert_eq!(sentences.count(), 1, "{told}");
        assert!(
            told.contains("could not be written to standard output"),
            "{told}"
        );
        let secret = handed(&told).expect("the password is handed over");
        assert_eq!(told.matches(secret).count(), 1, "{told}");
        assert!(
            !all_files(lab.state.path()).contains(secret),
            "kept on the disk"
        );
    }
    // A reader that has gone is no error, and not a reason to lose a password either.
    let output = redirected(&lab, &reset, "| true");
    assert!(handed(&told(&output)).is_some(), "{}", told(&output));
    // What the cloud refuses is no success because nobody could be told.
    let refused = ["act", "shop-web-01", "start", "--yes"];
    let output = redirected(&lab, &refused, ">/dev/full");
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    // Not even standard error.
    let restart = ["act", "shop-web-01", "restart", "--yes"];
    let output = redirected(&lab, &restart, ">/dev/full 2>&1");
    assert_eq!(output.status.code(), Some(0));
    let ends: Vec<_> = lab.entries().iter().map(|e| e["outcome"].clone()).collect();
    assert_eq!(
        ends,
        ["done", "done", "done", "done"],
        "and the journal knows"
    );
}

#[test]
fn a_command_that_reads_says_that_nobody_could_be_told() {
    let lab = Lab::new();
    lab.ok(&["act", "shop-web-01", "restart", "--yes"]);
    let case = lab.state.path().join("case.json");
    let least = r#"{"instance":{"os":"linux","login_port":22},"evidence":[]}"#;
    std::fs::write(&case, least).unwrap();
    let case = case.to_str().unwrap();
    for words in [
        &["list", "--no-probe"][..],
        &["list", "--no-probe", "--format", "json"],
        &["journal"],
        &["diagnose", "shop-web-01"],
        &["config", "show"],
        &["replay", case],
        &["guide"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let output = redirected(&lab, words, ">/dev/full");
        let told = told(&output);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {told}");
        let sentences = told.matches("could not be written to standard output");
        assert_eq!(sentences.count(), 1, "{words:?}: {told}");
        assert!(!told.contains("panic"), "{told}");
        let output = redirected(&lab, words, "| true");
        assert!(
            !self::told(&output).contains("standard output"),
            "{words:?}"
        );
    }
    // What was written down stays so.
    let open = [
        "act",
        "shop-api-01",
        "open-port",
        "--set",
        "source=203.0.113.7",
    ];
    lab.ok(&[&open[..], &["--set", "minutes=30", "--yes"]].concat());
    let id = lab.entries()[1]["id"].as_str().unwrap().to_owned();
    let output = redirected(&lab, &["journal", "--keep", &id], ">/dev/full");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

#[test]
fn a_machine_without_threads_or_proc_is_told_in_one_sentence_or_works() {
    let lab = Lab::new();
    let root = rustix::process::geteuid().is_root();
    // Limits do not bind root, and nobody else may read what lies in its folders.
    let open = tempfile::tempdir().unwrap();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = open.path().join("cvmtop");
    std::fs::copy(env!("CARGO_BIN_EXE_cvmtop"), &program).unwrap();
    let mut words = Vec::new();
    if root {
        let nobody = [
            "setpriv",
            "--reuid=65531",
            "--regid=65531",
            "--clear-groups",
        ];
        words.extend(nobody);
    }
    words.extend(["prlimit", "--nproc=1"]);
    let output = Command::new(words[0])
        .args(&words[1..])
        .arg(&program)
        .args(["list", "--demo", "--no-probe"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let said = both(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("ulimit -u") && !said.contains("panicked"),
        "{said}"
    );

    if !root {
        crate::support::not_run("mounts of its own need root");
        return;
    }
    let ours = lab.command(&["list", "--no-probe"]);
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "sh",
            "-euc",
            "mount -t tmpfs none /proc; exec \"$0\" \"$@\"",
        ])
        .arg(ours.get_program())
        .args(ours.get_args())
        .env_clear();
    for (name, value) in ours.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert!(both(&output).contains("shop-web-01"));
}

/// Lines as people paste them, each with a secret.
const PASTED: &[&str] = &[
    "Authorization: Bearer HUNTER2",
    "curl -H 'X: bearer HUNTER2' https://h/",
    "mysql -u root -pHUNTER2 shop",
    "sshpass -p HUNTER2 ssh root@10.0.0.7",
    "api_key: HUNTER2",
    "pwd=HUNTER2",
    "https://u:HUNTER2@h/x",
    "passphrase: HUNTER2",
    "Password: HUNTER2",
    "密码: HUNTER2",
    "密碼：HUNTER2",
    "비밀번호: HUNTER2",
    "암호=HUNTER2",
    "id AKIDshort then AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA",
];

#[test]
fn a_ticket_holds_no_secret_that_was_pasted() {
    let lab = Lab::new();
    let paste = lab.state.path().join("paste.txt");
    let text = PASTED.join("\n") + "\nroot@10.0.0.7: Permission denied (publickey,password).\n";
    std::fs::write(&paste, text).unwrap();
    for more in [&[][..], &["--mask"], &["--archive"]] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().display().to_string();
        let paste = paste.display().to_string();
        let words = [
            "ticket",
            "shop-api-01",
            "--output",
            &out,
            "--error-text",
            &paste,
        ];
        lab.ok(&[&words[..], more].concat());
        let mut bundle = all_files(folder.path());
        if more == ["--archive"] {
            let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
            let unpacked = Command::new("tar")
                .arg("-xzOf")
                .arg(file.unwrap().path())
                .output();
            bundle = String::from_utf8_lossy(&unpacked.unwrap().stdout).into_owned();
        }
        for line in bundle.lines() {
            assert!(!line.contains(SECRET) && !line.contains("AKIDz8"), "{line}");
        }
        assert!(
            bundle.contains("Permission denied"),
            "the failure itself stays"
        );
    }
}

#[test]
fn names_from_the_cloud_make_no_link_picture_or_html_in_the_report() {
    let lab = Lab::new();
    let mut names = 0;
    let folder = tempfile::tempdir().unwrap();
    lab.gateway.alter(|_, body| {
        let text = String::from_utf8_lossy(&body).into_owned();
        let evil =
            "![x](https://evil.example/x)<img src=https://evil.example>[y](https://evil.example)";
        text.replace("\"shop-api-01\"", &format!("\"{evil}\""))
            .into_bytes()
    });
    let out = folder.path().display().to_string();
    let id = lab.instance("shop-api-01")["InstanceId"].clone();
    lab.ok(&["ticket", id.as_str().unwrap(), "--output", &out]);
    let bundle = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let report = std::fs::read_to_string(bundle.path().join("report.md")).unwrap();
    for line in report.lines().filter(|line| line.contains("evil.example")) {
        names += 1;
        for live in ["](", "<img", "://evil"] {
            let bare = line
                .match_indices(live)
                .any(|(at, _)| !line[..at].ends_with('\\'));
            assert!(!bare, "{live} in {line}");
        }
    }
    assert!(names > 0, "the name is not in the report:\n{report}");
}

#[test]
fn a_ticket_goes_into_no_folder_that_somebody_made_before() {
    let lab = Lab::new();
    let shared = tempfile::tempdir().unwrap();
    let id = lab.instance("shop-api-01")["InstanceId"].clone();
    let id = id.as_str().unwrap();
    // Every name of the next minutes is taken.
    let now = jiff::Timestamp::now();
    for second in 0..240 {
        let at = now + jiff::SignedDuration::from_secs(second);
        let stamp = at.strftime("%Y%m%d-%H%M%S");
        std::fs::create_dir(shared.path().join(format!("cvmtop-ticket-{id}-{stamp}"))).unwrap();
    }
    let out = shared.path().display().to_string();
    let output = lab.run(&["ticket", id, "--output", &out]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    assert!(
        told(&output).contains("cvmtop-ticket-"),
        "{}",
        both(&output)
    );
    assert_eq!(all_files(shared.path()), "", "nothing was written");
}

/// A folder with an `ssh` that writes down what it sees, and then is the real one.
fn spying_ssh(folder: &Path) {
    let file = folder.join("ssh");
    let seen = folder.join("seen");
    std::fs::write(
        &file,
        format!(
            "#!/bin/sh\nenv >>'{}'\nexec /usr/bin/ssh \"$@\"\n",
            seen.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_ssh_child_sees_what_it_needs_and_no_secret() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    spying_ssh(folder.path());
    let config = folder.path().join("config");
    std::fs::write(&config, "Host a\n  HostName 127.0.0.1\n").unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let config = config.display().to_string();
    let words = [
        "diagnose",
        "shop-web-01",
        "--try-login",
        "root",
        "--ssh-config",
        &config,
    ];
    let output = lab
        .command(&words)
        .env("PATH", path)
        .env("TENCENTCLOUD_TOKEN", SECRET)
        .env("MY_OWN_KEY", SECRET)
        .env("GITHUB_TOKEN", SECRET)
        .env("https_proxy", format!("http://u:{SECRET}@127.0.0.1:9"))
        .env("SSH_AUTH_SOCK", "/run/agent")
        .env("LC_CTYPE", "C.UTF-8")
        .output()
        .unwrap();
    let seen = std::fs::read_to_string(folder.path().join("seen"))
        .unwrap_or_else(|error| panic!("ssh was not run: {error}: {}", both(&output)));
    for needed in [
        "HOME=",
        "PATH=",
        "SSH_AUTH_SOCK=/run/agent",
        "LC_CTYPE=",
        "LC_ALL=C",
    ] {
        assert!(seen.contains(needed), "{needed} is missing: {seen}");
    }
    for secret in [
        SECRET,
        &lab.demo.secret_key,
        &lab.demo.secret_id,
        "CVMTOP_",
        "TENCENTCLOUD",
    ] {
        assert!(!seen.contains(secret), "{secret} is seen: {seen}");
    }
}

#[test]
fn a_password_in_an_address_is_shown_nowhere() {
    let lab = Lab::new();
    let folder = lab.state.path().join(".config/cvmtop");
    std::fs::create_dir_all(&folder).unwrap();
    let address = format!("http://u:a@{SECRET}@127.0.0.1:9");
    for config in [
        format!("[log]\nlevel = \"trace\"\n[cloud]\nmetadata_endpoint = \"{address}\"\n"),
        format!("[log]\nlevel = \"trace\"\n[cloud]\nendpoint = \"{address}\"\ncvm_role = false\n"),
    ] {
        std::fs::write(folder.join("config.toml"), &config).unwrap();
        for words in [
            &["list", "--no-probe"][..],
            &["doctor"],
            &["config", "show"],
            &["config", "check"],
            &["debug", "report"],
            &["diagnose", "shop-web-01"],
        ] {
            for with_keys in [false, true] {
                let mut command = lab.command(words);
                command.env_remove("CVMTOP_ENDPOINT");
                if !with_keys {
                    command
                        .env_remove("TENCENTCLOUD_SECRET_ID")
                        .env_remove("TENCENTCLOUD_SECRET_KEY");
                }
                let output = command.output().unwrap();
                let text = both(&output);
                assert!(!text.contains(SECRET), "{words:?}: {text}");
            }
        }
        let state = all_files(&lab.state.path().join("state"));
        assert!(!state.contains(SECRET), "in the log or the state");
        assert!(!state.is_empty(), "there is a log to look at");
    }
}

#[test]
fn a_login_name_from_the_cloud_runs_nothing_in_the_guest() {
    let lab = Lab::new();
    lab.gateway.alter(|action, body| {
        if action != "DescribeInstances" {
            return body;
        }
        let mut answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let set = answer["Response"]["InstanceSet"].as_array_mut();
        for one in set.into_iter().flatten() {
            one["DefaultLoginUser"] = "root'; touch /tmp/x; '".into();
        }
        answer.to_string().into_bytes()
    });
    let output = lab.run(&["act", "ftp-01", "guest-unlock-account", "--yes"]);
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
}

#[test]
fn rules_of_another_shape_are_unknown_and_never_none() {
    for odd in ["\"all\"", "7", "true", "null"] {
        let lab = Lab::new();
        // A function pointer holds nothing, so each shape has its own.
        let alter: fn(&str, Vec<u8>) -> Vec<u8> = match odd {
            "\"all\"" => |action, body| with_ingress(action, body, "all".into()),
            "7" => |action, body| with_ingress(action, body, 7.into()),
            "true" => |action, body| with_ingress(action, body, true.into()),
            _ => |action, body| with_ingress(action, body, serde_json::Value::Null),
        };
        lab.gateway.alter(alter);
        let output = lab.run(&["diagnose", "shop-api-01", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", both(&output)));
        let evidence = report["evidence"].as_array().unwrap();
        let group = evidence
            .iter()
            .find(|r| r["id"] == "security-group")
            .unwrap();
        assert_eq!(group["status"], "probe-failed", "{odd}: {group}");
        let open = [
            "act",
            "shop-api-01",
            "open-port",
            "--set",
            "source=203.0.113.9",
        ];
        let output = lab.run(&[&open[..], &["--yes"]].concat());
        assert_eq!(output.status.code(), Some(3), "{odd}: {}", both(&output));
        assert_eq!(lab.gateway.writes(), Vec::<String>::new(), "{odd}");
    }
}

fn with_ingress(action: &str, body: Vec<u8>, ingress: serde_json::Value) -> Vec<u8> {
    if action != "DescribeSecurityGroupPolicies" {
        return body;
    }
    let mut answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    answer["Response"]["SecurityGroupPolicySet"]["Ingress"] = ingress;
    answer.to_string().into_bytes()
}
