//! The console from settings to exit: puts state, looks, executor and loop together.
//!
//! Must not live here: reading flags (`cli`) or files (`config`).

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::backend::Backend;
use super::clock;
use super::event_loop::{self, End, Looks};
use super::executor::Executor;
use crate::app::command::Registry;
use crate::app::notices::Severity;
use crate::app::rhythm::Intervals;
use crate::app::state::State;
use crate::app::update::start;
use crate::config::{AmbiguousWidth, Glyphs, OnOff, Settings};
use crate::input::keymap::Binding;
use crate::terminal::TerminalError;
use crate::terminal::capability::Capability;
use crate::view::theme::Theme;

/// Answers that may wait for the loop.
const QUEUE: usize = 1_024;

/// What the console starts with.
#[derive(Debug)]
pub struct ConsoleOptions {
    pub backend: Backend,
    /// Instance to open.
    pub target: Option<String>,
    pub demo: bool,
}

/// Runs the console until the operator leaves or the terminal goes away.
///
/// # Errors
/// Only when the terminal cannot be taken over.
pub async fn run(options: ConsoleOptions) -> Result<End, TerminalError> {
    let capability = Capability::from_environment(|name| std::env::var(name).ok());
    let settings = &options.backend.loaded.settings;
    let ui = &settings.ui;
    let (own_themes, mut problems) = own_themes(&options.backend.loaded.paths.themes_dir);
    let looks = looks(settings, own_themes, capability);
    let lang = ui.lang;
    let mut state = State::new(clock::now(), lang);
    state.demo = options.demo;
    state.target = options.target;
    let read_only_profile = settings
        .cloud
        .profile
        .as_ref()
        .is_some_and(|profile| settings.cloud.read_only_profiles.contains(profile));
    state.read_only = settings.read_only || read_only_profile;
    state.read_only_locked = state.read_only;
    state.user_source = settings.probe.user_source;
    state.looks.theme.clone_from(&looks.theme.name);
    state.looks.themes = looks.themes.iter().map(|t| t.name.clone()).collect();
    state.looks.ascii = ui.glyphs == Glyphs::Ascii || !capability.utf8;
    state.looks.mouse = ui.mouse;
    state.looks.privacy = ui.privacy;
    state.rhythm.on = settings.probe.background;
    state.rhythm.every = intervals(settings);
    state.keys.bind_all(
        settings.keys.iter().map(|key| Binding {
            scope: &key.scope,
            command: &key.command,
            chords: &key.chords,
            place: key.place.clone(),
        }),
        &Registry,
    );
    if looks.theme.name != ui.theme {
        problems.push(format!(
            "there is no theme `{}`; there are {}",
            ui.theme,
            state.looks.themes.join(", ")
        ));
    }
    let problems: Vec<String> = options
        .backend
        .loaded
        .warnings
        .iter()
        .map(ToString::to_string)
        .chain(problems)
        .chain(state.keys.warnings().iter().cloned())
        .collect();
    for problem in problems {
        state.tell(Severity::Warning, problem);
    }
    let (messages, arriving) = mpsc::channel(QUEUE);
    let executor = Executor::new(options.backend, messages);
    let first = start(&mut state);
    event_loop::run(&mut state, &looks, executor, arriving, first).await
}

/// How often what nobody asks for is done.
fn intervals(settings: &Settings) -> Intervals {
    let seconds = |time: std::time::Duration| time.as_secs() as i64;
    Intervals {
        list: seconds(settings.cloud.refresh_interval),
        sweep: seconds(settings.probe.sweep_interval),
        look: seconds(settings.probe.per_target_interval),
    }
}

/// The operator's themes, and what is wrong with those that cannot be used.
fn own_themes(directory: &Path) -> (Vec<Theme>, Vec<String>) {
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
                Err(error) => problems.push(error.to_string()),
            },
            Err(error) => problems.push(format!("theme {name} cannot be read: {error}")),
        }
    }
    (themes, problems)
}

/// An operator's theme stands in for a shipped one of the same name.
fn looks(settings: &Settings, own: Vec<Theme>, capability: Capability) -> Looks {
    let ui = &settings.ui;
    let mut themes = own;
    for theme in Theme::shipped_names().filter_map(Theme::shipped) {
        if themes.iter().all(|known| known.name != theme.name) {
            themes.push(theme);
        }
    }
    let theme = themes
        .iter()
        .find(|theme| theme.name == ui.theme)
        .cloned()
        .unwrap_or_else(Theme::fallback);
    Looks {
        capability,
        theme,
        themes,
        no_color: ui.no_color,
        ambiguous_wide: ui.ambiguous_width == AmbiguousWidth::Wide,
        sync_output: match ui.sync_output {
            OnOff::On => true,
            OnOff::Off => false,
            OnOff::Auto => capability.sync_output,
        },
        frames_per_second: ui
            .frames_per_second
            .unwrap_or(if capability.remote { 15 } else { 30 }),
    }
}
