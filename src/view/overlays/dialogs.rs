//! Small questions: source address, consent, true cause, leaving.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use secrecy::ExposeSecret;

use crate::app::jobs::Handed;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::overlay::{AskCause, TicketQuestion};
use crate::app::state::State;
use crate::diagnosis::display::percent;
use crate::view::layout::centred;
use crate::view::text::wrap;
use crate::view::widgets::paint::Paint;

/// A line of text being edited, with its cursor.
pub fn edit_line(paint: &mut Paint<'_>, x: u16, y: u16, width: u16, lead: &str, edit: &LineEdit) {
    let theme = &paint.look.theme;
    let chars: Vec<char> = edit.text().chars().collect();
    let at = edit.cursor().min(chars.len());
    let before: String = chars[..at].iter().collect();
    let under = chars.get(at).map_or(" ".to_owned(), char::to_string);
    let after: String = chars.iter().skip(at + 1).collect();
    let line = Line::from(vec![
        Span::styled(lead.to_owned(), theme.key),
        Span::styled(before, theme.text),
        Span::styled(under, theme.selected),
        Span::styled(after, theme.text),
    ]);
    paint.line(x, y, width, &line);
}

/// A box with wrapped paragraphs; gives the inside below the text.
pub fn message(
    paint: &mut Paint<'_>,
    screen: Rect,
    title: &str,
    paragraphs: &[(String, Style)],
    extra_rows: u16,
) -> Rect {
    let width = 72.min(screen.width);
    let cells = usize::from(width.saturating_sub(2));
    let mut lines = Vec::new();
    for (text, style) in paragraphs {
        for line in wrap(text, cells) {
            lines.push(Line::from(Span::styled(line, *style)));
        }
    }
    let area = centred(screen, width, lines.len() as u16 + extra_rows + 2);
    paint.clear(area);
    let title = Line::from(Span::styled(title.to_owned(), paint.look.theme.title));
    let inner = paint.frame(area, &title, true);
    let room = inner.height.saturating_sub(extra_rows);
    for (row, line) in lines.iter().take(usize::from(room)).enumerate() {
        paint.line(inner.x, inner.y + row as u16, inner.width, line);
    }
    let used = (lines.len() as u16).min(room);
    Rect {
        y: inner.y + used,
        height: inner.height - used,
        ..inner
    }
}

/// What is asked about the failing user's address.
#[derive(Debug)]
pub struct SourceQuestion<'a> {
    pub edit: &'a LineEdit,
    pub error: Option<&'a str>,
    /// An action waits for the answer.
    pub for_action: bool,
}

pub fn user_source(
    state: &State,
    question: &SourceQuestion<'_>,
    paint: &mut Paint<'_>,
    screen: Rect,
) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let mut text = vec![(ui.user_source_text.clone(), theme.text)];
    if question.for_action {
        let here = fill(&ui.user_source_here, &[("host", &state.vantage)]);
        text.push((here, theme.accent));
    }
    if let Some(error) = question.error {
        text.push((error.to_owned(), theme.bad));
    }
    let rest = message(paint, screen, &ui.user_source_title, &text, 1);
    edit_line(paint, rest.x, rest.y, rest.width, "> ", question.edit);
}

pub fn deep_consent(state: &State, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let name = state
        .selected_instance()
        .map_or_else(String::new, |i| i.name.clone());
    let text = [
        (fill(&ui.deep_text, &[("name", &name)]), theme.text),
        (ui.deep_keys.clone(), theme.accent),
    ];
    message(paint, screen, &ui.deep_title, &text, 0);
}

/// What a login attempt does and costs, and as whom it is made.
pub fn login_consent(
    state: &State,
    edit: &LineEdit,
    bad: bool,
    paint: &mut Paint<'_>,
    screen: Rect,
) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let name = state
        .selected_instance()
        .map_or_else(String::new, |i| i.name.clone());
    let mut text = vec![
        (fill(&ui.login_text, &[("name", &name)]), theme.text),
        (ui.login_price.clone(), theme.text),
        (ui.login_keys.clone(), theme.accent),
    ];
    if bad {
        text.push((ui.login_bad.clone(), theme.bad));
    }
    let rest = message(paint, screen, &ui.login_title, &text, 1);
    edit_line(paint, rest.x, rest.y, rest.width, "> ", edit);
}

/// A value that is shown once; never masked, since this is the only time.
pub fn secret(state: &State, handed: &Handed, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let text = [
        (
            fill(
                &ui.secret_text,
                &[("what", &state.texts.said(&handed.what))],
            ),
            theme.text,
        ),
        (handed.value.expose_secret().to_owned(), theme.code),
        (ui.secret_keys.clone(), theme.accent),
    ];
    message(paint, screen, &ui.secret_title, &text, 0);
}

pub fn ticket(state: &State, question: &TicketQuestion, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let form = if question.archive {
        &ui.ticket_archive
    } else {
        &ui.ticket_folder
    };
    let names = if question.mask {
        &ui.ticket_masked
    } else {
        &ui.ticket_plain
    };
    let mut text = vec![
        (ui.ticket_text.clone(), theme.text),
        (
            fill(&ui.ticket_form, &[("form", form), ("names", names)]),
            theme.title,
        ),
        (ui.ticket_keys.clone(), theme.accent),
    ];
    if let Some(error) = &question.error {
        text.push((error.clone(), theme.bad));
    }
    let rest = message(paint, screen, &ui.ticket_title, &text, 1);
    edit_line(paint, rest.x, rest.y, rest.width, "> ", &question.edit);
}

pub fn quit_anyway(state: &State, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let text = [
        (ui.quit_text.clone(), theme.text),
        (ui.quit_keys.clone(), theme.accent),
    ];
    message(paint, screen, &ui.quit_title, &text, 0);
}

pub fn pick_cause(
    state: &State,
    selected: usize,
    ask: AskCause,
    paint: &mut Paint<'_>,
    screen: Rect,
) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let (title, question) = match ask {
        AskCause::WasItTrue => (&ui.confirm_cause_title, &ui.confirm_cause_text),
        AskCause::WhyNot => (&ui.whynot_pick_title, &ui.whynot_pick),
    };
    let Some(report) = state.selected_report() else {
        return;
    };
    let rows = report
        .causes
        .len()
        .min(usize::from(screen.height.saturating_sub(6))) as u16;
    let text = [(question.clone(), theme.text)];
    let rest = message(paint, screen, title, &text, rows);
    let selected = selected.min(report.causes.len().saturating_sub(1));
    let height = usize::from(rest.height);
    let offset = crate::app::geometry::keep_visible(0, selected, height, report.causes.len());
    for (row, cause) in report.causes.iter().enumerate().skip(offset).take(height) {
        let style = if row == selected {
            theme.selected
        } else {
            theme.text
        };
        let line = format!(
            "{:>6}  {}",
            percent(cause.probability),
            state.texts.cause(&cause.id, &cause.title)
        );
        let y = rest.y + (row - offset) as u16;
        paint.text(rest.x, y, rest.width, &line, style);
    }
}
