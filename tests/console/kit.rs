//! The script for the user's machine in the console: shown and copied as it is printed, and its
//! answer, pasted, as a row of the matrix beside what this host sees.

use crate::support::console;
use console::{diagnosed, press, send};
use cvmtop::app::effect::{Console, Effect};
use cvmtop::app::locale::Lang;
use cvmtop::app::message::Message;
use cvmtop::app::overlay::Overlay;
use cvmtop::app::state::State;
use cvmtop::domain::evidence::Path;
use cvmtop::domain::report::InstanceSummary;
use cvmtop::kit::{self, Shell};

const SIZE: (u16, u16) = (120, 40);

/// What a script prints for the instance of these tests; its sum is the script's.
const ANSWER: &str = "> cvmtop-kit 1;\r\n> to=203.0.113.7;port=22;kind=ssh;tcp=silent;tcp2=silent;n443=open;ping=0/20;\r\n> dns=203.0.113.7;command=no;jump=no;   \r\n> cvmtop-kit end 43494-5451;";

fn script(state: &State, shell: Shell) -> String {
    let instance = InstanceSummary::of(state.selected_instance().expect("one is selected"));
    let say = |sentence: &cvmtop::domain::said::Said| state.texts.said(sentence);
    kit::script(&instance, shell, &say).expect("it has an address")
}

#[test]
fn the_script_is_shown_and_copied_as_the_command_prints_it() {
    for lang in [Lang::En, Lang::Ko, Lang::Zh] {
        let mut state = diagnosed(lang, SIZE);
        press(&mut state, "U");
        let Some(Overlay::Reader(shown)) = state.overlays.last() else {
            panic!("nothing is shown");
        };
        let wanted = script(&state, Shell::Sh);
        assert_eq!(shown.plain(), wanted.trim_end());
        let effects = press(&mut state, "y");
        assert!(
            effects.iter().any(|effect| matches!(
                effect,
                Effect::Console(Console::Copy { text }) if *text == wanted.trim_end()
            )),
            "not copied"
        );
    }
}

#[test]
fn an_answer_stands_beside_what_this_host_sees() {
    let mut state = diagnosed(Lang::En, SIZE);
    let before = state.selected_case().expect("a case").readings.clone();
    press(&mut state, "e");
    send(&mut state, Message::Pasted(ANSWER.to_owned()));
    press(&mut state, "ctrl-d");
    let case = state.selected_case().expect("a case");
    for reading in before {
        assert!(case.readings.contains(&reading), "overwritten: {reading:?}");
    }
    let user = case.reading("reach", Some(Path::User)).expect("told");
    assert_eq!(user.observed_state(), Some("silent-host-alive"));
    let report = case.report.as_ref().expect("a report");
    let told = cvmtop::diagnosis::display::vantages(report).expect("two vantages");
    assert!(told.contains("vantages"), "{told}");
    assert!(told.contains("the user's machine"), "{told}");
}

#[test]
fn a_mangled_answer_is_said_in_one_sentence_and_weighs_nothing() {
    let mut state = diagnosed(Lang::En, SIZE);
    let lead = |state: &State| {
        let report = state.selected_report().expect("a report");
        (report.causes[0].id.clone(), report.causes[0].probability)
    };
    let before = lead(&state);
    press(&mut state, "e");
    let mangled = ANSWER.replace("silent", "refused");
    send(&mut state, Message::Pasted(mangled));
    press(&mut state, "ctrl-d");
    assert_eq!(lead(&state), before);
    let case = state.selected_case().expect("a case");
    let user = case.reading("reach", Some(Path::User)).expect("told");
    assert!(user.detail.contains("changed or cut"), "{}", user.detail);
}
