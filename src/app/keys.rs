//! Where chords count, and what they can be bound to there: commands of the panes, and those of
//! each kind of overlay.
//!
//! Keymap, help, hints and tests all read these tables. An overlay takes its own commands as a type
//! of their own and matches them whole, so that none can be forgotten. Must not live here: what a
//! command does (`app::update`, `app::overlay`), or its texts (`app::locale`).

use super::command::{Command, Danger};
use crate::input::chord::Chord;
use crate::input::keymap::{Keymap, Vocabulary};

/// A command of one kind of overlay.
pub trait OfOverlay: Copy + Into<Bound> + 'static {
    /// Where its chords count.
    const CONTEXT: Context;
    /// All of them, in the order of help.
    const ALL: &'static [Self];
    /// The command, where that is one of these.
    fn of(bound: Bound) -> Option<Self>;
}

macro_rules! contexts {
    (
        panes { $($(#[$pane_doc:meta])* $pane:ident $pane_name:literal;)+ }
        $($(#[$doc:meta])* $context:ident $name:literal {
            $($variant:ident $word:literal $danger:ident;)+
        })+
    ) => {
        /// Where a chord counts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Context { $($(#[$pane_doc])* $pane,)+ $($(#[$doc])* $context,)+ }

        impl Context {
            /// All of them, in the order of help.
            pub const ALL: &'static [Self] = &[$(Self::$pane,)+ $(Self::$context,)+];

            /// Name in key files, and key of its title in the catalogues.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$pane => $pane_name,)+ $(Self::$context => $name,)+ }
            }

            /// Everything that can be bound there, in the order of help.
            pub fn commands(self) -> Vec<Bound> {
                match self {
                    $(Self::$pane => {
                        let all = Command::ALL.iter().copied();
                        all.filter(|command| command.context() == self).map(Bound::Pane).collect()
                    })+
                    $(Self::$context => {
                        <$context as OfOverlay>::ALL.iter().map(|one| (*one).into()).collect()
                    })+
                }
            }
        }

        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $context { $(#[doc = $word] $variant,)+ }

        impl OfOverlay for $context {
            const CONTEXT: Context = Context::$context;
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn of(bound: Bound) -> Option<Self> {
                if let Bound::$context(command) = bound { Some(command) } else { None }
            }
        }

        impl From<$context> for Bound {
            fn from(command: $context) -> Self { Self::$context(command) }
        })+

        /// What a chord can be bound to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Bound {
            /// A command of the panes.
            Pane(Command),
            $(#[doc = $name] $context($context),)+
        }

        impl Bound {
            /// Where its chords count.
            pub fn context(self) -> Context {
                match self {
                    Self::Pane(command) => command.context(),
                    $(Self::$context(_) => Context::$context,)+
                }
            }

            /// Name in key files, in the table of its context.
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::Pane(command) => command.as_str(),
                    $($(Self::$context($context::$variant) => $word,)+)+
                }
            }

            /// What it can lead to.
            pub fn danger(self) -> Danger {
                match self {
                    Self::Pane(command) => command.danger(),
                    $($(Self::$context($context::$variant) => Danger::$danger,)+)+
                }
            }
        }
    };
}

contexts! {
    panes {
        /// In the list.
        Instances "instances";
        /// In the diagnosis.
        Diagnosis "diagnosis";
        /// In the actions.
        Actions "actions";
        /// In every pane.
        Global "global";
    }
    /// Texts to read: help, log, journal, guides.
    Reader "reader" {
        StepNext "step-next" Safe;
        StepPrevious "step-previous" Safe;
        StepDo "step-do" Previewed;
        StepTick "step-tick" Safe;
        Search "search" Safe;
        SearchNext "search-next" Safe;
        Close "close" Safe;
    }
    /// The preview of what would be changed, confirmed by a key.
    Preview "preview" {
        Confirm "confirm" Confirms;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
    }
    /// The preview of what is confirmed by typing a name.
    TypedName "typed-name" {
        Confirm "confirm" Previewed;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
    }
    /// Consent to a look inside the guest.
    Consent "consent" {
        Confirm "confirm" Confirms;
        Script "script" Safe;
        Close "close" Safe;
    }
    /// Leaving although an action is under way.
    Leave "leave" {
        Confirm "confirm" Confirms;
        Close "close" Safe;
    }
    /// Lists to pick from.
    List "list" {
        Accept "accept" Previewed;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
    }
    /// The causes of the fleet and their incidents.
    Causes "causes" {
        Accept "accept" Safe;
        Repair "repair" Previewed;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
    }
    /// What a person can tell of the failure.
    Answers "answers" {
        Toggle "toggle" Safe;
        Vnc "vnc" Previewed;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
    }
    /// Columns of the list.
    Columns "columns" {
        Toggle "toggle" Safe;
        Earlier "earlier" Safe;
        Later "later" Safe;
        AsShipped "as-shipped" Safe;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
    }
    /// A value that is shown once.
    Secret "secret" {
        Copy "copy" Safe;
        Close "close" Safe;
    }
    /// Lists that are narrowed by typing: commands, actions, causes.
    Palette "palette" {
        Accept "accept" Previewed;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
    }
    /// The filter of the list.
    Filter "filter" {
        Accept "accept" Safe;
        Close "close" Safe;
        Up "up" Safe;
        Down "down" Safe;
        Complete "complete" Safe;
        Older "older" Safe;
        Newer "newer" Safe;
    }
    /// One line of text: an address, a login name, parameters, a search.
    Line "line" {
        Accept "accept" Previewed;
        Close "close" Safe;
    }
    /// Where a ticket bundle goes.
    Ticket "ticket" {
        Accept "accept" Safe;
        Mask "mask" Safe;
        Archive "archive" Safe;
        Close "close" Safe;
    }
    /// What the user's client printed.
    Paste "paste" {
        Accept "accept" Safe;
        Close "close" Safe;
        NewLine "new-line" Safe;
        Tab "tab" Safe;
        Up "up" Safe;
        Down "down" Safe;
        PageUp "page-up" Safe;
        PageDown "page-down" Safe;
        Undo "undo" Safe;
        Redo "redo" Safe;
    }
    /// Wherever text is typed, below the keys of the field's own context.
    Edit "edit" {
        Left "left" Safe;
        Right "right" Safe;
        WordLeft "word-left" Safe;
        WordRight "word-right" Safe;
        Start "start" Safe;
        End "end" Safe;
        Backspace "backspace" Safe;
        Delete "delete" Safe;
        DeleteWord "delete-word" Safe;
        ClearBefore "clear-before" Safe;
        ClearAfter "clear-after" Safe;
    }
}

/// Lines and pages of a list or a sheet.
macro_rules! walks {
    ($($context:ident),+) => {$(
        impl $context {
            /// How far it moves, where it moves; `page` is a page's lines.
            pub fn lines(self, page: isize) -> Option<isize> {
                match self {
                    Self::Up => Some(-1),
                    Self::Down => Some(1),
                    Self::PageUp => Some(-page),
                    Self::PageDown => Some(page),
                    _ => None,
                }
            }
        }
    )+};
}
walks!(Preview, TypedName, List, Causes, Answers, Palette, Columns);

impl Context {
    /// A context of the panes, not of what lies over them.
    pub fn is_of_panes(self) -> bool {
        matches!(
            self,
            Self::Global | Self::Instances | Self::Diagnosis | Self::Actions
        )
    }

    /// Text is typed there, so that a chord which types a character cannot be a command.
    pub fn takes_text(self) -> bool {
        match self {
            Self::TypedName
            | Self::Palette
            | Self::Filter
            | Self::Line
            | Self::Ticket
            | Self::Paste
            | Self::Edit => true,
            Self::Instances
            | Self::Diagnosis
            | Self::Actions
            | Self::Global
            | Self::Reader
            | Self::Preview
            | Self::Consent
            | Self::Leave
            | Self::List
            | Self::Causes
            | Self::Answers
            | Self::Columns
            | Self::Secret => false,
        }
    }
}

impl From<Command> for Bound {
    fn from(command: Command) -> Self {
        Self::Pane(command)
    }
}

/// Bindings of the console's commands.
pub type Keys = Keymap<Context, Bound>;

impl Keys {
    /// The overlay's command of a chord.
    pub fn of<C: OfOverlay>(&self, chord: Chord) -> Option<C> {
        C::of(self.lookup(&[C::CONTEXT], chord)?)
    }

    /// The command of a chord in the panes.
    pub fn of_panes(&self, contexts: &[Context], chord: Chord) -> Option<Command> {
        match self.lookup(contexts, chord)? {
            Bound::Pane(command) => Some(command),
            _ => None,
        }
    }
}

/// The registry as the vocabulary of key files.
#[derive(Debug, Clone, Copy)]
pub struct Registry;

impl Vocabulary<Context, Bound> for Registry {
    fn contexts(&self) -> Vec<(&'static str, Context)> {
        let named = |context: &Context| (context.as_str(), *context);
        Context::ALL.iter().map(named).collect()
    }

    fn commands(&self, context: Context) -> Vec<(&'static str, Bound)> {
        let named = |bound: Bound| (bound.as_str(), bound);
        context.commands().into_iter().map(named).collect()
    }

    fn overlap(&self, a: Context, b: Context) -> bool {
        // What lies over the panes shadows their keys while it is open, on purpose.
        a == b
            || (a.is_of_panes()
                && b.is_of_panes()
                && (a == Context::Global || b == Context::Global))
    }

    fn types(&self, context: Context, chord: Chord) -> bool {
        context.takes_text() && chord.typed().is_some()
    }

    /// A key that leads to a question must not answer it too: held down, or pressed twice by a
    /// hand that expected something else, it would change the world unseen. Nor may one that leads
    /// away or moves, which is pressed by habit.
    fn clash(&self, a: Bound, b: Bound) -> bool {
        const BY_HABIT: [&str; 10] = [
            "close",
            "cancel",
            "back",
            "up",
            "down",
            "left",
            "right",
            "page-up",
            "page-down",
            "help",
        ];
        let is_other = |bound: Bound| {
            bound.danger() == Danger::Previewed
                || bound == Bound::Pane(Command::Quit)
                || BY_HABIT.contains(&bound.as_str())
        };
        let confirms = |bound: Bound| bound.danger() == Danger::Confirms;
        (confirms(a) && is_other(b)) || (confirms(b) && is_other(a))
    }

    fn leads_out(&self, command: Bound) -> bool {
        command.as_str() == "close"
    }
}

/// The shipped bindings.
pub fn shipped_keys() -> Keys {
    Keymap::shipped(include_str!("../../assets/keymap-default.toml"), &Registry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::chord::Key;
    use crate::input::keymap::Binding;

    fn bound_by_user(lines: &[(&str, &str, &str)]) -> Keys {
        let mut keys = shipped_keys();
        let chords: Vec<[String; 1]> = lines.iter().map(|line| [line.2.to_owned()]).collect();
        let bindings = lines.iter().zip(&chords).enumerate();
        keys.bind_all(
            bindings.map(|(n, ((scope, command, _), chords))| Binding {
                scope,
                command,
                chords,
                place: format!("config.toml:{}", n + 1),
            }),
            &Registry,
        );
        keys
    }

    #[test]
    fn the_shipped_keys_are_without_fault_and_name_every_command() {
        let keys = shipped_keys();
        assert!(keys.warnings().is_empty(), "{:?}", keys.warnings());
        let text = include_str!("../../assets/keymap-default.toml");
        for context in Context::ALL {
            let head = format!("[keys.{}]\n", context.as_str());
            let at = text.find(&head).unwrap_or_else(|| panic!("no {head}"));
            let table = text[at + head.len()..].split("\n[").next().unwrap();
            for bound in context.commands() {
                let named = |line: &str| line.starts_with(&format!("{} = ", bound.as_str()));
                assert!(table.lines().any(named), "{head}{}", bound.as_str());
            }
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
            keys.of_panes(&contexts, Chord::plain(Key::Esc)),
            Some(Command::Cancel)
        );
    }

    #[test]
    fn what_confirms_cannot_be_bound_outside_of_a_question() {
        for bound in Context::ALL.iter().flat_map(|context| context.commands()) {
            if bound.danger() == Danger::Confirms {
                assert!(!bound.context().is_of_panes(), "{bound:?}");
            }
        }
        let keys = bound_by_user(&[("global", "confirm", "Y"), ("instances", "confirm", "Y")]);
        assert_eq!(keys.warnings().len(), 2);
    }

    #[test]
    fn a_key_that_leads_to_a_question_does_not_answer_it() {
        let enter = Chord::plain(Key::Enter);
        let digit = Chord::char('1');
        for (line, chord) in [
            (("preview", "confirm", "1"), digit),
            (("preview", "confirm", "enter"), enter),
            (("consent", "confirm", "d"), Chord::char('d')),
            (("leave", "confirm", "q"), Chord::char('q')),
            (("preview", "confirm", "k"), Chord::char('k')),
        ] {
            let keys = bound_by_user(&[line]);
            let Some(command) = Registry.commands(context_of(line.0)).into_iter().next() else {
                panic!("{line:?}");
            };
            assert_eq!(keys.warnings().len(), 1, "{line:?}");
            assert_eq!(keys.lookup(&[context_of(line.0)], chord), None, "{line:?}");
            // The key of before stays, so that there is one.
            assert_eq!(keys.chords(command.1), [Chord::char('Y')], "{line:?}");
        }
        // What leads away or moves is pressed by habit: it keeps its keys.
        for (chord, command) in [("esc", Preview::Close), ("down", Preview::Down)] {
            let keys = bound_by_user(&[("preview", "confirm", chord)]);
            let chord = Chord::parse(chord).unwrap();
            assert_ne!(
                keys.of::<Preview>(chord),
                Some(Preview::Confirm),
                "{command:?}"
            );
            assert_eq!(keys.of::<Preview>(Chord::char('Y')), Some(Preview::Confirm));
        }
        let keys = bound_by_user(&[("preview", "close", "none"), ("preview", "up", "esc")]);
        assert_eq!(
            keys.of::<Preview>(Chord::plain(Key::Esc)),
            Some(Preview::Close),
            "there is a way out: {:?}",
            keys.warnings()
        );
        // From the other side too.
        let keys = bound_by_user(&[("global", "action-1", "Y")]);
        assert_eq!(keys.warnings().len(), 1);
        assert_eq!(keys.of::<Preview>(Chord::char('Y')), Some(Preview::Confirm));
        assert_eq!(keys.chords(Command::Action1), [digit]);
        // Where both change, what counts is what comes of it.
        let swapped = [
            ("global", "action-1", "Y"),
            ("preview", "confirm", "ctrl-y"),
        ];
        let swapped = [
            swapped[0],
            swapped[1],
            ("consent", "confirm", "ctrl-y"),
            ("leave", "confirm", "ctrl-y"),
        ];
        let keys = bound_by_user(&swapped);
        assert!(keys.warnings().is_empty(), "{:?}", keys.warnings());
        assert_eq!(keys.chords(Command::Action1), [Chord::char('Y')]);
    }

    #[test]
    fn a_character_stays_text_where_text_is_typed() {
        let keys = bound_by_user(&[("line", "accept", "x"), ("typed-name", "confirm", "Y")]);
        assert_eq!(keys.warnings().len(), 2);
        assert_eq!(keys.of::<Line>(Chord::char('x')), None);
        assert_eq!(
            keys.of::<TypedName>(Chord::plain(Key::Enter)),
            Some(TypedName::Confirm)
        );
    }

    #[test]
    fn mistakes_in_an_overlays_table_are_named() {
        let keys = bound_by_user(&[
            ("preveiw", "confirm", "x"),
            ("preview", "confrim", "x"),
            ("preview", "close", "hyper-x"),
        ]);
        let all: Vec<String> = keys.warnings().iter().map(ToString::to_string).collect();
        assert!(all[0].contains("did you mean `preview`?"), "{all:?}");
        assert!(all[1].contains("did you mean `confirm`?"), "{all:?}");
        assert!(all[2].starts_with("config.toml:3: `hyper-x`"), "{all:?}");
        assert_eq!(keys.chords(Preview::Close), [Chord::plain(Key::Esc)]);
    }

    fn context_of(name: &str) -> Context {
        let all = Context::ALL.iter().copied();
        all.into_iter()
            .find(|context| context.as_str() == name)
            .unwrap_or_else(|| panic!("{name}"))
    }
}
