//! The labelled suite: loads `tests/scenarios/*.toml` and resolves each scenario to full evidence.
//!
//! Lives here: the format, the merge of surroundings and conditions, and what physically cannot
//! have been observed. Must not live here: seeded variants (`variants.rs`), any use of the engine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Which reading: group, path, family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub id: String,
    pub path: Option<String>,
    pub ipv6: bool,
}

/// Who set a row; what the base or the surroundings say gives way to physics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Base,
    Surroundings,
    Condition,
    Scenario,
}

/// A row before a variant is drawn: equally plausible states, or a status without a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub value: Value,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    States(Vec<String>),
    Status(String),
}

impl Row {
    /// The state if the row is observed and decided.
    pub fn state(&self) -> Option<&str> {
        match &self.value {
            Value::States(states) => states.first().map(String::as_str),
            Value::Status(_) => None,
        }
    }

    /// True where the row may be taken away because it cannot have been observed.
    pub fn yields(&self) -> bool {
        matches!(self.origin, Origin::Base | Origin::Surroundings)
    }
}

pub type Rows = BTreeMap<Key, Row>;

/// One labelled scenario as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub name: String,
    pub family: String,
    pub from: String,
    #[serde(default)]
    pub with: Vec<String>,
    pub cause: String,
    #[serde(default)]
    pub also: Vec<String>,
    #[serde(default)]
    pub acceptable: Vec<String>,
    /// For ambiguous ones: the most that an honest leading cause may get.
    pub lead_at_most: Option<f64>,
    #[serde(default = "single")]
    pub kind: String,
    #[serde(default)]
    pub distractors: Vec<String>,
    #[serde(default)]
    pub errors: Vec<String>,
    #[serde(default)]
    pub rows: BTreeMap<String, String>,
    pub note: String,
}

fn single() -> String {
    "single".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    scenario: Vec<Written>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    pub os: String,
    pub paths: Vec<String>,
    pub login_port: Option<u16>,
    pub user_source: Option<String>,
    #[serde(default)]
    pub rows: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SurroundingsFile {
    base: BTreeMap<String, BTreeMap<String, String>>,
    surroundings: BTreeMap<String, Surroundings>,
    condition: BTreeMap<String, BTreeMap<String, String>>,
}

/// The part that tuning never sees: its families, and the hash of what they say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub sha256: String,
    pub families: Vec<String>,
}

/// A scenario with its rows merged, before physics and before a variant is drawn.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub written: Written,
    pub surroundings: Surroundings,
    pub rows: Rows,
    pub hold: bool,
    pub file: String,
}

impl Scenario {
    pub fn login_port(&self) -> u16 {
        let usual = if self.surroundings.os == "windows" {
            3389
        } else {
            22
        };
        self.surroundings.login_port.unwrap_or(usual)
    }

    /// Everything that the label and the evidence say, in one canonical text.
    pub fn canonical(&self) -> String {
        let w = &self.written;
        let mut text = format!(
            "{}|{}|{}|{}|{:?}|{:?}|{:?}|{:?}|{:?}|{}|{:?}|{:?}\n",
            w.name,
            w.family,
            w.kind,
            w.cause,
            w.also,
            w.acceptable,
            w.lead_at_most,
            w.distractors,
            w.errors,
            self.surroundings.os,
            self.surroundings.paths,
            self.surroundings.user_source,
        );
        for (key, row) in &self.rows {
            writeln!(text, "{key:?}={:?}", row.value).expect("a String takes any text");
        }
        text
    }
}

/// The whole suite.
pub struct Suite {
    pub scenarios: Vec<Scenario>,
    pub hold: Hold,
}

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

impl Suite {
    /// Reads the committed suite; panics with the file and the reason when it is not well formed.
    pub fn load() -> Self {
        let setting: SurroundingsFile = parse(&directory().join("surroundings.toml"));
        let hold: Hold = parse(&directory().join("hold.toml"));
        let mut scenarios = Vec::new();
        for path in scenario_files() {
            let file: ScenarioFile = parse(&path);
            let name = path
                .file_stem()
                .expect("a .toml file has a stem")
                .to_string_lossy()
                .into_owned();
            for written in file.scenario {
                scenarios.push(resolve(&setting, &hold, written, &name));
            }
        }
        Self { scenarios, hold }
    }

    /// Hash of the part that tuning never sees.
    pub fn hold_hash(&self) -> String {
        let mut texts: Vec<String> = self
            .scenarios
            .iter()
            .filter(|s| s.hold)
            .map(Scenario::canonical)
            .collect();
        texts.sort();
        let digest = Sha256::digest(texts.concat().as_bytes());
        digest.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes any text");
            hex
        })
    }
}

fn scenario_files() -> Vec<PathBuf> {
    let not_scenarios = ["surroundings.toml", "hold.toml", "scoreboard.toml"];
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory())
        .expect("tests/scenarios can be read")
        .map(|entry| entry.expect("tests/scenarios can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .filter(|path| !not_scenarios.iter().any(|name| path.ends_with(name)))
        .collect();
    paths.sort();
    paths
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn resolve(setting: &SurroundingsFile, hold: &Hold, written: Written, file: &str) -> Scenario {
    let name = &written.name;
    let surroundings = setting
        .surroundings
        .get(&written.from)
        .unwrap_or_else(|| panic!("{name}: no surroundings `{}`", written.from))
        .clone();
    let mut rows = Rows::new();
    let mut lay = |source: &BTreeMap<String, String>, origin| {
        for (text, value) in source {
            for key in keys(text, &surroundings.paths, origin, name) {
                rows.insert(
                    key,
                    Row {
                        value: parse_value(value),
                        origin,
                    },
                );
            }
        }
    };
    lay(&setting.base[&surroundings.os], Origin::Base);
    lay(&surroundings.rows, Origin::Surroundings);
    for condition in &written.with {
        let source = setting
            .condition
            .get(condition)
            .unwrap_or_else(|| panic!("{name}: no condition `{condition}`"));
        lay(source, Origin::Condition);
    }
    lay(&written.rows, Origin::Scenario);
    let hold = hold.families.contains(&written.family);
    Scenario {
        written,
        surroundings,
        rows,
        hold,
        file: file.to_owned(),
    }
}

/// The keys that `text` stands for; paths outside the vantage are left out of conditions and are
/// a mistake in a scenario.
fn keys(text: &str, paths: &[String], origin: Origin, scenario: &str) -> Vec<Key> {
    let mut parts = text.split('/');
    let id = parts.next().unwrap_or_default().to_owned();
    let mut wanted: Vec<Option<String>> = vec![None];
    let mut ipv6 = false;
    for part in parts {
        match part {
            "*" => wanted = paths.iter().cloned().map(Some).collect(),
            "ipv6" => ipv6 = true,
            "public" | "private" => wanted = vec![Some(part.to_owned())],
            other => panic!("{scenario}: `{other}` in row `{text}` is neither path nor family"),
        }
    }
    let seen = |path: &Option<String>| path.as_ref().is_none_or(|path| paths.contains(path));
    if origin == Origin::Scenario {
        assert!(
            wanted.iter().all(seen),
            "{scenario}: row `{text}` is not on a path of the vantage"
        );
    }
    wanted.retain(seen);
    wanted
        .into_iter()
        .map(|path| Key {
            id: id.clone(),
            path,
            ipv6,
        })
        .collect()
}

fn parse_value(text: &str) -> Value {
    match text.strip_prefix('!') {
        Some(status) => Value::Status(status.to_owned()),
        None if text == "-" => Value::Status("not-attempted".to_owned()),
        None => Value::States(text.split('|').map(str::to_owned).collect()),
    }
}

/// Takes out what cannot have been observed, given what was. Rows that the scenario or a
/// condition set on purpose stay (a person read them over VNC).
pub fn apply_physics(rows: &mut Rows) {
    without_public_address(rows);
    behind_a_dead_port(rows);
    without_a_handshake(rows);
    without_an_agent(rows);
}

fn state_of<'a>(rows: &'a Rows, id: &str) -> Option<&'a str> {
    rows.iter()
        .find(|(key, _)| key.id == id && !key.ipv6)
        .and_then(|(_, row)| row.state())
}

fn blank(rows: &mut Rows, status: &str, which: impl Fn(&Key) -> bool) {
    for (key, row) in rows.iter_mut() {
        if row.yields() && which(key) {
            row.value = Value::Status(status.to_owned());
        }
    }
}

fn without_public_address(rows: &mut Rows) {
    if !matches!(state_of(rows, "public-address"), Some("none" | "unbound")) {
        return;
    }
    let public = |key: &Key| key.path.as_deref() == Some("public");
    let probed = rows
        .iter()
        .any(|(key, row)| key.id == "reach" && public(key) && !row.yields());
    blank(rows, "not-applicable", |key| {
        matches!(key.id.as_str(), "public-bandwidth" | "ddos-block") || (public(key) && !probed)
    });
    for (key, row) in rows.iter_mut() {
        if key.id == "bandwidth-use" && row.yields() {
            row.value = Value::States(vec!["no-data".to_owned()]);
        }
    }
}

/// Paths and families on which `id` has one of `states`.
fn places(rows: &Rows, id: &str, states: &[&str]) -> Vec<(Option<String>, bool)> {
    rows.iter()
        .filter(|(key, row)| key.id == id && row.state().is_some_and(|s| states.contains(&s)))
        .map(|(key, _)| (key.path.clone(), key.ipv6))
        .collect()
}

const OPEN: &[&str] = &["open", "open-login-only", "flaky"];

fn behind_a_dead_port(rows: &mut Rows) {
    let open = places(rows, "reach", OPEN);
    let behind = [
        "banner",
        "kex",
        "rdp-negotiation",
        "path-quality",
        "path-mtu",
    ];
    blank(rows, "not-attempted", |key| {
        behind.contains(&key.id.as_str()) && !open.contains(&(key.path.clone(), key.ipv6))
    });
    let talks = places(rows, "banner", &["fast", "slow", "mixed"]);
    blank(rows, "not-attempted", |key| {
        key.id == "kex" && !talks.contains(&(key.path.clone(), key.ipv6))
    });
}

fn without_a_handshake(rows: &mut Rows) {
    let ssh = !places(rows, "kex", &["common", "legacy-only"]).is_empty();
    let rdp = !places(rows, "rdp-negotiation", &["nla", "tls", "slow", "mixed"]).is_empty();
    blank(rows, "not-attempted", |key| match key.id.as_str() {
        "auth-methods" | "auth-delay" | "host-key" => !ssh,
        "rdp-certificate" => !rdp,
        _ => false,
    });
}

fn without_an_agent(rows: &mut Rows) {
    let agent = state_of(rows, "agent");
    let online = agent == Some("online");
    // Where automation was never installed, the monitoring agent may still report.
    let silenced = agent.is_some_and(|state| state.starts_with("offline"));
    let answers = online && state_of(rows, "agent-exec").is_none_or(|state| state == "ok");
    if !online {
        blank(rows, "not-attempted", |key| key.id == "agent-exec");
    }
    if silenced {
        for (key, row) in rows.iter_mut() {
            if matches!(key.id.as_str(), "memory" | "disk") && row.yields() {
                row.value = Value::States(vec!["no-data".to_owned()]);
            }
        }
    }
    if !answers {
        blank(rows, "not-attempted", |key| key.id.starts_with("guest-"));
    }
}
