//! Would the host firewall let a new TCP connection in? Reads `iptables-save` and
//! `nft list ruleset` the way the kernel walks them.
//!
//! A match that is not understood is never taken for a yes or a no: if it could have decided,
//! there is no verdict. Must not live here: running the commands.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// What happens to the connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Accept,
    Drop,
    Reject,
}

/// The decision and the rule behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    pub fate: Fate,
    /// The deciding rule as printed, or the chain's policy.
    pub rule: String,
    /// True if the deciding rule names a source, so that others may fare differently.
    pub names_source: bool,
}

/// A connection attempt from outside.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub source: IpAddr,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Unknown,
}

/// What a walk through a chain came to.
enum Walk {
    Decided(Ruling),
    /// The end of the chain, or a return.
    Through,
    /// A rule that was not understood could have decided.
    Unclear,
}

/// Verdict of `iptables-save -t filter`, `None` if there is no INPUT chain or it is unclear.
pub fn iptables(lines: &[String], attempt: Attempt) -> Option<Ruling> {
    let mut policies = BTreeMap::new();
    let mut chains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split_whitespace();
            if let (Some(chain), Some(policy)) = (words.next(), words.next()) {
                policies.insert(chain, policy);
            }
        } else if let Some(rest) = line.strip_prefix("-A ") {
            if let Some((chain, rule)) = rest.split_once(' ') {
                chains.entry(chain).or_default().push(rule);
            }
        }
    }
    let policy = *policies.get("INPUT")?;
    match walk_iptables("INPUT", &chains, attempt, 0) {
        Walk::Decided(ruling) => Some(ruling),
        Walk::Unclear => None,
        Walk::Through => Some(Ruling {
            fate: if policy == "DROP" {
                Fate::Drop
            } else {
                Fate::Accept
            },
            rule: format!("policy of INPUT: {policy}"),
            names_source: false,
        }),
    }
}

fn walk_iptables(
    chain: &str,
    chains: &BTreeMap<&str, Vec<&str>>,
    attempt: Attempt,
    depth: usize,
) -> Walk {
    if depth > 16 {
        return Walk::Unclear;
    }
    for rule in chains.get(chain).map_or(&[][..], Vec::as_slice) {
        let (matched, target, names_source) = match_iptables(rule, attempt);
        if matched == Match::No {
            continue;
        }
        let walk = match target {
            "ACCEPT" => decided(Fate::Accept, rule, names_source),
            "DROP" => decided(Fate::Drop, rule, names_source),
            "REJECT" => decided(Fate::Reject, rule, names_source),
            "RETURN" if matched == Match::Yes => return Walk::Through,
            "RETURN" => Walk::Unclear,
            other if chains.contains_key(other) => walk_iptables(other, chains, attempt, depth + 1),
            // LOG, MARK and the like go on to the next rule.
            _ => Walk::Through,
        };
        match (walk, matched) {
            (Walk::Through, _) => {}
            (decision, Match::Yes) => return decision,
            // A limit in front of an accept is not understood, but neither does it shut out.
            _ => return Walk::Unclear,
        }
    }
    Walk::Through
}

fn decided(fate: Fate, rule: &str, names_source: bool) -> Walk {
    Walk::Decided(Ruling {
        fate,
        rule: rule.trim().to_owned(),
        names_source,
    })
}

/// Match, target and whether a source is named, of one iptables rule.
fn match_iptables(rule: &str, attempt: Attempt) -> (Match, &str, bool) {
    let mut result = Match::Yes;
    let mut target = "";
    let mut names_source = false;
    let mut negate = false;
    let mut words = rule.split_whitespace();
    while let Some(word) = words.next() {
        let was_negated = std::mem::take(&mut negate);
        let test = match word {
            "!" => {
                negate = true;
                continue;
            }
            "-j" | "-g" => {
                target = words.next().unwrap_or("");
                continue;
            }
            "-m" | "--reject-with" | "--log-prefix" | "--log-level" | "--set-xmark" => {
                words.next();
                continue;
            }
            "--comment" => {
                skip_quoted(&mut words);
                continue;
            }
            "-s" => {
                names_source = !was_negated;
                in_net(words.next().unwrap_or(""), attempt.source)
            }
            "-p" => yes_no(matches!(words.next(), Some("tcp" | "6" | "all"))),
            "--dport" | "--dports" => yes_no(in_ports(words.next().unwrap_or(""), attempt.port)),
            "--ctstate" | "--state" => {
                yes_no(words.next().unwrap_or("").split(',').any(|s| s == "NEW"))
            }
            "-i" => match words.next() {
                Some("lo") => Match::No,
                _ => Match::Yes,
            },
            // A new connection from outside: SYN alone.
            "--syn" => Match::Yes,
            "--tcp-flags" => yes_no(words.nth(1) == Some("SYN")),
            _ => Match::Unknown,
        };
        result = both(result, if was_negated { not(test) } else { test });
    }
    (result, target, names_source)
}

fn skip_quoted<'a>(words: &mut impl Iterator<Item = &'a str>) {
    if let Some(first) = words.next() {
        if first.starts_with('"') && !(first.len() > 1 && first.ends_with('"')) {
            for word in words {
                if word.ends_with('"') {
                    break;
                }
            }
        }
    }
}

fn yes_no(value: bool) -> Match {
    if value { Match::Yes } else { Match::No }
}

fn not(value: Match) -> Match {
    match value {
        Match::Yes => Match::No,
        Match::No => Match::Yes,
        Match::Unknown => Match::Unknown,
    }
}

fn both(a: Match, b: Match) -> Match {
    match (a, b) {
        (Match::No, _) | (_, Match::No) => Match::No,
        (Match::Yes, Match::Yes) => Match::Yes,
        _ => Match::Unknown,
    }
}

fn in_net(text: &str, address: IpAddr) -> Match {
    if let Ok(net) = text.parse::<IpNet>() {
        yes_no(net.contains(&address))
    } else if let Ok(one) = text.parse::<IpAddr>() {
        yes_no(one == address)
    } else if let Some((low, high)) = text.split_once('-') {
        match (low.parse::<IpAddr>(), high.parse::<IpAddr>()) {
            (Ok(low), Ok(high)) => yes_no(low <= address && address <= high),
            _ => Match::Unknown,
        }
    } else {
        Match::Unknown
    }
}

fn in_ports(text: &str, port: u16) -> bool {
    text.split(',').any(|part| {
        let part = part.trim();
        match part.split_once([':', '-']) {
            Some((low, high)) => matches!(
                (low.trim().parse::<u16>(), high.trim().parse::<u16>()),
                (Ok(low), Ok(high)) if (low..=high).contains(&port)
            ),
            None => part.parse() == Ok(port),
        }
    })
}

/// A table of nftables, as printed.
#[derive(Debug, Default)]
struct NftTable {
    family: String,
    chains: BTreeMap<String, NftChain>,
    sets: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default)]
struct NftChain {
    input_policy: Option<Fate>,
    rules: Vec<String>,
}

/// Verdict of `nft -nn list ruleset`: every base chain of the input hook must let the attempt
/// pass. `None` if there is no such chain or one of them is unclear.
pub fn nft(lines: &[String], attempt: Attempt) -> Option<Ruling> {
    let mut accepted = None;
    for table in parse_nft(lines) {
        let fits = match table.family.as_str() {
            "ip" => attempt.source.is_ipv4(),
            "ip6" => attempt.source.is_ipv6(),
            "inet" => true,
            _ => false,
        };
        if !fits {
            continue;
        }
        for (name, chain) in &table.chains {
            let Some(policy) = chain.input_policy else {
                continue;
            };
            let ruling = match walk_nft(&table, name, attempt, 0) {
                Walk::Decided(ruling) => ruling,
                Walk::Unclear => return None,
                Walk::Through => Ruling {
                    fate: policy,
                    rule: format!("policy of chain {name}"),
                    names_source: false,
                },
            };
            if ruling.fate != Fate::Accept {
                return Some(ruling);
            }
            accepted = Some(ruling);
        }
    }
    accepted
}

fn parse_nft(lines: &[String]) -> Vec<NftTable> {
    let mut tables: Vec<NftTable> = Vec::new();
    let mut chain: Option<String> = None;
    let mut set: Option<String> = None;
    for line in lines {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", family, ..] => {
                tables.push(NftTable {
                    family: (*family).to_owned(),
                    ..NftTable::default()
                });
                (chain, set) = (None, None);
            }
            ["chain", name, "{"] => {
                chain = Some((*name).to_owned());
                set = None;
            }
            ["set" | "map", name, "{"] => {
                set = Some((*name).to_owned());
                chain = None;
            }
            ["}"] => (chain, set) = (None, None),
            _ => {
                let Some(table) = tables.last_mut() else {
                    continue;
                };
                if let Some(name) = &chain {
                    let entry = table.chains.entry(name.clone()).or_default();
                    if line.starts_with("type ") {
                        if line.contains("hook input") && line.starts_with("type filter") {
                            let drop = line.contains("policy drop");
                            entry.input_policy = Some(if drop { Fate::Drop } else { Fate::Accept });
                        }
                    } else {
                        entry.rules.push(line.to_owned());
                    }
                } else if let Some(name) = &set {
                    let list = line
                        .trim_start_matches("elements = {")
                        .trim_end_matches('}');
                    let members = list
                        .split(',')
                        .map(|e| e.split_whitespace().next().unwrap_or("").to_owned());
                    table.sets.entry(name.clone()).or_default().extend(members);
                }
            }
        }
    }
    tables
}

fn walk_nft(table: &NftTable, chain: &str, attempt: Attempt, depth: usize) -> Walk {
    if depth > 16 {
        return Walk::Unclear;
    }
    let Some(chain) = table.chains.get(chain) else {
        return Walk::Unclear;
    };
    for rule in &chain.rules {
        let (matched, verdict, names_source) = match_nft(table, rule, attempt);
        if matched == Match::No {
            continue;
        }
        let walk = match verdict {
            NftVerdict::Fate(fate) => decided(fate, rule, names_source),
            NftVerdict::Jump(name) | NftVerdict::Goto(name) => {
                match walk_nft(table, name, attempt, depth + 1) {
                    Walk::Through if matches!(verdict, NftVerdict::Goto(_)) => {
                        return if matched == Match::Yes {
                            Walk::Through
                        } else {
                            Walk::Unclear
                        };
                    }
                    walk => walk,
                }
            }
            NftVerdict::Return if matched == Match::Yes => return Walk::Through,
            NftVerdict::Return => Walk::Unclear,
            NftVerdict::None => Walk::Through,
        };
        match (walk, matched) {
            (Walk::Through, _) => {}
            (decision, Match::Yes) => return decision,
            _ => return Walk::Unclear,
        }
    }
    Walk::Through
}

enum NftVerdict<'a> {
    Fate(Fate),
    Jump(&'a str),
    Goto(&'a str),
    Return,
    None,
}

/// Match, verdict and whether a source is named, of one nftables rule.
fn match_nft<'a>(
    table: &NftTable,
    rule: &'a str,
    attempt: Attempt,
) -> (Match, NftVerdict<'a>, bool) {
    let mut result = Match::Yes;
    let mut names_source = false;
    let mut words = rule.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let test = match word {
            "accept" => return (result, NftVerdict::Fate(Fate::Accept), names_source),
            "drop" => return (result, NftVerdict::Fate(Fate::Drop), names_source),
            "reject" => return (result, NftVerdict::Fate(Fate::Reject), names_source),
            "return" => return (result, NftVerdict::Return, names_source),
            "jump" => {
                return (
                    result,
                    NftVerdict::Jump(words.next().unwrap_or("")),
                    names_source,
                );
            }
            "goto" => {
                return (
                    result,
                    NftVerdict::Goto(words.next().unwrap_or("")),
                    names_source,
                );
            }
            "counter" => {
                if words.peek() == Some(&"packets") {
                    words.nth(3);
                }
                continue;
            }
            "log" | "comment" => {
                skip_quoted(&mut words);
                continue;
            }
            "iifname" | "iif" => {
                let name = operand(&mut words);
                if name.len() == 1 && name[0] == "lo" {
                    Match::No
                } else {
                    Match::Yes
                }
            }
            "meta" => match words.next() {
                Some("l4proto") => {
                    yes_no(operand(&mut words).iter().any(|p| p == "tcp" || p == "6"))
                }
                Some("nfproto") => {
                    let family = if attempt.source.is_ipv4() {
                        "ipv4"
                    } else {
                        "ipv6"
                    };
                    yes_no(
                        operand(&mut words)
                            .iter()
                            .any(|p| p == family || p == "2" && family == "ipv4"),
                    )
                }
                _ => {
                    operand(&mut words);
                    Match::Unknown
                }
            },
            "ip" | "ip6" => {
                let family_fits = (word == "ip") == attempt.source.is_ipv4();
                match words.next() {
                    Some("saddr") => {
                        let test = saddr(table, &mut words, attempt, &mut names_source);
                        if family_fits { test } else { Match::No }
                    }
                    Some("protocol" | "nexthdr") => {
                        yes_no(operand(&mut words).iter().any(|p| p == "tcp" || p == "6"))
                    }
                    _ => {
                        operand(&mut words);
                        Match::Unknown
                    }
                }
            }
            "tcp" => match words.next() {
                Some("dport") => {
                    let negated = words.next_if_eq(&"!=").is_some();
                    let hit = yes_no(
                        operand(&mut words)
                            .iter()
                            .any(|p| in_ports(p, attempt.port)),
                    );
                    if negated { not(hit) } else { hit }
                }
                _ => {
                    operand(&mut words);
                    Match::Unknown
                }
            },
            "udp" | "icmp" | "icmpv6" => {
                return (Match::No, NftVerdict::None, names_source);
            }
            "ct" => match (words.next(), words.peek()) {
                (Some("state"), Some(&"vmap")) => {
                    words.next();
                    // The map speaks of established, related and invalid; a new one goes on.
                    let pairs = operand(&mut words);
                    if pairs
                        .iter()
                        .any(|p| p.starts_with("new") || p.starts_with("0x8"))
                    {
                        Match::Unknown
                    } else {
                        Match::No
                    }
                }
                (Some("state"), _) => yes_no(
                    operand(&mut words)
                        .iter()
                        .flat_map(|s| s.split(','))
                        .any(|s| s == "new" || s == "0x8"),
                ),
                _ => {
                    operand(&mut words);
                    Match::Unknown
                }
            },
            _ => Match::Unknown,
        };
        result = both(result, test);
        if result == Match::No {
            return (Match::No, NftVerdict::None, names_source);
        }
    }
    (result, NftVerdict::None, names_source)
}

fn saddr<'a>(
    table: &NftTable,
    words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    attempt: Attempt,
    names_source: &mut bool,
) -> Match {
    let negated = words.next_if_eq(&"!=").is_some();
    *names_source = !negated;
    let mut hit = Match::No;
    for item in operand(words) {
        let test = match item.strip_prefix('@') {
            Some(set) => match table.sets.get(set) {
                Some(members) => yes_no(
                    members
                        .iter()
                        .any(|m| in_net(m, attempt.source) == Match::Yes),
                ),
                None => Match::Unknown,
            },
            None => in_net(&item, attempt.source),
        };
        match test {
            Match::Yes => hit = Match::Yes,
            Match::Unknown if hit == Match::No => hit = Match::Unknown,
            _ => {}
        }
    }
    if negated { not(hit) } else { hit }
}

/// One operand: a word, or the members of an anonymous set `{ a, b }`.
fn operand<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Vec<String> {
    let clean = |w: &str| w.trim_matches(['"', ',', '{', '}']).to_owned();
    let Some(first) = words.next() else {
        return Vec::new();
    };
    if !first.starts_with('{') {
        return vec![clean(first)];
    }
    let mut members = vec![clean(first)];
    if !first.ends_with('}') {
        for word in words.by_ref() {
            members.push(clean(word));
            if word.ends_with('}') {
                break;
            }
        }
    }
    members.retain(|m| !m.is_empty() && m != ":");
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn from(source: &str, port: u16) -> Attempt {
        Attempt {
            source: source.parse().expect("address"),
            port,
        }
    }

    #[test]
    fn iptables_walks_chains_in_order() {
        let rules = lines(
            ":INPUT DROP [0:0]\n:f2b-sshd - [0:0]\n\
             -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n\
             -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             -A INPUT -i lo -j ACCEPT\n\
             -A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"let ssh in\" -j ACCEPT\n\
             -A f2b-sshd -s 203.0.113.7/32 -j REJECT --reject-with icmp-port-unreachable\n\
             -A f2b-sshd -j RETURN",
        );
        let banned = iptables(&rules, from("203.0.113.7", 22)).expect("clear");
        assert_eq!((banned.fate, banned.names_source), (Fate::Reject, true));
        let other = iptables(&rules, from("198.51.100.1", 22)).expect("clear");
        assert_eq!(other.fate, Fate::Accept);
        let web = iptables(&rules, from("198.51.100.1", 80)).expect("clear");
        assert_eq!(
            (web.fate, web.rule.as_str()),
            (Fate::Drop, "policy of INPUT: DROP")
        );
    }

    #[test]
    fn iptables_does_not_guess_a_match_it_does_not_know() {
        let rules = lines(":INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set bad src -j DROP");
        assert_eq!(iptables(&rules, from("198.51.100.1", 22)), None);
    }

    #[test]
    fn nft_reads_sets_ports_and_policies() {
        let rules = lines(
            "table inet filter {\n set banned {\n type ipv4_addr\n elements = { 203.0.113.7, 203.0.113.9 }\n }\n\
             chain input {\n type filter hook input priority 0; policy drop;\n\
             iifname \"lo\" accept\n ct state established,related accept\n\
             ip saddr @banned drop\n tcp dport { 22, 443 } counter packets 3 bytes 180 accept\n }\n}",
        );
        let banned = nft(&rules, from("203.0.113.9", 22)).expect("clear");
        assert_eq!((banned.fate, banned.names_source), (Fate::Drop, true));
        assert_eq!(
            nft(&rules, from("198.51.100.1", 22)).expect("clear").fate,
            Fate::Accept
        );
        assert_eq!(
            nft(&rules, from("198.51.100.1", 8080)).expect("clear").fate,
            Fate::Drop
        );
    }

    #[test]
    fn nft_follows_jumps_and_every_base_chain() {
        let rules = lines(
            "table inet a {\n chain input {\n type filter hook input priority 0; policy accept;\n jump ssh\n }\n\
             chain ssh {\n tcp dport 22 ct state new accept\n }\n}\n\
             table ip b {\n chain INPUT {\n type filter hook input priority 10; policy accept;\n\
             ip saddr != 10.0.0.0/8 tcp dport 22 reject with icmp type host-prohibited\n }\n}",
        );
        assert_eq!(
            nft(&rules, from("10.1.2.3", 22)).expect("clear").fate,
            Fate::Accept
        );
        assert_eq!(
            nft(&rules, from("198.51.100.1", 22)).expect("clear").fate,
            Fate::Reject
        );
    }
}
