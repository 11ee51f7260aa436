//! What happens once a password or key was right, and what keeps it from being looked at: each
//! set-up is a real server in namespaces of its own, a client in another network namespace, and the
//! client's own `ssh` as the referee of what the check reads.
//!
//! What is not the real thing here: the fault of a process (one of that name makes it), SELinux (`systems.rs` stands in for it), and the size of the
//! table of connections, which is one for all namespaces and is covered by a smaller number.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cvmtop::domain::instance::Os;
use cvmtop::guest::{GuestQuestion, readings, script};

const GUEST: &str = include_str!("../../support/guest.sh");

/// The server has 10.0.0.10; the client 203.0.113.7 behind 10.0.0.1, in a network of its own. alice
/// has a key on file, bob the password `pw`. The service logs to a file with real time stamps.
const ROOM: &str = include_str!("../../support/room.sh");

/// A set-up, who tries, the reading that must come of it, and what the client must say: `in42` is
/// a login that came to a session.
struct Case {
    name: &'static str,
    setup: &'static str,
    user: &'static str,
    /// Seconds by which the time of the request differs from the guest's.
    off: i64,
    group: &'static str,
    state: &'static str,
    referee: &'static str,
    says: &'static str,
}

const fn case(
    group: &'static str,
    state: &'static str,
    name: &'static str,
    setup: &'static str,
    says: &'static str,
) -> Case {
    Case {
        name,
        setup,
        user: "alice",
        off: 0,
        group,
        state,
        referee: "client alice",
        says,
    }
}

impl Case {
    const fn of(mut self, user: &'static str) -> Self {
        self.user = user;
        self.referee = "client bob";
        self
    }

    const fn by(mut self, referee: &'static str) -> Self {
        self.referee = referee;
        self
    }

    const fn off(mut self, seconds: i64) -> Self {
        self.off = seconds;
        self
    }
}

const IN: &str = "in42";
/// A session of alice that stays, as the service itself notes it.
const HELD: &str = "start; (setsid nsenter -t $PEER -n ssh -tt -F none -b 203.0.113.7 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i $KEY alice@10.0.0.10 'exec sleep 600' >/run/held 2>&1 &); held() { who | grep -q '^alice '; }; until_ held";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("guest-access", "ok", "nothing in the way", "start", IN),
    case("guest-access", "nologin", "nologin of the boot", "echo 'System is booting up.' >/run/nologin; start", "System is booting up"),
    case("guest-access", "nologin", "nologin without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; echo closed for repair >/etc/nologin; start", "closed for repair"),
    case("guest-access", "ok", "nologin of the boot without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; echo closed >/run/nologin; start", IN),
    case("guest-access", "denied", "pam_access", "sed -i '1iaccount required pam_access.so' /etc/pam.d/sshd; echo '-:ALL EXCEPT root bob:ALL' >/etc/security/access.conf; start", "Connection closed"),
    case("guest-access", "ok", "pam_access for others", "sed -i '1iaccount required pam_access.so' /etc/pam.d/sshd; echo '-:ALL EXCEPT root alice:ALL' >/etc/security/access.conf; start", IN),
    case("guest-access", "denied", "pam_time", "sed -i '1iaccount required pam_time.so' /etc/pam.d/sshd; echo 'sshd;*;alice;!Al0000-2400' >/etc/security/time.conf; start", "Connection closed"),
    case("guest-access", "denied", "pam_listfile, password", "sed -i '1iauth required pam_listfile.so item=user sense=deny file=/etc/no onerr=succeed' /etc/pam.d/sshd; echo bob >/etc/no; start", "Permission denied").of("bob"),
    case("guest-access", "not-attempted", "a module that cannot be judged", "sed -i '1iaccount required pam_exec.so /bin/false' /etc/pam.d/sshd; start", "Connection closed"),

    case("guest-account", "password-expired", "must be changed at once", "sed -i 's/^bob:\\([^:]*\\):20000/bob:\\1:0/' /etc/shadow; start", "password has expired").of("bob"),
    case("guest-account", "password-expired", "older than it may be, by key", "sed -i 's/^alice:.*/alice:*:19000:0:90:7:::/' /etc/shadow; start", "password has expired"),
    case("guest-account", "expired", "shut after its time", "sed -i 's/^bob:\\([^:]*\\):.*/bob:\\1:19000:0:90:7:30::/' /etc/shadow; start", "Connection closed").of("bob"),

    case("guest-account", "locked", "passwd -l, by password", "passwd -l bob >/dev/null; start", "bob L\nPermission denied").of("bob").by("passwd -S bob | cut -d' ' -f1,2; client bob | tail -n 1 | sed 's/.*: Perm/Perm/'"),
    case("guest-account", "ok", "passwd -l, by key", "passwd -l alice >/dev/null; start", IN),
    case("guest-account", "locked", "passwd -l, by password, without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; passwd -l bob >/dev/null; start", "Permission denied").of("bob"),
    case("guest-account", "locked", "passwd -l, by key, without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; passwd -l alice >/dev/null; start", "Permission denied"),
    case("guest-account", "ok", "never had a password, by key, without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; start", IN),
    case("guest-account", "ok", "unlocked again", "passwd -l bob >/dev/null; passwd -u bob >/dev/null; start", IN).of("bob"),

    case("guest-auth-log", "policy-refused", "a list of users without her", "conf 'AllowUsers bob'; start; client alice >/dev/null", "Permission denied"),
    case("guest-auth-log", "policy-refused", "a list of users without him, by password", "conf 'AllowUsers alice'; start; client bob >/dev/null; client bob >/dev/null", "Permission denied").of("bob"),
    case("guest-auth-log", "policy-refused", "a group that may not", "conf 'DenyGroups wheel'; start; client bob >/dev/null", "Permission denied").of("bob"),
    case("guest-auth-log", "policy-refused", "locked, without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; passwd -l alice >/dev/null; start; client alice >/dev/null", "Permission denied"),
    case("guest-auth-log", "invalid-user", "a name that nobody has", "start; client mallory >/dev/null", "Permission denied").of("mallory").by("client mallory"),
    case("guest-auth-log", "accepted", "let in, and still there", "HELD", IN),

    case("guest-terminal", "ok", "terminals", "start", "tty /dev/pts/").by("nsenter -t $PEER -n ssh -tt -F none -b 203.0.113.7 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i $KEY alice@10.0.0.10 'echo tty $(tty)' </dev/null 2>&1"),
    case("guest-terminal", "unavailable", "nothing mounted", "start; umount /dev/pts", "PTY allocation request failed").by("client alice -tt"),
    case("guest-terminal", "unavailable", "no multiplexer", "start; rm /dev/ptmx", "PTY allocation request failed").by("client alice -tt"),
    case("guest-terminal", "unavailable", "all in use", "umount /dev/pts; mount -t devpts -o newinstance,max=2,ptmxmode=666,mode=620,gid=5 devpts /dev/pts; python3 -c 'import os, time; all = [os.openpty() for _ in range(2)]; open(\"/run/used\", \"w\"); time.sleep(600)' & until_ [ -e /run/used ]; start", "PTY allocation request failed").by("client alice -tt"),
    case("guest-terminal", "not-attempted", "none by rule", "conf 'PermitTTY no'; start", "PTY allocation request failed").by("client alice -tt"),

    case("guest-key-algorithms", "ok", "accepted", "start", IN),
    case("guest-key-algorithms", "refused", "type not in the list", "conf 'PubkeyAcceptedAlgorithms ssh-ed25519'; keys $DIR/rsa.pub; KEY=$DIR/rsa; start", "Permission denied"),
    case("guest-key-algorithms", "refused", "too short", "conf 'RequiredRSASize 3072'; keys $DIR/rsa.pub; KEY=$DIR/rsa; start", "Permission denied"),
    case("guest-key-algorithms", "ok", "long enough", "conf 'RequiredRSASize 2048'; keys $DIR/rsa.pub; KEY=$DIR/rsa; start", IN),
    case("guest-key-algorithms", "not-attempted", "one of two refused", "conf 'PubkeyAcceptedAlgorithms ssh-ed25519'; cat $DIR/rsa.pub $DIR/key.pub >/run/both; keys /run/both; start", IN),
    case("guest-key-algorithms", "not-attempted", "no key on file", "rm -r /home/alice/.ssh; start", "Permission denied"),
    case("guest-key-algorithms", "refused", "named by the log", "conf 'PubkeyAcceptedAlgorithms rsa-sha2-512'; keys $DIR/rsa.pub; start; client alice >/dev/null", "Permission denied"),
    case("guest-key-algorithms", "ok", "refused for another user", "conf 'PubkeyAcceptedAlgorithms rsa-sha2-512'; keys $DIR/rsa.pub; start; offer bob >/dev/null; KEY=$DIR/rsa", IN),

    case("guest-key-lookup", "ok", "files only", "start", IN),
    case("guest-key-lookup", "ok", "by a helper that works", "HELP; start; client alice >/dev/null", IN),
    case("guest-key-lookup", "not-attempted", "by a helper that nobody tried", "HELP; start", IN),
    case("guest-key-lookup", "helper-failed", "anybody may write it", "HELP; chmod 777 /etc/ssh/help; start", "Permission denied"),
    case("guest-key-lookup", "helper-failed", "anybody may write its folder", "HELP; chmod 777 /etc/ssh; start", "Permission denied"),
    case("guest-key-lookup", "helper-failed", "of another owner", "HELP; chown bob /etc/ssh/help; start", "Permission denied"),
    case("guest-key-lookup", "helper-failed", "not there", "HELP; start; rm /etc/ssh/help", "Permission denied"),
    case("guest-key-lookup", "helper-failed", "not executable", "HELP; chmod 644 /etc/ssh/help; start", "Permission denied"),
    case("guest-key-lookup", "helper-failed", "of a user who does not exist", "HELP; start; sed -i '/^nobody/d' /etc/passwd", "Permission denied"),
    case("guest-key-lookup", "helper-failed", "that fails", "HELP; printf '#!/bin/sh\\nexit 3\\n' >/etc/ssh/help; start; client alice >/dev/null", "Permission denied"),
    case("guest-key-lookup", "certificate-refused", "certificate out of date", "rm -r /home/alice/.ssh; cp $DIR/host.pub /etc/ssh/ca.pub; conf 'TrustedUserCAKeys /etc/ssh/ca.pub'; cp $DIR/key $DIR/key.pub /run; ssh-keygen -q -s $DIR/host -I x -n alice -V 20200101:20200102 /run/key.pub; KEY=/run/key; start; client alice >/dev/null", "Permission denied"),
    case("guest-key-lookup", "ok", "certificate in order", "rm -r /home/alice/.ssh; cp $DIR/host.pub /etc/ssh/ca.pub; conf 'TrustedUserCAKeys /etc/ssh/ca.pub'; cp $DIR/key $DIR/key.pub /run; ssh-keygen -q -s $DIR/host -I x -n alice -V always:forever /run/key.pub; KEY=/run/key; start; client alice >/dev/null", IN),
    case("guest-key-lookup", "certificate-refused", "list of authorities not there", "rm -r /home/alice/.ssh; conf 'TrustedUserCAKeys /etc/ssh/gone.pub'; cp $DIR/key $DIR/key.pub /run; ssh-keygen -q -s $DIR/host -I x -n alice -V always:forever /run/key.pub; KEY=/run/key; start", "Permission denied"),
    case("guest-key-lookup", "first-boot", "no key yet", "rm -r /home/alice/.ssh; mkdir /run/cloud-init; echo '{\"v1\": {\"stage\": \"modules-config\"}}' >/run/cloud-init/status.json; start", "Permission denied"),
    case("guest-key-lookup", "ok", "a later boot", "mkdir /run/cloud-init; echo '{\"v1\": {\"stage\": \"modules-config\"}}' >/run/cloud-init/status.json; start", IN),
    case("guest-key-lookup", "not-attempted", "a first boot that broke off", "rm -r /home/alice/.ssh; mkdir /run/cloud-init; echo '{\"v1\": {\"stage\": null}}' >/run/cloud-init/status.json; start", "Permission denied"),

    case("guest-selinux", "ok", "not there", "start", IN),

    case("guest-connections", "ok", "room for all", "start", IN),
    case("guest-connections", "queue-overflow", "the service does not take what comes", "start; kill -STOP $(cat /run/sshd.pid); peer python3 -c 'import socket, time; all = []\nfor _ in range(400):\n s = socket.socket(); s.setblocking(False); s.connect_ex((\"10.0.0.10\", 22)); all.append(s)\nopen(\"/run/many\", \"w\"); time.sleep(600)' & full() { ss -ltn | awk '$4 ~ /:22$/ && $2 > $3 {f = 1} END {exit !f}'; }; until_ full", "timed out"),
    case("guest-connections", "table-full", "the table is full", "start; nft 'add table ip t; add chain ip t i { type filter hook input priority 0; }; add rule ip t i ct state invalid drop'; peer python3 -c 'import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor p in range(2000, 2200): s.sendto(b\"x\", (\"10.0.0.10\", p))'; echo 100 >/run/most; mount --bind /run/most /proc/sys/net/netfilter/nf_conntrack_max; cat /proc/sys/net/netfilter/nf_conntrack_count >/run/count", "held enough").by("[ $(cat /run/count) -ge 100 ] && echo held enough"),

    case("guest-service-crashes", "none", "no fault", "start; client alice >/dev/null", IN),
    case("guest-service-crashes", "crashing", "a fault that the kernel notes", "start; rm /usr/local/sbin/dmesg; cp $(python3 -c 'import sys; print(sys.executable)') /run/sshd/sshd; /run/sshd/sshd -c 'import ctypes; ctypes.string_at(0)'; noted() { dmesg | grep -q 'sshd.* segfault'; }; until_ noted", " segfault at ").by("dmesg | grep sshd"),
    case("guest-service-crashes", "none", "one that is long over", "start; client alice >/dev/null; LC_ALL=C date -d '3 hours ago' '+%b %e %H:%M:%S h sshd[7]: fatal: privsep_preauth: preauth child terminated by signal 31' >>/var/log/auth.log", IN),

    case("guest-clock", "ok", "the same time", "start", IN),
    case("guest-clock", "wrong", "an hour behind", "start", IN).off(3600),
    case("guest-clock", "wrong", "an hour ahead", "start", IN).off(-3600),
    case("guest-clock", "not-attempted", "what may be the fault of this host", "start", IN).off(240),

    case("guest-network", "ok", "answers go back as they came", "start", IN),
    case("guest-network", "routes", "a bridge has the user's network", "start; ip link add br0 type bridge; ip addr add 203.0.113.1/24 dev br0; ip link set br0 up", "timed out"),
    case("guest-network", "routes", "a tunnel took the default route", "start; tunnel; ip route replace default dev tun0", "timed out"),
    case("guest-network", "routes", "two halves of the default route", "start; tunnel; ip route add 0.0.0.0/1 dev tun0; ip route add 128.0.0.0/1 dev tun0", "timed out"),
    case("guest-network", "routes", "no way back to the user", "start; ip route add unreachable 203.0.113.0/24", "timed out"),
    case("guest-network", "ok", "a rule keeps the tunnel away", "start; tunnel; ip route add default via 10.0.0.1 table 100; ip rule add from 10.0.0.10 lookup 100; ip route replace default dev tun0", IN),
];

/// A helper that prints the key of alice, and no file with it.
const HELP: &str = "rm -r /home/alice/.ssh; cp $DIR/key.pub /etc/ssh/alice; chmod 644 /etc/ssh/alice; printf '#!/bin/sh\\ncat /etc/ssh/$1\\n' >/etc/ssh/help; chmod 755 /etc/ssh/help; conf 'AuthorizedKeysCommand /etc/ssh/help %u\\nAuthorizedKeysCommandUser nobody'";

/// Sessions that are open when the user tries.
#[rustfmt::skip]
const SESSIONS: &[(&str, &str, &str, &str)] = &[
    ("one open, one allowed", "alice - maxlogins 1", "sessions-full", "too many logins"),
    ("one open, two allowed", "alice - maxlogins 2", "ok", IN),
    ("the nearer limit wins", "* hard maxlogins 1\\nalice - maxlogins 5", "ok", IN),
    ("of a group that is not hers", "@wheel - maxlogins 1", "ok", IN),
    ("of her own group", "@alice hard maxlogins 1", "sessions-full", "too many logins"),
    ("of all together", "* - maxsyslogins 1", "sessions-full", "too many logins"),
    ("none at all", "alice - maxlogins 0", "sessions-full", "too many logins"),
];

fn question(case: &Case) -> GuestQuestion {
    GuestQuestion {
        user: case.user.to_owned(),
        source: Some("203.0.113.7".parse().expect("an address")),
        port: 22,
        private_address: Some("10.0.0.10".parse().expect("an address")),
        uses_key: Some(case.user == "alice"),
        asked_at: Some(jiff::Timestamp::now().as_second() + case.off),
    }
}

/// What is wrong with the reading of one set-up.
fn play(folder: &std::path::Path, at: usize, case: &Case, setup: &str) -> Option<String> {
    let question = question(case);
    let (check, out) = (
        folder.join(format!("check-{at}.sh")),
        folder.join(format!("answer-{at}")),
    );
    std::fs::write(&check, script(Os::Linux, &question)).expect("written");
    let story = format!(
        "DIR={}\n{GUEST}\n{ROOM}\n{setup}\nsh {} >{} 2>/run/check.err\necho @real\n{}\n",
        folder.display(),
        check.display(),
        out.display(),
        case.referee
    );
    let output = Command::new("unshare")
        .args(["-mnpf", "--kill-child", "--mount-proc", "bash", "-c"])
        .arg(&story)
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let answer = std::fs::read_to_string(&out).unwrap_or_default();
    let name = format!("{} {}", case.group, case.name);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !answer.contains("check\tend\t1") {
        return Some(format!("{name}: no end\n{answer}\n{said}\n{errors}"));
    }
    if answer.len() > 18 * 1024 {
        return Some(format!(
            "{name}: {} bytes are more than the agent keeps",
            answer.len()
        ));
    }
    let real = said.split("@real\n").nth(1).unwrap_or("");
    if !real.contains(case.says) || (case.says != IN && real.contains(IN) && !real.contains("PTY"))
    {
        return Some(format!(
            "{name}: the client says {real:?}, not {:?}\n{errors}",
            case.says
        ));
    }
    let all = readings(Os::Linux, &answer, &question);
    let (got, detail) = super::state(&all, case.group);
    (got != case.state).then(|| format!("{name}: `{got}`, expected `{}` ({detail})", case.state))
}

#[test]
fn what_follows_a_right_credential_is_read_as_it_goes() {
    if let Some(why) = super::obstacle() {
        assert!(std::env::var_os("CI").is_none(), "cannot run: {why}");
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (name, kind) in [("key", "ed25519"), ("host", "ed25519"), ("rsa", "rsa")] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", name, "-t", kind])
            .args(
                (kind == "rsa")
                    .then_some(["-b", "2048"])
                    .into_iter()
                    .flatten(),
            )
            .arg("-f")
            .arg(folder.path().join(name))
            .status()
            .expect("ssh-keygen runs");
        assert!(made.success());
    }
    let sessions = SESSIONS.iter().map(|(name, limits, state, says)| {
        let setup = format!("printf '{limits}\\n' >/etc/security/limits.conf; HELD");
        (case("guest-access", state, name, "", says), setup)
    });
    let only = std::env::var("SETUP").unwrap_or_default();
    let all: Vec<(Case, String)> = CASES
        .iter()
        .map(|c| (Case { ..*c }, c.setup.replace("HELP", HELP)))
        .chain(sessions)
        .filter(|(c, _)| format!("{} {}", c.group, c.name).contains(&only))
        .collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, setup)) = all.get(at) else {
                        return;
                    };
                    // A limit of none keeps the first session out, too.
                    let setup = if setup.contains("maxlogins 0") {
                        setup.replace("HELD", "start")
                    } else {
                        setup.replace("HELD", HELD)
                    };
                    let found = play(folder.path(), at, case, &setup);
                    wrong.lock().expect("no thread panicked").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panicked");
    println!("{} set-ups, {} wrong", all.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
