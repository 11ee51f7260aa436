//! The operator's ssh configuration is ssh's business: what this program says about a host key
//! against what the operator's own `ssh` says about it, with real servers, real known hosts and
//! real certificates in namespaces of the test's own.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// Servers, names and keys. `$HOST` is the server's key, `$RSA` its other one, `$OTHER` a key of
/// nobody, `$CA` signs host keys, `$BADCA` signs nothing. Port 2022 has a certificate for its
/// names, 2023 one for another name, 2024 one that has expired, 2026 is the gate's.
const ROOM: &str = r#"
set -e
T=$(mktemp -d -p /dev/shm); mount -t tmpfs tmpfs "$T"; mkdir "$T/u" "$T/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/u,workdir=$T/w" /etc
mount -t tmpfs tmpfs /run; mkdir -p /run/sshd; mount -t tmpfs -o mode=700 tmpfs /root; mkdir -m 700 /root/.ssh
ip link set lo up; ip addr add 10.8.0.9/32 dev lo; ip addr add 10.8.0.20/32 dev lo; ip -6 addr add 2001:db8::9/128 dev lo nodad
rm -rf /etc/ssh/ssh_host_* /etc/ssh/ssh_config.d /etc/ssh/ssh_known_hosts*; : >/etc/ssh/ssh_config; : >/etc/hosts.deny; : >/etc/hosts.allow
printf '%s\n' '127.0.0.1 localhost' '10.8.0.9 web.example.net db.example.net' '2001:db8::9 six.example.net' '10.8.0.20 gate.example.net' >/etc/hosts
echo 'hosts: files' >/etc/nsswitch.conf; printf 'passwd: files\ngroup: files\nshadow: files\n' >>/etc/nsswitch.conf
printf '%s\n' root:x:0:0::/root:/bin/sh sshd:x:101:65534::/run/sshd:/usr/sbin/nologin nobody:x:65534:65534::/:/usr/sbin/nologin >/etc/passwd
printf '%s\n' 'root:*:20000:0:99999:7:::' >/etc/shadow
cp "$DIR/key" /root/.ssh/id_ed25519; chmod 600 /root/.ssh/id_ed25519; cp "$DIR/key.pub" /root/.ssh/authorized_keys
key() { cut -d' ' -f1,2 "$DIR/$1.pub"; }
HOST=$(key host) RSA=$(key rsa) OTHER=$(key other) CA=$(key ca) BADCA=$(key badca) GATE=$(key gate)
serve() { # PORT ADDRESS KEYS...
  { echo "Port $1"; for a in $2; do echo "ListenAddress $a"; done; shift 2; for k in "$@"; do echo "$k"; done
    printf 'PidFile none\nAcceptEnv *\nPermitUserRC yes\nUsePAM no\nPermitRootLogin yes\nStrictModes no\n'; } >/run/sshd.conf
  /usr/sbin/sshd -f /run/sshd.conf
}
serve 22 '10.8.0.9 2001:db8::9 127.0.0.1' "HostKey $DIR/host" "HostKey $DIR/rsa"
serve 2222 '10.8.0.9 2001:db8::9' "HostKey $DIR/host" "HostKey $DIR/rsa"
serve 2022 10.8.0.9 "HostKey $DIR/host" "HostCertificate $DIR/good-cert.pub"
serve 2023 10.8.0.9 "HostKey $DIR/host" "HostCertificate $DIR/named-cert.pub"
serve 2024 10.8.0.9 "HostKey $DIR/host" "HostCertificate $DIR/expired-cert.pub"
serve 2026 10.8.0.20 "HostKey $DIR/gate"
echo 'env | grep -q do-not-send && echo >/run/leaked' >/root/.ssh/rc
C=/root/.ssh/config K=/root/.ssh/known_hosts; : >$C; : >$K; chmod 600 $C $K
known() { printf '%s\n' "$@" >>$K; }
host() { printf '%b\n' "$1" >>$C; }
hash() { ssh-keygen -qHf $K 2>/dev/null; rm -f $K.old; }
FILE=--ssh-config=$C 
printf '[cloud]\ncvm_role = false\n' >/run/cvmtop.toml
listed() { printf '[[host]]\nname = "listed"\naddress = "%s"\nos = "linux"\nport = %s\n' "$1" "$2" >>/run/cvmtop.toml; FILE=; }
ask() { # NAME of the product, words that the operator types
  echo "ssh-begin"; shift
  timeout 20 setsid ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -l root "$@" 'echo in$((40+2))' </dev/null 2>&1
  echo "ssh-end $?"
}
set +e
"#;

const NAME: &str = "web.example.net";

/// A configuration: its name, shell lines that make it, what the product is asked about, and what
/// the operator would type after `ssh`.
type Case = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("nothing known", "host 'Host web\n HostName web.example.net'", "web", "web"),
    ("known by host name", "host 'Host web\n HostName web.example.net'; known \"web.example.net $HOST\"", "web", "web"),
    ("known by alias only", "host 'Host web\n HostName web.example.net'; known \"web $HOST\"", "web", "web"),
    ("changed by host name", "host 'Host web\n HostName web.example.net'; known \"web.example.net $OTHER\"", "web", "web"),
    ("address right, name wrong", "host 'Host web\n HostName web.example.net'; known \"10.8.0.9 $HOST\" \"web.example.net $OTHER\"", "web", "web"),
    ("name right, address wrong", "host 'Host web\n HostName web.example.net'; known \"10.8.0.9 $OTHER\" \"web.example.net $HOST\"", "web", "web"),
    ("address wrong and looked at", "host 'Host web\n HostName web.example.net\n CheckHostIP yes'; known \"10.8.0.9 $OTHER\" \"web.example.net $HOST\"", "web", "web"),
    ("address new and looked at", "host 'Host web\n HostName web.example.net\n CheckHostIP yes'; known \"web.example.net $HOST\"", "web", "web"),
    ("both wrong and looked at", "host 'Host web\n HostName web.example.net\n CheckHostIP yes'; known \"10.8.0.9,web.example.net $OTHER\"", "web", "web"),
    ("by address, right", "host 'Host web\n HostName 10.8.0.9'; known \"10.8.0.9 $HOST\"", "web", "web"),
    ("by address, wrong", "host 'Host web\n HostName 10.8.0.9'; known \"10.8.0.9 $OTHER\"", "web", "web"),
    ("hashed, right", "host 'Host web\n HostName web.example.net'; known \"web.example.net $HOST\"; hash", "web", "web"),
    ("hashed, wrong", "host 'Host web\n HostName web.example.net'; known \"web.example.net $OTHER\"; hash", "web", "web"),
    ("hashed with a port, wrong", "host 'Host web\n HostName web.example.net\n Port 2222'; known \"[web.example.net]:2222 $OTHER\"; hash", "web", "web"),
    ("port, right", "host 'Host web\n HostName web.example.net\n Port 2222'; known \"[web.example.net]:2222 $HOST\"", "web", "web"),
    ("port, wrong", "host 'Host web\n HostName web.example.net\n Port 2222'; known \"[web.example.net]:2222 $OTHER\"", "web", "web"),
    ("port, known without it", "host 'Host web\n HostName web.example.net\n Port 2222'; known \"web.example.net $HOST\"", "web", "web"),
    ("port, wrong without it", "host 'Host web\n HostName web.example.net\n Port 2222'; known \"web.example.net $OTHER\"", "web", "web"),
    ("revoked by name", "host 'Host web\n HostName web.example.net'; known \"@revoked web.example.net $HOST\"", "web", "web"),
    ("revoked everywhere", "host 'Host web\n HostName web.example.net'; known \"web.example.net $HOST\" \"@revoked * $HOST\"", "web", "web"),
    ("another key revoked", "host 'Host web\n HostName web.example.net'; known \"web.example.net $HOST\" \"@revoked * $OTHER\"", "web", "web"),
    ("revoked by address only", "host 'Host web\n HostName web.example.net'; known \"@revoked 10.8.0.9 $HOST\" \"web.example.net $HOST\"", "web", "web"),
    ("revoked by address, looked at by it", "host 'Host web\n HostName 10.8.0.9'; known \"@revoked 10.8.0.9 $HOST\"", "web", "web"),
    ("revoked in a list", "host 'Host web\n HostName web.example.net\n RevokedHostKeys /root/.ssh/gone'; known \"web.example.net $HOST\"; cp $DIR/host.pub /root/.ssh/gone", "web", "web"),
    ("alias, right", "host 'Host web\n HostName web.example.net\n HostKeyAlias prod'; known \"prod $HOST\" \"web.example.net $OTHER\"", "web", "web"),
    ("alias, wrong", "host 'Host web\n HostName web.example.net\n HostKeyAlias prod'; known \"prod $OTHER\" \"web.example.net $HOST\"", "web", "web"),
    ("alias with a port", "host 'Host web\n HostName web.example.net\n Port 2222\n HostKeyAlias prod'; known \"prod $HOST\"", "web", "web"),
    ("alias, hashed, new", "host 'Host web\n HostName web.example.net\n HostKeyAlias prod'; known \"web.example.net $HOST\"; hash", "web", "web"),
    ("certificate of a listed authority", "host 'Host web\n HostName web.example.net\n Port 2022'; known \"@cert-authority *.example.net $CA\"", "web", "web"),
    ("certificate, and an old plain key", "host 'Host web\n HostName web.example.net\n Port 2022'; known \"@cert-authority *.example.net $CA\" \"web.example.net $OTHER\" \"[web.example.net]:2022 $OTHER\"", "web", "web"),
    ("certificate with a port", "host 'Host web\n HostName web.example.net\n Port 2022'; known \"@cert-authority [*.example.net]:2022 $CA\"", "web", "web"),
    ("certificate of another authority", "host 'Host web\n HostName web.example.net\n Port 2022'; known \"@cert-authority *.example.net $BADCA\"", "web", "web"),
    ("certificate of a revoked authority", "host 'Host web\n HostName web.example.net\n Port 2022'; known \"@cert-authority *.example.net $CA\" \"@revoked * $CA\"", "web", "web"),
    ("certificate for another name", "host 'Host web\n HostName web.example.net\n Port 2023'; known \"@cert-authority * $CA\"", "web", "web"),
    ("certificate for another name, by alias", "host 'Host web\n HostName web.example.net\n Port 2023\n HostKeyAlias other.example.net'; known \"@cert-authority * $CA\"", "web", "web"),
    ("certificate that has expired", "host 'Host web\n HostName web.example.net\n Port 2024'; known \"@cert-authority * $CA\"", "web", "web"),
    ("certificate that has expired, key known", "host 'Host web\n HostName web.example.net\n Port 2024'; known \"@cert-authority * $CA\" \"[web.example.net]:2024 $HOST\"", "web", "web"),
    ("certificate by address", "host 'Host web\n HostName 10.8.0.9\n Port 2022'; known \"@cert-authority 10.8.0.9 $CA\"", "web", "web"),
    ("another file", "host 'Host web\n HostName web.example.net\n UserKnownHostsFile ~/.ssh/other'; known \"web.example.net $HOST\"; echo \"web.example.net $OTHER\" >/root/.ssh/other", "web", "web"),
    ("a file with a blank", "host 'Host web\n HostName web.example.net\n UserKnownHostsFile \"/root/.ssh/my hosts\" /root/.ssh/none'; known \"web.example.net $OTHER\"; echo \"web.example.net $HOST\" >'/root/.ssh/my hosts'", "web", "web"),
    ("a file by token", "host 'Host web\n HostName web.example.net\n UserKnownHostsFile ~/.ssh/of-%k'; echo \"web.example.net $OTHER\" >/root/.ssh/of-web.example.net", "web", "web"),
    ("no file", "host 'Host web\n HostName web.example.net\n UserKnownHostsFile none'; known \"web.example.net $OTHER\"", "web", "web"),
    ("the system's file", "host 'Host web\n HostName web.example.net'; echo \"web.example.net $OTHER\" >/etc/ssh/ssh_known_hosts; chmod 644 /etc/ssh/ssh_known_hosts", "web", "web"),
    ("the system's file, of another place", "host 'Host web\n HostName web.example.net\n GlobalKnownHostsFile /etc/known'; echo \"web.example.net $HOST\" >/etc/known; chmod 644 /etc/known", "web", "web"),
    ("pattern, negated", "host 'Host web\n HostName web.example.net'; known \"*.example.net,!web.example.net $HOST\" \"web.* $OTHER\"", "web", "web"),
    ("another type of key", "host 'Host web\n HostName web.example.net'; known \"web.example.net $RSA\"", "web", "web"),
    ("two keys, one right", "host 'Host web\n HostName web.example.net'; known \"web.example.net $OTHER\" \"web.example.net $HOST\"", "web", "web"),
    ("IPv6 by name", "host 'Host web\n HostName six.example.net'; known \"six.example.net $OTHER\"", "web", "web"),
    ("IPv6 with a port", "host 'Host web\n HostName 2001:db8::9\n Port 2222'; known \"[2001:db8::9]:2222 $HOST\"", "web", "web"),
    ("settings of a pattern", "host 'Host web.example.net\n User root\nHost *.example.net\n HostKeyAlias prod'; known \"prod $OTHER\" \"web.example.net $HOST\"", NAME, NAME),
    ("alias of a condition", "host 'Host web\n HostName web.example.net\nMatch originalhost web exec \"true\"\n HostKeyAlias prod'; known \"prod $OTHER\" \"web.example.net $HOST\"", "web", "web"),
    ("listed by host name", "listed web.example.net 22; known \"web.example.net $OTHER\" \"10.8.0.9 $HOST\"", "listed", NAME),
    ("listed by host name and port", "listed web.example.net 2222; known \"[web.example.net]:2222 $OTHER\"", "listed", "-p 2222 web.example.net"),
    ("listed by address, which a name leads to", "listed 10.8.0.9 22; host 'Host web\n HostName 10.8.0.9\n HostKeyAlias prod'; known \"prod $OTHER\" \"10.8.0.9 $HOST\"", "listed", "web"),
    ("listed by address, which a host name leads to", "listed 10.8.0.9 2222; host 'Host web\n HostName web.example.net\n Port 2222'; known \"[web.example.net]:2222 $HOST\" \"[10.8.0.9]:2222 $OTHER\"", "listed", "web"),
    ("listed by address, no name", "listed 10.8.0.9 22; host 'Host 10.8.*\n HostKeyAlias prod'; known \"prod $OTHER\" \"10.8.0.9 $HOST\"", "listed", "10.8.0.9"),
    ("through a gate", "host 'Host web\n HostName web.example.net\n ProxyJump gate\nHost gate\n HostName gate.example.net\n Port 2026\n User root'; known \"[gate.example.net]:2026 $GATE\" \"web.example.net $OTHER\"", "web", "web"),
    ("through a gate, right", "host 'Host web\n HostName web.example.net\n ProxyJump gate\nHost gate\n HostName gate.example.net\n Port 2026\n User root'; known \"[gate.example.net]:2026 $GATE\" \"web.example.net $HOST\"", "web", "web"),
    ("through a gate, new", "host 'Host web\n HostName web.example.net\n ProxyJump gate\nHost gate\n HostName gate.example.net\n Port 2026\n User root'; known \"[gate.example.net]:2026 $GATE\"", "web", "web"),
    ("a gate that is another one now", "host 'Host web\n HostName web.example.net\n ProxyJump gate\nHost gate\n HostName gate.example.net\n Port 2026\n User root'; known \"[gate.example.net]:2026 $OTHER\" \"web.example.net $HOST\"", "web", "web"),
    ("sent to the background, with a command", "host 'Host web\n HostName web.example.net\n ForkAfterAuthentication no\n RequestTTY force\n LogLevel QUIET\n SendEnv *'; known \"web.example.net $HOST\"", "web", "web"),
];

#[derive(Default)]
struct Table {
    lines: BTreeMap<usize, String>,
    right: usize,
    wrong: Vec<String>,
    unanswered: Vec<String>,
    records: usize,
}

/// What the operator's ssh said, by its words for people.
fn referee(text: &str) -> &'static str {
    let says = |words: &str| text.contains(words);
    if says("in42") {
        "accepted"
    } else if says("UNKNOWN port 65535") {
        "not reached"
    } else if says("REVOKED HOST KEY") || says("revoked by file") {
        "revoked"
    } else if says("IDENTIFICATION HAS CHANGED") || says("differs from the key for the IP address")
    {
        "changed"
    } else if says("host key is known for") || says("Host key verification failed") {
        // Without any file of known hosts it says no more than this.
        "unknown"
    } else {
        "something else"
    }
}

fn play(folder: &Path, at: usize, (name, lines, subject, typed): &Case, table: &Mutex<Table>) {
    let program = env!("CARGO_BIN_EXE_cvmtop");
    let script = format!(
        "{ROOM}\n{lines}\nask {subject} {typed}\n\
         env -i HOME=/root PATH=\"$PATH\" TENCENTCLOUD_SECRET_ID=do-not-send {program} diagnose {subject} --config /run/cvmtop.toml $FILE \
         --try-login root --format json 2>/run/errors | sed 's/^/json /'; sed 's/^/error /' /run/errors\n\
         cp $K /run/k; for n in web.example.net '[web.example.net]:2222' '[web.example.net]:2022' '[web.example.net]:2024' '[2001:db8::9]:2222' 10.8.0.9 prod six.example.net; do\n\
         for f in $K /root/.ssh/other '/root/.ssh/my hosts' /root/.ssh/of-web.example.net /etc/ssh/ssh_known_hosts /etc/known; do\n\
         [ -f \"$f\" ] && ssh-keygen -F \"$n\" -f \"$f\" | sed -n \"s,^# Host .* found: line \\([0-9]*\\).*,found $f:\\1,p\"; done; done\n\
         cmp -s $K /run/k || echo written; [ ! -e /run/leaked ] || echo leaked\n"
    );
    let out = Command::new("unshare")
        .args([
            "-mn",
            "--propagation",
            "private",
            "-pf",
            "--mount-proc",
            "--kill-child",
            "bash",
            "-c",
            &script,
        ])
        .env("DIR", folder)
        .process_group(0) // of its own: see `support::probe::sshd_in`
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let words = text
        .split_once("ssh-begin")
        .and_then(|(_, rest)| rest.split_once("ssh-end"))
        .map_or_else(
            || {
                panic!(
                    "{name}: no room: {text}{}",
                    String::from_utf8_lossy(&out.stderr)
                )
            },
            |(words, _)| words,
        );
    let want = referee(words);
    let json = text.lines().find_map(|line| line.strip_prefix("json "));
    let report: Value = json
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(
        !text.lines().any(|line| line == "leaked"),
        "{name}: the cloud's key reached the guest"
    );
    let reading = |id: &str| {
        let all = report["evidence"].as_array().expect("evidence");
        let it = all.iter().find(|it| it["id"] == id);
        let text = |key: &str| it.and_then(|it| it[key].as_str()).unwrap_or("").to_owned();
        (text("state"), text("detail"))
    };
    let (state, detail) = reading("host-key");
    let (login, _) = reading("login-attempt");
    let said = match state.as_str() {
        "same" => "accepted",
        "new" => "unknown",
        "" => "no answer",
        other => other,
    };
    let login_fits = match want {
        "accepted" | "unknown" => login == "accepted",
        "not reached" => login == "not-reached",
        _ => login == "host-key-refused",
    };
    let mut table = table.lock().expect("the table");
    table.lines.insert(
        at,
        format!("  {name:<46} ssh: {want:<11} cvmtop: {said:<11} login: {login}"),
    );
    if text.lines().any(|line| line == "written") {
        table
            .wrong
            .push(format!("{name}: the known hosts were written"));
    }
    if !login_fits {
        table
            .wrong
            .push(format!("{name}: ssh {want}, login {login}: {words}"));
    }
    if want == "not reached" && said == "no answer" || want == said {
        table.right += 1;
    } else if said == "no answer" {
        table
            .unanswered
            .push(format!("{name}: ssh {want}: {detail}"));
    } else {
        table.wrong.push(format!(
            "{name}: ssh {want}, cvmtop {said}: {detail}\n{words}"
        ));
    }
    if let Some((_, place)) = detail.split_once("the line that decides is ") {
        table.records += 1;
        if !text
            .lines()
            .any(|line| line.strip_prefix("found ") == Some(place))
        {
            table
                .wrong
                .push(format!("{name}: {place} is no line that ssh-keygen finds"));
        }
    }
}

fn able() -> bool {
    let ready = rustix::process::geteuid().is_root()
        && ["ssh", "ssh-keygen", "sshd", "unshare", "ip"]
            .iter()
            .all(|program| {
                ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"]
                    .iter()
                    .any(|folder| Path::new(folder).join(program).exists())
            })
        && Command::new("unshare")
            .args(["-mn", "true"])
            .status()
            .is_ok_and(|status| status.success());
    assert!(
        ready || std::env::var_os("CI").is_none(),
        "needs root, OpenSSH and namespaces"
    );
    ready
}

#[test]
fn host_keys_are_told_as_the_operators_own_ssh_tells_them() {
    if !able() {
        println!("not run: needs root, OpenSSH and namespaces");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let keygen = |arguments: &[&str]| {
        let done = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("ssh-keygen runs");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    for (file, kind) in [
        ("host", "ed25519"),
        ("other", "ed25519"),
        ("ca", "ed25519"),
        ("badca", "ed25519"),
        ("gate", "ed25519"),
        ("key", "ed25519"),
        ("rsa", "rsa"),
    ] {
        keygen(&["-q", "-t", kind, "-N", "", "-C", "x", "-f", file]);
    }
    for (file, names, span) in [
        ("good", "web.example.net,10.8.0.9", "always:forever"),
        ("named", "other.example.net", "always:forever"),
        ("expired", "web.example.net", "20200101:20210101"),
    ] {
        std::fs::copy(
            folder.path().join("host.pub"),
            folder.path().join(format!("{file}.pub")),
        )
        .unwrap();
        keygen(&[
            "-q",
            "-s",
            "ca",
            "-I",
            file,
            "-h",
            "-n",
            names,
            "-V",
            span,
            &format!("{file}.pub"),
        ]);
    }
    let table = Mutex::new(Table::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((at, case)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    CASES.get(at).map(|case| (at, case))
                } {
                    play(folder.path(), at, case, &table);
                }
            });
        }
    });
    let table = table.into_inner().unwrap();
    for line in table.lines.values() {
        println!("{line}");
    }
    println!(
        "host keys: {} configurations, right {}, wrong {}, unanswered {}; {} lines of known hosts named, all of them found by ssh-keygen -F",
        CASES.len(),
        table.right,
        table.wrong.len(),
        table.unanswered.len(),
        table.records
    );
    assert!(table.wrong.is_empty(), "{}", table.wrong.join("\n"));
    assert!(
        table.unanswered.is_empty(),
        "{}",
        table.unanswered.join("\n")
    );
    assert_eq!(
        table.lines.len(),
        CASES.len(),
        "a configuration was not played"
    );
}
