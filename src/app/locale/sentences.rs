//! Sentences of the rooms (`domain::said`) in the language of a catalogue.
//!
//! One file a room and language under `assets/locales/said`: the name of the sentence's function,
//! then its text. Must not live here: the sentences' English (the `said.rs` of each room).

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{Lang, Texts};
use crate::app::command::Command;
use crate::diagnosis::display::Likelihood;
use crate::domain::report::RankedAction;
use crate::domain::said::{Said, Speech, Table, Word};

macro_rules! rooms {
    ($($room:literal),+ $(,)?) => {
        /// Room, Korean, Chinese.
        const ROOMS: &[(&str, &str, &str)] = &[$((
            $room,
            include_str!(concat!("../../../assets/locales/said/", $room, ".ko.toml")),
            include_str!(concat!("../../../assets/locales/said/", $room, ".zh.toml")),
        )),+];
    };
}

rooms! {
    "action", "app", "check", "cli", "cloud", "config", "diagnosis", "doctor", "domain", "firewall", "guest", "guide",
    "input",
    "kit", "knowledge", "probe", "recogniser", "runtime", "sshd", "store", "ticket", "triage", "view",
}

/// The room whose sentences are those of the knowledge files, by the whole of their English.
const KNOWLEDGE: &str = "knowledge";

/// Texts by `room.name`. English has none: it stands where the sentence is made.
pub fn sentences(lang: Lang) -> &'static HashMap<String, String> {
    static ALL: [OnceLock<HashMap<String, String>>; 3] = [const { OnceLock::new() }; 3];
    ALL[lang as usize].get_or_init(|| {
        let mut all = HashMap::new();
        for (room, ko, zh) in ROOMS {
            let text = match lang {
                Lang::En => continue,
                Lang::Ko => ko,
                Lang::Zh => zh,
            };
            let file: HashMap<String, String> =
                toml::from_str(text).expect("the shipped sentences are read by a test");
            all.extend(
                file.into_iter()
                    .map(|(name, text)| (format!("{room}.{name}"), text)),
            );
        }
        all
    })
}

impl Texts {
    /// A sentence in the catalogue's language.
    pub fn said(&self, said: &Said) -> String {
        said.in_words(self)
    }

    /// A text of the knowledge files in the catalogue's language; its English where there is none.
    pub fn known<'t>(&'t self, english: &'t str) -> &'t str {
        Speech::known(self, english).unwrap_or(english)
    }

    /// What a command does, as a title.
    pub fn titled(&self, command: Command) -> String {
        let text = self.command(command.as_str());
        let mut letters = text.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect()
    }

    /// The title of an action as a diagnosis offers it.
    pub fn offer(&self, action: &RankedAction) -> String {
        let title = self.said(&action.title);
        // A power cut is not what the action is usually called.
        let mode = action.parameters.get("mode").and_then(|mode| mode.as_str());
        if mode.is_some_and(|mode| mode != "soft") {
            return title;
        }
        self.action(&action.id, &title).to_owned()
    }

    /// The word for a probability.
    pub fn likelihood(&self, probability: f64) -> &str {
        match Likelihood::of(probability) {
            Likelihood::VeryLikely => &self.ui.very_likely,
            Likelihood::Likely => &self.ui.likely,
            Likelihood::Leading => &self.ui.leading,
            Likelihood::NotDecided => &self.ui.undecided,
        }
    }
}

impl Speech for Texts {
    fn lang(&self) -> Lang {
        Texts::lang(self)
    }

    fn template(&self, id: &str) -> Option<&str> {
        sentences(self.lang).get(id).map(String::as_str)
    }

    fn word(&self, word: &Word) -> Option<&str> {
        let key: &str = &word.key;
        let map = match word.table {
            Table::Evidence => &self.evidence,
            Table::State => {
                let own = self.state.get(key);
                let common = || self.state.get(key.split_once('.')?.1);
                return own.or_else(common).map(String::as_str);
            }
            Table::Cause => &self.cause,
            Table::Action => &self.action,
            Table::Parameter => &self.parameter,
            Table::Path => &self.path,
            Table::Os => &self.os,
            Table::InstanceState => &self.instance_state,
            Table::Login => &self.login,
            Table::Risk => &self.risk,
            Table::Status => &self.status,
            Table::Stage => &self.stage,
        };
        map.get(key).map(String::as_str)
    }

    fn known(&self, english: &str) -> Option<&str> {
        sentences(self.lang)
            .get(&format!("{KNOWLEDGE}.{english}"))
            .map(String::as_str)
    }
}
