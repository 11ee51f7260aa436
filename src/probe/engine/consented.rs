//! What leaves a line in the target's authentication log, and therefore needs consent.
//!
//! Lives here: `host-key`, `auth-methods`, `auth-delay` and `login-attempt`, once per instance, over
//! the first path that works. Must not live here: the client (`openssh`) or its messages
//! (`transcript`).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Emitter, Run, given_up};
use crate::domain::evidence::state::auth_delay;
use crate::domain::evidence::{Reading, Source, State, Status, group};
use crate::domain::said::Said;
use crate::domain::said::{Figure, List, Word};
use crate::probe::budget::Ledger;
use crate::probe::openssh::{self, ClientFailure, Purpose, Request};
use crate::probe::plan::{ProbePlan, Protocol};
use crate::probe::said;
use crate::probe::transcript::{Login, SLOW_AUTH, Transcript};

const METHODS_LIMIT: Duration = Duration::from_secs(20);
const LOGIN_LIMIT: Duration = Duration::from_secs(25);
/// Less time than this would say nothing of a host that is merely slow: what is cut off then is not
/// asked at all.
const METHODS_AT_LEAST: Duration = Duration::from_secs(5);
const LOGIN_AT_LEAST: Duration = Duration::from_secs(8);
/// What is kept back for telling what was found.
const TO_TELL: Duration = Duration::from_millis(1_200);
pub(super) const METHOD_GROUPS: [&str; 3] =
    [group::HOST_KEY, group::AUTH_METHODS, group::AUTH_DELAY];

/// Readings for groups that no path got as far as.
pub(super) async fn not_reached(plan: &ProbePlan, emitter: &Emitter) {
    let ssh = plan
        .targets
        .iter()
        .any(|target| Protocol::expected(plan.os, target.port) == Protocol::Ssh);
    if !ssh || emitter.consent_used.load(Ordering::Relaxed) {
        return;
    }
    let consent = &plan.options.consent;
    let methods = METHOD_GROUPS.map(|group| (group, consent.methods_as.is_some()));
    let login = (group::LOGIN_ATTEMPT, consent.login_as.is_some());
    for (group, consented) in methods.into_iter().chain([login]) {
        if !given_up::is_there(emitter, group, None) {
            emitter.emit(skipped(group, consented)).await;
        }
    }
}

fn skipped(group: &str, consented: bool) -> Reading {
    let reading = if consented {
        let why = said::nobody_to_ask();
        Reading::without_state(group, Source::Probe, Status::NotAttempted, why)
    } else {
        let why = said::not_without_consent();
        Reading::without_state(group, Source::Probe, Status::NotAttempted, why)
            .needing(said::needs_consent())
    };
    reading.at(Timestamp::now(), 0)
}

impl Run<'_> {
    pub(super) async fn with_consent(&self) {
        if self.protocol != Protocol::Ssh || !self.hearing.can_be_asked().await {
            return;
        }
        if self.emitter.consent_used.swap(true, Ordering::Relaxed) {
            return;
        }
        match &self.options.consent.methods_as {
            Some(user) => self.ask_methods(user).await,
            None => {
                for group in METHOD_GROUPS {
                    self.emitter.emit(skipped(group, false)).await;
                }
            }
        }
        match &self.options.consent.login_as {
            Some(user) => self.try_login(user).await,
            None => {
                self.emitter
                    .emit(skipped(group::LOGIN_ATTEMPT, false))
                    .await;
            }
        }
    }

    /// How long the client may take, if that is long enough to tell anything.
    fn client_limit(&self, purpose: Purpose) -> Option<Duration> {
        let left = self.emitter.left().saturating_sub(TO_TELL);
        let login_follows = self.options.consent.login_as.is_some();
        let (most, least, kept) = match purpose {
            Purpose::Methods if login_follows => (METHODS_LIMIT, METHODS_AT_LEAST, LOGIN_AT_LEAST),
            Purpose::Methods => (METHODS_LIMIT, METHODS_AT_LEAST, Duration::ZERO),
            Purpose::Login => (LOGIN_LIMIT, LOGIN_AT_LEAST, Duration::ZERO),
        };
        let limit = left.saturating_sub(kept).min(most);
        (limit >= least).then_some(limit)
    }

    fn request<'r>(&'r self, purpose: Purpose, user: &'r str, limit: Duration) -> Request<'r> {
        let consent = &self.options.consent;
        Request {
            purpose,
            login: self.target.login(),
            user,
            identity: consent.identity.as_deref(),
            known_hosts: consent.known_hosts.as_deref(),
            called: consent.called.as_ref(),
            limit,
        }
    }

    async fn ask_methods(&self, user: &str) {
        let started = Instant::now();
        let login = self.target.login();
        let Some(limit) = self.client_limit(Purpose::Methods) else {
            for group in METHOD_GROUPS {
                given_up::not_waited(self.emitter, group).await;
            }
            return;
        };
        Ledger::shared().opened(login);
        let transcript = match openssh::run(&self.request(Purpose::Methods, user, limit)).await {
            Ok(transcript) => transcript,
            Err(failure) => {
                for group in METHOD_GROUPS {
                    self.client_failed(group, &failure).await;
                }
                return;
            }
        };
        let key = transcript
            .fingerprint()
            .map_or_else(said::no_key_seen, Said::raw);
        self.consented(
            group::HOST_KEY,
            transcript
                .host_key()
                .map(super::super::transcript::HostKey::state),
            self.seen(key, &transcript),
            started,
        )
        .await;
        let offered = transcript.offered();
        let detail = match &offered {
            Some(methods) => said::offers_methods(login, List::names(methods), user),
            None => said::named_no_methods(login, user, last(&transcript)),
        };
        let methods = transcript
            .methods()
            .map(super::super::transcript::Methods::state);
        self.consented(group::AUTH_METHODS, methods, detail, started)
            .await;
        let delay = transcript.auth_delay();
        let detail = match delay {
            Some(delay) => said::methods_after(login, Figure::time(delay)),
            None => said::no_methods_waited(login),
        };
        let state = delay.map(|delay| {
            if delay >= SLOW_AUTH {
                auth_delay::SLOW
            } else {
                auth_delay::PROMPT
            }
        });
        self.consented(group::AUTH_DELAY, state, detail, started)
            .await;
    }

    /// Which key was seen under which name, and the line of the known hosts that decided.
    fn seen(&self, key: Said, transcript: &Transcript) -> Said {
        let login = self.target.login();
        let address = login.ip();
        let called = self.options.consent.called.as_ref();
        let name = called.map(|called| called.name_at(address));
        let seen = match name.filter(|name| *name != address.to_string()) {
            Some(name) => said::key_seen_as(name, login, key),
            None => said::key_seen(login, key),
        };
        match transcript.record() {
            Some(place) => said::key_on_record(seen, place),
            None => seen,
        }
    }

    async fn try_login(&self, user: &str) {
        let started = Instant::now();
        let login = self.target.login();
        let Some(limit) = self.client_limit(Purpose::Login) else {
            return given_up::not_waited(self.emitter, group::LOGIN_ATTEMPT).await;
        };
        Ledger::shared().opened(login);
        let transcript = match openssh::run(&self.request(Purpose::Login, user, limit)).await {
            Ok(transcript) => transcript,
            Err(failure) => return self.client_failed(group::LOGIN_ATTEMPT, &failure).await,
        };
        match transcript.login() {
            Ok(state) => {
                let closed = match state {
                    Login::KeyAcceptedThenClosed => said::key_accepted_closed(),
                    other => said::login_state(Word::of(other.state())),
                };
                let detail = said::login_ended(
                    user,
                    login,
                    closed,
                    Figure::time(transcript.took),
                    last(&transcript),
                );
                self.consented(group::LOGIN_ATTEMPT, Some(state.state()), detail, started)
                    .await;
            }
            Err(reason) => {
                let detail = said::login_not_tried(user, login, reason.said());
                self.consented(group::LOGIN_ATTEMPT, None, detail, started)
                    .await;
            }
        }
    }

    async fn client_failed(&self, group: &str, failure: &ClientFailure) {
        let detail = failure.said();
        let reading = Reading::without_state(group, Source::Probe, Status::ProbeFailed, detail);
        self.emitter.emit(reading.at(Timestamp::now(), 0)).await;
    }

    /// These groups exist once per instance, so they carry no path.
    async fn consented(
        &self,
        id: &str,
        state: Option<State<'static>>,
        detail: impl Into<Said>,
        started: Instant,
    ) {
        let reading = match state {
            Some(state) => Reading::observed(state, Source::Probe, detail),
            None => Reading::without_state(id, Source::Probe, Status::NotAttempted, detail),
        };
        let cost = started.elapsed().as_millis() as u64;
        self.emitter.emit(reading.at(Timestamp::now(), cost)).await;
    }
}

fn last(transcript: &Transcript) -> Said {
    if transcript.waits {
        return said::session_waits();
    }
    match transcript.last_words() {
        "" => said::client_said_nothing(),
        words => said::client_said(words),
    }
}
