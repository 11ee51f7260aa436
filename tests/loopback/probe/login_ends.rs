//! How a real login with a terminal ends at real servers: each set-up is a real sshd with real
//! accounts and the real PAM modules in namespaces of its own, and the attempt is the program's.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// alice has the key on file; `add` writes the files of her home, `conf` lines of the server.
const ROOM: &str = r#"
set -e
T=$(mktemp -d -p /dev/shm); mount -t tmpfs tmpfs "$T"; mkdir "$T/u" "$T/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/u,workdir=$T/w" /etc
mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/sshd; : >/run/utmp
mount -t tmpfs tmpfs /var/log; : >/var/log/btmp; : >/var/log/wtmp; : >/var/log/lastlog
mount -t tmpfs -o mode=755 tmpfs /home; mount -t tmpfs -o mode=700 tmpfs /root; mkdir -m 700 /root/.ssh
ip link set lo up; ip addr add 10.0.0.10/32 dev lo
rm -rf /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d /etc/ssh/ssh_config.d /etc/nologin; : >/etc/ssh/ssh_config; : >/etc/hosts.deny; : >/etc/hosts.allow
cp "$DIR/host" /etc/ssh/ssh_host_ed25519_key; cp "$DIR/key" /root/.ssh/id_ed25519; chmod 600 /etc/ssh/ssh_host_ed25519_key /root/.ssh/id_ed25519
printf '%s\n' root:x:0:0::/root:/bin/sh sshd:x:101:65534::/run/sshd:/usr/sbin/nologin alice:x:1001:1001::/home/alice:/bin/bash >/etc/passwd
printf '%s\n' root:x:0: tty:x:5: nogroup:x:65534: alice:x:1001: >/etc/group
printf '%s\n' 'root:*:20000:0:99999:7:::' 'alice:*:20000:0:99999:7:::' >/etc/shadow; chmod 600 /etc/shadow
mkdir -p /home/alice/.ssh; cp "$DIR/key.pub" /home/alice/.ssh/authorized_keys; chown -R alice: /home/alice; chmod 700 /home/alice/.ssh
: >/etc/motd; rm -rf /etc/update-motd.d /etc/profile.d
printf 'KbdInteractiveAuthentication no\nUsePAM yes\nSubsystem sftp internal-sftp\n' >/etc/ssh/sshd_config
conf() { printf '%b\n' "$1" >>/etc/ssh/sshd_config; }
add() { printf '%b\n' "$2" >>"/home/alice/$1"; chown alice: "/home/alice/$1"; }
shadow() { sed -i "s/^alice:.*/alice:$1/" /etc/shadow; }
printf '[cloud]\ncvm_role = false\n[[host]]\nname = "web"\naddress = "10.0.0.10"\nos = "linux"\n' >/run/cvmtop.toml
after() { :; }
set +e
"#;

/// A set-up: its name, shell lines that make it, the state, and words of the detail.
type Setup = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const ROWS: &[Setup] = &[
    // Logins that work.
    ("as installed", "", "accepted", "waits for input"),
    ("a plain shell", "sed -i s,/bin/bash,/bin/sh, /etc/passwd", "accepted", "waits for input"),
    ("a shell that keeps sitting at the end of input", "add .bash_profile 'IGNOREEOF=9'", "accepted", "waits for input"),
    ("a profile whose last command fails", "add .bash_profile 'false'", "accepted", ""),
    ("a profile that wants a terminal", "add .bash_profile 'tty -s || exit 1'", "accepted", ""),
    ("a prompt of one's own", "sed -i s,/bin/bash,/bin/sh, /etc/passwd; add .profile 'PS1=\"ready, master: \"'", "accepted", ""),
    ("a prompt of two lines", "add .bash_profile 'PS1=\"--- here ---\\\\n-> \"'", "accepted", ""),
    ("much to read", "head -c 300000 /dev/urandom | base64 >/etc/motd", "accepted", ""),
    ("a text that speaks like the client", "printf 'debug1: Exit status 7\\nConnection closed by 10.0.0.10 port 22\\nPTY allocation request failed on channel 0\\n' >/etc/motd", "accepted", ""),
    ("a menu", "conf 'ForceCommand echo 1 db 2 web; printf \"Where to? \"; read x'", "accepted", "waits for input"),
    ("a command that is done at once", "conf 'ForceCommand true'", "accepted", ""),
    // The account is refused.
    ("booting", "echo 'System is booting up. Unprivileged users are not permitted to log in yet.' >/run/nologin", "account-refused", "booting up"),
    ("nologin in words of its own", "echo 'Back at five.' >/etc/nologin", "account-refused", "Back at five"),
    ("nologin without a word", ": >/etc/nologin", "key-accepted-then-closed", "key accepted, then closed"),
    ("nologin without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; echo 'Back at five.' >/etc/nologin", "account-refused", "Back at five"),
    ("too many logins", "echo 'alice hard maxlogins 1' >/etc/security/limits.conf; after() { ssh -tt -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null alice@10.0.0.10 'touch in; sleep 60' </dev/null >/dev/null 2>&1 & until [ -e /home/alice/in ]; do sleep 0.05; done; }", "account-refused", "too many logins"),
    ("pam_access", "sed -i '1iaccount required pam_access.so' /etc/pam.d/sshd; echo '-:alice:ALL' >/etc/security/access.conf", "key-accepted-then-closed", "key accepted, then closed"),
    ("pam_time", "sed -i '1iaccount required pam_time.so' /etc/pam.d/sshd; echo 'sshd;*;alice;!Al0000-2400' >/etc/security/time.conf", "key-accepted-then-closed", ""),
    ("a rule of PAM that says why", "sed -i '1iaccount required pam_deny.so' /etc/pam.d/sshd; sed -i '1iaccount optional pam_echo.so Ask the night shift.' /etc/pam.d/sshd", "account-refused", "night shift"),
    ("password to be changed", "shadow '*:0:0:99999:7:::'", "password-expired", ""),
    ("password too old", "shadow '*:19000:0:90:7:::'", "password-expired", ""),
    ("account expired", "shadow '*:20000:0:99999:7::100:'", "locked", ""),
    // Something else than a shell.
    ("sent to another account", "sed -i 's/^/no-pty,command=\"echo Please login as the user \\\\\"ubuntu\\\\\" rather than the user \\\\\"root\\\\\".;echo;sleep 1;exit 142\" /' /home/alice/.ssh/authorized_keys", "forced-command", "ubuntu"),
    ("file transfer only", "conf 'ForceCommand internal-sftp'", "forced-command", "sftp connections only"),
    ("file transfer only, shut in", "mkdir -p /home/cage; conf 'ForceCommand internal-sftp\\nChrootDirectory /home/cage'", "forced-command", "sftp connections only"),
    ("shut in by a folder of the user's", "conf 'ForceCommand internal-sftp\\nChrootDirectory /home/alice'", "closed-after-auth", ""),
    ("shut in without a shell", "mkdir -p /home/cage; conf 'ChrootDirectory /home/cage'", "closed-after-auth", "No such file"),
    ("a command that fails", "conf 'ForceCommand /bin/false'", "closed-after-auth", ""),
    ("no shell of that name", "sed -i s,/bin/bash,/bin/gone, /etc/passwd", "auth-rejected", ""),
    ("a shell that turns away", "sed -i s,/bin/bash,/usr/sbin/nologin, /etc/passwd", "closed-after-auth", "not available"),
    ("a profile that ends", "add .bash_profile 'exit 3'", "closed-after-auth", ""),
    ("a profile that never ends", "add .bash_profile 'while :; do sleep 1; done'", "hung-after-auth", ""),
    ("a session that PAM refuses", "sed -i '1isession required pam_deny.so' /etc/pam.d/sshd", "closed-after-auth", ""),
    // No terminal.
    ("no terminals left", "mount -t tmpfs tmpfs /dev/pts", "no-terminal", "PTY allocation"),
    ("no terminals by rule", "conf 'PermitTTY no'", "no-terminal", "PTY allocation"),
    ("no terminals by rule, and none wanted", "conf 'PermitTTY no'; printf 'Host *\\n RequestTTY no\\n' >/root/.ssh/config", "accepted", ""),
    // Before all that.
    ("key of an algorithm that is not taken", "conf 'PubkeyAcceptedAlgorithms rsa-sha2-512'", "auth-rejected", ""),
    ("locked without PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; shadow '!:20000:0:99999:7:::'", "auth-rejected", ""),
];

fn play(folder: &Path, (name, lines, want, words): &Setup) -> Result<String, String> {
    let program = env!("CARGO_BIN_EXE_cvmtop");
    let story = format!(
        "{ROOM}\n{lines}\n/usr/sbin/sshd -E /run/sshd.log; n=0\n\
         until python3 -c 'import socket; s=socket.create_connection((\"10.0.0.10\",22),1); exit(not s.recv(4))' 2>/dev/null; do\n\
         n=$((n+1)); [ $n -lt 100 ] || break; sleep 0.05; done; after\n\
         env -i HOME=/root PATH=\"$PATH\" TERM=xterm {program} diagnose web --config /run/cvmtop.toml --ssh-config=/root/.ssh/config --try-login alice --format json 2>/run/errors | grep '^{{'\n\
         cat /run/sshd.log /run/errors >&2\n"
    );
    let out = Command::new("unshare")
        .args([
            "-mnpf",
            "--propagation",
            "private",
            "--kill-child",
            "--mount-proc",
            "bash",
            "-c",
            &story,
        ])
        .env("DIR", folder)
        .process_group(0) // of its own: see `support::probe::sshd_in`
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let (text, log) = (
        String::from_utf8_lossy(&out.stdout).into_owned(),
        String::from_utf8_lossy(&out.stderr).into_owned(),
    );
    let report: Value =
        serde_json::from_str(text.trim()).map_err(|_| format!("{name}: {text}{log}"))?;
    let all = report["evidence"].as_array().expect("evidence");
    let reading = all.iter().find(|it| it["id"] == "login-attempt");
    let of = |key: &str| reading.and_then(|it| it[key].as_str()).unwrap_or_default();
    let (state, detail) = (of("state"), of("detail"));
    if state == *want && detail.contains(words) {
        Ok(format!("  {name:<48} {state}"))
    } else {
        Err(format!(
            "{name}: wanted {want} ({words}), told {state}: {detail}\n{log}"
        ))
    }
}

#[test]
fn a_real_login_is_read_to_its_end() {
    let ready = rustix::process::geteuid().is_root()
        && Command::new("unshare")
            .args(["-mn", "true"])
            .status()
            .is_ok_and(|status| status.success())
        && ["sshd", "ssh", "ip", "python3"]
            .iter()
            .all(|it| super::support::program(it, it).is_some());
    if !ready {
        assert!(
            std::env::var_os("CI").is_none(),
            "needs root and namespaces"
        );
        println!("skipped: needs root, OpenSSH and namespaces");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["key", "host"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(folder.path().join(name))
            .status()
            .unwrap();
        assert!(made.success());
    }
    let only = std::env::var("SETUP").unwrap_or_default();
    let (next, told) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(setup) = ROWS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if setup.0.contains(&only) {
                        let end = play(folder.path(), setup);
                        told.lock().unwrap().push(end);
                    }
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    let wrong: Vec<&String> = told.iter().filter_map(|it| it.as_ref().err()).collect();
    for line in told.iter().flatten() {
        println!("{line}");
    }
    println!(
        "real logins: {} set-ups, right {}, wrong {}",
        told.len(),
        told.len() - wrong.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
