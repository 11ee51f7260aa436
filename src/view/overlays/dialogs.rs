//! Small questions: source address, consent, true cause, leaving.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use secrecy::ExposeSecret;

use super::hints::{self, Hint, hint};
use super::picker::{self, Pick};
use crate::action::handed::Handed;
use crate::app::effect::LookFrom;
use crate::app::keys;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::overlay::pick_cause::choices;
use crate::app::overlay::{
    AskCause, LoginConsent, LookConsent, Overlay, PickCause, TicketQuestion, UserSource,
};
use crate::app::state::State;
use crate::diagnosis::Knowledge;
use crate::diagnosis::display::percent;
use crate::domain::evidence::group;
use crate::domain::instance::Os;
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
    paint.typed.push(y);
}

/// What is asked.
#[derive(Debug)]
pub struct Ask<'a> {
    pub title: &'a str,
    pub text: &'a [(String, Style)],
    pub keys: &'a [Hint<'a>],
}

/// A box with wrapped paragraphs and the keys in its last rows; gives the rows between them.
pub fn message(
    state: &State,
    paint: &mut Paint<'_>,
    screen: Rect,
    ask: &Ask<'_>,
    extra_rows: u16,
) -> Rect {
    let width = 72.min(screen.width);
    let cells = usize::from(width.saturating_sub(2));
    let mut lines = Vec::new();
    for (text, style) in ask.text {
        for line in wrap(text, cells) {
            lines.push(Line::from(Span::styled(line, *style)));
        }
    }
    let keys = hints::rows(state, &paint.look.theme, ask.keys, cells);
    let foot = keys.len() as u16;
    let area = centred(screen, width, lines.len() as u16 + extra_rows + foot + 2);
    paint.clear(area);
    let title = Line::from(Span::styled(ask.title.to_owned(), paint.look.theme.title));
    let mut inner = paint.frame(area, &title, true);
    if inner.height > extra_rows + foot {
        inner.height -= foot;
        for (row, line) in (0..).zip(&keys) {
            paint.line(inner.x, inner.bottom() + row, inner.width, line);
        }
    }
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

/// A question that is answered with a line of text.
fn ask_line(state: &State, paint: &mut Paint<'_>, screen: Rect, ask: &Ask<'_>, edit: &LineEdit) {
    let rest = message(state, paint, screen, ask, 1);
    edit_line(paint, rest.x, rest.y, rest.width, "> ", edit);
}

pub fn user_source(state: &State, question: &UserSource, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let mut text = vec![(ui.user_source_text.clone(), theme.text)];
    if question.then.is_some() {
        let here = fill(&ui.user_source_here, &[("host", &state.vantage)]);
        text.push((here, theme.accent));
    }
    if let Some(error) = &question.error {
        text.push((error.clone(), theme.bad));
    }
    let accept = state.texts.short_bound(keys::Paste::Accept.into());
    let ask = Ask {
        title: &ui.user_source_title,
        text: &text,
        keys: &[
            (keys::Line::Accept.into(), Some(accept)),
            hint(keys::Line::Close),
        ],
    };
    ask_line(state, paint, screen, &ask, &question.edit);
}

/// A question with a yes: what would be run, where, and at what price.
pub fn consent(state: &State, overlay: &Overlay, paint: &mut Paint<'_>, screen: Rect) {
    match overlay {
        Overlay::Lookers(question) => lookers(state, question, paint, screen),
        Overlay::LoginConsent(question) => login_consent(state, question, paint, screen),
        _ => deep_consent(state, paint, screen),
    }
}

fn deep_consent(state: &State, paint: &mut Paint<'_>, screen: Rect) {
    let ui = &state.texts.ui;
    let name = state
        .selected_instance()
        .map_or_else(String::new, |i| i.name.clone());
    let theme = &paint.look.theme;
    let os = state.selected_instance().map_or(Os::Unknown, |i| i.os);
    let account = if os == Os::Windows { "SYSTEM" } else { "root" };
    let key = hints::key_of(state, keys::Consent::Script).unwrap_or_default();
    let seconds = format!("{:.0}", seconds_inside(state));
    let price = fill(&ui.deep_price, &[("seconds", &seconds)]);
    let mut text = vec![
        (
            fill(
                &ui.deep_text,
                &[("name", &name), ("account", account), ("key", &key)],
            ),
            theme.text,
        ),
        (price, theme.text),
    ];
    if os != Os::Windows {
        text.push((ui.deep_price_ssh.clone(), theme.text));
    }
    let ask = Ask {
        title: &ui.deep_title,
        text: &text,
        keys: &[
            hint(keys::Consent::Confirm),
            hint(keys::Consent::Script),
            hint(keys::Consent::Close),
        ],
    };
    message(state, paint, screen, &ask, 0);
}

/// Who would look, by what, and for what price.
fn lookers(state: &State, question: &LookConsent, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let text = [(state.texts.said(&question.question), theme.text)];
    let ui = &state.texts.ui;
    let ask = Ask {
        title: match question.chosen.from() {
            LookFrom::Neighbours => &ui.neighbours_title,
            LookFrom::Providers => &ui.providers_title,
        },
        text: &text,
        keys: &[
            hint(keys::Consent::Confirm),
            hint(keys::Consent::Script),
            hint(keys::Consent::Close),
        ],
    };
    message(state, paint, screen, &ask, 0);
}

/// What the knowledge reckons for a look inside.
fn seconds_inside(state: &State) -> f64 {
    let shipped = Knowledge::shipped();
    let knowledge = state.knowledge.as_deref().unwrap_or(shipped);
    let group = knowledge.group(group::GUEST_SERVICE);
    group.map_or(0.0, |group| group.cost_s)
}

/// What a login attempt does and costs, and as whom it is made.
fn login_consent(state: &State, question: &LoginConsent, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let name = state
        .selected_instance()
        .map_or_else(String::new, |i| i.name.clone());
    let mut text = vec![
        (fill(&ui.login_text, &[("name", &name)]), theme.text),
        (ui.login_price.clone(), theme.text),
    ];
    if question.bad {
        text.push((ui.login_bad.clone(), theme.bad));
    }
    let accept = state.texts.short_bound(keys::Consent::Confirm.into());
    let ask = Ask {
        title: &ui.login_title,
        text: &text,
        keys: &[
            (keys::Line::Accept.into(), Some(accept)),
            hint(keys::Line::Close),
        ],
    };
    ask_line(state, paint, screen, &ask, &question.edit);
}

/// A value that is shown once; never masked, since this is the only time.
pub fn secret(state: &State, handed: &Handed, paint: &mut Paint<'_>, screen: Rect) {
    let theme = &paint.look.theme;
    let ui = &state.texts.ui;
    let what = state.texts.said(&handed.what);
    let ask = Ask {
        title: &ui.secret_title,
        text: &[
            (fill(&ui.secret_text, &[("what", &what)]), theme.text),
            (handed.value.expose_secret().to_owned(), theme.code),
        ],
        keys: &[hint(keys::Secret::Copy), hint(keys::Secret::Close)],
    };
    message(state, paint, screen, &ask, 0);
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
    ];
    if let Some(error) = &question.error {
        text.push((error.clone(), theme.bad));
    }
    let ask = Ask {
        title: &ui.ticket_title,
        text: &text,
        keys: &[
            hint(keys::Ticket::Accept),
            hint(keys::Ticket::Close),
            hint(keys::Ticket::Mask),
            hint(keys::Ticket::Archive),
        ],
    };
    ask_line(state, paint, screen, &ask, &question.edit);
}

pub fn quit_anyway(state: &State, paint: &mut Paint<'_>, screen: Rect) {
    let ui = &state.texts.ui;
    let ask = Ask {
        title: &ui.quit_title,
        text: &[(ui.quit_text.clone(), paint.look.theme.text)],
        keys: &[hint(keys::Leave::Confirm), hint(keys::Leave::Close)],
    };
    message(state, paint, screen, &ask, 0);
}

pub fn pick_cause(state: &State, question: &PickCause, paint: &mut Paint<'_>, screen: Rect) {
    let ui = &state.texts.ui;
    let (title, text) = match question.ask {
        AskCause::WasItTrue => (&ui.confirm_cause_title, &ui.confirm_cause_text),
        AskCause::WhyNot => (&ui.whynot_pick_title, &ui.whynot_pick),
    };
    let Some(report) = state.selected_report() else {
        return;
    };
    let why_not = question.ask == AskCause::WhyNot;
    let accept = why_not.then(|| state.texts.short_command("why-not"));
    let lines: Vec<String> = choices(state, question.pick.edit.text())
        .into_iter()
        .filter_map(|index| report.causes.get(index))
        .map(|cause| {
            format!(
                "{:>6}  {}",
                percent(cause.probability),
                state.texts.cause(&cause.id, &cause.title)
            )
        })
        .collect();
    let ask = Pick {
        title,
        text,
        keys: &[
            (keys::Palette::Accept.into(), accept),
            hint(keys::Palette::Close),
        ],
        lines: &lines,
    };
    picker::draw(state, &question.pick, &ask, paint, screen);
}
