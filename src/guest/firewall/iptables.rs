//! Walks the filter table as `iptables-save` prints it.

use std::collections::BTreeMap;

use super::{
    Attempt, Fate, Match, Ruling, Walk, both, decided, in_net, in_ports, not, skip_quoted, yes_no,
};

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
        } else if let Some(rest) = line.strip_prefix("-A ")
            && let Some((chain, rule)) = rest.split_once(' ')
        {
            chains.entry(chain).or_default().push(rule);
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
