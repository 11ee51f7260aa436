//! The console from settings to exit: puts state, looks, executor and loop together.
//!
//! Must not live here: reading flags (`cli`) or files (`config`).

use tokio::sync::mpsc;

use super::backend::Backend;
use super::clock;
use super::event_loop::{self, End, Looks};
use super::executor::Executor;
use crate::app::command::Registry;
use crate::app::locale::Lang;
use crate::app::notices::Severity;
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
    let looks = looks(settings, capability);
    let lang = Lang::parse(ui.lang.as_str()).unwrap_or_default();
    let mut state = State::new(clock::now(), lang);
    state.demo = options.demo;
    state.target = options.target;
    state.read_only = settings.read_only;
    state.read_only_locked = settings.read_only;
    state.user_source = settings.probe.user_source;
    state.looks.theme.clone_from(&looks.theme.name);
    state.looks.themes = looks.themes.iter().map(|t| t.name.clone()).collect();
    state.looks.ascii = ui.glyphs == Glyphs::Ascii || !capability.utf8;
    state.looks.mouse = ui.mouse;
    state.looks.privacy = ui.privacy;
    state.keys.bind_all(
        settings.keys.iter().map(|key| Binding {
            scope: &key.scope,
            command: &key.command,
            chords: &key.chords,
            place: key.place.clone(),
        }),
        &Registry,
    );
    let problems: Vec<String> = options
        .backend
        .loaded
        .warnings
        .iter()
        .map(ToString::to_string)
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

fn looks(settings: &Settings, capability: Capability) -> Looks {
    let ui = &settings.ui;
    let themes: Vec<Theme> = Theme::shipped_names().filter_map(Theme::shipped).collect();
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
