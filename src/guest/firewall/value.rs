//! Three-valued answers, and values of which only a part is known.
//!
//! Must not live here: what a rule set says.

use std::net::IpAddr;

use super::said;
use crate::domain::said::Said;
use crate::domain::text::sanitise;
use ipnet::IpNet;

/// Does it match? `Maybe` names what was not understood or cannot be known from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tri {
    No,
    Yes,
    Maybe(Said),
}

impl Tri {
    pub fn maybe(what: impl Into<Said>) -> Self {
        Self::Maybe(what.into())
    }

    pub fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
            maybe @ Self::Maybe(_) => maybe,
        }
    }

    pub fn not_if(self, negated: bool) -> Self {
        if negated { self.not() } else { self }
    }

    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, other) => other,
            (maybe, _) => maybe,
        }
    }

    pub fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

impl From<bool> for Tri {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// What is known of a field of the packet. Addresses and numbers are held as 128-bit integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number of which the bits in `known` are known; `width` bits wide.
    Bits {
        value: u128,
        known: u128,
        width: u32,
    },
    /// Somewhere between two numbers, both included.
    Range(u128, u128),
    /// A source address that no rule names.
    Elsewhere {
        width: u32,
    },
    Name(String),
    /// The kernel has nothing there: the rule does not match, whatever is asked.
    Absent,
    /// Unknown, and what it is.
    Unknown(Said),
}

/// All bits of a width.
pub fn mask(width: u32) -> u128 {
    if width >= 128 {
        u128::MAX
    } else {
        (1 << width) - 1
    }
}

impl Value {
    pub fn number(value: u128, width: u32) -> Self {
        Self::Bits {
            value,
            known: mask(width),
            width,
        }
    }

    pub fn address(address: IpAddr) -> Self {
        let (value, width) = address_bits(address);
        Self::number(value, width)
    }

    /// The number, if all of it is known.
    pub fn exact(&self) -> Option<u128> {
        match self {
            Self::Bits {
                value,
                known,
                width,
            } if *known == mask(*width) => Some(*value),
            _ => None,
        }
    }

    /// Its bits under a mask.
    pub fn masked(self, by: u128) -> Self {
        match self {
            Self::Bits {
                value,
                known,
                width,
            } => Self::Bits {
                value: value & by,
                known: known | (!by & mask(width)),
                width,
            },
            Self::Range(..) if by == 0 => Self::number(0, 32),
            Self::Range(..) => Self::Unknown(said::rough_number()),
            other => other,
        }
    }
}

/// An address as a number, and its width in bits.
pub fn address_bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(a) => (u32::from(a).into(), 32),
        IpAddr::V6(a) => (a.into(), 128),
    }
}

/// What a rule compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Equal under a mask of bits.
    Bits {
        value: u128,
        mask: u128,
    },
    Range(u128, u128),
    /// A name; a star at its end stands for any rest.
    Name(String),
    Any,
    /// A constant that was not understood.
    Unknown(Said),
}

impl Pattern {
    pub fn number(value: u128) -> Self {
        Self::Bits {
            value,
            mask: u128::MAX,
        }
    }

    /// An address, a network with a length or a mask, or a range of addresses.
    pub fn address(text: &str) -> Self {
        if let Ok(net) = text.parse::<IpNet>() {
            let (value, width) = address_bits(net.network());
            let (bits, _) = address_bits(net.netmask());
            return Self::Bits {
                value: value & bits,
                mask: bits | !mask(width),
            };
        }
        if let Ok(one) = text.parse::<IpAddr>() {
            return Self::number(address_bits(one).0);
        }
        let both = |split: Option<(&str, &str)>| -> Option<(u128, u128, u32)> {
            let (low, high) = split?;
            let (low, width) = address_bits(low.parse().ok()?);
            Some((low, address_bits(high.parse().ok()?).0, width))
        };
        if let Some((low, high, _)) = both(text.split_once('-')) {
            return Self::Range(low, high);
        }
        // A mask that is no prefix: 203.0.0.7/255.255.0.255.
        if let Some((value, bits, width)) = both(text.split_once('/')) {
            return Self::Bits {
                value: value & bits,
                mask: bits | !mask(width),
            };
        }
        Self::Unknown(Said::raw(sanitise(text, 80)))
    }

    pub fn matches(&self, value: &Value) -> Tri {
        match (self, value) {
            (Self::Any, _) => Tri::Yes,
            (_, Value::Absent) => Tri::No,
            // Whatever interface a login comes in by, it is not the loopback.
            (Self::Name(name), Value::Unknown(_)) if name == "lo" => Tri::No,
            (Self::Unknown(what), _) | (_, Value::Unknown(what)) => Tri::maybe(what),
            (Self::Name(pattern), Value::Name(name)) => match pattern.strip_suffix('*') {
                Some(start) => name.starts_with(start).into(),
                None => (pattern == name).into(),
            },
            (
                Self::Bits {
                    value: want,
                    mask: by,
                },
                Value::Bits {
                    value,
                    known,
                    width,
                },
            ) => {
                let open = mask(*width) & !known;
                if (value ^ want) & by & !open != 0 {
                    Tri::No
                } else if by & open == 0 {
                    Tri::Yes
                } else {
                    Tri::maybe(said::field_unknown())
                }
            }
            (Self::Bits { mask: by, .. }, Value::Elsewhere { width }) => {
                (by & mask(*width) == 0).into()
            }
            (Self::Range(low, high), Value::Elsewhere { width }) => {
                (*low == 0 && *high == mask(*width)).into()
            }
            (
                Self::Bits {
                    value: want,
                    mask: by,
                },
                Value::Range(low, high),
            ) => {
                if *by == 0 {
                    Tri::Yes
                } else if *by != u128::MAX {
                    Tri::maybe(said::rough_number())
                } else if want < low || want > high {
                    Tri::No
                } else if low == high {
                    Tri::Yes
                } else {
                    Tri::maybe(said::number_between(low, high))
                }
            }
            (Self::Range(from, to), Value::Range(low, high)) => {
                if from <= low && high <= to {
                    Tri::Yes
                } else if high < from || to < low {
                    Tri::No
                } else {
                    Tri::maybe(said::number_between(low, high))
                }
            }
            (Self::Range(from, to), Value::Bits { .. }) => match value.exact() {
                Some(number) => (*from <= number && number <= *to).into(),
                None => Tri::maybe(said::field_unknown()),
            },
            (Self::Name(name), _) => Tri::maybe(said::the_name(name)),
            (_, Value::Name(name)) => Tri::maybe(said::the_interface(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_is_neither_yes_nor_no() {
        let maybe = || Tri::maybe(Said::raw("x"));
        assert_eq!(maybe().and(Tri::No), Tri::No);
        assert_eq!(maybe().or(Tri::Yes), Tri::Yes);
        assert_eq!(maybe().not(), maybe());
        assert_eq!(Tri::Yes.and(maybe()), maybe());
        assert_eq!(Tri::No.or(maybe()), maybe());
    }

    #[test]
    fn addresses_are_compared_by_net_mask_and_range() {
        let here = Value::address("203.0.113.7".parse().expect("address"));
        for (text, want) in [
            ("203.0.113.7", Tri::Yes),
            ("203.0.113.0/24", Tri::Yes),
            ("203.0.113.0/255.255.255.0", Tri::Yes),
            ("203.0.0.7/255.255.0.255", Tri::Yes),
            ("203.0.113.1-203.0.113.20", Tri::Yes),
            ("0.0.0.0/0", Tri::Yes),
            ("203.0.113.8", Tri::No),
            ("10.0.0.0/8", Tri::No),
        ] {
            assert_eq!(Pattern::address(text).matches(&here), want, "{text}");
        }
        let all = Value::Elsewhere { width: 32 };
        assert_eq!(Pattern::address("0.0.0.0/0").matches(&all), Tri::Yes);
        assert_eq!(Pattern::address("203.0.113.0/24").matches(&all), Tri::No);
        assert!(matches!(
            Pattern::address("example.com").matches(&here),
            Tri::Maybe(_)
        ));
    }

    #[test]
    fn numbers_that_are_only_roughly_known_decide_where_all_of_them_agree() {
        let client = Value::Range(1024, 65535);
        assert_eq!(Pattern::Range(1024, 65535).matches(&client), Tri::Yes);
        assert_eq!(Pattern::Range(1, 1023).matches(&client), Tri::No);
        assert!(matches!(
            Pattern::Range(32768, 60999).matches(&client),
            Tri::Maybe(_)
        ));
        assert_eq!(Pattern::number(22).matches(&client), Tri::No);
    }
}
