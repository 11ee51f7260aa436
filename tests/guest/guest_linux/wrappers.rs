//! TCP wrappers against a real sshd that is linked with libwrap: does a greeting come?

use std::process::{Command, Stdio};

use cvmtop::domain::instance::Os;
use cvmtop::guest::answer::Answer;
use cvmtop::guest::source_block::{Client, Verdict, Wrappers};
use cvmtop::guest::{GuestQuestion, script};

/// Client, hosts.allow, hosts.deny. `\n` ends a line as in a file.
#[rustfmt::skip]
const FORMS: &[(&str, &str, &str)] = &[
    ("203.0.113.7", "", ""),
    ("203.0.113.7", "", "ALL: ALL\n"),
    ("203.0.113.7", "", "sshd: ALL\n"),
    ("203.0.113.7", "", "SSHD: ALL\n"),
    ("203.0.113.7", "", "ssh: ALL\n"),
    ("203.0.113.7", "", "in.sshd: ALL\n"),
    ("203.0.113.7", "", "sshd : 203.0.113.7\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.8\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.\n"),
    ("203.0.113.7", "", "sshd: 203.0.11.\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.*\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.?\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.0/255.255.255.0\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.0/24\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.7/24\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.7/32\n"),
    ("203.0.113.7", "", "sshd: 0.0.0.0/0\n"),
    ("203.0.113.7", "", "sshd: 203.0.113/24\n"),
    ("203.0.113.7", "", "sshd, vsftpd: 10.0.0.1 203.0.113.7\n"),
    ("203.0.113.7", "", "vsftpd: ALL\n"),
    ("203.0.113.7", "", "ALL EXCEPT sshd: ALL\n"),
    ("203.0.113.7", "", "ALL EXCEPT vsftpd: ALL\n"),
    ("203.0.113.7", "", "sshd: ALL EXCEPT 203.0.113.7\n"),
    ("203.0.113.7", "", "sshd: ALL EXCEPT 203.0.113.0/24 EXCEPT 203.0.113.7\n"),
    ("203.0.113.8", "", "sshd: ALL EXCEPT 203.0.113.0/24 EXCEPT 203.0.113.7\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.7, EXCEPT\n"),
    ("203.0.113.7", "", "sshd: LOCAL\n"),
    ("203.0.113.8", "", "sshd: LOCAL\n"),
    ("203.0.113.7", "", "sshd: KNOWN\n"),
    ("203.0.113.8", "", "sshd: KNOWN\n"),
    ("203.0.113.8", "", "sshd: UNKNOWN\n"),
    ("203.0.113.7", "", "sshd: UNKNOWN\n"),
    ("203.0.113.9", "", "sshd: PARANOID\n"),
    ("203.0.113.7", "", "sshd: client1\n"),
    ("203.0.113.7", "", "sshd: Client?\n"),
    ("203.0.113.10", "", "sshd: .example.net\n"),
    ("203.0.113.10", "", "sshd: LOCAL\n"),
    ("203.0.113.7", "", "sshd: /etc/denied\n"),
    ("203.0.113.8", "", "sshd: /etc/denied\n"),
    ("203.0.113.7", "", "sshd: /etc/absent\n"),
    ("203.0.113.7", "sshd: /etc/denied\n", "ALL: ALL\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.7 : allow\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.7 : deny\n"),
    ("203.0.113.7", "sshd: ALL : deny\n", ""),
    ("203.0.113.7", "sshd: ALL : ALLOW\n", "ALL: ALL\n"),
    ("203.0.113.7", "sshd: 10.0.0.0/8\n", "ALL: ALL\n"),
    ("203.0.113.7", "sshd: 203.0.113.7\n", "ALL: ALL\n"),
    ("203.0.113.7", "sshd: ALL: spawn /bin/true\n", "ALL: ALL\n"),
    ("203.0.113.7", "", "sshd: ALL: spawn (/bin/echo %a\\: %d >/dev/null) &\n"),
    ("203.0.113.7", "sshd: ALL: twist /bin/echo no\n", ""),
    ("203.0.113.7", "", "sshd: ALL: twist /bin/echo no\n"),
    ("203.0.113.7", "sshd: ALL: nonsense\n", ""),
    ("203.0.113.7", "sshd: ALL: allow: spawn /bin/true\n", ""),
    ("203.0.113.7", "sshd: ALL: spawn /bin/true: allow\n", "ALL: ALL\n"),
    ("203.0.113.7", "sshd: ALL: keepalive\n", "ALL: ALL\n"),
    ("203.0.113.7", "sshd: ALL: setenv A b\n", "ALL: ALL\n"),
    ("203.0.113.7", "sshd: ALL: /bin/mail root\n", ""),
    ("203.0.113.7", "", "sshd: \\\n 203.0.113.7\n"),
    ("203.0.113.7", "", "# sshd: ALL\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.8 # 203.0.113.7\n"),
    ("203.0.113.7", "", "sshd: ALL # everyone\n"),
    ("203.0.113.7", "", " # sshd: ALL\nsshd: ALL\n"),
    ("203.0.113.7", "", "sshd: ALL"),
    ("203.0.113.7", "", "sshd ALL\n"),
    ("203.0.113.7", "", "\n\n  \nsshd: ALL\n"),
    ("203.0.113.7", "", "sshd@10.0.0.10: ALL\n"),
    ("203.0.113.7", "", "sshd@10.0.0.99: ALL\n"),
    ("203.0.113.7", "", "sshd@10.: ALL\n"),
    ("203.0.113.7", "", "sshd: ALL@203.0.113.7\n"),
    ("203.0.113.7", "", "sshd: ALL@203.0.113.8\n"),
    ("2001:db8::7", "", "sshd: [2001:db8::7]\n"),
    ("2001:db8::7", "", "sshd: [2001:db8::]/32\n"),
    ("2001:db8::7", "", "sshd: [2001:db8::1]/32\n"),
    ("2001:db8::7", "", "sshd: [2001:db8:1::]/48\n"),
    ("2001:db8::7", "", "sshd: 203.0.113.0/24\n"),
    ("203.0.113.7", "", "sshd: [2001:db8::]/32\n"),
    ("203.0.113.7", "sshd: 203.0.113.7\nMANY", "ALL: ALL\n"),
    ("203.0.113.7", "", "sshd: 203.0.113.7\nMANY"),
    ("203.0.113.7", "", "MANYsshd: 203.0.113.7\n"),
    ("203.0.113.7", "MANYsshd: 10.0.0.1, 203.0.113.7\n", "ALL: ALL\n"),
];

const ROOM: &str = r#"
set -e
T=$(mktemp -d -p /dev/shm); mount -t tmpfs tmpfs "$T"; mkdir "$T/u" "$T/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/u,workdir=$T/w" /etc
mount -t tmpfs tmpfs /run; mkdir -p /run/sshd
ip link set lo up
for a in 10.0.0.10 203.0.113.7 203.0.113.8 203.0.113.9 203.0.113.10; do ip addr add $a/32 dev lo; done
ip -6 addr add 2001:db8::10/128 dev lo; ip -6 addr add 2001:db8::7/128 dev lo
printf '127.0.0.1 localhost\n203.0.113.7 client1\n203.0.113.10 c.example.net\n' >/etc/hosts
echo 203.0.113.7 >/etc/denied; echo 'hosts: files' >/etc/nsswitch.conf
rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
rm -rf /etc/ssh/sshd_config.d; echo 'LogLevel QUIET' >/etc/ssh/sshd_config
: >/etc/hosts.allow; : >/etc/hosts.deny
/usr/sbin/sshd -E /run/sshd.err
exec python3 - <<'PY'
import os, socket, subprocess, time
folder = os.environ["DIR"]
def greeted(source):
    to = "2001:db8::10" if ":" in source else "10.0.0.10"
    try:
        with socket.create_connection((to, 22), 4, (source, 0)) as s:
            return s.recv(4) == b"SSH-"
    except OSError:
        return False
until = time.monotonic() + 10
while not greeted("10.0.0.10") and time.monotonic() < until:
    pass
for name in sorted(os.listdir(folder)):
    if not name.endswith(".allow"):
        continue
    at = name[:-6]
    for table in ("allow", "deny"):
        open("/etc/hosts." + table, "w").write(open(f"{folder}/{at}.{table}").read())
    source = open(f"{folder}/{at}.source").read()
    with open(f"{folder}/{at}.out", "w") as out:
        subprocess.run(["sh", f"{folder}/{at}.sh"], stdout=out, stderr=subprocess.DEVNULL, check=False)
    print(at, "open" if greeted(source) else "shut", flush=True)
PY
"#;

fn question(source: &str) -> GuestQuestion {
    let own = if source.contains(':') {
        "2001:db8::10"
    } else {
        "10.0.0.10"
    };
    GuestQuestion {
        user: "root".to_owned(),
        source: source.parse().ok(),
        port: 22,
        private_address: own.parse().ok(),
        uses_key: None,
        asked_at: None,
    }
}

/// The part of the check that is about names and TCP wrappers, as it stands.
fn part(source: &str) -> String {
    let whole = script(Os::Linux, &question(source));
    let cut = |from: &str, to: &str| {
        let start = whole.find(from).unwrap_or_else(|| panic!("no {from}"));
        let end = whole[start..].find(to).unwrap_or_else(|| panic!("no {to}"));
        whole[start..start + end].to_owned()
    };
    let head = cut("CVMTOP_USER", "say check version");
    let names = cut("# The name that the source has", "# The login service.");
    let names = names.split("\nfw_").next().unwrap_or("").to_owned();
    let tables = cut("# TCP wrappers read whole lines", "# fail2ban is asked");
    format!("{head}{names}\n{tables}")
}

#[test]
fn tcp_wrappers_are_read_as_libwrap_reads_them() {
    let linked = Command::new("ldd").arg("/usr/sbin/sshd").output();
    let linked = linked.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("libwrap"));
    if let Some(why) =
        super::obstacle().or((!linked).then(|| "sshd is not linked with libwrap".to_owned()))
    {
        assert!(std::env::var_os("CI").is_none(), "cannot run: {why}");
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let many: Vec<String> = (1..=3000)
        .map(|n| format!("sshd: 192.0.{}.{}\n", n / 250, n % 250))
        .collect();
    let many = many.concat();
    for (at, (source, allow, deny)) in FORMS.iter().enumerate() {
        for (kind, text) in [
            ("source", *source),
            ("allow", *allow),
            ("deny", *deny),
            ("sh", ""),
        ] {
            let text = if kind == "sh" {
                part(source)
            } else {
                text.replace("MANY", &many)
            };
            std::fs::write(folder.path().join(format!("{at:03}.{kind}")), text).expect("written");
        }
    }
    let output = Command::new("unshare")
        .args(["-mnpf", "--kill-child", "--mount-proc", "bash", "-c", ROOM])
        .env("DIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let (mut right, mut open, mut wrong) = (0, Vec::new(), Vec::new());
    for (at, (source, allow, deny)) in FORMS.iter().enumerate() {
        let real = said
            .lines()
            .find_map(|l| l.strip_prefix(&format!("{at:03} ")))
            .unwrap_or_else(|| {
                panic!(
                    "no answer for {at}\n{said}\n{}",
                    String::from_utf8_lossy(&output.stderr)
                )
            });
        let answer =
            std::fs::read_to_string(folder.path().join(format!("{at:03}.out"))).expect("an answer");
        let answer = Answer::parse(&answer);
        let q = question(source);
        let client = Client::of(&answer, &q, q.source.expect("a source"));
        let read = match Wrappers::of(&answer).decide(&client) {
            Verdict::Open => "open",
            Verdict::Shut(_) => "shut",
            Verdict::Unclear => "unanswered",
        };
        let line = format!("{source} allow {allow:?} deny {deny:?}: real {real}, read {read}");
        match read {
            "unanswered" => open.push(line),
            read if read == real => right += 1,
            _ => wrong.push(line),
        }
    }
    println!("unanswered:\n{}", open.join("\n"));
    println!(
        "TCP wrappers: {} forms: right {right}, wrong {}, unanswered {}",
        FORMS.len(),
        wrong.len(),
        open.len()
    );
    assert!(wrong.is_empty(), "wrong:\n{}", wrong.join("\n"));
    assert!(open.len() <= 2, "{} unanswered", open.len());
}
