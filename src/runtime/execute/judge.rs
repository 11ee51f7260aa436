//! What the looks before and after an action come to: whether login is back, for whom, and the
//! sentence that says it.
//!
//! Login is back only when every layer that was broken was read again and is good, and when the
//! rules let the failing user in. Must not live here: looking (`verify`), asking (`admission`).

use std::time::Duration;

use super::admission::{Admission, Verdict};
use super::follow::whole_seconds;
use super::verify::{LoginLook, PROMPT, SLOW, is_good};
use crate::action::plan::Plan;
use crate::domain::action::ActionId;
use crate::domain::evidence::Reading;
use crate::domain::evidence::state::login_attempt;
use crate::domain::login_layer::{BrokenLayer, Layer};
use crate::domain::outcome::Outcome;
use crate::domain::said::{Figure, Joint, List, Said, Table, Word};
use crate::runtime::said;

/// Whether login is back, as far as this host and the cloud can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginNow {
    /// Nobody asked.
    NotAsked,
    Back,
    Broken,
    /// It could not be told from here; the sentence says why.
    Untold,
}

impl LoginNow {
    /// For JSON: true, false, or nothing where it is not known.
    pub fn as_bool(self) -> Option<bool> {
        match self {
            Self::Back => Some(true),
            Self::Broken => Some(false),
            Self::NotAsked | Self::Untold => None,
        }
    }
}

/// What the looks come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub outcome: Outcome,
    pub login: LoginNow,
    pub detail: Said,
}

/// What is compared.
pub(super) struct Looks<'a> {
    pub plan: &'a Plan,
    pub broken: &'a [BrokenLayer],
    pub before: &'a [LoginLook],
    pub after: &'a [LoginLook],
    /// What a whole look after the action read; empty where there was none.
    pub again: &'a [Reading],
    /// Set where the failing user is not this host.
    pub admission: Option<&'a Admission>,
    /// The diagnosis before the action called login broken.
    pub faulty: bool,
    pub took: Duration,
    /// How the action itself ended.
    pub detail: &'a Said,
}

fn judged(outcome: Outcome, login: LoginNow, detail: Said) -> Judgement {
    Judgement {
        outcome,
        login,
        detail,
    }
}

/// The outcome in comparison, and the sentence that says it.
pub(super) fn judge(looks: &Looks<'_>) -> Judgement {
    let Looks {
        plan,
        before,
        after,
        ..
    } = *looks;
    let detail = looks.detail;
    let best = |looks: &[LoginLook]| looks.iter().filter_map(|look| look.rank).max();
    let (Some(was), Some(is)) = (best(before), best(after)) else {
        let told = said::not_probed(detail);
        return match looks.rules() {
            Some((source, Verdict::KeptOut(why))) => {
                let told = told.and(said::rules_keep_out(source, why));
                judged(Outcome::Unchanged, LoginNow::Broken, told)
            }
            _ => judged(Outcome::Done, LoginNow::Untold, told),
        };
    };
    let (was_first, is_first) = looks.first_ranks();
    if is_first >= SLOW {
        return looks.answering(was_first, is_first);
    }
    let now = after.first().map(LoginLook::sentence).unwrap_or_default();
    if plan.reverses.is_some() {
        let told = said::effect_undone(detail, now);
        return judged(Outcome::Done, LoginNow::Broken, told);
    }
    let mut compared = is.cmp(&was).then(is_first.cmp(&was_first));
    // One bad look after a good one is no change where the fault comes and goes.
    if compared.is_lt() && looks.broken.iter().any(BrokenLayer::comes_and_goes) {
        compared = std::cmp::Ordering::Equal;
    }
    if let Some(judgement) = looks.seen_from_elsewhere(compared.is_gt()) {
        return judgement;
    }
    let (outcome, told) = match compared {
        std::cmp::Ordering::Greater => {
            let further = looks.further();
            (Outcome::Improved, said::further_but(detail, further, now))
        }
        std::cmp::Ordering::Equal => (Outcome::Unchanged, said::not_the_cause(detail, now)),
        std::cmp::Ordering::Less => (Outcome::Worse, said::got_worse(detail, now)),
    };
    judged(outcome, LoginNow::Broken, told)
}

impl Looks<'_> {
    fn rules(&self) -> Option<(String, &Verdict)> {
        let admission = self.admission?;
        Some((shown(admission), &admission.verdict))
    }

    /// How far a client gets on the first way, before and after.
    fn first_ranks(&self) -> (u8, u8) {
        let first = |looks: &[LoginLook]| {
            let path = self.after.first()?.path;
            looks.iter().find(|look| look.path == path)?.rank
        };
        // A path that was not there before was down.
        // What answered before an exit from rescue was the rescue system.
        let was = if self.plan.action == ActionId::ExitRescue {
            0
        } else {
            first(self.before).unwrap_or(0)
        };
        (was, first(self.after).unwrap_or(0))
    }

    /// Login answers on the first way: what that is worth.
    fn answering(&self, was: u8, is: u8) -> Judgement {
        let (detail, took) = (self.detail, whole_seconds(self.took));
        let as_slow = (was, is) == (SLOW, SLOW);
        if let (false, Some(judgement)) = (as_slow, self.still_broken(was, took)) {
            return judgement;
        }
        let flipped = was < SLOW || !self.broken.is_empty();
        let (outcome, told) = match (was, is) {
            (SLOW, PROMPT..) => (Outcome::Restored, said::promptly_again(detail, took)),
            (SLOW, _) => (Outcome::Unchanged, said::as_slow(detail, took)),
            (PROMPT.., SLOW) => (Outcome::Done, said::more_slowly(detail, took)),
            (PROMPT.., _) if !flipped && self.unseen_from_here() => {
                let told = said::as_before_unseen(detail, took);
                return judged(Outcome::Done, LoginNow::Untold, told);
            }
            (PROMPT.., _) if !flipped => (Outcome::Done, said::as_before(detail, took)),
            (_, SLOW) => (Outcome::Restored, said::slow_again(detail, took)),
            (PROMPT.., _) if self.is_past_the_door() => {
                (Outcome::Restored, said::mended_inside(detail))
            }
            _ => (Outcome::Restored, said::answers_again(detail, took)),
        };
        let login = if outcome == Outcome::Unchanged {
            LoginNow::Broken
        } else {
            LoginNow::Back
        };
        match self.rules() {
            None => judged(outcome, login, told),
            Some((source, Verdict::LetIn { acl_unread })) => {
                let let_in = match acl_unread {
                    None => said::rules_let_in(source),
                    Some(why) => said::groups_let_in(source, why),
                };
                judged(outcome, login, told.and(let_in))
            }
            Some((source, Verdict::KeptOut(why))) => {
                let outcome = if outcome == Outcome::Restored {
                    Outcome::Improved
                } else {
                    Outcome::Unchanged
                };
                let told = told_of_probe(detail, took).and(said::rules_keep_out(source, why));
                judged(outcome, LoginNow::Broken, told)
            }
            Some((source, Verdict::Untold(why))) => {
                let told = told_of_probe(detail, took).and(said::rules_untold(source, why));
                judged(Outcome::Done, LoginNow::Untold, told)
            }
        }
    }

    /// What the diagnosis called broken was not seen to fail from here, and no rules tell of it: an
    /// answer as before is no proof.
    fn unseen_from_here(&self) -> bool {
        self.faulty && self.plan.reverses.is_none() && self.rules().is_none()
    }

    /// Whether a layer that was broken lets clients through now; `None` where nothing tells.
    fn is_mended(&self, broken: &BrokenLayer) -> Option<bool> {
        let accepted = |reading: &Reading| reading.seen() == Some(login_attempt::ACCEPTED);
        // A real login that came to its end is the proof for all that lies on its way.
        if is_past_the_door(broken.layer) && self.again.iter().any(accepted) {
            return Some(true);
        }
        is_good(self.after, broken).or_else(|| broken.is_mended(self.again))
    }

    /// The service answered before as well: what was broken lay behind its door.
    fn is_past_the_door(&self) -> bool {
        self.broken
            .iter()
            .all(|broken| is_past_the_door(broken.layer))
    }

    /// Layers that were broken and are not good now, or were not looked at again.
    fn still_broken(&self, was: u8, took: Figure) -> Option<Judgement> {
        let of = |wanted: Option<bool>| {
            let broken = self.broken.iter();
            broken.filter(move |broken| self.is_mended(broken) == wanted)
        };
        let on_the_way = |broken: &BrokenLayer, what: Said| match broken.path {
            Some(path) if self.after.first().is_some_and(|first| first.path != path) => {
                said::on_the_path(Word::new(Table::Path, path.as_str()), what)
            }
            _ => what,
        };
        let bad: Vec<Said> = of(Some(false))
            .map(|broken| on_the_way(broken, said_broken(broken, self.again)))
            .collect();
        if !bad.is_empty() {
            let better = was < SLOW || of(Some(true)).next().is_some();
            let outcome = if better {
                Outcome::Improved
            } else {
                Outcome::Unchanged
            };
            let told = said::still_broken(self.detail, List::said(Joint::Commas, bad));
            return Some(judged(outcome, LoginNow::Broken, told));
        }
        let unread: Vec<Said> = of(None)
            .map(|broken| on_the_way(broken, said_unread(broken)))
            .collect();
        if unread.is_empty() {
            return None;
        }
        let mut told = said::answers_but(self.detail, took, List::said(Joint::Commas, unread));
        let mut judgement = (Outcome::Done, LoginNow::Untold);
        if let Some((source, Verdict::KeptOut(why))) = self.rules() {
            told = told.and(said::rules_keep_out(source, why));
            judgement = (Outcome::Unchanged, LoginNow::Broken);
        }
        Some(judged(judgement.0, judgement.1, told))
    }

    /// Login does not answer this host, and the failing user is somebody else.
    fn seen_from_elsewhere(&self, better: bool) -> Option<Judgement> {
        let detail = self.detail;
        let (source, verdict) = self.rules()?;
        let told = match verdict {
            Verdict::LetIn { .. } if self.plan.rules.is_some() => {
                said::not_from_here(detail, source)
            }
            Verdict::LetIn { .. } if !better && self.keeps_us_out() => {
                said::host_kept_out(detail, source)
            }
            Verdict::LetIn { .. } => return None,
            Verdict::KeptOut(why) => {
                let told = detail.clone().and(said::rules_keep_out(source, why));
                return Some(judged(Outcome::Unchanged, LoginNow::Broken, told));
            }
            Verdict::Untold(why) if self.plan.rules.is_some() => {
                detail.clone().and(said::rules_untold(source, why))
            }
            Verdict::Untold(_) => return None,
        };
        Some(judged(Outcome::Done, LoginNow::Untold, told))
    }

    /// The rules keep this host out where it looks first.
    fn keeps_us_out(&self) -> bool {
        let first = self.after.first().map(|look| look.path);
        self.admission
            .zip(first)
            .is_some_and(|(admission, first)| admission.keeps_us_out.contains(&first))
    }

    /// How much further a client gets now, in words.
    fn further(&self) -> Said {
        let best = self.after.iter().max_by_key(|look| look.rank);
        let layers = best.map(|look| look.layers.as_slice()).unwrap_or_default();
        let stops = layers.iter().find(|seen| seen.layer.is_broken(seen.state));
        match stops.map(|seen| (seen.layer, seen.state)) {
            Some((Layer::Reach, "refused")) => said::open_not_served(),
            Some((Layer::Greeting, "silent")) => said::open_not_greeting(),
            Some((
                Layer::Greeting | Layer::Negotiation,
                "closed" | "reset" | "throttle-notice",
            )) => said::open_turned_away(),
            Some((Layer::Greeting | Layer::Negotiation, _)) => said::open_odd_answer(),
            Some((Layer::KeyExchange, _)) => said::greets_no_exchange(),
            Some((Layer::Tls, _)) => said::negotiates_no_tls(),
            _ => said::gets_further(),
        }
    }
}

/// What the probe of this host found, without a claim for anybody else.
fn told_of_probe(detail: &Said, took: Figure) -> Said {
    said::answers_here(detail, took)
}

/// The address alone where it is one.
fn shown(admission: &Admission) -> String {
    let source = admission.source;
    if source.prefix_len() == source.max_prefix_len() {
        source.addr().to_string()
    } else {
        source.to_string()
    }
}

/// Layers that a client comes to once the service has answered it.
fn is_past_the_door(layer: Layer) -> bool {
    matches!(layer, Layer::Methods | Layer::Inside | Layer::Login)
}

fn said_broken(broken: &BrokenLayer, again: &[Reading]) -> Said {
    match broken.layer {
        Layer::Reach => said::reach_broken(),
        Layer::Greeting => said::greeting_broken(),
        Layer::KeyExchange => said::exchange_broken(),
        Layer::Negotiation => said::negotiation_broken(),
        Layer::Tls => said::tls_broken(),
        Layer::Methods => said::methods_broken(),
        Layer::Inside => {
            let group = broken.group();
            let now = again.iter().find(|reading| reading.id == group);
            let state = now.and_then(Reading::observed_state);
            let state = state.unwrap_or(&broken.state);
            said::inside_broken(Word::evidence(group), Word::state(group, state))
        }
        Layer::Login => said::login_broken(),
    }
}

fn said_unread(broken: &BrokenLayer) -> Said {
    match broken.layer {
        Layer::Reach => said::reach_unread(),
        Layer::Greeting => said::greeting_unread(),
        Layer::KeyExchange => said::exchange_unread(),
        Layer::Negotiation => said::negotiation_unread(),
        Layer::Tls => said::tls_unread(),
        Layer::Methods => said::methods_unread(),
        Layer::Inside => said::inside_unread(Word::evidence(broken.group())),
        Layer::Login => said::login_unread(),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
