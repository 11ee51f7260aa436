//! The repairs of the way in, each on a real server in namespaces of its own, with the OpenSSH
//! client as the referee: before it the login fails, after it the login works, a second run changes
//! nothing, and taking it back leaves every file as it was and the login failing again.
//!
//! Needs root; without it, or without a tool, the test says why it did not run.

use crate::support::repair;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cvmtop::domain::action::ActionId as A;
use cvmtop::domain::instance::Os;
use cvmtop::guest::{GuestQuestion, readings, script};
use repair::{Repair, possible};

const GUEST: &str = include_str!("../support/guest.sh");
const ROOM: &str = include_str!("../support/room.sh");
/// A copy of what a repair may touch, by owner, mode and content.
const LOOK: &str = r#"
mkdir -p /var/lib/cvmtop; mount -t tmpfs tmpfs /var/lib/cvmtop
look() { (cd /; at="etc/ssh etc/pam.d etc/security etc/passwd etc/shadow etc/group etc/shells etc/nologin etc/no etc/default/ssh etc/ld.so.preload home run/nologin run/sshd"
  find $at -xdev ! -name moduli -printf '%p %m %U:%G %l\n' 2>/dev/null | sort; find $at -xdev -type f 2>/dev/null | sort | xargs -r -d '\n' sha256sum); }
"#;

/// A fault, the repair for it, and who tries.
struct Case {
    name: &'static str,
    action: A,
    words: &'static [&'static str],
    setup: &'static str,
    /// How the login is tried; it comes to `in42`.
    referee: &'static str,
    /// Whether the fault is one that does not come back with the files: a queue, a service that hung.
    stays: bool,
}

const fn case(action: A, name: &'static str, setup: &'static str) -> Case {
    Case {
        name,
        action,
        words: &["user=alice", "source=203.0.113.7"],
        setup,
        referee: "client alice",
        stays: false,
    }
}

impl Case {
    const fn of_bob(mut self) -> Self {
        self.words = &["user=bob", "source=203.0.113.7"];
        self.referee = "client bob";
        self
    }

    const fn with(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    const fn by(mut self, referee: &'static str) -> Self {
        self.referee = referee;
        self
    }

    const fn that_stays(mut self) -> Self {
        self.stays = true;
        self
    }
}

const HELP: &str = "rm -r /home/alice/.ssh; cp $DIR/key.pub /etc/ssh/alice; chmod 644 /etc/ssh/alice; printf '#!/bin/sh\\ncat /etc/ssh/$1\\n' >/etc/ssh/help; chmod 755 /etc/ssh/help; conf 'AuthorizedKeysCommand /etc/ssh/help %u\\nAuthorizedKeysCommandUser nobody'";
const HELD: &str = "start; (setsid nsenter -t $PEER -n ssh -tt -F none -b 203.0.113.7 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i $KEY alice@10.0.0.10 'exec sleep 600' >/run/held 2>&1 &); held() { who | grep -q '^alice '; }; until_ held";
const ROOT_KEY: &str = "mount -t tmpfs -o mode=700 tmpfs /root; mkdir /root/.ssh; cp $DIR/key.pub /root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case(A::GuestRepairSshd, "the folder without rights is gone", "rmdir /run/sshd"),
    case(A::GuestRepairSshd, "a line that is no option", "conf 'Nonsense yes'"),
    case(A::GuestRepairSshd, "several lines, one of them the head of a block", "conf 'Nonsense yes\\nPermitRootLogin maybe\\nMatch Usr bob\\n PasswordAuthentication no\\n DenyUsers *\\nPort abc'"),
    case(A::GuestRepairSshd, "a line of an included file", "conf 'Include /etc/ssh/sshd_config.d/*.conf'; echo 'Portt 22' >/etc/ssh/sshd_config.d/x.conf"),
    case(A::GuestRepairSshd, "the file is lost and a copy lies beside it", "mv /etc/ssh/sshd_config /etc/ssh/sshd_config.bak"),
    case(A::GuestRepairSshd, "the file is lost", "rm /etc/ssh/sshd_config"),
    case(A::GuestRepairSshd, "no host key", "rm /etc/ssh/ssh_host_*"),
    case(A::GuestRepairSshd, "a host key that others may read", "chmod 644 /etc/ssh/ssh_host_ed25519_key"),
    case(A::GuestRepairSshd, "a host key that is none", "echo x >/etc/ssh/ssh_host_ed25519_key"),
    case(A::GuestRepairSshd, "a host key without content", ": >/etc/ssh/ssh_host_ed25519_key"),
    case(A::GuestRepairSshd, "the account without rights is gone", "sed -i /^sshd/d /etc/passwd"),
    case(A::GuestRepairSshd, "the service does not run", "true"),
    case(A::GuestRepairSshd, "a library that is gone is forced on every program", "echo /usr/lib/gone.so >/etc/ld.so.preload"),
    case(A::GuestRepairSshd, "others may write the home", "chmod 777 /home/alice; start"),
    case(A::GuestRepairSshd, "the home belongs to another", "chown bob /home/alice; start"),
    case(A::GuestRepairSshd, "the home belongs to root alone", "chown root:root /home/alice; chmod 700 /home/alice; start"),
    case(A::GuestRepairSshd, "others may write the keys", "chmod 777 /home/alice/.ssh; chmod 666 /home/alice/.ssh/authorized_keys; start"),
    case(A::GuestRepairSshd, "the account cannot read its keys", "chown root /home/alice/.ssh/authorized_keys; start"),

    case(A::GuestAllowUser, "DenyUsers", "conf 'DenyUsers alice'; start"),
    case(A::GuestAllowUser, "AllowUsers", "conf 'AllowUsers bob root'; start"),
    case(A::GuestAllowUser, "DenyGroups", "conf 'DenyGroups alice'; start"),
    case(A::GuestAllowUser, "AllowGroups, from anywhere", "conf 'AllowGroups wheel'; start").with(&["user=alice", "source=any"]),
    case(A::GuestAllowUser, "a block of an included file", "echo 'Match User alice\n DenyUsers alice' >/etc/ssh/sshd_config.d/a.conf; sed -i '1iInclude /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config; start"),
    case(A::GuestAllowUser, "a block for everybody", "conf 'Match all\\n DenyUsers *\\n MaxAuthTries 3'; start"),
    case(A::GuestAllowUser, "keys are off", "conf 'PubkeyAuthentication no'; start"),
    case(A::GuestAllowUser, "no try is left", "conf 'MaxAuthTries 0'; start").of_bob(),
    case(A::GuestAllowUser, "others may write the home", "chmod 777 /home/alice; start"),
    case(A::GuestAllowUser, "locked, and PAM is not asked", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; sed -i 's/^alice:[*]/alice:!/' /etc/shadow; start"),
    case(A::GuestAllowUser, "root is denied", "ROOT_KEY; conf 'PermitRootLogin no'; start").with(&["user=root", "source=203.0.113.7"]).by("client alice -l root"),

    case(A::GuestAllowPassword, "passwords are off", "conf 'PasswordAuthentication no'; start").of_bob(),
    case(A::GuestAllowPassword, "keys are asked for alone", "conf 'AuthenticationMethods publickey'; start").of_bob(),
    case(A::GuestAllowPassword, "of root", "sed -i \"s#^root:[*]#root:$HASH#\" /etc/shadow; conf 'PasswordAuthentication no'; start").with(&["user=root"]).by("client bob -l root"),

    case(A::GuestAllowForwarding, "not allowed", "conf 'AllowTcpForwarding no'; start; python3 -c 'import socket\ns = socket.create_server((\"127.0.0.1\", 9999)); open(\"/run/served\", \"w\")\nwhile 1: c = s.accept()[0]; c.sendall(b\"in42\\n\"); c.close()' & until_ [ -e /run/served ]").by("timeout 15 setsid nsenter -t $PEER -n ssh -F none -b 203.0.113.7 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i $KEY -W 127.0.0.1:9999 alice@10.0.0.10 2>&1"),

    case(A::GuestDefaultAlgorithms, "the type of the key", "conf 'PubkeyAcceptedAlgorithms rsa-sha2-512'; start").with(&[]),
    case(A::GuestDefaultAlgorithms, "the size of the key", "conf 'RequiredRSASize 3072'; keys $DIR/rsa.pub; KEY=$DIR/rsa; start").with(&[]),
    case(A::GuestDefaultAlgorithms, "the exchange", "conf 'KexAlgorithms diffie-hellman-group14-sha256'; start").with(&[]).by("client alice -o KexAlgorithms=curve25519-sha256"),
    case(A::GuestDefaultAlgorithms, "the cipher, in an included file", "conf 'Include /etc/ssh/sshd_config.d/*.conf'; echo 'ciphers=aes128-ctr' >/etc/ssh/sshd_config.d/x.conf; start").with(&[]).by("client alice -o Ciphers=aes256-ctr"),

    case(A::GuestRaiseThrottle, "others wait", "conf 'MaxStartups 1'; start; peer python3 -c 'import socket, time; all = [socket.create_connection((\"10.0.0.10\", 22)) for _ in range(3)]; open(\"/run/many\", \"w\"); time.sleep(600)' & until_ [ -e /run/many ]; shut() { peer python3 -c 'import socket\ntry: raise SystemExit(socket.create_connection((\"10.0.0.10\", 22), 10).recv(4) == b\"SSH-\")\nexcept ConnectionResetError: pass' 2>/dev/null; }; until_ shut").with(&["source=203.0.113.7"]).that_stays(),

    case(A::GuestRepairKeyLookup, "anybody may write it", "HELP; chmod 777 /etc/ssh/help; start").with(&["user=alice"]),
    case(A::GuestRepairKeyLookup, "anybody may write its folder", "HELP; chmod 777 /etc/ssh; start").with(&["user=alice"]),
    case(A::GuestRepairKeyLookup, "of another owner", "HELP; chown bob /etc/ssh/help; start").with(&["user=alice"]),
    case(A::GuestRepairKeyLookup, "not executable", "HELP; chmod 644 /etc/ssh/help; start").with(&["user=alice"]),
    case(A::GuestRepairKeyLookup, "of a user who does not exist", "HELP; sed -i 's/CommandUser nobody/CommandUser keys/' /etc/ssh/sshd_config; start").with(&["user=alice"]),

    case(A::GuestAdmitAccount, "nologin of the boot", "echo booting >/run/nologin; start"),
    case(A::GuestAdmitAccount, "nologin without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; echo closed >/etc/nologin; start"),
    case(A::GuestAdmitAccount, "pam_access", "sed -i '1iaccount required pam_access.so' /etc/pam.d/sshd; echo '-:ALL EXCEPT root bob:ALL' >/etc/security/access.conf; start"),
    case(A::GuestAdmitAccount, "pam_time", "sed -i '1iaccount required pam_time.so' /etc/pam.d/sshd; echo 'sshd;*;alice;!Al0000-2400' >/etc/security/time.conf; start"),
    case(A::GuestAdmitAccount, "pam_time for all", "sed -i '1iaccount required pam_time.so' /etc/pam.d/sshd; echo '*;*;*;!Al0000-2400' >/etc/security/time.conf; start"),
    case(A::GuestAdmitAccount, "pam_listfile that denies", "sed -i '1iauth required pam_listfile.so item=user sense=deny file=/etc/no onerr=succeed' /etc/pam.d/sshd; echo bob >/etc/no; start").of_bob(),
    case(A::GuestAdmitAccount, "pam_listfile that allows others", "sed -i '1iauth required pam_listfile.so item=user sense=allow file=/etc/no onerr=fail' /etc/pam.d/sshd; echo alice >/etc/no; start").of_bob(),
    case(A::GuestAdmitAccount, "pam_succeed_if", "sed -i '1iaccount required pam_succeed_if.so user ingroup wheel' /etc/pam.d/sshd; start"),
    case(A::GuestAdmitAccount, "pam_shells", "sed -i '1iaccount required pam_shells.so' /etc/pam.d/sshd; echo /bin/bash >/etc/shells; start"),
    case(A::GuestAdmitAccount, "pam_listfile of groups", "sed -i '1iauth required pam_listfile.so item=group sense=allow file=/etc/no onerr=fail' /etc/pam.d/sshd; echo root >/etc/no; start").of_bob(),
    case(A::GuestAdmitAccount, "one session allowed, one open", "echo 'alice - maxlogins 1' >/etc/security/limits.conf; HELD"),
    case(A::GuestAdmitAccount, "one of all allowed, one open", "echo '* - maxsyslogins 1' >/etc/security/limits.conf; HELD"),

    case(A::GuestUnlockAccount, "a locked password", "sed -i 's/^bob:/bob:!/' /etc/shadow; start").with(&["user=bob"]).by("client bob"),
    case(A::GuestUnlockAccount, "twice locked", "sed -i 's/^bob:/bob:!!/' /etc/shadow; start").with(&["user=bob"]).by("client bob"),
    case(A::GuestUnlockAccount, "expired", "sed -i 's/^alice:.*/alice:*:20000:0:99999:7::0:/' /etc/shadow; start").with(&["user=alice"]),
    case(A::GuestUnlockAccount, "shut after its time", "sed -i 's/^bob:\\([^:]*\\):.*/bob:\\1:19000:0:90:7:30::/' /etc/shadow; start").with(&["user=bob"]).by("client bob"),
    case(A::GuestUnlockAccount, "failures in a folder of its own", "mkdir /run/fails; sed -i '1iauth requisite pam_faillock.so preauth dir=/run/fails deny=3\\naccount required pam_faillock.so dir=/run/fails' /etc/pam.d/sshd; python3 -c 'import struct, time; open(\"/run/fails/bob\", \"wb\").write(struct.pack(\"<52sHHQ\", b\"198.51.100.7\", 0, 3, int(time.time())) * 5)'; start").with(&["user=bob"]).by("client bob").that_stays(),

    case(A::GuestRenewPassword, "must be changed at once", "sed -i 's/^bob:\\([^:]*\\):20000/bob:\\1:0/' /etc/shadow; start").with(&["user=bob"]).by("client bob"),
    case(A::GuestRenewPassword, "older than it may be, by key", "sed -i 's/^alice:.*/alice:*:19000:0:90:7:::/' /etc/shadow; start").with(&["user=alice"]),

    case(A::GuestRepairShell, "nologin", "sed -i '/^alice/s#/bin/sh#/usr/sbin/nologin#' /etc/passwd; start").with(&["user=alice"]),
    case(A::GuestRepairShell, "a shell that is not there", "sed -i '/^alice/s#/bin/sh#/bin/none#' /etc/passwd; start").with(&["user=alice"]),
    case(A::GuestRepairShell, "no process", "echo 'alice hard nproc 0' >/etc/security/limits.conf; start").with(&["user=alice"]),
    case(A::GuestRepairShell, "no memory", "mkdir /etc/security/limits.d; echo 'alice hard as 100' >/etc/security/limits.d/x.conf; start").with(&["user=alice"]),
    case(A::GuestRepairShell, "no session", "echo 'alice - maxlogins 0' >/etc/security/limits.conf; start").with(&["user=alice"]),

    case(A::GuestRepairPam, "a module that is not there", "sed -i '1iaccount required pam_none.so' /etc/pam.d/sshd; start").with(&[]),
    case(A::GuestRepairPam, "one more for passwords", "sed -i '1iauth required pam_none.so' /etc/pam.d/common-auth; start").with(&[]).by("client bob"),
    case(A::GuestRepairPam, "a path that is wrong", "sed -i 's#^account.*pam_unix.so#account required /lib/security/pam_unix.so#' /etc/pam.d/common-account; start").with(&[]),
    case(A::GuestRepairPam, "of the session", "echo 'session required pam_gone.so' >>/etc/pam.d/sshd; start").with(&[]),
    case(A::GuestRepairPam, "the stack is gone", "rm /etc/pam.d/sshd; echo 'account required pam_deny.so' >/etc/pam.d/other; start").with(&[]),
    case(A::GuestRepairPam, "an included stack is gone", "rm /etc/pam.d/common-auth; start").with(&[]).by("client bob"),
    case(A::GuestRepairPam, "an included stack is empty", ": >/etc/pam.d/common-account; start").with(&[]),
    case(A::GuestRepairPam, "an included stack that never was", "echo '@include common-none' >>/etc/pam.d/sshd; start").with(&[]),
    case(A::GuestRepairPam, "nobody asks for the password", "printf 'auth requisite pam_deny.so\nauth required pam_permit.so\n' >/etc/pam.d/common-auth; start").with(&[]).by("client bob"),
    case(A::GuestRepairPam, "a refusal for everybody", "sed -i '1iaccount required pam_deny.so' /etc/pam.d/sshd; start").with(&[]),
    case(A::GuestRepairPam, "a control that is none", "sed -i '1iaccount requird pam_unix.so' /etc/pam.d/sshd; start").with(&[]),
    case(A::GuestRepairPam, "a module that is no library", "echo x >/run/bad; mount --bind /run/bad $(ls /lib/*/security/pam_nologin.so | head -n 1); start").with(&[]),

    case(A::GuestListenPort, "another port", "conf 'Port 2222'; /usr/sbin/sshd").with(&["port=22"]),
    case(A::GuestListenPort, "another port in an included file", "conf 'Include /etc/ssh/sshd_config.d/*.conf'; echo Port=2222 >/etc/ssh/sshd_config.d/x.conf; /usr/sbin/sshd").with(&["port=22"]),
    case(A::GuestListenPort, "this system only", "conf 'ListenAddress 127.0.0.1'; /usr/sbin/sshd").with(&["port=22"]),
    case(A::GuestListenPort, "an address that it does not have", "conf 'ListenAddress 10.9.9.9'; /usr/sbin/sshd").with(&["port=22"]),
    case(A::GuestListenPort, "IPv6 only", "conf 'AddressFamily inet6'; /usr/sbin/sshd").with(&["port=22"]),
    case(A::GuestListenPort, "a port of its own beside the usual one", "start").with(&["port=2200"]).by("client alice -p 2200"),

    case(A::GuestRestartLoginService, "it does not run", "true").with(&[]).that_stays(),
    case(A::GuestRestartLoginService, "its folder is gone", "rmdir /run/sshd").with(&[]).that_stays(),
    case(A::GuestRestartLoginService, "it hangs", "start; kill -STOP $(cat /run/sshd.pid)").with(&[]).that_stays(),
    case(A::GuestRestartLoginService, "nothing manages it", "mv /etc/init.d/ssh /run/x").with(&[]).that_stays(),
];

/// The finding that an action is for, and what may be read of it when all is well.
fn finding(action: A) -> Option<(&'static str, &'static str)> {
    Some(match action {
        A::GuestAllowUser | A::GuestAllowPassword => ("guest-auth-policy", "ok"),
        A::GuestAdmitAccount => ("guest-access", "ok"),
        A::GuestUnlockAccount | A::GuestRenewPassword | A::GuestRepairShell => {
            ("guest-account", "ok")
        }
        A::GuestRepairPam => ("guest-pam", "ok"),
        A::GuestRepairKeyLookup => ("guest-key-lookup", "ok"),
        A::GuestDefaultAlgorithms => ("guest-key-algorithms", "ok"),
        A::GuestListenPort => ("guest-listener", "expected-port"),
        A::GuestRepairSshd => ("guest-sshd-config", "valid"),
        A::GuestRestartLoginService => ("guest-service", "running"),
        _ => return None,
    })
}

fn question(case: &Case) -> GuestQuestion {
    let named = case.words.iter().find_map(|w| w.strip_prefix("user="));
    let by_password = case.referee.contains("client bob");
    GuestQuestion {
        user: named
            .unwrap_or(if by_password { "bob" } else { "alice" })
            .to_owned(),
        source: Some("203.0.113.7".parse().expect("an address")),
        port: if case.words.contains(&"port=2200") {
            2200
        } else {
            22
        },
        private_address: Some("10.0.0.10".parse().expect("an address")),
        uses_key: Some(!by_password),
        asked_at: Some(jiff::Timestamp::now().as_second()),
    }
}

/// What the program's own look says of a group.
fn state(case: &Case, answer: &str, group: &str) -> String {
    let all = readings(Os::Linux, answer, &question(case));
    let reading = all.iter().find(|r| r.id == group);
    let state = reading.and_then(|r| r.observed_state());
    state.unwrap_or("unknown").to_owned()
}

/// What is wrong with one case.
fn play(folder: &Path, at: usize, case: &Case) -> Option<String> {
    let name = format!("{}: {}", case.action, case.name);
    // Its files are the same wherever the user comes from.
    let everywhere = case.action == A::GuestRepairSshd;
    let fits = |word: &&&str| !(everywhere && word.starts_with("source="));
    let words: Vec<&str> = case.words.iter().filter(fits).copied().collect();
    let repair = Repair::new(case.action, &words);
    let file = |word: &str| folder.join(format!("{word}-{at}"));
    std::fs::write(file("apply"), &repair.apply).expect("written");
    std::fs::write(file("undo"), &repair.undo).expect("written");
    let setup = case
        .setup
        .replace("HELP", HELP)
        .replace("HELD", HELD)
        .replace("ROOT_KEY", ROOT_KEY);
    // Other shells than this system's own read the same text.
    let shell = ["dash", "bash --posix", "mksh -o posix", "busybox sh"][at % 4];
    let program = shell.split(' ').next().unwrap_or("sh");
    let there = ["/bin", "/usr/bin"]
        .iter()
        .any(|d| Path::new(d).join(program).exists());
    let shell = if there { shell } else { "sh" };
    let (apply, undo) = (file("apply"), file("undo"));
    let (check, seen, seen_after) = (file("check"), file("seen"), file("seen-after"));
    std::fs::write(&check, script(Os::Linux, &question(case))).expect("written");
    let story = format!(
        "DIR={folder}\n{GUEST}\n{ROOM}\n{LOOK}\n{setup}\nlook >/run/look.before
         echo @before; {referee}
         sh {check} >{seen} 2>/run/check.err
         echo @apply; {shell} {apply} 2>&1
         echo @after; {referee}
         sh {check} >{seen_after} 2>/run/check.err
         echo @again; {shell} {apply} 2>&1
         echo @undo; [ ! -s {undo} ] || {shell} {undo} 2>&1
         look >/run/look.after; diff /run/look.before /run/look.after
         echo @back; {referee}
         echo @end",
        folder = folder.display(),
        referee = case.referee,
        apply = apply.display(),
        undo = undo.display(),
        check = check.display(),
        seen = seen.display(),
        seen_after = seen_after.display(),
    );
    let output = Command::new("unshare")
        .args(["-mnpf", "--kill-child", "--mount-proc", "bash", "-c"])
        .arg(&story)
        .process_group(0) // of its own: see `support::probe::sshd_in`
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let part = |from: &str, to: &str| -> String {
        let rest = said.split_once(&format!("@{from}\n")).map_or("", |s| s.1);
        rest.split_once(&format!("@{to}\n"))
            .map_or(rest, |s| s.0)
            .to_owned()
    };
    let is_in = |text: &str| text.contains("in42");
    let mut wrong = Vec::new();
    let (applied, again, undone) = (
        part("apply", "after"),
        part("again", "undo"),
        part("undo", "back"),
    );
    if is_in(&part("before", "apply")) {
        wrong.push("the login worked before it".to_owned());
    }
    if !applied.lines().any(|l| l.starts_with("changed: ")) || applied.contains("failed: ") {
        wrong.push("it did not say that it changed something".to_owned());
    }
    if !is_in(&part("after", "again")) {
        wrong.push(format!(
            "the login fails after it: {}",
            part("after", "again")
        ));
    }
    if case.action != A::GuestRestartLoginService && !again.contains("done: 0 changes") {
        wrong.push(format!("a second run: {again}"));
    }
    let strange = undone
        .lines()
        .filter(|l| !l.starts_with("ERROR: ld.so"))
        .find(|l| {
            !["changed: ", "unchanged: ", "note: ", "done: "]
                .iter()
                .any(|w| l.starts_with(w))
        });
    if case.action != A::GuestRestartLoginService
        && let Some(strange) = strange
    {
        wrong.push(format!(
            "taken back, something is left: {strange}\n{undone}"
        ));
    }
    if !case.stays && is_in(&part("back", "end")) {
        wrong.push("the login works although it was taken back".to_owned());
    }
    if let Some((group, good)) = finding(case.action) {
        let read = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
        let (was, is) = (
            state(case, &read(&seen), group),
            state(case, &read(&seen_after), group),
        );
        println!("{name}: {group} was {was}, is {is}");
        if is != good && is != "unknown" {
            wrong.push(format!("the look still says {group}={is}"));
        }
    }
    if !said.contains("@end") {
        wrong.push(format!(
            "no end: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    (!wrong.is_empty()).then(|| format!("{name} ({shell}): {}\n{applied}", wrong.join("; ")))
}

#[test]
fn each_repair_brings_the_login_back_and_can_be_taken_back() {
    if !possible(&[
        "sshd",
        "ssh",
        "ssh-keygen",
        "unshare",
        "nsenter",
        "ip",
        "python3",
        "faillock",
    ]) {
        return;
    }
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    for (name, kind) in [("key", "ed25519"), ("host", "ed25519"), ("rsa", "rsa")] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-N", "", "-C", name, "-t", kind]);
        if kind == "rsa" {
            keygen.args(["-b", "2048"]);
        }
        let made = keygen.arg("-f").arg(folder.path().join(name)).status();
        assert!(made.expect("ssh-keygen runs").success());
    }
    let only = std::env::var("SETUP").unwrap_or_default();
    let all: Vec<&Case> = CASES
        .iter()
        .filter(|c| format!("{}: {}", c.action, c.name).contains(&only))
        .collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = all.get(at) else {
                        return;
                    };
                    let found = play(folder.path(), at, case);
                    wrong.lock().expect("no thread panicked").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panicked");
    println!("{} cases, {} wrong", all.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
