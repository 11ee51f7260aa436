//! What comes from the failing user's side: the script for that machine, and what is pasted of it.
//!
//! Must not live here: recognising it (`client_text`, `kit`).

use super::{arrivals, commands};
use crate::app::command::{Command, Why};
use crate::app::effect::Effect;
use crate::app::locale::fill;
use crate::app::notices::Severity;
use crate::app::overlay::{Overlay, Reading as ReadingOverlay};
use crate::app::reading::{LineLook, TextLine};
use crate::app::state::State;
use crate::client_text;
use crate::domain::evidence::Reading;
use crate::domain::report::InstanceSummary;
use crate::domain::said::Said;
use crate::kit::{self, Shell};

/// Shows the script for the failing user's machine, to be copied as it stands.
pub fn open_kit(state: &mut State) {
    let texts = state.texts;
    let Some(instance) = state.selected_instance().map(InstanceSummary::of) else {
        return;
    };
    let say = |sentence: &Said| texts.said(sentence);
    let Some(script) = kit::script(&instance, Shell::usual(instance.os), &say) else {
        state.tell(Severity::Warning, texts.why(Why::NoAddress).to_owned());
        return;
    };
    let mut shown = ReadingOverlay::new(texts.titled(Command::Kit), "");
    let line = |line: &str| TextLine::new(LineLook::Code, 0, line);
    shown.body = script.lines().map(line).collect();
    state.overlays.push(Overlay::Reader(shown));
}

/// Takes the pasted text as evidence, at once and for every later triage.
pub fn take(state: &mut State, text: &str, effects: &mut Vec<Effect>) {
    let now = state.now;
    let Some(instance) = state.selected_instance().map(InstanceSummary::of) else {
        return;
    };
    let readings: Vec<Reading> = client_text::evidence(text, &instance)
        .into_iter()
        .map(|reading| reading.at(now, 0))
        .collect();
    let is_known = |r: &&Reading| {
        let state = r.observed_state();
        state.is_some_and(|state| state != client_text::UNRECOGNISED)
    };
    let known = readings.iter().filter(is_known).count();
    let told = fill(&state.texts.ui.paste_taken, &[("n", &known.to_string())]);
    // The rules are judged for where the user comes from, once that is known.
    let source = kit::read(text, &instance).and_then(|told| told.source);
    let source = source.filter(|_| state.user_source.is_none());
    let Some(case) = state.selected_case_mut() else {
        return;
    };
    case.replace_pasted(text, readings);
    let fresh = case.report.is_none() && case.run.is_none();
    state.tell(Severity::Info, told);
    if let Some(source) = source {
        state.user_source = Some(source);
        let address = source.to_string();
        let told = fill(&state.texts.ui.user_source_set, &[("address", &address)]);
        state.tell(Severity::Good, told);
    }
    if !fresh {
        arrivals::weigh_selected(state);
    }
    if fresh || source.is_some() {
        commands::triage(state, false, effects);
    }
}
