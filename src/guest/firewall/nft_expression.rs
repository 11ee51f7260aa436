//! Reads the fields and constants in a rule of `nft list ruleset`.
//!
//! Must not live here: statements (`nft_rule`) and a field's value (`nft_field`).

use super::nft::{Constant, Expression, Right};
use super::nft_text::{Reader, elements};
use super::said;
use crate::domain::said::Said;

/// Keywords that stand before a field of a header.
pub const HEADERS: &[&str] = &[
    "ip", "ip6", "tcp", "udp", "udplite", "sctp", "dccp", "th", "icmp", "icmpv6", "igmp", "ether",
    "arp", "vlan", "esp", "ah", "comp", "gre", "frag", "hbh", "dst", "mh", "srh", "rt0", "rt2",
    "rt4", "geneve", "vxlan",
];

/// Keywords of `meta` that may stand without it.
const META: &[&str] = &[
    "iif",
    "iifname",
    "iiftype",
    "iifgroup",
    "oif",
    "oifname",
    "oiftype",
    "oifgroup",
    "mark",
    "skuid",
    "skgid",
    "rtclassid",
    "pkttype",
    "cpu",
    "cgroup",
    "length",
    "nfproto",
    "l4proto",
    "protocol",
    "priority",
    "hour",
    "day",
    "time",
    "ibrname",
    "obrname",
    "ibriport",
    "obriport",
];

/// A field with what is done to its bits, or several put together by dots.
pub fn expression(reader: &mut Reader<'_>) -> Option<Expression> {
    let mut whole = single(reader)?;
    while reader.word(0) == "." {
        reader.next();
        let next = single(reader)?;
        whole.parts.extend(next.parts);
    }
    Some(whole)
}

fn single(reader: &mut Reader<'_>) -> Option<Expression> {
    let name = field_name(reader)?;
    let mut expression = Expression::named(name);
    while matches!(reader.word(0), "&" | "|" | "^" | "<<" | ">>") {
        let operator = reader.word(0).to_owned();
        reader.next();
        let constant = atom(reader);
        expression.parts[0].steps.push((operator, constant));
    }
    Some(expression)
}

fn field_name(reader: &mut Reader<'_>) -> Option<String> {
    let (first, second, third) = (reader.word(0), reader.word(1), reader.word(2));
    let (words, name) = match first {
        "meta" => (2, format!("meta {second}")),
        "rt" if matches!(second, "ip" | "ip6") => (3, format!("rt {third}")),
        "rt" | "socket" | "ipsec" => (2, format!("{first} {second}")),
        "osf" => (2, "osf".to_owned()),
        "exthdr" => (2, format!("exthdr {second}")),
        "numgen" | "jhash" | "symhash" => return None,
        "tcp" | "ip" if second == "option" => {
            let field = reader.word(3);
            let plain = ["exists", "missing", "!=", "==", "<", ">", "{", ""].contains(&field);
            let name = format!("{first} option {third}");
            if plain {
                (3, name)
            } else {
                (4, format!("{name} {field}"))
            }
        }
        "ct" if matches!(second, "original" | "reply") => {
            if matches!(third, "ip" | "ip6") {
                (4, format!("ct {second} {third} {}", reader.word(3)))
            } else {
                (3, format!("ct {second} {third}"))
            }
        }
        "ct" => (2, format!("ct {second}")),
        "fib" => {
            let mut words = 1;
            let mut name = "fib".to_owned();
            while matches!(
                reader.word(words),
                "saddr" | "daddr" | "mark" | "iif" | "oif" | "."
            ) && !(reader.word(words) == "oif" && reader.word(words - 1) != ".")
            {
                name = format!("{name} {}", reader.word(words));
                words += 1;
            }
            name = format!("{name} {}", reader.word(words));
            words += 1;
            if reader.word(words) == "check" {
                words += 1;
            }
            (words, name)
        }
        raw if raw.starts_with('@') && second == "," => {
            let name = format!("{raw},{third},{}", reader.word(4));
            (5, name)
        }
        header if HEADERS.contains(&header) && !second.is_empty() => {
            (2, format!("{header} {second}"))
        }
        key if META.contains(&key) => (1, format!("meta {key}")),
        _ => return None,
    };
    for _ in 0..words {
        reader.next();
    }
    Some(name)
}

/// One constant: a word, a quoted text, a range of either, or alternatives in parentheses.
pub fn atom(reader: &mut Reader<'_>) -> Constant {
    if reader.take("(") {
        let mut words = Vec::new();
        while !reader.take(")") {
            let Some(token) = reader.next() else { break };
            if !matches!(token.text, "|" | ",") {
                words.push(token.text.to_owned());
            }
        }
        return Constant::Flags(words);
    }
    let Some(token) = reader.next() else {
        return Constant::Word(String::new());
    };
    if reader.word(0) == "-" {
        reader.next();
        let high = reader.next().map_or("", |t| t.text);
        return Constant::Range(token.text.to_owned(), high.to_owned());
    }
    let word = token.text.to_owned();
    match reader.word(0) {
        "|" => {
            let mut words = vec![word];
            while reader.take("|") {
                words.extend(reader.next().map(|t| t.text.to_owned()));
            }
            Constant::Flags(words)
        }
        _ => Constant::Word(word),
    }
}

/// A member of a set, or the right side of a comparison: constants put together by dots.
pub fn operand(reader: &mut Reader<'_>) -> Vec<Constant> {
    let mut all = vec![atom(reader)];
    while reader.word(0) == "." {
        reader.next();
        all.push(atom(reader));
    }
    all
}

/// The right side of a comparison: constants, a set in braces, a named set or a mask.
pub fn right(reader: &mut Reader<'_>) -> Result<Right, Said> {
    if reader.take("{") {
        return Ok(Right::Set(elements(reader)?));
    }
    if let Some(name) = reader.word(0).strip_prefix('@') {
        let name = name.to_owned();
        reader.next();
        return Ok(Right::Named(name));
    }
    let mut constants = operand(reader);
    // established,related: any of them.
    if reader.word(0) == "," && constants.len() == 1 {
        let mut words = match constants.remove(0) {
            Constant::Word(word) => vec![word],
            Constant::Flags(words) => words,
            Constant::Range(low, high) => vec![format!("{low}-{high}")],
        };
        while reader.take(",") {
            words.extend(reader.next().map(|t| t.text.to_owned()));
        }
        constants = vec![Constant::Flags(words)];
    }
    // syn / fin,syn: these bits of those.
    if reader.take("/") {
        let Right::Constants(mask) = right(reader)? else {
            return Err(said::a_mask());
        };
        let mask = mask
            .into_iter()
            .next()
            .unwrap_or(Constant::Word(String::new()));
        let value = constants.remove(0);
        return Ok(Right::Masked { value, mask });
    }
    Ok(Right::Constants(constants))
}
