//! The answers that a person can give of the failure, or of what the VNC console shows.
//!
//! Must not live here: which there are (`app::overlay::tell`).

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::dialogs::{Ask, message};
use super::hints::{hint, key_of};
use crate::app::geometry::keep_visible;
use crate::app::keys::Answers;
use crate::app::locale::fill;
use crate::app::overlay::tell::{self, About, Tell};
use crate::app::state::State;
use crate::domain::evidence::group;
use crate::domain::evidence::table::Group;
use crate::view::widgets::paint::Paint;

/// Rows of the box beside the answers: border, words above them, a margin.
const OTHER_ROWS: u16 = 9;

pub fn draw(state: &State, question: Tell, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let lines = lines(state, question, paint);
    let rows = lines
        .len()
        .min(usize::from(screen.height.saturating_sub(OTHER_ROWS))) as u16;
    let (title, text) = match question.about {
        About::Failure => (&ui.tell_title, ui.tell_text.clone()),
        About::Guest => (&ui.checklist_title, why_by_hand(state)),
    };
    let ask = Ask {
        title,
        text: &[(text, theme.text)],
        keys: &[
            hint(Answers::Toggle),
            hint(Answers::Vnc),
            hint(Answers::Close),
        ],
    };
    let rest = message(state, paint, screen, &ask, rows);
    let height = usize::from(rest.height);
    let selected = lines.iter().position(|line| line.is_selected);
    let offset = keep_visible(0, selected.unwrap_or(0), height, lines.len());
    for (row, line) in lines.iter().skip(offset).take(height).enumerate() {
        let y = rest.y + row as u16;
        paint.text(rest.x, y, rest.width, &line.text, line.style);
    }
}

struct Row {
    text: String,
    style: Style,
    is_selected: bool,
}

/// The answers; those of one command beneath it.
fn lines(state: &State, question: Tell, paint: &Paint<'_>) -> Vec<Row> {
    let theme = &paint.look.theme;
    let answers = tell::answers(state, question.about);
    let at = question.selected.min(answers.len().saturating_sub(1));
    let os = state.selected_instance().map(|instance| instance.os);
    let mut rows = Vec::new();
    let mut above = "";
    for (n, (group, answer)) in answers.iter().enumerate() {
        if question.about == About::Guest && above != *group {
            above = group;
            let typed = os.and_then(|os| Group::of(group)?.by_hand(os));
            let name = state.texts.evidence(group).to_owned();
            let text = match typed {
                Some(command) => format!("{name}  $ {command}"),
                None => name,
            };
            rows.push(Row {
                text,
                style: theme.code,
                is_selected: false,
            });
        }
        let mark = if tell::is_given(state, group, answer) {
            "[x]"
        } else {
            "[ ]"
        };
        // The name of the group stands above.
        let answer = match question.about {
            About::Failure => state.texts.reading(group, None, answer),
            About::Guest => state.texts.state(group, answer).to_owned(),
        };
        rows.push(Row {
            text: format!("{mark} {answer}"),
            style: if n == at { theme.selected } else { theme.text },
            is_selected: n == at,
        });
    }
    rows
}

/// Why a person has to look, and how.
fn why_by_hand(state: &State) -> String {
    let texts = state.texts;
    let name = state.selected_instance().map_or("", |it| it.name.as_str());
    let agent = state.selected_case().and_then(|case| {
        let mut agents = case.readings.iter().filter(|it| it.id == group::AGENT);
        agents.next()?.state.clone()
    });
    let agent = agent.unwrap_or_default();
    let key = key_of(state, Answers::Vnc).unwrap_or_default();
    fill(
        &texts.ui.checklist_text,
        &[
            ("name", name),
            ("state", texts.state(group::AGENT, &agent)),
            ("key", &key),
        ],
    )
}
