//! Help, made from the live keymap: what is shown is what is bound.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::hints::key_of;
use crate::app::command::{Command, Why};
use crate::app::geometry::Scrolled;
use crate::app::keys::{Bound, Context, Filter, Reader};
use crate::app::locale::fill;
use crate::app::overlay::reader::COMMANDS;
use crate::app::overlay::{Help, Overlay};
use crate::app::state::State;
use crate::input::chord::Chord;
use crate::view::frame::{Look, chord_label};
use crate::view::layout::centred;
use crate::view::text::{fit, wrap};
use crate::view::widgets::paint::Paint;

pub fn draw(state: &State, help: Help, paint: &mut Paint<'_>, screen: Rect) -> Scrolled {
    let area = centred(screen, 78, screen.height);
    paint.clear(area);
    let ui = &state.texts.ui;
    let title = match help.about {
        Some(context) => fill(&ui.help_about, &[("what", state.texts.context(context))]),
        None => ui.help_title.clone(),
    };
    let title = Line::from(Span::styled(title, paint.look.theme.title));
    let inner = paint.frame(area, &title, true);
    let lines = lines(state, help.about, paint.look, usize::from(inner.width));
    paint.scrolled(inner, &lines, help.offset)
}

/// The commands of one context, or of all, with every chord they have.
pub fn lines(
    state: &State,
    about: Option<Context>,
    look: &Look,
    cells: usize,
) -> Vec<Line<'static>> {
    let ui = &state.texts.ui;
    let mut page = Page {
        state,
        look,
        cells,
        about: about.filter(|context| !context.is_of_panes()),
        lines: Vec::new(),
    };
    match about {
        None => {
            for context in Context::ALL {
                page.table(*context, &context.commands());
            }
        }
        Some(context) => {
            page.table(context, &context.commands());
            if context == Context::Reader {
                let panes: Vec<Bound> = COMMANDS.iter().map(|one| Bound::Pane(*one)).collect();
                page.table(Context::Global, &panes);
            } else {
                if context.takes_text() && context != Context::Edit {
                    page.table(Context::Edit, &Context::Edit.commands());
                }
                let everywhere =
                    [Command::Help, Command::SaveScreen, Command::Quit].map(Bound::Pane);
                page.table(Context::Global, &everywhere);
            }
        }
    }
    if about.is_none_or(|context| context == Context::Filter) {
        let key = |command: Filter| key_of(state, command).unwrap_or_else(|| NO_KEY.to_owned());
        let text = fill(
            &ui.help_filter,
            &[
                ("complete", &key(Filter::Complete)),
                ("older", &key(Filter::Older)),
                ("newer", &key(Filter::Newer)),
            ],
        );
        for line in wrap(&text, cells) {
            let dim = look.theme.dim;
            page.lines.push(Line::from(Span::styled(line, dim)));
        }
    }
    page.lines
}

/// Stands for the key of a command that has none and is in no palette.
const NO_KEY: &str = "-";

struct Page<'a> {
    state: &'a State,
    look: &'a Look,
    cells: usize,
    /// The overlay that it is about.
    about: Option<Context>,
    lines: Vec<Line<'static>>,
}

impl Page<'_> {
    fn table(&mut self, context: Context, commands: &[Bound]) {
        let (state, theme) = (self.state, &self.look.theme);
        let name = state.texts.context(context).to_owned();
        self.lines.push(Line::from(Span::styled(name, theme.title)));
        for command in commands {
            let index = |bound: &Bound| match bound {
                Bound::Pane(command) => command.action_index(),
                _ => None,
            };
            // The keys of the actions differ by their number only, so one line tells of all.
            let same: Vec<Bound> = match index(command) {
                Some(0) => {
                    let all = commands.iter().copied();
                    all.filter(|bound| index(bound).is_some()).collect()
                }
                Some(_) => continue,
                None => vec![*command],
            };
            let text = if same.len() > 1 {
                state.texts.ui.help_actions.clone()
            } else {
                state.texts.bound(*command).to_owned()
            };
            self.row(&same, text);
        }
        self.lines.push(Line::default());
    }

    /// Whether a chord of the panes counts over what the page is about.
    fn counts(&self, command: Bound, chord: Chord) -> bool {
        let (Some(over), Bound::Pane(pane)) = (self.about, command) else {
            return true;
        };
        let keys = &self.state.keys;
        let field = over.takes_text().then_some(Context::Edit);
        let own: Vec<Context> = field.into_iter().chain([over]).collect();
        let is_text = over.takes_text() && chord.typed().is_some();
        let leaves = pane == Command::Quit && over != Context::Reader;
        keys.lookup(&own, chord).is_none() && !is_text && (!leaves || chord.ctrl || chord.alt)
    }

    fn row(&mut self, same: &[Bound], mut text: String) {
        let (state, theme) = (self.state, &self.look.theme);
        let chords: Vec<String> = same
            .iter()
            .flat_map(|command| state.keys.chords(*command).iter().map(|c| (*command, *c)))
            .filter(|(command, chord)| self.counts(*command, *chord))
            .map(|(_, chord)| chord)
            .map(|chord| chord_label(&chord.to_string()))
            .collect();
        let Some(first) = same.first().copied() else {
            return;
        };
        let keys = match first {
            _ if !chords.is_empty() => chords.join(" "),
            Bound::Pane(command) => format!(":{}", command.as_str()),
            _ => NO_KEY.to_owned(),
        };
        if let Err(why) = enabled(state, first) {
            text = state.texts.noted(&text, state.texts.why(why));
        }
        let left = 22.min(self.cells / 3);
        let rows = wrap(&text, self.cells.saturating_sub(left + 1));
        for (row, text) in rows.into_iter().enumerate() {
            let keys = if row == 0 { keys.as_str() } else { "" };
            self.lines.push(Line::from(vec![
                Span::styled(fit(keys, left, self.look.glyphs.ellipsis), theme.key),
                Span::raw(" "),
                Span::styled(text, theme.text),
            ]));
        }
    }
}

/// Whether it can do anything now, and if not, why not.
fn enabled(state: &State, command: Bound) -> Result<(), Why> {
    match command {
        Bound::Pane(command) => command.enabled(state),
        Bound::Reader(
            Reader::StepNext | Reader::StepPrevious | Reader::StepDo | Reader::StepTick,
        ) => {
            let open = state.overlays.iter().rev().find_map(Overlay::guide);
            open.map(drop).ok_or(Why::NoGuide)
        }
        _ => Ok(()),
    }
}
