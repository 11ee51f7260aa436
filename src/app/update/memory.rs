//! What is kept of diagnoses, cures and typed lines, for this run and the next.
//!
//! The demo keeps nothing on disk: its instances are gone with it. Must not live here: the file
//! (`store::history`).

use crate::app::effect::{Effect, Memory};
use crate::app::state::State;
use crate::app::typed::Line;
use crate::domain::action::ActionId;
use crate::domain::history::PastCase;

/// Keeps the diagnosis of an instance that is complete.
pub fn keep_case(state: &mut State, instance: &str, effects: &mut Vec<Effect>) {
    if let Some(past) = note(state, instance)
        && !state.demo
    {
        effects.push(Effect::Memory(Memory::KeepCase(Box::new(past))));
    }
}

/// Notes the diagnosis of an instance, unless it only repeats the last one.
fn note(state: &mut State, instance: &str) -> Option<PastCase> {
    let now = state.now;
    let case = state.cases.get_mut(instance)?;
    let (Some(report), None) = (&case.report, &case.error) else {
        return None;
    };
    let past = PastCase::of(report, now)?;
    case.note(past.clone()).then_some(past)
}

/// Keeps which action brought login back. Whoever acts before the diagnosis is complete has
/// acted on what it said by then, which is kept with the cure.
pub fn keep_cure(state: &mut State, instance: &str, action: ActionId, effects: &mut Vec<Effect>) {
    let action = action.to_string();
    let case = note(state, instance).map(Box::new);
    if let Some(case) = state.cases.get_mut(instance) {
        case.note_cure(&action);
    }
    if !state.demo {
        effects.push(Effect::Memory(Memory::KeepCure {
            instance: instance.to_owned(),
            action,
            case,
        }));
    }
}

/// Remembers what was typed, for this run and, but for the demo, the next.
pub fn remember(state: &mut State, line: Line, text: String, effects: &mut Vec<Effect>) {
    if text.is_empty() {
        return;
    }
    state.typed.push(line, &text);
    if !state.demo {
        let at = state.now;
        effects.push(Effect::Memory(Memory::KeepTyped { line, text, at }));
    }
}
