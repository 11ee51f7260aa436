//! The pick of any action, its parameters, and the pick of a time-boxed change to keep.

use ratatui::layout::Rect;

use super::dialogs::{Ask, edit_line, message};
use super::hints::hint;
use super::picker::{self, OTHER_ROWS, Pick, list};
use crate::app::any_action::{choices, known_parameters, specs};
use crate::app::keys;
use crate::app::locale::fill;
use crate::app::overlay::AnyAction;
use crate::app::state::State;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

/// Cells of a line in the box.
const CELLS: usize = 70;

pub fn draw(state: &State, question: &AnyAction, paint: &mut Paint<'_>, screen: Rect) {
    match question.chosen {
        None => pick(state, question, paint, screen),
        Some(_) => parameters(state, question, paint, screen),
    }
}

fn pick(state: &State, question: &AnyAction, paint: &mut Paint<'_>, screen: Rect) {
    let ui = &state.texts.ui;
    let found = choices(state, question.pick.edit.text());
    let name = state
        .selected_instance()
        .map_or_else(String::new, |instance| instance.name.clone());
    let title = fill(&ui.any_action_title, &[("name", &name)]);
    let keys = [hint(keys::Palette::Accept), hint(keys::Palette::Close)];
    let lines: Vec<String> = found
        .iter()
        .map(|id| {
            let fits = if known_parameters(state, *id).is_empty()
                && !state
                    .selected_report()
                    .is_some_and(|report| report.actions.iter().any(|a| a.id == id.as_str()))
            {
                ""
            } else {
                paint.look.glyphs.bullet
            };
            format!(
                "{fits:1} {}  {id}",
                state.texts.action(id.as_str(), id.as_str())
            )
        })
        .collect();
    let ask = Pick {
        title: &title,
        text: &ui.any_action_text,
        keys: &keys,
        lines: &lines,
    };
    picker::draw(state, &question.pick, &ask, paint, screen);
}

fn parameters(state: &State, question: &AnyAction, paint: &mut Paint<'_>, screen: Rect) {
    let Some(action) = question.chosen else {
        return;
    };
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let mut text = vec![(ui.parameters_text.clone(), theme.text)];
    for spec in specs(action) {
        let help = state.texts.said(&(spec.help)());
        let need = if spec.required {
            format!(" ({})", ui.parameter_required)
        } else {
            String::new()
        };
        let style = if spec.required {
            theme.accent
        } else {
            theme.dim
        };
        text.push((format!("{}={need} {help}", spec.name), style));
    }
    if let Some(error) = &question.error {
        text.push((state.texts.said(error), theme.bad));
    }
    let title = state.texts.action(action.as_str(), action.as_str());
    let accept = state.texts.short_command("action-1");
    let keys = [
        (keys::Line::Accept.into(), Some(accept)),
        hint(keys::Line::Close),
    ];
    let ask = Ask {
        title,
        text: &text,
        keys: &keys,
    };
    let rest = message(state, paint, screen, &ask, 1);
    edit_line(paint, rest.x, rest.y, rest.width, "> ", &question.given);
}

pub fn keep(state: &State, selected: usize, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let lines: Vec<String> = state
        .timed
        .iter()
        .map(|timed| {
            let text = timed.countdown(state.now, state.texts, state.read_only);
            wrap(&text, CELLS).into_iter().next().unwrap_or_default()
        })
        .collect();
    let rows = lines
        .len()
        .min(usize::from(screen.height.saturating_sub(OTHER_ROWS))) as u16;
    let text = [(ui.keep_text.clone(), theme.text)];
    let accept = state.texts.short_command("keep");
    let keys = [
        (keys::List::Accept.into(), Some(accept)),
        hint(keys::List::Close),
    ];
    let ask = Ask {
        title: &ui.keep_title,
        text: &text,
        keys: &keys,
    };
    let rest = message(state, paint, screen, &ask, rows);
    list(paint, rest, &lines, selected);
}
