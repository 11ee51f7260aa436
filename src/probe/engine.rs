//! Runs a plan: every target at once, within the budget, each reading sent as soon as it is known.
//!
//! Lives here: the order of steps and their preconditions. Must not live here: parsing, fusion or
//! wording.

mod consented;
mod given_up;
mod hearing;
mod path;
mod peers;
mod talk;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::budget::{Allowance, Ledger};
use super::login::{Connects, Conversations};
use super::outcome::Connect;
use super::plan::{
    Arriving, Depth, ProbeOptions, ProbePlan, ProbeTarget, Protocol, nothing_arrives,
};
use super::surroundings::{self, Surroundings};
use super::{fusion, tcp};
use crate::domain::evidence::state::other_login_port;
use crate::domain::evidence::{Path, Reading, Source, State, Status, group};
use crate::domain::said::Said;
use crate::domain::said::{Figure, List, Table, Word};
use crate::probe::said;
use fusion::{Reach, ReachFacts, ReachUnknown, describe};
use hearing::Hearing;
use talk::Heard;

/// Tries on the login port.
const TRIES: usize = 3;
/// Wide enough that a service that comes and goes within a second is seen doing so.
const TRY_SPACING: Duration = Duration::from_millis(450);
/// A private address that has not answered by then, after one repeated SYN, is not waited for any
/// longer where the public one answers.
const NOT_WORTH_WAITING: Duration = Duration::from_millis(1150);
/// Whatever a host does, a look at it ends by then with what it has. More than the tries with their
/// longest greeting and the exchange after it take, and little enough that a report is there after
/// 20 s.
const LONGEST_LOOK: Duration = Duration::from_millis(18_800);
/// Collects readings and passes each on at once.
pub(super) struct Emitter {
    sink: mpsc::Sender<Reading>,
    sent: Mutex<Vec<Reading>>,
    started: Instant,
    certificate_known: AtomicBool,
    /// Set once one path has been asked what needs consent.
    consent_used: AtomicBool,
    /// Targets whose login port is known to be open.
    open: AtomicUsize,
    /// Whether one of them lies on the public path.
    public_open: AtomicBool,
    /// Whether the public path gave any answer, be it a refusal.
    public_answers: watch::Sender<bool>,
}

impl Emitter {
    async fn emit(&self, reading: Reading) {
        // A receiver that went away does not stop the run: the caller still gets the list.
        let _ = self.sink.send(reading.clone()).await;
        // No await in between: a look that is ended has either handed a reading on and noted it, or
        // neither.
        self.sent().push(reading);
    }

    fn sent(&self) -> MutexGuard<'_, Vec<Reading>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long this look may still take.
    fn left(&self) -> Duration {
        (self.started + LONGEST_LOOK).saturating_duration_since(Instant::now())
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
        started: Instant::now(),
        certificate_known: AtomicBool::new(false),
        consent_used: AtomicBool::new(false),
        open: AtomicUsize::new(0),
        public_open: AtomicBool::new(false),
        public_answers: watch::Sender::new(false),
    };
    let until = emitter.started + LONGEST_LOOK;
    let targets = join_all(
        plan.targets
            .iter()
            .map(|target| Run::new(plan, *target, arriving, &emitter).all()),
    );
    let all = async { tokio::join!(targets, peers::look(plan, arriving.clone(), &emitter)) };
    if tokio::time::timeout_at(until.into(), all).await.is_err() {
        given_up::tell(plan, &emitter).await;
    }
    consented::not_reached(plan, &emitter).await;
    emitter
        .sent
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
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
    /// Whether a try lost a packet, once all have ended.
    lost: watch::Sender<Option<bool>>,
    started: Instant,
}

/// The word for a path.
fn path_word(path: Path) -> Word {
    Word::new(Table::Path, path.as_str())
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
            lost: watch::Sender::new(None),
            started: Instant::now(),
        }
    }

    async fn all(self) {
        if let Allowance::Wait(wait) = Ledger::shared().allow(self.target.login(), TRIES) {
            let why = said::left_alone(self.target.login(), Figure::time(wait));
            self.unknown(group::REACH, Status::NotAttempted, why.clone())
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
        let around = Surroundings::start(
            self.plan,
            &self.target,
            self.arriving,
            self.protocol,
            &self.emitter.public_answers,
        )
        .await;
        let mut connects = talks.connects();
        let Some(mut login) = self.first_answer(&mut connects, &around).await else {
            return self.not_waited_for().await;
        };
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
            if self.target.path == Path::Public {
                self.emitter.public_open.store(true, Ordering::Relaxed);
            }
            let rest = self.beyond_reach(Ok(Reach::Open), &facts, talks, found.other_logins);
            let _ = tokio::join!(told, rest);
        } else {
            let reach = told.await;
            self.beyond_reach(reach, &facts, talks, found.other_logins)
                .await;
        }
    }

    /// The ends of the tries until one is open; `None` where a quick look need not wait for them.
    async fn first_answer(
        &self,
        connects: &mut Connects,
        around: &Surroundings,
    ) -> Option<Vec<Connect>> {
        let mut ends = Vec::new();
        loop {
            tokio::select! {
                end = connects.next() => match end {
                    Some(end) => {
                        ends.push(end);
                        if self.target.path == Path::Public && end.rtt().is_some() {
                            self.emitter.public_answers.send_replace(true);
                        }
                        if end.is_open() || matches!(end, Connect::Refused(_)) {
                            around.login_answered();
                        }
                        if end.is_open() {
                            return Some(ends);
                        }
                    }
                    None => return Some(ends),
                },
                () = self.needless(), if ends.is_empty() => return None,
            }
        }
    }

    /// Returns when nobody needs this path: a private one that has not answered in good time, where
    /// the public one has, if only with a refusal.
    async fn needless(&self) {
        let private = self.target.path == Path::Private;
        if !private || self.options.depth == Depth::Full {
            return std::future::pending().await;
        }
        tokio::time::sleep_until((self.started + NOT_WORTH_WAITING).into()).await;
        let mut public = self.emitter.public_answers.subscribe();
        if public.wait_for(|answered| *answered).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Says of a path what was not waited for.
    async fn not_waited_for(&self) {
        let why = said::not_waited_for(
            self.target.login(),
            path_word(self.target.path),
            Figure::time(self.started.elapsed()),
        );
        self.unknown(group::REACH, Status::NotAttempted, why.clone())
            .await;
        self.conversation_unknown(Status::NotAttempted, &why).await;
        for group in [
            group::PATH_QUALITY,
            group::PATH_MTU,
            group::OTHER_LOGIN_PORT,
        ] {
            self.unknown(group, Status::NotAttempted, why.clone()).await;
        }
    }

    /// Whether a try lost a packet; waits until all have ended.
    async fn lost_a_packet(&self) -> bool {
        let mut lost = self.lost.subscribe();
        // The sender lives as long as this value: the wait cannot fail.
        let ended = lost.wait_for(Option::is_some).await;
        ended.is_ok_and(|lost| *lost == Some(true))
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
        self.hearing.undisturbed(self.all_started()).await;
    }

    /// When the last of the tries starts.
    fn all_started(&self) -> Instant {
        self.started + TRY_SPACING * (TRIES as u32 - 1)
    }

    async fn reach(&self, facts: &ReachFacts) -> Result<Reach, ReachUnknown> {
        self.lost.send_replace(Some(facts.lost_a_packet()));
        let state = fusion::fuse_reach(facts);
        let (login, path) = (self.target.login(), path_word(self.target.path));
        let told = describe::reach(facts, state);
        let detail = match tcp::source_address(self.target.address) {
            Ok(from) => said::reach_from(login, path, from, told),
            Err(_) => said::reach(login, path, told),
        };
        match state {
            Ok(reach) => self.observed(reach.state(), detail).await,
            Err(ReachUnknown::NoAttempt) => {
                self.unknown(group::REACH, Status::NotAttempted, detail)
                    .await;
            }
            Err(_) => {
                self.unknown(group::REACH, Status::ProbeFailed, detail)
                    .await;
            }
        }
        state
    }

    async fn other_login_port(&self, pending: surroundings::OtherLogins) {
        let found = pending.finish(self.started).await;
        let looked = List::names(&found.looked);
        let address = self.target.address;
        if found.elsewhere {
            let why = said::looked_elsewhere(address);
            self.unknown(group::OTHER_LOGIN_PORT, Status::NotAttempted, why)
                .await;
        } else if found.looked.is_empty() {
            self.unknown(
                group::OTHER_LOGIN_PORT,
                Status::NotAttempted,
                said::no_other_port(address),
            )
            .await;
        } else if let Some((port, what)) = found.answering.first() {
            let detail = said::port_answers(address, *port, what, looked);
            self.observed(other_login_port::FOUND, detail).await;
        } else {
            let detail = match found.waited {
                Some(waited) => said::no_service_in(address, Figure::time(waited), looked),
                None => said::no_service(address, looked),
            };
            self.observed(other_login_port::NONE, detail).await;
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
                let why = said::nobody_to_talk(self.target.login(), reach.word());
                self.conversation_unknown(Status::NotAttempted, &why).await;
                Heard::default()
            }
            Err(_) => {
                let why = said::not_from_here(self.target.login());
                self.conversation_unknown(Status::NotAttempted, &why).await;
                Heard::default()
            }
        }
    }

    /// Marks everything that needs a conversation.
    async fn conversation_unknown(&self, status: Status, why: &Said) {
        let groups: &[&str] = match self.protocol {
            Protocol::Ssh => &[group::BANNER, group::KEX],
            Protocol::Rdp => &[group::RDP_NEGOTIATION, group::RDP_TLS],
        };
        for group in groups {
            self.unknown(group, status, why.to_owned()).await;
        }
    }

    async fn observed(&self, state: State<'_>, detail: impl Into<Said>) {
        let reading = Reading::observed(state, Source::Probe, detail);
        self.emit(reading).await;
    }

    async fn unknown(&self, id: &str, status: Status, detail: impl Into<Said>) {
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
