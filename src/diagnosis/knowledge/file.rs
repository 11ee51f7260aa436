//! The text format of knowledge files, and how a later file is laid over an earlier one.
//!
//! Lives here: what an entry may leave out, which entries replace which.
//! Must not live here: what an entry means (`knowledge`), whether its figures are sound (`lint`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Bond;
use super::{
    ActionEntry, Cause, Cluster, Evidence, Knowledge, KnowledgeError, Row, Settings, both_systems,
};
use crate::diagnosis::said;
use crate::domain::instance::Os;
use crate::domain::said::Said;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    settings: Option<Settings>,
    #[serde(default)]
    cause: Vec<CausePatch>,
    #[serde(default)]
    evidence: Vec<Evidence>,
    #[serde(default)]
    cluster: Vec<Cluster>,
    #[serde(default)]
    rows: Vec<Row>,
    #[serde(default)]
    action: Vec<ActionEntry>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum PriorPatch {
    Both(f64),
    Each { linux: f64, windows: f64 },
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CausePatch {
    id: String,
    title: Option<String>,
    stage: Option<u32>,
    os: Option<Vec<Os>>,
    prior: Option<PriorPatch>,
    source: Option<String>,
    guides: Option<Vec<String>>,
    variants: Option<BTreeMap<String, f64>>,
    stages: Option<BTreeMap<String, u32>>,
    excludes: Option<Vec<String>>,
    with: Option<BTreeMap<String, f64>>,
    alone: Option<bool>,
    public_side: Option<bool>,
    shared_by: Option<Vec<Bond>>,
}

#[derive(Default)]
pub(super) struct Draft {
    version: Option<u32>,
    settings: Option<Settings>,
    causes: Vec<CausePatch>,
    evidence: Vec<Evidence>,
    clusters: Vec<Cluster>,
    rows: Vec<Row>,
    actions: Vec<ActionEntry>,
}

impl Draft {
    pub(super) fn lay_over(&mut self, file: File) {
        self.version = file.version.or(self.version);
        if file.settings.is_some() {
            self.settings = file.settings;
        }
        for patch in file.cause {
            match self.causes.iter_mut().find(|c| c.id == patch.id) {
                Some(known) => known.lay_over(patch),
                None => self.causes.push(patch),
            }
        }
        replace_or_push(&mut self.evidence, file.evidence, |e| e.id.clone());
        replace_or_push(&mut self.clusters, file.cluster, |c| c.id.clone());
        replace_or_push(&mut self.actions, file.action, |a| {
            (a.id.clone(), a.key.clone())
        });
        // A later row wins for each cause that it names; `model` reads rows in order.
        self.rows.extend(file.rows);
    }

    pub(super) fn finish(self, hash: String) -> Result<Knowledge, KnowledgeError> {
        let mut problems = Vec::new();
        if self.version != Some(1) {
            let found = self
                .version
                .map_or("none".to_owned(), |version| version.to_string());
            problems.push(said::lint_version(found));
        }
        let Some(settings) = self.settings else {
            problems.push(said::lint_no_settings());
            return Err(KnowledgeError::Lint(problems));
        };
        let causes = self
            .causes
            .into_iter()
            .map(|c| c.finish(&mut problems))
            .collect();
        if !problems.is_empty() {
            return Err(KnowledgeError::Lint(problems));
        }
        Ok(Knowledge {
            causes,
            evidence: self.evidence,
            rows: self.rows,
            clusters: self.clusters,
            actions: self.actions,
            settings,
            learnt: Vec::new(),
            hash,
            models: Default::default(),
        })
    }
}

impl CausePatch {
    fn lay_over(&mut self, other: Self) {
        fn set<T>(slot: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *slot = value;
            }
        }
        set(&mut self.title, other.title);
        set(&mut self.stage, other.stage);
        set(&mut self.os, other.os);
        set(&mut self.prior, other.prior);
        set(&mut self.source, other.source);
        set(&mut self.guides, other.guides);
        set(&mut self.variants, other.variants);
        set(&mut self.stages, other.stages);
        set(&mut self.excludes, other.excludes);
        set(&mut self.with, other.with);
        set(&mut self.alone, other.alone);
        set(&mut self.public_side, other.public_side);
        set(&mut self.shared_by, other.shared_by);
    }

    fn finish(self, problems: &mut Vec<Said>) -> Cause {
        let mut need = |field: &str, present: bool| {
            if !present {
                let place = said::lint_cause(&self.id);
                problems.push(said::lint_at(place, said::lint_missing(field)));
            }
        };
        need("title", self.title.is_some());
        need("stage", self.stage.is_some());
        need("prior", self.prior.is_some());
        need("source", self.source.is_some());
        let os = self.os.unwrap_or_else(both_systems);
        let mut prior = match self.prior {
            Some(PriorPatch::Both(p)) => [p, p],
            Some(PriorPatch::Each { linux, windows }) => [linux, windows],
            None => [0.0, 0.0],
        };
        for (slot, system) in prior.iter_mut().zip([Os::Linux, Os::Windows]) {
            if !os.contains(&system) {
                *slot = 0.0;
            }
        }
        let variants = self
            .variants
            .unwrap_or_else(|| BTreeMap::from([("any".to_owned(), 1.0)]));
        Cause {
            title: self.title.unwrap_or_default(),
            stage: self.stage.unwrap_or_default(),
            os,
            prior,
            source: self.source.unwrap_or_default(),
            guides: self.guides.unwrap_or_default(),
            variants: variants.into_iter().collect(),
            stages: self.stages.unwrap_or_default(),
            excludes: self.excludes.unwrap_or_default(),
            with: self.with.unwrap_or_default(),
            alone: self.alone.unwrap_or(false),
            public_side: self.public_side.unwrap_or(false),
            shared_by: self.shared_by.unwrap_or_default(),
            id: self.id,
        }
    }
}

fn replace_or_push<T, K: PartialEq>(into: &mut Vec<T>, from: Vec<T>, key: impl Fn(&T) -> K) {
    for item in from {
        match into.iter_mut().find(|old| key(old) == key(&item)) {
            Some(old) => *old = item,
            None => into.push(item),
        }
    }
}
