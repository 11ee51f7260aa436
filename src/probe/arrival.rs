//! Whether what was sent on a connection has arrived, as this machine's own kernel knows it.
//!
//! Lives here: the send queue in the kernel's table of connections. Must not live here: what a packet
//! that does not arrive means.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

/// How long a packet may take to be acknowledged: some four retransmissions.
pub const PATIENCE: Duration = Duration::from_millis(3500);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What became of all that was sent on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    Acknowledged,
    /// The other side has not acknowledged all of it.
    Missing,
    /// The connection is not there any more.
    Unknown,
}

/// Waits until everything that was sent is acknowledged, `until` at most.
pub async fn watch(local: SocketAddr, remote: SocketAddr, until: Instant) -> Arrival {
    loop {
        match unacknowledged(local, remote) {
            Some(0) => return Arrival::Acknowledged,
            Some(_) if Instant::now() >= until => return Arrival::Missing,
            Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            None => return Arrival::Unknown,
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
fn parse_send_queue(table: &str, local: &str, remote: &str) -> Option<u64> {
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
