//! Others that look, in the console, instances or nodes of the provider: chosen, named, agreed to, and a
//! row of the matrix each.

use crate::support::console;
use console::{diagnosed, neighbour_consent, press, provider_consent, send};
use cvmtop::app::effect::{Effect, Look, LookFrom, Lookers, Observe};
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Found, Message};
use cvmtop::app::overlay::Overlay;
use cvmtop::app::state::State;
use cvmtop::domain::evidence::state::reach;
use cvmtop::domain::evidence::{Path, Reading, Source};
use cvmtop::domain::said::Said;

const SIZE: (u16, u16) = (120, 40);

fn asked(effects: &[Effect]) -> bool {
    let ask = |it: &Effect| matches!(it, Effect::Observe(Observe::Look(Look::Ask { .. })));
    effects.iter().any(ask)
}

/// A console that asks whether a neighbour may look.
fn asking() -> State {
    let mut state = diagnosed(Lang::En, SIZE);
    let effects = press(&mut state, "@");
    let choose = |it: &Effect| matches!(it, Effect::Observe(Observe::Look(Look::Choose { instance, .. })) if instance == "ins-shop");
    assert!(effects.iter().any(choose) && !asked(&effects));
    assert!(state.overlays.is_empty());
    let consent = neighbour_consent(&state);
    let found = Found::LookersChosen(Box::new(consent));
    assert!(!asked(&send(&mut state, Message::Found(found))));
    assert!(matches!(state.overlays.last(), Some(Overlay::Lookers(_))));
    state
}

#[test]
fn nobody_is_asked_without_a_yes() {
    let mut state = asking();
    assert!(!asked(&press(&mut state, "esc")));
    assert!(state.overlays.is_empty());
    // What was chosen for another instance, or comes while something else is open, asks nothing.
    let consent = neighbour_consent(&state);
    press(&mut state, "?");
    let found = Found::LookersChosen(Box::new(consent.clone()));
    send(&mut state, Message::Found(found));
    assert!(!matches!(state.overlays.last(), Some(Overlay::Lookers(_))));
    press(&mut state, "esc");
    assert!(state.fleet.select_target("ins-web"));
    let found = Found::LookersChosen(Box::new(consent));
    send(&mut state, Message::Found(found));
    assert!(state.overlays.is_empty());
    state.read_only = true;
    assert!(press(&mut state, "@").is_empty());
}

#[test]
fn what_a_neighbour_saw_is_a_row_and_counts_as_a_vantage() {
    let mut state = asking();
    press(&mut state, "s");
    let Some(Overlay::Reader(shown)) = state.overlays.last() else {
        panic!("the script is not shown");
    };
    assert!(shown.plain().contains("cvmtop-kit 1;"));
    press(&mut state, "esc");
    assert!(asked(&press(&mut state, "Y")));
    let now = state.now;
    let seen = Reading::observed(reach::ALL_SILENT, Source::Probe, Said::raw("near-01"));
    let saw = Found::LookersSaw {
        instance: "ins-shop".into(),
        readings: vec![seen.on_path(Path::Subnet).at(now, 10)],
    };
    send(&mut state, Message::Found(saw));
    let case = state.selected_case().expect("a case");
    let reading = case.reading("reach", Some(Path::Subnet)).expect("kept");
    assert_eq!(reading.observed_state(), Some("all-silent"));
    let report = case.report.as_ref().expect("a report");
    let vantages = cvmtop::diagnosis::display::vantages(report).expect("more than this host");
    assert!(vantages.contains("an instance of its subnet"), "{vantages}");
}

#[test]
fn nodes_of_the_provider_are_asked_after_a_yes_and_shut_by_read_only() {
    let mut state = diagnosed(Lang::En, SIZE);
    let effects = press(&mut state, "&");
    let choose = |it: &Effect| {
        matches!(
            it,
            Effect::Observe(Observe::Look(Look::Choose { instance, from: LookFrom::Providers }))
                if instance == "ins-shop"
        )
    };
    assert!(effects.iter().any(choose) && !asked(&effects));
    let consent = provider_consent(&state);
    let found = Found::LookersChosen(Box::new(consent));
    assert!(!asked(&send(&mut state, Message::Found(found))));
    let effects = press(&mut state, "Y");
    let codes = |it: &Effect| {
        matches!(
            it,
            Effect::Observe(Observe::Look(Look::Ask { chosen: Lookers::Providers(codes), .. }))
                if codes == &["10103", "10215"]
        )
    };
    assert!(effects.iter().any(codes));
    let seen = Reading::observed(reach::OPEN, Source::Probe, Said::raw("1 of 2"));
    let saw = Found::LookersSaw {
        instance: "ins-shop".into(),
        readings: vec![seen.on_path(Path::Provider).at(state.now, 10)],
    };
    send(&mut state, Message::Found(saw));
    let report = state.selected_case().and_then(|case| case.report.as_ref());
    let vantages = cvmtop::diagnosis::display::vantages(report.expect("a report"));
    assert!(vantages.is_some());
    // What only looks inside a guest may be allowed under read-only; what creates something never is.
    state.read_only = true;
    state.read_only_deep = true;
    assert!(press(&mut state, "&").is_empty());
}
