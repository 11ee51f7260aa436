//! What is kept of diagnoses and cures, for this run and the next.
//!
//! The demo keeps nothing on disk: its instances are gone with it. Must not live here: the file
//! (`store::history`).

use crate::app::effect::Effect;
use crate::app::state::State;
use crate::domain::action::ActionId;
use crate::domain::history::PastCase;
use crate::domain::report::Verdict;

/// Keeps the diagnosis of an instance that is complete.
pub fn keep_case(state: &mut State, instance: &str, effects: &mut Vec<Effect>) {
    let now = state.now;
    let Some(case) = state.cases.get_mut(instance) else {
        return;
    };
    let (Some(report), None) = (&case.report, &case.error) else {
        return;
    };
    let Some(top) = report.causes.first() else {
        return;
    };
    let past = PastCase {
        at: now,
        instance: instance.to_owned(),
        verdict: match report.verdict {
            Verdict::Healthy => "healthy",
            Verdict::Faulty => "faulty",
            Verdict::Inconclusive => "inconclusive",
        }
        .to_owned(),
        cause: top.id.clone(),
        probability: top.probability,
        cured_by: String::new(),
    };
    if case.note(past.clone()) && !state.demo {
        effects.push(Effect::KeepCase(Box::new(past)));
    }
}

/// Keeps which action brought login back.
pub fn keep_cure(state: &mut State, instance: &str, action: ActionId, effects: &mut Vec<Effect>) {
    let action = action.to_string();
    if let Some(case) = state.cases.get_mut(instance) {
        case.note_cure(&action);
    }
    if !state.demo {
        effects.push(Effect::KeepCure {
            instance: instance.to_owned(),
            action,
        });
    }
}
