//! Commands that are offered, as words that a shell takes when they are pasted: with the options
//! that this run was given, so that they reach the same cloud and the same instance.
//!
//! Must not live here: what is offered (`diagnosis`), how long a line is (`page`).

use std::sync::OnceLock;

use serde_json::Value;

use super::args::{GlobalArgs, TriageArgs};
use crate::action::catalog::row_of;
use crate::domain::action::ActionId;
use crate::domain::report::RankedAction;

/// The options of this run that a further command needs, too.
#[derive(Debug, Default)]
struct Options {
    /// Which cloud and which instances.
    place: Vec<String>,
    /// Those that every command takes to heart.
    other: Vec<String>,
    on_demo: bool,
}

static OPTIONS: OnceLock<Options> = OnceLock::new();

/// Keeps the options of the run; the first caller decides.
pub fn remember(global: &GlobalArgs) {
    let mut other = Vec::new();
    if let Some(file) = &global.config {
        other.extend(["--config".to_owned(), file.display().to_string()]);
    }
    if let Some(lang) = &global.lang {
        other.extend(["--lang".to_owned(), lang.clone()]);
    }
    let mut words = Vec::new();
    let mut give = |name: &str, value: &str| {
        words.push(name.to_owned());
        words.push(value.to_owned());
    };
    if let Some(fleet) = global.demo.fleet {
        give("--demo-fleet", &fleet.to_string());
    }
    if let Some(profile) = &global.profile {
        give("--profile", profile);
    }
    for region in &global.region {
        give("--region", region);
    }
    if let Some(endpoint) = &global.endpoint {
        give("--endpoint", endpoint);
    }
    if let Some(file) = &global.ssh_config {
        give("--ssh-config", &file.display().to_string());
    }
    if global.insecure_endpoint {
        words.push("--insecure-endpoint".to_owned());
    }
    if global.demo.on && global.demo.fleet.is_none() {
        words.push("--demo".to_owned());
    }
    let _ = OPTIONS.set(Options {
        place: words,
        other,
        on_demo: global.demo.on || global.demo.fleet.is_some(),
    });
}

/// True on a demo cloud that ends with the command: nothing of it can be taken back later.
pub fn ends_with_the_demo() -> bool {
    OPTIONS.get().is_some_and(|options| options.on_demo)
}

/// `cvmtop WORDS` that needs no cloud.
pub fn command_here<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut all = vec!["cvmtop".to_owned()];
    all.extend(words.into_iter().map(Into::into));
    let options = OPTIONS.get().into_iter();
    all.extend(options.flat_map(|options| &options.other).cloned());
    all
}

/// `cvmtop WORDS` with the options of this run.
pub fn command<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut all = command_here(words);
    let options = OPTIONS.get().into_iter();
    all.extend(options.flat_map(|options| &options.place).cloned());
    all
}

/// The command that does a ranked action; `None` where a person has to do it.
pub fn of_offer(target: &str, action: &RankedAction) -> Option<Vec<String>> {
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    if action.id == ActionId::Advice.as_str() {
        return None;
    }
    if action.id == ActionId::Ticket.as_str() {
        return Some(command(words(&["ticket", target, "--output", "."])));
    }
    let mut all = words(&["act", target, &action.id]);
    for (name, value) in &action.parameters {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        all.extend(["--set".to_owned(), format!("{name}={value}")]);
    }
    Some(command(all))
}

/// Options that an offer cannot do without and that no reading tells.
pub fn to_choose(action: &RankedAction) -> Vec<String> {
    let Some(id) = ActionId::parse(&action.id) else {
        return Vec::new();
    };
    let given = |name: &str| {
        action
            .parameters
            .get(name)
            .is_some_and(|value| !value.is_null())
    };
    // Everyone is never filled in: whoever opens it says for whom.
    let for_whom = |name: &str| name == "source" && id.is_for_a_source();
    let specs = row_of(id).parameters.iter();
    let needed = specs.filter(|one| one.required || for_whom(one.name));
    needed
        .filter(|one| !given(one.name))
        .map(|one| format!("--set {}=…", one.name))
        .collect()
}

/// The options of a diagnosis that hold for the next one.
pub fn of_triage(triage: &TriageArgs) -> Vec<String> {
    let mut words = Vec::new();
    let mut give = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    let text = |value: &dyn ToString| value.to_string();
    give("--user", triage.user.clone());
    give(
        "--user-source",
        triage.user_source.as_ref().map(|a| text(a)),
    );
    give("--port", triage.port.as_ref().map(|p| text(p)));
    give("--since", triage.since.as_ref().map(|at| text(at)));
    give(
        "--scope",
        triage.scope.map(|scope| scope.as_str().to_owned()),
    );
    give(
        "--user-path",
        triage.user_path.map(|path| path.as_str().to_owned()),
    );
    give("--user-way", named(triage.user_way));
    give("--console", triage.console.clone());
    for seen in &triage.seen {
        give("--seen", Some(seen.clone()));
    }
    give("--vantage", named(triage.vantage));
    let file = triage
        .error_text
        .as_ref()
        .filter(|file| file.as_os_str() != "-");
    give("--error-text", file.map(|file| file.display().to_string()));
    give("--try-login", triage.try_login.clone());
    if triage.deep {
        words.push("--deep".to_owned());
    }
    words
}

/// The name of a choice on the command line.
fn named<T: clap::ValueEnum>(choice: Option<T>) -> Option<String> {
    let value = choice?.to_possible_value()?;
    Some(value.get_name().to_owned())
}

/// A word as a POSIX shell takes it for one word, whatever it holds.
pub fn quoted(word: &str) -> String {
    const PLAIN: &str = "_@%+=:,./-…";
    let plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        for word in [
            "a b",
            "$(reboot)",
            "it's",
            "`id`",
            "a;b",
            "",
            "*",
            "~root",
            "web-01",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let shell = std::process::Command::new("sh")
                .args(["-c", &script])
                .output();
            assert_eq!(shell.unwrap().stdout, word.as_bytes(), "{script}");
        }
    }
}
