//! What the pure side of the console costs: a frame from state to bytes, a filter keystroke, and
//! one result that arrives: `cargo bench --bench frame`.
//!
//! The cost of a frame must not grow with the fleet. Must not live here: the terminal
//! (`console`), the inference (`posterior`).

#![allow(clippy::unwrap_used)] // a bench may stop where it fails

use cvmtop::app::fleet::Sort;
use cvmtop::app::health::Login;
use cvmtop::app::locale::Lang;
use cvmtop::app::state::State;
use cvmtop::domain::evidence::table::LoginWord;
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::terminal::screen::{Extras, Screen};
use cvmtop::view::frame::{Look, draw};
use cvmtop::view::theme::{Depth, Theme};
use divan::{Bencher, black_box};
use jiff::Timestamp;

const FLEETS: [usize; 4] = [75, 1_000, 10_000, 50_000];

fn main() {
    divan::main();
}

fn instance(number: usize) -> Instance {
    let [high, low] = [(number / 250 % 250) as u8, (number % 250) as u8];
    Instance {
        id: format!("ins-{number:08x}"),
        name: format!("{}-{number:05}", ["web", "db", "batch", "game"][number % 4]),
        region: ["ap-seoul", "ap-guangzhou"][number % 2].into(),
        zone: "ap-seoul-1".into(),
        state: if number % 23 == 5 {
            "STOPPED"
        } else {
            "RUNNING"
        }
        .into(),
        os: if number % 7 == 3 {
            Os::Windows
        } else {
            Os::Linux
        },
        public_addresses: vec![[127, 77, high, low].into()],
        private_addresses: vec![[127, 78, high, low].into()],
        ..Instance::default()
    }
}

/// A console whose list holds `fleet` instances, each with a login result.
fn state(fleet: usize, (width, height): (u16, u16)) -> State {
    let now = Timestamp::from_second(1_780_000_000).unwrap();
    let mut state = State::new(now, Lang::default());
    state.size = (width, height);
    state.fleet.begin_listing(1, false);
    state
        .fleet
        .insert((0..fleet).map(|at| instance(at).into()).collect());
    state.fleet.end_listing();
    for number in 0..fleet {
        let row = state.fleet.get_mut(&format!("ins-{number:08x}")).unwrap();
        row.login = Some(Login::of(
            [LoginWord::Greets, LoginWord::Silent, LoginWord::Slow][number % 3],
        ));
        row.checked_at = Some(now);
    }
    state.settle();
    state
}

/// Draws frames with the selection one line further each time, as a held key does.
fn frames(bencher: Bencher<'_, '_>, fleet: usize, size: (u16, u16)) {
    let mut state = state(fleet, size);
    let look = Look::new(Theme::fallback(), Depth::True, false, false);
    let mut screen = Screen::new(
        size.0,
        size.1,
        Extras {
            sync: true,
            links: true,
        },
    );
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 1) % fleet;
        state.fleet.choose_at(at);
        state.settle();
        let (geometry, bytes) = screen.frame(None, |buffer| draw(&state, &look, buffer));
        state.fleet.offset = geometry.list_offset;
        black_box(bytes)
    });
}

#[divan::bench(args = FLEETS)]
fn frame_80x24(bencher: Bencher<'_, '_>, fleet: usize) {
    frames(bencher, fleet, (80, 24));
}

#[divan::bench(args = FLEETS)]
fn frame_200x50(bencher: Bencher<'_, '_>, fleet: usize) {
    frames(bencher, fleet, (200, 50));
}

#[divan::bench(args = FLEETS)]
fn frame_250x80(bencher: Bencher<'_, '_>, fleet: usize) {
    frames(bencher, fleet, (250, 80));
}

/// One keystroke of a filter: parse, match all rows, order what is left.
#[divan::bench(args = ["w", "web 42", "state:stopped !db", "ip:127.77.3"])]
fn filter_10000(bencher: Bencher<'_, '_>, text: &str) {
    let mut state = state(10_000, (200, 50));
    let shorter = &text[..text.len() - 1];
    let mut whole = false;
    bencher.bench_local(|| {
        whole = !whole;
        state.fleet.set_filter(if whole { text } else { shorter });
        state.settle();
        black_box(state.fleet.visible_len())
    });
}

/// One result of a sweep arrives: health may have changed, so the order is made anew.
#[divan::bench(args = [1_000, 10_000])]
fn result_arrives(bencher: Bencher<'_, '_>, fleet: usize) {
    let mut state = state(fleet, (200, 50));
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 7) % fleet;
        let row = state.fleet.get_mut(&format!("ins-{at:08x}")).unwrap();
        row.login = Some(Login::of(LoginWord::Greets));
        state.settle();
    });
}

#[divan::bench(args = [Sort::Health as usize, Sort::Name as usize, Sort::Region as usize])]
fn sort_10000(bencher: Bencher<'_, '_>, column: usize) {
    let mut state = state(10_000, (200, 50));
    state.fleet.sort = (0..column).fold(Sort::Health, |sort, _| sort.next());
    bencher.bench_local(|| {
        state.fleet.reversed = !state.fleet.reversed;
        state.fleet.touch();
        state.settle();
    });
}
