//! A sweep of many login ports against port scanners on the same list, and `list` against the
//! vendor's command line, as Markdown tables: `cargo bench --bench sweep [-- SECTION... --ports N]`.
//!
//! Sections: `answering`, `silent` (a network namespace that drops; needs root), `list`. Like is
//! compared with like: who only connects with who only connects, who reads the greeting with who
//! reads it. A peer that is not installed is named. Must not live here: the console (`console`).

#[path = "console/table.rs"]
mod table;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cvmtop::probe::{LoginHealth, SweepOptions, SweepResult, SweepTarget, sweep};
use table::{Table, Times};

/// Runs of each program; the table shows the median.
const RUNS: usize = 3;

fn program() -> String {
    std::env::var("CVMTOP_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_cvmtop").to_owned())
}

fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 77, (number / 250) as u8, (number % 250 + 1) as u8)
}

/// Greets like an SSH server on every loopback address.
fn greeter() -> u16 {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    socket.bind(&any.into()).expect("bound");
    socket.listen(4096).expect("listening");
    let listener = std::net::TcpListener::from(socket);
    let port = listener.local_addr().expect("an address").port();
    for _ in 0..2 {
        let listener = listener.try_clone().expect("a copy");
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
            }
        });
    }
    port
}

/// One program's arguments and how many hosts its output names as answering.
struct Peer {
    name: &'static str,
    command: Vec<String>,
    found: fn(&str) -> usize,
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn lines_with(text: &str, what: &str) -> usize {
    text.lines().filter(|line| line.contains(what)).count()
}

/// The programs on the list in `folder`, in groups that do the same; the first of each is ours.
fn programs(folder: &Path, ports: usize, port: u16) -> Vec<Vec<Peer>> {
    let list = folder.join("targets").display().to_string();
    let config = folder.join("config.toml").display().to_string();
    let this = std::env::current_exe().expect("this program");
    let mut own = vec![program()];
    own.extend(words("list --format json --config"));
    own.push(config);
    let mut connecting = vec![this.display().to_string()];
    connecting.extend(words(&format!("{CONNECT_ONLY} {ports} {port}")));
    let peer = |name, command: &str, found: fn(&str) -> usize| Peer {
        name,
        command: words(command),
        found,
    };
    vec![
        vec![
            Peer {
                name: "cvmtop's sweep, connecting only",
                command: connecting,
                found: |text| lines_with(text, "open "),
            },
            peer(
                "nmap -sT -Pn -n -T5",
                &format!("nmap -sT -Pn -n -T5 -p {port} -iL {list} -oG -"),
                |text| lines_with(text, "/open/"),
            ),
            // masscan is not here: it sends raw frames through a router, and loopback has none.
            peer(
                "fping (ICMP only)",
                &format!("fping -a -r 0 -i 1 -f {list}"),
                |text| text.lines().filter(|line| line.starts_with("127.")).count(),
            ),
        ],
        vec![
            Peer {
                name: "cvmtop list, with greetings",
                command: own,
                found: |text| lines_with(text, "\"result\":\"answers\""),
            },
            peer(
                "nmap -sT -Pn -n -T5 --script banner",
                &format!("nmap -sT -Pn -n -T5 --script banner -p {port} -iL {list} -oN -"),
                |text| lines_with(text, "SSH-2.0"),
            ),
        ],
    ]
}

/// The word by which this program is started again to do a bare sweep as a process of its own.
const CONNECT_ONLY: &str = "connect-only";

/// Connects to every port and prints those that are open.
fn connect_only(ports: usize, port: u16) {
    let targets = (0..ports).map(|key| SweepTarget {
        key,
        login: SocketAddr::from((address(key), port)),
        protocol: None,
    });
    let options = SweepOptions {
        rate: None,
        ..SweepOptions::default()
    };
    // As many workers as the program itself has.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let out = runtime.block_on(async {
        let (sink, mut results) = tokio::sync::mpsc::channel::<SweepResult>(256);
        let reading = tokio::spawn(async move {
            let mut out = String::new();
            while let Some(result) = results.recv().await {
                let word = match result.check.health() {
                    LoginHealth::Answers => "open",
                    other => other.as_str(),
                };
                out.push_str(&format!("{word} {}\n", result.login));
            }
            out
        });
        sweep(targets.collect(), &options, sink).await;
        reading.await.expect("no panic")
    });
    print!("{out}");
}

/// Runs `command` and gives its time and output.
fn run(command: &[String]) -> (Duration, String) {
    let started = Instant::now();
    let output = Command::new(&command[0])
        .args(&command[1..])
        .env("CVMTOP_STATE_DIR", std::env::temp_dir())
        .output()
        .expect("it runs");
    let took = started.elapsed();
    (took, String::from_utf8_lossy(&output.stdout).into_owned())
}

fn write_lists(folder: &Path, ports: usize, port: u16) {
    let mut config = "[cloud]\ncvm_role = false\n[probe]\nrate = 100000\n".to_owned();
    let mut list = String::new();
    for number in 0..ports {
        let address = address(number);
        config.push_str(&format!(
            "[[host]]\nname = \"h{number:05}\"\naddress = \"{address}\"\nos = \"linux\"\nport = {port}\n"
        ));
        list.push_str(&format!("{address}\n"));
    }
    std::fs::write(folder.join("config.toml"), config).expect("a config");
    std::fs::write(folder.join("targets"), list).expect("a list");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, ports, port] = &arguments[..]
        && word == CONNECT_ONLY
    {
        let number = "a number";
        return connect_only(ports.parse().expect(number), port.parse().expect(number));
    }
    let mut sections = Vec::new();
    let mut ports = 10_000;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--ports" => ports = words.next().and_then(|n| n.parse().ok()).expect("a number"),
            section => sections.push(section.to_owned()),
        }
    }
    let wants = |name: &str| sections.is_empty() || sections.iter().any(|s| s == name);
    if wants("answering") {
        answering(ports);
    }
    if wants("silent") {
        silent(ports);
    }
    if wants("list") {
        list();
    }
}

fn answering(ports: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let port = greeter();
    write_lists(folder.path(), ports, port);
    let title = format!("{ports} answering login ports on loopback");
    let table = Table::new(&[&title, "median", "x cvmtop", "found answering"]);
    for group in programs(folder.path(), ports, port) {
        let mut own = f64::NAN;
        for peer in group {
            if !peer.command[0].contains('/') && installed(&peer.command[0]).is_none() {
                table.row(&[peer.name, "not installed", "", ""]);
                continue;
            }
            let mut found = 0;
            let times = Times::new((0..RUNS).map(|_| {
                let (took, text) = run(&peer.command);
                found = (peer.found)(&text);
                took
            }));
            let median = times.at(0.5);
            if own.is_nan() {
                own = median;
            }
            table.row(&[
                peer.name,
                &format!("{:.2} s", median / 1e3),
                &format!("{:.2}", median / own),
                &found.to_string(),
            ]);
        }
    }
}

/// Inside a network of its own whose every SYN is dropped.
fn silent(ports: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let port = 2222;
    write_lists(folder.path(), ports, port);
    let drop = format!(
        "ip link set lo up && nft add table ip t && \
         nft 'add chain ip t in {{ type filter hook input priority 0; }}' && \
         nft add rule ip t in tcp dport {port} drop && "
    );
    let title = format!("{ports} silent login ports, namespace that drops");
    let table = Table::new(&[&title, "time", "found silent"]);
    let config = folder.path().join("config.toml").display().to_string();
    for (what, limit) in [
        ("cvmtop, descriptors as they are", ""),
        ("cvmtop, 1,024 descriptors", "ulimit -n 1024 && "),
    ] {
        let own = format!(
            "{drop}{limit}exec {} list --format json --config {config}",
            program()
        );
        let command = ["unshare", "--net", "sh", "-c", &own].map(str::to_owned);
        let (took, text) = run(&command);
        let silent = lines_with(&text, "\"result\":\"silent\"");
        table.row(&[
            what,
            &format!("{:.2} s", took.as_secs_f64()),
            &silent.to_string(),
        ]);
    }
    if installed("nmap").is_some() {
        let list = folder.path().join("targets").display().to_string();
        let peer = format!("{drop}exec nmap -sT -Pn -n -T5 -p {port} -iL {list} -oG -");
        let command = ["unshare", "--net", "sh", "-c", &peer].map(str::to_owned);
        let (took, text) = run(&command);
        table.row(&[
            "nmap -sT -Pn -n -T5",
            &format!("{:.2} s", took.as_secs_f64()),
            &lines_with(&text, "/filtered/").to_string(),
        ]);
    }
}

/// `cvmtop list` and `tccli cvm DescribeInstances` on one demo cloud.
fn list() {
    let mut cloud = Command::new(program())
        .args(["demo-cloud", "--demo-fleet", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the demo cloud starts");
    let mut line = String::new();
    BufReader::new(cloud.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("one line");
    let told: serde_json::Value = serde_json::from_str(&line).expect("one JSON line");
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let (endpoint, id, key) = (text("endpoint"), text("secret_id"), text("secret_key"));
    let table = Table::new(&["one region of the demo cloud", "median", "x cvmtop"]);
    let timed = |command: &[String]| {
        let mut good = true;
        let times = Times::new((0..RUNS * 3).map(|_| {
            let started = Instant::now();
            let output = Command::new(&command[0])
                .args(&command[1..])
                .env("TENCENTCLOUD_SECRET_ID", &id)
                .env("TENCENTCLOUD_SECRET_KEY", &key)
                .output()
                .expect("it runs");
            let seen = String::from_utf8_lossy(&output.stdout);
            good &= output.status.success() && seen.contains("shop-api-01");
            started.elapsed()
        }));
        (times.at(0.5), good)
    };
    let region = format!("--region ap-seoul --endpoint {endpoint}");
    let tccli = std::env::var("TCCLI").unwrap_or_else(|_| "tccli".to_owned());
    let has_tccli = Path::new(&tccli).is_file() || installed(&tccli).is_some();
    for (what, own_words, peer_words) in [
        ("all instances", "", ""),
        (
            "one instance by name",
            "--filter name:shop-api-01",
            "--Filters.0.Name instance-name --Filters.0.Values shop-api-01 --cli-unfold-argument",
        ),
    ] {
        let mut own = vec![program()];
        own.extend(words(&format!(
            "list --no-probe --format json {region} {own_words}"
        )));
        let (mine, good) = timed(&own);
        assert!(good, "cvmtop lists the demo cloud");
        table.row(&[
            &format!("cvmtop list, {what}"),
            &format!("{mine:.0} ms"),
            "1.0",
        ]);
        if !has_tccli {
            table.row(&["tccli", "not installed", ""]);
            continue;
        }
        let mut peer = vec![tccli.clone()];
        peer.extend(words(&format!(
            "cvm DescribeInstances {region} --secretId {id} --secretKey {key} {peer_words}"
        )));
        let (theirs, good) = timed(&peer);
        let note = if good { "" } else { " (it failed)" };
        table.row(&[
            &format!("tccli cvm DescribeInstances, {what}{note}"),
            &format!("{theirs:.0} ms"),
            &format!("{:.1}", theirs / mine),
        ]);
    }
    let _ = cloud.kill();
    let _ = cloud.wait();
}
