//! `cvmtop heal` and `act --next`: carries out what the diagnosis would try first, verifies it, and
//! goes on from what that showed.
//!
//! Exit status: 0 login is back or was never broken, 1 it is not back or not known to be, 2 usage,
//! 3 nothing was sent. Must not live here: which action comes first (`diagnosis`), what is sent
//! (`action`), how it is verified (`runtime::execute`).

use serde_json::{Value, json};

use super::act::report::{self as words, Told};
use super::act::{self, Deed};
use super::acting;
use super::args::{ActArgs, GlobalArgs, HealArgs, TextOrJson, TriageArgs};
use super::output::{print, said as in_words};
use super::page::{Page, Tone};
use super::report;
use super::said;
use super::{EXIT_NOTHING, diagnose, open, output};
use crate::action::Parameters;
use crate::action::gate::Access;
use crate::action::plan::{Plan, PlanError, Target};
use crate::config::Loaded;
use crate::diagnosis::display;
use crate::domain::action::{ActionId, Risk};
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::report::{RankedAction, Report, Verdict};
use crate::domain::said::{Said, Table, Word};
use crate::runtime::deed;
use crate::runtime::execute::{Desk, Execution, LoginNow, LookAgain, prepare_plan};
use crate::runtime::session::Session;
use crate::runtime::triage::TriageOptions;

/// An action that brings login back more seldom than this is no repair, only an attempt: it is left
/// to a person.
const WORTH_TRYING: f64 = 0.15;
/// How often one action is planned anew because somebody changes the rules under it.
const REPLANS: usize = 3;
/// Offers that are handed on at the end.
const SHOWN: usize = 3;

/// What is asked for.
struct Wish<'a> {
    target: &'a str,
    most: usize,
    risk: Risk,
    dry_run: bool,
    yes: bool,
    format: TextOrJson,
    triage: &'a TriageArgs,
}

/// Runs `heal`.
pub async fn run(args: &HealArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let wish = Wish {
        target: &args.target,
        most: usize::from(args.most),
        risk: args.risk.into(),
        dry_run: args.dry_run,
        yes: args.yes,
        format: args.format,
        triage: &args.triage,
    };
    Box::pin(heal(&wish, global)).await
}

/// Runs `act TARGET --next`: the first action alone, of whatever risk, as it is confirmed by itself.
pub async fn next(args: &ActArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let (targets, _) = args.split();
    let [target] = targets else {
        return act::refuse(super::EXIT_USAGE, said::next_of_one());
    };
    let wish = Wish {
        target,
        most: 1,
        risk: Risk::High,
        dry_run: args.dry_run,
        yes: args.yes,
        format: args.format,
        triage: &args.triage,
    };
    Box::pin(heal(&wish, global)).await
}

async fn heal(wish: &Wish<'_>, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let session = if wish.dry_run {
        let session = open::cloud(&loaded, &mut |warning| output::warn(&warning)).await?;
        acting::left_alone(&loaded, Some(&session)).await;
        session
    } else {
        open::on(&loaded).await?
    };
    let look = diagnose::options(wish.triage, &session.knowledge, &loaded)?;
    let instance = match diagnose::aim(&session, wish.target, &look).await {
        Ok(instance) => instance,
        Err(error) => return act::refuse(EXIT_NOTHING, error.said()),
    };
    let healer = Healer {
        wish,
        desk: acting::desk(&session, &loaded)?,
        access: acting::access(&loaded),
        session: &session,
        loaded: &loaded,
        look,
    };
    if let (Access::ReadOnly { because }, false) = (&healer.access, wish.dry_run) {
        return act::refuse(EXIT_NOTHING, said::heal_read_only(because));
    }
    Box::pin(healer.heal(instance)).await
}

/// Why it ended.
#[derive(Debug, Clone, PartialEq)]
enum End {
    /// Nothing was broken.
    Healthy,
    Healed,
    /// It was done, and whether login is back cannot be seen from here: nothing is piled on it.
    Untold,
    /// As many actions as were allowed.
    Most,
    /// What comes next carries more risk than was allowed.
    Risk(Risk, Said),
    /// What comes next needs something that only a person knows; the plan's own words for it.
    Asks(Said, Said),
    /// What is left is for a person.
    Person,
    /// Nobody confirmed it.
    Unconfirmed,
    /// What became of the last action is not known: nothing may follow it.
    Unknown,
}

impl End {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Healed => "healed",
            Self::Untold => "untold",
            Self::Most => "most",
            Self::Risk(..) => "risk",
            Self::Asks(..) => "asks",
            Self::Person => "person",
            Self::Unconfirmed => "unconfirmed",
            Self::Unknown => "unknown",
        }
    }

    fn sentence(&self, sent: usize) -> Said {
        match self {
            Self::Healthy => said::heal_healthy(),
            Self::Healed => said::heal_healed(sent),
            Self::Untold => said::heal_untold(),
            Self::Most => said::heal_most(sent),
            Self::Risk(risk, title) => {
                said::heal_risk(title, Word::new(Table::Risk, risk.as_str()))
            }
            Self::Asks(title, why) => said::heal_asks(title, why),
            Self::Person => said::heal_person(),
            Self::Unconfirmed => said::heal_unconfirmed(),
            Self::Unknown => said::heal_unknown(),
        }
    }
}

/// One action that was sent.
struct Step {
    plan: Plan,
    execution: Execution,
    learnt: Option<String>,
}

/// What came of trying one offer.
enum Tried {
    Sent(Box<Step>),
    /// There is nothing to send.
    Impossible(PlanError),
    Stop(End),
}

struct Healer<'a> {
    wish: &'a Wish<'a>,
    desk: Desk,
    access: Access,
    session: &'a Session,
    loaded: &'a Loaded,
    look: TriageOptions,
}

impl Healer<'_> {
    async fn heal(mut self, mut instance: Instance) -> anyhow::Result<u8> {
        output::note(&said::heal_looking(Target::of(&instance).label()));
        let past = diagnose::past(self.session, self.loaded, &instance);
        let mut report = deed::look(self.session, &instance, &self.look, &past).await;
        if self.wish.dry_run {
            return self.shown(&instance, &report).await;
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut impossible: Vec<(RankedAction, PlanError)> = Vec::new();
        let end = loop {
            if report.verdict == Verdict::Healthy && steps.is_empty() {
                break End::Healthy;
            }
            if steps.len() >= self.wish.most {
                break End::Most;
            }
            tell_leader(&report);
            let Some(offer) = runnable(&report, &impossible) else {
                break left_over(&impossible);
            };
            let in_guest = ActionId::parse(&offer.id).is_some_and(ActionId::runs_in_guest);
            if self.wish.yes && !self.look.deep && in_guest {
                // Who lets a script mend the guest unasked lets one look before, and whether it
                // did. Who is asked for each step has not let anything run in there yet.
                output::note(&said::heal_inside());
                self.look.deep = true;
                let past = diagnose::past(self.session, self.loaded, &instance);
                report = deed::look(self.session, &instance, &self.look, &past).await;
                continue;
            }
            match self.try_one(&instance, offer, &report).await? {
                Tried::Stop(end) => break end,
                Tried::Impossible(why) => {
                    output::note(&said::heal_impossible(offer.title.clone(), why.said()));
                    impossible.push((offer.clone(), why));
                }
                Tried::Sent(step) => {
                    let execution = &step.execution;
                    let end = after_it(execution);
                    if end.is_none() {
                        if let Ok(now) =
                            diagnose::aim(self.session, self.wish.target, &self.look).await
                        {
                            instance = now;
                        }
                        output::note(&said::looking_again());
                        let (session, loaded) = (self.session, self.loaded);
                        let (journal, look) = (&self.desk.journal, &self.look);
                        let after =
                            deed::after(session, loaded, journal, &instance, look, execution);
                        report = after.await;
                    }
                    steps.push(*step);
                    if let Some(end) = end {
                        break end;
                    }
                }
            }
        };
        let text = self.told(&instance, &steps, &report, &end);
        let status = match (&end, steps.is_empty()) {
            (End::Healthy | End::Healed, _) => 0,
            (_, true) => EXIT_NOTHING,
            (_, false) => 1,
        };
        let handed = steps.iter().flat_map(|step| &step.execution.handed);
        Ok(match self.wish.format {
            TextOrJson::Text => output::print_done(&text, status, handed),
            TextOrJson::Json => {
                output::hand_over(handed);
                output::print_done(&text, status, [])
            }
        })
    }

    /// Plans, shows, confirms and carries out one offer.
    async fn try_one(
        &self,
        instance: &Instance,
        offer: &RankedAction,
        report: &Report,
    ) -> anyhow::Result<Tried> {
        let Some((action, parameters)) = given(offer) else {
            let why = PlanError::NotApplicable(said::which_action());
            return Ok(Tried::Impossible(why));
        };
        let mut options = act::prepare_options(&self.look, self.loaded, instance, Some(report));
        for _ in 0..=REPLANS {
            let prepared = prepare_plan(&self.desk, instance, action, &parameters, &options).await;
            let prepared = match prepared {
                Ok(prepared) => prepared,
                Err(error) => return Ok(Tried::Impossible(error)),
            };
            let (plan, instance) = (&prepared.plan, &prepared.instance);
            if plan.risk > self.wish.risk {
                return Ok(Tried::Stop(End::Risk(plan.risk, plan.title.clone())));
            }
            output::progress("\n");
            acting::show(plan);
            let deed = Deed {
                desk: &self.desk,
                instance,
                access: &self.access,
                report: Some(report),
                target: self.wish.target,
                yes: self.wish.yes,
                wait: true,
                preview_is_shown: true,
                again: Some(LookAgain {
                    session: self.session,
                    options: &self.look,
                }),
            };
            let Ok(execution) = Box::pin(deed.carry_out(plan)).await? else {
                return Ok(Tried::Stop(End::Unconfirmed));
            };
            if execution.stale {
                output::note(&said::rules_changed());
                options.instance_is_fresh = false;
                continue;
            }
            let learnt = act::kept(self.loaded, plan, &execution, Some(report)).await;
            return Ok(Tried::Sent(Box::new(Step {
                plan: plan.clone(),
                execution,
                learnt,
            })));
        }
        let why = PlanError::NotApplicable(said::heal_rules_move());
        Ok(Tried::Impossible(why))
    }

    /// What would be tried, in order, and the first preview.
    async fn shown(&self, instance: &Instance, report: &Report) -> anyhow::Result<u8> {
        let offers: Vec<&RankedAction> = report
            .actions
            .iter()
            .filter(|offer| is_worth_trying(offer))
            .take(self.wish.most)
            .collect();
        if report.verdict == Verdict::Healthy {
            output::note(&said::heal_healthy());
        }
        let mut preview = None;
        for offer in &offers {
            let Some((action, parameters)) = given(offer) else {
                continue;
            };
            let options = act::prepare_options(&self.look, self.loaded, instance, Some(report));
            let prepared = prepare_plan(&self.desk, instance, action, &parameters, &options).await;
            match prepared {
                Ok(prepared) => {
                    preview = Some(prepared.plan);
                    break;
                }
                Err(error) => {
                    output::note(&said::heal_impossible(offer.title.clone(), error.said()));
                }
            }
        }
        let text = match self.wish.format {
            TextOrJson::Json => {
                let object = json!({
                    "schema_version": 1,
                    "dry_run": true,
                    "instance": Target::of(instance),
                    "verdict": report.verdict,
                    "offers": offers,
                    "plan": preview.as_ref().map(words::plan_json),
                });
                format!("{object}\n")
            }
            TextOrJson::Text => {
                let mut page = Page::stdout();
                self.offers(&mut page, &offers);
                if let Some(plan) = &preview {
                    page.gap();
                    words::preview(&mut page, plan);
                }
                page.take()
            }
        };
        print(&text)?;
        Ok(0)
    }

    fn offers(&self, page: &mut Page, offers: &[&RankedAction]) {
        if !offers.is_empty() {
            page.gap();
            page.put(0, Tone::Strong, &output::texts().ui.do_next);
        }
        for (place, offer) in offers.iter().enumerate() {
            report::offer(page, Some(place + 1), offer, self.wish.target);
        }
    }

    fn told(&self, instance: &Instance, steps: &[Step], report: &Report, end: &End) -> String {
        let told = |step: &Step| -> (String, Value) {
            let told = Told {
                plan: &step.plan,
                execution: &step.execution,
                target: self.wish.target,
                learnt: step.learnt.as_deref(),
                next: None,
            };
            (told.text(), told.json())
        };
        let healed = matches!(end, End::Healed | End::Healthy);
        let left = report.actions.iter().filter(|_| !healed).take(SHOWN);
        let left: Vec<&RankedAction> = left.collect();
        let sentence = end.sentence(steps.len());
        match self.wish.format {
            TextOrJson::Text => {
                let mut text = String::new();
                for step in steps {
                    text.push_str(&told(step).0);
                    text.push('\n');
                }
                let mut page = Page::stdout();
                let tone = if healed { Tone::Good } else { Tone::Warn };
                page.put(0, tone, &in_words(&sentence));
                self.offers(&mut page, &left);
                text + &page.take()
            }
            TextOrJson::Json => {
                let back = match end {
                    End::Healed | End::Healthy => Some(true),
                    End::Untold | End::Unknown => None,
                    _ => steps.last().and_then(|step| step.execution.login.as_bool()),
                };
                let object = json!({
                    "schema_version": 1,
                    "instance": Target::of(instance),
                    "ended": end.as_str(),
                    "detail": sentence.as_str(),
                    "login_back": back,
                    "steps": steps.iter().map(|step| told(step).1).collect::<Vec<_>>(),
                    "next": left,
                });
                format!("{object}\n")
            }
        }
    }
}

/// Where an action leaves nothing more to do, or nothing that may be done.
fn after_it(execution: &Execution) -> Option<End> {
    match (execution.outcome, execution.login) {
        (Outcome::Unknown | Outcome::Interrupted, _) => Some(End::Unknown),
        (Outcome::Restored, LoginNow::Back) => Some(End::Healed),
        // As before: what failed was not seen from here, so neither is its cure.
        (Outcome::Done, LoginNow::Back | LoginNow::Untold) => Some(End::Untold),
        _ => None,
    }
}

/// The cause that leads, on standard error.
fn tell_leader(report: &Report) {
    if let Some(cause) = report.causes.first() {
        let share = display::percent(cause.probability);
        output::note(&said::heal_leader(
            Word::cause(&cause.id, &cause.title),
            share,
        ));
    }
}

/// What the program can do itself, and is worth it.
fn is_worth_trying(offer: &RankedAction) -> bool {
    // In rescue mode it is a person who repairs.
    let person = [ActionId::Advice, ActionId::Ticket, ActionId::EnterRescue];
    let for_a_person = person.iter().any(|id| offer.id == id.as_str());
    !for_a_person && offer.probability_cures >= WORTH_TRYING
}

/// Why nothing more is sent: what an action was not told, else that a person has to go on.
fn left_over(impossible: &[(RankedAction, PlanError)]) -> End {
    let untold = impossible.iter().find_map(|(offer, why)| match why {
        PlanError::Missing(why) => Some(End::Asks(offer.title.clone(), why.clone())),
        _ => None,
    });
    untold.unwrap_or(End::Person)
}

/// The first offer that is worth it and was not found impossible.
fn runnable<'r>(
    report: &'r Report,
    impossible: &[(RankedAction, PlanError)],
) -> Option<&'r RankedAction> {
    report.actions.iter().find(|offer| {
        let same = |(other, _): &(RankedAction, PlanError)| {
            other.id == offer.id && other.parameters == offer.parameters
        };
        is_worth_trying(offer) && !impossible.iter().any(same)
    })
}

/// The action of an offer. What is null is left to the plan, which says what it cannot do without.
fn given(offer: &RankedAction) -> Option<(ActionId, Parameters)> {
    let action = ActionId::parse(&offer.id)?;
    let known = offer
        .parameters
        .iter()
        .filter(|(_, value)| !value.is_null());
    let known = known.map(|(name, value)| (name.clone(), value.clone()));
    Some((
        action,
        Parameters::from_json(action, &known.collect()).ok()?,
    ))
}
