//! The console and a script that know the same say the same: report, guides and offers, whatever
//! the order in which it became known and whenever the user's words were pasted.

use crate::support::console;
use console::{at, listed, press, send, triage_run};
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Found, Message};
use cvmtop::app::state::State;
use cvmtop::case::{self, Known};
use cvmtop::client_text;
use cvmtop::diagnosis::Knowledge;
use cvmtop::domain::evidence::{self, Path, Reading, Source, Status, place};
use cvmtop::domain::report::{InstanceSummary, Report, Vantage};
use cvmtop::domain::said::Said;
use proptest::prelude::*;
use serde_json::Value;

const SHOP: &str = "ins-shop";
const SIZE: (u16, u16) = (120, 40);

/// What users paste: known, known and misleading, unknown, of no use.
const PASTED: [&str; 6] = [
    "",
    "ssh: connect to host 203.0.113.7 port 22: Connection timed out",
    "root@203.0.113.7: Permission denied (publickey,password).",
    "after I changed the password in the console, the new password does not work",
    "it says something about a frobnicator",
    // What the user's own machine answered to the kit.
    "cvmtop-kit 1;\nto=203.0.113.7;port=22;kind=ssh;tcp=silent;tcp2=silent;n443=open;ping=0/20;dns=203.0.113.7;command=no;jump=no;\ncvmtop-kit end 43494-5451;",
];

/// A reading as a probe, the cloud or the guest sends it, with or without a value.
fn reading() -> impl Strategy<Value = Reading> {
    let groups = Knowledge::shipped().evidence.len();
    let status = prop_oneof![
        6 => Just(Status::Observed),
        1 => Just(Status::NotAttempted),
        1 => Just(Status::NotPermitted),
        1 => Just(Status::ProbeFailed),
    ];
    let source = prop_oneof![
        Just(Source::Probe),
        Just(Source::Cloud),
        Just(Source::Guest)
    ];
    let which = (0..groups, any::<prop::sample::Index>(), any::<bool>());
    (which, status, source, 0_i64..20).prop_map(
        |((group, state, private), status, source, second)| {
            let group = &Knowledge::shipped().evidence[group];
            let state = &group.states[state.index(group.states.len())];
            let mut reading = match status {
                Status::Observed => Reading::observed(
                    evidence::State::new(&group.id, state),
                    source,
                    Said::raw("seen"),
                ),
                other => Reading::without_state(&group.id, source, other, Said::raw("not seen")),
            };
            if group.paths {
                reading = reading.on_path(if private { Path::Private } else { Path::Public });
            }
            reading.at(at(second), 1)
        },
    )
}

/// What one run reads. No two of them speak of one thing at the same moment: nobody could say
/// which of those came first. What a person says comes as pasted text.
fn run() -> impl Strategy<Value = Vec<Reading>> {
    prop::collection::vec(reading(), 1..14).prop_map(|mut readings| {
        let mut seen = std::collections::BTreeSet::new();
        let told = [
            "pasted-error",
            "text-target",
            "name-resolution",
            "user-proxy",
        ];
        readings.retain(|r| !told.contains(&r.id.as_str()));
        readings.retain(|r| seen.insert((r.id.clone(), r.path, r.observed_at)));
        readings
    })
}

/// When the text is pasted into the console.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    Before,
    Meanwhile,
    After,
    /// And everything is read once more.
    AfterAndAgain,
}

fn report(state: &State) -> Report {
    state.cases[SHOP].report.clone().expect("a report")
}

fn told(state: &mut State, run: cvmtop::app::case::RunId, reading: &Reading) {
    let instance = SHOP.to_owned();
    let reading = Box::new(reading.clone());
    send(
        state,
        Message::Found(Found::Read {
            run,
            instance,
            reading,
        }),
    );
}

/// What the console says in the end.
fn on_the_console(readings: &[Reading], pasted: &str, moment: Moment) -> Report {
    let mut state = listed(Lang::En, SIZE);
    let paste = |state: &mut State| {
        if !pasted.is_empty() {
            press(state, "e");
            send(state, Message::Pasted(pasted.to_owned()));
            press(state, "ctrl-d");
        }
    };
    send(&mut state, Message::Tick(at(21)));
    if moment == Moment::Before {
        // Nothing is known yet, so that the paste begins a look of its own.
        paste(&mut state);
    }
    let look = |state: &mut State, meanwhile: bool| {
        let run = triage_run(&press(state, "enter"));
        // Also where nothing is read, the text is pasted while the look goes on.
        for n in 0..=readings.len() {
            if meanwhile && n == readings.len() / 2 {
                paste(state);
            }
            if let Some(reading) = readings.get(n) {
                told(state, run, reading);
            }
        }
        if !pasted.is_empty() && (meanwhile || moment != Moment::After) {
            // The run reads the text that it was given, too.
            let instance = InstanceSummary::of(&console::instance(SHOP, "shop-api-01", 7));
            for reading in client_text::evidence(pasted, &instance) {
                told(state, run, &reading.at(at(21), 0));
            }
        }
        console::end_triage(state, run);
    };
    match moment {
        Moment::Before => look(&mut state, false),
        Moment::Meanwhile => look(&mut state, true),
        Moment::After => {
            look(&mut state, false);
            paste(&mut state);
        }
        Moment::AfterAndAgain => {
            look(&mut state, false);
            paste(&mut state);
            look(&mut state, false);
        }
    }
    report(&state)
}

/// What a script says of the same.
fn in_a_script(readings: &[Reading], pasted: &str, vantage: Vantage) -> Report {
    let instance = InstanceSummary::of(&console::instance(SHOP, "shop-api-01", 7));
    let mut collected = Vec::new();
    for reading in client_text::evidence(pasted, &instance) {
        if !pasted.is_empty() {
            place(&mut collected, reading.at(at(21), 0));
        }
    }
    for reading in readings.iter().rev() {
        place(&mut collected, reading.clone());
    }
    case::report(&Known {
        knowledge: Knowledge::shipped(),
        instance,
        vantage,
        readings: &collected,
        pasted,
        tried: &[],
        spent: &[],
        recent_cause: None,
        soft_restart_failed: false,
        guide_steps: &[],
        lang: Lang::En,
    })
}

fn json(report: &Report) -> Value {
    serde_json::to_value(report).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn console_and_script_say_the_same_in_any_order(
        (readings, shuffled) in run().prop_flat_map(|readings| {
            (Just(readings.clone()), Just(readings).prop_shuffle())
        }),
        pasted in prop::sample::select(&PASTED[..]),
    ) {
        let moments = [Moment::Before, Moment::Meanwhile, Moment::After, Moment::AfterAndAgain];
        for moment in moments {
            let console = on_the_console(&shuffled, pasted, moment);
            let script = in_a_script(&readings, pasted, console.vantage.clone());
            prop_assert_eq!(json(&console), json(&script), "{:?}", moment);
        }
    }
}

/// The text of a user whose new password does not work: it was healthy at paste, undecided after
/// another look, and something else again in a script.
#[test]
fn one_text_has_one_verdict_and_one_list_of_guides() {
    let seen = |id: &str, state: &str| {
        Reading::observed(
            evidence::State::new(id, state),
            Source::Probe,
            Said::raw(""),
        )
        .on_path(Path::Public)
    };
    let readings: Vec<Reading> = [("reach", "open"), ("banner", "fast"), ("kex", "common")]
        .map(|(id, state)| seen(id, state).at(at(5), 1))
        .to_vec();
    let text = PASTED[3];
    let reports: Vec<Report> = [Moment::Meanwhile, Moment::After, Moment::AfterAndAgain]
        .map(|moment| on_the_console(&readings, text, moment))
        .into_iter()
        .chain([in_a_script(
            &readings,
            text,
            Vantage {
                host: "jump-1".into(),
                ..Vantage::default()
            },
        )])
        .collect();
    for report in &reports {
        assert_eq!(report.verdict, reports[0].verdict);
        assert_eq!(json(report)["guides"], json(&reports[0])["guides"]);
        assert_ne!(
            format!("{:?}", report.verdict),
            "Healthy",
            "a failure is reported"
        );
    }
    // The guides are matched with the user's own words, which no evidence group holds.
    let first = reports[0].guides[0].reason.to_string();
    assert!(first.contains("changed the password"), "{first}");
}
