//! Flag over environment over file over default, with the origin of each value.
//!
//! Must not live here: the settings themselves (`settings`, `keys`), the file's syntax (`file`).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::environment::Environment;
use super::file::{self, Parsed};
use super::keys::{self, Context, ENTRIES};
use super::paths::Paths;
use super::problem::{Problem, Severity};
use super::said;
use super::settings::{KeyBinding, Lang, Settings};
use super::value::{Raw, from_text};
use super::{ConfigError, hosts, ssh_config, suggestion};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Longest config file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Names the profile for the official command line, and so for us.
const TCCLI_PROFILE: &str = "TCCLI_PROFILE";

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub config_file: Option<PathBuf>,
    /// Work on the embedded demo cloud with so many instances added.
    pub demo: Option<usize>,
    pub profile: Option<String>,
    pub regions: Vec<String>,
    pub endpoint: Option<String>,
    pub insecure_endpoint: bool,
    pub read_only: bool,
    pub lang: Option<String>,
    pub theme: Option<String>,
    pub no_color: bool,
    pub ssh_config: Option<PathBuf>,
    pub log_file: Option<PathBuf>,
    /// Number of `-v`.
    pub verbose: u8,
    pub user_source: Option<IpAddr>,
    pub vantage: Option<String>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The locale variables.
    Locale,
    File {
        place: String,
    },
    Variable(&'static str),
    Flag(&'static str),
}

impl Origin {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Default => said::from_default(),
            Self::Locale => said::from_locale(),
            Self::File { place } => Said::raw(place),
            Self::Variable(name) => said::from_variable(*name),
            Self::Flag(name) => said::from_flag(*name),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said())
    }
}

/// Settings with all that is known about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    pub paths: Paths,
    /// The embedded demo cloud is meant, with so many instances added.
    pub demo: Option<usize>,
    /// In the order in which they were met.
    pub warnings: Vec<Problem>,
    /// Origin of each key that is not at its default.
    pub origins: BTreeMap<String, Origin>,
    /// Why no action is available, where none is: what asked for it, or what could have.
    pub read_only: Option<Said>,
    /// Read-only was asked for in words that are understood, rather than feared for what is not.
    pub read_only_is_asked: bool,
    /// The config file holds something.
    pub file_has_text: bool,
}

impl Loaded {
    /// True if something that was asked for is not in force.
    pub fn has_errors(&self) -> bool {
        self.warnings.iter().any(|p| p.severity == Severity::Error)
    }

    /// Other hosts see what is done here, and are seen. A demo is no concern of others.
    pub fn has_colleagues(&self) -> bool {
        self.settings.shared_store.is_some() && self.demo.is_none()
    }

    /// Filters by name, for console and command line alike: those of the settings, and those of a
    /// demo of thousands, whose own stories are found by a name.
    pub fn filters(&self) -> BTreeMap<String, String> {
        let mut filters = self.settings.filters.clone();
        if self.demo.is_some_and(|added| added > 0) {
            filters
                .entry("stories".to_owned())
                .or_insert_with(|| "!fleet-".to_owned());
        }
        filters
    }

    /// Effective value and origin of every setting, in the order of the default file.
    pub fn rows(&self) -> Vec<(&'static str, String, Origin)> {
        ENTRIES
            .iter()
            .map(|entry| {
                let origin = self.origins.get(entry.key).cloned();
                (
                    entry.key,
                    sanitise(&(entry.show)(&self.settings), 300),
                    origin.unwrap_or(Origin::Default),
                )
            })
            .collect()
    }
}

/// Folder of the state directory for the demo: what was tried there must neither be settled on a
/// real cloud nor teach anything about it, and the other way round.
const DEMO_STATE: &str = "demo";

/// Settings from the command line, this process's environment and the config file.
///
/// # Errors
/// [`ConfigError`]: a file named on purpose cannot be read, or there is no place for state.
pub fn load(overrides: &Overrides) -> Result<Loaded, ConfigError> {
    load_with(overrides, &Environment::process())
}

/// [`load`] in given surroundings.
pub fn load_with(overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigError> {
    let mut paths = Paths::new(overrides.config_file.as_deref(), environment)?;
    if overrides.demo.is_some() {
        paths.state_dir.push(DEMO_STATE);
    }
    let text = read_file(&paths)?;
    Ok(load_text(&text, paths, overrides, environment))
}

/// [`load_with`] of a file's text.
pub fn load_text(
    text: &str,
    paths: Paths,
    overrides: &Overrides,
    environment: &Environment,
) -> Loaded {
    let mut layers = Layers {
        loaded: Loaded {
            settings: Settings::default(),
            paths,
            demo: overrides.demo,
            warnings: Vec::new(),
            origins: BTreeMap::new(),
            read_only: None,
            read_only_is_asked: false,
            file_has_text: !text.trim().is_empty(),
        },
        context: Context {
            home: environment.home.clone(),
        },
    };
    layers.locale(environment);
    layers.file(text);
    layers.environment(environment);
    layers.flags(overrides);
    layers.finish(environment);
    layers.loaded
}

fn read_file(paths: &Paths) -> Result<String, ConfigError> {
    let path = &paths.config_file;
    let fail = |reason: Said| ConfigError::Unreadable {
        path: path.clone(),
        reason,
    };
    match std::fs::metadata(path) {
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && !paths.config_file_is_explicit =>
        {
            return Ok(String::new());
        }
        Err(error) => return Err(fail(Said::raw(error))),
        Ok(metadata) if metadata.len() > MAX_FILE => {
            return Err(fail(said::too_long()));
        }
        Ok(metadata) if metadata.is_dir() => return Err(fail(said::is_directory())),
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map_err(|error| fail(Said::raw(error)))
}

struct Layers {
    loaded: Loaded,
    context: Context,
}

impl Layers {
    fn report(&mut self, severity: Severity, place: &str, key: &str, message: impl Into<Said>) {
        self.loaded.warnings.push(Problem {
            severity,
            place: place.to_owned(),
            key: sanitise(key, 100),
            message: message.into().clean(),
        });
    }

    /// Sets one key, or reports why not and leaves the value of the layer below.
    fn set(&mut self, key: &str, value: &Raw, place: &str, origin: Origin) {
        let Some(entry) = keys::entry(key) else {
            if keys::is_about_read_only(key) {
                self.close(said::read_only_unclear(place, key));
            }
            self.report(
                Severity::Warning,
                place,
                key,
                suggestion::suggestion(key).map_or_else(said::unknown_key, said::unknown_key_near),
            );
            return;
        };
        match (entry.set)(&mut self.loaded.settings, value, &self.context) {
            Ok(()) => {
                if key == "read_only" {
                    self.loaded.read_only_is_asked = self.loaded.settings.read_only;
                }
                self.loaded.origins.insert(key.to_owned(), origin);
            }
            Err(message) => {
                // Whoever writes `read_only` wants less to be possible, not more.
                if keys::is_about_read_only(key) {
                    self.close(said::read_only_unclear(place, key));
                }
                let kept = (entry.show)(&self.loaded.settings);
                self.report(
                    Severity::Error,
                    place,
                    key,
                    said::kept(message, sanitise(&kept, 300), Said::known(entry.help)),
                );
            }
        }
    }

    /// No action is available; the first reason is the one that is told.
    fn close(&mut self, because: Said) {
        self.loaded.settings.read_only = true;
        self.loaded.read_only.get_or_insert(because);
    }

    fn locale(&mut self, environment: &Environment) {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| environment.get(name))
            .unwrap_or_default();
        if let Some(lang) = Lang::parse(&locale) {
            self.loaded.settings.ui.lang = lang;
            self.loaded
                .origins
                .insert("ui.lang".to_owned(), Origin::Locale);
        }
    }

    fn file(&mut self, text: &str) {
        let name = self.loaded.paths.config_file.display().to_string();
        let Parsed {
            leaves,
            hosts: tables,
            errors,
        } = file::parse(text);
        for (line, message) in errors {
            // What cannot be read may have asked for read-only.
            self.close(said::read_only_broken(format!("{name}:{line}")));
            self.report(
                Severity::Error,
                &format!("{name}:{line}"),
                "",
                said::no_toml(sanitise(&message, 200)),
            );
        }
        for leaf in leaves {
            let place = format!("{name}:{}", leaf.line);
            if let Some(rest) = leaf.key.strip_prefix("keys.") {
                self.binding(rest, &leaf.key, &leaf.value, &place);
            } else if let Some(filter) = leaf.key.strip_prefix("filters.") {
                match leaf.value.text() {
                    Ok(text) => {
                        self.loaded.settings.filters.insert(filter.to_owned(), text);
                    }
                    Err(message) => self.report(Severity::Error, &place, &leaf.key, message),
                }
            } else {
                let origin = Origin::File {
                    place: place.clone(),
                };
                self.set(&leaf.key, &leaf.value, &place, origin);
            }
        }
        let found = hosts::read(&tables, &name, &mut self.loaded.warnings);
        self.loaded.settings.hosts.extend(found);
    }

    fn binding(&mut self, rest: &str, key: &str, value: &Raw, place: &str) {
        let Some((scope, command)) = rest.split_once('.') else {
            self.report(Severity::Error, place, key, said::needs_scope());
            return;
        };
        match value.texts() {
            Ok(chords) => self.loaded.settings.keys.push(KeyBinding {
                scope: scope.to_owned(),
                command: command.to_owned(),
                chords,
                place: place.to_owned(),
            }),
            Err(message) => self.report(Severity::Error, place, key, message),
        }
    }

    fn environment(&mut self, environment: &Environment) {
        if environment.get("NO_COLOR").is_some() {
            self.set(
                "ui.no_color",
                &Raw::Bool(true),
                "NO_COLOR",
                Origin::Variable("NO_COLOR"),
            );
        }
        // The official command line's own choice beats the config's, and is beaten by ours.
        if let Some(profile) = environment.get(TCCLI_PROFILE) {
            let origin = Origin::Variable(TCCLI_PROFILE);
            self.set("cloud.profile", &Raw::Text(profile), TCCLI_PROFILE, origin);
        }
        for entry in ENTRIES {
            if let Some(text) = environment.get(entry.variable) {
                let value = from_text(entry.kind, &text);
                self.set(
                    entry.key,
                    &value,
                    entry.variable,
                    Origin::Variable(entry.variable),
                );
                if entry.key == "cloud.profile" {
                    self.loaded.settings.cloud.profile_is_forced = true;
                }
            }
        }
    }

    fn flags(&mut self, flags: &Overrides) {
        let text = |value: &Option<String>| value.clone().map(Raw::Text);
        let path = |value: &Option<PathBuf>| {
            value
                .as_ref()
                .map(|path| Raw::Text(path.display().to_string()))
        };
        let yes = |value: bool| value.then_some(Raw::Bool(true));
        let regions = (!flags.regions.is_empty())
            .then(|| Raw::List(flags.regions.iter().cloned().map(Raw::Text).collect()));
        let level = match flags.verbose {
            0 => None,
            1 => Some(Raw::Text("debug".to_owned())),
            _ => Some(Raw::Text("trace".to_owned())),
        };
        let source = flags
            .user_source
            .map(|address| Raw::Text(address.to_string()));
        for (key, flag, value) in [
            ("cloud.profile", "--profile", text(&flags.profile)),
            ("cloud.regions", "--region", regions),
            ("cloud.endpoint", "--endpoint", text(&flags.endpoint)),
            (
                "cloud.insecure_endpoint",
                "--insecure-endpoint",
                yes(flags.insecure_endpoint),
            ),
            ("read_only", "--read-only", yes(flags.read_only)),
            ("ui.lang", "--lang", text(&flags.lang)),
            ("ui.theme", "--theme", text(&flags.theme)),
            ("ui.no_color", "--no-color", yes(flags.no_color)),
            ("ssh_config", "--ssh-config", path(&flags.ssh_config)),
            ("log.file", "--log-file", path(&flags.log_file)),
            ("log.level", "-v", level),
            ("probe.user_source", "--user-source", source),
            ("probe.vantage", "--vantage", text(&flags.vantage)),
        ] {
            if let Some(value) = value {
                self.set(key, &value, flag, Origin::Flag(flag));
            }
        }
        if flags.profile.is_some() {
            self.loaded.settings.cloud.profile_is_forced = true;
        }
    }

    /// Judges the profile that the credentials are looked for under: the one that is named, else
    /// the default one where no keys of the environment stand before it.
    fn judge_profile(&mut self, environment: &Environment) {
        let cloud = &self.loaded.settings.cloud;
        let key_of = |set: &Option<String>, usual| environment.get(set.as_deref().unwrap_or(usual));
        let keys_are_set = key_of(&cloud.secret_id_env, "TENCENTCLOUD_SECRET_ID").is_some()
            && key_of(&cloud.secret_key_env, "TENCENTCLOUD_SECRET_KEY").is_some();
        if cloud.profile.is_none() && (keys_are_set || self.loaded.demo.is_some()) {
            return;
        }
        let profile = cloud.profile_in_force();
        if cloud
            .read_only_profiles
            .iter()
            .any(|one| one.trim() == profile)
        {
            let because = said::read_only_profile(profile);
            self.loaded.read_only_is_asked = true;
            self.close(because);
        }
    }

    /// What follows from several settings together.
    fn finish(&mut self, environment: &Environment) {
        if self.loaded.settings.read_only && self.loaded.read_only.is_none() {
            self.close(match self.loaded.origins.get("read_only") {
                Some(Origin::Flag(name) | Origin::Variable(name)) => Said::raw(name),
                Some(Origin::File { place }) => said::read_only_in(place),
                _ => Said::raw("read_only"),
            });
        }
        self.judge_profile(environment);
        // A layer above may say otherwise in words that are understood; what was not stays shut.
        self.loaded.settings.read_only |= self.loaded.read_only.is_some();
        let settings = &mut self.loaded.settings;
        if let Some(path) = settings.ssh_config.clone() {
            match ssh_config::read(&path) {
                Ok((hosts, notes)) => {
                    let known: Vec<_> = settings
                        .hosts
                        .iter()
                        .map(|h| h.instance.id.clone())
                        .collect();
                    settings.hosts.extend(
                        hosts
                            .into_iter()
                            .filter(|h| !known.contains(&h.instance.id)),
                    );
                    for note in notes {
                        self.report(Severity::Warning, "ssh_config", "", note);
                    }
                }
                Err(message) => self.report(Severity::Error, "ssh_config", "", message),
            }
        }
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
