//! The Linux repairs run for real: on a copy of the files they touch, and, in a network namespace
//! made here, with `nft`.
//!
//! Each repair is run twice (the second run changes nothing) and taken back. Needs root; without
//! it, or without a tool, the test says why it did not run.

use crate::support::repair;
use std::fs;
use std::net::IpAddr;

use cvmtop::domain::action::ActionId;
use repair::{Repair, mode, possible};

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
    if !possible(&["faillock", "unshare"]) {
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
fn an_account_that_expired_is_renewed_and_expires_again() {
    if !possible(&["unshare"]) {
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
    let shadow = |day: &str| {
        format!("root:*:19000:0:99999:7:::\nalice:$6$salt$hash:19000:0:99999:7::{day}:\n")
    };
    let now = || fs::read_to_string(repair.path("etc/shadow")).expect("a file");
    repair.write("etc/shadow", &shadow("19100"), 0o600);
    let namespace = "unshare -m";
    let said = repair.run_in(namespace, &repair.apply);
    assert!(said.contains("lifted the expiry of alice"), "{said}");
    assert_eq!(now(), shadow(""));
    let again = repair.run_in(namespace, &repair.apply);
    assert!(again.contains("done: 0"), "{again}");
    repair.run_in(namespace, &repair.undo);
    assert_eq!(now(), shadow("19100"));
    // A date that is still to come stays.
    repair.write("etc/shadow", &shadow("99999"), 0o600);
    let said = repair.run_in(namespace, &repair.apply);
    assert!(said.contains("done: 0"), "{said}");
    assert_eq!(now(), shadow("99999"));
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
