//! Whether full-size packets get through where small ones do.
//!
//! Lives here: a padded key-exchange proposal, and large echo requests. Must not live here: what
//! both mean together (`fusion::path`).

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::time::Instant;

use super::arrival::{self, Arrival};
use super::budget::Ledger;
use super::login::talk;
use super::outcome::Greeting;
use super::plan::Protocol;
use super::ssh_exchange::{Conversation, leave};
use super::{icmp, tcp};

/// Longer than three segments of a 1500-byte link, so that full-size packets must be sent.
const PROPOSAL: usize = 6000;

/// What became of large packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Large {
    /// They arrived.
    Passed,
    /// They vanished while small ones arrived.
    Lost,
    /// It could not be tried, or the end does not tell.
    Unknown,
}

/// Sends a proposal of several full-size packets to an SSH server that has identified itself, and
/// watches whether the server's system acknowledges it. `limit` is the time until it has spoken.
pub async fn outward(login: SocketAddr, limit: Duration) -> Large {
    let started = Instant::now();
    let (_, stream) = tcp::connect(login, limit).await;
    let Some(stream) = stream else {
        return Large::Unknown;
    };
    Ledger::shared().opened(login);
    let Ok(local) = stream.local_addr() else {
        return Large::Unknown;
    };
    let mut conversation = Conversation::new(stream);
    let left = limit.saturating_sub(started.elapsed());
    let greeting = conversation.greeting(left).await;
    let sent = matches!(greeting, Greeting::Identified { .. })
        && conversation.propose(PROPOSAL).await.is_ok();
    let end = if sent {
        let until = Instant::now() + arrival::PATIENCE;
        match arrival::watch(local, login, until).await {
            Arrival::Acknowledged => Large::Passed,
            Arrival::Missing => Large::Lost,
            // The server answered in its own way, so nothing is known.
            Arrival::Unknown => Large::Unknown,
        }
    } else {
        Large::Unknown
    };
    leave(conversation.into_stream());
    end
}

/// Small enough for any path (the IPv4 minimum of RFC 1122), so that nothing full-size is sent by
/// either side.
const SMALL_SEGMENT: u32 = 536;

/// Repeats a handshake that hung with small packets alone: one that then completes proves that the
/// path swallows large ones.
pub async fn small_segments(login: SocketAddr, protocol: Protocol, limit: Duration) -> Large {
    let started = Instant::now();
    let (outcome, stream) = tcp::connect_small(login, limit, SMALL_SEGMENT).await;
    let left = limit.saturating_sub(started.elapsed());
    let taken = AtomicBool::new(false);
    match talk((outcome, stream), login, protocol, left, &taken).await {
        Some(talk) if talk.completed() => Large::Passed,
        Some(_) => Large::Lost,
        None => Large::Unknown,
    }
}

/// Pings as large as this machine's own link allows, to a host that answers small ones. The kernel
/// sets "don't fragment" on them, and fragments only once the path has told it to.
pub async fn large_ping(to: IpAddr) -> Large {
    let Some(link) = link_mtu(to) else {
        return Large::Unknown;
    };
    let headers = if to.is_ipv4() { 28 } else { 48 };
    let payload = (link.min(9000) as usize).saturating_sub(headers);
    let limit = Duration::from_secs(1);
    // The first may be spent on learning the path's size.
    let large = icmp::ping(to, 4, Duration::from_millis(300), payload, limit).await;
    if large.answered() {
        Large::Passed
    } else if large.was_sent() {
        Large::Lost
    } else {
        Large::Unknown
    }
}

/// The size of packets that this machine would send to the address.
fn link_mtu(to: IpAddr) -> Option<u32> {
    if to.is_ipv6() {
        return Some(1500);
    }
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect(SocketAddr::new(to, 9)).ok()?;
    sockopt::ip_mtu(&socket).ok()
}
