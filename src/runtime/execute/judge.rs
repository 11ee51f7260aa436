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
    /// Set where the failing user is not this host.
    pub admission: Option<&'a Admission>,
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
            (PROMPT.., _) if !flipped => (Outcome::Done, said::as_before(detail, took)),
            (_, SLOW) => (Outcome::Restored, said::slow_again(detail, took)),
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

    /// Layers that were broken and are not good now, or were not looked at again.
    fn still_broken(&self, was: u8, took: Figure) -> Option<Judgement> {
        let of = |wanted: Option<bool>| {
            let broken = self.broken.iter();
            broken.filter(move |broken| is_good(self.after, broken) == wanted)
        };
        let on_the_way = |broken: &BrokenLayer, what: Said| match broken.path {
            Some(path) if self.after.first().is_some_and(|first| first.path != path) => {
                said::on_the_path(Word::new(Table::Path, path.as_str()), what)
            }
            _ => what,
        };
        let bad: Vec<Said> = of(Some(false))
            .map(|broken| on_the_way(broken, said_broken(broken.layer)))
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
            .map(|broken| on_the_way(broken, said_unread(broken.layer)))
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

fn said_broken(layer: Layer) -> Said {
    match layer {
        Layer::Reach => said::reach_broken(),
        Layer::Greeting => said::greeting_broken(),
        Layer::KeyExchange => said::exchange_broken(),
        Layer::Negotiation => said::negotiation_broken(),
        Layer::Tls => said::tls_broken(),
        Layer::Methods => said::methods_broken(),
        Layer::Login => said::login_broken(),
    }
}

fn said_unread(layer: Layer) -> Said {
    match layer {
        Layer::Reach => said::reach_unread(),
        Layer::Greeting => said::greeting_unread(),
        Layer::KeyExchange => said::exchange_unread(),
        Layer::Negotiation => said::negotiation_unread(),
        Layer::Tls => said::tls_unread(),
        Layer::Methods => said::methods_unread(),
        Layer::Login => said::login_unread(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::context::PlanContext;
    use crate::action::{Parameters, plan};
    use crate::diagnosis::Knowledge;
    use crate::domain::evidence::{Family, Path, Reading, Source, State};
    use crate::domain::instance::Instance;
    use crate::domain::report::Vantage;
    use crate::runtime::execute::verify::{LayerState, broken_before};

    fn plan_of(action: ActionId) -> Plan {
        let context = PlanContext {
            instance: Instance {
                id: "ins-1".to_owned(),
                state: "RUNNING".to_owned(),
                ..Instance::default()
            },
            ..PlanContext::default()
        };
        plan(action, &Parameters::none(), &context).expect("a plan")
    }

    fn look(path: Path, layers: &[(Layer, &'static str)], rank: u8) -> LoginLook {
        LoginLook {
            path,
            address: match path {
                Path::Public => [203, 0, 113, 9].into(),
                Path::Private => [127, 0, 0, 9].into(),
            },
            port: 22,
            health: "answers",
            detail: Said::raw(""),
            layers: layers
                .iter()
                .map(|&(layer, state)| LayerState { layer, state })
                .collect(),
            rank: Some(rank),
        }
    }

    fn silent() -> LoginLook {
        look(Path::Public, &[(Layer::Reach, "all-silent")], 0)
    }

    fn refused() -> LoginLook {
        look(Path::Public, &[(Layer::Reach, "refused")], 1)
    }

    fn mute() -> LoginLook {
        let layers = [(Layer::Reach, "open"), (Layer::Greeting, "silent")];
        look(Path::Public, &layers, 2)
    }

    fn answers() -> LoginLook {
        let layers = [
            (Layer::Reach, "open"),
            (Layer::Greeting, "fast"),
            (Layer::KeyExchange, "common"),
        ];
        look(Path::Public, &layers, 4)
    }

    fn broken(layer: Layer, state: &str) -> BrokenLayer {
        let path = !matches!(layer, Layer::Methods | Layer::Login);
        BrokenLayer {
            layer,
            path: path.then_some(Path::Public),
            family: Family::Ipv4,
            state: state.to_owned(),
        }
    }

    fn judge_of(
        was: &LoginLook,
        is: &LoginLook,
        broken: &[BrokenLayer],
        admission: Option<&Admission>,
    ) -> Judgement {
        judge(&Looks {
            plan: &plan_of(ActionId::Restart),
            broken,
            before: std::slice::from_ref(was),
            after: std::slice::from_ref(is),
            admission,
            took: Duration::from_secs(3),
            detail: &Said::raw("done"),
        })
    }

    #[test]
    fn login_is_back_when_every_broken_layer_is_good_again() {
        let layers = [
            broken(Layer::Reach, "refused"),
            broken(Layer::Greeting, "silent"),
        ];
        let back = judge_of(&refused(), &answers(), &layers, None);
        assert_eq!(
            (back.outcome, back.login),
            (Outcome::Restored, LoginNow::Back)
        );
        assert!(
            back.detail.contains("again from this host"),
            "{}",
            back.detail
        );
    }

    #[test]
    fn a_layer_that_was_not_read_again_is_named_and_nothing_is_claimed() {
        let mut greets = answers();
        greets.layers.pop();
        let layers = [broken(Layer::KeyExchange, "none")];
        let untold = judge_of(&answers(), &greets, &layers, None);
        assert_eq!(
            (untold.outcome, untold.login),
            (Outcome::Done, LoginNow::Untold)
        );
        let told = &untold.detail;
        assert!(
            told.contains("the key exchange was not looked at again"),
            "{told}"
        );
        let layers = [broken(Layer::Login, "auth-rejected")];
        let untold = judge_of(&answers(), &answers(), &layers, None);
        assert_eq!(
            (untold.outcome, untold.login),
            (Outcome::Done, LoginNow::Untold)
        );
        assert!(
            untold.detail.contains("no login was tried again"),
            "{}",
            untold.detail
        );
    }

    #[test]
    fn one_that_is_still_broken_is_named_though_the_port_answers() {
        let mut no_kex = answers();
        no_kex.layers[2].state = "none";
        let layers = [broken(Layer::KeyExchange, "none")];
        let still = judge_of(&no_kex, &no_kex, &layers, None);
        assert_eq!(
            (still.outcome, still.login),
            (Outcome::Unchanged, LoginNow::Broken)
        );
        assert!(
            still.detail.contains("the key exchange still fails"),
            "{}",
            still.detail
        );
        let layers = [broken(Layer::Reach, "all-silent"), layers[0].clone()];
        let further = judge_of(&silent(), &no_kex, &layers, None);
        assert_eq!(
            (further.outcome, further.login),
            (Outcome::Improved, LoginNow::Broken)
        );
    }

    #[test]
    fn getting_further_is_no_cure_and_says_how_far() {
        for (was, is, told) in [
            (
                silent(),
                refused(),
                "the port is open now, the service does not run",
            ),
            (
                refused(),
                mute(),
                "the port answers now, but the service does not greet",
            ),
        ] {
            let layers = [broken(Layer::Reach, was.layers[0].state)];
            let further = judge_of(&was, &is, &layers, None);
            assert_eq!(
                (further.outcome, further.login),
                (Outcome::Improved, LoginNow::Broken)
            );
            assert!(further.detail.contains(told), "{}", further.detail);
        }
    }

    #[test]
    fn the_users_source_decides_not_this_host() {
        let admission = |verdict| Admission {
            source: "198.51.100.3/32".parse().expect("a network"),
            verdict,
            keeps_us_out: vec![Path::Public],
        };
        let kept_out = admission(Verdict::KeptOut(Said::raw("sg-1 #0")));
        let layers = [broken(Layer::Reach, "refused")];
        let out = judge_of(&refused(), &answers(), &layers, Some(&kept_out));
        assert_eq!(
            (out.outcome, out.login),
            (Outcome::Improved, LoginNow::Broken)
        );
        let told = &out.detail;
        assert!(
            told.contains("from this host") && !told.contains("again"),
            "{told}"
        );
        assert!(
            told.contains("do not let 198.51.100.3 in: sg-1 #0"),
            "{told}"
        );
        // As it was before, too.
        let out = judge_of(&answers(), &answers(), &[], Some(&kept_out));
        assert_eq!(
            (out.outcome, out.login),
            (Outcome::Unchanged, LoginNow::Broken)
        );
        let let_in = admission(Verdict::LetIn { acl_unread: None });
        let back = judge_of(&refused(), &answers(), &layers, Some(&let_in));
        assert_eq!(
            (back.outcome, back.login),
            (Outcome::Restored, LoginNow::Back)
        );
        assert!(
            back.detail.contains("the rules let 198.51.100.3 in"),
            "{}",
            back.detail
        );
        // Where the rules keep this host out, its silence says nothing of the user.
        let silence = judge_of(&silent(), &silent(), &layers, Some(&let_in));
        assert_eq!(
            (silence.outcome, silence.login),
            (Outcome::Done, LoginNow::Untold)
        );
        let unread = admission(Verdict::Untold(Said::raw("not permitted")));
        let untold = judge_of(&refused(), &answers(), &layers, Some(&unread));
        assert_eq!(
            (untold.outcome, untold.login),
            (Outcome::Done, LoginNow::Untold)
        );
    }

    #[test]
    fn what_was_broken_comes_from_the_diagnosis_and_from_a_look_of_just_now() {
        let knowledge = Knowledge::shipped();
        let readings = [
            Reading::observed(State::new("reach", "open"), Source::Probe, Said::raw(""))
                .on_path(Path::Public),
            Reading::observed(State::new("kex", "none"), Source::Probe, Said::raw(""))
                .on_path(Path::Public),
            Reading::observed(
                State::new("reach", "all-silent"),
                Source::Probe,
                Said::raw(""),
            )
            .on_path(Path::Private),
            Reading::observed(
                State::new("login-attempt", "auth-rejected"),
                Source::Probe,
                Said::raw(""),
            ),
        ];
        let case = |way| crate::diagnosis::Case {
            instance: crate::domain::report::InstanceSummary::default(),
            vantage: Vantage {
                paths: vec![Path::Public, Path::Private],
                user_way: way,
                ..Vantage::default()
            },
            readings: &readings,
            tried: &[],
            spent: &[],
            recent_cause: None,
        };
        let plan = plan_of(ActionId::Restart);
        let layers = |way, before: &[LoginLook]| -> Vec<(Option<Path>, Layer)> {
            let report = crate::diagnosis::diagnose(knowledge, &case(way));
            let broken = broken_before(&plan, Some(&report), before);
            broken
                .iter()
                .map(|broken| (broken.path, broken.layer))
                .collect()
        };
        let (public, private) = (Some(Path::Public), Some(Path::Private));
        assert_eq!(
            layers(None, &[refused()]),
            [
                (None, Layer::Login),
                (public, Layer::Reach),
                (public, Layer::KeyExchange),
                (private, Layer::Reach),
            ]
        );
        // The users come by the public way: the private one is not theirs. A look of just now
        // knows better than the diagnosis.
        assert_eq!(layers(public, &[answers()]), [(None, Layer::Login)]);
    }

    #[test]
    fn every_layer_is_a_group_and_its_states_are_of_the_vocabulary() {
        for layer in [
            Layer::Reach,
            Layer::Greeting,
            Layer::KeyExchange,
            Layer::Negotiation,
            Layer::Tls,
            Layer::Methods,
            Layer::Login,
        ] {
            let group = Knowledge::shipped().group(layer.group()).expect("a group");
            let broken: Vec<_> = group.states.iter().filter(|s| layer.is_broken(s)).collect();
            assert!(!broken.is_empty(), "{layer:?}");
            assert_eq!(
                broken.len(),
                layer.broken_states().len(),
                "{layer:?}: {broken:?}"
            );
        }
    }
}
