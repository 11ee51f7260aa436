//! Whether full-size packets get through where small ones do.
//!
//! Lives here: a padded key-exchange proposal watched in the kernel's own table, and large echo
//! requests. Must not live here: what both mean together (`fusion::path`).

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::time::Instant;

use super::budget::Ledger;
use super::login::talk;
use super::outcome::Greeting;
use super::plan::Protocol;
use super::ssh_exchange::{Conversation, leave};
use super::{icmp, tcp};

/// Longer than three segments of a 1500-byte link, so that full-size packets must be sent.
const PROPOSAL: usize = 6000;
/// How long a full-size packet may take to be acknowledged: two retransmissions and a margin.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(3500);
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
        watch(local, login).await
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

async fn watch(local: SocketAddr, remote: SocketAddr) -> Large {
    let until = Instant::now() + ACKNOWLEDGED_WITHIN;
    loop {
        match unacknowledged(local, remote) {
            Some(0) => return Large::Passed,
            Some(_) if Instant::now() >= until => return Large::Lost,
            Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            // The connection is gone: the server answered in its own way, so nothing is known.
            None => return Large::Unknown,
        }
    }
}

/// Bytes that the other side has not acknowledged yet, from the kernel's table of connections.
fn unacknowledged(local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    let file = if local.is_ipv4() {
        "/proc/thread-self/net/tcp"
    } else {
        "/proc/thread-self/net/tcp6"
    };
    let table = std::fs::read_to_string(file).ok()?;
    parse_send_queue(&table, &table_address(local), &table_address(remote))
}

/// The send queue of one established connection in a `/proc/net/tcp` table.
pub fn parse_send_queue(table: &str, local: &str, remote: &str) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let ours = columns.next() == Some(local) && columns.next() == Some(remote);
        let established = ours && columns.next() == Some("01");
        let (send, _) = columns.next().filter(|_| established)?.split_once(':')?;
        u64::from_str_radix(send, 16).ok()
    })
}

/// An address as the kernel prints it there: words in the machine's own byte order.
fn table_address(address: SocketAddr) -> String {
    use std::fmt::Write;
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut out = String::new();
    for word in bytes.as_chunks::<4>().0 {
        // Writing to a string does not fail.
        let _ = write!(out, "{:08X}", u32::from_ne_bytes(*word));
    }
    let _ = write!(out, ":{:04X}", address.port());
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_send_queue_of_the_right_connection_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
             0: 0100007F:0016 00000000:0000 0A 00000000:00000005 00:00000000\n\
             1: 0100007F:C350 0200007F:0016 01 000005DC:00000000 01:00000014\n";
        assert_eq!(
            parse_send_queue(table, "0100007F:C350", "0200007F:0016"),
            Some(1500)
        );
        assert_eq!(
            parse_send_queue(table, "0100007F:0016", "00000000:0000"),
            None
        );
        assert_eq!(parse_send_queue("", "a", "b"), None);
        assert_eq!(parse_send_queue("x\n1: a b 01\n", "a", "b"), None);
    }

    #[test]
    fn addresses_are_written_as_the_kernel_does() {
        let v4: SocketAddr = ([127, 0, 0, 1], 22).into();
        let want = if cfg!(target_endian = "little") {
            "0100007F:0016"
        } else {
            "7F000001:0016"
        };
        assert_eq!(table_address(v4), want);
        let v6: SocketAddr = "[::1]:22".parse().unwrap();
        assert_eq!(table_address(v6).len(), 37);
    }
}
