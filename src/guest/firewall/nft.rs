//! Walks the input hooks as `nft -nn list ruleset` prints them.

use std::collections::BTreeMap;

use super::{
    Attempt, Fate, Match, Ruling, Walk, both, decided, in_net, in_ports, not, skip_quoted, yes_no,
};

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
#[allow(clippy::too_many_lines)] // one arm a keyword; apart they would be harder to compare with nft(8)
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
            "tcp" => {
                if let Some("dport") = words.next() {
                    let negated = words.next_if_eq(&"!=").is_some();
                    let hit = yes_no(
                        operand(&mut words)
                            .iter()
                            .any(|p| in_ports(p, attempt.port)),
                    );
                    if negated { not(hit) } else { hit }
                } else {
                    operand(&mut words);
                    Match::Unknown
                }
            }
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
