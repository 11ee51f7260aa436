//! The list as users of other consoles expect it: what fails next, ranges of marks.

use crate::support::console;
use console::{instance, listed, press, send};
use cvmtop::app::effect::{Effect, Memory};
use cvmtop::app::health::Login;
use cvmtop::app::keys::{Bound, Context};
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Found, Listing, Message, Recalled};
use cvmtop::app::state::{Pane, State};
use cvmtop::app::typed::Line;
use cvmtop::domain::column::Column;
use cvmtop::domain::evidence::table::LoginWord;

const SIZE: (u16, u16) = (120, 40);

fn selected(state: &State) -> &str {
    state.fleet.selected_id().expect("one is selected")
}

/// By name, so that what fails lies scattered: shop, stop, web, win (한국), db (数据库).
fn by_name() -> State {
    let mut state = listed(Lang::En, SIZE);
    press(&mut state, "s home");
    let order: Vec<&str> = state
        .fleet
        .window(0, 9)
        .map(|row| row.instance.id.as_str())
        .collect();
    assert_eq!(
        order,
        ["ins-stop", "ins-shop", "ins-web", "ins-db", "ins-win"]
    );
    state
}

fn last_told(state: &State) -> String {
    let last = state.notices.all().last();
    last.map_or_else(String::new, |notice| notice.text.clone())
}

fn answers(state: &mut State, id: &str) {
    state.fleet.get_mut(id).expect("listed").login = Some(Login::of(LoginWord::Answers));
    state.settle();
}

#[test]
fn what_fails_is_jumped_to_in_the_order_of_the_list_and_around_its_ends() {
    let mut state = by_name();
    for expected in ["ins-shop", "ins-win", "ins-shop"] {
        press(&mut state, "}");
        assert_eq!(selected(&state), expected);
    }
    for expected in ["ins-win", "ins-shop"] {
        press(&mut state, "{");
        assert_eq!(selected(&state), expected);
    }
    // Also while the case of one is read, whose place in the pane is not that of the next.
    press(&mut state, "tab");
    state.diagnosis_offset = 3;
    press(&mut state, "}");
    assert_eq!(
        (selected(&state), state.focus),
        ("ins-win", Pane::Diagnosis)
    );
    assert_eq!(state.diagnosis_offset, 0);
    // What the filter hides is not jumped to.
    state.fleet.set_filter("!name:shop");
    press(&mut state, "home }");
    assert_eq!(selected(&state), "ins-win");
}

#[test]
fn where_nothing_else_fails_it_is_said_and_nothing_moves() {
    let mut state = by_name();
    answers(&mut state, "ins-win");
    press(&mut state, "}");
    assert_eq!(selected(&state), "ins-shop");
    press(&mut state, "}");
    assert_eq!(selected(&state), "ins-shop");
    assert!(last_told(&state).contains("no other one that is listed fails"));
    answers(&mut state, "ins-shop");
    press(&mut state, "home {");
    assert_eq!(selected(&state), "ins-stop");
    let mut empty = console::fresh(Lang::En, SIZE);
    press(&mut empty, "} {");
    assert_eq!(empty.fleet.selected_id(), None);
}

fn marked(state: &State) -> Vec<&str> {
    let mut marked: Vec<&str> = state.fleet.marks.iter().map(String::as_str).collect();
    marked.sort_unstable();
    marked
}

#[test]
fn a_range_goes_from_the_last_mark_to_the_cursor_both_ways() {
    let mut state = by_name();
    press(&mut state, "down space end V");
    assert_eq!(marked(&state), ["ins-db", "ins-shop", "ins-web", "ins-win"]);
    // The next range begins where the last one ended.
    press(&mut state, "* * home V");
    assert!(marked(&state).is_empty() && last_told(&state).contains("nothing is marked"));
    press(&mut state, "end space home V");
    assert_eq!(marked(&state).len(), 5);
}

#[test]
fn a_range_takes_only_what_is_listed_in_the_order_that_is_shown() {
    let mut state = by_name();
    // By name web lies between shop and win; the filter takes it away.
    press(&mut state, "down space");
    state.fleet.set_filter("!name:web");
    press(&mut state, "end V");
    assert_eq!(marked(&state), ["ins-db", "ins-shop", "ins-win"]);
    // The other way around the same two enclose others.
    let mut state = by_name();
    press(&mut state, "end space S home V");
    assert_eq!(marked(&state), ["ins-win"]);
}

#[test]
fn a_range_that_begins_out_of_sight_marks_nothing() {
    let mut state = by_name();
    press(&mut state, "down space");
    state.fleet.set_filter("!name:shop");
    press(&mut state, "end V");
    assert_eq!(marked(&state), ["ins-shop"]);
    assert!(last_told(&state).contains("no marked instance is listed"));
    // Nor does one whose first mark was taken back.
    state.fleet.set_filter("");
    state.fleet.marks.insert("ins-web".into());
    press(&mut state, "home down space end V");
    assert_eq!(marked(&state), ["ins-web"]);
}

#[test]
fn typing_narrows_the_causes_and_the_row_that_is_left_is_taken() {
    for (key, lang) in [
        ("n", Lang::En),
        ("m", Lang::En),
        ("m", Lang::Ko),
        ("n", Lang::Zh),
    ] {
        let mut state = console::diagnosed(lang, SIZE);
        press(&mut state, key);
        press(&mut state, "d i s k - f u l l enter");
        match key {
            "m" => {
                let case = state.selected_case().expect("a case");
                assert_eq!(case.confirmed.as_deref(), Some("disk-full"), "{lang:?}");
            }
            _ => assert!(
                matches!(
                    state.overlays.last(),
                    Some(cvmtop::app::overlay::Overlay::Reader(_))
                ),
                "{lang:?}"
            ),
        }
    }
    // By the words of the title, too; what fits nothing is never taken.
    let mut state = console::diagnosed(Lang::Ko, SIZE);
    press(&mut state, "m");
    send(&mut state, Message::Pasted("디스크".into()));
    press(&mut state, "enter");
    let confirmed = state
        .selected_case()
        .and_then(|case| case.confirmed.clone());
    assert!(confirmed.is_some_and(|cause| cause.contains("disk")));
    let mut state = console::diagnosed(Lang::En, SIZE);
    press(&mut state, "m x y z z y enter");
    assert!(
        state
            .selected_case()
            .is_some_and(|case| case.confirmed.is_none())
    );
    assert_eq!(state.overlays.len(), 1);
    // The letters that walk other lists are text here.
    press(&mut state, "ctrl-u j k enter");
    assert_eq!(state.overlays.len(), 1);
}

#[test]
fn all_lists_that_typing_narrows_walk_by_pages() {
    let mut state = console::diagnosed(Lang::En, SIZE);
    for key in ["m", "n", "x", ":"] {
        press(&mut state, key);
        let overlay = state.overlays.last().expect("open");
        assert_eq!(overlay.context(), Context::Palette, "{key}");
        let before = console_row(&state);
        press(&mut state, "pagedown pagedown pageup");
        assert!(console_row(&state) >= before + 10, "{key}");
        press(&mut state, "esc");
    }
    let keys: Vec<Bound> = Context::Palette.commands();
    assert_eq!(keys.len(), 6);
}

fn console_row(state: &State) -> usize {
    use cvmtop::app::overlay::Overlay;
    match state.overlays.last() {
        Some(Overlay::Palette(palette)) => palette.pick.selected,
        Some(Overlay::PickCause(question)) => question.pick.selected,
        Some(Overlay::AnyAction(question)) => question.pick.selected,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listing_that_drops_the_start_of_a_range_leaves_it_without_one() {
    let mut state = by_name();
    press(&mut state, "home space");
    press(&mut state, "r");
    let generation = state.fleet.generation;
    let rest = vec![instance("ins-web", "web-frontend-01", 2).into()];
    for event in [
        Listing::Regions(1),
        Listing::Page(rest),
        Listing::RegionDone,
        Listing::End,
    ] {
        send(
            &mut state,
            Message::Found(Found::Listed { generation, event }),
        );
    }
    state.settle();
    press(&mut state, "end V");
    assert!(!state.fleet.marks.contains("ins-web"));
}

fn kept(effects: &[Effect]) -> Vec<&str> {
    let of = |effect| match effect {
        &Effect::Memory(Memory::KeepTyped {
            line: Line::Columns,
            ref text,
            ..
        }) => Some(text.as_str()),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

#[test]
fn columns_are_hidden_moved_and_kept() {
    use Column::{Address, Age, Cause, Login, Region, Zone};
    let mut state = listed(Lang::En, SIZE);
    let effects = press(&mut state, "O down space");
    assert_eq!(kept(&effects), ["address,login,age,region,cause"]);
    // The cursor goes along with what moves; past the edge nothing does.
    let effects = press(&mut state, "down < < < >");
    assert_eq!(
        kept(&effects),
        [
            "login,address,age,region,cause",
            "address,login,age,region,cause"
        ]
    );
    let effects = press(&mut state, "< pagedown up up enter");
    assert_eq!(kept(&effects)[1..], ["login,address,age,region,cause,zone"]);
    press(&mut state, "esc");
    let chosen = Some(vec![Login, Address, Age, Region, Cause, Zone]);
    assert_eq!(state.looks.columns, chosen);
    let effects = press(&mut state, "O r");
    assert_eq!(kept(&effects), ["shipped"]);
    assert_eq!(state.looks.columns, None);
    // All can go but the name.
    let effects = press(
        &mut state,
        "space down space down space down space down space down space",
    );
    assert_eq!(kept(&effects).last(), Some(&"none"));
    assert_eq!(state.looks.columns, Some(vec![]));
}

#[test]
fn the_columns_of_the_last_start_come_back_unless_config_or_operator_say_otherwise() {
    let recall = |state: &mut State, text: &str| {
        let lines = vec![(Line::Columns, vec!["age".to_owned(), text.to_owned()])];
        send(state, Message::Recalled(Recalled::Typed(lines)));
        state.looks.columns.clone()
    };
    let fresh = || listed(Lang::En, SIZE);
    assert_eq!(
        recall(&mut fresh(), "id,login"),
        Some(vec![Column::Id, Column::Login])
    );
    assert_eq!(recall(&mut fresh(), "none"), Some(vec![]));
    assert_eq!(recall(&mut fresh(), "shipped"), None);
    let mut of_config = fresh();
    of_config.looks.columns = Some(vec![Column::Os]);
    assert_eq!(recall(&mut of_config, "id"), Some(vec![Column::Os]));
    let mut chosen = fresh();
    press(&mut chosen, "O r");
    assert_eq!(recall(&mut chosen, "id"), None);
}
