//! What the console looks like, read by a person in `tests/snapshots`, and what must hold at
//! any size.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

mod console;

use console::{diagnosed, fresh, listed, press};
use cvmtop::app::case::RunId;
use cvmtop::app::jobs::{Ending, Job, JobState};
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Listing, Message};
use cvmtop::app::missing::Missing;
use cvmtop::app::state::State;
use cvmtop::app::update::update;
use cvmtop::domain::action::ActionId;
use cvmtop::view::frame::{Look, draw};
use cvmtop::view::theme::{Depth, Theme};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (160, 50)];

fn look(ascii: bool) -> Look {
    Look::new(Theme::fallback(), Depth::Ansi16, ascii, false)
}

fn frame(state: &mut State, ascii: bool) -> Buffer {
    let (width, height) = state.size;
    state.settle();
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    let mut look = look(ascii);
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
fn a_diagnosed_instance_in_every_size_language_and_glyph_set() {
    for size in SIZES {
        for lang in Lang::ALL {
            for ascii in [false, true] {
                let mut state = diagnosed(lang, size);
                let shown = text(&frame(&mut state, ascii));
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
        title: "Open tcp 22".into(),
        state: JobState::Ended(Ending::Restored, "login answers again".into()),
        started_at: state.now,
        ended_at: Some(state.now),
        steps: Vec::new(),
        soft_restart_failed: false,
        undo_entry: None,
        reverses: None,
    });
    let shown = text(&frame(&mut state, false));
    assert!(
        shown.contains("Login works again. login answers again"),
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
            "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY".to_owned(),
            "~/.tccli/default.credential".to_owned(),
        ];
        let event = Listing::Missing(Missing::Credentials { looked_for });
        update(&mut state, Message::Listed { generation, event });
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
        ("cause", "m"),
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

/// The ASCII set must not leak a sign; only data and texts may hold other characters.
#[test]
fn the_ascii_set_draws_ascii_in_english() {
    let mut state = listed(Lang::En, (120, 40));
    press(&mut state, "/ s h o p enter");
    let shown = text(&frame(&mut state, true));
    assert!(shown.is_ascii(), "{shown}");
}

#[test]
fn without_colour_nothing_is_coloured() {
    let mut state = diagnosed(Lang::En, (120, 40));
    state.settle();
    let look = Look::new(Theme::fallback(), Depth::Mono, false, false);
    let mut buf = Buffer::empty(Rect::new(0, 0, 120, 40));
    draw(&state, &look, &mut buf);
    for cell in &buf.content {
        assert_eq!(cell.fg, ratatui::style::Color::Reset);
        assert_eq!(cell.bg, ratatui::style::Color::Reset);
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
