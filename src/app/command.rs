//! The one registry of the panes' commands: name, context, danger, and when each is available.
//!
//! Keymap, help, palette, footer hints, mouse and tests all read this table; what lies over the panes
//! has its own commands (`app::keys`).
//! Must not live here: what a command does (`app::update`) or its texts (`app::locale`).

use super::keys::Context;
use super::overlay::Overlay;
use super::state::State;
use crate::domain::instance::{Instance, Os};

/// What a command can do to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// Reads or moves; nothing outside the program changes.
    Safe,
    /// Leads to a question; nothing is sent before the gate's confirmation.
    Previewed,
    /// Answers such a question: what is shown is carried out.
    Confirms,
}

/// Why a command is not available now; the text is in the catalogue of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    NoInstance,
    NoReport,
    NoSuchAction,
    NowhereToGo,
    NothingMarked,
    NoRangeStart,
    SecretShown,
    NoFacts,
    NothingBroken,
    ReadOnly,
    NothingRunning,
    NothingToUndo,
    NothingTimed,
    Unavailable,
    NoSsh,
    NoAddress,
    NoGuide,
    HasCloud,
}

macro_rules! commands {
    ($($variant:ident $name:literal $context:ident $danger:ident;)+) => {
        /// Every command of the console.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Command { $(#[doc = $name] $variant,)+ }

        impl Command {
            /// The registry, in the order of help.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name in key files, and key of its title in the catalogues.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Where its chords count.
            pub fn context(self) -> Context {
                match self { $(Self::$variant => Context::$context),+ }
            }

            /// What it can lead to.
            pub fn danger(self) -> Danger {
                match self { $(Self::$variant => Danger::$danger),+ }
            }
        }
    };
}

commands! {
    Triage "triage" Instances Safe;
    Explain "explain" Diagnosis Safe;
    Open "open" Actions Previewed;
    Filter "filter" Global Safe;
    Palette "palette" Global Safe;
    Help "help" Global Safe;
    NextPane "next-pane" Global Safe;
    PreviousPane "previous-pane" Global Safe;
    Zoom "zoom" Global Safe;
    Action1 "action-1" Global Previewed;
    Action2 "action-2" Global Previewed;
    Action3 "action-3" Global Previewed;
    Action4 "action-4" Global Previewed;
    Action5 "action-5" Global Previewed;
    Action6 "action-6" Global Previewed;
    Action7 "action-7" Global Previewed;
    Action8 "action-8" Global Previewed;
    Action9 "action-9" Global Previewed;
    DeepCheck "deep-check" Global Previewed;
    TryLogin "try-login" Global Previewed;
    Session "session" Global Previewed;
    PasteError "paste-error" Global Safe;
    UserSource "user-source" Global Safe;
    Kit "kit" Global Safe;
    Neighbours "neighbours" Global Previewed;
    Providers "providers" Global Previewed;
    Tell "tell" Global Safe;
    Guides "guides" Global Safe;
    WhyNot "why-not" Global Safe;
    ConfirmCause "confirm-cause" Global Safe;
    Facts "facts" Global Safe;
    FleetCauses "fleet-causes" Global Safe;
    SelfCheck "self-check" Global Safe;
    Ports "ports" Global Safe;
    AnyAction "any-action" Global Previewed;
    Undo "undo" Global Previewed;
    Keep "keep" Global Safe;
    Journal "journal" Global Safe;
    Ticket "ticket" Global Previewed;
    Copy "copy" Global Safe;
    Refresh "refresh" Global Safe;
    Sweep "sweep" Global Safe;
    Pause "pause" Global Safe;
    Background "background" Global Safe;
    StopWork "stop-work" Global Safe;
    Sort "sort" Global Safe;
    SortReverse "sort-reverse" Global Safe;
    Columns "columns" Global Safe;
    NextBroken "next-broken" Global Safe;
    PreviousBroken "previous-broken" Global Safe;
    Mark "mark" Global Safe;
    MarkRange "mark-range" Global Safe;
    MarkAll "mark-all" Global Safe;
    Batch "batch" Global Previewed;
    Up "up" Global Safe;
    Down "down" Global Safe;
    PageUp "page-up" Global Safe;
    PageDown "page-down" Global Safe;
    Top "top" Global Safe;
    Bottom "bottom" Global Safe;
    Left "left" Global Safe;
    Right "right" Global Safe;
    Cancel "cancel" Global Safe;
    Back "back" Global Safe;
    Forward "forward" Global Safe;
    LastInstance "last-instance" Global Safe;
    Log "log" Global Safe;
    Calls "calls" Global Safe;
    SaveScreen "save-screen" Global Safe;
    ReadOnly "read-only" Global Safe;
    Privacy "privacy" Global Safe;
    Mouse "mouse" Global Safe;
    Theme "theme" Global Safe;
    Language "language" Global Safe;
    Glyphs "glyphs" Global Safe;
    Repaint "repaint" Global Safe;
    Suspend "suspend" Global Safe;
    Demo "demo" Global Safe;
    Quit "quit" Global Safe;
}

impl Command {
    /// The command of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.as_str() == name)
    }

    /// Position of a ranked action (from 0) that a digit stands for.
    pub fn action_index(self) -> Option<usize> {
        let first = Self::Action1 as usize;
        let own = self as usize;
        (first..=Self::Action9 as usize)
            .contains(&own)
            .then(|| own - first)
    }

    /// Whether the command can do anything now, and if not, why not.
    pub fn enabled(self, state: &State) -> Result<(), Why> {
        let instance = state.selected_instance().ok_or(Why::NoInstance);
        let report = state.selected_report().ok_or(Why::NoReport);
        match self {
            Self::Session if state.read_only && !state.read_only_sessions => Err(Why::ReadOnly),
            Self::Session => only(instance?.address().is_some(), Why::NoAddress),
            Self::Triage
            | Self::UserSource
            | Self::Tell
            | Self::PasteError
            | Self::Kit
            | Self::Copy
            | Self::SelfCheck
            | Self::Ports
            | Self::Mark => instance.map(drop),
            Self::Explain | Self::ConfirmCause | Self::WhyNot | Self::Ticket => {
                instance.and(report).map(drop)
            }
            Self::Facts => {
                let case = state.selected_case();
                only(
                    case.is_some_and(|case| !case.readings.is_empty()),
                    Why::NoFacts,
                )
            }
            Self::SaveScreen => {
                // It is shown once and kept nowhere.
                let secret = |overlay: &Overlay| matches!(overlay, Overlay::Secret(_));
                only(!state.overlays.iter().any(secret), Why::SecretShown)
            }
            // What is kept stays open for good: that is a change, though nothing is sent.
            Self::Keep if state.read_only => Err(Why::ReadOnly),
            Self::Keep => only(!state.timed.is_empty(), Why::NothingTimed),
            Self::TryLogin => only(is_served_by_ssh(instance?), Why::NoSsh),
            Self::DeepCheck | Self::Neighbours if state.read_only && !state.read_only_deep => {
                Err(Why::ReadOnly)
            }
            Self::Providers if state.read_only => Err(Why::ReadOnly),
            Self::Neighbours | Self::Providers if report.is_err() => Err(Why::NoReport),
            Self::DeepCheck | Self::Neighbours | Self::Providers | Self::AnyAction => {
                let instance = instance?;
                if instance.is_static {
                    return Err(Why::Unavailable);
                }
                Ok(())
            }
            Self::Undo => {
                if state.read_only {
                    return Err(Why::ReadOnly);
                }
                state
                    .jobs
                    .last_undoable()
                    .map(drop)
                    .ok_or(Why::NothingToUndo)
            }
            Self::Batch | Self::MarkRange => {
                only(!state.fleet.marks.is_empty(), Why::NothingMarked)
            }
            Self::Back | Self::Forward => {
                let from = state.fleet.selected_id();
                if state.trail.can_step(from, self == Self::Forward) {
                    Ok(())
                } else {
                    Err(Why::NowhereToGo)
                }
            }
            Self::LastInstance => only(state.trail.can_swap(), Why::NowhereToGo),
            Self::Demo => only(state.missing.is_some(), Why::HasCloud),
            Self::StopWork => only(state.busy(), Why::NothingRunning),
            _ => match self.action_index() {
                Some(index) => {
                    instance?;
                    report?
                        .actions
                        .get(index)
                        .map(drop)
                        .ok_or(Why::NoSuchAction)
                }
                None => Ok(()),
            },
        }
    }
}

/// A login attempt is the operator's own ssh; nothing signs in to a desktop from here.
fn is_served_by_ssh(instance: &Instance) -> bool {
    match instance.os {
        Os::Windows => false,
        Os::Unknown => instance.login_port() != 3389,
        Os::Linux => true,
    }
}

/// Available where `can` holds.
fn only(can: bool, why: Why) -> Result<(), Why> {
    if can { Ok(()) } else { Err(why) }
}
