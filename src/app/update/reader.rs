//! What the steps of a guide do: ticks, previews, copies, other guides.
//!
//! A step of a guide is done by the same preview and gate as any other action. Must not live
//! here: its keys (`overlay::reader`), making a guide into lines (`app::guide_text`).

use serde_json::{Map, Value};

use super::{Dirty, actions};
use crate::app::case::RunId;
use crate::app::command::Command;
use crate::app::effect::{Effect, Record};
use crate::app::guide_text;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::overlay::{Answer, Overlay, Reading};
use crate::app::reading::GuideStep;
use crate::app::state::State;
use crate::domain::action::ActionId;
use crate::domain::guide_step::TickedStep;
use crate::guide::markdown::StepKind;

/// The guide that is read, the instance it was opened for, and the step at hand.
fn at_hand(reading: &Reading) -> Option<(String, String, GuideStep)> {
    let guide = reading.guide.as_ref()?;
    let step = guide.step()?.clone();
    Some((guide.slug.clone(), guide.instance.clone(), step))
}

/// Commands of the step at hand, where a guide is read and the step has some.
pub fn commands_at_hand(reading: &Reading) -> Option<String> {
    let (_, _, step) = at_hand(reading)?;
    let commands = step.commands.join(
        "
",
    );
    (!commands.is_empty()).then_some(commands)
}

/// Ticks the step at hand, or takes the tick back.
pub fn tick_step(reading: &mut Reading, state: &mut State, effects: &mut Vec<Effect>) {
    let Some((slug, instance, step)) = at_hand(reading) else {
        return;
    };
    let known = state.cases.get(&instance);
    let ticked = !known.is_some_and(|case| case.is_ticked(&slug, step.number));
    set_tick(state, &instance, &slug, step.number, ticked, effects);
    let ui = &state.texts.ui;
    let text = if ticked {
        &ui.step_ticked
    } else {
        &ui.step_unticked
    };
    let told = fill(text, &[("n", &step.number.to_string())]);
    state.tell(Severity::Info, told);
    if ticked {
        reading.go_to_step(1, state.geometry.overlay.height);
    }
}

/// Notes a tick in the case, and asks for it to be kept.
fn set_tick(
    state: &mut State,
    instance: &str,
    guide: &str,
    step: usize,
    ticked: bool,
    effects: &mut Vec<Effect>,
) {
    let now = state.now;
    let case = state.cases.entry(instance.to_owned()).or_default();
    case.guide_steps
        .retain(|known| (known.guide.as_str(), known.step) != (guide, step));
    if ticked {
        case.guide_steps.push(TickedStep {
            guide: guide.to_owned(),
            step,
            at: now,
            by: String::new(),
        });
    }
    let steps = case.guide_steps.clone();
    if let Some(report) = &mut case.report {
        report.guide_steps = steps;
    }
    effects.push(Effect::Record(Record::TickStep {
        instance: instance.to_owned(),
        guide: guide.to_owned(),
        step,
        ticked,
    }));
}

/// The ticks of an instance as they are kept; several operators may have set them.
pub fn ticked(state: &mut State, instance: &str, steps: Vec<TickedStep>) -> Dirty {
    let Some(case) = state.cases.get_mut(instance) else {
        return Dirty::Nothing;
    };
    if let Some(report) = &mut case.report {
        report.guide_steps.clone_from(&steps);
    }
    case.guide_steps = steps;
    Dirty::when(state.fleet.selected_id() == Some(instance))
}

/// Does what the step at hand is for: previews its action, copies its commands, gets the VNC
/// address, or opens the guide that it refers to.
pub fn do_step(reading: &Reading, state: &mut State, effects: &mut Vec<Effect>) -> Answer {
    let Some((slug, instance, step)) = at_hand(reading) else {
        return Answer::Stay;
    };
    // What is done goes to the instance that the guide is filled in for.
    if state.fleet.selected_id() != Some(instance.as_str()) {
        return Answer::Stay;
    }
    match &step.kind {
        StepKind::Action {
            id,
            parameters: given,
        } => {
            let ranked = actions::unranked(state, *id, parameters(given));
            if let Some(run) = actions::prepare_ranked(state, ranked, effects)
                && let Some(case) = state.cases.get_mut(&instance)
            {
                case.step_runs.push((run, slug, step.number));
            }
        }
        StepKind::Vnc => {
            let ranked = actions::unranked(state, ActionId::VncUrl, Map::new());
            actions::prepare_ranked(state, ranked, effects);
        }
        StepKind::Command | StepKind::User if !step.commands.is_empty() => {
            return Answer::Run(Command::Copy);
        }
        StepKind::Command | StepKind::User => match step.link.as_deref() {
            Some(linked) => open(state, linked),
            None => {
                let text = state.texts.ui.guide_step_for_you.clone();
                state.tell(Severity::Info, text);
            }
        },
    }
    Answer::Stay
}

/// A step's parameters as those of a ranked action.
fn parameters(given: &std::collections::BTreeMap<String, String>) -> Map<String, Value> {
    let value = |(name, value): (&String, &String)| (name.clone(), Value::String(value.clone()));
    given.iter().map(value).collect()
}

/// An action that a step began has been carried out: the step is done.
pub fn carried_out(state: &mut State, instance: &str, run: RunId, effects: &mut Vec<Effect>) {
    let Some(case) = state.cases.get_mut(instance) else {
        return;
    };
    let Some(at) = case.step_runs.iter().position(|(known, ..)| *known == run) else {
        return;
    };
    let (_, slug, step) = case.step_runs.remove(at);
    set_tick(state, instance, &slug, step, true, effects);
}

/// Opens a guide over what is read.
pub fn open(state: &mut State, slug: &str) {
    match guide_text::open(state, slug) {
        Some(reading) => state.overlays.push(Overlay::Reader(reading)),
        None => {
            let text = state.texts.ui.no_guides.clone();
            state.tell(Severity::Info, text);
        }
    }
}

/// The next of the guides that fit, in place of the one that is read.
pub fn next_guide(reading: &Reading, state: &State) -> Answer {
    let (Some(guide), Some(report)) = (&reading.guide, state.selected_report()) else {
        return Answer::Stay;
    };
    let at = report.guides.iter().position(|m| m.slug == guide.slug);
    let next = at.map_or(0, |at| at + 1) % report.guides.len().max(1);
    let next = report.guides.get(next);
    match next.and_then(|found| guide_text::open(state, &found.slug)) {
        Some(next) => Answer::Instead(Overlay::Reader(next)),
        None => Answer::Stay,
    }
}
