//! What keeps people out of the fleet: the causes of all instances that were weighed, and beneath
//! each cause the instances that fail together.
//!
//! Must not live here: counting (`app::weighing`), planning a repair (`update::batch`).

use super::{Answer, LIST_PAGE, walked};
use crate::app::batch::{Choice, repair_of, reports};
use crate::app::effect::Effect;
use crate::app::keys::Causes;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::state::{Pane, State};
use crate::app::update::batch;
use crate::diagnosis::fleet::{CauseShare, FleetCauses as Fleet};
use crate::diagnosis::incident::Incident;
use crate::input::chord::Chord;

/// The list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FleetCauses {
    pub selected: usize,
}

/// A row of the list.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub cause: &'a CauseShare,
    /// Set for a row beneath the cause's own.
    pub incident: Option<&'a Incident>,
}

impl Entry<'_> {
    /// Ids of the instances that it is about.
    pub fn instances(&self) -> &[String] {
        self.incident
            .map_or(&self.cause.instances, |incident| &incident.instances)
    }

    /// What mends all of them, where something that can be carried out is offered.
    pub fn repair(&self, state: &State) -> Option<Choice> {
        repair_of(reports(state, self.instances()))
    }
}

/// The rows: each cause, and beneath it its incidents.
pub fn entries(fleet: &Fleet) -> Vec<Entry<'_>> {
    let of = fleet.causes.iter().flat_map(|cause| {
        let entry = |incident| Entry { cause, incident };
        let incidents = cause.incidents.iter().map(Some);
        std::iter::once(None).chain(incidents).map(entry)
    });
    of.collect()
}

impl FleetCauses {
    /// Applies a chord; the cause that is picked filters the list, an incident is marked in it.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<Causes>(chord)?;
        let rows = entries(&state.fleet_causes);
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, rows.len());
        let Some(&entry) = rows.get(self.selected) else {
            let closes = matches!(command, Causes::Close | Causes::Accept);
            return Some(if closes { Answer::Close } else { Answer::Stay });
        };
        Some(match command {
            Causes::Up | Causes::Down | Causes::PageUp | Causes::PageDown => Answer::Stay,
            Causes::Close => Answer::Close,
            Causes::Accept => {
                let filter = format!("cause:{}", entry.cause.id);
                let marked = entry.incident.map(|incident| incident.instances.clone());
                state.fleet.set_filter(&filter);
                if let Some(marked) = marked {
                    state.fleet.marks = marked.into_iter().collect();
                }
                state.focus = Pane::Instances;
                Answer::Close
            }
            Causes::Repair => {
                let instances = entry.instances().to_vec();
                let Some(choice) = entry.repair(state) else {
                    let title = state.texts.cause(&entry.cause.id, &entry.cause.title);
                    let told = fill(&state.texts.ui.fleet_no_repair, &[("cause", title)]);
                    state.tell(Severity::Warning, told);
                    return Some(Answer::Stay);
                };
                batch::prepare(state, choice, instances, effects);
                Answer::Close
            }
        })
    }
}
