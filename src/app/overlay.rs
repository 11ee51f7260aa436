//! What lies over the panes, as a stack; the topmost takes the keys.
//!
//! State and keys of an overlay lie in one file. It looks its own commands up, says what is to
//! become of it ([`Answer`]), and stays unless it says otherwise. Must not live here: how it looks
//! (`view::overlays`).

pub mod any_action;
pub mod batch;
pub mod columns;
pub mod consent;
pub mod filter;
pub mod fleet_causes;
pub mod help;
pub mod keep;
pub mod login;
pub mod lookers;
pub mod palette;
pub mod paste;
pub mod pick_cause;
pub mod pick_fact;
pub mod picker;
pub mod ports;
pub mod preview;
pub mod reader;
pub mod secret;
pub mod self_check;
pub mod tell;
pub mod ticket;
pub mod user_source;

use tui_textarea::TextArea;

use super::command::Command;
use super::effect::Effect;
use super::keys::Context;
use super::line_edit::LineEdit;
use super::state::State;
use crate::action::plan::Confirmation;
use crate::input::chord::Chord;

pub use super::reading::Reading;
pub use any_action::AnyAction;
pub use batch::{BatchPick, BatchPreview};
pub use columns::Columns;
pub use filter::FilterLine;
pub use fleet_causes::FleetCauses;
pub use help::{Help, Log};
pub use keep::Keep;
pub use login::LoginConsent;
pub use lookers::LookConsent;
pub use palette::Palette;
pub use paste::Paste;
pub use pick_cause::{AskCause, PickCause};
pub use pick_fact::PickFact;
pub use picker::Picker;
pub use ports::Ports;
pub use preview::Preview;
pub use secret::Secret;
pub use self_check::SelfCheck;
pub use tell::Tell;
pub use ticket::TicketQuestion;
pub use user_source::UserSource;

use super::reading::GuideAt;

/// One layer.
#[derive(Debug)]
pub enum Overlay {
    /// Keys of the console; the text is made from the live keymap when drawn.
    Help(Help),
    /// The log, newest first; the text is made when drawn.
    Log(Log),
    Palette(Palette),
    /// The filter line at the top of the list.
    Filter(FilterLine),
    /// The address that the failing user comes from.
    UserSource(UserSource),
    /// The client's error text.
    Paste(Paste),
    /// Consent to read-only commands in the guest.
    DeepConsent,
    /// Consent to one real login attempt, and as whom.
    LoginConsent(LoginConsent),
    /// Consent to let other instances look.
    Lookers(LookConsent),
    /// One of the causes: which was the true one, or why it does not lead.
    PickCause(PickCause),
    /// One of the facts, to look at closely.
    PickFact(PickFact),
    /// The causes of the whole fleet.
    FleetCauses(FleetCauses),
    /// The self-diagnosis of the selected instance.
    SelfCheck(SelfCheck),
    /// The port verification of the selected instance.
    Ports(Ports),
    /// The columns of the list.
    Columns(Columns),
    /// What a person can tell of the failure.
    Tell(Tell),
    /// What an action would do, and its confirmation.
    Preview(Box<Preview>),
    /// Any action on the selected instance, and its parameters.
    AnyAction(Box<AnyAction>),
    /// Which time-boxed change stays.
    Keep(Keep),
    /// Which action to plan for the marked instances.
    BatchPick(BatchPick),
    /// What a batch would do, and its confirmation.
    Batch(Box<BatchPreview>),
    /// A value shown once.
    Secret(Secret),
    /// Guide, journal and other texts.
    Reader(Reading),
    /// Where the ticket bundle goes, and what it may name.
    Ticket(TicketQuestion),
    /// Leave although an action is under way.
    QuitAnyway,
}

/// What becomes of an overlay after a key.
#[derive(Debug)]
pub enum Answer {
    /// It stays; what was opened meanwhile lies over it.
    Stay,
    Close,
    /// Another takes its place.
    Instead(Overlay),
    /// It stays, and a command of the panes runs.
    Run(Command),
    /// It closes, and a command of the panes runs.
    CloseAndRun(Command),
}

/// Where text is typed.
#[derive(Debug)]
pub enum Field<'a> {
    Line(&'a mut LineEdit),
    /// A line that is typed by hand and never pasted: it is typed to make the hand stop and think.
    ByHand(&'a mut LineEdit),
    Text(&'a mut TextArea<'static>),
}

impl Overlay {
    /// Where its chords count.
    pub fn context(&self) -> Context {
        let sheet = |asks: Confirmation| {
            if asks == Confirmation::TypedName {
                Context::TypedName
            } else {
                Context::Preview
            }
        };
        match self {
            Self::Help(_) | Self::Log(_) => Context::Reader,
            Self::Reader(reading) if reading.typing.is_some() => Context::Line,
            Self::Reader(_) => Context::Reader,
            Self::Palette(_) => Context::Palette,
            Self::Filter(_) => Context::Filter,
            Self::UserSource(_) | Self::LoginConsent(_) => Context::Line,
            Self::AnyAction(question) if question.chosen.is_some() => Context::Line,
            Self::AnyAction(_) | Self::PickCause(_) | Self::PickFact(_) => Context::Palette,
            Self::Paste(_) => Context::Paste,
            Self::DeepConsent | Self::Lookers(_) => Context::Consent,
            Self::SelfCheck(_) | Self::Ports(_) | Self::Keep(_) | Self::BatchPick(_) => {
                Context::List
            }
            Self::FleetCauses(_) => Context::Causes,
            Self::Columns(_) => Context::Columns,
            Self::Tell(_) => Context::Answers,
            Self::Preview(preview) => sheet(preview.plan.confirmation),
            Self::Batch(preview) => sheet(preview.batch.confirmation()),
            Self::Secret(_) => Context::Secret,
            Self::Ticket(_) => Context::Ticket,
            Self::QuitAnyway => Context::Leave,
        }
    }

    /// Applies a chord of its own; `None` where it has no such chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        match self {
            Self::Help(help) => help.press(state, chord),
            Self::Log(log) => log.press(state, chord),
            Self::Palette(palette) => palette.press(state, chord, effects),
            Self::Filter(filter) => filter.press(state, chord, effects),
            Self::UserSource(question) => question.press(state, chord, effects),
            Self::Paste(paste) => paste.press(state, chord, effects),
            Self::DeepConsent => consent::press_deep(state, chord, effects),
            Self::LoginConsent(question) => question.press(state, chord, effects),
            Self::Lookers(question) => question.press(state, chord, effects),
            Self::PickCause(pick) => pick.press(state, chord, effects),
            Self::PickFact(pick) => pick.press(state, chord, effects),
            Self::FleetCauses(list) => list.press(state, chord, effects),
            Self::SelfCheck(list) => list.press(state, chord, effects),
            Self::Ports(list) => list.press(state, chord, effects),
            Self::Columns(question) => question.press(state, chord, effects),
            Self::Tell(tell) => tell.press(state, chord, effects),
            Self::Preview(preview) => preview.press(state, chord, effects),
            Self::AnyAction(question) => question.press(state, chord, effects),
            Self::Keep(keep) => keep.press(state, chord, effects),
            Self::BatchPick(pick) => pick.press(state, chord, effects),
            Self::Batch(preview) => preview.press(state, chord, effects),
            Self::Secret(secret) => secret.press(state, chord, effects),
            Self::Reader(reading) => reader::press(reading, state, chord, effects),
            Self::Ticket(question) => question.press(state, chord, effects),
            Self::QuitAnyway => consent::press_leave(state, chord, effects),
        }
    }

    /// Where text is typed in it.
    pub fn field(&mut self) -> Option<Field<'_>> {
        match self {
            Self::Palette(Palette { pick })
            | Self::PickCause(PickCause { pick, .. })
            | Self::PickFact(PickFact { pick }) => Some(Field::Line(&mut pick.edit)),
            Self::Filter(FilterLine { edit, .. })
            | Self::UserSource(UserSource { edit, .. })
            | Self::LoginConsent(LoginConsent { edit, .. })
            | Self::Ticket(TicketQuestion { edit, .. }) => Some(Field::Line(edit)),
            Self::AnyAction(question) => Some(Field::Line(question.field())),
            Self::Reader(reading) => reading.typing.as_mut().map(Field::Line),
            Self::Paste(paste) => Some(Field::Text(&mut paste.editor)),
            Self::Preview(preview) => (preview.plan.confirmation == Confirmation::TypedName)
                .then_some(Field::ByHand(&mut preview.edit)),
            Self::Batch(preview) => (preview.batch.confirmation() == Confirmation::TypedName)
                .then_some(Field::ByHand(&mut preview.edit)),
            Self::Help(_)
            | Self::Log(_)
            | Self::DeepConsent
            | Self::Lookers(_)
            | Self::FleetCauses(_)
            | Self::SelfCheck(_)
            | Self::Ports(_)
            | Self::Columns(_)
            | Self::Tell(_)
            | Self::Keep(_)
            | Self::BatchPick(_)
            | Self::Secret(_)
            | Self::QuitAnyway => None,
        }
    }

    /// The text in its field has changed: what was wrong with it before may not be now.
    pub fn changed(&mut self, state: &mut State) {
        match self {
            Self::Palette(Palette { pick })
            | Self::PickCause(PickCause { pick, .. })
            | Self::PickFact(PickFact { pick }) => {
                pick.selected = 0;
            }
            Self::Filter(filter) => state.fleet.set_filter(filter.edit.text()),
            Self::UserSource(question) => question.error = None,
            Self::LoginConsent(question) => question.bad = false,
            Self::Preview(preview) => preview.refused = None,
            Self::Batch(preview) => preview.refused = None,
            Self::AnyAction(question) => {
                question.pick.selected = 0;
                question.error = None;
            }
            Self::Ticket(question) => question.error = None,
            Self::Paste(_)
            | Self::Reader(_)
            | Self::Help(_)
            | Self::Log(_)
            | Self::DeepConsent
            | Self::Lookers(_)
            | Self::FleetCauses(_)
            | Self::SelfCheck(_)
            | Self::Ports(_)
            | Self::Columns(_)
            | Self::Tell(_)
            | Self::Keep(_)
            | Self::BatchPick(_)
            | Self::Secret(_)
            | Self::QuitAnyway => {}
        }
    }

    /// Scrolls what can be scrolled in it.
    pub fn scroll(&mut self, state: &State, lines: isize) {
        let most = state.geometry.overlay.max_offset();
        let scroll = |offset: &mut usize| {
            *offset = offset.saturating_add_signed(lines).min(most);
        };
        match self {
            Self::Help(help) => scroll(&mut help.offset),
            Self::Log(log) => scroll(&mut log.offset),
            Self::Preview(preview) => scroll(&mut preview.offset),
            Self::Batch(preview) => scroll(&mut preview.offset),
            Self::Reader(reading) => reading.scroll(lines, state.geometry.overlay.height),
            Self::Palette(_)
            | Self::Filter(_)
            | Self::UserSource(_)
            | Self::Paste(_)
            | Self::DeepConsent
            | Self::Lookers(_)
            | Self::LoginConsent(_)
            | Self::PickCause(_)
            | Self::PickFact(_)
            | Self::FleetCauses(_)
            | Self::SelfCheck(_)
            | Self::Ports(_)
            | Self::Columns(_)
            | Self::Tell(_)
            | Self::AnyAction(_)
            | Self::Keep(_)
            | Self::BatchPick(_)
            | Self::Secret(_)
            | Self::Ticket(_)
            | Self::QuitAnyway => {}
        }
    }

    /// The guide that is read in this layer.
    pub fn guide(&self) -> Option<&GuideAt> {
        if let Self::Reader(reading) = self {
            reading.guide.as_ref()
        } else {
            None
        }
    }
}

/// The row that is selected after a walk over so many.
fn walked(selected: usize, by: isize, rows: usize) -> usize {
    let last = rows.saturating_sub(1);
    selected.min(last).saturating_add_signed(by).min(last)
}

/// Rows of a page of a list.
const LIST_PAGE: isize = 10;

/// Lines of a page of a sheet.
fn sheet_page(state: &State) -> isize {
    state.geometry.overlay.height.max(4) as isize - 1
}
