//! Runs a plan: every target at once, within the budget, each reading sent as soon as it is known.
//!
//! Lives here: the order of steps and their preconditions. Must not live here: parsing, fusion or
//! wording.

mod consented;
mod hearing;
mod path;
mod peers;
mod talk;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc};

use super::budget::{Allowance, Ledger};
use super::login::Conversations;
use super::plan::{Arriving, ProbeOptions, ProbePlan, ProbeTarget, Protocol, nothing_arrives};
use super::surroundings::{self, Surroundings};
use super::{fusion, tcp};
use crate::domain::evidence::{Reading, Source, Status};
use fusion::{Reach, ReachFacts, ReachUnknown, describe};
use hearing::Hearing;
use talk::Heard;

/// Tries on the login port.
const TRIES: usize = 3;
/// Wide enough that a service that comes and goes within a second is seen doing so.
const TRY_SPACING: Duration = Duration::from_millis(450);
/// Collects readings and passes each on at once.
pub(super) struct Emitter {
    sink: mpsc::Sender<Reading>,
    sent: Mutex<Vec<Reading>>,
    certificate_known: AtomicBool,
    /// Set once one path has been asked what needs consent.
    consent_used: AtomicBool,
    /// Targets whose login port is known to be open.
    open: AtomicUsize,
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
    run_with(plan, &nothing_arrives(), sink).await
}

/// The same, with knowledge of the surroundings that arrives meanwhile.
pub async fn run_with(
    plan: &ProbePlan,
    arriving: &Arriving,
    sink: mpsc::Sender<Reading>,
) -> Vec<Reading> {
    let emitter = Emitter {
        sink,
        sent: Mutex::new(Vec::new()),
        certificate_known: AtomicBool::new(false),
        consent_used: AtomicBool::new(false),
        open: AtomicUsize::new(0),
    };
    let targets = join_all(
        plan.targets
            .iter()
            .map(|target| Run::new(plan, *target, arriving, &emitter).all()),
    );
    tokio::join!(targets, peers::look(plan, arriving.clone(), &emitter));
    consented::not_reached(plan, &emitter).await;
    emitter.sent.into_inner()
}

/// One target of a plan under way.
struct Run<'a> {
    plan: &'a ProbePlan,
    options: &'a ProbeOptions,
    target: ProbeTarget,
    protocol: Protocol,
    arriving: &'a Arriving,
    emitter: &'a Emitter,
    hearing: Hearing,
    started: Instant,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a ProbePlan,
        target: ProbeTarget,
        arriving: &'a Arriving,
        emitter: &'a Emitter,
    ) -> Self {
        Self {
            arriving,
            plan,
            options: &plan.options,
            target,
            protocol: Protocol::expected(plan.os, target.port),
            emitter,
            hearing: Hearing::default(),
            started: Instant::now(),
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
        let around =
            Surroundings::start(self.plan, &self.target, self.arriving, self.protocol).await;
        let mut connects = talks.connects();
        let mut login = connects.until_open().await;
        let found = around.finish(&login, self.started).await;
        let facts = found.reach;
        let told = async {
            login.extend(connects.rest().await);
            let facts = ReachFacts {
                login,
                ..facts.clone()
            };
            self.reach(&facts).await
        };
        // One open connection settles that the path may be measured; whether it is flaky shows later.
        if facts.login.iter().any(|end| end.is_open()) {
            self.emitter.open.fetch_add(1, Ordering::Relaxed);
            let rest = self.beyond_reach(Ok(Reach::Open), &facts, talks, found.other_logins);
            let _ = tokio::join!(told, rest);
        } else {
            let reach = told.await;
            self.beyond_reach(reach, &facts, talks, found.other_logins)
                .await;
        }
    }

    /// Everything that needs to know whether the login port is open, all at once.
    async fn beyond_reach(
        &self,
        reach: Result<Reach, ReachUnknown>,
        facts: &ReachFacts,
        talks: Conversations,
        others: surroundings::OtherLogins,
    ) {
        let quality = async {
            // On loopback the samples go to the login port itself, which must not disturb the talk.
            if facts.loopback {
                self.undisturbed().await;
            }
            self.path_quality(reach, facts).await;
        };
        let talk = async {
            let heard = self.conversation(reach, talks).await;
            self.hearing.ended(heard);
        };
        tokio::join!(
            talk,
            quality,
            self.other_login_port(others),
            self.path_mtu(reach, facts),
            self.with_consent(),
        );
    }

    /// Returns when a further connection changes nothing for the tries.
    async fn undisturbed(&self) {
        let all_started = self.started + TRY_SPACING * (TRIES as u32 - 1);
        self.hearing.undisturbed(all_started).await;
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
                self.unknown("reach", Status::NotAttempted, detail).await;
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

    async fn conversation(
        &self,
        reach: Result<Reach, ReachUnknown>,
        talks: Conversations,
    ) -> Heard {
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
                Heard::default()
            }
            Err(_) => {
                let why = format!("{} could not be tried from here", self.target.login());
                self.conversation_unknown(Status::NotAttempted, &why).await;
                Heard::default()
            }
        }
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
            .at(Timestamp::now(), self.cost());
        self.emitter.emit(reading).await;
    }

    fn cost(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}
