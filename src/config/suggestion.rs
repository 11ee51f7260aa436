//! The setting that was probably meant where one is misspelt.
//!
//! Must not live here: the settings (`keys`), what is said of it (`layers`).

use strsim::levenshtein;

use super::keys::{ENTRIES, OPEN_TABLES};

/// The known key that was probably meant, if any is close.
pub fn suggestion(unknown: &str) -> Option<&'static str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let same_name = ENTRIES
        .iter()
        .map(|entry| entry.key)
        .find(|key| last(key) == last(unknown));
    same_name.or_else(|| {
        ENTRIES
            .iter()
            .map(|entry| entry.key)
            .chain(OPEN_TABLES.iter().copied())
            .map(|key| (levenshtein(key, unknown), key))
            .min()
            .filter(|(distance, key)| *distance <= 1 + key.len() / 6)
            .map(|(_, key)| key)
    })
}
