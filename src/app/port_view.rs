//! The port verification in the console: when it is run, and what the last one found.
//!
//! Must not live here: reading, judging and trying (`runtime::ports`).

use super::case::RunId;
use super::effect::{Effect, Observe};
use super::overlay::{Overlay, Ports};
use super::state::State;
use crate::domain::port_report::PortReport;
use crate::domain::said::Said;

/// The last verification of an instance.
#[derive(Debug, Clone, Default)]
pub struct PortView {
    /// The one under way.
    pub run: Option<RunId>,
    pub report: Option<PortReport>,
    /// Why the last one came to nothing.
    pub error: Option<Said>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Verified {
    pub run: RunId,
    pub instance: String,
    pub result: Result<PortReport, Said>,
}

/// Opens the list and reads it anew: rules are what somebody may just have changed.
pub fn open(state: &mut State, effects: &mut Vec<Effect>) {
    state.overlays.push(Overlay::Ports(Ports::default()));
    let Some(instance) = state.fleet.selected_id().map(str::to_owned) else {
        return;
    };
    state.fleet.hold_selection();
    let run = state.new_run();
    let case = state.cases.entry(instance.clone()).or_default();
    if case.ports.run.is_some() {
        return;
    }
    case.ports.run = Some(run);
    effects.push(Effect::Observe(Observe::Ports {
        run,
        instance,
        user_source: state.user_source,
    }));
}

/// Takes what came of a run; false where nobody waits for it any more.
pub fn verified(state: &mut State, verified: Verified) -> bool {
    let Some(case) = state.cases.get_mut(&verified.instance) else {
        return false;
    };
    if case.ports.run != Some(verified.run) {
        return false;
    }
    case.ports.run = None;
    match verified.result {
        Ok(report) => {
            case.ports.report = Some(report);
            case.ports.error = None;
        }
        Err(why) => case.ports.error = Some(why),
    }
    true
}
