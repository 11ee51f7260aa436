//! The provider's nodes as vantages: a jump host, a server, a node and the users' office, each behind a
//! router that stands for the Internet and the cloud's network. What is wrong is made in the kernel, the
//! node connects for real, and the API is `independent/cloud.py`, which lets little else be read.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::ROOT_BY_KEY;
use super::neighbour::Network;
use super::netns::probe as servers;
use crate::support::foreign::{Cloud, everyone, rules, state, world};

const CODE: &str = "20001";

/// A fault, and the causes of which one has to lead once the node has looked.
struct Fault {
    name: &'static str,
    /// The way on which the jump host looks.
    vantage: &'static str,
    make: fn(&Network),
    node_sees: &'static str,
    causes: &'static [&'static str],
}

const FAULTS: [Fault; 3] = [
    Fault {
        name: "the office's own way is broken",
        vantage: "private",
        make: |net| {
            let (public, office) = (net.public(), net.address("far"));
            net.between(&format!("ip saddr {office} ip daddr {public} drop"));
        },
        node_sees: "open",
        causes: &["client-network-fault"],
    },
    Fault {
        name: "the public side is dead for everybody",
        vantage: "private",
        make: |net| net.between(&format!("ip daddr {} drop", net.public())),
        node_sees: "all-silent",
        causes: &["public-bandwidth-zero", "ddos-blocked", "no-public-ip"],
    },
    Fault {
        name: "the guest lets only the jump host in",
        vantage: "public",
        make: |net| {
            let jump = net.address("client");
            net.guest(&format!("ip saddr != {jump} tcp dport 22 drop"));
        },
        node_sees: "all-silent",
        causes: &["host-firewall-blocks-port"],
    },
];

/// The cloud of a network, in the jump host's namespace, with one node.
fn cloud(net: &Network, rules: Value) -> Cloud {
    let instance = json!({
        "InstanceId": crate::support::foreign::ID, "InstanceName": "web", "InstanceState": "RUNNING",
        "RestrictState": "NORMAL", "OsName": "Debian 12", "DefaultLoginPort": 22,
        "PrivateIpAddresses": [net.address("server")], "PublicIpAddresses": [net.public()],
        "SecurityGroupIds": ["sg-1"],
        "VirtualPrivateCloud": {"VpcId": "vpc-1", "SubnetId": "subnet-1"},
        "InternetAccessible": {"InternetMaxBandwidthOut": 5},
        "Placement": {"Zone": "ap-seoul-1"},
    });
    let nodes = json!({"nodes": [{
        "Code": CODE, "Name": "office park", "Type": 2, "NetService": "carrier", "District": "north",
        "City": "town", "IPType": 1, "Location": 1, "CodeType": "",
        "namespace": net.machine("near"),
    }]});
    Cloud::inside(&net.lab.client, &world(instance, rules, &nodes))
}

/// What the client in the users' office really printed.
fn printed(net: &Network) -> String {
    let address = net.public().to_string();
    let words = [
        "ssh",
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=4",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        &address,
    ];
    let output = super::inside(&net.machine("far"), net.home.path(), &words);
    let output = { output }.output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lead(report: &Value) -> &str {
    report["causes"][0]["id"].as_str().unwrap()
}

fn share(report: &Value, causes: &[&str]) -> f64 {
    let all = report["causes"].as_array().unwrap().iter();
    let right = all.filter(|it| causes.contains(&it["id"].as_str().unwrap()));
    right.map(|it| it["probability"].as_f64().unwrap()).sum()
}

/// Without the node and with it.
fn looks(fault: &Fault) -> Option<[Value; 2]> {
    let net = Network::new()?;
    let any = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 22);
    let _server = servers::sshd_in(Some(&net.lab.server), any, ROOT_BY_KEY)?;
    let cloud = cloud(&net, everyone());
    (fault.make)(&net);
    let text = net.home.path().join("text");
    let said = printed(&net);
    assert!(said.contains("timed out"), "{}: {said}", fault.name);
    std::fs::write(&text, said).unwrap();
    let text = text.display().to_string();
    let user = net.address("far").to_string();
    let words = [
        "--vantage",
        fault.vantage,
        "--user-way",
        "public",
        "--user-path",
        "worse",
        "--user-source",
        &user,
        "--error-text",
        &text,
    ];
    let before = cloud.diagnose(&words).report();
    let named = format!("--from-providers={CODE}");
    let ran = cloud.diagnose(&[&words[..], &[&named]].concat());
    let after = ran.report();
    assert_eq!(
        state(&after, "reach", Some("provider")),
        fault.node_sees,
        "{}: {}",
        fault.name,
        ran.stderr()
    );
    assert!(ran.stderr().contains("is deleted"), "{}", ran.stderr());
    Some([before, after])
}

#[test]
fn nodes_of_the_provider_tell_the_users_way_from_the_public_side_from_the_guest() {
    let found: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = FAULTS.iter().map(|it| scope.spawn(|| looks(it))).collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let mut right = [0, 0];
    for (fault, found) in FAULTS.iter().zip(found) {
        let Some(reports) = found else { return };
        let leads = [lead(&reports[0]), lead(&reports[1])];
        let shares = [&reports[0], &reports[1]].map(|it| share(it, fault.causes));
        println!("{:42} {leads:?} {shares:.2?}", fault.name);
        for (turn, lead) in leads.iter().enumerate() {
            right[turn] += usize::from(fault.causes.contains(lead));
        }
        assert!(shares[1] > shares[0], "{}: {shares:?}", fault.name);
    }
    assert!(right[1] == FAULTS.len() && right[0] < right[1], "{right:?}");
}

/// Rules that let only the office and the jump host in, as many do: that a stranger is shut out is what
/// they are for, and accuses nobody.
#[test]
fn a_list_that_leaves_the_node_out_is_no_fault() {
    let Some(net) = Network::new() else { return };
    let any = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 22);
    let Some(_server) = servers::sshd_in(Some(&net.lab.server), any, ROOT_BY_KEY) else {
        return;
    };
    let source = |name: &str| format!("{}/32", net.address(name));
    let (office, jump) = (source("far"), source("client"));
    let list = rules(&[("ACCEPT", "22", &office), ("ACCEPT", "22", &jump)]);
    let cloud = cloud(&net, list);
    net.between(&format!("ip saddr {} drop", net.address("near")));
    let user = net.address("far").to_string();
    let words = ["--vantage", "public", "--user-source", &user];
    let before = cloud.diagnose(&words).report();
    let named = format!("--from-providers={CODE}");
    let ran = cloud.diagnose(&[&words[..], &[&named]].concat());
    let after = ran.report();
    assert!(
        ran.stderr().contains("do not let everybody in"),
        "{}",
        ran.stderr()
    );
    assert_eq!(state(&after, "reach", Some("provider")), "all-silent");
    let judged = state(&after, "security-group-here", Some("provider"));
    assert_eq!(judged, "allow-other-source-only");
    assert_eq!(lead(&before), lead(&after), "{:#}", after["causes"]);
    let filters = ["security-group-blocks-port", "host-firewall-blocks-port"];
    let shares = [&before, &after].map(|it| share(it, &filters));
    assert!(shares[1] - shares[0] < 0.05, "{shares:?}");
    // And nobody is told to ask them.
    let next = before["next_evidence"].as_array().unwrap().iter();
    assert!(next.clone().all(|it| it["path"] != "provider"), "{next:?}");
}
