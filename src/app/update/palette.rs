//! Which commands fit a query, best first.

use crate::app::command::Command;
use crate::app::filter::Matching;
use crate::app::state::State;
use crate::app::typed::Line;

/// Commands whose name or title fits. Whoever types a name whole means that command; for an empty
/// query the recent ones lead.
pub fn matches(state: &State, query: &str) -> Vec<Command> {
    let texts: Vec<String> = Command::ALL
        .iter()
        .map(|command| {
            format!(
                "{} {}",
                command.as_str(),
                state.texts.command(command.as_str())
            )
        })
        .collect();
    let ranked = Matching::default().rank(query, texts.iter().map(String::as_str));
    let mut found: Vec<Command> = ranked
        .into_iter()
        .map(|index| Command::ALL[index])
        .collect();
    let query = query.trim();
    found.sort_by_key(|command| command.as_str() != query);
    if query.is_empty() {
        found.sort_by_key(|command| {
            state
                .typed
                .of(Line::Palette)
                .iter()
                .rev()
                .position(|id| id == command.as_str())
                .unwrap_or(usize::MAX)
        });
    }
    found
}
