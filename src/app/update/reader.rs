//! Keys while a text is read: scroll, search, and the steps of a guide.
//!
//! A step of a guide is done by the same preview and gate as any other action. Must not live
//! here: making a guide into lines (`app::guide_text`).

use serde_json::{Map, Value};

use super::{Dirty, actions, commands, movement};
use crate::app::case::RunId;
use crate::app::command::{Command, Context};
use crate::app::effect::{Effect, Record};
use crate::app::guide_text;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::overlay::{Overlay, Reading};
use crate::app::reading::GuideStep;
use crate::app::state::State;
use crate::domain::action::ActionId;
use crate::domain::guide_step::TickedStep;
use crate::guide::markdown::StepKind;
use crate::input::chord::{Chord, Key};

/// Applies a key to the topmost text, which was taken off the stack.
pub fn key(state: &mut State, mut top: Overlay, chord: Chord, effects: &mut Vec<Effect>) -> Dirty {
    if let Overlay::Reader(reading) = &mut top
        && reading.typing.is_some()
    {
        search_key(reading, chord);
        state.overlays.push(top);
        return Dirty::Frame;
    }
    let contexts = [Context::Reader, Context::Global];
    let Some(command) = state.keys.lookup(&contexts, chord) else {
        state.overlays.push(top);
        return Dirty::Frame;
    };
    let closes = match command {
        Command::Close | Command::Cancel => true,
        Command::Help => matches!(top, Overlay::Help { .. }),
        Command::Log => matches!(top, Overlay::Log { .. }),
        _ => false,
    };
    if closes {
        return Dirty::Frame;
    }
    state.overlays.push(top);
    if let Some(lines) = lines_of(state, command) {
        movement::scroll_overlay(state, lines);
        return Dirty::Frame;
    }
    match command {
        Command::Search | Command::SearchNext => search(state, command),
        Command::StepNext => go_to_step(state, 1),
        Command::StepPrevious => go_to_step(state, -1),
        Command::StepTick => tick_step(state, effects),
        Command::StepDo => do_step(state, effects),
        Command::Guides => next_guide(state),
        Command::Copy | Command::Keep | Command::Repaint | Command::Suspend | Command::Quit => {
            return commands::run(state, command, effects);
        }
        _ => {}
    }
    Dirty::Frame
}

/// How far a command scrolls.
fn lines_of(state: &State, command: Command) -> Option<isize> {
    let page = state.geometry.overlay.height.max(2) as isize - 1;
    Some(match command {
        Command::Up => -1,
        Command::Down => 1,
        Command::PageUp => -page,
        Command::PageDown => page,
        Command::Top => isize::MIN,
        Command::Bottom => isize::MAX,
        _ => return None,
    })
}

fn search_key(reading: &mut Reading, chord: Chord) {
    let Some(mut edit) = reading.typing.take() else {
        return;
    };
    match chord.key {
        Key::Esc => reading.search.clear(),
        Key::Enter => {
            edit.text().clone_into(&mut reading.search);
            reading.search_from(reading.offset);
        }
        _ => {
            edit.key(chord);
            reading.typing = Some(edit);
        }
    }
}

fn search(state: &mut State, command: Command) {
    if let Some(Overlay::Reader(reading)) = state.overlays.last_mut() {
        if command == Command::Search {
            reading.typing = Some(LineEdit::default());
        } else {
            reading.search_from(reading.offset + 1);
        }
    }
}

fn go_to_step(state: &mut State, by: isize) {
    let shown = state.geometry.overlay.height;
    if let Some(Overlay::Reader(reading)) = state.overlays.last_mut() {
        reading.go_to_step(by, shown);
    }
}

/// The guide on top, the instance it was opened for, and the step at hand.
fn at_hand(state: &State) -> Option<(String, String, GuideStep)> {
    let guide = state.overlays.last()?.guide()?;
    let step = guide.step()?.clone();
    Some((guide.slug.clone(), guide.instance.clone(), step))
}

/// Commands of the step at hand, where a guide is read and the step has some.
pub fn commands_at_hand(state: &State) -> Option<String> {
    let (_, _, step) = at_hand(state)?;
    let commands = step.commands.join("\n");
    (!commands.is_empty()).then_some(commands)
}

/// Ticks the step at hand, or takes the tick back.
fn tick_step(state: &mut State, effects: &mut Vec<Effect>) {
    let Some((slug, instance, step)) = at_hand(state) else {
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
        go_to_step(state, 1);
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
fn do_step(state: &mut State, effects: &mut Vec<Effect>) {
    let Some((slug, instance, step)) = at_hand(state) else {
        return;
    };
    // What is done goes to the instance that the guide is filled in for.
    if state.fleet.selected_id() != Some(instance.as_str()) {
        return;
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
            commands::run(state, Command::Copy, effects);
        }
        StepKind::Command | StepKind::User => match step.link.as_deref() {
            Some(linked) => open(state, linked),
            None => {
                let text = state.texts.ui.guide_step_for_you.clone();
                state.tell(Severity::Info, text);
            }
        },
    }
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
fn next_guide(state: &mut State) {
    let Some(guide) = state.overlays.last().and_then(Overlay::guide) else {
        return;
    };
    let Some(report) = state.selected_report() else {
        return;
    };
    let at = report.guides.iter().position(|m| m.slug == guide.slug);
    let next = at.map_or(0, |at| at + 1) % report.guides.len().max(1);
    if let Some(slug) = report.guides.get(next).map(|m| m.slug.clone()) {
        state.overlays.pop();
        open(state, &slug);
    }
}
