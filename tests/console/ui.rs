//! What the console looks like, read by a person in `tests/snapshots`, and what must hold at
//! any size.

use crate::support::console;
use console::{diagnosed, fresh, listed, press};
use cvmtop::app::case::RunId;
use cvmtop::app::jobs::{Job, JobState};
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Found, Listing, Message};
use cvmtop::app::missing::Missing;
use cvmtop::app::state::{Pane, State};
use cvmtop::app::update::update;
use cvmtop::cloud::said::cred_variables;
use cvmtop::domain::action::ActionId;
use cvmtop::domain::outcome::Outcome;
use cvmtop::domain::said::Said;
use cvmtop::view::frame::{Look, draw};
use cvmtop::view::glyphs::UNICODE;
use cvmtop::view::theme::{Depth, Theme};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

const SIZES: [(u16, u16); 5] = [(60, 16), (80, 24), (100, 30), (120, 40), (160, 50)];

fn look(ascii: bool) -> Look {
    Look::new(Theme::fallback(), Depth::Ansi16, ascii, false)
}

fn frame(state: &mut State, ascii: bool) -> Buffer {
    frame_with(state, look(ascii))
}

fn frame_with(state: &mut State, mut look: Look) -> Buffer {
    let (width, height) = state.size;
    state.settle();
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    look.privacy = state.looks.privacy;
    let geometry = draw(state, &look, &mut buf);
    update(state, Message::Drawn(geometry));
    buf
}

/// The buffer as a person sees it.
fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buf.area.width {
            let symbol = buf[(x, y)].symbol();
            line.push_str(symbol);
            x += (symbol.width() as u16).max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[test]
fn chosen_columns_and_the_order_that_none_of_them_shows() {
    let mut state = listed(Lang::En, (100, 30));
    press(&mut state, "s s s z O down down down down space > >");
    insta::assert_snapshot!("overlay-columns", text(&frame(&mut state, false)));
    press(&mut state, "esc");
    let shown = text(&frame(&mut state, false));
    insta::assert_snapshot!("list-columns", shown);
    // By region, which is hidden now; another order has its mark over its column.
    assert!(shown.contains("Instances 5 Region↓"), "{shown}");
    press(&mut state, "S");
    assert!(text(&frame(&mut state, false)).contains("Instances 5 Region↑"));
    press(&mut state, "S s");
    let shown = text(&frame(&mut state, false));
    assert!(
        shown.contains("Age↓") && !shown.contains("Instances 5 Age"),
        "{shown}"
    );
    // A narrow list has no room for it either.
    state.looks.columns = None;
    state.zoomed = false;
    press(&mut state, "s s s");
    let shown = text(&frame(&mut state, false));
    assert!(shown.contains("Instances 5 State↓"), "{shown}");
}

#[test]
fn a_diagnosed_instance_in_every_size_language_and_glyph_set() {
    for size in SIZES {
        for lang in Lang::ALL {
            for ascii in [false, true] {
                let mut state = diagnosed(lang, size);
                let shown = text(&frame(&mut state, ascii));
                let mono = Look::new(Theme::fallback(), Depth::Mono, ascii, false);
                assert_eq!(
                    text(&frame_with(&mut state, mono)),
                    shown,
                    "colour must not carry words"
                );
                let glyphs = if ascii { "ascii" } else { "unicode" };
                let name = format!("diagnosed-{}x{}-{}-{glyphs}", size.0, size.1, lang.as_str());
                insta::assert_snapshot!(name, shown);
            }
        }
    }
}

/// Where the panes are tabs, the end of an action must not hide on another one.
#[test]
fn how_an_action_ended_stands_beside_the_verdict() {
    let mut state = diagnosed(Lang::En, (80, 24));
    state.jobs.push(Job {
        run: RunId(99),
        instance: "ins-shop".into(),
        action: Some(ActionId::OpenPort),
        title: Said::raw("Open tcp 22"),
        state: JobState::Ended(Outcome::Restored, Said::raw("login answers again")),
        started_at: state.now,
        ended_at: Some(state.now),
        steps: Vec::new(),
        soft_restart_failed: false,
        undo_entry: None,
        reverses: None,
    });
    let shown = text(&frame(&mut state, false));
    assert!(
        shown.contains("Login works again. Login answers again"),
        "{shown}"
    );
}

#[test]
fn the_list_in_one_pane() {
    for lang in Lang::ALL {
        let mut state = listed(lang, (80, 24));
        let name = format!("list-80x24-{}", lang.as_str());
        insta::assert_snapshot!(name, text(&frame(&mut state, false)));
    }
}

#[test]
fn loading_empty_and_filtered_lists_say_so() {
    let mut state = fresh(Lang::En, (80, 24));
    insta::assert_snapshot!("loading", text(&frame(&mut state, false)));
    for lang in Lang::ALL {
        let mut state = fresh(lang, (80, 24));
        let generation = state.fleet.generation;
        let looked_for = vec![
            cred_variables("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"),
            Said::raw("~/.tccli/default.credential"),
        ];
        let event = Listing::Missing(Missing::Credentials { looked_for });
        update(
            &mut state,
            Message::Found(Found::Listed { generation, event }),
        );
        let name = format!("first-run-{}", lang.as_str());
        insta::assert_snapshot!(name, text(&frame(&mut state, false)));
    }
    let mut state = listed(Lang::En, (80, 24));
    press(&mut state, "/ x y z z y");
    insta::assert_snapshot!("filtered-away", text(&frame(&mut state, false)));
}

#[test]
fn overlays() {
    for (name, keys) in [
        ("help", "?"),
        ("palette", ": g u i"),
        ("paste", "e"),
        ("source", "f"),
        ("consent", "d"),
        ("login", "v"),
        ("cause", "m"),
        ("fleet-causes", "W"),
        ("guide", "g"),
        ("reasons", "z"),
        ("why-not", "n down enter"),
        ("batch", "tab tab tab space b"),
    ] {
        let mut state = diagnosed(Lang::En, (80, 24));
        if name == "reasons" {
            press(&mut state, "enter");
        }
        press(&mut state, keys);
        insta::assert_snapshot!(format!("overlay-{name}"), text(&frame(&mut state, false)));
    }
}

/// The self-diagnosis at each size: worst first, what changed, and the mend of the selected item.
#[test]
fn self_check() {
    for size in [(80, 24), (120, 40), (200, 50)] {
        let mut state = checked(Lang::En, size);
        press(&mut state, "down");
        let name = format!("self-check-{}", size.0);
        insta::assert_snapshot!(name, text(&frame(&mut state, false)));
    }
    for lang in [Lang::Ko, Lang::Zh] {
        let mut state = checked(lang, (120, 40));
        let name = format!("self-check-{}", lang.as_str());
        insta::assert_snapshot!(name, text(&frame(&mut state, false)));
    }
    // A screen that is shared shows no address.
    let mut state = checked(Lang::En, (200, 50));
    state.looks.privacy = true;
    let shown = text(&frame(&mut state, false));
    assert!(
        !shown.contains("198.51.100.4") && !shown.contains("203.0.113.7"),
        "{shown}"
    );
}

/// The port verification at each size; a screen that is shared shows no address.
#[test]
fn ports() {
    let verified = |lang, size| {
        let mut state = diagnosed(lang, size);
        press(&mut state, "N");
        let case = state.cases.get_mut("ins-shop").expect("a case");
        case.ports.run = None;
        case.ports.report = Some(console::verified());
        press(&mut state, "down");
        state
    };
    for size in [(80, 24), (120, 40), (200, 50)] {
        let mut state = verified(Lang::En, size);
        let name = format!("ports-{}", size.0);
        insta::assert_snapshot!(name, text(&frame(&mut state, false)));
    }
    for lang in [Lang::Ko, Lang::Zh] {
        let mut state = verified(lang, (120, 40));
        let name = format!("ports-{}", lang.as_str());
        insta::assert_snapshot!(name, text(&frame(&mut state, false)));
    }
    // Masking is asked for when somebody looks over the shoulder: also in the view itself.
    let mut state = verified(Lang::En, (200, 50));
    assert!(text(&frame(&mut state, false)).contains("203.0.113.7"));
    press(&mut state, "P");
    let shown = text(&frame(&mut state, false));
    assert!(!shown.contains("203.0.113.7"), "{shown}");
}

/// A console with a list that was read for the second time.
fn checked(lang: Lang, size: (u16, u16)) -> State {
    use cvmtop::app::checkup::Checked;
    use cvmtop::app::effect::{Effect, Observe};
    let mut state = diagnosed(lang, size);
    for full in [true, false] {
        press(&mut state, "c");
        let run = state
            .cases
            .get("ins-shop")
            .and_then(|case| case.check.run)
            .expect("a run");
        let checked = Checked {
            run,
            instance: "ins-shop".into(),
            result: Ok(console::checked("ins-shop", full)),
            before: None,
        };
        update(
            &mut state,
            Message::Found(Found::Checked(Box::new(checked))),
        );
        if full {
            // A list of just now is shown again; a minute later it is read anew.
            press(&mut state, "esc");
            let report = state.cases["ins-shop"]
                .check
                .report
                .clone()
                .expect("a report");
            state.now = report.at;
            let again = press(&mut state, "c esc");
            let asks = |effect: &Effect| matches!(effect, Effect::Observe(Observe::Check { .. }));
            assert!(!again.iter().any(asks));
            state.now = console::at(900);
        }
    }
    state
}

/// The ASCII set must not leak a sign; only data and texts may hold other characters.
#[test]
fn the_ascii_set_draws_ascii_in_english() {
    let mut state = listed(Lang::En, (120, 40));
    press(&mut state, "/ s h o p enter");
    let shown = text(&frame(&mut state, true));
    assert!(shown.is_ascii(), "{shown}");
}

/// Signs that only the Unicode set may draw; a few of them are punctuation of texts as well.
fn unicode_signs() -> Vec<char> {
    let unicode = format!("{UNICODE:?}");
    unicode
        .chars()
        .filter(|c| !c.is_ascii() && !"·•–…".contains(*c))
        .collect()
}

/// Every pane, and overlays of each kind, by the keys that open them on a diagnosed instance.
const SCENES: [&str; 22] = [
    "tab",
    "tab tab",
    "z",
    "?",
    ":",
    ": g u i",
    "e",
    "f",
    "d",
    "m",
    "n",
    "n down enter",
    "g",
    "t",
    "i",
    "L",
    "/ s h",
    "enter",
    "tab tab space b",
    "1",
    "P",
    "y",
];

/// Opens a scene, whatever the one before has left open.
fn scene(state: &mut State, keys: &str) {
    state.overlays.clear();
    state.fleet.marks.clear();
    state.zoomed = false;
    state.focus = Pane::Diagnosis;
    press(state, keys);
}

#[test]
fn the_ascii_set_draws_no_sign_of_the_other_in_any_language() {
    let signs = unicode_signs();
    assert!(signs.len() > 10, "{signs:?}");
    for size in SIZES {
        for lang in Lang::ALL {
            let mut state = diagnosed(lang, size);
            for keys in SCENES {
                scene(&mut state, keys);
                let shown = text(&frame(&mut state, true));
                let leaked = shown.chars().find(|c| signs.contains(c));
                assert_eq!(leaked, None, "{size:?} {lang:?} {keys}\n{shown}");
            }
        }
    }
}

#[test]
fn without_colour_nothing_is_coloured_and_all_is_told_apart() {
    use ratatui::style::{Color, Modifier};
    for size in SIZES {
        let mut state = diagnosed(Lang::En, size);
        for keys in SCENES {
            scene(&mut state, keys);
            for name in Theme::shipped_names() {
                let theme = Theme::shipped(name).unwrap();
                let buf = frame_with(&mut state, Look::new(theme, Depth::Mono, false, false));
                for cell in &buf.content {
                    assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{keys}");
                }
            }
        }
    }
    let mut state = listed(Lang::En, (80, 24));
    let look = Look::new(Theme::fallback(), Depth::Mono, false, false);
    let buf = frame_with(&mut state, look);
    let row = |name: &str| {
        let lines = text(&buf);
        let y = lines.lines().position(|line| line.contains(name)).unwrap();
        (y as u16, lines.lines().nth(y).unwrap().to_owned())
    };
    let (selected, _) = row("shop-api-01");
    let (other, _) = row("web-frontend-01");
    let reversed = |y| buf[(4, y)].modifier.contains(Modifier::REVERSED);
    assert!(reversed(selected) && !reversed(other));
    let signs: Vec<char> = ["shop-api", "数据库", "nightly", "web-frontend"]
        .map(|name| row(name).1.chars().nth(2).unwrap())
        .into();
    let mut unlike = signs.clone();
    unlike.sort_unstable();
    unlike.dedup();
    assert_eq!(unlike.len(), 4, "{signs:?}");
}

/// A frame around a pane is whole in every row: nothing inside of it ran over its edge.
#[test]
fn nothing_runs_over_the_edge_of_a_pane() {
    let edge = UNICODE.frame[5];
    let more = [UNICODE.more_above, UNICODE.more_below];
    for size in SIZES {
        for lang in Lang::ALL {
            let mut state = diagnosed(lang, size);
            for keys in ["", "tab", "tab tab", "enter", "z"] {
                scene(&mut state, keys);
                let buf = frame(&mut state, false);
                for (pane, area) in state.geometry.panes.clone() {
                    for y in area.y + 1..area.y + area.height - 1 {
                        for x in [area.x, area.x + area.width - 1] {
                            let symbol = buf[(x, y)].symbol();
                            assert!(
                                symbol == edge || more.contains(&symbol),
                                "{size:?} {lang:?} {keys} {pane:?} {x},{y}\n{}",
                                text(&buf)
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The text inside of a pane, without spaces.
fn inside(state: &State, buf: &Buffer, pane: Pane) -> String {
    let area = state
        .geometry
        .panes
        .iter()
        .find(|(shown, _)| *shown == pane);
    let area = area.map(|(_, area)| *area).unwrap_or_default();
    let mut out = String::new();
    for y in area.y + 1..(area.y + area.height).saturating_sub(1) {
        for x in area.x + 1..(area.x + area.width).saturating_sub(1) {
            out.push_str(buf[(x, y)].symbol().trim());
        }
    }
    out
}

/// One second at any size: what is wrong, and a key to press.
#[test]
fn the_verdict_and_the_first_key_are_on_every_screen() {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    for size in SIZES {
        for lang in Lang::ALL {
            let mut state = diagnosed(lang, size);
            let buf = frame(&mut state, false);
            let shown = text(&buf);
            let why = inside(&state, &buf, Pane::Diagnosis);
            let what = why.clone() + &inside(&state, &buf, Pane::Actions);
            let cause = squeezed(state.texts.cause("security-group-blocks-port", ""));
            let action = squeezed(state.texts.action("open-port", ""));
            assert!(
                why.contains(&cause) && what.contains(&format!("1{action}")),
                "{size:?} {lang:?}\n{shown}"
            );
        }
    }
}

/// Names are what instances are told apart by.
#[test]
fn names_of_the_list_are_whole_where_the_pane_has_room() {
    for size in [(80, 24), (120, 40), (160, 50), (200, 50)] {
        let mut state = listed(Lang::En, size);
        let shown = text(&frame(&mut state, false));
        for name in ["web-frontend-01", "한국-재무-서버", "数据库-主库-01"] {
            assert!(shown.contains(name), "{size:?}\n{shown}");
        }
    }
    let mut state = listed(Lang::En, (160, 50));
    let shown = text(&frame(&mut state, false));
    assert!(shown.contains("203.0.113.2 greets"), "{shown}");
}

/// Unless this is told, rows that nobody looked at for minutes seem forgotten.
#[test]
fn a_sweep_held_back_by_the_descriptor_limit_says_so() {
    for lang in Lang::ALL {
        let mut state = listed(lang, (80, 24));
        update(&mut state, Message::Found(Found::SweepHeld(Some(200))));
        let shown = text(&frame(&mut state, false));
        assert!(
            shown.contains("ulimit -n") && shown.contains("200"),
            "{shown}"
        );
        update(&mut state, Message::Found(Found::SweepHeld(None)));
        assert!(!text(&frame(&mut state, false)).contains("ulimit"));
    }
}

/// A terminal that ignores the clipboard's escape sequence leaves the operator a way.
#[test]
fn what_was_copied_can_be_seen_and_selected_by_hand() {
    for lang in Lang::ALL {
        let mut state = diagnosed(lang, (80, 24));
        press(&mut state, "y");
        assert!(state.overlays.is_empty());
        let told = text(&frame(&mut state, false));
        assert!(told.contains("OSC 52"), "{told}");
        press(&mut state, "y");
        let shown = text(&frame(&mut state, false));
        // No frame beside the text: what is selected is what was copied.
        for line in state.copied.lines().filter(|line| line.width() < 79) {
            assert!(
                shown.lines().any(|shown| shown == line.trim_end()),
                "{line:?} in\n{shown}"
            );
        }
        press(&mut state, "y");
        assert_eq!(state.overlays.len(), 1, "the same text does not pile up");
        press(&mut state, "esc");
        assert!(state.overlays.is_empty());
    }
}

#[test]
fn masked_screens_show_no_address_and_no_id() {
    let mut state = diagnosed(Lang::En, (160, 50));
    press(&mut state, ": p r i v a c y enter");
    let shown = text(&frame(&mut state, false));
    for secret in ["203.0.113", "10.0.1", "198.51.100", "ins-shop"] {
        assert!(!shown.contains(secret), "{secret} in\n{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_size_and_no_key_makes_it_panic(
        width in 0u16..200,
        height in 0u16..60,
        keys in proptest::collection::vec(
            prop_oneof![
                Just("tab"), Just("enter"), Just("?"), Just("j"), Just("k"), Just("z"), Just(":"),
                Just("/"), Just("esc"), Just("pagedown"), Just("end"), Just("e"), Just("m"),
                Just("f"), Just("g"), Just("L"), Just("d"), Just("s"), Just("x"), Just("space"),
            ],
            0..12,
        ),
        lang in 0usize..3,
    ) {
        let mut state = diagnosed(Lang::ALL[lang], (width, height));
        for key in keys {
            press(&mut state, key);
            frame(&mut state, false);
        }
        frame(&mut state, true);
    }
}
