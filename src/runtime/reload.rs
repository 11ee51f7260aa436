//! Settings, keys and themes read again as soon as their files change.
//!
//! The kernel tells of changes, so nothing wakes up while there are none. Must not live here: what
//! the files mean (`config`, `prepared`).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::console::intervals;
use super::event_loop::Looks;
use super::prepared::Prepared;
use crate::app::effect::{Console, Effect};
use crate::app::locale::{Texts, fill};
use crate::app::notices::Severity;
use crate::app::state::State;
use crate::config::{self, Glyphs, Loaded, Overrides, Paths, Problem, Settings};
use crate::domain::said::Said;

/// Editors write a file in several steps; it is read once they have come to rest.
const REST: Duration = Duration::from_millis(150);

/// What the files say now.
#[derive(Debug)]
pub struct Reloaded {
    pub loaded: Loaded,
    pub prepared: Prepared,
}

/// News of the files: what they say, or why they cannot be read.
pub type News = Result<Box<Reloaded>, Said>;

/// Watches the config file and the folder of themes. Without a way to watch them nothing ever
/// arrives.
pub fn watch(start: &Loaded, overrides: Overrides) -> mpsc::Receiver<News> {
    let paths = &start.paths;
    let mut had_text = start.file_has_text;
    let (out, news) = mpsc::channel(1);
    let (changed, mut changes) = mpsc::channel(1);
    let config_file = paths.config_file.clone();
    let themes = paths.themes_dir.clone();
    let folder = folder_of(&config_file);
    let watched = [folder.clone(), themes.clone()];
    let name = config_file.file_name().map(OsStr::to_owned);
    let told = move |event: notify::Result<notify::Event>| {
        let matters = event.is_ok_and(|event| {
            !event.kind.is_access()
                && event.paths.iter().any(|path| {
                    path.file_name() == name.as_deref()
                        // The folder itself was moved away.
                        || *path == folder
                        || (path.parent() == Some(&themes)
                            && path.extension().is_some_and(|e| e == "toml"))
                })
        });
        if matters {
            // A change that waits already stands for this one too.
            let _ = changed.try_send(());
        }
    };
    let Ok(mut watcher) = notify::recommended_watcher(told) else {
        return news;
    };
    for folder in watched.iter().filter(|folder| folder.is_dir()) {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %folder.display(), %error, "changes here are not noticed");
        }
    }
    tokio::spawn(async move {
        let _watcher = watcher;
        loop {
            tokio::select! {
                () = out.closed() => return,
                change = changes.recv() => if change.is_none() { return },
            }
            while let Ok(Some(())) = tokio::time::timeout(REST, changes.recv()).await {}
            let overrides = overrides.clone();
            let read = tokio::task::spawn_blocking(move || read(&overrides)).await;
            let mut news = read.unwrap_or_else(|error| Err(Said::raw(error)));
            // Nobody empties a file to allow more; it was lost, or is still being written.
            match &news {
                Ok(now) if now.loaded.file_has_text => had_text = true,
                Ok(now) if had_text => news = Err(lost(&now.loaded.paths)),
                _ => {}
            }
            if out.send(news).await.is_err() {
                return;
            }
        }
    });
    news
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn lost(paths: &Paths) -> Said {
    let lost = config::ConfigError::Unreadable {
        path: paths.config_file.clone(),
        reason: config::said::file_lost(),
    };
    lost.said()
}

fn read(overrides: &Overrides) -> News {
    let loaded = config::load(overrides).map_err(|error| error.said())?;
    let prepared = Prepared::of(&loaded);
    Ok(Box::new(Reloaded { loaded, prepared }))
}

/// Applies what the files say to a running console. What the operator changed by a key stays,
/// unless the file changed the same thing.
pub fn apply(
    state: &mut State,
    looks: &mut Looks,
    old: &Settings,
    reloaded: &Reloaded,
) -> Vec<Effect> {
    let settings = &reloaded.loaded.settings;
    let (ui, before) = (&settings.ui, &old.ui);
    let mut effects = Vec::new();
    state.keys = reloaded.prepared.keys.clone();
    state.fleet.save_filters(reloaded.loaded.filters());
    looks.themes.clone_from(&reloaded.prepared.themes);
    state.looks.themes = looks.themes.iter().map(|t| t.name.clone()).collect();
    if ui.theme != before.theme {
        state.looks.theme.clone_from(&ui.theme);
    }
    if ui.lang != before.lang {
        state.texts = Texts::of(ui.lang);
    }
    if ui.glyphs != before.glyphs {
        state.looks.ascii = ui.glyphs == Glyphs::Ascii || !looks.capability.utf8;
    }
    if ui.privacy != before.privacy {
        state.looks.privacy = ui.privacy;
    }
    if ui.columns != before.columns {
        state.looks.columns.clone_from(&ui.columns);
    }
    if ui.mouse != before.mouse {
        state.looks.mouse = ui.mouse;
        effects.push(Effect::Console(Console::SetMouse(ui.mouse)));
    }
    looks.take(ui);
    if settings.probe.background != old.probe.background {
        state.rhythm.on = settings.probe.background;
    }
    state.rhythm.every = intervals(settings);
    if settings.probe.user_source != old.probe.user_source {
        state.user_source = settings.probe.user_source;
    }
    tell(state, old, reloaded);
    // Last, so that nothing else is read in its place.
    let loaded = &reloaded.loaded;
    match &loaded.read_only {
        Some(because) if loaded.read_only_is_asked => lock(state, because),
        Some(because) => doubt(state, because),
        None => is_whole(state),
    }
    effects
}

/// The files cannot be read any more: whatever they say now, it may be read-only.
pub fn unreadable(state: &mut State, why: &Said) {
    state.tell_said(Severity::Error, why);
    doubt(state, why);
}

/// What is asked for from outside holds until a new start.
fn lock(state: &mut State, because: &Said) {
    let by_doubt = state.read_only_before_doubt.take().is_some();
    if by_doubt || state.read_only_locked.is_none() {
        shut(state, because);
        let because = state.texts.said(because);
        let text = fill(&state.texts.ui.read_only_now, &[("because", &because)]);
        state.tell(Severity::Warning, text);
    }
}

/// What cannot be read may have asked for it: read-only as long as that is so.
fn doubt(state: &mut State, because: &Said) {
    if state.read_only_locked.is_none() {
        state.read_only_before_doubt = Some(state.read_only);
        shut(state, because);
        let because = state.texts.said(because);
        let text = fill(&state.texts.ui.read_only_doubt, &[("because", &because)]);
        state.tell(Severity::Warning, text);
    }
}

fn shut(state: &mut State, because: &Said) {
    state.read_only = true;
    state.read_only_locked = Some(because.clone());
}

/// The files are understood and ask for nothing: a doubt ends, as it was before. What was asked for
/// is opened by a person who starts anew, never by a file.
fn is_whole(state: &mut State) {
    let ui = &state.texts.ui;
    let text = if let Some(before) = state.read_only_before_doubt.take() {
        state.read_only = before;
        state.read_only_locked = None;
        ui.read_only_doubt_over.clone()
    } else if state.read_only_locked.is_some() {
        ui.read_only_stays.clone()
    } else {
        return;
    };
    state.tell(Severity::Warning, text);
}

fn tell(state: &mut State, old: &Settings, reloaded: &Reloaded) {
    let file = reloaded.loaded.paths.config_file.display().to_string();
    let ui = &state.texts.ui;
    let told = if counts_now(old, &reloaded.loaded.settings) {
        fill(&ui.reloaded, &[("file", &file)])
    } else {
        fill(&ui.reloaded_in_part, &[("file", &file)])
    };
    state.tell(Severity::Good, told);
    let problems = reloaded.loaded.warnings.iter().map(Problem::said);
    let problems: Vec<Said> = problems
        .chain(reloaded.prepared.problems.iter().cloned())
        .collect();
    for problem in problems {
        state.tell_said(Severity::Warning, &problem);
    }
}

/// True when nothing was changed that needs another start.
fn counts_now(old: &Settings, new: &Settings) -> bool {
    let mut same = new.clone();
    // It counts at once where it shuts, and is told of where it does not open.
    same.read_only = old.read_only;
    same.ui.clone_from(&old.ui);
    same.keys.clone_from(&old.keys);
    same.filters.clone_from(&old.filters);
    same.cloud.refresh_interval = old.cloud.refresh_interval;
    same.probe.background = old.probe.background;
    same.probe.sweep_interval = old.probe.sweep_interval;
    same.probe.per_target_interval = old.probe.per_target_interval;
    same.probe.user_source = old.probe.user_source;
    same == *old && new.ui.sync_output == old.ui.sync_output && new.ui.links == old.ui.links
}
