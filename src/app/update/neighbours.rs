//! Other instances as vantages: who could look, and what they saw.
//!
//! Must not live here: consent (`overlay::neighbours`), asking them (`runtime::neighbours`).

use super::arrivals;
use crate::app::effect::{Effect, Neighbours, Observe};
use crate::app::notices::Severity;
use crate::app::overlay::{NeighbourConsent, Overlay};
use crate::app::state::State;
use crate::domain::evidence::Reading;

/// Begins to find out who could look at the selected instance.
pub fn choose(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(instance) = state.fleet.selected_id().map(str::to_owned) {
        let told = state.texts.ui.neighbours_choosing.clone();
        state.tell(Severity::Info, told);
        effects.push(Effect::Observe(Observe::Neighbours(Neighbours::Choose {
            instance,
        })));
    }
}

/// Asks for consent, if the operator still looks at that instance and at nothing else.
pub fn chosen(state: &mut State, consent: NeighbourConsent) -> bool {
    let here = state.fleet.selected_id() == Some(consent.instance.as_str());
    let asks = here && state.overlays.is_empty();
    if asks {
        state.overlays.push(Overlay::Neighbours(consent));
    }
    asks
}

/// Takes what they saw; true if it is of the selected instance.
pub fn saw(state: &mut State, instance: &str, readings: Vec<Reading>) -> bool {
    let Some(case) = state.cases.get_mut(instance) else {
        return false;
    };
    for reading in readings {
        case.merge(reading);
    }
    arrivals::weigh(state, instance);
    state.fleet.selected_id() == Some(instance)
}
