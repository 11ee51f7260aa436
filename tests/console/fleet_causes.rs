//! The causes of the whole fleet: who is weighed unasked, when, and what the view says of it.

use crate::support::console;
use crate::support::terminal::Terminal;
use console::{at, fresh, list, press, send};
use cvmtop::app::case::RunId;
use cvmtop::app::effect::{Effect, Observe};
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Found, Message};
use cvmtop::app::state::State;

/// A console that looks by itself, its logins known.
fn weighing() -> State {
    let mut state = fresh(Lang::En, (120, 40));
    state.rhythm.on = true;
    state.weighing.on = true;
    state.rhythm.every.list = 3_600;
    state.rhythm.every.sweep = 3_600;
    list(&mut state);
    state
}

fn tick(state: &mut State, second: i64) -> Vec<Effect> {
    send(state, Message::Tick(at(second)))
}

/// The wave that begins: runs and instances.
fn wave(effects: &[Effect]) -> Vec<(RunId, String)> {
    let mut waves = effects.iter().filter_map(|effect| match effect {
        Effect::Observe(Observe::Weigh(wave)) => Some(wave),
        _ => None,
    });
    let found = waves.next().map_or(Vec::new(), |wave| {
        assert!(wave.iter().all(|triage| !triage.deep), "nobody consented");
        let one = wave.iter().map(|t| (t.run, t.instance.clone()));
        one.collect()
    });
    assert!(waves.next().is_none(), "one wave at a time");
    found
}

fn ids(wave: &[(RunId, String)]) -> Vec<&str> {
    wave.iter().map(|(_, id)| id.as_str()).collect()
}

#[test]
fn what_fails_is_weighed_once_and_what_works_is_left_alone() {
    let mut state = weighing();
    let first = wave(&tick(&mut state, 1));
    // The selected one, then as listed; what works, and what is switched off, is no question.
    assert_eq!(ids(&first), ["ins-shop", "ins-win", "ins-db"]);
    assert!(!state.busy(), "nobody asked for it, so nobody waits for it");
    assert!(wave(&tick(&mut state, 2)).is_empty(), "it is under way");
    for (run, id) in &first {
        console::end_triage_of(&mut state, *run, id);
    }
    assert!(wave(&tick(&mut state, 3)).is_empty(), "nothing is left");
    state.weighing.touch();
    assert!(wave(&tick(&mut state, 600)).is_empty(), "it is still fresh");
    state.weighing.touch();
    let again = wave(&tick(&mut state, 1_000));
    assert_eq!(ids(&again).len(), 3);
}

/// Of a fleet, only what is on the screen keeps the terms of every cause; what comes onto it has them.
#[test]
fn what_is_not_looked_at_keeps_no_terms_of_unlikely_causes() {
    let mut state = weighing();
    let first = wave(&tick(&mut state, 1));
    for (run, id) in &first {
        for reading in console::blocked_readings() {
            let found = Found::Read {
                run: *run,
                instance: id.clone(),
                reading: Box::new(reading),
            };
            send(&mut state, Message::Found(found));
        }
        console::end_triage_of(&mut state, *run, id);
    }
    let terms = |state: &State, id: &str| {
        let report = state.cases[id].report.as_ref().expect("weighed");
        let unlikely = report
            .causes
            .iter()
            .filter(|cause| cause.probability < 0.05);
        let bare = unlikely
            .clone()
            .filter(|cause| cause.contributions.is_empty());
        (bare.count(), unlikely.count(), report.evidence.len())
    };
    let whole = |state: &State, id: &str| {
        let (bare, _, evidence) = terms(state, id);
        bare == 0 && evidence > 1
    };
    let selected = state.fleet.selected_id().expect("one").to_owned();
    assert!(whole(&state, &selected));
    let others = first.iter().map(|(_, id)| id).filter(|id| **id != selected);
    for other in others {
        let (bare, unlikely, evidence) = terms(&state, other);
        assert!(
            bare == unlikely && bare > 40,
            "{other}: {bare} of {unlikely}"
        );
        assert!(evidence <= 1, "{other}: {evidence}");
        let lead = &state.cases[other].report.as_ref().unwrap().causes[0];
        assert!(!lead.contributions.is_empty(), "{other} says why");
        while state.fleet.selected_id() != Some(other) {
            press(&mut state, "j");
        }
        assert!(whole(&state, other), "{other} is looked at");
        assert!(!whole(&state, &selected), "{selected} is not");
        while state.fleet.selected_id() != Some(&selected) {
            press(&mut state, "k");
        }
    }
}

#[test]
fn nothing_is_weighed_unasked_where_it_is_not_wanted() {
    let mut off = weighing();
    off.weighing.on = false;
    assert!(wave(&tick(&mut off, 1)).is_empty());
    let mut quiet = weighing();
    quiet.rhythm.on = false;
    assert!(wave(&tick(&mut quiet, 1)).is_empty());
    let mut paused = weighing();
    press(&mut paused, "p");
    assert!(wave(&tick(&mut paused, 1)).is_empty());
    press(&mut paused, "p");
    assert_eq!(wave(&tick(&mut paused, 2)).len(), 3);
}

#[test]
fn whoever_opens_an_instance_meanwhile_gets_a_look_of_its_own() {
    let mut state = weighing();
    let first = wave(&tick(&mut state, 1));
    let effects = press(&mut state, "enter");
    let own = effects.iter().find_map(|effect| match effect {
        Effect::Observe(Observe::Triage(triage)) => Some(triage.run),
        _ => None,
    });
    let own = own.expect("a diagnosis");
    let (old, id) = &first[0];
    assert!(state.busy());
    // The late end of the unasked one ends nothing.
    console::end_triage_of(&mut state, *old, id);
    assert_eq!(state.cases["ins-shop"].run, Some(own));
    // Nor is the next wave held up by it.
    for (run, id) in &first[1..] {
        console::end_triage_of(&mut state, *run, id);
    }
    console::end_triage_of(&mut state, own, id);
    assert!(!state.busy());
}

/// The real program on its demo: three instances that lost a rule are one incident, and one rule
/// lets people in to all of them again.
#[test]
fn an_incident_names_who_changed_what_and_is_mended_as_one() {
    let on = [("CVMTOP_PROBE_WEIGH", "true")];
    let mut terminal = Terminal::start(&["--demo"], 160, 60, &on);
    terminal.wait_for("Why login fails");
    terminal.keys("W");
    let screen = terminal.wait("the weighed fleet", |screen| {
        screen.contains("3 instances share the security group ")
            && !screen.contains("not weighed yet")
    });
    let rows: Vec<&str> = screen
        .lines()
        .skip_while(|line| !line.contains("Weighed: "))
        .skip(1)
        .collect();
    let row = rows
        .iter()
        .position(|row| row.contains("3 instances share"));
    let row = row.expect("it was there");
    terminal.keys(&"j".repeat(row));
    let told = terminal.wait_for("Open the login port for one source: on offer for 3 of 3");
    assert!(
        told.contains("DeleteSecurityGroupPolicies by deploy-bot"),
        "{told}"
    );
    // Enter lists them, marked.
    terminal.keys("\r");
    let listed = terminal.wait("the cause's instances", |screen| {
        screen.contains("cause:security-group-blocks-port") && screen.contains("store-03")
    });
    let marked = listed.lines().filter(|line| line.contains("store-0"));
    assert!(marked.clone().count() >= 3, "{listed}");
    // And `b` mends them: one rule in the group they share.
    terminal.keys("W");
    terminal.wait_for("Causes of the fleet");
    terminal.keys(&"j".repeat(row));
    terminal.wait_for("on offer for 3 of 3");
    terminal.keys("b");
    terminal.wait_for("Where does the failing user come from?");
    terminal.keys("here\r");
    let preview = terminal.wait_for("on 1 of 3 instances");
    assert!(preview.contains("Y run"), "{preview}");
    terminal.keys("Y");
    terminal.wait_for("1 of 1 carried out");
    // Those that the same rule lets people in to are looked at again, too.
    terminal.keys("/\u{15}store-02\r");
    terminal.wait_for("││store-02 ");
    terminal.wait_for("The login path is healthy.");
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
}

/// The real program on its demo: the view counts what the list then shows.
#[test]
fn a_cause_of_the_fleet_filters_the_list_to_its_instances() {
    let on = [("CVMTOP_PROBE_WEIGH", "true")];
    let mut terminal = Terminal::start(&["--demo"], 160, 50, &on);
    terminal.wait_for("Why login fails");
    terminal.keys("W");
    let screen = terminal.wait("the weighed fleet", |screen| {
        screen.contains("Causes of the fleet")
            && screen.contains(" %  Security group blocks the login port")
            && !screen.contains("not weighed yet")
    });
    let mut lines = screen.lines();
    let first = lines
        .by_ref()
        .skip_while(|line| !line.contains("Weighed: "))
        .find(|line| line.contains(" %  "));
    let first = first.expect("a cause");
    let (before, _) = first.split_once('█').expect("a bar");
    let count = before.split_whitespace().last().expect("a count");
    let count: usize = count.parse().expect("a number");
    assert!(count >= 2, "{first}");
    terminal.keys("\r");
    let title = format!("Instances {count}/");
    terminal.wait("as many rows as were counted", |screen| {
        screen.contains("cause:") && screen.contains(&title)
    });
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
}
