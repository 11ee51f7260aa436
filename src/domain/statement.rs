//! What a person says about the failure: never asked for by force, weighed like any reading.
//!
//! Must not live here: which groups and states there are (`diagnosis::knowledge`), or how a person
//! is asked.

use serde::{Deserialize, Serialize};

use super::evidence::{Path, Reading, Source, State, group};
use super::plain_said;
use super::said::Word;

/// Evidence group of "who is affected".
pub const SCOPE: &str = group::SCOPE;
/// Evidence group of "does the user's own network fare as this host does".
pub const USER_PATH: &str = group::USER_PATH;
/// Evidence group of what the VNC picture shows.
pub const CONSOLE: &str = group::CONSOLE;

/// A person's answers about one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statements {
    /// Group and state; one state a group, but for `pasted-error`.
    pub seen: Vec<(String, String)>,
    /// The way by which the users come to the instance's network. It weighs nothing by itself: it
    /// says which readings bear on their login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Path>,
}

impl Statements {
    /// True if nobody said anything.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.way.is_none()
    }

    /// The state that was said of a group.
    pub fn state_of(&self, group: &str) -> Option<&str> {
        let said = self.seen.iter().find(|(id, _)| id == group)?;
        Some(&said.1)
    }

    /// Takes a statement in place of an earlier one about the same group; `None` takes it back.
    pub fn say(&mut self, group: &str, state: Option<&str>) {
        self.seen.retain(|(id, _)| id != group);
        if let Some(state) = state {
            self.seen.push((group.to_owned(), state.to_owned()));
        }
    }

    /// The statements as readings.
    pub fn readings(&self) -> Vec<Reading> {
        self.seen
            .iter()
            .map(|(group, state)| {
                let detail = plain_said::person_says(Word::spelled(group, state));
                Reading::observed(State::new(group, state), Source::Operator, detail)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_statement_takes_the_place_of_an_earlier_one() {
        let mut statements = Statements::default();
        assert!(statements.is_empty());
        statements.say(SCOPE, Some("everyone"));
        statements.say(USER_PATH, Some("worse"));
        statements.say(SCOPE, Some("one-user"));
        assert_eq!(statements.state_of(SCOPE), Some("one-user"));
        let readings = statements.readings();
        assert_eq!(readings.len(), 2);
        assert_eq!(readings[1].detail, "a person says: one user");
        statements.say(SCOPE, None);
        statements.say(USER_PATH, None);
        assert!(statements.is_empty());
    }
}
