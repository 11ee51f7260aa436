//! What a short look at a login port changes: the row, its track, and whether the diagnosis
//! still stands.
//!
//! Must not live here: when to look (`app::rhythm`).

use jiff::Timestamp;

use super::arrivals;
use crate::app::effect::Effect;
use crate::app::health::Health;
use crate::app::message::Look;
use crate::app::state::State;
use crate::app::track::{Sample, Turn};

/// Takes a look. One that found another login than the look before makes the diagnosis of the
/// selected instance begin anew, without looking inside the guest: nobody was asked.
pub fn take(
    state: &mut State,
    instance: &str,
    look: &Look,
    at: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let diagnosed = state
        .cases
        .get(instance)
        .is_some_and(|case| case.report.is_some());
    let Some(row) = state.fleet.get_mut(instance) else {
        return;
    };
    row.checking = false;
    // This machine could not look: that says nothing about the instance.
    let Some(login) = &look.login else {
        return;
    };
    let answered = login.health != Health::Failing;
    let turn = row.track_on_mut(look.path).push(Sample {
        at: at.as_second(),
        answered,
        ms: look.ms,
    });
    if look.path != row.login_path() {
        return;
    }
    row.checked_at = Some(at);
    let otherwise = !answered && row.looked.is_some_and(|before| before != login.word);
    let changed = turn == Turn::Turned || otherwise;
    row.looked = Some(login.word);
    // What was diagnosed before login came back is over, or has to be found again.
    row.fault &= turn != Turn::Turned;
    // A diagnosis knows more than a short look, as long as the look finds what it found.
    if !diagnosed || changed {
        row.login = Some(*login);
    }
    if turn != Turn::Same {
        state.rhythm.has_turned(instance);
    }
    let selected = state.fleet.selected_id() == Some(instance);
    let idle = state
        .cases
        .get(instance)
        .is_some_and(|case| case.run.is_none());
    if changed && diagnosed && selected && idle {
        if let Some(case) = state.cases.get_mut(instance) {
            case.deep = false;
        }
        arrivals::look_again(state, instance, effects);
    }
}
