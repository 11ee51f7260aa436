//! The commit that a source archive names.

/// Digits that are shown.
const SHOWN: usize = 12;

/// What `git archive` put in place of `$Format:%H$`, which stands there in a checkout.
pub fn of_git_archive(text: &str) -> Option<String> {
    leading_digits(text.trim())
}

/// What `cargo package` wrote into `.cargo_vcs_info.json`.
pub fn of_cargo_package(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"sha1\"")?;
    leading_digits(rest.trim_start_matches(|c: char| !c.is_ascii_hexdigit()))
}

fn leading_digits(text: &str) -> Option<String> {
    let digits = text.chars().take_while(char::is_ascii_hexdigit);
    let commit: String = digits.take(SHOWN).collect();
    (commit.len() == SHOWN).then_some(commit)
}
