//! What lies over the panes, as a stack; the topmost takes the keys.
//!
//! Must not live here: what the keys do (`app::update`) or how it looks (`view::overlays`).

use tui_textarea::TextArea;

use super::any_action::AnyAction;
use super::batch::BatchPreview;
use super::case::RunId;
use super::jobs::Handed;
use super::line_edit::LineEdit;
use crate::action::plan::Plan;
use crate::domain::report::RankedAction;
use crate::domain::said::Said;

use super::reading::GuideAt;
pub use super::reading::Reading;

/// The preview of an action.
#[derive(Debug)]
pub struct Preview {
    pub run: RunId,
    pub plan: Plan,
    pub offset: usize,
    /// The name typed so far, where typing it is asked for.
    pub edit: LineEdit,
    /// Why the last try was refused.
    pub refused: Option<Said>,
}

/// What is asked before a ticket bundle is written.
#[derive(Debug, Clone)]
pub struct TicketQuestion {
    pub edit: LineEdit,
    /// Replace addresses, ids and names by placeholders.
    pub mask: bool,
    /// One `.tar.gz` in place of a folder.
    pub archive: bool,
    pub error: Option<String>,
}

/// What is asked of the cause that is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskCause {
    WasItTrue,
    WhyNot,
}

/// One layer.
#[derive(Debug)]
pub enum Overlay {
    /// Keys of the console; the text is made from the live keymap when drawn.
    Help {
        offset: usize,
    },
    /// The log, newest last; the text is made when drawn.
    Log {
        offset: usize,
    },
    Palette {
        edit: LineEdit,
        selected: usize,
    },
    /// The filter line at the top of the list.
    Filter {
        edit: LineEdit,
        before: String,
    },
    /// The address that the failing user comes from.
    UserSource {
        edit: LineEdit,
        error: Option<String>,
        /// The action that cannot go on without it.
        then: Option<Box<RankedAction>>,
    },
    /// The client's error text.
    Paste {
        editor: Box<TextArea<'static>>,
    },
    /// Consent to read-only commands in the guest.
    DeepConsent,
    /// Consent to one real login attempt, and as whom.
    LoginConsent {
        edit: LineEdit,
        /// The last name given is none.
        bad: bool,
    },
    /// One of the causes: which was the true one, or why it does not lead.
    PickCause {
        selected: usize,
        ask: AskCause,
    },
    /// What a person can tell of the failure.
    Tell {
        selected: usize,
    },
    /// What an action would do, and its confirmation.
    Preview(Box<Preview>),
    /// Any action on the selected instance, and its parameters.
    AnyAction(Box<AnyAction>),
    /// Which time-boxed change stays.
    Keep {
        selected: usize,
    },
    /// Which action to plan for the marked instances.
    BatchPick {
        selected: usize,
    },
    /// What a batch would do, and its confirmation.
    Batch(Box<BatchPreview>),
    /// A value shown once.
    Secret(Handed),
    /// Guide, journal and other texts.
    Reader(Reading),
    /// Where the ticket bundle goes, and what it may name.
    Ticket(TicketQuestion),
    /// Leave although an action is under way.
    QuitAnyway,
}

impl Overlay {
    /// The guide that is read in this layer.
    pub fn guide(&self) -> Option<&GuideAt> {
        match self {
            Self::Reader(reading) => reading.guide.as_ref(),
            _ => None,
        }
    }

    /// True for overlays whose text scrolls with the movement keys.
    pub fn is_reader(&self) -> bool {
        matches!(self, Self::Help { .. } | Self::Log { .. } | Self::Reader(_))
    }
}
