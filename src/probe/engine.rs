//! Runs a plan: every target at once, within the budget, each reading sent as soon as it is known.
//!
//! Lives here: the order of steps and their preconditions. Must not live here: parsing, fusion or
//! wording.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc};

use super::budget::{Allowance, Ledger};
use super::login::{Conversations, Talk, converse};
use super::outcome::{Greeting, KeyExchange, Negotiation, Tls};
use super::plan::{ProbeOptions, ProbePlan, ProbeTarget, Protocol};
use super::surroundings::{self, Surroundings};
use super::{fusion, tcp};
use crate::domain::evidence::{Reading, Source, Status};
use fusion::{Reach, ReachFacts, ReachUnknown, describe};

/// Tries on the login port.
const TRIES: usize = 3;
const TRY_SPACING: Duration = Duration::from_millis(250);
/// More tries when the first ones vary or are turned away.
const EXTRA_TRIES: usize = 3;
const EXTRA_SPACING: Duration = Duration::from_millis(400);

/// Collects readings and passes each on at once.
pub(super) struct Emitter {
    sink: mpsc::Sender<Reading>,
    sent: Mutex<Vec<Reading>>,
    certificate_known: AtomicBool,
}

impl Emitter {
    async fn emit(&self, reading: Reading) {
        // A receiver that went away does not stop the run: the caller still gets the list.
        let _ = self.sink.send(reading.clone()).await;
        self.sent.lock().await.push(reading);
    }
}

/// Probes every target of the plan at once. Each reading goes to `sink` when it is known; all are
/// returned at the end.
pub async fn run(plan: &ProbePlan, sink: mpsc::Sender<Reading>) -> Vec<Reading> {
    let emitter = Emitter {
        sink,
        sent: Mutex::new(Vec::new()),
        certificate_known: AtomicBool::new(false),
    };
    join_all(
        plan.targets
            .iter()
            .map(|target| Run::new(plan, *target, &emitter).all()),
    )
    .await;
    emitter.sent.into_inner()
}

/// One target of a plan under way.
struct Run<'a> {
    plan: &'a ProbePlan,
    options: &'a ProbeOptions,
    target: ProbeTarget,
    protocol: Protocol,
    emitter: &'a Emitter,
    started: Instant,
    when: Timestamp,
}

impl<'a> Run<'a> {
    fn new(plan: &'a ProbePlan, target: ProbeTarget, emitter: &'a Emitter) -> Self {
        Self {
            plan,
            options: &plan.options,
            target,
            protocol: Protocol::expected(plan.os, target.port),
            emitter,
            started: Instant::now(),
            when: Timestamp::now(),
        }
    }

    async fn all(self) {
        if let Allowance::Wait(wait) = Ledger::shared().allow(self.target.login(), TRIES) {
            let why = format!(
                "{} is left alone for another {}: it asked for a pause or had its share of connections",
                self.target.login(),
                describe::time(wait)
            );
            self.unknown("reach", Status::NotAttempted, why.clone())
                .await;
            self.conversation_unknown(Status::NotAttempted, &why).await;
            return;
        }
        let mut talks = Conversations::start(
            self.target.login(),
            self.protocol,
            self.options,
            TRIES,
            TRY_SPACING,
        );
        let around = Surroundings::start(self.plan, &self.target, self.protocol);
        let login = talks.connects().await;
        let facts = around.finish(&login, self.started).await;
        let reach = self.reach(&facts.reach).await;
        let others = self.other_login_port(facts.other_logins);
        let conversation = self.conversation(reach, talks);
        tokio::join!(others, conversation);
    }

    async fn reach(&self, facts: &ReachFacts) -> Result<Reach, ReachUnknown> {
        let state = fusion::fuse_reach(facts);
        let source = tcp::source_address(self.target.address)
            .map_or_else(|_| String::new(), |from| format!(" from {from}"));
        let detail = format!(
            "{} ({} path){source}: {}",
            self.target.login(),
            self.target.path,
            describe::reach(facts, state)
        );
        match state {
            Ok(reach) => self.observed("reach", reach.as_str(), detail).await,
            Err(ReachUnknown::NoAttempt) => {
                self.unknown("reach", Status::NotAttempted, detail).await
            }
            Err(_) => self.unknown("reach", Status::ProbeFailed, detail).await,
        }
        state
    }

    async fn other_login_port(&self, pending: surroundings::OtherLogins) {
        let found = pending.finish().await;
        let looked: Vec<String> = found.looked.iter().map(u16::to_string).collect();
        let address = self.target.address;
        if found.looked.is_empty() {
            self.unknown(
                "other-login-port",
                Status::NotAttempted,
                format!("{address}: no other port to look at"),
            )
            .await;
        } else if let Some((port, what)) = found.answering.first() {
            let detail = format!(
                "{address}: port {port} answers {what} (looked at {})",
                looked.join(", ")
            );
            self.observed("other-login-port", "found", detail).await;
        } else {
            let detail = format!("{address}: no login service on {}", looked.join(", "));
            self.observed("other-login-port", "none", detail).await;
        }
    }

    async fn conversation(&self, reach: Result<Reach, ReachUnknown>, talks: Conversations) {
        match reach {
            Ok(reach) if reach.is_open() => match self.protocol {
                Protocol::Ssh => self.ssh(talks).await,
                Protocol::Rdp => self.rdp(talks).await,
            },
            Ok(reach) => {
                let why = format!(
                    "{} is {}, so there was nobody to talk to",
                    self.target.login(),
                    reach.as_str()
                );
                self.conversation_unknown(Status::NotAttempted, &why).await;
            }
            Err(_) => {
                let why = format!("{} could not be tried from here", self.target.login());
                self.conversation_unknown(Status::NotAttempted, &why).await;
            }
        }
    }

    async fn ssh(&self, mut talks: Conversations) {
        let mut greetings: Vec<Greeting> = Vec::new();
        let mut exchange: Option<KeyExchange> = None;
        let mut take = |talk: Talk, greetings: &mut Vec<Greeting>| {
            if let Talk::Ssh {
                greeting,
                exchange: e,
            } = talk
            {
                greetings.push(greeting);
                if exchange.is_none() {
                    exchange = e;
                }
            }
        };
        while let Some(talk) = talks.next().await {
            take(talk, &mut greetings);
        }
        let login = self.target.login();
        if fusion::fuse_banner(&greetings).is_some_and(fusion::Banner::turned_away) {
            for talk in self.more_talks().await {
                take(talk, &mut greetings);
            }
        }
        let state = fusion::fuse_banner(&greetings);
        let detail = format!("{login}: {}", describe::greetings(&greetings));
        match state {
            None => self.unknown("banner", Status::ProbeFailed, detail).await,
            Some(state) if state.turned_away() && Ledger::shared().own_burst(login) => {
                self.unknown("banner", Status::Void, own_burst(&detail))
                    .await;
            }
            Some(state) => self.observed("banner", state.as_str(), detail).await,
        }
        if state == Some(fusion::Banner::ThrottleNotice) {
            Ledger::shared().throttled(login);
        }
        match exchange {
            Some(exchange) => {
                let detail = format!("{login}: {}", describe::key_exchange(&exchange));
                self.observed("kex", fusion::fuse_kex(&exchange).as_str(), detail)
                    .await;
            }
            None => {
                self.unknown(
                    "kex",
                    Status::NotAttempted,
                    format!("{login} sent no identification to go on from"),
                )
                .await;
            }
        }
    }

    async fn rdp(&self, mut talks: Conversations) {
        let mut negotiations: Vec<Negotiation> = Vec::new();
        let mut tls: Option<Tls> = None;
        let mut take = |talk: Talk, negotiations: &mut Vec<Negotiation>| {
            if let Talk::Rdp {
                negotiation,
                tls: t,
            } = talk
            {
                negotiations.push(negotiation);
                if tls.is_none() {
                    tls = t;
                }
            }
        };
        while let Some(talk) = talks.next().await {
            take(talk, &mut negotiations);
        }
        let login = self.target.login();
        if fusion::fuse_negotiation(&negotiations).is_some_and(fusion::RdpState::turned_away) {
            for talk in self.more_talks().await {
                take(talk, &mut negotiations);
            }
        }
        let state = fusion::fuse_negotiation(&negotiations);
        let detail = format!("{login}: {}", describe::negotiations(&negotiations));
        match state {
            None => {
                self.unknown("rdp-negotiation", Status::ProbeFailed, detail)
                    .await
            }
            Some(state) if state.turned_away() && Ledger::shared().own_burst(login) => {
                self.unknown("rdp-negotiation", Status::Void, own_burst(&detail))
                    .await;
            }
            Some(state) => {
                self.observed("rdp-negotiation", state.as_str(), detail)
                    .await
            }
        }
        self.certificate(state, tls).await;
    }

    /// One reading for the instance: the first path that can tell.
    async fn certificate(&self, state: Option<fusion::RdpState>, tls: Option<Tls>) {
        use super::outcome::RdpFailure;
        let login = self.target.login();
        let (state, detail) = match (state, tls) {
            (Some(fusion::RdpState::Failure(RdpFailure::SslCertNotOnServer)), _) => (
                Some(fusion::Certificate::Absent),
                format!("{login}: the server says that it has no certificate"),
            ),
            (_, Some(tls)) => (
                fusion::fuse_certificate(&tls, self.when.as_second()),
                format!("{login}: {}", describe::tls(&tls)),
            ),
            (_, None) => return,
        };
        if self.emitter.certificate_known.swap(true, Ordering::Relaxed) {
            return;
        }
        let reading = match state {
            Some(state) => {
                Reading::observed("rdp-certificate", Source::Probe, state.as_str(), detail)
            }
            None => Reading::without_state(
                "rdp-certificate",
                Source::Probe,
                Status::ProbeFailed,
                detail,
            ),
        };
        self.emitter.emit(reading.at(self.when, self.cost())).await;
    }

    /// Spaced tries on top, one after the other, unless the budget says no or a notice says wait.
    async fn more_talks(&self) -> Vec<Talk> {
        let mut out = Vec::new();
        for _ in 0..EXTRA_TRIES {
            let login = self.target.login();
            if Ledger::shared().allow(login, 1) != Allowance::Granted {
                break;
            }
            tokio::time::sleep(EXTRA_SPACING).await;
            let wants_more = AtomicBool::new(true);
            let (_, stream) = tcp::connect(login, self.options.connect_timeout).await;
            let Some(stream) = stream else { continue };
            Ledger::shared().opened(login);
            let talk = converse(
                stream,
                self.protocol,
                self.options.greeting_timeout,
                &wants_more,
            )
            .await;
            let throttled = matches!(
                &talk,
                Talk::Ssh {
                    greeting: Greeting::Throttled { .. },
                    ..
                }
            );
            out.push(talk);
            if throttled {
                break;
            }
        }
        out
    }

    /// Marks everything that needs a conversation.
    async fn conversation_unknown(&self, status: Status, why: &str) {
        let groups: &[&str] = match self.protocol {
            Protocol::Ssh => &["banner", "kex"],
            Protocol::Rdp => &["rdp-negotiation"],
        };
        for group in groups {
            self.unknown(group, status, why.to_owned()).await;
        }
    }

    async fn observed(&self, id: &str, state: &str, detail: String) {
        let reading = Reading::observed(id, Source::Probe, state, detail);
        self.emit(reading).await;
    }

    async fn unknown(&self, id: &str, status: Status, detail: String) {
        let reading = Reading::without_state(id, Source::Probe, status, detail);
        self.emit(reading).await;
    }

    async fn emit(&self, reading: Reading) {
        let reading = reading
            .on_path(self.target.path)
            .in_family(self.target.family())
            .at(self.when, self.cost());
        self.emitter.emit(reading).await;
    }

    fn cost(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

fn own_burst(detail: &str) -> String {
    format!("{detail}; set aside: this program itself had just opened many connections there")
}
