//! The guest's firewall as the kernel walks it: each rule set is loaded into a network namespace of
//! its own, logins are tried from several sources, and the check's answer is read beside it.
//!
//! Prints right, wrong and unanswered; one wrong reading fails. `CVMTOP_RULESETS` names a further
//! file of the same shape, `{"cases": [{"name", "load", "ruleset", "questions"}]}`, which is only
//! printed. Needs root; says why it did not run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cvmtop::domain::instance::Os;
use cvmtop::guest::{GuestQuestion, readings, script};

/// Where logins come from: the internet, a private network, IPv6.
const SOURCES: [&str; 3] = ["203.0.113.7", "10.0.0.1", "2001:db8:2::7"];
const PORTS: [u16; 3] = [22, 80, 2222];
const PRIVATE_ADDRESS: &str = "10.0.0.10";
/// Unanswered questions allowed, of a hundred.
const UNANSWERED: usize = 5;
/// Rule sets that are before the kernel at the same time: most of the time they wait for silence.
const ROOMS: usize = 5;

/// The programs that the rule sets are loaded with.
const NEEDED: &str = "mount -t tmpfs tmpfs /run && nft list ruleset && iptables-legacy-save && iptables-nft-save && ipset list -n && python3 -c '' && command -v ufw firewalld fail2ban-server dbus-daemon";

#[derive(Debug, Clone, serde::Deserialize)]
struct Case {
    name: String,
    /// `nft`, `iptables-legacy`, `ip6tables-nft` ..., or `sh` for commands.
    load: String,
    ruleset: String,
    #[serde(default)]
    questions: Vec<Asked>,
    #[serde(default)]
    class: String,
}

#[derive(Debug, Clone, serde::Deserialize)]
struct Asked {
    source: String,
    port: u16,
}

#[derive(Debug, serde::Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

fn obstacle() -> Option<String> {
    let probe = Command::new("unshare")
        .args(["-mn", "sh", "-c", NEEDED])
        .output();
    match probe {
        Ok(o) if o.status.success() => None,
        Ok(o) => Some(String::from_utf8_lossy(&o.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

fn loader(case: &Case) -> String {
    let command = match case.load.as_str() {
        "sh" => return format!(". \"${{0%/*}}/tools.sh\"\n{}", case.ruleset),
        "nft" => "nft -f -".to_owned(),
        other => {
            let (program, backend) = other.split_once('-').unwrap_or((other, "nft"));
            format!("{program}-{backend}-restore")
        }
    };
    format!(
        "{command} <<'END_OF_RULES'\n{}\nEND_OF_RULES\n",
        case.ruleset
    )
}

fn question(source: &str, port: u16) -> GuestQuestion {
    GuestQuestion {
        user: "root".to_owned(),
        source: Some(source.parse::<IpAddr>().unwrap()),
        port,
        private_address: Some(PRIVATE_ADDRESS.parse().unwrap()),
        uses_key: None,
        asked_at: None,
    }
}

/// The part of the check that speaks of the firewall, as the guest runs it.
fn firewall_check(source: &str) -> String {
    let whole = script(Os::Linux, &question(source, 22));
    let (head, rest) = whole
        .split_once("# Host firewall")
        .expect("the section is there");
    let (section, _) = rest.split_once("# The login service").expect("and ends");
    format!("{head}# Host firewall{section}\nsay source checked yes\nsay source libwrap no\n")
}

/// What became of one question.
struct Seen {
    key: String,
    kernel: String,
    state: String,
    detail: String,
}

/// Namespaces in which one rule set after another is loaded.
struct Room {
    child: Child,
}

impl Room {
    /// Names are looked up in files only: no name server answers in there.
    fn open(scratch: &Path) -> Self {
        let script = scratch.join("room.py");
        std::fs::write(&script, include_str!("../data/firewall/room.py")).unwrap();
        std::fs::write(scratch.join("nsswitch.conf"), "hosts: files\n").unwrap();
        let child = Command::new("unshare")
            .args(["-mpf", "--kill-child", "--mount-proc", "sh", "-c"])
            .arg("mount --bind \"$0/nsswitch.conf\" /etc/nsswitch.conf && exec python3 \"$0/room.py\"")
            .arg(scratch)
            .process_group(0) // of its own: see `support::probe::sshd_in`
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Puts one rule set before the kernel and reads the check's answer beside it.
    fn judge(&mut self, case: &Case) -> Result<Vec<Seen>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let put = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
        put("load", &loader(case));
        put("tools.sh", include_str!("../data/firewall/tools.sh"));
        if case.load != "sh" {
            put("alike", "");
        }
        let sources: Vec<&str> = SOURCES.into_iter().filter(|s| case.meets(s)).collect();
        for source in &sources {
            put(&format!("check-{source}"), &firewall_check(source));
        }
        let orders = self.child.stdin.as_mut().unwrap();
        writeln!(orders, "{}", path.display()).unwrap();
        let mut done = String::new();
        let answers = self.child.stdout.as_mut().unwrap();
        BufReader::new(answers).read_line(&mut done).unwrap();
        let text = |name: &str| std::fs::read_to_string(path.join(name)).unwrap_or_default();
        let kernel: BTreeMap<String, String> = text("seen")
            .lines()
            .filter_map(|l| l.rsplit_once(' '))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        if path.join("failed").exists() || kernel.len() != SOURCES.len() * PORTS.len() {
            return Err(text("log"));
        }
        let mut all = Vec::new();
        for source in sources {
            let answer = text(&format!("answer-{source}"));
            for port in PORTS.into_iter().filter(|port| case.asks(source, *port)) {
                let key = format!("{source} {port}");
                let kernel = kernel[&key].clone();
                let (state, detail) = reading(&answer, source, port);
                all.push(Seen {
                    key,
                    kernel,
                    state,
                    detail,
                });
            }
        }
        Ok(all)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Case {
    /// Rules of iptables speak of IPv4 only, those of ip6tables of IPv6.
    fn meets(&self, source: &str) -> bool {
        let v6 = source.contains(':');
        !(self.load.starts_with("iptables-") && v6 || self.load.starts_with("ip6tables-") && !v6)
    }

    fn asks(&self, source: &str, port: u16) -> bool {
        self.questions.is_empty()
            || self
                .questions
                .iter()
                .any(|q| q.source == source && q.port == port)
    }
}

/// What the check's answer says of the firewall: its state and the reason.
fn reading(answer: &str, source: &str, port: u16) -> (String, String) {
    let all = readings(Os::Linux, answer, &question(source, port));
    let of = |id: &str| {
        let reading = all.iter().find(|r| r.id == id).unwrap();
        let state = reading.observed_state().unwrap_or("unknown");
        (state.to_owned(), reading.detail.to_string())
    };
    let block = of("guest-source-block");
    if block.0 == "blocked" {
        return block;
    }
    of("guest-firewall")
}

#[derive(Debug, Default)]
struct Tally {
    right: usize,
    wrong: Vec<String>,
    unanswered: Vec<String>,
    not_loaded: Vec<String>,
}

impl Tally {
    fn count(&mut self, case: &Case, result: Result<Vec<Seen>, String>) {
        let seen = match result {
            Ok(seen) => seen,
            Err(why) => return self.not_loaded.push(format!("{}: {why}", case.name)),
        };
        for Seen {
            key,
            kernel,
            state,
            detail,
        } in seen
        {
            let name = format!("{} ({} {})", case.name, case.load, case.class);
            let line = format!("{name}: {key} is {kernel}, read `{state}`: {detail}");
            match state.as_str() {
                "unknown" => self.unanswered.push(line),
                state if (state == "allow") == (kernel == "open") => self.right += 1,
                _ => self.wrong.push(line),
            }
        }
    }

    fn questions(&self) -> usize {
        self.right + self.wrong.len() + self.unanswered.len()
    }

    fn table(&self, sets: usize) -> String {
        let mut text = format!(
            "rule sets  questions  right  wrong  unanswered  not loaded\n{sets:9}  {:9}  {:5}  {:5}  {:10}  {:10}\n",
            self.questions(),
            self.right,
            self.wrong.len(),
            self.unanswered.len(),
            self.not_loaded.len()
        );
        let lists = [
            ("wrong", &self.wrong),
            ("unanswered", &self.unanswered),
            ("not loaded", &self.not_loaded),
        ];
        for (title, list) in lists {
            for line in list {
                let _ = writeln!(text, "{title}: {line}");
            }
        }
        text
    }
}

fn judge_all(cases: &[Case]) -> Tally {
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    let scratch = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..ROOMS {
            scope.spawn(|| {
                let own = tempfile::tempdir_in(scratch.path()).unwrap();
                let mut room = Room::open(own.path());
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = room.judge(case);
                    tally.lock().unwrap().count(case, result);
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

#[test]
fn the_firewall_is_read_as_the_kernel_walks_it() {
    if let Some(why) = obstacle() {
        crate::support::not_run(&why);
        return;
    }
    let started = Instant::now();
    if let Some(file) = std::env::var_os("CVMTOP_RULESETS") {
        let text = std::fs::read_to_string(file).unwrap();
        let more: Cases = serde_json::from_str(&text).unwrap();
        println!("{}", judge_all(&more.cases).table(more.cases.len()));
        return;
    }
    let files = [
        // Those of the tools take longest.
        include_str!("../data/firewall/tools.toml"),
        include_str!("../data/firewall/iptables.toml"),
        include_str!("../data/firewall/nft.toml"),
    ];
    let read = |file: &str| toml::from_str::<Cases>(file).unwrap().cases;
    let cases: Vec<Case> = files.into_iter().flat_map(read).collect();
    let tally = judge_all(&cases);
    let text = tally.table(cases.len());
    println!("{text}({} s)", started.elapsed().as_secs());
    assert!(tally.not_loaded.is_empty(), "{text}");
    assert!(tally.wrong.is_empty(), "{text}");
    assert!(
        tally.unanswered.len() * 100 < tally.questions() * UNANSWERED,
        "{text}"
    );
}
