//! What the check says of the guest beside its rules: interfaces, addresses, routes, listeners.
//!
//! Must not live here: rules.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// One network interface as `ip -o link` and `ip -o addr` print it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    pub index: u32,
    pub name: String,
    /// `None` where the interface is not Ethernet.
    pub mac: Option<u128>,
    pub group: Option<String>,
    /// The bridge or bond that it belongs to.
    pub master: Option<String>,
    pub addresses: Vec<IpNet>,
}

/// The guest as the check found it.
#[derive(Debug, Clone, Default)]
pub struct Host {
    pub interfaces: Vec<Interface>,
    /// `ip route get` of the user's source, and of the default route.
    pub route: String,
    pub default_device: Option<String>,
    pub neighbours: BTreeMap<IpAddr, u128>,
    /// Local address (`None`: any) and port of listening sockets; `None` when they were not read.
    pub listeners: Option<Vec<(IpAddr, u16)>>,
    pub settings: BTreeMap<String, String>,
    /// Seconds since 1970 and the offset of local time in seconds.
    pub clock: Option<(i64, i64)>,
    /// Lists of the `recent` match, with the entries of the user's source.
    pub recent: BTreeMap<String, Vec<String>>,
    /// Packet sets' names from `/proc/net/ip_tables_names`, by program.
    pub firewalld: Option<String>,
}

/// `02:00:00:00:00:01` as a number.
pub fn mac(text: &str) -> Option<u128> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() != 6 {
        return None;
    }
    parts.iter().try_fold(0, |sum, part| {
        Some(sum << 8 | u128::from(u8::from_str_radix(part, 16).ok()?))
    })
}

fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let mut words = line.split_whitespace();
    words.find(|w| *w == word)?;
    words.next()
}

impl Host {
    /// Takes in one part of the check's answer.
    pub fn read(&mut self, part: &str, lines: &[&str]) {
        let mut words = part.split_whitespace();
        match words.next().unwrap_or("") {
            "link" => lines.iter().for_each(|line| self.link(line)),
            "addr" => lines.iter().for_each(|line| self.address(line)),
            "route" => lines.join(" ").clone_into(&mut self.route),
            "default" => {
                self.default_device = lines
                    .iter()
                    .find_map(|line| after(line, "dev"))
                    .map(str::to_owned);
            }
            "neigh" => {
                for line in lines {
                    let address = line.split_whitespace().next().and_then(|w| w.parse().ok());
                    let mac = after(line, "lladdr").and_then(mac);
                    if let (Some(address), Some(mac)) = (address, mac) {
                        self.neighbours.insert(address, mac);
                    }
                }
            }
            "listen" => self.listeners = Some(lines.iter().filter_map(|l| listener(l)).collect()),
            "sysctl" => {
                for line in lines {
                    if let Some((key, value)) = line.split_once(' ') {
                        self.settings
                            .insert(key.to_owned(), value.trim().to_owned());
                    }
                }
            }
            "time" => {
                let seconds = words.next().and_then(|w| w.parse().ok());
                let zone = words.next().and_then(offset);
                self.clock = seconds.zip(zone);
            }
            "recent" => {
                let own = lines.iter().map(|l| (*l).to_owned()).collect();
                self.recent
                    .insert(words.next().unwrap_or("").to_owned(), own);
            }
            "firewalld" => self.firewalld = words.next().map(str::to_owned),
            _ => {}
        }
    }

    fn link(&mut self, line: &str) {
        let mut fields = line.splitn(3, ':');
        let index = fields.next().and_then(|f| f.trim().parse().ok());
        let name = fields
            .next()
            .map(|f| f.trim().split('@').next().unwrap_or(""));
        if let (Some(index), Some(name)) = (index, name) {
            self.interfaces.push(Interface {
                index,
                name: name.to_owned(),
                mac: after(line, "link/ether").and_then(mac),
                group: after(line, "group").map(str::to_owned),
                master: after(line, "master").map(str::to_owned),
                addresses: Vec::new(),
            });
        }
    }

    fn address(&mut self, line: &str) {
        let mut words = line.split_whitespace().skip(1);
        let (Some(name), Some(family), Some(text)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        let Ok(net) = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        else {
            return;
        };
        let interface = self.interfaces.iter_mut().find(|i| i.name == name);
        if let Some(interface) = interface.filter(|_| family.starts_with("inet")) {
            interface.addresses.push(net);
        }
    }

    pub fn owns(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || self
                .interfaces
                .iter()
                .any(|i| i.addresses.iter().any(|n| n.addr() == address))
    }

    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// The interface and own address that a login meets; `None` where several are possible.
    pub fn arrival(
        &self,
        v6: bool,
        private: Option<IpAddr>,
    ) -> (Option<&Interface>, Option<IpAddr>) {
        let global = |i: &Interface| -> Vec<IpAddr> {
            let fits = |a: &IpAddr| match a {
                IpAddr::V4(a) => !v6 && !a.is_loopback() && !a.is_link_local(),
                IpAddr::V6(a) => v6 && !a.is_loopback() && a.segments()[0] & 0xffc0 != 0xfe80,
            };
            i.addresses.iter().map(IpNet::addr).filter(fits).collect()
        };
        let named = |name: &str| self.interfaces.iter().find(|i| i.name == name);
        let holds = |address: IpAddr| {
            self.interfaces
                .iter()
                .find(|i| i.addresses.iter().any(|n| n.addr() == address))
        };
        let answers_by = after(&self.route, "dev").and_then(named);
        let source = after(&self.route, "src").and_then(|a| a.parse::<IpAddr>().ok());
        let interface = private
            .and_then(holds)
            .filter(|i| !global(i).is_empty())
            .or(answers_by)
            .or_else(|| self.default_device.as_deref().and_then(named))
            .or_else(|| {
                let mut all = self.interfaces.iter().filter(|i| !global(i).is_empty());
                all.next().filter(|_| all.next().is_none())
            });
        let own = interface.map(global).unwrap_or_default();
        let address = private
            .filter(|p| own.contains(p))
            .or_else(|| source.filter(|s| own.contains(s)))
            .or_else(|| own.first().copied().filter(|_| own.len() == 1));
        (interface, address)
    }

    /// The hardware address that packets of this source come with: the next hop's.
    pub fn next_hop(&self, source: Option<IpAddr>) -> Option<u128> {
        let hop = after(&self.route, "via")
            .and_then(|a| a.parse().ok())
            .or_else(|| source.filter(|_| !self.route.is_empty()))?;
        self.neighbours.get(&hop).copied()
    }

    /// Is something bound to this port for this address? `None` when the sockets were not read.
    pub fn listens(&self, address: Option<IpAddr>, port: u16) -> Option<bool> {
        let all = self.listeners.as_ref()?;
        Some(
            all.iter().any(|(at, p)| {
                *p == port && (at.is_unspecified() || address.is_none_or(|a| a == *at))
            }),
        )
    }

    /// Why answers to the user's source do not leave: a route that drops them.
    pub fn dead_route(&self) -> Option<&str> {
        let words: Vec<&str> = self.route.split_whitespace().collect();
        let dead = ["blackhole", "prohibit", "unreachable"];
        let named = words.first().is_some_and(|w| dead.contains(w));
        // `ip route get` names the error of a blackhole route "Invalid argument".
        let refused = self.route.contains("RTNETLINK answers")
            && ["Invalid argument", "No route to host", "Permission denied"]
                .iter()
                .any(|e| self.route.contains(e));
        (named || refused).then_some(self.route.as_str())
    }
}

/// `+0800` in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

/// An entry of `/proc/net/tcp` or `tcp6`: the address in words of the host's byte order (all CVM
/// types are little-endian), the port in hex.
fn listener(text: &str) -> Option<(IpAddr, u16)> {
    let (host, port) = text.trim().split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(host.get(at..at + 8)?, 16).ok();
    if host.len() == 8 {
        return Some((Ipv4Addr::from(word(0)?.swap_bytes()).into(), port));
    }
    let mut whole = 0u128;
    for at in [0, 8, 16, 24] {
        whole = whole << 32 | u128::from(word(at)?.swap_bytes());
    }
    let address = Ipv6Addr::from(whole);
    let v4 = address.to_ipv4_mapped().map(IpAddr::V4);
    Some((v4.unwrap_or(IpAddr::V6(address)), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_of_the_login_holds_the_private_address() {
        let mut host = Host::default();
        host.read(
            "link",
            &[
                "1: lo: <LOOPBACK,UP> mtu 65536 group default qlen 1000\\    link/loopback 00:00:00:00:00:00",
                "2: eth0@if5: <UP> mtu 1500 group default\\    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff",
                "3: docker0: <UP> mtu 1500 group default\\    link/ether 02:00:00:00:00:03",
            ],
        );
        host.read(
            "addr",
            &[
                "1: lo    inet 127.0.0.1/8 scope host lo",
                "2: eth0    inet 10.0.0.10/24 scope global eth0",
                "2: eth0    inet6 2001:db8:1::10/64 scope global",
                "2: eth0    inet6 fe80::1/64 scope link",
                "3: docker0    inet 172.17.0.1/16 scope global docker0",
            ],
        );
        let private = "10.0.0.10".parse().ok();
        let (interface, address) = host.arrival(false, private);
        assert_eq!(interface.map(|i| i.name.as_str()), Some("eth0"));
        assert_eq!(address, private);
        // Two interfaces with addresses and nothing that tells them apart: not known.
        assert_eq!(host.arrival(false, None).0, None);
        let (interface, address) = host.arrival(true, private);
        assert_eq!(interface.map(|i| i.name.as_str()), Some("eth0"));
        assert_eq!(address, "2001:db8:1::10".parse().ok());
    }

    #[test]
    fn listeners_are_read_from_the_kernel_s_table() {
        assert_eq!(
            listener("0100007F:0016"),
            Some(("127.0.0.1".parse().expect("address"), 22))
        );
        assert_eq!(
            listener("00000000000000000000000000000000:0016"),
            Some(("::".parse().expect("address"), 22))
        );
    }
}
