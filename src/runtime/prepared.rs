//! From settings to what the console uses of them: keys, themes, filters, and what is wrong with
//! each, with its place.
//!
//! Must not live here: reading the config file (`config`), applying it to a running console
//! (`runtime::reload`).

use std::path::{Path, PathBuf};

use crate::app::filter::{FIELDS, Filter, Wrong};
use crate::app::keys::{Keys, Registry, shipped_keys};
use crate::config::Loaded;
use crate::config::said;
use crate::domain::said::{List, Said};
use crate::domain::text::sanitise;
use crate::input::keymap::Binding;
use crate::view::theme::Theme;

/// What settings come to.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub keys: Keys,
    /// The operator's themes first, then those shipped that they do not stand in for.
    pub themes: Vec<Theme>,
    /// What cannot be used, each with its place and the reason.
    pub problems: Vec<Said>,
}

impl Prepared {
    /// Reads the operator's themes and joins everything.
    pub fn of(loaded: &Loaded) -> Self {
        let settings = &loaded.settings;
        let (mut themes, mut problems) = own_themes(&loaded.paths.themes_dir);
        // An operator's theme stands in for a shipped one of the same name.
        for theme in Theme::shipped_names().filter_map(Theme::shipped) {
            if themes.iter().all(|known| known.name != theme.name) {
                themes.push(theme);
            }
        }
        if themes.iter().all(|theme| theme.name != settings.ui.theme) {
            let names: Vec<&str> = themes.iter().map(|theme| theme.name.as_str()).collect();
            let why = said::no_theme(&settings.ui.theme, List::names(names));
            problems.push(said::problem_at("ui.theme", why));
        }
        for (name, text) in &settings.filters {
            let filter = Filter::parse(text);
            let why = match filter.wrong() {
                Some(Wrong::Field(field)) => {
                    Some(said::no_field(sanitise(field, 60), List::names(FIELDS)))
                }
                Some(Wrong::Value(field, value, known)) => Some(said::no_value(
                    sanitise(value, 60),
                    field,
                    List::names(known),
                )),
                Some(Wrong::Name(_)) | None => None,
            };
            if let Some(why) = why {
                let place = format!("filters.{}", sanitise(name, 60));
                problems.push(said::problem_at(place, why));
            }
        }
        let mut keys = shipped_keys();
        keys.bind_all(
            settings.keys.iter().map(|key| Binding {
                scope: &key.scope,
                command: &key.command,
                chords: &key.chords,
                place: key.place.clone(),
            }),
            &Registry,
        );
        problems.extend(keys.warnings().iter().cloned());
        Self {
            keys,
            themes,
            problems,
        }
    }
}

/// The operator's themes, and what is wrong with those that cannot be used.
fn own_themes(directory: &Path) -> (Vec<Theme>, Vec<Said>) {
    let mut themes = Vec::new();
    let mut problems = Vec::new();
    // Nobody has to have a folder of themes.
    let Ok(entries) = std::fs::read_dir(directory) else {
        return (themes, problems);
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    for file in files {
        let name = file.display().to_string();
        match std::fs::read_to_string(&file) {
            Ok(text) => match Theme::parse(&name, &text) {
                Ok(theme) => themes.push(theme),
                Err(error) => problems.push(error.said()),
            },
            Err(error) => problems.push(said::theme_unreadable(&name, error)),
        }
    }
    (themes, problems)
}
