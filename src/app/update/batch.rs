//! A batch from the pick to the gate: one summary, one confirmation, a job for each instance.
//!
//! Must not live here: planning (`action::batch`), or the order of sending (`runtime::execute`).

use super::{Dirty, actions, arrivals};
use crate::action::batch::{Batch, Share};
use crate::action::gate::{Given, approve_batch};
use crate::app::batch::Choice;
use crate::app::case::RunId;
use crate::app::effect::{Act, Effect};
use crate::app::jobs::JobState;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::overlay::user_source::Then;
use crate::app::overlay::{BatchPreview, Overlay, UserSource};
use crate::app::state::State;
use crate::domain::instance::Instance;
use crate::domain::said::Said;

/// The marked instances, in the order of the list, so that a preview reads as the screen does.
pub fn marked(state: &State) -> Vec<String> {
    let listed = state.fleet.rows().iter().map(|row| &row.instance.id);
    listed
        .filter(|id| state.fleet.marks.contains(*id))
        .cloned()
        .collect()
}

/// Begins the plans of what was picked, or asks for the source that it is for.
pub fn prepare(
    state: &mut State,
    choice: Choice,
    instances: Vec<String>,
    effects: &mut Vec<Effect>,
) {
    let named = choice.parameters.contains_key("source");
    let needs_source = choice.action.is_for_a_source() && !named;
    if needs_source && state.user_source.is_none() {
        let then = Then::Several(choice, instances);
        if state.user_is_here {
            then.for_this_host().go_on(state, effects);
            return;
        }
        state.overlays.push(Overlay::UserSource(UserSource {
            then: Some(then),
            ..UserSource::default()
        }));
        return;
    }
    let run = state.new_run();
    state.batch = Some(run);
    let text = fill(
        &state.texts.ui.batch_preparing,
        &[("n", &instances.len().to_string())],
    );
    state.tell(Severity::Info, text);
    effects.push(Effect::Act(Act::PrepareBatch {
        run,
        instances,
        choice,
        user_source: state.user_source,
    }));
}

/// The plans are there, or the reason why there are none.
pub fn planned(
    state: &mut State,
    run: RunId,
    choice: Choice,
    result: Result<Box<Batch>, Said>,
) -> Dirty {
    if state.batch != Some(run) {
        return Dirty::Nothing;
    }
    state.batch = None;
    match result {
        Ok(batch) => {
            state.notices.dismiss();
            state.overlays.push(Overlay::Batch(Box::new(BatchPreview {
                run,
                batch: *batch,
                choice,
                offset: 0,
                edit: LineEdit::default(),
                refused: None,
            })));
        }
        Err(why) => state.tell_said(Severity::Error, &why),
    }
    Dirty::Frame
}

/// Takes the operator's confirmation of all plans to the gate.
pub fn confirm(
    state: &mut State,
    preview: &BatchPreview,
    given: &Given,
    effects: &mut Vec<Effect>,
) -> Result<(), Said> {
    if preview.batch.plans().next().is_none() {
        return Ok(());
    }
    // Two actions on one instance would change what the other one planned for.
    let busy: Vec<&str> = preview
        .batch
        .items
        .iter()
        .map(|item| &item.instance)
        .filter(|instance| state.jobs.running().any(|job| job.instance == instance.id))
        .map(Instance::label)
        .collect();
    if !busy.is_empty() {
        let names = state.texts.listed(&busy);
        let why = fill(&state.texts.ui.batch_busy, &[("names", &names)]);
        return Err(Said::raw(why));
    }
    let access = actions::access(state);
    let approved = approve_batch(preview.batch.clone(), &access, given, &[])
        .map_err(|refusal| refusal.said())?;
    let action = preview.choice.action;
    let title = state
        .texts
        .action(action.as_str(), action.as_str())
        .to_owned();
    let mut jobs = Vec::new();
    for item in approved.items() {
        let Share::Planned(plan) = &item.share else {
            continue;
        };
        let id = item.instance.id.clone();
        let run = actions::begin(state, &id, Some(action), plan.title.clone());
        if let Some(job) = state.jobs.get_mut(run) {
            job.state = JobState::Running;
        }
        jobs.push((id, run));
    }
    for item in approved.items() {
        state.fleet.marks.remove(&item.instance.id);
    }
    let n = jobs.len().to_string();
    let begun = fill(&state.texts.ui.batch_begun, &[("title", &title), ("n", &n)]);
    state.tell(Severity::Info, begun);
    effects.push(Effect::Act(Act::ExecuteBatch {
        approved: Box::new(approved),
        choice: preview.choice.clone(),
        user_source: state.user_source,
        jobs,
        title,
    }));
    Ok(())
}

/// Says how far the batch got, and looks again at those that a plan of another one was for, too.
pub fn ended(
    state: &mut State,
    title: &str,
    (done, all): (usize, usize),
    stopped: Option<&Said>,
    covered: &[String],
    effects: &mut Vec<Effect>,
) -> Dirty {
    for instance in covered.iter().filter(|_| done > 0) {
        arrivals::look_again(state, instance, effects);
    }
    let ui = &state.texts.ui;
    let (done, all) = (done.to_string(), all.to_string());
    let mut values = vec![("title", title), ("done", &done), ("n", &all)];
    let (text, severity) = match stopped {
        Some(why) => {
            let why = state.texts.said(why);
            values.push(("why", &why));
            (fill(&ui.batch_stopped, &values), Severity::Error)
        }
        None => (fill(&ui.batch_ended, &values), Severity::Good),
    };
    state.tell(severity, text);
    Dirty::Frame
}
