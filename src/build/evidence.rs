//! Makes Rust out of `assets/knowledge/evidence.toml`: a constant for each group and state, and the
//! table of what the program does with them (`domain::evidence::table`).
//!
//! What is wrong or missing in the file stops the build with one sentence. Must not live here: what
//! a state is worth, which `diagnosis` reads from the same file when it runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

const FILE: &str = "assets/knowledge/evidence.toml";

/// The part of the file that is turned into code; the weights are not.
#[derive(Deserialize)]
struct File {
    evidence: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    id: String,
    #[serde(default)]
    paths: bool,
    states: Vec<String>,
    tone: BTreeMap<String, States>,
    source: String,
    way: String,
    #[serde(default)]
    open_port: Option<String>,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    layer: BTreeMap<String, u8>,
    #[serde(default)]
    word: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    answers: Vec<String>,
    #[serde(default)]
    works: Vec<String>,
    #[serde(default)]
    shuts: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    of_a_source: bool,
    #[serde(default)]
    scale: BTreeMap<String, f64>,
    #[serde(default)]
    blend: f64,
    #[serde(default)]
    by_hand: BTreeMap<String, String>,
}

/// States by name, or (under `rest`) the tone of all that are not named.
#[derive(Deserialize)]
#[serde(untagged)]
enum States {
    Named(Vec<String>),
    Rest(String),
}

/// The code, or what is wrong with the file.
pub fn generate(text: &str) -> Result<String, String> {
    let file: File = toml::from_str(text).map_err(|error| format!("{FILE}: {error}"))?;
    let mut groups = String::new();
    let mut states = String::new();
    let mut rows = String::new();
    for group in &file.evidence {
        let id = &group.id;
        let fail = |what: String| format!("{FILE}: {id}: {what}");
        group.check().map_err(fail)?;
        let name = constant(id);
        let _ = writeln!(
            groups,
            "/// The evidence group `{id}`.\npub const {name}: &str = {id:?};"
        );
        let module = id.replace('-', "_");
        let _ = writeln!(
            states,
            "/// States of `{id}`.\npub mod {module} {{\nuse super::State;"
        );
        for state in &group.states {
            let _ = writeln!(
                states,
                "/// `{state}` of `{id}`.\npub const {}: State<'static> = State::new({id:?}, {state:?});",
                constant(state)
            );
        }
        states.push_str("}\n");
        rows.push_str(&group.row().map_err(fail)?);
    }
    Ok(format!(
        "/// Evidence groups by name.\npub mod group {{\n{groups}}}\n\
         /// States by group and name.\npub mod state {{\nuse super::State;\n{states}}}\n\
         /// Every shipped group, in the order of the file.\npub static GROUPS: &[Group] = &[\n{rows}];\n"
    ))
}

impl Group {
    /// Every state that is named is one of the group's.
    fn check(&self) -> Result<(), String> {
        let lists = [("answers", &self.answers), ("works", &self.works)];
        let shuts = self.shuts.values().map(|list| ("shuts", list));
        let words = self.word.values().map(|list| ("word", list));
        for (key, list) in lists.into_iter().chain(shuts).chain(words) {
            self.known(key, list)?;
        }
        for (tone, named) in &self.tone {
            match (tone.as_str(), named) {
                ("good" | "warn" | "bad" | "neutral", States::Named(list)) => {
                    self.known(tone, list)?;
                }
                ("rest", States::Rest(_)) => {}
                _ => return Err(format!("`tone.{tone}` is not understood")),
            }
        }
        self.known("scale", &self.scale.keys().cloned().collect::<Vec<_>>())?;
        let steps = self.steps();
        let apart = steps.windows(2).map(|pair| pair[1].0 - pair[0].0);
        if apart.fold(f64::INFINITY, f64::min) < 2.0 * self.blend {
            return Err("`blend` reaches from one figure of `scale` to the next".to_owned());
        }
        for path in self.shuts.keys() {
            one_of("shuts", path, PATHS)?;
        }
        for protocol in self.layer.keys() {
            one_of("layer", protocol, PROTOCOLS)?;
        }
        for system in self.by_hand.keys() {
            one_of("by_hand", system, SYSTEMS)?;
        }
        Ok(())
    }

    fn known(&self, key: &str, list: &[String]) -> Result<(), String> {
        match list.iter().find(|state| !self.states.contains(state)) {
            Some(state) => Err(format!("`{key}` names `{state}`, which is no state of it")),
            None => Ok(()),
        }
    }

    /// The figures of the scale, the lowest first.
    fn steps(&self) -> Vec<(f64, &str)> {
        let mut steps: Vec<(f64, &str)> = self
            .scale
            .iter()
            .map(|(state, from)| (*from, state.as_str()))
            .collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        steps
    }

    fn row(&self) -> Result<String, String> {
        let mut states = String::new();
        for state in &self.states {
            let has = |list: &Vec<String>| list.contains(state);
            let shuts: Vec<&str> = PATHS
                .iter()
                .filter(|(path, _)| self.shuts.get(*path).is_some_and(has))
                .map(|(_, code)| *code)
                .collect();
            let word = match self.word.iter().find(|(_, list)| has(list)) {
                Some((word, _)) => format!("Some({})", one_of("word", word, WORDS)?),
                None if self.word.is_empty() => "None".to_owned(),
                None => return Err(format!("`word` says nothing of `{state}`")),
            };
            let _ = writeln!(
                states,
                "StateRow {{ id: {state:?}, tone: {}, word: {word}, answers: {}, works: {}, shuts: &[{}] }},",
                self.tone_of(state)?,
                has(&self.answers),
                has(&self.works),
                shuts.join(", "),
            );
        }
        let maybe = |what: &str, word: Option<&String>, known| match word {
            Some(word) => one_of(what, word, known).map(|it| format!("Some({it})")),
            None => Ok("None".to_owned()),
        };
        let layer = |protocol: &str| match self.layer.get(protocol) {
            Some(place) => format!("Some({place})"),
            None => "None".to_owned(),
        };
        let by_hand = |system: &str| self.by_hand.get(system).map_or("", String::as_str);
        Ok(format!(
            "Group {{ id: {:?}, paths: {}, source: {}, way: {}, open_port: {}, protocol: {}, ssh_layer: {}, rdp_layer: {}, \
             tells_works: {}, of_a_source: {}, scale: &{:?}, by_hand: [{:?}, {:?}], states: &[\n{states}] }},\n",
            self.id,
            self.paths,
            one_of("source", &self.source, SOURCES)?,
            one_of("way", &self.way, WAYS)?,
            maybe("open_port", self.open_port.as_ref(), PORTS)?,
            maybe("protocol", self.protocol.as_ref(), PROTOCOLS)?,
            layer("ssh"),
            layer("rdp"),
            !self.works.is_empty(),
            self.of_a_source,
            self.steps(),
            by_hand("linux"),
            by_hand("windows"),
        ))
    }

    /// The one tone of a state.
    fn tone_of(&self, state: &String) -> Result<&'static str, String> {
        let mut tones = self.tone.iter().filter_map(|(tone, named)| match named {
            States::Named(list) if list.contains(state) => Some(tone),
            _ => None,
        });
        let rest = match self.tone.get("rest") {
            Some(States::Rest(tone)) => Some(tone),
            _ => None,
        };
        match (tones.next(), tones.next(), rest) {
            (Some(_), Some(_), _) => Err(format!("`tone` names `{state}` twice")),
            (Some(tone), ..) | (None, _, Some(tone)) => one_of("tone", tone, TONES),
            (None, ..) => Err(format!("`tone` says nothing of `{state}`")),
        }
    }
}

/// Words of the file and what they are in the code.
type Words = &'static [(&'static str, &'static str)];

const TONES: Words = &[
    ("good", "Tone::Good"),
    ("warn", "Tone::Warn"),
    ("bad", "Tone::Bad"),
    ("neutral", "Tone::Neutral"),
];
const SOURCES: Words = &[
    ("probe", "Source::Probe"),
    ("cloud", "Source::Cloud"),
    ("guest", "Source::Guest"),
    ("operator", "Source::Operator"),
];
const WAYS: Words = &[
    ("look", "Way::Look"),
    ("deep", "Way::Deep"),
    ("login", "Way::Login"),
    ("paste", "Way::Paste"),
    ("tell", "Way::Tell"),
    ("user-source", "Way::UserSource"),
    ("kit", "Way::Kit"),
];
const PORTS: Words = &[
    ("this-path", "OpenPort::OnThisPath"),
    ("any-path", "OpenPort::OnAnyPath"),
];
const PATHS: Words = &[("public", "Path::Public"), ("private", "Path::Private")];
const PROTOCOLS: Words = &[("ssh", "Protocol::Ssh"), ("rdp", "Protocol::Rdp")];
const SYSTEMS: Words = &[("linux", "Os::Linux"), ("windows", "Os::Windows")];
const WORDS: Words = &[
    ("greets", "LoginWord::Greets"),
    ("answers", "LoginWord::Answers"),
    ("logs-in", "LoginWord::LogsIn"),
    ("open", "LoginWord::Open"),
    ("slow", "LoginWord::Slow"),
    ("flaky", "LoginWord::Flaky"),
    ("throttled", "LoginWord::Throttled"),
    ("legacy", "LoginWord::Legacy"),
    ("refused", "LoginWord::Refused"),
    ("silent", "LoginWord::Silent"),
    ("prohibited", "LoginWord::Prohibited"),
    ("no-answer", "LoginWord::NoAnswer"),
    ("closed", "LoginWord::Closed"),
    ("reset", "LoginWord::Reset"),
    ("not-login", "LoginWord::NotLogin"),
    ("handshake", "LoginWord::Handshake"),
];

fn one_of(key: &str, word: &str, known: Words) -> Result<&'static str, String> {
    match known.iter().find(|(it, _)| *it == word) {
        Some((_, code)) => Ok(code),
        None => {
            let words: Vec<&str> = known.iter().map(|(it, _)| *it).collect();
            Err(format!("`{key}`: `{word}` is none of {}", words.join(", ")))
        }
    }
}

/// The name of a constant: `silent-icmp-only` becomes `SILENT_ICMP_ONLY`.
fn constant(id: &str) -> String {
    id.replace('-', "_").to_uppercase()
}
