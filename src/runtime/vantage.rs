//! From where this machine looks: its own address towards a target, and whether a private
//! address can be reached from here at all.
//!
//! Must not live here: probing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// The address that this machine uses towards `target`. Sends nothing: connecting a datagram
/// socket only asks the routing table.
pub fn own_source(target: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = if target.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(SocketAddr::new(target, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Is silence on this private address likely to be the target's, rather than the lack of a way
/// from here into its network? True on loopback and where both share a /16 (the largest VPC).
pub fn shares_network(own: Option<IpAddr>, target: IpAddr) -> bool {
    match (own, target) {
        (_, target) if target.is_loopback() => true,
        (Some(IpAddr::V4(own)), IpAddr::V4(target)) => own.octets()[..2] == target.octets()[..2],
        (Some(IpAddr::V6(own)), IpAddr::V6(target)) => {
            own.segments()[..3] == target.segments()[..3]
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_reached_from_loopback() {
        let target = "127.0.0.9".parse().expect("address");
        assert!(own_source(target).is_some_and(|own| own.is_loopback()));
        assert!(shares_network(None, target));
    }

    #[test]
    fn another_network_is_not_ours() {
        let own = "192.168.1.5".parse().ok();
        assert!(!shares_network(own, "10.0.1.7".parse().expect("address")));
        assert!(shares_network(
            own,
            "192.168.200.7".parse().expect("address")
        ));
    }
}
