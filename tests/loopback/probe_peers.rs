//! `peers-subnet` and `peers-group` from real sockets: neighbours on loopback that answer, are
//! silent, or refuse, around an instance whose own login port is silent.

use crate::support::probe as support;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use cvmtop::domain::evidence::{Path, Reading, Status};
use cvmtop::domain::instance::Os;
use cvmtop::probe::{self, Depth, ProbeOptions, ProbePlan, ProbeTarget};
use support::full_queue;
use tokio::sync::mpsc;

/// A login port of a host. It stays what it is until this value is gone.
struct Host {
    login: SocketAddr,
    _socket: socket2::Socket,
    _held: Vec<TcpStream>,
}

/// A host that accepts.
fn answering(address: IpAddr) -> Host {
    let listener = TcpListener::bind((address, 0)).unwrap();
    Host {
        login: listener.local_addr().unwrap(),
        _socket: listener.into(),
        _held: Vec::new(),
    }
}

/// A host that says nothing.
fn silent(address: IpAddr) -> Host {
    let (socket, held, login) = full_queue(address);
    Host {
        login,
        _socket: socket,
        _held: held,
    }
}

/// A port of the address that nobody listens on.
fn refusing(address: IpAddr) -> SocketAddr {
    TcpListener::bind((address, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Hosts 1, 2, ... of the subnet 127.63.`net`.0/24.
fn address(net: u8, host: u8) -> IpAddr {
    [127, 63, net, host].into()
}

async fn look(
    target: SocketAddr,
    subnet: &[SocketAddr],
    group: &[SocketAddr],
    depth: Depth,
) -> Vec<Reading> {
    let mut plan = ProbePlan {
        os: Os::Linux,
        targets: vec![ProbeTarget {
            path: Path::Private,
            address: target.ip(),
            port: target.port(),
        }],
        options: ProbeOptions {
            depth,
            connect_timeout: Duration::from_millis(1200),
            greeting_timeout: Duration::from_secs(2),
            ..ProbeOptions::default()
        },
        ..ProbePlan::default()
    };
    plan.options.known.peers_subnet = subnet.to_vec();
    plan.options.known.peers_group = group.to_vec();
    let (sink, mut drain) = mpsc::channel(64);
    let reader = tokio::spawn(async move { while drain.recv().await.is_some() {} });
    let readings = probe::run(&plan, sink).await;
    reader.await.unwrap();
    readings
}

fn find<'a>(readings: &'a [Reading], id: &str) -> &'a Reading {
    let mut found = readings.iter().filter(|reading| reading.id == id);
    let first = found.next().unwrap();
    assert!(found.next().is_none(), "{id} was read twice");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_whose_peers_are_silent_fails_and_one_with_an_answer_does_not() {
    let target = silent(address(1, 1));
    let hosts: Vec<Host> = (2..5).map(|host| silent(address(1, host))).collect();
    let dead = logins(&hosts);
    let alive = answering(address(1, 9));
    let mixed = [dead[0], dead[1], alive.login, dead[2]];
    let readings = look(target.login, &dead, &mixed, Depth::Quick).await;
    let subnet = find(&readings, "peers-subnet");
    assert_eq!(subnet.observed_state(), Some("failing"), "{subnet:?}");
    for login in &dead {
        assert!(subnet.detail.contains(&login.to_string()), "{subnet:?}");
    }
    let group = find(&readings, "peers-group");
    assert_eq!(group.observed_state(), Some("reachable"), "{group:?}");
}

fn logins(hosts: &[Host]) -> Vec<SocketAddr> {
    hosts.iter().map(|host| host.login).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peers_of_the_same_groups_fail_while_the_subnet_answers() {
    let target = silent(address(2, 1));
    let alive = answering(address(2, 2));
    let hosts = [silent(address(3, 1)), silent(address(3, 2))];
    let dead = logins(&hosts);
    let readings = look(target.login, &[alive.login], &dead, Depth::Quick).await;
    let state = |id: &str| find(&readings, id).observed_state();
    assert_eq!(state("peers-subnet"), Some("reachable"));
    assert_eq!(state("peers-group"), Some("failing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_machine_itself_refuses_and_what_is_not_known_says_nothing() {
    let target = silent(address(4, 1));
    let refused = [refusing(address(4, 2)), refusing(address(4, 3))];
    let readings = look(target.login, &refused, &[], Depth::Quick).await;
    for (id, why) in [
        ("peers-subnet", "refused"),
        ("peers-group", "no peer is known"),
    ] {
        let reading = find(&readings, id);
        assert_eq!(reading.status, Status::NotAttempted, "{reading:?}");
        assert!(reading.detail.contains(why), "{reading:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_look_at_an_instance_that_answers_leaves_its_peers_alone() {
    let target = answering(address(5, 1));
    let peer = answering(address(5, 2));
    let quick = look(target.login, &[peer.login], &[], Depth::Quick).await;
    assert_eq!(find(&quick, "peers-subnet").status, Status::NotAttempted);
    let full = look(target.login, &[peer.login], &[], Depth::Full).await;
    assert_eq!(
        find(&full, "peers-subnet").observed_state(),
        Some("reachable")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_cannot_be_tried_from_here_are_no_finding() {
    let target = silent(address(6, 1));
    // No connection to everyone on the link can leave this machine.
    let unreachable: SocketAddr = "255.255.255.255:22".parse().unwrap();
    let readings = look(target.login, &[unreachable], &[], Depth::Quick).await;
    let reading = find(&readings, "peers-subnet");
    assert_eq!(reading.status, Status::ProbeFailed, "{reading:?}");
}
