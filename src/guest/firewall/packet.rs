//! The packets of a login: the SYN that the user sends and the SYN-ACK that answers it, with what
//! is known of every field that a rule may ask for.
//!
//! Must not live here: how rules are written.

use std::net::IpAddr;

use super::host::{Host, Interface};
use super::said;
use super::value::{Tri, Value, address_bits};

/// Where in the kernel a rule looks at the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Egress,
}

impl Hook {
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "ingress" => Self::Ingress,
            "prerouting" => Self::Prerouting,
            "input" => Self::Input,
            "forward" => Self::Forward,
            "output" => Self::Output,
            "postrouting" => Self::Postrouting,
            "egress" => Self::Egress,
            _ => return None,
        })
    }
}

/// Bits of the connection state as nftables numbers them (`nf_conntrack_common.h`).
pub const INVALID: u128 = 1;
pub const ESTABLISHED: u128 = 2;
pub const RELATED: u128 = 4;
pub const NEW: u128 = 8;
pub const UNTRACKED: u128 = 64;
/// `IPS_DST_NAT`.
const STATUS_DNAT: u128 = 32;

/// A kernel's connection tracking looks at a packet at this priority; before, it has no state.
const CONNTRACK: i32 = -200;

/// Bits of the TCP flags octet.
pub const SYN: u128 = 2;
pub const ACK: u128 = 16;

/// The packet on its way, as the rules so far have left it.
#[derive(Debug, Clone)]
pub struct Flow<'a> {
    pub host: &'a Host,
    pub v6: bool,
    /// True for the SYN-ACK, false for the SYN.
    pub answer: bool,
    pub hook: Hook,
    pub priority: i32,
    pub source: Value,
    pub destination: Value,
    pub source_port: Value,
    pub port: Value,
    /// The user's source; `None` for anybody whom no rule names.
    pub user: Option<IpAddr>,
    pub interface: Option<&'a Interface>,
    pub mark: Value,
    pub connection_mark: Value,
    /// Was the request taken out of connection tracking, or the answer?
    pub untracked: [Tri; 2],
    /// Was the destination rewritten?
    pub translated: Tri,
    pub asked_address: Value,
    pub asked_port: u16,
    /// Sets to which this packet has added its source (dynamic sets, `recent`).
    pub added: Vec<(String, Tri)>,
}

impl<'a> Flow<'a> {
    pub fn request(
        host: &'a Host,
        v6: bool,
        user: Option<IpAddr>,
        port: u16,
        private: Option<IpAddr>,
    ) -> Self {
        let (interface, own) = host.arrival(v6, private);
        let width = if v6 { 128 } else { 32 };
        let destination = own.map_or_else(|| Value::Unknown(said::own_address()), Value::address);
        Self {
            host,
            v6,
            answer: false,
            hook: Hook::Ingress,
            priority: 0,
            source: user.map_or(Value::Elsewhere { width }, Value::address),
            destination: destination.clone(),
            // A client takes its port from 1024 on, whatever stands between.
            source_port: Value::Range(1024, 65535),
            port: Value::number(port.into(), 16),
            user,
            interface,
            mark: Value::number(0, 32),
            connection_mark: Value::number(0, 32),
            untracked: [Tri::No, Tri::No],
            translated: Tri::No,
            asked_address: destination,
            asked_port: port,
            added: Vec::new(),
        }
    }

    /// The packet that answers this one.
    pub fn answered(&self) -> Self {
        let mut back = self.clone();
        back.answer = true;
        std::mem::swap(&mut back.source, &mut back.destination);
        std::mem::swap(&mut back.source_port, &mut back.port);
        back.mark = Value::number(0, 32);
        back
    }

    fn inbound(&self) -> bool {
        matches!(
            self.hook,
            Hook::Ingress | Hook::Prerouting | Hook::Input | Hook::Forward
        )
    }

    /// Name of the interface that it comes in by, or leaves by.
    pub fn interface_name(&self, incoming: bool) -> Value {
        if incoming != self.inbound() {
            return Value::Name(String::new());
        }
        match self.interface {
            Some(interface) => Value::Name(interface.name.clone()),
            None => Value::Unknown(said::arrival()),
        }
    }

    /// State of the connection as the rule sees it, and whether tracking knows the connection.
    pub fn state(&self) -> (Value, Tri) {
        if self.hook == Hook::Ingress || (self.entry_hook() && self.priority <= CONNTRACK) {
            return (Value::number(INVALID, 32), Tri::No);
        }
        let [request, reply] = &self.untracked;
        let bits = match (self.answer, request, reply) {
            (false, Tri::Yes, _) | (true, _, Tri::Yes) => UNTRACKED,
            (false, Tri::No, _) => NEW,
            (true, Tri::No, Tri::No) => ESTABLISHED,
            // An answer to what was not tracked belongs to no connection.
            (true, Tri::Yes, Tri::No) => INVALID,
            (_, Tri::Maybe(what), _) | (_, _, Tri::Maybe(what)) => {
                return (Value::Unknown(what.clone()), Tri::maybe(what));
            }
        };
        let known = bits == NEW || bits == ESTABLISHED;
        (Value::number(bits, 32), known.into())
    }

    fn entry_hook(&self) -> bool {
        matches!(self.hook, Hook::Prerouting | Hook::Output)
    }

    /// A field of the connection: absent where tracking does not know it.
    pub fn tracked(&self, value: Value) -> Value {
        match self.state().1 {
            Tri::Yes => value,
            Tri::No => Value::Absent,
            Tri::Maybe(what) => Value::Unknown(what),
        }
    }

    /// `ct status`: an answered connection has seen a reply; others are left open.
    pub fn status(&self) -> Value {
        let dnat = match &self.translated {
            Tri::Yes => STATUS_DNAT,
            Tri::No => 0,
            Tri::Maybe(what) => return Value::Unknown(what.clone()),
        };
        // Expected (1) and source NAT (16) are not set; destination NAT is known.
        self.tracked(Value::Bits {
            value: dnat,
            known: 1 | 16 | STATUS_DNAT,
            width: 32,
        })
    }

    pub fn flags(&self) -> Value {
        Value::Bits {
            value: if self.answer { SYN | ACK } else { SYN },
            // A client that offers ECN sets two bits more; few do, and few rules mind.
            known: 0xff,
            width: 8,
        }
    }

    /// Time to live or hop limit: no path takes more than some thirty hops.
    pub fn hops(&self) -> Value {
        if self.answer {
            Value::Range(64, 255)
        } else {
            Value::Range(33, 255)
        }
    }

    /// Length of the packet with its IP header, in octets.
    pub fn length(&self) -> Value {
        if self.v6 {
            Value::Range(60, 100)
        } else {
            Value::Range(40, 80)
        }
    }

    /// Type of an own or foreign address as `fib` and `addrtype` number it: 1 unicast, 2 local.
    pub fn address_type(&self, source: bool) -> Value {
        let own = source == self.answer;
        let value = if source {
            &self.source
        } else {
            &self.destination
        };
        if !own {
            return match self.user {
                Some(user) if self.host.owns(user) => Value::number(2, 32),
                _ => Value::number(1, 32),
            };
        }
        match (value, &self.translated) {
            (_, Tri::Maybe(what)) => Value::Unknown(what.clone()),
            (_, Tri::No) => Value::number(2, 32),
            (value, Tri::Yes) => match self.address_of(value) {
                Some(address) if self.host.owns(address) => Value::number(2, 32),
                Some(_) => Value::number(1, 32),
                None => Value::Unknown(said::sent_where()),
            },
        }
    }

    /// The address that a value stands for, if all of it is known.
    pub fn address_of(&self, value: &Value) -> Option<IpAddr> {
        let number = value.exact()?;
        Some(if self.v6 {
            IpAddr::V6(number.into())
        } else {
            IpAddr::V4(u32::try_from(number).ok()?.into())
        })
    }

    /// Hardware address of the sender.
    pub fn sender_mac(&self) -> Value {
        if self.answer {
            return Value::Absent;
        }
        match self.host.next_hop(self.user) {
            Some(mac) => Value::number(mac, 48),
            None => Value::Unknown(said::gateway_hardware()),
        }
    }

    pub fn set_destination(&mut self, address: Option<Value>, port: Option<Value>, certain: &Tri) {
        let keep = |old: &Value, new: Value| match certain {
            Tri::Yes => new,
            Tri::No => old.clone(),
            Tri::Maybe(what) => Value::Unknown(what.clone()),
        };
        if let Some(address) = address {
            self.destination = keep(&self.destination, address);
        }
        if let Some(port) = port {
            self.port = keep(&self.port, port);
        }
        self.translated = match (&self.translated, certain) {
            (Tri::Yes, _) => Tri::Yes,
            (_, certain) => certain.clone(),
        };
    }

    /// First own address of the interface: where `redirect` sends to.
    pub fn redirect_address(&self) -> Value {
        if self.asked_address.exact().is_some() {
            return self.asked_address.clone();
        }
        Value::Unknown(said::own_address())
    }

    /// Has this packet put its source into a set of this name? `None` if it has not touched it.
    pub fn has_added(&self, set: &str) -> Option<Tri> {
        let mut all = self.added.iter().filter(|(name, _)| name == set);
        let first = all.next()?.1.clone();
        Some(all.fold(first, |sum, (_, more)| sum.or(more.clone())))
    }

    /// Number and width of the family's addresses.
    pub fn family_fits(&self, address: IpAddr) -> bool {
        (address_bits(address).1 == 128) == self.v6
    }
}
