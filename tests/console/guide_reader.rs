//! Guides in the console: read, searched, walked step by step, carried out and ticked off; and
//! the ticket bundle asked for from it.

use crate::support::console;
use crate::support::terminal;
use console::{at, diagnosed, press, send};
use cvmtop::action::context::PlanContext;
use cvmtop::action::parameters::Parameters;
use cvmtop::action::plan::Confirmation;
use cvmtop::action::planner::plan;
use cvmtop::app::case::RunId;
use cvmtop::app::effect::{Act, Console, Effect, Record};
use cvmtop::app::jobs::Executed;
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Acted, Message, Recorded, TicketMade};
use cvmtop::app::overlay::{Overlay, Reading};
use cvmtop::app::state::State;
use cvmtop::domain::action::ActionId;
use cvmtop::domain::guide_step::TickedStep;
use cvmtop::domain::outcome::Outcome;
use cvmtop::domain::said::Said;
use serde_json::json;
use terminal::Terminal;

const SIZE: (u16, u16) = (120, 40);

/// A console that reads the guide on security groups for an instance that is blocked by one.
fn reading() -> State {
    let mut state = diagnosed(Lang::En, SIZE);
    press(&mut state, "g");
    assert_eq!(guide(&state).0, "security-group");
    state
}

fn text(state: &State) -> &Reading {
    match state.overlays.last() {
        Some(Overlay::Reader(reading)) => reading,
        other => panic!("a text is read, not {other:?}"),
    }
}

/// Slug and number of the step at hand.
fn guide(state: &State) -> (String, usize) {
    let guide = text(state).guide.as_ref().expect("a guide");
    let step = guide.step().expect("a step");
    (guide.slug.clone(), step.number)
}

fn copied(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Console(Console::Copy { text }) => Some(text.as_str()),
        _ => None,
    })
}

fn ticks(effects: &[Effect]) -> Vec<(usize, bool)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Record(Record::TickStep { step, ticked, .. }) => Some((*step, *ticked)),
            _ => None,
        })
        .collect()
}

#[test]
fn the_guide_tells_why_it_is_here_and_names_the_instance() {
    let state = reading();
    let text = text(&state).plain();
    assert!(
        text.contains("Why this guide: Security group blocks the login port ("),
        "{text}"
    );
    assert!(
        text.contains("cvmtop diagnose ins-shop --user-source 198.51.100.4"),
        "{text}"
    );
    assert!(text.contains("no rule lets it in"), "{text}");
    assert!(text.contains("Reviewed on 20"), "{text}");
    assert!(!text.contains("{{") && !text.contains("<rule>"), "{text}");
}

#[test]
fn a_masked_screen_names_nobody_in_a_guide() {
    let mut state = diagnosed(Lang::En, SIZE);
    state.looks.privacy = true;
    press(&mut state, "g");
    let text = text(&state).plain();
    assert!(
        !text.contains("198.51.100.4") && !text.contains("ins-shop"),
        "{text}"
    );
}

#[test]
fn steps_are_walked_and_their_commands_copied() {
    let mut state = reading();
    assert_eq!(guide(&state).1, 1);
    let effects = press(&mut state, "y");
    assert_eq!(
        copied(&effects),
        Some("cvmtop diagnose ins-shop --user-source 198.51.100.4")
    );
    press(&mut state, "tab tab");
    assert_eq!(guide(&state).1, 3);
    press(&mut state, "shift-tab");
    assert_eq!(guide(&state).1, 2);
    press(&mut state, "/ 1 0 2 4 enter");
    assert!(
        text(&state).body[text(&state).offset]
            .plain()
            .contains("1024")
    );
    press(&mut state, "esc");
    assert!(state.overlays.is_empty());
}

#[test]
fn the_action_of_a_step_goes_through_preview_and_gate_and_ticks_the_step() {
    let mut state = reading();
    let effects = press(&mut state, "tab enter");
    let [
        Effect::Act(Act::Prepare {
            run,
            action,
            parameters,
            ..
        }),
    ] = effects.as_slice()
    else {
        panic!("one preview is prepared: {effects:?}");
    };
    let run = *run;
    assert_eq!(*action, ActionId::OpenPort);
    assert_eq!(
        json!(parameters),
        json!({"port": "22", "source": "198.51.100.4"})
    );
    let context = PlanContext {
        entry: "e1".into(),
        instance: console::instance("ins-shop", "shop-api-01", 7),
        ..PlanContext::default()
    };
    let mut plan = plan(ActionId::Restart, &Parameters::none(), &context).unwrap();
    plan.confirmation = Confirmation::Key;
    let result = Ok(Box::new(plan));
    send(&mut state, Message::Acted(Acted::Planned { run, result }));
    assert!(matches!(state.overlays.last(), Some(Overlay::Preview(_))));
    // Nothing leaves before the answer.
    assert!(press(&mut state, "enter space tab").is_empty());
    let effects = press(&mut state, "Y");
    assert!(matches!(
        effects.as_slice(),
        [Effect::Act(Act::Execute { .. })]
    ));
    let ended = |ending| Executed {
        contested: false,
        ending,
        detail: Said::raw("the rules are in force"),
        soft_restart_failed: false,
        replanned: None,
        undo_entry: None,
        handed: Vec::new(),
        output: Vec::new(),
    };
    let result = Ok(Box::new(ended(Outcome::Restored)));
    let effects = send(&mut state, Message::Acted(Acted::Executed { run, result }));
    assert_eq!(ticks(&effects), [(2, true)]);
    assert!(state.cases["ins-shop"].is_ticked("security-group", 2));
    assert_eq!(state.selected_report().unwrap().guide_steps[0].step, 2);
}

#[test]
fn an_action_that_failed_ticks_nothing() {
    let mut state = reading();
    let effects = press(&mut state, "tab enter");
    let [Effect::Act(Act::Prepare { run, .. })] = effects.as_slice() else {
        panic!("one preview is prepared: {effects:?}");
    };
    let run = *run;
    let result = Err(Said::raw("the cloud refused"));
    let effects = send(&mut state, Message::Acted(Acted::Executed { run, result }));
    assert_eq!(ticks(&effects), []);
}

#[test]
fn a_read_only_console_previews_a_step_and_sends_nothing() {
    let mut state = diagnosed(Lang::En, SIZE);
    state.read_only = true;
    press(&mut state, "g");
    let effects = press(&mut state, "tab enter");
    let [Effect::Act(Act::Prepare { run, .. })] = effects.as_slice() else {
        panic!("one preview is prepared: {effects:?}");
    };
    let run = *run;
    let context = PlanContext {
        entry: "e1".into(),
        instance: console::instance("ins-shop", "shop-api-01", 7),
        ..PlanContext::default()
    };
    let mut plan = plan(ActionId::Restart, &Parameters::none(), &context).unwrap();
    plan.confirmation = Confirmation::Key;
    let result = Ok(Box::new(plan));
    send(&mut state, Message::Acted(Acted::Planned { run, result }));
    let effects = press(&mut state, "Y");
    assert!(
        !effects
            .iter()
            .any(|e| matches!(e, Effect::Act(Act::Execute { .. })))
    );
}

#[test]
fn steps_are_ticked_off_and_open_again() {
    let mut state = reading();
    assert_eq!(ticks(&press(&mut state, "space")), [(1, true)]);
    // The next one is at hand.
    assert_eq!(guide(&state).1, 2);
    assert_eq!(ticks(&press(&mut state, "shift-tab space")), [(1, false)]);
    assert!(state.selected_report().unwrap().guide_steps.is_empty());
    // What another operator did on the same host arrives with the next look.
    let steps = vec![TickedStep {
        guide: "security-group".into(),
        step: 3,
        at: at(2),
        by: "kim@jump-1".into(),
    }];
    let instance = "ins-shop".to_owned();
    send(
        &mut state,
        Message::Recorded(Recorded::StepsTicked { instance, steps }),
    );
    assert!(state.cases["ins-shop"].is_ticked("security-group", 3));
    assert_eq!(
        state.selected_report().unwrap().guide_steps[0].by,
        "kim@jump-1"
    );
}

#[test]
fn the_next_guide_is_one_key_away() {
    let mut state = reading();
    press(&mut state, "g");
    assert_ne!(guide(&state).0, "security-group");
    assert_eq!(state.overlays.len(), 1);
}

/// The first guide to open where nothing is known: its steps say what the diagnosis has done.
#[test]
fn the_guide_on_where_to_start_is_filled_in() {
    let mut state = diagnosed(Lang::Ko, SIZE);
    let at = state.selected_report().unwrap().guides.iter();
    let turns = at
        .take_while(|found| found.slug != "login-failure-overview")
        .count();
    press(&mut state, &"g ".repeat(turns + 1));
    assert_eq!(guide(&state).0, "login-failure-overview");
    let text = text(&state).plain();
    assert!(text.contains("진단에서 완료: Linux, 포트 22"), "{text}");
    assert!(
        text.contains("진단에서 완료: 보안 그룹이 로그인 포트를 막음"),
        "{text}"
    );
    assert!(text.contains("필요 없음: "), "{text}");
}

#[test]
fn a_ticket_is_asked_for_written_and_its_form_text_copied() {
    let mut state = diagnosed(Lang::En, SIZE);
    state.ticket_folder = "/state/tickets".into();
    assert!(press(&mut state, "t tab").is_empty());
    let effects = press(&mut state, "x enter");
    let [
        Effect::Record(Record::WriteTicket {
            run,
            report,
            folder,
            mask,
            archive,
            ..
        }),
    ] = effects.as_slice()
    else {
        panic!("a bundle is written: {effects:?}");
    };
    let run: RunId = *run;
    assert_eq!(
        (folder.as_str(), *mask, *archive),
        ("/state/ticketsx", true, false)
    );
    assert_eq!(report.instance.id, "ins-shop");
    let made = TicketMade {
        path: "/state/ticketsx/cvmtop-ticket-masked-1".into(),
        files: vec!["report.md".into()],
        form: "Login fails.".into(),
    };
    let effects = send(
        &mut state,
        Message::Recorded(Recorded::TicketWritten {
            run,
            result: Ok(made),
        }),
    );
    assert_eq!(copied(&effects), Some("Login fails."));
    let shown = text(&state).plain();
    assert!(
        shown.contains("cvmtop-ticket-masked-1") && shown.contains("Login fails."),
        "{shown}"
    );
}

#[test]
fn a_masked_screen_asks_for_a_masked_ticket_and_a_failure_is_told() {
    let mut state = diagnosed(Lang::En, SIZE);
    state.ticket_folder = "/nowhere".into();
    state.looks.privacy = true;
    let effects = press(&mut state, "t enter");
    let [Effect::Record(Record::WriteTicket { run, mask, .. })] = effects.as_slice() else {
        panic!("a bundle is written: {effects:?}");
    };
    assert!(*mask);
    let run = *run;
    let result = Err(Said::raw("cannot write"));
    send(
        &mut state,
        Message::Recorded(Recorded::TicketWritten { run, result }),
    );
    assert!(state.overlays.is_empty());
    assert_eq!(state.notices.shown().unwrap().text, "cannot write");
}

/// The real program twice on one state directory: a tick and a bundle outlive it.
#[cfg(target_os = "linux")]
#[test]
fn a_tick_outlives_the_program_and_lands_in_the_bundle() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("state");
    let variables = [("CVMTOP_STATE_DIR", folder.to_str().unwrap())];
    let begin = || {
        let mut console = Terminal::start(&["--demo"], 120, 40, &variables);
        console.wait_for("shop-api");
        console.keys("/shop-api\r");
        console.wait_for("shop-api");
        console.keys("\r");
        console.wait_for("Security group blocks");
        console.wait("no run is left", |text| !text.contains("Looking:"));
        console.keys("g");
        console.wait_for("Why this guide");
        console
    };
    let mut first = begin();
    first.keys(" ");
    first.wait_for("1 of 7 done");
    first.keys("q");
    first.wait("the reader is closed", |text| {
        !text.contains("Why this guide")
    });
    first.keys("q");
    first.wait_exit();
    let mut second = begin();
    second.wait_for("1 of 7 done");
    second.keys("q");
    second.wait("the reader is closed", |text| {
        !text.contains("Why this guide")
    });
    second.keys("t\r");
    second.wait_for("The ticket bundle is written");
    second.keys("qq");
    second.wait_exit();
    let bundles: Vec<_> = std::fs::read_dir(folder.join("demo/tickets"))
        .unwrap()
        .collect();
    let bundle = bundles.into_iter().next().unwrap().unwrap().path();
    let report = std::fs::read_to_string(bundle.join("report.md")).unwrap();
    assert!(report.contains("* security-group step 1: "), "{report}");
    let case = std::fs::read_to_string(bundle.join("diagnosis.json")).unwrap();
    let case: serde_json::Value = serde_json::from_str(&case).unwrap();
    assert_eq!(case["guide_steps"][0]["guide"], "security-group");
}
