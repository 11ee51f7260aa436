//! The one registry of commands: name, context, danger, and when each is available.
//!
//! Keymap, help, palette, footer hints, mouse and tests all read this table.
//! Must not live here: what a command does (`app::update`) or its texts (`app::locale`).

use crate::domain::instance::Os;
use crate::input::keymap::{Keymap, Vocabulary};

use super::overlay::Overlay;
use super::state::State;

/// Where a chord of a command counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// In every pane.
    Global,
    Instances,
    Diagnosis,
    Actions,
    /// In scrolling overlays: help, log, journal, guides.
    Reader,
}

impl Context {
    /// Name of the context in key files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Instances => "instances",
            Self::Diagnosis => "diagnosis",
            Self::Actions => "actions",
            Self::Reader => "reader",
        }
    }

    const ALL: [Self; 5] = [
        Self::Global,
        Self::Instances,
        Self::Diagnosis,
        Self::Actions,
        Self::Reader,
    ];
}

/// What a command can do to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// Reads or moves; nothing outside the program changes.
    Safe,
    /// Leads to a preview; nothing is sent before the gate's confirmation.
    Previewed,
}

/// Why a command is not available now; the text is in the catalogue of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    NoInstance,
    NoReport,
    NoSuchAction,
    NowhereToGo,
    NothingMarked,
    ReadOnly,
    NothingRunning,
    NothingToUndo,
    NothingTimed,
    Unavailable,
    NoSsh,
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
    PasteError "paste-error" Global Safe;
    UserSource "user-source" Global Safe;
    Tell "tell" Global Safe;
    Guides "guides" Global Safe;
    WhyNot "why-not" Global Safe;
    ConfirmCause "confirm-cause" Global Safe;
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
    Mark "mark" Global Safe;
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
    StepNext "step-next" Reader Safe;
    StepPrevious "step-previous" Reader Safe;
    StepDo "step-do" Reader Previewed;
    StepTick "step-tick" Reader Safe;
    Search "search" Reader Safe;
    SearchNext "search-next" Reader Safe;
    Close "close" Reader Safe;
    Log "log" Global Safe;
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
            Self::Triage
            | Self::UserSource
            | Self::Tell
            | Self::PasteError
            | Self::Copy
            | Self::Mark => instance.map(drop),
            Self::Explain | Self::ConfirmCause | Self::WhyNot | Self::Ticket => {
                instance.and(report).map(drop)
            }
            Self::Keep => only(!state.timed.is_empty(), Why::NothingTimed),
            Self::TryLogin => {
                // The attempt is the operator's own ssh; nothing signs in to a desktop from here.
                let ssh = match instance?.os {
                    Os::Windows => false,
                    Os::Unknown => instance?.login_port() != 3389,
                    Os::Linux => true,
                };
                only(ssh, Why::NoSsh)
            }
            Self::DeepCheck | Self::AnyAction => {
                let instance = instance?;
                if instance.is_static {
                    return Err(Why::Unavailable);
                }
                Ok(())
            }
            Self::StepNext | Self::StepPrevious | Self::StepDo | Self::StepTick => {
                let open = state.overlays.iter().rev().find_map(Overlay::guide);
                open.map(drop).ok_or(Why::NoGuide)
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
            Self::Batch => only(!state.fleet.marks.is_empty(), Why::NothingMarked),
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

/// Available where `can` holds.
fn only(can: bool, why: Why) -> Result<(), Why> {
    if can { Ok(()) } else { Err(why) }
}

/// Bindings of the console's commands.
pub type Keys = Keymap<Context, Command>;

/// The registry as the vocabulary of key files.
#[derive(Debug, Clone, Copy)]
pub struct Registry;

impl Vocabulary<Context, Command> for Registry {
    fn context(&self, name: &str) -> Option<Context> {
        Context::ALL.into_iter().find(|c| c.as_str() == name)
    }

    fn command(&self, context: Context, name: &str) -> Option<Command> {
        Command::parse(name).filter(|command| command.context() == context)
    }

    fn names(&self, context: Context) -> Vec<&'static str> {
        Command::ALL
            .iter()
            .filter(|command| command.context() == context)
            .map(|command| command.as_str())
            .collect()
    }

    fn overlap(&self, a: Context, b: Context) -> bool {
        // A reader lies over the panes: its keys shadow theirs while it is open, on purpose.
        let reader = |c| c == Context::Reader;
        a == b || (!reader(a) && !reader(b) && (a == Context::Global || b == Context::Global))
    }
}

/// The shipped bindings.
pub fn shipped_keys() -> Keys {
    Keymap::shipped(include_str!("../../assets/keymap-default.toml"), &Registry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::chord::{Chord, Key};

    #[test]
    fn the_shipped_keys_are_without_fault_and_name_every_command() {
        let keys = shipped_keys();
        assert!(keys.warnings().is_empty(), "{:?}", keys.warnings());
        let text = include_str!("../../assets/keymap-default.toml");
        for command in Command::ALL {
            assert!(
                text.contains(&format!("\n{} = ", command.as_str())),
                "{} is missing in keymap-default.toml",
                command.as_str()
            );
        }
    }

    /// A split arrow key can arrive as `Esc`, `[`, `A`; reflex chords of shells and editors
    /// must be harmless too.
    #[test]
    fn nothing_that_leads_to_a_change_lies_on_a_reflex_key() {
        let keys = shipped_keys();
        let contexts = [
            Context::Instances,
            Context::Diagnosis,
            Context::Actions,
            Context::Global,
        ];
        let split = "[ABCDHF~".chars().map(Chord::char);
        let control = ('a'..='z').map(Chord::ctrl);
        let named = [Key::Esc, Key::Backspace, Key::Delete, Key::Insert].map(Chord::plain);
        for chord in split.chain(control).chain(named) {
            for context in contexts {
                if let Some(command) = keys.lookup(&[context, Context::Global], chord) {
                    assert_eq!(command.danger(), Danger::Safe, "{chord} runs {command:?}");
                }
            }
        }
        for c in "[ABCDHF~".chars() {
            assert_eq!(keys.lookup(&contexts, Chord::char(c)), None, "{c}");
        }
        assert_eq!(
            keys.lookup(&contexts, Chord::plain(Key::Esc)),
            Some(Command::Cancel)
        );
    }
}
