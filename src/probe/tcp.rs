//! One TCP connection, its end told apart by errno.
//!
//! Lives here: connecting with a limit, and telling the target's failure from our own. Must not
//! live here: what is said once the connection is open, or what several attempts mean.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::budget;
use super::outcome::{Connect, OwnFailure};

/// Connects at the process-wide pace; the stream is there exactly when the outcome is `Open`.
pub async fn connect(to: SocketAddr, limit: Duration) -> (Connect, Option<TcpStream>) {
    budget::pace().await;
    connect_now(to, limit).await
}

/// Connects without waiting for the pace: for callers that keep their own. An open connection
/// without a stream was reset before it could be used.
pub async fn connect_now(to: SocketAddr, limit: Duration) -> (Connect, Option<TcpStream>) {
    connect_with(to, limit, None).await
}

/// Connects with packets no larger than `segment` bytes of payload each way (RFC 6691), at the
/// process-wide pace.
pub async fn connect_small(
    to: SocketAddr,
    limit: Duration,
    segment: u32,
) -> (Connect, Option<TcpStream>) {
    budget::pace().await;
    connect_with(to, limit, Some(segment)).await
}

async fn connect_with(
    to: SocketAddr,
    limit: Duration,
    segment: Option<u32>,
) -> (Connect, Option<TcpStream>) {
    let started = Instant::now();
    let stream = match begin(to, segment) {
        Ok(stream) => stream,
        Err(error) => return (classify(&error, to.ip(), started.elapsed()), None),
    };
    let decided =
        match tokio::time::timeout(limit, stream.async_io(Interest::WRITABLE, || word(&stream)))
            .await
        {
            Ok(decided) => decided,
            // A wait that is over says little by itself: a host with too much to do looks at its
            // sockets late. Whether there is a connection is the kernel's to say.
            Err(_) => word(&stream),
        };
    let after = started.elapsed();
    match decided {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return (Connect::Silent(after), None);
        }
        Err(error) => return (classify(&error, to.ip(), after), None),
    }
    // A loopback port in the ephemeral range can connect to itself; nobody listens there.
    if stream.local_addr().ok() == Some(to) {
        return (Connect::Refused(after), None);
    }
    (Connect::Open(after), Some(stream))
}

/// Sends the first packet of a connection (connect(2) on a socket that does not block).
fn begin(to: SocketAddr, segment: Option<u32>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(segment) = segment {
        socket.set_tcp_mss(segment)?;
    }
    match socket.connect(&to.into()) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
        _ => TcpStream::from_std(socket.into()),
    }
}

/// What the kernel says of a connection that was begun: there, failed, or (`WouldBlock`) undecided.
fn word(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// The address that this machine would send from, without sending anything.
///
/// # Errors
/// [`OwnFailure`] when this machine's own routing table has no way to the address.
pub fn source_address(to: IpAddr) -> Result<IpAddr, OwnFailure> {
    let any: SocketAddr = if to.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = std::net::UdpSocket::bind(any).map_err(|e| own_failure(&e))?;
    socket
        .connect(SocketAddr::new(to, 9))
        .map_err(|e| own_failure(&e))?;
    Ok(socket.local_addr().map_err(|e| own_failure(&e))?.ip())
}

/// Whose failure an error of `connect(2)` is.
fn classify(error: &io::Error, to: IpAddr, after: Duration) -> Connect {
    match Errno::from_io_error(error) {
        // The same errors come from this machine's own table, before anything is sent.
        Some(Errno::HOSTUNREACH | Errno::NETUNREACH) if source_address(to).is_err() => {
            Connect::Own(OwnFailure::NoRoute)
        }
        Some(Errno::CONNREFUSED) => Connect::Refused(after),
        // Only a connection that was made can be reset: a SYN that is turned down is refused.
        Some(Errno::CONNRESET) => Connect::Open(after),
        Some(Errno::TIMEDOUT) => Connect::Silent(after),
        // Nobody answered the address resolution on our own link: that is silence, no message.
        Some(Errno::HOSTUNREACH) if unresolved_neighbour(to) => Connect::Silent(after),
        Some(Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::PROTO) => {
            Connect::Prohibited(after)
        }
        _ => Connect::Own(own_failure(error)),
    }
}

/// Names a failure of our own side.
pub fn own_failure(error: &io::Error) -> OwnFailure {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => OwnFailure::Resources,
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT) => {
            OwnFailure::NoRoute
        }
        Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => OwnFailure::NoLocalAddress,
        Some(Errno::PERM | Errno::ACCESS) => OwnFailure::Forbidden,
        other => OwnFailure::Other(other.map_or(0, Errno::raw_os_error)),
    }
}

/// True when the kernel's ARP table holds an unanswered entry for the address.
fn unresolved_neighbour(address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else {
        return false;
    };
    let Ok(table) = std::fs::read_to_string("/proc/thread-self/net/arp") else {
        return false;
    };
    let wanted = address.to_string();
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace();
        columns.next() == Some(wanted.as_str()) && columns.nth(1) == Some("0x0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn our_own_failures_are_never_the_targets() {
        let to = IpAddr::from([192, 0, 2, 1]);
        for (errno, want) in [
            (Errno::MFILE, OwnFailure::Resources),
            (Errno::NFILE, OwnFailure::Resources),
            (Errno::ADDRNOTAVAIL, OwnFailure::NoLocalAddress),
            (Errno::PERM, OwnFailure::Forbidden),
            (Errno::ACCESS, OwnFailure::Forbidden),
        ] {
            assert_eq!(
                classify(&error(errno), to, Duration::ZERO),
                Connect::Own(want)
            );
        }
        assert_eq!(own_failure(&error(Errno::NETUNREACH)), OwnFailure::NoRoute);
    }

    #[test]
    fn answers_of_the_path_are_named() {
        // Loopback, so that this machine's own table always has a way.
        let to = IpAddr::from([127, 0, 0, 1]);
        let zero = Duration::ZERO;
        assert_eq!(
            classify(&error(Errno::CONNREFUSED), to, zero),
            Connect::Refused(zero)
        );
        assert_eq!(
            classify(&error(Errno::CONNRESET), to, zero),
            Connect::Open(zero),
            "made, and reset before it was seen"
        );
        assert_eq!(
            classify(&error(Errno::HOSTUNREACH), to, zero),
            Connect::Prohibited(zero)
        );
        assert_eq!(
            classify(&error(Errno::NETUNREACH), to, zero),
            Connect::Prohibited(zero)
        );
        assert_eq!(
            classify(&error(Errno::TIMEDOUT), to, zero),
            Connect::Silent(zero)
        );
    }

    #[tokio::test]
    async fn a_listener_is_open_and_a_closed_port_is_refused() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let (outcome, stream) = connect(to, Duration::from_secs(2)).await;
        assert!(outcome.is_open() && stream.is_some());
        drop(listener);
        let (outcome, stream) = connect(to, Duration::from_secs(2)).await;
        assert!(matches!(outcome, Connect::Refused(_)) && stream.is_none());
    }
}
