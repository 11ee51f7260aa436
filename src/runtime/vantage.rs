//! From where this machine looks: its own address towards a target, and whether a private
//! address can be reached from here at all.
//!
//! Must not live here: probing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::domain::evidence::Path;
use crate::domain::instance::Instance;

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

/// The address that this machine uses on each way to an instance, one of each family: rules for
/// IPv4 say nothing about IPv6.
pub fn own_sources(instance: &Instance) -> Vec<(Path, IpAddr)> {
    let paths = [
        (Path::Public, &instance.public_addresses),
        (Path::Private, &instance.private_addresses),
    ];
    let own = |v4: bool| {
        paths.iter().filter_map(move |(path, addresses)| {
            let address = addresses.iter().find(|address| address.is_ipv4() == v4)?;
            Some((*path, own_source(*address)?))
        })
    };
    own(true).chain(own(false)).collect()
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

/// True if the address is one of this machine's own, so that what answers there has not passed any
/// network.
pub fn is_own(target: IpAddr) -> bool {
    target.is_loopback() || own_source(target) == Some(target)
}

/// True if an address is on one of this machine's interfaces, whichever way it is used. Sends
/// nothing: only an address of one's own can be bound.
pub fn is_this_host(address: IpAddr) -> bool {
    !address.is_unspecified() && UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

/// This host's address as the instance sees it, where that is certain: behind a NAT the own
/// private address is not what a public path shows.
pub fn certain_own_source(instance: &Instance) -> Option<IpAddr> {
    let target = instance.address()?;
    let own = own_source(target)?;
    (!is_private(own) || is_private(target)).then_some(own)
}

/// True for an address of a private network, or of a provider's own between NATs.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// True for an address of the Internet.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local();
            !(local || shared || v4.is_unspecified())
        }
        IpAddr::V6(v6) => {
            let local = v6.is_unique_local() || v6.is_unicast_link_local();
            !(local || v6.is_loopback() || v6.is_unspecified())
        }
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
    fn own_and_global_addresses_are_told_apart() {
        let address = |text: &str| text.parse::<IpAddr>().expect("address");
        assert!(is_own(address("127.3.0.1")) && !is_own(address("198.51.100.9")));
        assert!(is_global(address("198.51.100.9")) && is_global(address("2001:db8::1")));
        for text in [
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "::1",
            "fd00::1",
            "169.254.0.1",
        ] {
            assert!(!is_global(address(text)), "{text}");
        }
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
