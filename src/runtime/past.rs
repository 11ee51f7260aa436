//! What earlier actions and cases say about the next diagnosis of an instance.
//!
//! Read from journal and history; what cannot be read says nothing. Must not live here: how it is
//! weighed (`diagnosis`).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::execute::{failed_cures, soft_failed, spent};
use crate::cloud::facts::OwnCall;
use crate::config::Loaded;
use crate::diagnosis::Knowledge;
use crate::diagnosis::learn::confirmed_lately;
use crate::domain::action::SpentAction;
use crate::store::history::History;
use crate::store::journal::{CallResult, Contents, Journal};

/// Past cases that are looked at.
const CASES: u32 = 20;

/// What happened to an instance before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Actions of this incident that did not bring login back.
    pub tried: Vec<String>,
    /// Actions that need no second try in this incident.
    pub spent: Vec<SpentAction>,
    /// A soft restart of a short while ago did not get through.
    pub soft_restart_failed: bool,
    /// Cause that a cure confirmed in the last weeks.
    pub recent_cause: Option<String>,
    /// Calls of the last hours by request id, so that the audit log's word for them is known.
    pub own_calls: BTreeMap<String, OwnCall>,
}

/// What each answered call of some entries was for.
fn own_calls(contents: &Contents) -> BTreeMap<String, OwnCall> {
    let mut calls = BTreeMap::new();
    for entry in &contents.entries {
        for call in &entry.calls {
            if let Some(CallResult::Answered { request_id, .. }) = &call.result {
                let own = OwnCall {
                    entry: entry.id.clone(),
                    what: entry.plan.title.clone(),
                };
                calls.insert(request_id.clone(), own);
            }
        }
    }
    calls
}

impl Past {
    /// What the files of a state directory say about an instance, for a diagnosis made at `at`.
    pub fn of(
        loaded: &Loaded,
        journal: &Journal,
        knowledge: &Knowledge,
        instance: &str,
        at: Timestamp,
    ) -> Self {
        let state_dir = &loaded.paths.state_dir;
        let mut past = Self::default();
        let near = |at| journal.near(instance, at);
        match near(at).and_then(|then| Ok((then, near(Timestamp::now())?))) {
            Ok((contents, lately)) => {
                past.tried = failed_cures(&contents, instance, at);
                past.spent = spent(&contents, instance, at);
                past.soft_restart_failed = soft_failed(&lately, instance).is_some();
                past.own_calls = own_calls(&lately);
            }
            Err(error) => tracing::warn!(%error, "failed cures are not counted"),
        }
        match History::existing(state_dir).and_then(|history| match history {
            Some(history) => history
                .with_colleagues(loaded.has_colleagues())
                .cases(instance, CASES),
            None => Ok(Vec::new()),
        }) {
            Ok(cases) => {
                past.recent_cause = confirmed_lately(knowledge, &cases, at).map(str::to_owned);
            }
            Err(error) => tracing::warn!(%error, "past cases are not counted"),
        }
        past
    }
}
