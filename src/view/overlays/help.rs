//! Help, made from the live keymap: what is shown is what is bound.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::command::{Command, Context};
use crate::app::geometry::Scrolled;
use crate::app::state::State;
use crate::view::frame::{Look, chord_label};
use crate::view::layout::centred;
use crate::view::text::{fit, wrap};
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, offset: usize, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let area = centred(screen, 78, screen.height);
    paint.clear(area);
    let title = Line::from(Span::styled(
        state.texts.ui.help_title.clone(),
        paint.look.theme.title,
    ));
    let inner = paint.frame(area, &title, true);
    let lines = lines(state, paint.look, usize::from(inner.width));
    paint.scrolled(inner, &lines, offset)
}

/// All commands by context, with every chord they have.
pub fn lines(state: &State, look: &Look, cells: usize) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let ui = &state.texts.ui;
    let mut lines = Vec::new();
    for (context, name) in [
        (Context::Instances, &ui.pane_instances),
        (Context::Diagnosis, &ui.pane_diagnosis),
        (Context::Actions, &ui.pane_actions),
        (Context::Global, &ui.help_everywhere),
        (Context::Reader, &ui.help_reader),
    ] {
        lines.push(Line::from(Span::styled(name.clone(), theme.title)));
        for command in Command::ALL.iter().filter(|c| c.context() == context) {
            // The keys of the actions differ by their number only, so one line tells of all.
            let same: Vec<Command> = match command.action_index() {
                Some(0) => Command::ALL
                    .iter()
                    .copied()
                    .filter(|c| c.action_index().is_some())
                    .collect(),
                Some(_) => continue,
                None => vec![*command],
            };
            let chords: Vec<String> = same
                .iter()
                .flat_map(|command| state.keys.chords(*command))
                .map(|chord| chord_label(&chord.to_string()))
                .collect();
            let keys = if chords.is_empty() {
                format!(":{}", command.as_str())
            } else {
                chords.join(" ")
            };
            let mut text = if same.len() > 1 {
                ui.help_actions.clone()
            } else {
                state.texts.command(command.as_str()).to_owned()
            };
            if let Err(why) = command.enabled(state) {
                text = state.texts.noted(&text, state.texts.why(why));
            }
            let left = 22.min(cells / 3);
            let rows = wrap(&text, cells.saturating_sub(left + 1));
            for (row, text) in rows.into_iter().enumerate() {
                let keys = if row == 0 { keys.as_str() } else { "" };
                lines.push(Line::from(vec![
                    Span::styled(fit(keys, left, look.glyphs.ellipsis), theme.key),
                    Span::raw(" "),
                    Span::styled(text, theme.text),
                ]));
            }
        }
        lines.push(Line::default());
    }
    for line in wrap(&ui.help_filter, cells) {
        lines.push(Line::from(Span::styled(line, theme.dim)));
    }
    lines
}
