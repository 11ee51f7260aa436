//! The console from settings to exit: puts state, looks, executor and loop together.
//!
//! Must not live here: reading flags (`cli`) or files (`config`).

use tokio::sync::mpsc;

use super::backend::Backend;
use super::clock;
use super::event_loop::{self, End, Inlets, Looks};
use super::executor::Executor;
use super::prepared::Prepared;
use super::reload;
use crate::app::notices::Severity;
use crate::app::rhythm::Intervals;
use crate::app::state::State;
use crate::app::update::start;
use crate::config::{Glyphs, Loaded, Overrides, Problem, Settings};
use crate::terminal::TerminalError;
use crate::terminal::capability::Capability;

/// Answers that may wait for the loop.
const QUEUE: usize = 1_024;

/// What the console starts with.
#[derive(Debug)]
pub struct ConsoleOptions {
    pub backend: Backend,
    /// What the command line says, for reading the config again.
    pub overrides: Overrides,
    /// Instance to open.
    pub target: Option<String>,
    /// Filter of the list.
    pub filter: String,
    pub demo: bool,
}

/// Runs the console until the operator leaves or the terminal goes away.
///
/// # Errors
/// Only when the terminal cannot be taken over.
pub async fn run(options: ConsoleOptions) -> Result<End, TerminalError> {
    let capability = Capability::from_environment(|name| std::env::var(name).ok());
    let loaded = &options.backend.loaded;
    let settings = loaded.settings.clone();
    let prepared = Prepared::of(loaded);
    let looks = Looks::of(&settings.ui, prepared.themes.clone(), capability);
    let mut state = fresh(loaded, &prepared, capability);
    state.demo = options.demo;
    state.target = options.target;
    state.fleet.set_filter(&options.filter);
    let tickets = loaded.paths.state_dir.join("tickets");
    state.ticket_folder = tickets.display().to_string();
    let warnings = loaded.warnings.iter().map(Problem::said);
    for problem in warnings.chain(prepared.problems) {
        state.tell_said(Severity::Warning, &problem);
    }
    let reloads = reload::watch(loaded, options.overrides);
    let (messages, arriving) = mpsc::channel(QUEUE);
    let executor = Executor::new(options.backend, messages);
    let first = start(&mut state);
    let inlets = Inlets { arriving, reloads };
    event_loop::run(&mut state, looks, settings, executor, inlets, first).await
}

/// The state before anything has happened, as the settings want it.
fn fresh(loaded: &Loaded, prepared: &Prepared, capability: Capability) -> State {
    let settings = &loaded.settings;
    let ui = &settings.ui;
    let mut state = State::new(clock::now(), ui.lang);
    state.read_only = settings.read_only;
    state.read_only_deep = settings.read_only_deep;
    state.read_only_sessions = settings.read_only_sessions;
    state.read_only_locked.clone_from(&loaded.read_only);
    state.user_source = settings.probe.user_source;
    state.looks.theme.clone_from(&ui.theme);
    state.looks.themes = prepared.themes.iter().map(|t| t.name.clone()).collect();
    state.looks.ascii = ui.glyphs == Glyphs::Ascii || !capability.utf8;
    state.looks.mouse = ui.mouse;
    state.looks.privacy = ui.privacy;
    state.looks.columns.clone_from(&ui.columns);
    state.rhythm.on = settings.probe.background;
    state.rhythm.every = intervals(settings);
    state.weighing.on = settings.probe.weigh;
    state.fleet.save_filters(loaded.filters());
    state.keys = prepared.keys.clone();
    state
}

/// How often what nobody asks for is done.
pub fn intervals(settings: &Settings) -> Intervals {
    let seconds = |time: std::time::Duration| time.as_secs() as i64;
    Intervals {
        list: seconds(settings.cloud.refresh_interval),
        sweep: seconds(settings.probe.sweep_interval),
        look: seconds(settings.probe.per_target_interval),
    }
}
