//! Evidence groups and their states as constants, and what the program does with a state that was
//! seen, all made from `assets/knowledge/evidence.toml` when it is built.
//!
//! A name that the file does not hold does not compile. Ids stay open: a state of an
//! organisation's own knowledge, which no table holds, is neutral everywhere. Must not live here:
//! what a state is worth (`diagnosis`).

use super::{Path, Source};
use crate::domain::instance::Os;

include!(concat!(env!("OUT_DIR"), "/evidence.rs"));

/// A state of an evidence group, for example `state::reach::ALL_SILENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State<'a> {
    pub group: &'a str,
    pub id: &'a str,
}

impl<'a> State<'a> {
    /// A state by the ids of its group and its own.
    pub const fn new(group: &'a str, id: &'a str) -> Self {
        Self { group, id }
    }

    /// What the program does with it; `None` for one that is not shipped.
    pub fn row(self) -> Option<&'static StateRow> {
        let group = Group::of(self.group)?;
        group.states.iter().find(|row| row.id == self.id)
    }

    /// How it is drawn; one that is not shipped is neutral.
    pub fn tone(self) -> Tone {
        self.row().map_or(Tone::Neutral, |row| row.tone)
    }

    /// True if nobody comes as far as the instance on that path while it holds.
    pub fn shuts(self, path: Path) -> bool {
        self.row().is_some_and(|row| row.shuts.contains(&path))
    }

    /// True if the login service itself said something.
    pub fn answers(self) -> bool {
        self.row().is_some_and(|row| row.answers)
    }

    /// Whether somebody's login went through; `None` where the group does not tell.
    pub fn works(self) -> Option<bool> {
        let group = Group::of(self.group).filter(|group| group.tells_works)?;
        group.state(self.id).map(|row| row.works)
    }
}

/// What the program does with a group of evidence.
#[derive(Debug)]
pub struct Group {
    pub id: &'static str,
    /// The group exists once per path.
    pub paths: bool,
    /// Who reads it.
    pub source: Source,
    pub way: Way,
    /// Not worth asking for while the login port is shut.
    pub open_port: Option<OpenPort>,
    /// A reading of this conversation only.
    pub protocol: Option<Protocol>,
    ssh_layer: Option<u8>,
    rdp_layer: Option<u8>,
    /// Its states tell whether somebody's login went through.
    tells_works: bool,
    /// What the guest says of one source address says nothing of another.
    pub of_a_source: bool,
    /// The figures at which states begin, the lowest first.
    scale: &'static [(f64, &'static str)],
    /// On Linux and on Windows; empty where no one command shows it.
    by_hand: [&'static str; 2],
    pub states: &'static [StateRow],
}

impl Group {
    /// The shipped group of that id.
    pub fn of(id: &str) -> Option<&'static Self> {
        GROUPS.iter().find(|group| group.id == id)
    }

    /// What a person types on the VNC console to see it.
    pub fn by_hand(&self, os: Os) -> Option<&'static str> {
        let [linux, windows] = self.by_hand;
        let command = if os == Os::Windows { windows } else { linux };
        (!command.is_empty()).then_some(command)
    }

    fn state(&self, id: &str) -> Option<&'static StateRow> {
        self.states.iter().find(|row| row.id == id)
    }

    /// The state of a figure; below all that the scale names it is the first.
    fn at(&'static self, figure: f64) -> State<'static> {
        let begun = self.scale.iter().rev().find(|(from, _)| figure >= *from);
        let id = begun.map_or(self.states[0].id, |(_, id)| id);
        State::new(self.id, id)
    }

    /// Its place among the layers of a login, outermost first.
    pub fn layer(&self, protocol: Protocol) -> Option<u8> {
        match protocol {
            Protocol::Ssh => self.ssh_layer,
            Protocol::Rdp => self.rdp_layer,
        }
    }
}

/// The state of a figure by the scale of a shipped group, for example of 97.5 in `memory`.
pub fn state_at(group: &'static str, figure: f64) -> State<'static> {
    Group::of(group).map_or(State::new(group, ""), |group| group.at(figure))
}

/// The layers of a login, outermost first.
pub fn layers(protocol: Protocol) -> Vec<&'static Group> {
    let mut layers: Vec<&Group> = GROUPS
        .iter()
        .filter(|group| group.layer(protocol).is_some())
        .collect();
    layers.sort_by_key(|group| group.layer(protocol));
    layers
}

/// What the program does with a state.
#[derive(Debug)]
pub struct StateRow {
    pub id: &'static str,
    pub tone: Tone,
    /// The list's word for the login port.
    pub word: Option<LoginWord>,
    answers: bool,
    works: bool,
    shuts: &'static [Path],
}

/// How a reading is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Warn,
    Bad,
    /// Observed, but neither good nor bad.
    Neutral,
    /// Not observed; see the status.
    Unknown,
}

/// How a reading is obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A look from outside and at the cloud's facts.
    Look,
    /// The check that needs consent.
    Deep,
    /// One login attempt, with consent.
    Login,
    /// What the user's client printed.
    Paste,
    /// A person's word.
    Tell,
    /// The address that the failing user comes from.
    UserSource,
    /// The script for the user's own machine.
    Kit,
}

/// Which login port has to be open before a reading is worth asking for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenPort {
    OnThisPath,
    OnAnyPath,
}

/// Conversation of a login service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Ssh,
    Rdp,
}

/// What the list says of a login port, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoginWord {
    /// The login service says what it is; nobody asked for more.
    Greets,
    /// Its whole handshake goes as it should.
    Answers,
    /// A real attempt to log in got in.
    LogsIn,
    /// The port is open; nobody waited for the service to speak.
    Open,
    Slow,
    Flaky,
    Throttled,
    /// Only algorithms that newer clients refuse.
    Legacy,
    Refused,
    Silent,
    /// A router or filter says that the way is shut.
    Prohibited,
    /// Open, but the service never speaks.
    NoAnswer,
    Closed,
    Reset,
    /// Another service than a login speaks.
    NotLogin,
    /// The service speaks, and the handshake does not end.
    Handshake,
}

impl LoginWord {
    pub const ALL: [Self; 16] = [
        Self::Greets,
        Self::Answers,
        Self::LogsIn,
        Self::Open,
        Self::Slow,
        Self::Flaky,
        Self::Throttled,
        Self::Legacy,
        Self::Refused,
        Self::Silent,
        Self::Prohibited,
        Self::NoAnswer,
        Self::Closed,
        Self::Reset,
        Self::NotLogin,
        Self::Handshake,
    ];

    /// The key of its text (`login.<word>` in the catalogue) and the word that a filter takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Greets => "greets",
            Self::Answers => "answers",
            Self::LogsIn => "logs-in",
            Self::Open => "open",
            Self::Slow => "slow",
            Self::Flaky => "flaky",
            Self::Throttled => "throttled",
            Self::Legacy => "legacy",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Prohibited => "prohibited",
            Self::NoAnswer => "no-answer",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::NotLogin => "not-login",
            Self::Handshake => "handshake",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shipped_is_neutral_and_decides_nothing() {
        for unknown in [
            State::new("our-vpn", "down"),
            State::new(group::REACH, "odd"),
        ] {
            assert_eq!(unknown.tone(), Tone::Neutral);
            assert!(!unknown.answers() && !unknown.shuts(Path::Public));
            assert_eq!(unknown.works(), None);
        }
    }

    #[test]
    fn the_same_word_can_be_good_or_bad() {
        assert_eq!(state::ddos_block::NONE.tone(), Tone::Good);
        assert_eq!(state::kex::NONE.tone(), Tone::Bad);
        assert_eq!(state::recent_change::NONE.tone(), Tone::Neutral);
    }

    #[test]
    fn each_login_has_its_layers_in_order() {
        let ids = |protocol| -> Vec<&str> { layers(protocol).iter().map(|g| g.id).collect() };
        assert_eq!(
            ids(Protocol::Ssh),
            ["reach", "banner", "kex", "auth-methods", "path-quality"]
        );
        assert_eq!(
            ids(Protocol::Rdp),
            [
                "reach",
                "rdp-negotiation",
                "rdp-tls",
                "rdp-certificate",
                "path-quality"
            ]
        );
    }

    #[test]
    fn a_state_can_be_matched_as_a_pattern() {
        let seen = String::from("all-silent");
        assert!(matches!(
            State::new("reach", &seen),
            state::reach::ALL_SILENT | state::reach::SILENT_ICMP_ONLY
        ));
    }
}
