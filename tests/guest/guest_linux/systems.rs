//! The check on systems that are not the one it was written on: BusyBox alone, no `ss`, no
//! `getent`, no systemd, a root that is read-only or full, other languages, SELinux enforcing.
//!
//! What is not the real thing here: no package registry that tests may use has a root of CentOS 6
//! or 7 or of Alpine, so their layouts (SysV init with `service`, OpenRC, BusyBox without systemd,
//! older listings) are built by hand, and their shells stand for the shell: BusyBox ash, dash,
//! mksh, yash and `bash --posix`, which are real. `pwsh` is not to be had either: the Windows
//! check is read by a grammar (`guest_powershell.rs`) and never ran on PowerShell.

use std::process::{Command, Stdio};

use cvmtop::domain::evidence::Reading;
use cvmtop::domain::instance::Os;
use cvmtop::guest::{GuestQuestion, readings, script};

/// A root with BusyBox and nothing else; the account `deploy` has a key.
const ROOM: &str = r#"
set -e
mount -t tmpfs tmpfs /run
R=$(mktemp -d -p /dev/shm); mount -t tmpfs -o size=24m tmpfs "$R"
mkdir -p "$R/bin" "$R/sbin" "$R/usr/bin" "$R/usr/sbin" "$R/etc/ssh" "$R/proc" "$R/tmp" "$R/var/log" "$R/home/deploy/.ssh" "$R/run" "$R/dev" "$R/root"
cp /bin/busybox "$R/bin/"
for l in $(ldd /bin/busybox 2>/dev/null | grep -o '/[^ ]*'); do mkdir -p "$R${l%/*}"; cp "$l" "$R$l"; done
for a in $(/bin/busybox --list); do case $a in busybox|getent) ;; *) ln -s /bin/busybox "$R/bin/$a" 2>/dev/null || true ;; esac; done
printf 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n' >"$R/etc/passwd"
printf 'root:x:0:\ndeploy:x:1000:\nops:x:20:deploy\n' >"$R/etc/group"
printf 'root:*:20000:0:99999:7:::\ndeploy:!:20000:0:99999:7:::\n' >"$R/etc/shadow"
printf 'Alpine-like\n' >"$R/etc/issue"; : >"$R/var/log/btmp"; : >"$R/etc/ssh/ssh_host_ed25519_key"
# Stands in for a service that the root cannot hold: it answers as the real one does.
printf '#!/bin/sh\ncase "$*" in *-T*) printf "permitrootlogin yes\\npubkeyauthentication yes\\npasswordauthentication no\\nkbdinteractiveauthentication no\\nusepam no\\nusedns no\\nauthorizedkeysfile .ssh/authorized_keys\\nallowgroups ops\\n" ;; esac\n' >"$R/usr/sbin/sshd"
chmod +x "$R/usr/sbin/sshd"
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDx5a2Vyc29mbm9ib2R5YXJlbm90aGVyZWF0YWxs x' >"$R/home/deploy/.ssh/authorized_keys"
chown -R 1000:1000 "$R/home/deploy"; chmod 700 "$R/home/deploy/.ssh"; chmod 600 "$R/home/deploy/.ssh/authorized_keys"
cp "$CHECK" "$R/check.sh"
ip link set lo up; ip link add eth0 type veth peer name eth0p; ip link set eth0p up; ip addr add 10.0.0.5/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.0.1
mount -t proc proc "$R/proc"; mknod -m 666 "$R/dev/null" c 1 3; ln -s /proc/self/fd/0 "$R/dev/stdin"
set +e
go() { chroot "$R" "$@"; }
listen() { python3 -c 'import socket, time; s = socket.create_server(("0.0.0.0", 22)); open("/run/on", "w"); time.sleep(600)' & n=0; until [ -e /run/on ]; do n=$((n+1)); [ $n -lt 400 ] || break; sleep 0.05; done; }
"#;

fn question(uses_key: bool) -> GuestQuestion {
    GuestQuestion {
        user: "deploy".to_owned(),
        source: "203.0.113.7".parse().ok(),
        port: 22,
        private_address: "10.0.0.5".parse().ok(),
        uses_key: Some(uses_key),
        asked_at: Some(jiff::Timestamp::now().as_second()),
    }
}

fn run(setup: &str, uses_key: bool) -> Vec<Reading> {
    run_by("/bin/sh", setup, uses_key)
}

/// The check run by a certain shell of the root.
fn run_by(shell: &str, setup: &str, uses_key: bool) -> Vec<Reading> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("check.sh");
    let question = question(uses_key);
    std::fs::write(&file, script(Os::Linux, &question)).expect("written");
    let output = Command::new("unshare")
        .args(["-mnpf", "--kill-child", "--mount-proc", "bash", "-c"])
        .arg(format!("{ROOM}\n{setup}\ngo {shell} /check.sh\nexit 0\n"))
        .env("CHECK", &file)
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(
        answer.contains("check\tend\t1"),
        "{setup}: no end\n{answer}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    readings(Os::Linux, &answer, &question)
}

/// A system, whether the user relies on a key, and what must be read.
type Case = (
    &'static str,
    &'static str,
    bool,
    &'static [(&'static str, &'static str)],
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("BusyBox alone", "listen", true, &[("guest-listener", "expected-port"), ("guest-network", "ok"), ("guest-account", "locked"), ("guest-auth-policy", "user-denied")]),
    ("BusyBox, key user", "listen; sed -i s/deploy:!/deploy:*/ $R/etc/shadow", true, &[("guest-account", "ok"), ("guest-auth-policy", "ok"), ("guest-filesystem", "ok")]),
    ("nobody listens", "true", true, &[("guest-listener", "none")]),
    ("not in the group", "sed -i s/:deploy$/:/ $R/etc/group", true, &[("guest-auth-policy", "user-denied")]),
    ("read-only, Korean", "export LANG=ko_KR.UTF-8 LANGUAGE=ko LC_ALL=ko_KR.UTF-8; listen; sed -i s/deploy:!/deploy:*/ $R/etc/shadow; mount -o remount,ro \"$R\"", true, &[("guest-listener", "expected-port"), ("guest-auth-policy", "ok"), ("guest-filesystem", "read-only")]),
    ("full, Chinese", "export LANG=zh_CN.UTF-8 LANGUAGE=zh_CN LC_ALL=zh_CN.UTF-8; listen; sed -i s/deploy:!/deploy:*/ $R/etc/shadow; dd if=/dev/zero of=$R/tmp/x bs=64k 2>/dev/null", true, &[("guest-listener", "expected-port"), ("guest-auth-policy", "ok")]),
    ("SELinux denies the keys", "sed -i s/deploy:!/deploy:*/ $R/etc/shadow; printf '#!/bin/sh\\necho Enforcing\\n' >$R/usr/sbin/getenforce; chmod +x $R/usr/sbin/getenforce; mkdir -p $R/var/log/audit; echo 'type=AVC msg=audit(1.0:1): avc:  denied  { read } for  pid=7 comm=\"sshd\" name=\"authorized_keys\" dev=\"vda1\" scontext=system_u:system_r:sshd_t:s0 tcontext=system_u:object_r:default_t:s0 tclass=file' >$R/var/log/audit/audit.log", true, &[("guest-auth-policy", "user-denied")]),
    ("SELinux enforcing, without its tools", "sed -i s/deploy:!/deploy:*/ $R/etc/shadow; mkdir -p $R/sys/fs/selinux; printf 1 >$R/sys/fs/selinux/enforce; mkdir -p $R/var/log/audit; echo 'type=AVC msg=audit(1.0:1): avc:  denied  { open } for  pid=7 comm=\"sshd\" name=\"authorized_keys\" tclass=file' >$R/var/log/audit/audit.log", true, &[("guest-auth-policy", "user-denied")]),
    ("SELinux permissive, without its tools", "sed -i s/deploy:!/deploy:*/ $R/etc/shadow; mkdir -p $R/sys/fs/selinux; printf 0 >$R/sys/fs/selinux/enforce; mkdir -p $R/var/log/audit; echo 'type=AVC msg=audit(1.0:1): avc:  denied  { open } for  pid=7 comm=\"sshd\" name=\"authorized_keys\" tclass=file' >$R/var/log/audit/audit.log", true, &[("guest-auth-policy", "ok")]),
    ("SELinux denied the keys just now", "sed -i s/deploy:!/deploy:*/ $R/etc/shadow; mkdir -p $R/sys/fs/selinux; printf 1 >$R/sys/fs/selinux/enforce; mkdir -p $R/var/log/audit; echo \"type=AVC msg=audit($(date +%s).1:1): avc:  denied  { open } for  pid=7 comm=\\\"sshd\\\" name=\\\"authorized_keys\\\" tclass=file permissive=0\" >$R/var/log/audit/audit.log", true, &[("guest-selinux", "denies")]),
    ("SELinux denied the keys long ago", "mkdir -p $R/sys/fs/selinux; printf 1 >$R/sys/fs/selinux/enforce; mkdir -p $R/var/log/audit; echo 'type=AVC msg=audit(1700000000.1:1): avc:  denied  { open } for  pid=7 comm=\"sshd\" name=\"authorized_keys\" tclass=file permissive=0' >$R/var/log/audit/audit.log", true, &[("guest-selinux", "ok")]),
    ("SELinux, a label of no use", "mkdir -p $R/sys/fs/selinux; printf 1 >$R/sys/fs/selinux/enforce; printf '#!/bin/sh\necho \"/home/deploy/.ssh has context system_u:object_r:default_t:s0, should be system_u:object_r:ssh_home_t:s0\"\n' >$R/usr/sbin/matchpathcon; chmod +x $R/usr/sbin/matchpathcon", true, &[("guest-selinux", "denies")]),
    ("SELinux only warns", "mkdir -p $R/sys/fs/selinux; printf 0 >$R/sys/fs/selinux/enforce", true, &[("guest-selinux", "ok"), ("guest-access", "ok"), ("guest-clock", "ok")]),
    // CentOS 6: `service` in place of systemctl; it says what runs, the process list decides.
    ("SysV init, stopped", "printf '#!/bin/sh\necho \"openssh-daemon is stopped\"; exit 3\n' >$R/sbin/service; chmod +x $R/sbin/service; rm -f $R/bin/service", true, &[("guest-service", "stopped"), ("guest-listener", "none")]),
    ("SysV init, dead with its lock", "printf '#!/bin/sh\necho \"openssh-daemon dead but subsys locked\"; exit 2\n' >$R/sbin/service; chmod +x $R/sbin/service", true, &[("guest-service", "stopped")]),
    // Alpine: OpenRC, no `service` of another kind.
    ("OpenRC, stopped", "mkdir -p $R/etc/init.d $R/run/openrc; : >$R/run/openrc/softlevel; printf '#!/bin/sh\necho \" * status: stopped\"; exit 3\n' >$R/sbin/rc-service; cp $R/sbin/rc-service $R/etc/init.d/sshd; chmod +x $R/sbin/rc-service $R/etc/init.d/sshd", true, &[("guest-service", "stopped")]),
    ("no program", "rm $R/usr/sbin/sshd", true, &[("guest-service", "failed")]),
    // iproute2 of CentOS 6 knows no `-br` and no JSON.
    ("old iproute2", "listen; printf '#!/bin/busybox sh\ncase \"$*\" in -br*|-j*|-json*|*\" -br\"*) echo \"Option is unknown, try ip -help.\" >&2; exit 255 ;; esac\nexec /bin/busybox ip \"$@\"\n' >$R/sbin/ip; chmod +x $R/sbin/ip; rm -f $R/bin/ip", true, &[("guest-network", "ok"), ("guest-listener", "expected-port")]),
    ("neither ss nor netstat", "listen; rm -f $R/bin/ss $R/bin/netstat", true, &[("guest-listener", "expected-port")]),
    ("no tool lists the firewall", "true", true, &[("guest-firewall", "not-attempted")]),
    ("passwords off", "true", false, &[("guest-auth-policy", "user-denied")]),
];

#[test]
fn systems_of_other_kinds_are_read_too() {
    let busybox = std::path::Path::new("/bin/busybox").exists();
    if let Some(why) = super::obstacle().or((!busybox).then(|| "no busybox".to_owned())) {
        assert!(std::env::var_os("CI").is_none(), "cannot run: {why}");
        println!("skipped: {why}");
        return;
    }
    let mut wrong = Vec::new();
    for (name, setup, uses_key, expected) in CASES {
        let all = run(setup, *uses_key);
        for (id, want) in *expected {
            let (got, detail) = super::state(&all, id);
            if got != *want {
                wrong.push(format!(
                    "{name}: {id} is `{got}`, expected `{want}` ({detail})"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Puts a shell of this machine into the root, with the libraries that it needs.
const BRING: &str = r#"
bring() { cp -L "$1" "$R/bin/brought"; for l in $(ldd "$1" | grep -o '/[^ ]*'); do mkdir -p "$R${l%/*}"; [ -e "$R$l" ] || cp -L "$l" "$R$l"; done; }
"#;

#[test]
fn every_shell_reads_the_same_system_alike() {
    if let Some(why) = super::obstacle() {
        assert!(std::env::var_os("CI").is_none(), "cannot run: {why}");
        println!("skipped: {why}");
        return;
    }
    let usable = "listen; sed -i s/deploy:!/deploy:*/ $R/etc/shadow";
    let told = |all: &[Reading]| -> Vec<(String, String)> {
        all.iter()
            // How busy the machine is and how long a look-up takes differ from run to run, and the
            // kernel's log is one for all tests.
            .filter(|r| {
                !matches!(
                    r.id.as_str(),
                    "guest-load" | "guest-dns" | "guest-service-crashes"
                )
            })
            .map(|r| {
                let state = super::state(all, &r.id).0;
                (r.id.clone(), state.to_owned())
            })
            .collect()
    };
    let by_busybox = told(&run(usable, true));
    let mut ran = vec!["busybox sh"];
    for (program, command) in [
        ("dash", "/bin/brought"),
        ("bash", "/bin/brought --posix"),
        ("mksh", "/bin/brought"),
        ("yash", "/bin/brought"),
    ] {
        let found = ["/bin/", "/usr/bin/"]
            .map(|folder| format!("{folder}{program}"))
            .into_iter()
            .find(|file| std::path::Path::new(file).exists());
        let Some(file) = found else {
            assert!(std::env::var_os("CI").is_none(), "{program} is missing");
            continue;
        };
        let setup = format!("{BRING}\nbring {file}\n{usable}");
        let all = told(&run_by(command, &setup, true));
        assert_eq!(all, by_busybox, "{program}");
        ran.push(program);
    }
    println!("the check reads alike in {}", ran.join(", "));
}
