//! The knowledge files: causes, evidence groups, likelihood rows and actions as reviewed data.
//!
//! Lives here: what the entries mean, and the checked whole. Must not live here: how files are
//! read and laid over each other (`knowledge::file`), what is computed (`model`), files on disk.

mod file;
mod shipped;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use file::{Draft, File};
use shipped::{SHIPPED, SHIPPED_KNOWLEDGE};

use super::incident::Bond;
use super::model::Model;
use super::{lint, said};
use crate::domain::action::Risk;
use crate::domain::evidence::Path;
use crate::domain::instance::Os;
use crate::domain::said::Said;

/// What is wrong with a knowledge file.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub enum KnowledgeError {
    /// The text is not TOML of the expected shape.
    Format { file: String, reason: String },
    /// The text is well formed but the content breaks a rule of the lint.
    Lint(Vec<Said>),
}

impl KnowledgeError {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::Format { file, reason } => said::knowledge_unread(file, reason),
            Self::Lint(broken) => {
                let first = broken.first().cloned().unwrap_or_default();
                said::knowledge_lint(broken.len(), first)
            }
        }
    }
}

/// A hypothesis of the catalogue.
#[derive(Debug, Clone)]
pub struct Cause {
    pub id: String,
    pub title: String,
    /// Position in the series of the login path; of two causes the lower one is met first.
    pub stage: u32,
    pub os: Vec<Os>,
    /// Prior weight on Linux and on Windows before normalisation.
    pub prior: [f64; 2],
    pub source: String,
    pub guides: Vec<String>,
    pub variants: Vec<(String, f64)>,
    /// Stages of variants that block elsewhere than the cause usually does.
    pub stages: BTreeMap<String, u32>,
    /// Causes that cannot be present beside this one.
    pub excludes: Vec<String>,
    /// How many times likelier than by chance another cause stands beside this one.
    pub with: BTreeMap<String, f64>,
    /// Never part of a pair (`no-fault-found`, `other-unlisted`).
    pub alone: bool,
    /// Stands in the way of those only who come over the public address.
    pub public_side: bool,
    /// What several instances may have in common that brings it about for all of them.
    pub shared_by: Vec<Bond>,
}

impl Cause {
    /// How many times likelier than by chance `other` stands beside this cause.
    pub fn likely_with(&self, other: &str) -> f64 {
        self.with.get(other).copied().unwrap_or(1.0)
    }

    /// Whether the cause exists on a system; an unknown one may be either.
    pub fn applies_to(&self, os: Os) -> bool {
        os == Os::Unknown || self.os.contains(&os)
    }
}

/// How a group behaves when two causes are present at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The earliest blocker on the path decides.
    Stage,
    /// Either cause may show.
    Fact,
    /// Causes add up (noisy-OR over the abnormal states).
    Graded,
    /// Like `Stage`, but several states may hold at once.
    Text,
}

/// Lowest probability a state may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Floor {
    Soft,
    Hard,
}

/// An evidence group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub id: String,
    #[serde(default)]
    pub paths: bool,
    pub kind: Kind,
    #[serde(default)]
    pub normal: Option<String>,
    pub floor: Floor,
    pub temper: f64,
    pub cost_s: f64,
    pub life_s: u32,
    /// 0 leaves no trace, 1 leaves a log line, 2 needs consent.
    pub intrusive: u8,
    pub needs: String,
    #[serde(default = "both_systems")]
    pub os: Vec<Os>,
    pub states: Vec<String>,
    /// The figures at which states begin; see the head of `evidence.toml`.
    #[serde(default)]
    pub scale: BTreeMap<String, f64>,
    #[serde(default)]
    pub blend: f64,
    #[serde(default)]
    pub linux_only: Vec<String>,
    #[serde(default)]
    pub windows_only: Vec<String>,
    /// States that any cause may show now and then, whatever its row says.
    #[serde(default)]
    pub at_least: BTreeMap<String, f64>,
    #[serde(default)]
    pub default: BTreeMap<String, f64>,
    #[serde(default)]
    pub default_private: Option<BTreeMap<String, f64>>,
    /// Set where the user's own machine can read the group, too.
    #[serde(default)]
    pub default_user: Option<BTreeMap<String, f64>>,
    /// Set where other instances can read the group, too.
    #[serde(default)]
    pub default_neighbour: Option<BTreeMap<String, f64>>,
    /// Set where nodes of the provider can read the group, too.
    #[serde(default)]
    pub default_provider: Option<BTreeMap<String, f64>>,
    /// By state that such a node tells: those that it cannot tell from it.
    #[serde(default)]
    pub provider_sees: BTreeMap<String, Vec<String>>,
    // What is done with a state that was seen is code (`domain::evidence::table`); it weighs nothing.
    #[serde(default, rename = "tone")]
    _tone: IgnoredAny,
    #[serde(default, rename = "source")]
    _source: IgnoredAny,
    #[serde(default, rename = "way")]
    _way: IgnoredAny,
    #[serde(default, rename = "open_port")]
    _open_port: IgnoredAny,
    #[serde(default, rename = "protocol")]
    _protocol: IgnoredAny,
    #[serde(default, rename = "layer")]
    _layer: IgnoredAny,
    #[serde(default, rename = "word")]
    _word: IgnoredAny,
    #[serde(default, rename = "by_hand")]
    _by_hand: IgnoredAny,
    #[serde(default, rename = "answers")]
    _answers: IgnoredAny,
    #[serde(default, rename = "works")]
    _works: IgnoredAny,
    #[serde(default, rename = "shuts")]
    _shuts: IgnoredAny,
    #[serde(default, rename = "of_a_source")]
    _of_a_source: IgnoredAny,
}

impl Evidence {
    /// The states that can occur on a system; all of them where it is not known.
    pub fn states_on(&self, os: Os) -> Vec<String> {
        let other = match os {
            Os::Linux => &self.windows_only[..],
            Os::Windows => &self.linux_only[..],
            Os::Unknown => &[],
        };
        let fits = |state: &&String| !other.contains(state);
        self.states.iter().filter(fits).cloned().collect()
    }

    /// The paths on which the group exists.
    pub fn on_paths(&self) -> impl Iterator<Item = Option<Path>> {
        let own = if self.paths {
            &[Some(Path::Public), Some(Path::Private)][..]
        } else {
            &[None]
        };
        let user = self.default_user.is_some().then_some(Some(Path::User));
        let neighbours = Path::NEIGHBOURS.map(Some).into_iter();
        let neighbours = neighbours.filter(|_| self.default_neighbour.is_some());
        let provider = self.default_provider.is_some();
        let provider = provider.then_some(Some(Path::Provider));
        own.iter()
            .copied()
            .chain(user)
            .chain(neighbours)
            .chain(provider)
    }

    /// Whether the group is read on a system.
    pub fn applies_to(&self, os: Os) -> bool {
        os == Os::Unknown || self.os.contains(&os)
    }

    /// Whether a state can occur on a system.
    pub fn state_applies_to(&self, state: &str, os: Os) -> bool {
        match os {
            Os::Linux => !self.windows_only.iter().any(|s| s == state),
            Os::Windows => !self.linux_only.iter().any(|s| s == state),
            Os::Unknown => true,
        }
    }

    /// The index of a state.
    pub fn state_index(&self, state: &str) -> Option<usize> {
        self.states.iter().position(|s| s == state)
    }

    /// The state on the other side of the figure where one of the two begins, and how far a reading
    /// that close to it counts as that one: a half at the figure, nothing a `blend` away.
    pub fn toward(&self, state: usize, figure: f64) -> Option<(usize, f64)> {
        let mut steps: Vec<(f64, usize)> = self
            .scale
            .iter()
            .filter_map(|(name, from)| Some((*from, self.state_index(name)?)))
            .collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = 0;
        for (from, above) in steps {
            let beyond = (self.blend - (figure - from).abs()) / (2.0 * self.blend);
            if beyond > 0.0 && figure >= from && state == above {
                return Some((below, beyond));
            }
            if beyond > 0.0 && figure <= from && state == below {
                return Some((above, beyond));
            }
            below = above;
        }
        None
    }

    /// Lowest probability of one state.
    pub fn floor_of(&self, state: &str) -> f64 {
        let own = self.at_least.get(state).copied().unwrap_or(0.0);
        own.max(self.floor_value())
    }

    /// Lowest probability of any state of this group.
    pub fn floor_value(&self) -> f64 {
        match self.floor {
            Floor::Hard => 0.003,
            Floor::Soft if self.states.len() > 10 => 0.002,
            Floor::Soft => 0.01,
        }
    }
}

fn both_systems() -> Vec<Os> {
    vec![Os::Linux, Os::Windows]
}

/// A likelihood row: how often each state is seen where the cause is present.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// One cause or several that share the row.
    pub cause: OneOrMany,
    #[serde(default)]
    pub variant: Option<String>,
    pub on: String,
    #[serde(default)]
    pub path: Option<Path>,
    #[serde(default)]
    pub os: Option<Os>,
    pub p: BTreeMap<String, f64>,
    /// Share of cases in which there is nothing to read at all (no text, because nobody
    /// complains): scales the row without favouring a state.
    #[serde(default)]
    pub absent: f64,
    /// Equivalent sample size: how many observed cases the row is worth.
    pub ess: f64,
    pub why: String,
    pub source: String,
}

/// A list that may be written as a single text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    /// The entries.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Readings that share one origin and are tempered together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    pub id: String,
    /// Weight of each further reading beside the first, 0 to 1.
    pub share: f64,
    pub why: String,
    pub members: BTreeMap<String, Vec<String>>,
}

/// A repair, or advice for what the program cannot carry out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionEntry {
    /// An id of the contract.
    pub id: String,
    /// Tells entries of one id apart (`advice`).
    #[serde(default)]
    pub key: String,
    pub title: String,
    #[serde(default = "both_systems")]
    pub os: Vec<Os>,
    /// Cause to efficacy: how often the action cures it.
    pub cures: BTreeMap<String, f64>,
    /// Minute equivalents, with downtime and risk priced in.
    pub cost: f64,
    /// Minute equivalents of checking whether it helped.
    #[serde(default = "default_verify")]
    pub verify: f64,
    pub risk: Risk,
    pub reversible: bool,
    /// Carried out through the automation agent.
    #[serde(default)]
    pub agent: bool,
    /// May only be proposed first where the causes that it cures hold more than this together.
    #[serde(default)]
    pub first_above: f64,
    /// Instance states in which it makes sense; empty for any.
    #[serde(default)]
    pub states: Vec<String>,
    /// Group to states; one of them that was read, and the action makes no sense.
    #[serde(default)]
    pub unless: BTreeMap<String, Vec<String>>,
    /// Group to states; it only makes sense where one of them was read.
    #[serde(default)]
    pub only_if: BTreeMap<String, Vec<String>>,
    /// Login ports for which it makes sense; empty for any.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Parameter to template (`login_port`, `user_source`, `more_bandwidth`, or a literal).
    #[serde(default)]
    pub parameters: BTreeMap<String, toml::Value>,
}

fn default_verify() -> f64 {
    0.5
}

/// Strengths that hold for all rows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Share of the prior that all pairs hold together.
    pub pair_share: f64,
    /// Share of every row that is spread evenly: a reading may simply be wrong.
    pub noise: f64,
    /// Exponent on all likelihoods together.
    pub temper: f64,
    /// Exponent besides, on what is read inside the guest: real guests bear it out more often than
    /// the same rows say of what is seen through the path.
    pub inside: f64,
    /// Pseudo-cases that the shipped priors are worth.
    pub prior_strength: f64,
}

/// Everything that the engine knows, checked and compiled.
#[derive(Debug, Clone)]
pub struct Knowledge {
    pub causes: Vec<Cause>,
    pub evidence: Vec<Evidence>,
    pub rows: Vec<Row>,
    pub clusters: Vec<Cluster>,
    pub actions: Vec<ActionEntry>,
    pub settings: Settings,
    /// What confirmed outcomes did to the priors, one sentence each.
    learnt: Vec<Said>,
    hash: String,
    models: [Model; 3],
}

/// A named text of a knowledge file.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    pub name: &'a str,
    pub body: &'a str,
}

impl Knowledge {
    /// The knowledge inside the program.
    pub fn shipped() -> &'static Self {
        &SHIPPED_KNOWLEDGE
    }

    /// The same, to be kept: there is one of it, whoever holds it.
    pub fn shipped_shared() -> Arc<Self> {
        SHIPPED_KNOWLEDGE.clone()
    }

    /// The shipped knowledge with an organisation's file laid over it: causes, groups, rows and
    /// actions of the same key are replaced, others added.
    pub fn parse(name: &str, body: &str) -> Result<Self, KnowledgeError> {
        let mut texts = SHIPPED.to_vec();
        texts.push(Text { name, body });
        Self::from_texts(&texts)
    }

    /// Reads files in order; later ones replace entries of earlier ones.
    pub fn from_texts(texts: &[Text<'_>]) -> Result<Self, KnowledgeError> {
        let mut draft = Draft::default();
        let mut hasher = Sha256::new();
        for text in texts {
            hasher.update(text.name.as_bytes());
            hasher.update([0]);
            hasher.update(text.body.as_bytes());
            hasher.update([0]);
            let file: File = toml::from_str(text.body).map_err(|e| KnowledgeError::Format {
                file: text.name.to_owned(),
                reason: e.to_string().trim().replace('\n', " "),
            })?;
            draft.lay_over(file);
        }
        let mut knowledge = draft.finish(hex(&hasher.finalize()[..8]))?;
        let problems = lint::check(&knowledge);
        if !problems.is_empty() {
            return Err(KnowledgeError::Lint(problems));
        }
        knowledge.compile();
        Ok(knowledge)
    }

    /// First 16 hexadecimal digits of the SHA-256 over all files; priors that were learnt add
    /// `+` and 8 digits of their own.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The cause of an id.
    pub fn cause(&self, id: &str) -> Option<&Cause> {
        self.causes.iter().find(|c| c.id == id)
    }

    /// What can bring a cause about for several instances at once.
    pub fn bonds_of(&self, cause: &str) -> &[Bond] {
        self.cause(cause).map_or(&[], |cause| &cause.shared_by)
    }

    /// The evidence group of an id.
    pub fn group(&self, id: &str) -> Option<&Evidence> {
        self.evidence.iter().find(|e| e.id == id)
    }

    /// What confirmed outcomes did to the priors, one sentence each; empty as shipped.
    pub fn learnt(&self) -> &[Said] {
        &self.learnt
    }

    /// The same knowledge with priors that moved by a factor (`learn`), the sentences that say so,
    /// and a hash of its own; causes that are not named keep theirs.
    #[must_use]
    pub fn with_moved_priors(&self, factors: &BTreeMap<String, f64>, learnt: Vec<Said>) -> Self {
        let mut copy = self.clone();
        let mut hasher = Sha256::new();
        for cause in &mut copy.causes {
            if let Some(&factor) = factors.get(&cause.id) {
                // Systems keep their proportion: outcomes do not say which system it was.
                cause.prior = cause.prior.map(|old| old * factor);
                hasher.update(cause.id.as_bytes());
                hasher.update(factor.to_bits().to_be_bytes());
            }
        }
        copy.hash = format!("{}+{}", self.hash, hex(&hasher.finalize()[..4]));
        copy.learnt = learnt;
        copy.compile();
        copy
    }

    /// The same knowledge with other settings (for comparing structures in the score table).
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        let mut copy = self.clone();
        copy.settings = settings;
        copy.compile();
        copy
    }

    /// The compiled tables of a system.
    pub(super) fn model(&self, os: Os) -> &Model {
        match os {
            Os::Linux => &self.models[0],
            Os::Windows => &self.models[1],
            Os::Unknown => &self.models[2],
        }
    }

    fn compile(&mut self) {
        self.models = [Os::Linux, Os::Windows, Os::Unknown].map(|os| Model::compile(self, os));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Checks an organisation's file as `doctor --knowledge FILE` does; the answer is one line for
/// each problem, none if it can be used.
pub fn check_file(name: &str, body: &str) -> Vec<Said> {
    match Knowledge::parse(name, body) {
        Ok(_) => Vec::new(),
        Err(KnowledgeError::Lint(problems)) => problems,
        Err(error) => vec![error.said()],
    }
}

/// Ids of all causes, for tests and completion.
pub fn cause_ids(knowledge: &Knowledge) -> BTreeSet<&str> {
    knowledge.causes.iter().map(|c| c.id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_files_pass_their_lint() {
        if let Err(KnowledgeError::Lint(problems)) = Knowledge::from_texts(SHIPPED) {
            panic!("{problems:#?}");
        }
        Knowledge::from_texts(SHIPPED).unwrap();
    }
}
