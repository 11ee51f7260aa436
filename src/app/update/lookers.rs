//! Others as vantages, instances or nodes of the provider: who could look, and what they saw.
//!
//! Must not live here: consent (`overlay::lookers`), asking them (`runtime::neighbours`, `runtime::providers`).

use super::arrivals;
use crate::app::effect::{Effect, Look, LookFrom, Observe};
use crate::app::notices::Severity;
use crate::app::overlay::{LookConsent, Overlay};
use crate::app::state::State;
use crate::domain::evidence::Reading;

/// Begins to find out who could look at the selected instance.
pub fn choose(state: &mut State, from: LookFrom, effects: &mut Vec<Effect>) {
    if let Some(instance) = state.fleet.selected_id().map(str::to_owned) {
        let ui = &state.texts.ui;
        let told = match from {
            LookFrom::Neighbours => ui.neighbours_choosing.clone(),
            LookFrom::Providers => ui.providers_choosing.clone(),
        };
        state.tell(Severity::Info, told);
        effects.push(Effect::Observe(Observe::Look(Look::Choose {
            instance,
            from,
        })));
    }
}

/// Asks for consent, if the operator still looks at that instance and at nothing else.
pub fn chosen(state: &mut State, consent: LookConsent) -> bool {
    let here = state.fleet.selected_id() == Some(consent.instance.as_str());
    let asks = here && state.overlays.is_empty();
    if asks {
        state.overlays.push(Overlay::Lookers(consent));
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
