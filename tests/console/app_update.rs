//! Message in, state and effects out: the rules of the console without a terminal.

use crate::support::console;
use console::{at, diagnosed, instance, listed, press, send, triage_run};
use cvmtop::action::batch::Batch;
use cvmtop::action::context::PlanContext;
use cvmtop::action::parameters::Parameters;
use cvmtop::action::plan::Plan;
use cvmtop::action::planner::plan;
use cvmtop::app::effect::{Act, Console, Effect, Memory, Observe};
use cvmtop::app::health::Login;
use cvmtop::app::jobs::Executed;
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Acted, Found, Listing, Look, Message, Recalled};
use cvmtop::app::missing::Missing;
use cvmtop::app::overlay::{LoginConsent, Overlay, PickCause, UserSource};
use cvmtop::app::rhythm::Intervals;
use cvmtop::app::state::{Pane, State};
use cvmtop::app::update::{next_wake, update};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::evidence::table::LoginWord;
use cvmtop::domain::evidence::{self, Path, Reading, Source};
use cvmtop::domain::history::Onset;
use cvmtop::domain::instance::Os;
use cvmtop::domain::outcome::Outcome;
use cvmtop::domain::said::Said;

const SIZE: (u16, u16) = (120, 40);

fn restart_plan() -> Plan {
    let context = PlanContext {
        entry: "e1".into(),
        instance: instance("ins-shop", "shop-api-01", 7),
        ..PlanContext::default()
    };
    plan(ActionId::Restart, &Parameters::none(), &context).expect("a plan")
}

fn open_port_plan() -> Plan {
    let mut plan = restart_plan();
    plan.confirmation = cvmtop::action::plan::Confirmation::Key;
    plan
}

/// Puts a preview on the screen as a prepared action would.
fn previewed(state: &mut State, plan: Plan) -> cvmtop::app::case::RunId {
    let effects = press(state, "1");
    let run = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Act(Act::Prepare { run, .. }) => Some(*run),
            _ => None,
        })
        .expect("a preview is prepared");
    send(
        state,
        Message::Acted(Acted::Planned {
            run,
            result: Ok(Box::new(plan)),
        }),
    );
    run
}

fn executes(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|e| matches!(e, Effect::Act(Act::Execute { .. })))
}

#[test]
fn a_diagnosis_leads_to_a_cause_and_an_action() {
    let state = diagnosed(Lang::En, SIZE);
    let report = state.selected_report().expect("a report");
    assert_eq!(report.causes[0].id, "security-group-blocks-port");
    assert!(report.causes[0].probability > 0.8);
    assert_eq!(report.actions[0].id, "open-port");
    assert!(!report.guides.is_empty());
    let row = state.selected_row().expect("a row");
    assert_eq!(row.cause.as_deref(), Some("security-group-blocks-port"));
}

#[test]
fn answers_of_an_older_listing_are_dropped() {
    let mut state = listed(Lang::En, SIZE);
    let old = state.fleet.generation;
    press(&mut state, "r");
    let event = Listing::Page(vec![instance("ins-ghost", "ghost", 99).into()]);
    send(
        &mut state,
        Message::Found(Found::Listed {
            generation: old,
            event,
        }),
    );
    assert!(state.fleet.get("ins-ghost").is_none());
}

#[test]
fn readings_of_an_older_triage_are_dropped() {
    let mut state = listed(Lang::En, SIZE);
    let old = triage_run(&press(&mut state, "enter"));
    let effects = press(&mut state, "enter");
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Cancel { run } if *run == old))
    );
    let reading = Reading::observed(
        evidence::State::new("reach", "open"),
        Source::Probe,
        Said::raw(""),
    )
    .on_path(Path::Public);
    send(
        &mut state,
        Message::Found(Found::Read {
            run: old,
            instance: "ins-shop".into(),
            reading: Box::new(reading),
        }),
    );
    assert!(state.cases["ins-shop"].readings.is_empty());
}

#[test]
fn enter_never_confirms_and_a_capital_y_does() {
    let mut state = diagnosed(Lang::En, SIZE);
    previewed(&mut state, open_port_plan());
    assert!(!executes(&press(&mut state, "enter y space d")));
    assert!(matches!(state.overlays.last(), Some(Overlay::Preview(_))));
    assert!(executes(&press(&mut state, "Y")));
    assert!(state.overlays.is_empty());
}

#[test]
fn what_can_cost_downtime_wants_the_name_typed() {
    let mut state = diagnosed(Lang::En, SIZE);
    previewed(&mut state, restart_plan());
    assert!(!executes(&press(&mut state, "Y enter")));
    assert!(matches!(
        state.overlays.last(),
        Some(Overlay::Preview(preview)) if preview.refused.is_some()
    ));
    assert!(!executes(&press(
        &mut state,
        "backspace s h o p - a p i - 0 1"
    )));
    assert!(executes(&press(&mut state, "enter")));
}

#[test]
fn a_pasted_name_does_not_confirm() {
    let mut state = diagnosed(Lang::En, SIZE);
    previewed(&mut state, restart_plan());
    send(&mut state, Message::Pasted("shop-api-01\n".into()));
    assert!(!executes(&press(&mut state, "enter")));
}

#[test]
fn pasted_text_never_acts_as_keys() {
    let mut state = diagnosed(Lang::En, SIZE);
    let effects = send(&mut state, Message::Pasted("q1Y\nYYY".into()));
    assert!(effects.is_empty() && state.overlays.is_empty());
}

#[test]
fn read_only_shows_the_preview_and_sends_nothing() {
    let mut state = diagnosed(Lang::En, SIZE);
    state.read_only = true;
    previewed(&mut state, open_port_plan());
    assert!(!executes(&press(&mut state, "Y")));
    state.read_only_locked = Some(cvmtop::domain::said::Said::raw("--read-only"));
    press(&mut state, "esc : r e a d - o n l y enter");
    assert!(state.read_only, "what was set from outside stays");
}

#[test]
fn an_action_without_the_users_address_asks_for_it() {
    let mut state = diagnosed(Lang::En, SIZE);
    press(&mut state, "f ctrl-u enter");
    let effects = press(&mut state, "1");
    assert!(effects.is_empty());
    assert!(matches!(
        state.overlays.last(),
        Some(Overlay::UserSource(UserSource { then: Some(_), .. }))
    ));
    press(&mut state, "n o enter");
    assert!(matches!(
        state.overlays.last(),
        Some(Overlay::UserSource(UserSource { error: Some(_), .. }))
    ));
    press(&mut state, "ctrl-u");
    let effects = press(&mut state, "2 0 3 . 0 . 1 1 3 . 9 enter");
    assert!(matches!(
        effects.last(),
        Some(Effect::Act(Act::Prepare { user_source: Some(address), .. })) if address.to_string() == "203.0.113.9"
    ));
}

#[test]
fn an_action_is_followed_to_its_end_and_looked_at_again() {
    let mut state = diagnosed(Lang::En, SIZE);
    let run = previewed(&mut state, open_port_plan());
    press(&mut state, "Y");
    assert!(state.busy());
    let note = "1/1 adds one rule".to_owned();
    send(
        &mut state,
        Message::Acted(Acted::Progressed {
            run,
            note: Said::raw(note),
        }),
    );
    let executed = Executed {
        contested: false,
        ending: Outcome::Restored,
        soft_restart_failed: false,
        replanned: None,
        detail: Said::raw("login answers again after 2 s"),
        undo_entry: Some("e1".into()),
        handed: Vec::new(),
        output: Vec::new(),
    };
    let effects = send(
        &mut state,
        Message::Acted(Acted::Executed {
            run,
            result: Ok(Box::new(executed)),
        }),
    );
    triage_run(&effects);
    let effects = press(&mut state, "u");
    assert!(matches!(&effects[..], [Effect::Act(Act::PrepareUndo { entry, .. })] if entry == "e1"));
}

#[test]
fn a_failed_cure_counts_in_the_next_diagnosis() {
    let mut state = diagnosed(Lang::En, SIZE);
    let before = state.selected_report().expect("a report").causes[0].probability;
    let run = previewed(&mut state, open_port_plan());
    press(&mut state, "Y");
    let executed = Executed {
        contested: false,
        ending: Outcome::Unchanged,
        soft_restart_failed: false,
        replanned: None,
        detail: Said::raw("login fails as before"),
        undo_entry: None,
        handed: Vec::new(),
        output: Vec::new(),
    };
    let effects = send(
        &mut state,
        Message::Acted(Acted::Executed {
            run,
            result: Ok(Box::new(executed)),
        }),
    );
    let run = triage_run(&effects);
    for reading in console::blocked_readings() {
        send(
            &mut state,
            Message::Found(Found::Read {
                run,
                instance: "ins-shop".into(),
                reading: Box::new(reading),
            }),
        );
    }
    let after = state
        .selected_report()
        .expect("a report")
        .causes
        .iter()
        .find(|cause| cause.id == "security-group-blocks-port")
        .map_or(0.0, |cause| cause.probability);
    assert!(after < before, "{after} {before}");
}

/// What was read inside before an action stays when nothing came of the action, and only then.
#[test]
fn an_action_that_failed_takes_nothing_away_that_was_read_inside() {
    for (ending, stays) in [(Outcome::Failed, true), (Outcome::Unchanged, false)] {
        let mut state = diagnosed(Lang::En, SIZE);
        let service = evidence::state::guest_service::RUNNING;
        let case = state.cases.get_mut("ins-shop").expect("a case");
        case.readings
            .push(Reading::observed(service, Source::Guest, Said::raw("it runs")).at(at(1), 0));
        let run = previewed(&mut state, open_port_plan());
        press(&mut state, "Y");
        let executed = Executed {
            contested: false,
            ending,
            soft_restart_failed: false,
            replanned: None,
            detail: Said::raw("the cloud refused it"),
            undo_entry: None,
            handed: Vec::new(),
            output: Vec::new(),
        };
        let result = Ok(Box::new(executed));
        let effects = send(&mut state, Message::Acted(Acted::Executed { run, result }));
        let run = triage_run(&effects);
        for reading in console::blocked_readings() {
            let (instance, reading) = ("ins-shop".into(), Box::new(reading));
            let read = Found::Read {
                run,
                instance,
                reading,
            };
            send(&mut state, Message::Found(read));
        }
        console::end_triage(&mut state, run);
        let readings = &state.cases["ins-shop"].readings;
        let kept = readings.iter().any(|r| r.seen() == Some(service));
        assert_eq!(kept, stays, "{ending:?}");
    }
}

#[test]
fn leaving_during_an_action_asks_once() {
    let mut state = diagnosed(Lang::En, SIZE);
    previewed(&mut state, open_port_plan());
    press(&mut state, "Y");
    assert!(press(&mut state, "q").is_empty());
    assert!(press(&mut state, "enter").is_empty());
    assert!(matches!(
        press(&mut state, "Y")[..],
        [Effect::Console(Console::Quit)]
    ));
}

#[test]
fn the_question_about_leaving_goes_with_the_action_it_is_about() {
    let mut state = diagnosed(Lang::En, SIZE);
    let run = previewed(&mut state, open_port_plan());
    press(&mut state, "Y");
    assert!(press(&mut state, "q").is_empty());
    assert!(!state.overlays.is_empty(), "it asks");
    let result = Err(Said::raw("the network is gone"));
    send(&mut state, Message::Acted(Acted::Executed { run, result }));
    assert!(state.overlays.is_empty(), "nothing is under way any more");
    assert!(matches!(
        press(&mut state, "q")[..],
        [Effect::Console(Console::Quit)]
    ));
}

/// A look inside, and then one for a user who comes from somewhere else.
#[test]
fn a_later_look_keeps_what_it_could_not_read_again_but_not_for_another_user() {
    let mut state = diagnosed(Lang::En, SIZE);
    let run = triage_run(&press(&mut state, "d Y"));
    for id in ["guest-service", "guest-firewall"] {
        let of_guest = if id == "guest-service" {
            "running"
        } else {
            "allows"
        };
        let reading = Reading::observed(
            evidence::State::new(id, of_guest),
            Source::Guest,
            Said::raw(""),
        );
        send(
            &mut state,
            Message::Found(Found::Read {
                run,
                instance: "ins-shop".into(),
                reading: Box::new(reading.at(at(14), 5)),
            }),
        );
    }
    console::end_triage(&mut state, run);
    let held = |state: &State, id: &str| state.cases["ins-shop"].reading(id, None).is_some();
    // Enter looks again without consent.
    let run = triage_run(&press(&mut state, "esc enter"));
    console::end_triage(&mut state, run);
    assert!(held(&state, "guest-service") && held(&state, "guest-firewall"));
    let effects = press(&mut state, "f ctrl-u 1 9 2 . 0 . 2 . 9 enter");
    console::end_triage(&mut state, triage_run(&effects));
    assert!(held(&state, "guest-service"));
    assert!(
        !held(&state, "guest-firewall"),
        "it was asked for another address"
    );
}

#[test]
fn ctrl_c_leaves_from_anywhere() {
    let mut state = diagnosed(Lang::En, SIZE);
    for open in ["?", "/", ":", "e", "f", "m"] {
        press(&mut state, open);
        let effects = press(&mut state, "ctrl-c");
        assert!(
            matches!(effects[..], [Effect::Console(Console::Quit)]),
            "under {open}"
        );
        press(&mut state, "esc");
    }
}

#[test]
fn a_paused_display_holds_back_what_arrives() {
    let mut state = listed(Lang::En, SIZE);
    let run = triage_run(&press(&mut state, "enter"));
    press(&mut state, "p");
    let reading = Reading::observed(
        evidence::State::new("reach", "open"),
        Source::Probe,
        Said::raw(""),
    )
    .on_path(Path::Public);
    send(
        &mut state,
        Message::Found(Found::Read {
            run,
            instance: "ins-shop".into(),
            reading: Box::new(reading),
        }),
    );
    assert!(state.cases["ins-shop"].readings.is_empty());
    assert_eq!(state.held_back.len(), 1);
    press(&mut state, "p");
    assert_eq!(state.cases["ins-shop"].readings.len(), 1);
}

#[test]
fn the_filter_narrows_as_it_is_typed_and_esc_takes_it_back() {
    let mut state = listed(Lang::En, SIZE);
    press(&mut state, "/ l o g i n : s i l e n t");
    state.settle();
    assert_eq!(state.fleet.visible_len(), 1);
    press(&mut state, "esc");
    state.settle();
    assert_eq!(state.fleet.visible_len(), 5);
}

#[test]
fn esc_takes_back_one_thing_at_a_time_and_does_nothing_else() {
    let mut state = listed(Lang::En, SIZE);
    press(&mut state, "z tab");
    state.notices.dismiss();
    assert!(press(&mut state, "esc").is_empty());
    assert!(!state.zoomed);
    press(&mut state, "esc");
    assert_eq!(state.focus, Pane::Instances);
    for _ in 0..5 {
        assert!(press(&mut state, "esc").is_empty());
    }
}

#[test]
fn a_pasted_error_becomes_evidence() {
    let mut state = diagnosed(Lang::En, SIZE);
    press(&mut state, "e");
    let text = "ssh: connect to host 203.0.113.7 port 22: Connection timed out";
    send(&mut state, Message::Pasted(text.into()));
    press(&mut state, "ctrl-d");
    let case = &state.cases["ins-shop"];
    assert!(
        case.readings
            .iter()
            .any(|r| r.id == "pasted-error" && r.state.as_deref() == Some("connect-timeout")),
        "{:?}",
        case.readings
    );
}

#[test]
fn nothing_wakes_the_console_when_nothing_ages() {
    let mut state = console::fresh(Lang::En, SIZE);
    assert_eq!(next_wake(&state), None);
    assert_eq!(
        update(&mut state, Message::Tick(at(60))).0,
        cvmtop::app::update::Dirty::Nothing
    );
}

#[test]
fn a_target_is_opened_and_a_missing_one_is_named() {
    let mut state = listed(Lang::En, SIZE);
    state.target = Some("10.0.1.5".into());
    let generation = state.fleet.begin_listing(1, false);
    let event = Listing::Page(vec![instance("ins-db", "db", 5).into()]);
    let effects = send(
        &mut state,
        Message::Found(Found::Listed { generation, event }),
    );
    triage_run(&effects);
    assert_eq!(state.fleet.selected_id(), Some("ins-db"));
    state.target = Some("nowhere".into());
    let event = Listing::End;
    send(
        &mut state,
        Message::Found(Found::Listed { generation, event }),
    );
    let shown = state.notices.shown().expect("a notice");
    assert!(shown.text.contains("nowhere"), "{}", shown.text);
}

/// The listed console that looks by itself: the list every minute, all logins every five, the
/// selected instance every half minute.
fn looking_by_itself() -> State {
    let mut state = console::fresh(Lang::En, SIZE);
    state.rhythm.on = true;
    state.rhythm.every = Intervals {
        list: 60,
        sweep: 300,
        look: 30,
    };
    console::list(&mut state);
    tick(&mut state, 0);
    state
}

fn tick(state: &mut State, second: i64) -> Vec<Effect> {
    send(state, Message::Tick(at(second)))
}

fn looked(state: &mut State, effects: &[Effect], word: LoginWord, second: i64) -> Vec<Effect> {
    let run = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Observe(Observe::Short { run, .. }) => Some(*run),
            _ => None,
        })
        .expect("a look is asked for");
    let look = Look {
        path: Path::Public,
        login: Some(Login::of(word)),
        ms: Some(3),
    };
    let message = Message::Found(Found::Looked {
        run,
        instance: "ins-shop".into(),
        looks: vec![look],
        at: at(second),
    });
    send(state, message)
}

#[test]
fn the_list_and_the_logins_are_looked_at_again_by_themselves() {
    let mut state = looking_by_itself();
    assert!(next_wake(&state).is_some_and(|ms| ms <= 60_000));
    assert!(
        !tick(&mut state, 59)
            .iter()
            .any(|e| matches!(e, Effect::Observe(Observe::List { .. })))
    );
    let effects = tick(&mut state, 61);
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Observe(Observe::List { .. })))
    );
    assert!(!state.busy(), "what nobody asked for keeps nobody waiting");
    let generation = state.fleet.generation;
    let fresh = vec![instance("ins-shop", "shop-api-01", 7).into()];
    for event in [Listing::Page(fresh), Listing::End] {
        send(
            &mut state,
            Message::Found(Found::Listed { generation, event }),
        );
    }
    state.settle();
    assert_eq!(state.fleet.len(), 1, "what is gone is gone from the list");
    assert_eq!(state.fleet.selected_id(), Some("ins-shop"));
    let effects = tick(&mut state, 301);
    let gentle = effects
        .iter()
        .any(|e| matches!(e, Effect::Observe(Observe::Sweep { gentle: true, .. })));
    assert!(gentle, "{effects:?}");
}

#[test]
fn nothing_is_looked_at_while_paused_or_switched_off() {
    for key in ["p", "a"] {
        let mut state = looking_by_itself();
        press(&mut state, key);
        state.notices.dismiss();
        assert!(tick(&mut state, 10_000).is_empty(), "after {key}");
        state.geometry = cvmtop::app::geometry::Geometry::default();
        assert_eq!(next_wake(&state), None, "after {key}");
        press(&mut state, key);
        assert!(!tick(&mut state, 10_001).is_empty(), "after {key} again");
    }
}

#[test]
fn the_selected_instance_is_looked_at_once_the_selection_rests() {
    let mut state = looking_by_itself();
    let looks = |effects: &[Effect]| {
        effects
            .iter()
            .any(|e| matches!(e, Effect::Observe(Observe::Short { .. })))
    };
    assert!(!looks(&tick(&mut state, 29)), "it was looked at just now");
    press(&mut state, "down up");
    assert!(!looks(&tick(&mut state, 30)), "it is only passed over");
    let effects = tick(&mut state, 32);
    assert!(looks(&effects));
    assert!(!looks(&tick(&mut state, 33)), "one look at a time");
    looked(&mut state, &effects, LoginWord::Silent, 34);
    assert!(!looks(&tick(&mut state, 63)));
    assert!(looks(&tick(&mut state, 64)));
}

#[test]
fn a_login_that_turns_is_diagnosed_again_with_its_onset() {
    let mut state = looking_by_itself();
    let effects = tick(&mut state, 40);
    looked(&mut state, &effects, LoginWord::Greets, 41);
    let run = triage_run(&press(&mut state, "enter"));
    for reading in console::blocked_readings() {
        let (instance, reading) = ("ins-shop".into(), Box::new(reading));
        send(
            &mut state,
            Message::Found(Found::Read {
                run,
                instance,
                reading,
            }),
        );
    }
    console::end_triage(&mut state, run);
    let effects = tick(&mut state, 80);
    assert!(looked(&mut state, &effects, LoginWord::Greets, 81).is_empty());
    let effects = tick(&mut state, 120);
    let effects = looked(&mut state, &effects, LoginWord::Refused, 121);
    let again = effects.iter().find_map(|effect| match effect {
        Effect::Observe(Observe::Triage(triage)) => Some((triage.deep, triage.onset)),
        _ => None,
    });
    assert_eq!(again, Some((false, Some(at(121)))), "{effects:?}");
    assert_eq!(
        state.fleet.get("ins-shop").unwrap().track().onset(),
        Some(Onset {
            answered: at(81),
            failed: at(121)
        })
    );
    assert!(
        effects.iter().any(
            |e| matches!(e, Effect::Memory(Memory::KeepLogins(spans)) if spans[0].instance == "ins-shop" && !spans[0].answers)
        ),
        "{effects:?}"
    );
}

#[test]
fn a_region_that_stays_away_is_told_once() {
    let mut state = looking_by_itself();
    for second in [61, 400, 900] {
        let effects = tick(&mut state, second);
        assert!(
            effects
                .iter()
                .any(|e| matches!(e, Effect::Observe(Observe::List { .. }))),
            "{second}"
        );
        let generation = state.fleet.generation;
        let event = Listing::Failed(Said::raw("no answer"));
        send(
            &mut state,
            Message::Found(Found::Listed { generation, event }),
        );
    }
    let told = state
        .notices
        .all()
        .filter(|n| n.text.contains("no answer"))
        .count();
    assert_eq!(told, 1);
    assert_eq!(state.fleet.failures(), ["no answer"]);
    assert_eq!(state.fleet.len(), 5, "what was listed stays");
}

#[test]
fn what_earlier_runs_found_is_shown_with_what_cured_it() {
    let mut state = diagnosed(Lang::En, SIZE);
    let past = cvmtop::domain::history::PastCase {
        on: String::new(),
        at: at(-90_000),
        instance: "ins-shop".into(),
        verdict: "faulty".into(),
        cause: "disk-full".into(),
        probability: 0.9,
        cured_by: "restart".into(),
    };
    let cases = vec![past.clone()];
    send(
        &mut state,
        Message::Recalled(Recalled::Past {
            instance: "ins-shop".into(),
            cases,
        }),
    );
    let kept = &state.cases["ins-shop"].past;
    assert_eq!(kept.len(), 2, "the diagnosis of this run, then the old one");
    assert_eq!(kept[1], past);
}

#[test]
fn without_credentials_one_key_opens_the_demo() {
    let mut state = console::fresh(Lang::En, SIZE);
    assert!(
        press(&mut state, "o").is_empty(),
        "only when all is missing"
    );
    let generation = state.fleet.generation;
    let looked_for = vec![Said::raw("TENCENTCLOUD_SECRET_ID")];
    let event = Listing::Missing(Missing::Credentials { looked_for });
    send(
        &mut state,
        Message::Found(Found::Listed { generation, event }),
    );
    assert!(matches!(
        press(&mut state, "o")[..],
        [Effect::Console(Console::OpenDemo)]
    ));
    state.notices.dismiss();
    assert_eq!(next_wake(&state), None, "nothing is tried again by itself");
    let effects = press(&mut state, "r");
    assert!(matches!(
        effects[..],
        [Effect::Observe(Observe::List { .. })]
    ));
}

#[test]
fn the_way_back_leads_through_what_was_opened_even_under_a_filter() {
    let mut state = listed(Lang::En, SIZE);
    let at = |state: &State| state.fleet.selected_id().unwrap().to_owned();
    press(&mut state, "enter");
    press(&mut state, "end enter");
    let second = at(&state);
    assert_ne!(second, "ins-shop");
    press(&mut state, "/ n a m e : w e b enter backspace");
    assert_eq!(at(&state), "ins-shop");
    assert_eq!(state.fleet.filter_text(), "", "the filter hid it");
    press(&mut state, "alt-right");
    assert_eq!(at(&state), second);
    press(&mut state, "- -");
    assert_eq!(at(&state), second);
    press(&mut state, "-");
    assert_eq!(at(&state), "ins-shop");
}

#[test]
fn a_saved_filter_is_completed_and_an_unknown_one_is_named() {
    let mut state = listed(Lang::En, SIZE);
    let saved = [
        ("broken".to_owned(), "health:failing".to_owned()),
        ("off".to_owned(), "state:stopped".to_owned()),
    ];
    state.fleet.save_filters(saved.into());
    press(&mut state, "/ @ b tab enter");
    state.settle();
    assert_eq!(state.fleet.filter_text(), "@broken");
    assert_eq!(state.fleet.visible_len(), 2);
    press(&mut state, "/ tab enter");
    state.settle();
    assert_eq!(state.fleet.filter_text(), "@off");
    assert_eq!(state.fleet.visible_len(), 1);
    press(&mut state, "/ x enter");
    let told = state.notices.shown().expect("a notice");
    assert!(told.text.contains("offx"), "{}", told.text);
}

/// A batch of restarts on two marked instances, on the screen.
fn batch_previewed(state: &mut State) -> Vec<Effect> {
    press(state, "home space space");
    let effects = press(state, "b down down enter");
    let (run, choice, instances) = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Act(Act::PrepareBatch {
                run,
                choice,
                instances,
                ..
            }) => Some((*run, choice.clone(), instances.clone())),
            _ => None,
        })
        .expect("plans are asked for");
    assert_eq!(choice.action, ActionId::Restart);
    let planned = instances
        .iter()
        .map(|id| {
            let instance =
                cvmtop::domain::instance::Instance::clone(&state.fleet.get(id).unwrap().instance);
            let context = PlanContext {
                entry: format!("e-{id}"),
                instance: instance.clone(),
                ..PlanContext::default()
            };
            let result = plan(ActionId::Restart, &Parameters::none(), &context);
            (instance, result)
        })
        .collect();
    let result = Ok(Box::new(Batch::of(ActionId::Restart, planned)));
    send(
        state,
        Message::Acted(Acted::BatchPlanned {
            run,
            choice,
            result,
        }),
    )
}

#[test]
fn a_batch_is_planned_shown_and_confirmed_with_its_phrase() {
    let mut state = listed(Lang::En, SIZE);
    assert!(press(&mut state, "b").is_empty(), "nothing is marked");
    batch_previewed(&mut state);
    let sends = |effects: &[Effect]| {
        effects
            .iter()
            .any(|e| matches!(e, Effect::Act(Act::ExecuteBatch { .. })))
    };
    assert!(!sends(&press(&mut state, "Y enter")));
    assert!(matches!(
        state.overlays.last(),
        Some(Overlay::Batch(preview)) if preview.refused.is_some()
    ));
    press(&mut state, "backspace");
    let effects = press(&mut state, "r e s t a r t space 2 enter");
    assert!(sends(&effects), "{effects:?}");
    assert_eq!(state.jobs.running().count(), 2);
    assert!(state.fleet.marks.is_empty());
    let told = state.notices.shown().expect("it is said").text.clone();
    assert!(told.contains("under way on 2"), "{told}");
    // A second one would change what the first was planned for.
    batch_previewed(&mut state);
    let effects = press(&mut state, "r e s t a r t space 2 enter");
    assert!(!sends(&effects), "{effects:?}");
    let Some(Overlay::Batch(preview)) = state.overlays.last() else {
        panic!("it stays open");
    };
    let why = preview.refused.as_ref().expect("a reason").to_string();
    assert!(why.contains("still under way"), "{why}");
    assert_eq!(state.jobs.running().count(), 2);
}

#[test]
fn a_batch_cannot_get_round_read_only() {
    let mut state = listed(Lang::En, SIZE);
    state.read_only = true;
    batch_previewed(&mut state);
    let effects = press(&mut state, "r e s t a r t space 2 enter");
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(state.jobs.running().count(), 0);
}

#[test]
fn a_batch_that_was_given_up_is_not_shown() {
    let mut state = listed(Lang::En, SIZE);
    press(&mut state, "home space b down down enter");
    let old = state.batch.expect("it is being planned");
    state.batch = None;
    let choice = cvmtop::app::batch::Choice {
        action: ActionId::Restart,
        parameters: serde_json::Map::new(),
        offered: 0,
    };
    let result = Err(Said::raw("no"));
    send(
        &mut state,
        Message::Acted(Acted::BatchPlanned {
            run: old,
            choice,
            result,
        }),
    );
    assert!(state.overlays.is_empty());
}

#[test]
fn what_a_person_tells_is_weighed_at_once_and_goes_along_with_the_next_look() {
    let mut state = diagnosed(Lang::En, SIZE);
    press(&mut state, "i");
    assert!(matches!(state.overlays.last(), Some(Overlay::Tell(_))));
    // Past the two ways in, down to the third answer of the first group, and given.
    press(&mut state, "j j j j enter");
    let said = |state: &State| {
        let id = state.fleet.selected_id().expect("selected").to_owned();
        let report = state.cases[&id].report.clone().expect("weighed");
        let row = report.evidence.into_iter().find(|r| r.id == "scope");
        row.and_then(|r| r.state)
    };
    assert_eq!(said(&state).as_deref(), Some("one-network"));
    press(&mut state, "esc");
    assert!(state.overlays.is_empty());
    let effects = press(&mut state, "enter");
    let along = effects.iter().find_map(|effect| match effect {
        Effect::Observe(Observe::Triage(triage)) => Some(triage.statements.clone()),
        _ => None,
    });
    let along = along.expect("a triage begins");
    assert_eq!(along.state_of("scope"), Some("one-network"));
    // The same answer again takes it back.
    press(&mut state, "i j j j j enter");
    assert_eq!(said(&state), None);
}

#[test]
fn the_way_in_is_told_once_for_a_network_and_kept() {
    let mut state = diagnosed(Lang::En, SIZE);
    let network = state
        .selected_instance()
        .expect("selected")
        .network()
        .to_owned();
    let kept = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Memory(Memory::KeepWay { network, way }) => Some((network.clone(), *way)),
            _ => None,
        })
    };
    let way = |state: &State| state.selected_report().expect("weighed").vantage.user_way;
    assert_eq!(way(&state), None);
    let effects = press(&mut state, "i j enter");
    assert_eq!(kept(&effects), Some((network.clone(), Some(Path::Private))));
    assert_eq!(way(&state), Some(Path::Private), "it is weighed at once");
    let effects = press(&mut state, "esc enter");
    let along = effects.iter().find_map(|effect| match effect {
        Effect::Observe(Observe::Triage(triage)) => Some(triage.statements.way),
        _ => None,
    });
    assert_eq!(along, Some(Some(Path::Private)));
    // What an earlier run was told is older than what was told here.
    send(
        &mut state,
        Message::Recalled(Recalled::Ways(vec![(network.clone(), Path::Public)])),
    );
    assert_eq!(way(&state), Some(Path::Private));
    let effects = press(&mut state, "i j enter");
    assert_eq!(
        kept(&effects),
        Some((network, None)),
        "the same again takes it back"
    );
    assert_eq!(way(&state), None);
}

#[test]
fn a_cause_that_was_expected_says_why_it_does_not_lead() {
    let mut state = diagnosed(Lang::En, SIZE);
    press(&mut state, "n");
    let Some(Overlay::PickCause(PickCause { pick, .. })) = state.overlays.last() else {
        panic!("a cause is to be picked");
    };
    assert_eq!(pick.selected, 1, "the leading cause needs no answer");
    press(&mut state, "down enter");
    let Some(Overlay::Reader(reading)) = state.overlays.last() else {
        panic!("an answer to read");
    };
    let text = reading.plain();
    assert!(
        text.contains("Security group blocks the login port leads with"),
        "{text}"
    );
    assert!(text.contains("likelier"), "{text}");
}

#[test]
fn a_cure_is_kept_with_the_diagnosis_that_it_cured() {
    let mut state = diagnosed(Lang::En, SIZE);
    state.cases.get_mut("ins-shop").unwrap().past.clear();
    let run = previewed(&mut state, open_port_plan());
    press(&mut state, "Y");
    let executed = Executed {
        contested: false,
        ending: Outcome::Restored,
        soft_restart_failed: false,
        replanned: None,
        detail: Said::raw("login answers again"),
        undo_entry: None,
        handed: Vec::new(),
        output: Vec::new(),
    };
    let result = Ok(Box::new(executed));
    let effects = send(&mut state, Message::Acted(Acted::Executed { run, result }));
    let kept = effects.iter().find_map(|effect| match effect {
        Effect::Memory(Memory::KeepCure { action, case, .. }) => {
            Some((action.clone(), case.clone()))
        }
        _ => None,
    });
    let (action, case) = kept.expect("the cure is kept");
    assert_eq!(action, "open-port");
    assert_eq!(
        case.expect("with its case").cause,
        "security-group-blocks-port"
    );
    assert_eq!(state.cases["ins-shop"].past[0].cured_by, "open-port");
}

#[test]
fn a_login_is_tried_once_after_consent_and_as_whom_one_says() {
    let tried = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Observe(Observe::Triage(triage)) => Some(triage.try_login.clone()),
            _ => None,
        })
    };
    let mut state = diagnosed(Lang::En, SIZE);
    let usual = state.selected_instance().expect("selected").usual_user();
    assert_eq!(
        tried(&press(&mut state, "v")),
        None,
        "nothing without consent"
    );
    assert!(matches!(
        state.overlays.last(),
        Some(Overlay::LoginConsent(LoginConsent { bad: false, .. }))
    ));
    assert_eq!(tried(&press(&mut state, "esc")), None);
    assert!(state.overlays.is_empty());
    assert_eq!(tried(&press(&mut state, "v enter")), Some(Some(usual)));
    assert!(state.overlays.is_empty());
    // Consent was to one attempt.
    assert_eq!(tried(&press(&mut state, "r enter")), Some(None));
    // Another name, and one that ssh would take for an option.
    let effects = press(&mut state, "v ctrl-u - x enter");
    assert_eq!(tried(&effects), None);
    assert!(matches!(
        state.overlays.last(),
        Some(Overlay::LoginConsent(LoginConsent { bad: true, .. }))
    ));
    let effects = press(&mut state, "ctrl-u o p s enter");
    assert_eq!(tried(&effects), Some(Some("ops".to_owned())));
    // Nothing signs in to a desktop from here.
    state.fleet.set_filter("");
    state.fleet.select_target("ins-win");
    state.settle();
    if state
        .selected_instance()
        .is_some_and(|it| it.os == Os::Windows)
    {
        press(&mut state, "v");
        assert!(state.overlays.is_empty());
    } else {
        panic!("the list has a Windows host");
    }
}
