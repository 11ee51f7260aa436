//! What other rooms write in English is said in Korean and Chinese, and nothing of it runs out of
//! its box at 80x24.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

mod console;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use console::{diagnosed, fresh, instance, press, send};
use cvmtop::action::batch::Batch;
use cvmtop::action::context::{
    AccountType, AddressFacts, Fact, GroupFacts, Others, PlanContext, RepairTask,
};
use cvmtop::action::parameters::Parameters;
use cvmtop::action::plan::{Plan, Undo, Verification, plan};
use cvmtop::app::batch::{BatchPreview, Choice};
use cvmtop::app::effect::Effect;
use cvmtop::app::jobs::Handed;
use cvmtop::app::line_edit::LineEdit;
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Listing, Message};
use cvmtop::app::missing::Missing;
use cvmtop::app::overlay::{Overlay, Preview};
use cvmtop::app::phrases;
use cvmtop::app::state::{Pane, State};
use cvmtop::demo::{self, DemoOptions};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::instance::Os;
use cvmtop::domain::security_group::SecurityGroup;
use cvmtop::guide::library;
use cvmtop::view::frame::{Look, draw};
use cvmtop::view::glyphs::{Glyphs, UNICODE};
use cvmtop::view::overlays;
use cvmtop::view::theme::{Depth, Theme};
use cvmtop::view::widgets::paint::Paint;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

/// Stands at the end of every text that was cut.
const CUT: &str = "⁂";

/// The buffer as text, with a sign wherever something was cut off.
fn shown(state: &mut State) -> String {
    let glyphs: &'static Glyphs = Box::leak(Box::new(Glyphs {
        ellipsis: CUT,
        ..UNICODE
    }));
    let look = Look {
        glyphs,
        ..Look::new(Theme::fallback(), Depth::Ansi16, false, false)
    };
    let (width, height) = state.size;
    state.settle();
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    let geometry = draw(state, &look, &mut buf);
    send(state, Message::Drawn(geometry));
    let rows = (0..height).map(|y| {
        let row: String = (0..width).map(|x| buf[(x, y)].symbol()).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn cuts(text: &str) -> usize {
    text.matches(CUT).count()
}

#[test]
fn every_guide_reads_whole_at_80x24_in_every_language() {
    for lang in Lang::ALL {
        let mut state = diagnosed(lang, (80, 24));
        let guides: Vec<String> = library().guides().iter().map(|g| g.slug.clone()).collect();
        for slug in guides {
            let report = state.selected_case_mut().unwrap().report.as_mut().unwrap();
            report.guides.truncate(1);
            report.guides[0].slug.clone_from(&slug);
            press(&mut state, "g");
            let mut pages = 0;
            loop {
                let text = shown(&mut state);
                assert_eq!(cuts(&text), 0, "{lang:?} {slug}\n{text}");
                let before = state.geometry.overlay;
                assert!(before.height > 0, "{lang:?} {slug}\n{text}");
                pages += 1;
                if !text.contains('↓') || pages > 60 {
                    break;
                }
                press(&mut state, "pagedown");
            }
            assert!(pages < 60, "{lang:?} {slug} has no end");
            press(&mut state, "esc");
            assert!(state.overlays.is_empty());
        }
    }
}

#[test]
fn dialogs_cut_nothing_at_80x24_in_any_language() {
    for lang in Lang::ALL {
        for keys in ["t", "f", "d", "m", "e", "?", "g", "L"] {
            let mut state = diagnosed(lang, (80, 24));
            state.ticket_folder = "/home/ops/.local/state/cvmtop/tickets".into();
            let before = cuts(&shown(&mut state));
            press(&mut state, keys);
            let text = shown(&mut state);
            assert!(cuts(&text) <= before, "{lang:?} {keys}\n{text}");
        }
    }
}

/// The topmost overlay on a screen of its own, with a sign wherever something was cut off.
fn alone(state: &State) -> String {
    let glyphs: &'static Glyphs = Box::leak(Box::new(Glyphs {
        ellipsis: CUT,
        ..UNICODE
    }));
    let look = Look {
        glyphs,
        ..Look::new(Theme::fallback(), Depth::Ansi16, false, false)
    };
    let screen = Rect::new(0, 0, state.size.0, state.size.1);
    let mut buf = Buffer::empty(screen);
    let mut paint = Paint {
        buf: &mut buf,
        look: &look,
    };
    let top = state.overlays.last().expect("an overlay");
    overlays::draw(top, state, &mut paint, screen);
    let rows = (0..screen.height).map(|y| {
        let mut row = String::new();
        let mut x = 0;
        while x < screen.width {
            let symbol = buf[(x, y)].symbol();
            row.push_str(symbol);
            x += (symbol.width() as u16).max(1);
        }
        row
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Only what carries meaning: no spaces, no frames.
fn essence(text: &str) -> String {
    let noise = |c: &char| !c.is_whitespace() && !"│┌┐└┘─↑↓".contains(*c);
    text.chars().filter(noise).collect()
}

fn restart(id: &str) -> Plan {
    let context = PlanContext {
        entry: "e1".into(),
        instance: instance(id, "shop-api-01", 7),
        ..PlanContext::default()
    };
    plan(ActionId::Restart, &Parameters::none(), &context).unwrap()
}

fn confirmation(overlay: &str, state: &mut State) {
    let choice = Choice {
        action: ActionId::Restart,
        parameters: serde_json::Map::new(),
        offered: 1,
    };
    let run = state.new_run();
    let top = match overlay {
        "preview" => Overlay::Preview(Box::new(Preview {
            run,
            plan: restart("ins-shop"),
            offset: 0,
            edit: LineEdit::default(),
            refused: Some("the typed name is another one".into()),
        })),
        "batch" => {
            let planned =
                ["ins-shop", "ins-web"].map(|id| (instance(id, "shop-api-01", 7), Ok(restart(id))));
            Overlay::Batch(Box::new(BatchPreview {
                run,
                choice,
                batch: Batch::of(ActionId::Restart, planned.into()),
                offset: 0,
                edit: LineEdit::default(),
                refused: None,
            }))
        }
        "quit" => Overlay::QuitAnyway,
        _ => Overlay::Secret(Handed {
            what: "Password".into(),
            value: "correct-horse-battery-staple".to_owned().into(),
        }),
    };
    state.overlays.push(top);
}

#[test]
fn overlays_cut_nothing_and_always_say_how_to_go_on() {
    let mut broken = Vec::new();
    for lang in Lang::ALL {
        let mut state = diagnosed(lang, (80, 24));
        state.ticket_folder = "/home/ops/.local/state/cvmtop/tickets".into();
        for size in [(60, 16), (80, 24), (100, 30), (160, 50)] {
            state.size = size;
            let texts = cvmtop::app::locale::Texts::of(lang);
            let ui = &texts.ui;
            // Keys or the name of a confirmation, and the words without which one is stuck.
            let all: &[(&str, &[&String])] = &[
                ("?", &[&ui.help_title]),
                (":", &[&ui.palette_title]),
                ("e", &[&ui.paste_keys, &ui.paste_hint]),
                ("f", &[&ui.user_source_text]),
                ("d", &[&ui.deep_keys]),
                ("m", &[&ui.confirm_cause_text]),
                ("n", &[&ui.whynot_pick]),
                ("n down enter", &[]),
                ("g", &[]),
                ("t", &[&ui.ticket_text, &ui.ticket_keys]),
                ("i", &[&ui.tell_text]),
                ("L", &[&ui.log_title]),
                ("tab tab space b", &[&ui.batch_pick]),
                ("=preview", &[]),
                ("=batch", &[]),
                ("=quit", &[&ui.quit_text, &ui.quit_keys]),
                ("=secret", &[&ui.secret_keys]),
            ];
            for (open, says) in all {
                state.overlays.clear();
                state.fleet.marks.clear();
                state.fleet.select_target("ins-shop");
                state.settle();
                state.focus = Pane::Diagnosis;
                match open.strip_prefix('=') {
                    Some(name) => confirmation(name, &mut state),
                    None => {
                        press(&mut state, open);
                    }
                }
                assert!(!state.overlays.is_empty(), "{lang:?} {size:?} {open}");
                let text = alone(&state);
                let squeezed = essence(&text);
                let unsaid: Vec<&&String> = says
                    .iter()
                    .filter(|words| !squeezed.contains(&essence(words)))
                    .collect();
                if cuts(&text) > 0 || !unsaid.is_empty() {
                    broken.push(format!("{size:?} {lang:?} {open}: {unsaid:?}\n{text}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// On a first start everything can be read, if need be by scrolling.
#[test]
fn the_first_screen_tells_everything_on_any_size() {
    for size in [(60, 16), (80, 24), (160, 50)] {
        for lang in Lang::ALL {
            let mut state = fresh(lang, size);
            let generation = state.fleet.generation;
            let looked_for = vec![
                "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY".to_owned(),
                "~/.tccli/default.credential".to_owned(),
            ];
            let event = Listing::Missing(Missing::Credentials { looked_for });
            send(&mut state, Message::Listed { generation, event });
            let mut seen = String::new();
            for _ in 0..40 {
                let text = shown(&mut state);
                assert_eq!(cuts(&text), 0, "{size:?} {lang:?}\n{text}");
                seen.push_str(&text);
                press(&mut state, "j");
            }
            let ui = &state.texts.ui;
            for wanted in [
                &ui.welcome_credentials,
                &ui.welcome_looked,
                &ui.welcome_ways,
            ] {
                assert!(
                    essence(&seen).contains(&essence(wanted)),
                    "{lang:?} {wanted}\n{seen}"
                );
            }
            assert!(
                seen.contains("default.credential"),
                "{size:?} {lang:?}\n{seen}"
            );
        }
    }
}

/// Every sentence of a plan that a person reads.
fn sentences(plan: &Plan) -> Vec<String> {
    let mut all = vec![
        plan.title.clone(),
        plan.cost.clone(),
        plan.downtime.clone(),
        plan.data_risk.clone(),
        plan.affected.note.clone(),
        plan.undo.sentence(),
    ];
    all.extend(plan.changes.iter().cloned());
    all.extend(plan.warnings.iter().cloned());
    all.extend(plan.steps.iter().map(|step| step.purpose.clone()));
    if let Verification::None { reason } = &plan.verification {
        all.push(reason.clone());
    }
    if let Undo::Steps { steps, .. } = &plan.undo {
        all.extend(steps.iter().map(|step| step.purpose.clone()));
    }
    all
}

/// What plans for an instance rest on: a group that refuses, an address, a free one, an agent.
fn context(state: &str, os: Os) -> PlanContext {
    let mut one = instance("ins-shop", "shop-api-01", 7);
    one.state = state.into();
    one.os = os;
    one.bandwidth_out_mbps = Some(5);
    let address = |id: &str, ip: &str| AddressFacts {
        id: id.into(),
        ip: ip.into(),
        kind: "EIP".into(),
        status: "UNBIND".into(),
        bandwidth: Some(5),
        charge_type: "TRAFFIC_POSTPAID_BY_HOUR".into(),
        is_blocked: false,
        is_arrears: false,
    };
    PlanContext {
        entry: "e1".into(),
        instance: one,
        user_source: "198.51.100.4/32".parse().ok(),
        groups: Fact::Known(vec![GroupFacts {
            group: SecurityGroup {
                id: "sg-1".into(),
                version: "7".into(),
                ..SecurityGroup::default()
            },
            others: Some(Others {
                count: 3,
                names: vec!["web-1 (ins-1)".into()],
            }),
            ..GroupFacts::default()
        }]),
        account_type: Fact::Known(AccountType::Standard),
        addresses: Fact::Known(vec![address("eip-1", "203.0.113.7")]),
        free_addresses: Fact::Known(vec![address("eip-2", "203.0.113.8")]),
        agent: Fact::Known("Online".into()),
        repair_tasks: Fact::Known(vec![RepairTask {
            id: "rep-1".into(),
            title: "host".into(),
            status: 1,
        }]),
        ..PlanContext::default()
    }
}

#[test]
fn previews_and_their_refusals_are_in_the_phrase_book() {
    let mut unknown = BTreeSet::new();
    let mut planned = BTreeSet::new();
    let mut note = |text: String| {
        if !phrases::knows(&text) {
            unknown.insert(text);
        }
    };
    for state in ["RUNNING", "STOPPED", "RESCUE_MODE", "REBOOTING"] {
        for os in [Os::Linux, Os::Windows, Os::Unknown] {
            for action in ActionId::ALL {
                let words: &[&[&str]] = match action {
                    ActionId::OpenPort => &[&[], &["source=any"], &["source=here"]],
                    ActionId::OpenCommonPorts => &[&[], &["source=any"]],
                    ActionId::RaiseBandwidth => &[&[], &["mbps=10"], &["mbps=3"]],
                    ActionId::AssociateSecurityGroup => &[&[], &["group=sg-22222222"]],
                    ActionId::BindKeyPair => &[&[], &["key=skey-22222222"]],
                    ActionId::Restart => &[&[], &["mode=hard"], &["mode=soft-first"]],
                    _ => &[&[]],
                };
                for words in words {
                    let parameters = Parameters::from_words(*action, words).unwrap();
                    let mut no_address = context(state, os);
                    no_address.instance.public_addresses.clear();
                    no_address.agent = Fact::Known("Offline".into());
                    let bare = PlanContext {
                        groups: Fact::NotRead,
                        user_source: None,
                        ..no_address.clone()
                    };
                    for context in [context(state, os), no_address, bare] {
                        match plan(*action, &parameters, &context) {
                            Ok(plan) => {
                                planned.insert(plan.action.as_str());
                                sentences(&plan).into_iter().for_each(&mut note);
                            }
                            Err(error) => note(error.to_string()),
                        }
                    }
                }
            }
        }
    }
    println!("plans of {planned:?}");
    assert!(planned.len() >= 20, "{planned:?}");
    assert!(
        unknown.is_empty(),
        "not in assets/locales/phrases.toml: {unknown:#?}"
    );
}

/// What is sent stands in the preview as it is; all else is in the language.
#[test]
fn a_preview_is_drawn_in_the_language() {
    for (lang, words) in [
        (Lang::Ko, ["재시작 (soft)", "되돌리기", "권한", "호출 1"]),
        (Lang::Zh, ["重启 shop-api-01", "撤销", "权限", "调用 1"]),
    ] {
        let mut state = diagnosed(lang, (100, 60));
        let effects = press(&mut state, "1");
        let run = effects.iter().find_map(|effect| match effect {
            Effect::Prepare { run, .. } => Some(*run),
            _ => None,
        });
        let context = PlanContext {
            entry: "e1".into(),
            instance: instance("ins-shop", "shop-api-01", 7),
            ..PlanContext::default()
        };
        let plan = plan(ActionId::Restart, &Parameters::none(), &context).unwrap();
        let result = Ok(Box::new(plan));
        send(
            &mut state,
            Message::Planned {
                run: run.unwrap(),
                result,
            },
        );
        let text = shown(&mut state).replace("  ", " ");
        let compact: String = text.chars().filter(|c| *c != ' ').collect();
        for word in words {
            let word: String = word.chars().filter(|c| *c != ' ').collect();
            assert!(compact.contains(&word), "{lang:?} {word}\n{text}");
        }
        assert!(compact.contains("cvm:RebootInstances"), "{text}");
    }
}

/// A sentence of the book that no source writes any more helps nobody.
#[test]
fn the_phrase_book_holds_no_dead_sentence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    for folder in ["src", "assets/knowledge"] {
        read_all(&root.join(folder), &mut source);
    }
    // A long literal is broken over lines with a backslash.
    let mut joined = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(at) = rest.find("\\\n") {
        joined.push_str(&rest[..at]);
        rest = rest[at + 2..].trim_start();
    }
    joined.push_str(rest);
    let plain = joined.replace("\\\"", "\"").replace("\\\\", "\\");
    let dead: Vec<String> = phrases::entries()
        .into_iter()
        .map(|entry| entry.en)
        .filter(|en| !is_written(en, &plain))
        .collect();
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Sources put sentences together from parts, so pairs of words are looked for: most of them. A
/// sentence with one pair or none cannot be judged.
fn is_written(sentence: &str, source: &str) -> bool {
    let pairs: Vec<String> = sentence
        .split(['{', '}'])
        .step_by(2)
        .flat_map(|part| {
            let words: Vec<&str> = part.split_whitespace().collect();
            let pairs = words.windows(2).map(|two| two.join(" "));
            pairs.collect::<Vec<_>>()
        })
        .collect();
    let found = pairs.iter().filter(|pair| source.contains(pair.as_str()));
    pairs.len() < 2 || 2 * found.count() >= pairs.len()
}

fn read_all(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, out);
        } else if path
            .extension()
            .is_some_and(|end| end == "rs" || end == "toml")
        {
            out.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The whole demo fleet, looked at inside and outside: what share of the details is said in the
/// language. What is not is named, so that it can be added.
#[test]
fn details_of_evidence_are_in_the_phrase_book() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let demo = runtime.block_on(demo::start(DemoOptions {
        reboot: Duration::from_secs(1),
        rate_limits: false,
        ..DemoOptions::default()
    }));
    let demo = demo.unwrap();
    let home = tempfile::tempdir().unwrap();
    let cvmtop = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .args(["--region", "all"])
            .args(words)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("CVMTOP_ENDPOINT", &demo.endpoint)
            .env("TENCENTCLOUD_SECRET_ID", &demo.secret_id)
            .env("TENCENTCLOUD_SECRET_KEY", &demo.secret_key)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = cvmtop(&["list", "--no-probe", "--format", "json"]);
    let ids: Vec<String> = listed
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    // Every third: each kind of system, path and fault, in a third of the time.
    let mut words = vec!["diagnose", "--deep", "--format", "json"];
    words.extend(ids.iter().step_by(3).map(String::as_str));
    let (mut known, mut all, mut unknown) = (0, 0, BTreeSet::new());
    for line in cvmtop(&words).lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        for reading in report["evidence"].as_array().unwrap() {
            let detail = reading["detail"].as_str().unwrap_or_default();
            if detail.is_empty() {
                continue;
            }
            all += 1;
            if phrases::knows(detail) {
                known += 1;
            } else {
                unknown.insert(detail.to_owned());
            }
        }
    }
    let share = 100.0 * f64::from(known) / f64::from(all);
    println!("{share:.1} % of {all} details are in the phrase book; not: {unknown:#?}");
    assert!(all > 500, "{all} details");
    assert!(share >= 90.0, "{share:.1} %: {unknown:#?}");
}

/// One is not written as `1 rule(s)`; only the phrase book may stand for both numbers so.
#[test]
fn no_sentence_leaves_its_number_open() {
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    sources(&root.join("assets/guest"), &mut found);
    for lang in Lang::ALL {
        found.push(root.join(format!("assets/locales/{}.toml", lang.as_str())));
    }
    for path in found {
        // The phrase book explains its own notation.
        if path.ends_with("app/phrases.rs") {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let inside = line.split('"').skip(1).step_by(2);
            let open = |text: &str| ["(s)", "(es)"].iter().any(|mark| text.contains(mark));
            assert!(!inside.into_iter().any(open), "{}: {line}", path.display());
        }
    }
}
