//! The Linux repairs run for real: on a copy of the files they touch, with the system's own
//! `sshd`, `ssh-keygen`, `usermod` and, in a network namespace made here, `nft`.
//!
//! Each repair is run twice (the second run changes nothing) and taken back. Needs root; without
//! it, or without a tool, the test says why it did not run.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cvmtop::action::context::Fact;
use cvmtop::action::plan::Undo;
use cvmtop::action::{Parameters, PlanContext, plan};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::instance::{Instance, Os};

/// The scripts of a repair, as the plan would send them.
struct Repair {
    apply: String,
    undo: String,
    root: tempfile::TempDir,
}

impl Repair {
    fn new(action: ActionId, words: &[&str]) -> Self {
        let context = PlanContext {
            entry: "e1".to_owned(),
            instance: Instance {
                id: "ins-1".to_owned(),
                state: "RUNNING".to_owned(),
                os: Os::Linux,
                ..Instance::default()
            },
            agent: Fact::Known("Online".to_owned()),
            ..PlanContext::default()
        };
        let parameters = Parameters::from_words(action, words).expect("good parameters");
        let plan = plan(action, &parameters, &context).expect("a plan");
        let text = |step: &cvmtop::action::plan::Step| {
            step.script.as_ref().expect("a script").text.clone()
        };
        let undo = match &plan.undo {
            Undo::Steps { steps, .. } => text(&steps[0]),
            _ => String::new(),
        };
        Self {
            apply: text(&plan.steps[0]),
            undo,
            root: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("writable");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
    }

    /// Runs a script on the copy, in a shell that has set things up before.
    fn run_in(&self, setting: &str, script: &str) -> String {
        let file = self.path("repair.sh");
        fs::write(&file, script).expect("writable");
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("{setting} sh {}", file.display()))
            .env("CVMTOP_ROOT", self.root.path())
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}{errors}");
        said
    }

    /// Apply, apply again, and what the first run said.
    fn apply_twice(&self) -> String {
        let first = self.run_in("", &self.apply);
        assert!(!first.contains("done: 0"), "{first}");
        let second = self.run_in("", &self.apply);
        assert!(second.contains("done: 0 change(s)"), "{second}");
        first
    }

    fn take_back(&self) -> String {
        self.run_in("", &self.undo)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

/// False, with the reason on standard error, where a test cannot run.
fn possible(tools: &[&str]) -> bool {
    let root = rustix::process::geteuid().is_root();
    let missing: Vec<_> = tools
        .iter()
        .filter(|tool| {
            !["/usr/sbin", "/usr/bin"]
                .iter()
                .any(|d| Path::new(d).join(tool).exists())
        })
        .collect();
    if !root || !missing.is_empty() {
        eprintln!("not run: root is {root}, missing tools are {missing:?}");
    }
    root && missing.is_empty()
}

#[test]
fn sshd_files_are_put_right_and_missing_host_keys_made() {
    if !possible(&["sshd", "ssh-keygen"]) {
        return;
    }
    let repair = Repair::new(ActionId::GuestRepairSshd, &[]);
    let key = |kind: &str| repair.path(&format!("etc/ssh/ssh_host_{kind}_key"));
    repair.write("etc/ssh/sshd_config", "", 0o666);
    let config = format!(
        "HostKey {}\nHostKey {}\n",
        key("rsa").display(),
        key("ed25519").display()
    );
    repair.write("etc/ssh/sshd_config", &config, 0o666);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
        .arg(key("rsa"))
        .status()
        .expect("ssh-keygen runs");
    assert!(made.success());
    fs::set_permissions(key("rsa"), Permissions::from_mode(0o644)).expect("a mode");
    repair.write("root/.ssh/authorized_keys", "", 0o666);

    let said = repair.apply_twice();
    assert!(said.contains("passes sshd -t"), "{said}");
    assert_eq!(mode(&key("rsa")), 0o600);
    assert_eq!(mode(&key("ed25519")), 0o600);
    assert_eq!(mode(&repair.path("etc/ssh/sshd_config")), 0o600);
    assert_eq!(mode(&repair.path("root/.ssh/authorized_keys")), 0o600);
    assert!(!key("ecdsa").exists(), "the configuration does not name it");

    repair.take_back();
    assert_eq!(mode(&key("rsa")), 0o644);
    assert_eq!(mode(&repair.path("etc/ssh/sshd_config")), 0o666);
    assert!(!key("ed25519").exists());
}

#[test]
fn an_oversized_login_log_is_set_aside_and_put_back() {
    if !possible(&["stat"]) {
        return;
    }
    let mut repair = Repair::new(ActionId::GuestFreeLoginLog, &[]);
    // The limit is 256 MiB; a smaller one keeps the test small.
    for script in [&mut repair.apply, &mut repair.undo] {
        *script = script.replace("LIMIT='268435456'", "LIMIT='4096'");
    }
    let log = repair.path("var/log/btmp");
    repair.write("var/log/btmp", &"x".repeat(100_000), 0o660);
    repair.write("var/log/wtmp", "small", 0o664);
    repair.apply_twice();
    assert_eq!(fs::read(&log).expect("a file").len(), 0);
    assert_eq!(mode(&log), 0o660);
    assert_eq!(
        fs::read(repair.path("var/log/wtmp")).expect("a file"),
        b"small"
    );
    fs::write(&log, "new").expect("writable");
    repair.take_back();
    let text = fs::read_to_string(&log).expect("a file");
    assert_eq!((text.len(), text.ends_with("new")), (100_003, true));
}

#[test]
fn only_the_ban_of_this_address_is_lifted_from_hosts_deny() {
    if !possible(&["awk", "cmp"]) {
        return;
    }
    let source: IpAddr = "198.51.100.7".parse().expect("an address");
    let repair = Repair::new(ActionId::GuestUnblockSource, &[&format!("source={source}")]);
    let before = "# 198.51.100.7\nsshd: 198.51.100.7\nALL: 198.51.100.70\n\
                  sshd: 203.0.113.1, 198.51.100.7\nALL: ALL EXCEPT 198.51.100.7\n";
    repair.write("etc/hosts.deny", before, 0o644);
    // A network of its own, so that the machine's own rules are out of reach.
    let namespace = "unshare -n";
    let said = repair.run_in(namespace, &repair.apply);
    assert!(said.contains("done: 1"), "{said}");
    assert_eq!(
        fs::read_to_string(repair.path("etc/hosts.deny")).expect("a file"),
        "# 198.51.100.7\nALL: 198.51.100.70\nsshd: 203.0.113.1\nALL: ALL EXCEPT 198.51.100.7\n"
    );
    repair.run_in(namespace, &repair.undo);
    assert_eq!(
        fs::read_to_string(repair.path("etc/hosts.deny")).expect("a file"),
        before
    );
}

#[test]
fn a_locked_password_is_unlocked_and_locked_again() {
    if !possible(&["usermod", "faillock", "unshare"]) {
        return;
    }
    let repair = Repair::new(ActionId::GuestUnlockAccount, &["user=alice"]);
    repair.write(
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
        0o644,
    );
    repair.write("etc/group", "root:x:0:\nalice:x:1000:\n", 0o644);
    repair.write("etc/login.defs", "", 0o644);
    let locked = "root:*:19000:0:99999:7:::\nalice:!$6$salt$hash:19000:0:99999:7:::\n";
    repair.write("etc/shadow", locked, 0o600);
    let namespace = "unshare -m";
    repair.run_in(namespace, &repair.apply);
    let shadow = || fs::read_to_string(repair.path("etc/shadow")).expect("a file");
    assert!(shadow().contains("alice:$6$salt$hash:"));
    // No copy of the hashes is left behind.
    let kept = repair.path("var/lib/cvmtop/cvmtop-e1");
    for entry in fs::read_dir(kept).expect("a folder") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("a file");
        assert!(!text.contains("hash"));
    }
    repair.run_in(namespace, &repair.undo);
    assert_eq!(shadow(), locked);
}

#[test]
fn the_guests_firewall_lets_the_source_in_and_no_rule_is_lost() {
    if !possible(&["nft", "unshare"]) {
        return;
    }
    let repair = Repair::new(
        ActionId::GuestAllowPort,
        &["port=2222", "source=198.51.100.7"],
    );
    let apply = repair.path("apply.sh");
    let undo = repair.path("undo.sh");
    fs::write(&apply, &repair.apply).expect("writable");
    fs::write(&undo, &repair.undo).expect("writable");
    let story = format!(
        "set -e
         nft add table inet filter
         nft 'add chain inet filter input {{ type filter hook input priority 0; policy drop; }}'
         nft add rule inet filter input tcp dport 2222 drop
         nft list ruleset > $CVMTOP_ROOT/before
         sh {apply}; sh {apply} | grep -q 'done: 0'
         nft list chain inet filter input | grep -m1 dport | grep -q 'ip saddr 198.51.100.7 tcp dport 2222 accept'
         sh {undo}
         nft list ruleset > $CVMTOP_ROOT/after; cmp $CVMTOP_ROOT/before $CVMTOP_ROOT/after; echo told",
        apply = apply.display(),
        undo = undo.display()
    );
    let said = repair.run_in("unshare -n", &story);
    assert!(said.ends_with("told\n"), "{said}");
}
