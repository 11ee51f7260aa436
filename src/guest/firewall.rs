//! Would the packet filter of a Linux guest let a login in? The user's SYN is taken through every
//! hook that can stop it, and the SYN-ACK back, as the kernel does.
//!
//! What was cut, failed or is not understood is never taken for a yes or a no: where it could
//! decide there is no verdict, and the reason is told. Must not live here: running the commands.

use std::net::IpAddr;

use crate::domain::said::Said;
use crate::domain::text::sanitise;

mod host;
mod ipset;
mod iptables;
mod iptables_match;
mod listing;
mod nft;
mod nft_expression;
mod nft_field;
mod nft_rule;
mod nft_set;
mod nft_text;
mod packet;
pub mod said;
mod value;
mod walk;
pub mod windows;

pub use listing::Listing;
use packet::{Flow, Hook};
use value::{Tri, Value};
use walk::{End, Outcome, stops, through};

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
    /// The deciding rule as printed, or the chain's policy, with its table.
    pub rule: Said,
    /// True if the deciding rule names a source, so that others may fare differently.
    pub names_source: bool,
}

/// A connection attempt from outside.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// `None`: somebody whom no rule names.
    pub source: Option<IpAddr>,
    pub v6: bool,
    pub port: u16,
    /// The private address that the cloud knows.
    pub private_address: Option<IpAddr>,
}

/// What the chains of one hook make of a packet.
enum Hooked {
    Passes,
    Blocked(Ruling),
}

/// Where the packet goes once its destination may have been rewritten.
enum Bound {
    Here,
    /// To another machine, which is not judged.
    Away,
    Lost(Ruling),
}

/// The judge of one attempt: what it found on the way.
struct Court<'a> {
    listing: &'a Listing,
    /// Does the kernel track connections? Only then are chains of translation asked.
    tracks: bool,
    /// The rule that let it in.
    accepted: Option<Said>,
    /// The first thing that may have stopped it and was not understood.
    doubt: Option<Said>,
}

/// What becomes of an attempt.
///
/// # Errors
/// What was not understood, where it could decide.
pub fn judge(listing: &Listing, attempt: Attempt) -> Result<Ruling, Said> {
    let mut court = Court {
        listing,
        tracks: listing.tables.iter().any(|t| t.tracks(attempt.v6)),
        accepted: None,
        doubt: None,
    };
    let flow = Flow::request(
        &listing.host,
        attempt.v6,
        attempt.source,
        attempt.port,
        attempt.private_address,
    );
    if let Some(ruling) = court.decide(flow) {
        return Ok(ruling);
    }
    match court.doubt {
        Some(what) => Err(what),
        None => Ok(Ruling {
            fate: Fate::Accept,
            rule: court.accepted.unwrap_or_else(said::nothing_in_the_way),
            names_source: false,
        }),
    }
}

impl Court<'_> {
    /// The ruling that stops the packet or its answer, if one surely does.
    fn decide(&mut self, mut flow: Flow<'_>) -> Option<Ruling> {
        for hook in [Hook::Ingress, Hook::Prerouting] {
            if let Hooked::Blocked(ruling) = self.pass(hook, &mut flow) {
                return Some(ruling);
            }
        }
        match self.sent_elsewhere(&mut flow) {
            Bound::Here => {}
            Bound::Away => return None,
            Bound::Lost(ruling) => return Some(ruling),
        }
        if let Hooked::Blocked(ruling) = self.pass(Hook::Input, &mut flow) {
            return Some(ruling);
        }
        if let Some(ruling) = Self::nobody_listens(&flow) {
            return Some(ruling);
        }
        if let Some(route) = flow.host.dead_route().filter(|_| flow.user.is_some()) {
            return Some(Ruling {
                fate: Fate::Drop,
                rule: said::way_back(sanitise(route, 200)),
                names_source: true,
            });
        }
        let mut answer = flow.answered();
        for hook in [Hook::Output, Hook::Postrouting, Hook::Egress] {
            if let Hooked::Blocked(mut ruling) = self.pass(hook, &mut answer) {
                // Whoever connects hears nothing, whatever the guest itself is told.
                ruling.fate = Fate::Drop;
                ruling.rule = said::answer_stopped(ruling.rule);
                return Some(ruling);
            }
        }
        None
    }

    fn pass(&mut self, hook: Hook, flow: &mut Flow<'_>) -> Hooked {
        flow.hook = hook;
        for stop in stops(&self.listing.tables, flow) {
            if stop.base.nat && !self.asks_translation(flow) {
                continue;
            }
            let before = flow.clone();
            let (outcomes, after, unsure) = through(stop, &self.listing.sets, before);
            *flow = after;
            if let Some(ruling) = self.weigh(&outcomes, unsure, hook) {
                return Hooked::Blocked(ruling);
            }
        }
        Hooked::Passes
    }

    /// Chains of translation see the first packet of a tracked connection, and no more of them
    /// once one has rewritten its destination.
    fn asks_translation(&self, flow: &Flow<'_>) -> bool {
        self.tracks
            && !flow.answer
            && flow.untracked[0] != Tri::Yes
            && !(flow.hook == Hook::Prerouting && flow.translated == Tri::Yes)
    }

    /// All ends of a chain together: blocked, let in, or not to be told.
    fn weigh(&mut self, outcomes: &[Outcome], unsure: Option<Said>, hook: Hook) -> Option<Ruling> {
        let unclear = outcomes.iter().find_map(|o| match &o.end {
            End::Unclear(what) => Some(what.clone()),
            _ => None,
        });
        let passes = outcomes.iter().any(|o| o.end == End::Accept);
        let blocks = outcomes
            .iter()
            .any(|o| matches!(o.end, End::Drop | End::Reject));
        if unclear.is_some() || (passes && blocks) {
            let what = unclear.or(unsure).unwrap_or_else(said::a_rule);
            self.doubt.get_or_insert(what);
            return None;
        }
        if !blocks {
            if hook == Hook::Input {
                self.accepted = outcomes.last().map(|o| o.rule.clone());
            }
            return None;
        }
        let first = outcomes.first()?;
        let rejects = outcomes.iter().all(|o| o.end == End::Reject);
        Some(Ruling {
            fate: if rejects { Fate::Reject } else { Fate::Drop },
            rule: first.rule.clone(),
            names_source: outcomes.iter().all(|o| o.names_source),
        })
    }

    /// A destination that was rewritten to another machine, or to where nothing gets to.
    fn sent_elsewhere(&mut self, flow: &mut Flow<'_>) -> Bound {
        let address = match &flow.translated {
            Tri::No => return Bound::Here,
            Tri::Maybe(what) => {
                self.doubt
                    .get_or_insert_with(|| said::may_be_rewritten(what.clone()));
                return Bound::Here;
            }
            Tri::Yes => flow.address_of(&flow.destination),
        };
        let Some(address) = address else {
            if let Value::Unknown(what) = &flow.destination {
                self.doubt.get_or_insert_with(|| what.clone());
            }
            return Bound::Here;
        };
        let drop = |rule: Said| {
            Bound::Lost(Ruling {
                fate: Fate::Drop,
                rule,
                names_source: false,
            })
        };
        if address.is_loopback() {
            let name = flow.interface.map_or("all", |i| i.name.as_str());
            let open = ["all", name]
                .iter()
                .any(|n| flow.host.setting(&format!("ipv4/conf/{n}/route_localnet")) == Some("1"));
            if open {
                return Bound::Here;
            }
            return drop(said::refused_from_outside(address));
        }
        if flow.host.owns(address) {
            return Bound::Here;
        }
        let forwards = flow.host.setting(if flow.v6 {
            "ipv6/conf/all/forwarding"
        } else {
            "ipv4/ip_forward"
        });
        if forwards == Some("0") {
            return drop(said::does_not_forward(address));
        }
        if let Hooked::Blocked(ruling) = self.pass(Hook::Forward, flow) {
            return Bound::Lost(ruling);
        }
        self.doubt.get_or_insert_with(|| said::sent_on(address));
        Bound::Away
    }

    /// A port that was rewritten to one where nothing listens answers with a reset.
    fn nobody_listens(flow: &Flow<'_>) -> Option<Ruling> {
        let port = u16::try_from(flow.port.exact()?).ok()?;
        if port == flow.asked_port || flow.translated != Tri::Yes {
            return None;
        }
        let address = flow.address_of(&flow.destination);
        (flow.host.listens(address, port) == Some(false)).then(|| Ruling {
            fate: Fate::Reject,
            rule: said::redirected(flow.asked_port, port),
            names_source: false,
        })
    }
}
