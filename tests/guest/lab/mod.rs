//! Real servers behind real packet filters, several at once, and the demo cloud as their API: what
//! `diagnose` says and what a repair does is judged by the OpenSSH client's own success.
//!
//! Needs root, iproute2, nftables, openssh and xrdp; says why and passes where something is
//! missing (with `CI` set nothing may be). Must not live here: single probes (`netns_reach`).

mod desktop;
mod neighbour;
mod path;
mod provider;
mod user;

use crate::support::gateway;
use crate::support::netns;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use gateway::Gateway;
use netns::probe::{self as servers, Server};
use netns::{Lab, enter, ip, must};
use serde_json::Value;

/// `ip netns exec NAMESPACE WORDS`, with a clean environment and a home of its own.
fn inside(namespace: &str, home: &std::path::Path, words: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace])
        .args(words)
        .env_clear()
        // Wide enough that no sentence is broken.
        .env("COLUMNS", "400")
        .env("HOME", home)
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A key of the operator's, and that the server takes it.
struct Key {
    folder: tempfile::TempDir,
}

impl Key {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.path().join("id"))
            .status()
            .unwrap();
        assert!(made.success());
        Self { folder }
    }

    fn given_to(&self, server: &Server) {
        let public = std::fs::read(self.folder.path().join("id.pub")).unwrap();
        std::fs::write(server.folder.path().join("authorized_keys"), public).unwrap();
    }

    /// Whether a login really works: the OpenSSH client runs a command there.
    fn opens(&self, namespace: &str, login: SocketAddr) -> bool {
        let identity = self.folder.path().join("id").display().to_string();
        let (port, host) = (login.port().to_string(), format!("root@{}", login.ip()));
        let words = [
            "ssh",
            "-F",
            "none",
            "-i",
            &identity,
            "-p",
            &port,
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentitiesOnly=yes",
            &host,
            "echo",
            "in",
        ];
        let output = inside(namespace, self.folder.path(), &words)
            .output()
            .unwrap();
        output.status.success() && output.stdout == b"in\n"
    }
}

const ROOT_BY_KEY: &str = "PermitRootLogin prohibit-password\nPubkeyAuthentication yes";

/// Runs the real program in a namespace on hosts of a config; one report a host.
fn diagnose(lab: &Lab, hosts: &[(&str, SocketAddr, &str)]) -> Vec<Value> {
    diagnose_with(lab, hosts, &[])
}

fn diagnose_with(lab: &Lab, hosts: &[(&str, SocketAddr, &str)], flags: &[&str]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let mut config = "[cloud]\ncvm_role = false\n".to_owned();
    for (name, login, os) in hosts {
        config.push_str(&format!(
            "[[host]]\nname = \"{name}\"\naddress = \"{}\"\nport = {}\nos = \"{os}\"\n",
            login.ip(),
            login.port()
        ));
    }
    let file = home.path().join("config.toml");
    std::fs::write(&file, config).unwrap();
    let file = file.display().to_string();
    let mut words = vec![
        env!("CARGO_BIN_EXE_cvmtop"),
        "diagnose",
        "--format",
        "json",
        "--config",
        &file,
    ];
    words.extend(flags);
    words.extend(hosts.iter().map(|(name, ..)| *name));
    let output = inside(&lab.client, home.path(), &words).output().unwrap();
    let reports: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(reports.len(), hosts.len(), "{}", said(&output));
    reports
}

fn state<'a>(report: &'a Value, group: &str) -> &'a str {
    let evidence = report["evidence"].as_array().unwrap();
    let found = evidence
        .iter()
        .find(|e| e["id"] == group && e["state"].is_string());
    found.map_or("", |e| e["state"].as_str().unwrap())
}

/// What is said must not contradict the client. Without a cloud and a login of its own the
/// program may leave open what is wrong, never whether the path works.
fn judge(report: &Value, works: bool) {
    let path = state(report, "reach") == "open" && state(report, "kex") == "common";
    assert_eq!(path, works, "{}", report["evidence"]);
    let contradiction = if works { "faulty" } else { "healthy" };
    assert_ne!(report["verdict"], contradiction, "{}", report["causes"][0]);
}

#[test]
fn several_hosts_at_once_are_told_apart_as_the_client_finds_them() {
    let Some(lab) = Lab::linked() else { return };
    let key = Key::new();
    let mut running = Vec::new();
    for last in [10, 11, 12, 13, 14, 15] {
        lab.address(&lab.server, "s0", lab.host(last));
    }
    for last in [10, 11, 12, 14] {
        let login = SocketAddr::new(lab.host(last).into(), 22);
        let Some(server) = servers::sshd_in(Some(&lab.server), login, ROOT_BY_KEY) else {
            return;
        };
        key.given_to(&server);
        running.push(server);
    }
    let of = |last: u8| lab.host(last);
    lab.filter(
        &lab.server,
        "input",
        &format!(
            "ip daddr {} tcp dport 22 drop\nip daddr {} tcp dport 22 reject with icmpx type admin-prohibited",
            of(11),
            of(12)
        ),
    );
    // 13: nothing listens. 14: sshd is stopped in its tracks and accepts without a word.
    running[3].signal(rustix::process::Signal::STOP);
    let login = |last: u8, port: u16| SocketAddr::new(of(last).into(), port);
    let hosts = [
        ("whole", login(10, 22), "linux"),
        ("dropped", login(11, 22), "linux"),
        ("rejected", login(12, 22), "linux"),
        ("nothing", login(13, 22), "linux"),
        ("mute", login(14, 22), "linux"),
    ];
    let started = Instant::now();
    let reports = diagnose(&lab, &hosts);
    let took = started.elapsed();
    running[3].signal(rustix::process::Signal::CONT);
    let want = [
        ("reach", "open"),
        ("reach", "silent-host-alive"),
        ("reach", "admin-prohibited"),
        ("reach", "refused"),
        ("banner", "silent"),
    ];
    for ((name, login, _), (report, (group, expected))) in
        hosts.iter().zip(reports.iter().zip(want))
    {
        assert_eq!(
            state(report, group),
            expected,
            "{name}: {}",
            report["evidence"]
        );
        if *name != "mute" {
            judge(report, key.opens(&lab.client, *login));
        }
    }
    println!("five hosts took {took:?}");
}

#[test]
fn a_repair_is_proved_by_the_clients_own_success() {
    let Some(lab) = Lab::linked() else { return };
    let key = Key::new();
    let login = SocketAddr::new(lab.host(2).into(), 22);
    let Some(mut server) = servers::sshd_in(Some(&lab.server), login, ROOT_BY_KEY) else {
        return;
    };
    key.given_to(&server);
    let host = [("web", login, "linux")];
    judge(&diagnose(&lab, &host)[0], true);
    assert!(key.opens(&lab.client, login));

    // A firewall in the guest that drops, and its removal.
    lab.filter(&lab.server, "input", "tcp dport 22 drop");
    let report = &diagnose(&lab, &host)[0];
    assert_eq!(state(report, "reach"), "silent-host-alive");
    judge(report, false);
    assert!(!key.opens(&lab.client, login));
    must(&format!(
        "netns exec {} nft delete table inet t",
        lab.server
    ));
    judge(&diagnose(&lab, &host)[0], true);
    assert!(key.opens(&lab.client, login));

    // The server gone, and started again.
    let _ = server.child.kill();
    let _ = server.child.wait();
    let report = &diagnose(&lab, &host)[0];
    assert_eq!(state(report, "reach"), "refused");
    assert!(!key.opens(&lab.client, login));
    drop(server);
    let server = servers::sshd_in(Some(&lab.server), login, ROOT_BY_KEY).unwrap();
    key.given_to(&server);
    judge(&diagnose(&lab, &host)[0], true);
    assert!(key.opens(&lab.client, login));
}

/// The demo cloud inside the client's namespace, behind a gateway there.
struct Cloud {
    child: Child,
    gateway: Gateway,
    told: Value,
    home: tempfile::TempDir,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cloud {
    fn start(lab: &Lab) -> Self {
        let home = tempfile::tempdir().unwrap();
        let words = [env!("CARGO_BIN_EXE_cvmtop"), "demo-cloud"];
        let mut child = inside(&lab.client, home.path(), &words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let (name, endpoint) = (
            lab.client.clone(),
            told["endpoint"].as_str().unwrap().to_owned(),
        );
        // The gateway's own threads stay where the one that makes them is.
        let gateway = std::thread::spawn(move || {
            enter(&name);
            Gateway::before(&endpoint)
        });
        Self {
            child,
            gateway: gateway.join().unwrap(),
            told,
            home,
        }
    }

    fn run(&self, lab: &Lab, words: &[&str]) -> Output {
        let mut all = vec![env!("CARGO_BIN_EXE_cvmtop"), "--region", "all"];
        all.extend(words);
        inside(&lab.client, self.home.path(), &all)
            .env("CVMTOP_ENDPOINT", &self.gateway.endpoint)
            .env(
                "TENCENTCLOUD_SECRET_ID",
                self.told["secret_id"].as_str().unwrap(),
            )
            .env(
                "TENCENTCLOUD_SECRET_KEY",
                self.told["secret_key"].as_str().unwrap(),
            )
            .output()
            .unwrap()
    }
}

/// The addresses that the cloud names lead to a real server behind a filter that follows the
/// cloud's rules: it opens when a rule was made, and not before.
#[test]
fn a_rule_made_in_the_cloud_lets_a_real_client_in() {
    let Some(lab) = Lab::linked() else { return };
    let key = Key::new();
    let login = SocketAddr::new(lab.host(2).into(), 22);
    let Some(server) = servers::sshd_in(Some(&lab.server), login, ROOT_BY_KEY) else {
        return;
    };
    key.given_to(&server);
    let cloud = Cloud::start(&lab);
    let output = cloud.run(
        &lab,
        &[
            "list",
            "--no-probe",
            "--format",
            "json",
            "--filter",
            "name:shop-api-01",
        ],
    );
    let text = said(&output);
    let row: Value = serde_json::from_str(text.lines().next().unwrap()).expect(&text);
    let port = row["login_port"].as_u64().unwrap();
    let address = |list: &str| -> Ipv4Addr { row[list][0].as_str().unwrap().parse().unwrap() };
    let (public, private) = (address("public_addresses"), address("private_addresses"));
    must(&format!(
        "netns exec {} sysctl -qw net.ipv4.conf.all.route_localnet=1",
        lab.client
    ));
    let rules = format!(
        "table ip lab {{
            chain out {{ type nat hook output priority -100;
                ip daddr {{ {public}, {private} }} tcp dport {port} dnat to {login}
            }}
            chain post {{ type nat hook postrouting priority 100; oifname \"c0\" masquerade
            }}
        }}"
    );
    let file = cloud.home.path().join("rules");
    std::fs::write(&file, rules).unwrap();
    must(&format!(
        "netns exec {} nft -f {}",
        lab.client,
        file.display()
    ));
    lab.filter(&lab.server, "input", "tcp dport 22 drop");
    let there = SocketAddr::new(public.into(), u16::try_from(port).unwrap());

    assert!(
        !key.opens(&lab.client, there),
        "the filter must hold before the repair"
    );
    let output = cloud.run(&lab, &["diagnose", "shop-api-01", "--format", "json"]);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(report["causes"][0]["id"], "security-group-blocks-port");
    assert_eq!(
        report["actions"][0]["id"], "open-port",
        "{}",
        report["actions"]
    );

    let (gateway, filter) = (cloud.gateway.clone(), lab.server.clone());
    let follow = std::thread::spawn(move || {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if gateway
                .writes()
                .iter()
                .any(|write| write == "CreateSecurityGroupPolicies")
            {
                return ip(&format!("netns exec {filter} nft delete table inet t"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    });
    let output = cloud.run(
        &lab,
        &[
            "act",
            "shop-api-01",
            "open-port",
            "--set",
            "source=here",
            "--yes",
            "--wait",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(follow.join().unwrap(), "no rule was made");
    assert!(
        key.opens(&lab.client, there),
        "the client does not get in after the repair"
    );
    assert_eq!(cloud.gateway.writes(), ["CreateSecurityGroupPolicies"]);
}
