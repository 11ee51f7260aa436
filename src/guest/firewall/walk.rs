//! Walks the chains of all tables in the order of the kernel's hooks.
//!
//! What may match and may not is followed both ways: the walk collects every end that is possible.
//! Must not live here: how single rules are read.

use crate::domain::said::Said;
use crate::domain::text::sanitise;
use std::collections::BTreeMap;

use super::iptables;
use super::nft;
use super::packet::{Flow, Hook};
use super::said;
use super::value::{Tri, Value};

/// Most rules looked at for one packet: a set of chains may lead through itself very often.
const BUDGET: u32 = 300_000;
/// Longest part of a rule that is shown, in characters.
const MAX_RULE: usize = 280;
/// The kernel allows jumps sixteen deep.
const DEPTH: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Ip,
    Ip6,
    Inet,
    Netdev,
    Bridge,
}

impl Family {
    pub fn sees(self, v6: bool) -> bool {
        match self {
            Self::Ip => !v6,
            Self::Ip6 => v6,
            Self::Inet | Self::Netdev => true,
            Self::Bridge => false,
        }
    }
}

/// Where a base chain hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub hook: Hook,
    pub priority: i32,
    /// True for a chain of address translation, which only sees the first packet.
    pub nat: bool,
    pub drops: bool,
    /// Devices of an ingress or egress chain.
    pub devices: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum Rule {
    Nft(nft::Rule),
    Iptables(iptables::Rule),
}

#[derive(Debug, Clone, Default)]
pub struct Chain {
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
pub struct Table {
    pub family: Family,
    /// As told to the operator: `nft inet filter`, `iptables filter`.
    pub title: String,
    pub dormant: bool,
    pub chains: BTreeMap<String, Chain>,
    pub sets: BTreeMap<String, nft::Set>,
}

impl Rule {
    /// Does it need connection tracking, so that the kernel turns it on where it is loaded?
    fn tracks(&self) -> bool {
        match self {
            Self::Nft(rule) => rule.tracks(),
            Self::Iptables(rule) => rule.tracks(),
        }
    }
}

impl Table {
    /// Does a rule here make the kernel track the connections of this family?
    pub fn tracks(&self, v6: bool) -> bool {
        let mut rules = self.chains.values().flat_map(|chain| &chain.rules);
        self.family.sees(v6) && rules.any(Rule::tracks)
    }
}

/// What a rule does with a packet that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Goes on with the next rule.
    None,
    Accept,
    Drop,
    Reject,
    Jump(String),
    Goto(String),
    Return,
    /// Leaves the rules for something that cannot be judged.
    Unclear(Said),
}

/// What a rule says about a packet.
#[derive(Debug)]
pub struct Told {
    pub matched: Tri,
    pub verdict: Verdict,
    /// True if it names the source it is about.
    pub names_source: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Accept,
    Drop,
    Reject,
    Unclear(Said),
}

/// One possible end of the packet in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub end: End,
    pub rule: Said,
    pub names_source: bool,
}

/// The sets of ipset, which rules of iptables ask.
pub type Sets = BTreeMap<String, super::ipset::Set>;

#[derive(Debug)]
pub struct Walk<'a, 'h> {
    pub flow: Flow<'h>,
    table: &'a Table,
    ipsets: &'a Sets,
    outcomes: Vec<Outcome>,
    /// What made the present path only a possible one.
    unsure: Option<Said>,
    budget: u32,
}

/// A base chain and its table, in the order in which the kernel asks them.
#[derive(Debug, Clone, Copy)]
pub struct Stop<'a> {
    pub table: &'a Table,
    pub name: &'a str,
    pub base: &'a Base,
}

/// The base chains of a hook that this packet meets, by priority.
pub fn stops<'a>(tables: &'a [Table], flow: &Flow<'_>) -> Vec<Stop<'a>> {
    let mut all: Vec<Stop<'a>> = tables
        .iter()
        .filter(|t| t.family.sees(flow.v6) && !t.dormant)
        .flat_map(|table| {
            table.chains.iter().filter_map(move |(name, chain)| {
                let base = chain.base.as_ref()?;
                Some(Stop { table, name, base })
            })
        })
        .filter(|stop| stop.base.hook == flow.hook)
        .filter(|stop| {
            let name = flow.interface.map(|i| i.name.as_str());
            stop.base.devices.is_empty()
                || name.is_none_or(|n| {
                    stop.base
                        .devices
                        .iter()
                        .any(|d| d == n || d.strip_suffix('*').is_some_and(|s| n.starts_with(s)))
                })
        })
        .collect();
    all.sort_by_key(|stop| {
        let link_layer = stop.table.family == Family::Netdev;
        (!link_layer, stop.base.priority)
    });
    all
}

/// Takes the packet through one base chain: every end that it may come to there.
pub fn through<'h>(
    stop: Stop<'_>,
    ipsets: &Sets,
    flow: Flow<'h>,
) -> (Vec<Outcome>, Flow<'h>, Option<Said>) {
    let mut walk = Walk {
        flow,
        table: stop.table,
        ipsets,
        outcomes: Vec::new(),
        unsure: None,
        budget: BUDGET,
    };
    walk.flow.priority = stop.base.priority;
    if !walk.chain(stop.name, false, 0) {
        let policy = if stop.base.drops { "drop" } else { "accept" };
        walk.outcomes.push(Outcome {
            end: if stop.base.drops {
                End::Drop
            } else {
                End::Accept
            },
            rule: said::policy_of(&stop.table.title, policy, stop.name),
            names_source: false,
        });
    }
    (walk.outcomes, walk.flow, walk.unsure)
}

impl Walk<'_, '_> {
    fn record(&mut self, end: End, rule: &Rule, names_source: bool) {
        let text = match rule {
            Rule::Nft(rule) => &rule.text,
            Rule::Iptables(rule) => &rule.text,
        };
        self.outcomes.push(Outcome {
            end,
            rule: said::rule_of(&self.table.title, sanitise(text, MAX_RULE)),
            names_source,
        });
    }

    fn doubt(&mut self, matched: &Tri) {
        if let Tri::Maybe(what) = matched {
            self.unsure.get_or_insert_with(|| what.clone());
        }
    }

    /// How sure it is that a rule acts: as its match, if the path to it is certain.
    fn certainty(&self, matched: &Tri) -> Tri {
        match &self.unsure {
            Some(what) => matched.clone().and(Tri::maybe(what)),
            None => matched.clone(),
        }
    }

    /// True if no packet comes out at the end of the chain.
    fn chain(&mut self, name: &str, named: bool, depth: u32) -> bool {
        let table = self.table;
        let Some(chain) = table.chains.get(name) else {
            self.unclear(said::chain_absent(name));
            return true;
        };
        if depth > DEPTH {
            self.unclear(said::chains_deep(name));
            return true;
        }
        // True when a packet may have gone back to the caller on the way.
        let mut left = false;
        for rule in &chain.rules {
            if self.budget == 0 {
                self.unclear(said::rules_loop());
                return true;
            }
            self.budget -= 1;
            let said = match rule {
                Rule::Nft(rule) => rule.ask(self, table),
                Rule::Iptables(rule) => rule.ask(self),
            };
            if said.matched == Tri::No {
                continue;
            }
            let certain = said.matched == Tri::Yes;
            let names = named || said.names_source;
            let ended = match said.verdict {
                Verdict::None => continue,
                Verdict::Accept => self.end(End::Accept, rule, names),
                Verdict::Drop => self.end(End::Drop, rule, names),
                Verdict::Reject => self.end(End::Reject, rule, names),
                Verdict::Unclear(what) => self.end(End::Unclear(what), rule, names),
                Verdict::Return => {
                    if certain {
                        return false;
                    }
                    left = true;
                    self.doubt(&said.matched);
                    continue;
                }
                Verdict::Jump(to) => {
                    self.doubt(&said.matched);
                    self.chain(&to, names, depth + 1)
                }
                Verdict::Goto(to) => {
                    self.doubt(&said.matched);
                    let ended = self.chain(&to, names, depth + 1);
                    if certain {
                        return ended && !left;
                    }
                    left |= !ended;
                    continue;
                }
            };
            if ended && certain {
                return !left;
            }
            if ended {
                self.doubt(&said.matched);
            }
        }
        false
    }

    fn end(&mut self, end: End, rule: &Rule, names_source: bool) -> bool {
        self.record(end, rule, names_source);
        true
    }

    fn unclear(&mut self, what: Said) {
        self.outcomes.push(Outcome {
            end: End::Unclear(what.clone()),
            rule: what,
            names_source: false,
        });
    }

    pub fn ipset(&self, name: &str) -> Option<&super::ipset::Set> {
        self.ipsets.get(name)
    }

    pub fn all_ipsets(&self) -> &Sets {
        self.ipsets
    }

    /// Writes a mark, or blurs it where the rule only may have acted.
    pub fn set_mark(&mut self, connection: bool, value: Value, matched: &Tri) {
        let certain = self.certainty(matched);
        let mark = if connection {
            &mut self.flow.connection_mark
        } else {
            &mut self.flow.mark
        };
        match certain {
            Tri::Yes => *mark = value,
            Tri::No => {}
            Tri::Maybe(what) => *mark = Value::Unknown(what),
        }
    }

    pub fn untrack(&mut self, matched: &Tri) {
        let certain = self.certainty(matched);
        let at = usize::from(self.flow.answer);
        self.flow.untracked[at] = self.flow.untracked[at].clone().or(certain);
    }

    pub fn translate(&mut self, address: Option<Value>, port: Option<Value>, matched: &Tri) {
        let certain = self.certainty(matched);
        self.flow.set_destination(address, port, &certain);
    }

    pub fn add_to(&mut self, set: &str, matched: &Tri) {
        let certain = self.certainty(matched);
        self.flow.added.push((set.to_owned(), certain));
    }
}
