//! Reads `iptables-save` and `ip6tables-save`, and asks their rules about a packet.
//!
//! Must not live here: the matches of single options (`iptables_match`).

use super::iptables_match;
use super::nft::target as address_and_port;
use super::packet::Hook;
use super::said;
use super::value::{Tri, Value};
use super::walk::{Base, Chain, Family, Table, Told, Verdict, Walk};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// One option with its values; `!` in front of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub negated: bool,
    pub name: String,
    pub values: Vec<String>,
}

/// Options from `-m NAME` to the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Empty for the options of iptables itself.
    pub name: String,
    pub parts: Vec<Part>,
}

impl Module {
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|p| p.name == name)
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.part(name)?.values.first().map(String::as_str)
    }
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub modules: Vec<Module>,
    /// Empty where the rule only counts.
    target: String,
    goes: bool,
    options: Module,
    pub text: String,
}

/// Words of a rule; quoted ones keep their blanks.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => word.extend(letters.next()),
            '"' => {
                quoted = !quoted;
                any = true;
            }
            ' ' | '\t' if !quoted => {
                if any || !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
                any = false;
            }
            letter => word.push(letter),
        }
    }
    if any || !word.is_empty() {
        all.push(word);
    }
    all
}

fn parse_rule(line: &str) -> Option<(String, Rule)> {
    let all = words(line);
    let mut words = all.iter().map(String::as_str).peekable();
    if words.next() != Some("-A") {
        return None;
    }
    let chain = words.next()?.to_owned();
    let mut modules = vec![Module::default()];
    let mut target = String::new();
    let (mut goes, mut in_target) = (false, false);
    let mut options = Module::default();
    let mut negated = false;
    while let Some(word) = words.next() {
        match word {
            "!" => {
                negated = true;
                continue;
            }
            "-m" => modules.push(Module {
                name: words.next()?.to_owned(),
                parts: Vec::new(),
            }),
            "-j" | "-g" => {
                goes = word == "-g";
                words.next()?.clone_into(&mut target);
                in_target = true;
            }
            option => {
                let mut part = Part {
                    negated: std::mem::take(&mut negated),
                    name: option.to_owned(),
                    values: Vec::new(),
                };
                // Free text may look like anything, and iptables quotes it only where it must.
                if FREE_TEXT.contains(&option) {
                    part.values.extend(words.next().map(str::to_owned));
                }
                while let Some(value) = words.next_if(|w| !is_option(w)) {
                    part.values.push(value.to_owned());
                }
                let own = ["-s", "-d", "-i", "-o", "-p", "-f"].contains(&option);
                if in_target {
                    options.parts.push(part);
                } else if own {
                    modules[0].parts.push(part);
                } else if let Some(last) = modules.last_mut() {
                    last.parts.push(part);
                }
            }
        }
        negated = false;
    }
    let rule = Rule {
        modules,
        target,
        goes,
        options,
        text: line.to_owned(),
    };
    Some((chain, rule))
}

/// Options of which the value is somebody's own words.
const FREE_TEXT: [&str; 8] = [
    "--comment",
    "--log-prefix",
    "--nflog-prefix",
    "--ulog-prefix",
    "--string",
    "--hex-string",
    "--name",
    "--hashlimit-name",
];

/// True for `--dport`, `-s`, `!`; a number below zero is a value.
fn is_option(word: &str) -> bool {
    word == "!"
        || word
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic()))
}

/// Tables of one listing. `Err` says what is missing of it.
pub fn tables(lines: &[&str], v6: bool, backend: &str) -> Result<Vec<Table>, Said> {
    let program = if v6 { "ip6tables" } else { "iptables" };
    let mut tables: Vec<Table> = Vec::new();
    let mut open = false;
    for line in lines {
        // Counters stand in front: [12:720] -A INPUT ...
        let rule = match line.split_once("] ") {
            Some((counters, rest)) if counters.starts_with('[') => rest,
            _ => line,
        };
        if let Some(name) = rule.strip_prefix('*') {
            open = true;
            tables.push(Table {
                family: if v6 { Family::Ip6 } else { Family::Ip },
                title: format!("{program} {} ({backend})", name.trim()),
                dormant: false,
                chains: std::collections::BTreeMap::new(),
                sets: std::collections::BTreeMap::new(),
            });
            continue;
        }
        let Some(table) = tables.last_mut() else {
            continue;
        };
        if let Some(chain) = rule.strip_prefix(':') {
            let mut fields = chain.split_whitespace();
            let (name, policy) = (fields.next().unwrap_or(""), fields.next().unwrap_or("-"));
            let entry = table.chains.entry(name.to_owned()).or_default();
            if policy != "-" {
                let name_of_table = table.title.split(' ').nth(1).unwrap_or("");
                entry.base = base(name_of_table, name, policy == "DROP");
            }
        } else if rule.starts_with("-A ") {
            match parse_rule(rule) {
                Some((chain, rule)) => {
                    let entry: &mut Chain = table.chains.entry(chain).or_default();
                    entry.rules.push(super::walk::Rule::Iptables(rule));
                }
                None => return Err(said::rule_unread(sanitise(rule, 200), program)),
            }
        } else if rule.trim() == "COMMIT" {
            open = false;
        }
    }
    if open {
        return Err(said::end_of_listing(program));
    }
    Ok(tables)
}

/// Hook and priority of a built-in chain (`linux/netfilter_ipv4.h`).
fn base(table: &str, chain: &str, drops: bool) -> Option<Base> {
    let hook = Hook::parse(chain)?;
    let priority = match (table, hook) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", Hook::Prerouting | Hook::Output) => -100,
        ("nat", _) => 100,
        ("security", _) => 50,
        _ => 0,
    };
    Some(Base {
        hook,
        priority,
        nat: table == "nat",
        drops,
        devices: Vec::new(),
    })
}

impl Rule {
    /// True for a rule about connections or translation.
    pub fn tracks(&self) -> bool {
        let asks = |m: &Module| {
            let needs = [
                "conntrack",
                "state",
                "connmark",
                "connlimit",
                "connbytes",
                "connlabel",
                "helper",
            ];
            needs.contains(&m.name.as_str())
        };
        let translates = ["DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"];
        let marks = ["CONNMARK", "CONNSECMARK"];
        self.modules.iter().any(asks)
            || translates.contains(&self.target.as_str())
            || marks.contains(&self.target.as_str())
            || (self.target == "CT" && self.options.part("--notrack").is_none())
    }

    /// Asks the rule about the packet of a walk and lets it change what it rewrites.
    pub fn ask(&self, walk: &mut Walk<'_, '_>) -> Told {
        let mut matched = Tri::Yes;
        for module in &self.modules {
            matched = matched.and(iptables_match::module(walk, module));
            if matched == Tri::No {
                break;
            }
        }
        let names_source = !walk.flow.answer && self.modules.iter().any(names_source);
        let verdict = if matched == Tri::No {
            Verdict::None
        } else {
            self.act(walk, &matched)
        };
        Told {
            matched,
            verdict,
            names_source,
        }
    }

    fn act(&self, walk: &mut Walk<'_, '_>, matched: &Tri) -> Verdict {
        let options = &self.options;
        match self.target.as_str() {
            "ACCEPT" => Verdict::Accept,
            "DROP" => Verdict::Drop,
            "REJECT" => Verdict::Reject,
            "RETURN" => Verdict::Return,
            "NOTRACK" => {
                walk.untrack(matched);
                Verdict::None
            }
            "CT" => {
                if options.part("--notrack").is_some() {
                    walk.untrack(matched);
                }
                Verdict::None
            }
            "MARK" | "CONNMARK" => {
                self.set_mark(walk, matched);
                Verdict::None
            }
            "SET" => {
                if let Some(name) = options.value("--add-set") {
                    walk.add_to(&format!("ipset {name}"), matched);
                }
                Verdict::None
            }
            "REDIRECT" => {
                let port = options.value("--to-ports").map(|p| format!(":{p}"));
                let (_, port) = address_and_port(port.as_deref().unwrap_or(""));
                walk.translate(Some(walk.flow.redirect_address()), port, matched);
                Verdict::Accept
            }
            "DNAT" => {
                let (address, port) =
                    address_and_port(options.value("--to-destination").unwrap_or(""));
                walk.translate(address, port, matched);
                Verdict::Accept
            }
            "SNAT" | "MASQUERADE" => Verdict::Accept,
            // These write, count or log, and the packet goes on to the next rule.
            "" | "LOG" | "NFLOG" | "ULOG" | "TCPMSS" | "TOS" | "DSCP" | "TTL" | "HL"
            | "CLASSIFY" | "CHECKSUM" | "AUDIT" | "TRACE" | "RATEEST" | "LED" | "TEE"
            | "SECMARK" | "CONNSECMARK" | "IDLETIMER" | "HMARK" | "TCPOPTSTRIP" | "ECN" => {
                Verdict::None
            }
            "NFQUEUE" | "QUEUE" | "TPROXY" | "SYNPROXY" | "TARPIT" | "NETMAP" | "DNPT"
            | "STEAL" | "CHAOS" | "DELUDE" | "CLUSTERIP" => {
                Verdict::Unclear(said::the_target(&self.target))
            }
            chain if self.goes => Verdict::Goto(chain.to_owned()),
            chain => Verdict::Jump(chain.to_owned()),
        }
    }

    /// `--set-xmark VALUE/MASK`: the bits of the mask are cleared, those of the value flipped.
    fn set_mark(&self, walk: &mut Walk<'_, '_>, matched: &Tri) {
        let options = &self.options;
        let connection = self.target == "CONNMARK";
        let unknown = || Value::Unknown(said::mark_of(&self.target));
        if options.part("--save-mark").is_some() {
            let mark = walk.flow.mark.clone();
            walk.set_mark(true, mark, matched);
            return;
        }
        if options.part("--restore-mark").is_some() {
            let mark = walk.flow.connection_mark.clone();
            walk.set_mark(false, mark, matched);
            return;
        }
        let old = if connection {
            &walk.flow.connection_mark
        } else {
            &walk.flow.mark
        };
        let given = [
            "--set-xmark",
            "--set-mark",
            "--and-mark",
            "--or-mark",
            "--xor-mark",
        ]
        .into_iter()
        .find_map(|name| Some((name, options.value(name)?)));
        let value = match (given, old.exact()) {
            (Some((name, text)), Some(old)) => match (name, iptables_match::mark(text)) {
                ("--set-xmark", Some((value, mask))) => {
                    Value::number(((old & !mask) ^ value) & 0xffff_ffff, 32)
                }
                ("--set-mark", Some((value, mask))) => {
                    Value::number(((old & !mask) | value) & 0xffff_ffff, 32)
                }
                ("--and-mark", Some((value, _))) => Value::number(old & value, 32),
                ("--or-mark", Some((value, _))) => Value::number(old | value, 32),
                ("--xor-mark", Some((value, _))) => Value::number(old ^ value, 32),
                _ => unknown(),
            },
            _ => unknown(),
        };
        walk.set_mark(connection, value, matched);
    }
}

/// Does the module ask for a source by its address?
fn names_source(module: &Module) -> bool {
    let positive = |name: &str| module.part(name).is_some_and(|p| !p.negated);
    match module.name.as_str() {
        "" => positive("-s"),
        "iprange" => positive("--src-range"),
        "set" => module
            .part("--match-set")
            .is_some_and(|p| !p.negated && p.values.get(1).is_some_and(|d| d.starts_with("src"))),
        "recent" => !positive("--set"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_split_into_its_modules() {
        let (chain, rule) = parse_rule(
            "-A INPUT ! -i lo -p tcp -m multiport --dports 22,80 -m comment --comment \"-j \\\"DROP\\\" no\" -j ACCEPT",
        )
        .expect("a rule");
        assert_eq!((chain.as_str(), rule.target.as_str()), ("INPUT", "ACCEPT"));
        let names: Vec<&str> = rule.modules.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["", "multiport", "comment"]);
        assert!(rule.modules[0].part("-i").expect("-i").negated);
        assert_eq!(rule.modules[2].value("--comment"), Some("-j \"DROP\" no"));
    }

    #[test]
    fn a_listing_without_its_end_is_no_listing() {
        assert!(tables(&["*filter", ":INPUT ACCEPT [0:0]"], false, "legacy").is_err());
        let whole = ["*filter", ":INPUT DROP [0:0]", "COMMIT"];
        let read = tables(&whole, false, "legacy").expect("whole");
        assert!(
            read[0].chains["INPUT"]
                .base
                .as_ref()
                .is_some_and(|b| b.drops)
        );
    }
}
