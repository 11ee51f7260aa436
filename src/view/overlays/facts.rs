//! The pick of a fact of the case.

use ratatui::layout::Rect;

use super::hints::hint;
use super::picker::{self, Pick};
use crate::app::facts::{choices, line};
use crate::app::keys;
use crate::app::locale::fill;
use crate::app::overlay::PickFact;
use crate::app::state::State;
use crate::domain::evidence::table::Tone;
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, question: &PickFact, paint: &mut Paint<'_>, screen: Rect) {
    let ui = &state.texts.ui;
    let glyphs = paint.look.glyphs;
    let name = state
        .selected_instance()
        .map_or_else(String::new, |instance| instance.name.clone());
    let lines: Vec<String> = choices(state, question.pick.edit.text())
        .into_iter()
        .map(|reading| {
            let glyph = match reading.tone() {
                Tone::Good => glyphs.good,
                Tone::Warn => glyphs.warn,
                Tone::Bad => glyphs.bad,
                Tone::Neutral => glyphs.bullet,
                Tone::Unknown => glyphs.unknown,
            };
            format!("{glyph} {}", line(state.texts, reading))
        })
        .collect();
    let ask = Pick {
        title: &fill(&ui.fact_pick_title, &[("name", &name)]),
        text: &ui.fact_pick_text,
        keys: &[hint(keys::Palette::Accept), hint(keys::Palette::Close)],
        lines: &lines,
    };
    picker::draw(state, &question.pick, &ask, paint, screen);
}
