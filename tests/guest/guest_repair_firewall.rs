//! The repairs of the guest's firewall, judged by the kernel: each rule set is loaded, connections
//! are tried from several sources, the repair runs twice and is taken back. Whom it is for must get
//! in, nobody else may, a second run changes nothing, and every rule is back where it was.
//!
//! Needs root; says why it did not run.

use crate::support::repair;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cvmtop::domain::action::ActionId;
use repair::{Repair, possible};

const SOURCE: &str = "203.0.113.7";
/// Rule sets that are before the kernel at the same time: most of the time they wait for silence.
const ROOMS: usize = 4;
/// What the connections come to that the repair is not for.
const OTHERS: [&str; 2] = ["10.0.0.1 22", "2001:db8:2::7 22"];
const TOOLS: &[&str] = &[
    "nft",
    "iptables",
    "ipset",
    "unshare",
    "ip",
    "python3",
    "ufw",
    "firewalld",
];

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    load: String,
    ruleset: String,
}

#[derive(serde::Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

fn cases(text: &str) -> Vec<Case> {
    toml::from_str::<Cases>(text).unwrap().cases
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

/// What came of one rule set: what is wrong with it, or nothing. `None` where the address got in
/// without a repair, so that there was nothing to judge.
fn judge(case: &Case, repair: &Repair) -> Option<Result<(), String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let put = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    put("load", &loader(case));
    put("tools.sh", include_str!("../data/firewall/tools.sh"));
    // What it keeps lies in the memory of the namespace, not on this host.
    let own = |text: &str| text.replace("/var/lib/cvmtop", "/run/cvmtop");
    put("apply", &own(&repair.apply));
    put("undo", &own(&repair.undo));
    put("room.py", include_str!("../data/firewall/room.py"));
    put("nsswitch.conf", "hosts: files\n");
    put("wanted", &format!("{SOURCE} 22"));
    let mut child = Command::new("unshare")
        .args(["-mpf", "--kill-child", "--mount-proc", "sh", "-c"])
        .arg("mkdir \"$0/up\" \"$0/work\" \"$0/tables\" && mount -t tmpfs tmpfs \"$0/tables\" && mkdir \"$0/tables/up\" \"$0/tables/work\" && mount -t overlay overlay -o \"lowerdir=/etc,upperdir=$0/tables/up,workdir=$0/tables/work\" /etc && cp \"$0/nsswitch.conf\" /etc/nsswitch.conf && : >/etc/hosts.deny && : >/etc/hosts.allow && exec python3 \"$0/room.py\"")
        .arg(path)
        .process_group(0) // of its own: see `support::probe::sshd_in`
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{}", path.display()).unwrap();
    let mut done = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut done)
        .unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    verdict(path)
}

fn verdict(path: &Path) -> Option<Result<(), String>> {
    let text = |name: &str| std::fs::read_to_string(path.join(name)).unwrap_or_default();
    let seen = |name: &str| -> BTreeMap<String, String> {
        let all = text(name);
        let pairs = all.lines().filter_map(|l| l.rsplit_once(' '));
        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    let (before, after) = (seen("seen"), seen("seen-mended"));
    let user = format!("{SOURCE} 22");
    let said = text("said-1");
    if before.get(&user).map(String::as_str) == Some("open") {
        return None;
    }
    let wrong = if before.is_empty() {
        format!("not loaded: {}", text("log"))
    } else if after.get(&user).map(String::as_str) != Some("open") {
        format!("still {:?}", after.get(&user))
    } else if let Some(other) = OTHERS.iter().find(|o| before.get(**o) != after.get(**o)) {
        format!(
            "{other} was {:?}, is {:?}",
            before.get(*other),
            after.get(*other)
        )
    } else if !text("said-2").contains("done: 0 changes") {
        format!("a second run changes more: {}", text("said-2"))
    } else if text("rules-0") != text("rules-1") {
        format!("taken back inexactly: {}", text("said-back"))
    } else {
        return Some(Ok(()));
    };
    Some(Err(format!("{wrong}\n{said}")))
}

fn judge_all(cases: &[Case], action: ActionId, words: &[&str]) {
    if !possible(TOOLS) {
        return;
    }
    let repair = Repair::new(action, words);
    let next = AtomicUsize::new(0);
    let results = Mutex::new((0_usize, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..ROOMS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let came = judge(case, &repair);
                    let mut results = results.lock().unwrap();
                    match came {
                        None => {}
                        Some(Ok(())) => results.0 += 1,
                        Some(Err(why)) => {
                            let line = format!("{} ({}): {why}", case.name, case.load);
                            results.1.push(line);
                        }
                    }
                }
            });
        }
    });
    let (right, wrong) = results.into_inner().unwrap();
    println!("{right} right, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right > 0);
}

#[test]
#[ignore = "hundreds of real rule sets, some minutes: cargo test --test guest guest_repair_firewall:: -- --ignored"]
fn every_shape_of_ban_is_lifted_for_this_address_alone() {
    judge_all(
        &cases(include_str!("../data/repair/bans.toml")),
        ActionId::GuestUnblockSource,
        &["source=203.0.113.7"],
    );
}

#[test]
#[ignore = "hundreds of real rule sets, some minutes: cargo test --test guest guest_repair_firewall:: -- --ignored"]
fn a_port_is_let_in_above_whatever_denies_it() {
    // Translation that leads the port to another machine is no matter of a rule that lets in.
    let elsewhere = |case: &Case| case.ruleset.contains("-F ") || case.load == "sh";
    let all: Vec<Case> = [
        include_str!("../data/firewall/nft.toml"),
        include_str!("../data/firewall/iptables.toml"),
    ]
    .into_iter()
    .flat_map(cases)
    .filter(|case| !case.load.starts_with("ip6tables") && !elsewhere(case))
    .collect();
    judge_all(
        &all,
        ActionId::GuestAllowPort,
        &["port=22", "source=203.0.113.7"],
    );
}
