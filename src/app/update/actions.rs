//! From a ranked action to its end: preview, confirmation, progress, verification, undo.
//!
//! Nothing leaves as an effect but what `action::gate` approved. Must not live here: planning.

use serde_json::{Map, Value};

use super::{Dirty, arrivals, memory, reader, ticket};
use crate::action::gate::{Access, Given, approve};
use crate::action::plan::Plan;
use crate::app::any_action::lacks_parameter;
use crate::app::case::RunId;
use crate::app::effect::{Act, Effect};
use crate::app::jobs::{Executed, Job, JobState};
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::overlay::user_source::Then;
use crate::app::overlay::{AnyAction, Overlay, Preview, Reading, Secret, UserSource};
use crate::app::state::State;
use crate::domain::action::{ActionId, Risk};
use crate::domain::outcome::Outcome;
use crate::domain::report::RankedAction;
use crate::domain::said::Said;

/// An action that no diagnosis offers, in the form of one that does.
pub fn unranked(state: &State, id: ActionId, parameters: Map<String, Value>) -> RankedAction {
    RankedAction {
        id: id.as_str().to_owned(),
        title: Said::raw(state.texts.action(id.as_str(), id.as_str())),
        parameters,
        cures: Vec::new(),
        probability_cures: 0.0,
        cost: 0.0,
        risk: Risk::None,
        reversible: false,
    }
}

/// Begins the preview of the ranked action at `index`.
pub fn prepare(state: &mut State, index: usize, effects: &mut Vec<Effect>) {
    let Some(ranked) = state
        .selected_report()
        .and_then(|report| report.actions.get(index))
        .cloned()
    else {
        return;
    };
    prepare_ranked(state, ranked, effects);
}

/// Begins the preview of an action; one that is for a source asks for it first.
///
/// Gives the run, where the preview is under way at once.
pub fn prepare_ranked(
    state: &mut State,
    ranked: RankedAction,
    effects: &mut Vec<Effect>,
) -> Option<RunId> {
    let instance = state.fleet.selected_id().map(str::to_owned)?;
    let Some(action) = ActionId::parse(&ranked.id).filter(|id| *id != ActionId::Advice) else {
        let advice = ranked
            .parameters
            .get("text")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        let texts = state.texts;
        let body = format!("{}\n\n{}", texts.known(advice), texts.ui.no_advice);
        let title = texts.said(&ranked.title);
        state
            .overlays
            .push(Overlay::Reader(Reading::new(title, &body)));
        return None;
    };
    if action == ActionId::Ticket {
        ticket::ask(state);
        return None;
    }
    if lacks_parameter(action, &ranked.parameters) {
        let question = AnyAction::parameters_of(action, &ranked.parameters);
        state.overlays.push(Overlay::AnyAction(Box::new(question)));
        return None;
    }
    let named = ranked
        .parameters
        .get("source")
        .is_some_and(|value| !value.is_null());
    if action.is_for_a_source() && !named && state.user_source.is_none() {
        let then = Then::One(Box::new(ranked));
        if state.user_is_here {
            return then.for_this_host().go_on(state, effects);
        }
        state.overlays.push(Overlay::UserSource(UserSource {
            then: Some(then),
            ..UserSource::default()
        }));
        return None;
    }
    let title = Said::raw(state.texts.offer(&ranked));
    let run = begin(state, &instance, Some(action), title);
    effects.push(Effect::Act(Act::Prepare {
        run,
        instance,
        action,
        parameters: ranked.parameters,
        user_source: state.user_source,
        login_port: None,
    }));
    Some(run)
}

/// Begins the preview of taking the latest action back.
pub fn prepare_undo(state: &mut State, effects: &mut Vec<Effect>) {
    let Some((instance, entry, title)) = state.jobs.last_undoable().and_then(|job| {
        Some((
            job.instance.clone(),
            job.undo_entry.clone()?,
            job.title.clone(),
        ))
    }) else {
        return;
    };
    let title = state.texts.said(&title);
    let title = Said::raw(fill(&state.texts.ui.job_undo, &[("title", &title)]));
    let run = begin(state, &instance, None, title);
    if let Some(job) = state.jobs.get_mut(run) {
        job.reverses = Some(entry.clone());
    }
    effects.push(Effect::Act(Act::PrepareUndo { run, entry }));
}

/// A job of its own for something that is begun.
pub fn begin(
    state: &mut State,
    instance: &str,
    action: Option<ActionId>,
    title: impl Into<Said>,
) -> RunId {
    let run = state.new_run();
    state.jobs.push(Job {
        run,
        instance: instance.to_owned(),
        action,
        title: title.into(),
        state: JobState::Preparing,
        started_at: state.now,
        ended_at: None,
        steps: Vec::new(),
        soft_restart_failed: false,
        undo_entry: None,
        reverses: None,
    });
    run
}

/// The preview is there, or the reason why there is none.
pub fn planned(state: &mut State, run: RunId, result: Result<Box<Plan>, Said>) -> Dirty {
    let Some(job) = state.jobs.get_mut(run) else {
        return Dirty::Nothing;
    };
    match result {
        Ok(plan) => {
            job.state = JobState::Previewed;
            let preview = Preview::new(run, *plan);
            state.overlays.push(Overlay::Preview(Box::new(preview)));
        }
        Err(why) => {
            let text = fill(
                &state.texts.ui.plan_failed,
                &[
                    ("action", &state.texts.said(&job.title)),
                    ("why", &state.texts.said(&why)),
                ],
            );
            state.jobs.forget(run);
            state.tell(Severity::Error, text);
        }
    }
    Dirty::Frame
}

/// Whether this console may change anything.
pub fn access(state: &State) -> Access {
    if state.read_only {
        Access::ReadOnly {
            because: match &state.read_only_locked {
                Some(because) => because.clone(),
                None => Said::raw(&state.texts.ui.badge_read_only),
            },
        }
    } else {
        Access::ReadWrite
    }
}

/// Takes the operator's confirmation to the gate.
pub fn confirm(
    state: &mut State,
    preview: &Preview,
    given: &Given,
    effects: &mut Vec<Effect>,
) -> Result<(), Said> {
    let access = access(state);
    let approved =
        approve(preview.plan.clone(), &access, given).map_err(|refusal| refusal.said())?;
    let run = preview.run;
    let Some(job) = state.jobs.get_mut(run) else {
        return Ok(());
    };
    job.state = JobState::Running;
    job.title.clone_from(&preview.plan.title);
    effects.push(Effect::Act(Act::Execute {
        run,
        instance: job.instance.clone(),
        approved: Box::new(approved),
    }));
    Ok(())
}

/// A step of a running action.
pub fn progressed(state: &mut State, run: RunId, note: Said) -> Dirty {
    let Some(job) = state.jobs.get_mut(run) else {
        return Dirty::Nothing;
    };
    job.steps.push(note);
    Dirty::when(state.fleet.selected_id() == Some(job.instance.as_str()))
}

/// The end of an action: shown, and followed by a fresh diagnosis.
pub fn executed(
    state: &mut State,
    run: RunId,
    result: Result<Box<Executed>, Said>,
    effects: &mut Vec<Effect>,
) -> Dirty {
    let now = state.now;
    let Some(job) = state.jobs.get_mut(run) else {
        return Dirty::Nothing;
    };
    job.ended_at = Some(now);
    let (instance, action) = (job.instance.clone(), job.action);
    match result {
        Ok(executed) => {
            let executed = *executed;
            job.state = JobState::Ended(executed.ending, executed.detail.clone());
            job.steps.extend(executed.output.iter().map(Said::raw));
            job.soft_restart_failed = executed.soft_restart_failed;
            let again = (job.action, job.title.clone(), job.reverses.clone());
            job.undo_entry = executed.undo_entry;
            let severity = match severity_of(executed.ending) {
                Severity::Good | Severity::Info if executed.contested => Severity::Warning,
                severity => severity,
            };
            let texts = state.texts;
            let text = texts.labelled(&texts.said(&job.title), &texts.said(&executed.detail));
            let reversed = job.reverses.clone();
            if let Some(entry) = reversed {
                state.jobs.taken_back(&entry);
            }
            state.tell(severity, text);
            for handed in executed.handed {
                state.overlays.push(Overlay::Secret(Secret(handed)));
            }
            if executed.ending == Outcome::Restored
                && !executed.contested
                && let Some(action) = action
            {
                memory::keep_cure(state, &instance, action, effects);
            }
            if !matches!(executed.ending, Outcome::Failed | Outcome::Unknown) {
                reader::carried_out(state, &instance, run, effects);
            }
            // What was read before no longer speaks of this machine, unless nothing came of it.
            if executed.ending != Outcome::Failed
                && let Some(case) = state.cases.get_mut(&instance)
            {
                case.changed_at = Some(now);
            }
            arrivals::look_again(state, &instance, effects);
            if let Some(replanned) = executed.replanned {
                show_anew(state, &instance, again, replanned);
            }
        }
        Err(why) => {
            job.state = JobState::Ended(Outcome::Failed, Said::from(&why));
            let texts = state.texts;
            let text = texts.labelled(&texts.said(&job.title), &texts.said(&why));
            state.tell(Severity::Error, text);
        }
    }
    Dirty::Frame
}

/// Shows the same action with the difference that it would make now.
fn show_anew(
    state: &mut State,
    instance: &str,
    (action, title, reverses): (Option<ActionId>, Said, Option<String>),
    replanned: Result<Box<Plan>, Said>,
) {
    let run = begin(state, instance, action, title);
    if let Some(job) = state.jobs.get_mut(run) {
        job.reverses = reverses;
    }
    planned(state, run, replanned);
}

fn severity_of(ending: Outcome) -> Severity {
    match ending {
        Outcome::Done | Outcome::Restored => Severity::Good,
        Outcome::Improved | Outcome::Unchanged | Outcome::Unknown | Outcome::Interrupted => {
            Severity::Warning
        }
        Outcome::Worse | Outcome::Failed => Severity::Error,
    }
}

/// Opens a matched guide, filled in for the instance.
pub fn open_guide(state: &mut State, index: usize) {
    let slug = state
        .selected_report()
        .and_then(|report| report.guides.get(index))
        .map(|guide| guide.slug.clone());
    reader::open(state, &slug.unwrap_or_default());
}
