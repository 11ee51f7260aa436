//! Turning the conversations with one login port into readings.
//!
//! Lives here: `banner`, `kex`, `rdp-negotiation`, `rdp-tls`, `rdp-certificate`, and further tries
//! where the first ones vary. Must not live here: reachability, or what needs consent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::Run;
use crate::domain::evidence::{Reading, Source, Status, group};
use crate::domain::said::{Joint, Said};
use crate::probe::algorithms::can_talk;
use crate::probe::budget::{Allowance, Ledger};
use crate::probe::fusion::secure::{describe_certificate, describe_tls};
use crate::probe::fusion::{self, Banner, Kex, RdpState, RdpTls, describe};
use crate::probe::login::{Conversations, Talk, talk};
use crate::probe::outcome::{Greeting, KeyExchange, Negotiation, RdpFailure, Tls};
use crate::probe::said;
use crate::probe::{foreign, openssh, tcp};

/// More tries when the first ones vary or are turned away.
const EXTRA_TRIES: u32 = 3;
const EXTRA_SPACING: Duration = Duration::from_millis(400);
/// An RDP server that has not answered by then is asked whether it is something else.
const UNANSWERED: Duration = Duration::from_millis(2500);
/// How long something else may take to say so.
const OTHER_ANSWER: Duration = Duration::from_secs(3);

/// What later steps need to know of a conversation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    /// An SSH server identified itself.
    pub identified: bool,
    /// The exchange after the greeting hung.
    pub hung: bool,
    /// The server asked for a pause.
    pub throttled: bool,
}

/// The longest wait for a greeting that came.
fn slowest(greetings: &[Greeting]) -> Option<Duration> {
    greetings.iter().filter_map(Greeting::answered_after).max()
}

impl Run<'_> {
    pub(super) async fn ssh(&self, mut talks: Conversations) -> Heard {
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
            self.hearing.heard(&talk);
            take(talk, &mut greetings);
        }
        let login = self.target.login();
        if fusion::fuse_banner(&greetings).is_some_and(Banner::turned_away) {
            for talk in self.more_talks().await {
                take(talk, &mut greetings);
            }
        }
        let state = fusion::fuse_banner(&greetings);
        let detail = said::at(login, describe::greetings(&greetings));
        match state {
            None => {
                self.unknown(group::BANNER, Status::ProbeFailed, detail)
                    .await;
            }
            Some(state) if state.turned_away() && Ledger::shared().own_burst(login) => {
                self.unknown(group::BANNER, Status::Void, said::own_burst(detail))
                    .await;
            }
            Some(state) => {
                let mut reading = Reading::observed(state.state(), Source::Probe, detail);
                if let (Banner::Fast | Banner::Slow, Some(after)) = (state, slowest(&greetings)) {
                    reading = reading.measured(after.as_secs_f64());
                }
                self.emit(reading).await;
            }
        }
        if state == Some(Banner::ThrottleNotice) {
            Ledger::shared().throttled(login);
        }
        let kex = exchange.as_ref().map(fusion::fuse_kex);
        match (&exchange, kex) {
            (Some(exchange), Some(kex)) => {
                let told = said::at(login, describe::key_exchange(exchange));
                let detail = with_own_client(told, exchange, kex).await;
                self.observed(kex.state(), detail).await;
            }
            _ => {
                self.unknown(
                    group::KEX,
                    Status::NotAttempted,
                    said::no_identification_sent(login),
                )
                .await;
            }
        }
        Heard {
            identified: greetings
                .iter()
                .any(|g| matches!(g, Greeting::Identified { .. })),
            hung: kex == Some(Kex::Hang),
            throttled: state == Some(Banner::ThrottleNotice),
        }
    }

    pub(super) async fn rdp(&self, mut talks: Conversations) -> Heard {
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
        let login = self.target.login();
        let first = tokio::time::timeout(UNANSWERED, talks.next()).await;
        // One that resets is left alone; silence and an orderly close are what others do, too.
        let unanswered = match &first {
            Ok(Some(Talk::Rdp { negotiation, .. })) => {
                matches!(negotiation, Negotiation::Closed { .. })
            }
            Ok(_) => false,
            Err(_) => true,
        };
        if let Ok(Some(talk)) = first {
            self.hearing.heard(&talk);
            take(talk, &mut negotiations);
        }
        let other = if unanswered {
            foreign::waiting_service(login, (Instant::now() + OTHER_ANSWER).into()).await
        } else {
            None
        };
        if let Some(protocol) = other {
            negotiations.push(Negotiation::WrongProtocol {
                sample: String::new(),
                protocol: Some(protocol),
            });
        } else {
            while let Some(talk) = talks.next().await {
                self.hearing.heard(&talk);
                take(talk, &mut negotiations);
            }
            if fusion::fuse_negotiation(&negotiations).is_some_and(RdpState::turned_away) {
                for talk in self.more_talks().await {
                    take(talk, &mut negotiations);
                }
            }
        }
        let state = fusion::fuse_negotiation(&negotiations);
        let detail = said::at(login, describe::negotiations(&negotiations));
        match state {
            None => {
                self.unknown(group::RDP_NEGOTIATION, Status::ProbeFailed, detail)
                    .await;
            }
            Some(state) if state.turned_away() && Ledger::shared().own_burst(login) => {
                self.unknown(
                    group::RDP_NEGOTIATION,
                    Status::Void,
                    said::own_burst(detail),
                )
                .await;
            }
            Some(state) => {
                self.observed(state.state(), detail).await;
            }
        }
        self.rdp_tls(tls.as_ref()).await;
        let hung = tls.as_ref().map(fusion::fuse_tls) == Some(RdpTls::Hang);
        self.certificate(state, tls).await;
        Heard {
            hung,
            ..Heard::default()
        }
    }

    /// How TLS ended after the confirm.
    async fn rdp_tls(&self, tls: Option<&Tls>) {
        let login = self.target.login();
        match tls {
            Some(tls) => {
                let detail = said::at(login, describe_tls(tls));
                self.observed(fusion::fuse_tls(tls).state(), detail).await;
            }
            None => {
                let why = said::no_tls(login);
                self.unknown(group::RDP_TLS, Status::NotAttempted, why)
                    .await;
            }
        }
    }

    /// One reading for the instance: the first path that can tell.
    async fn certificate(&self, state: Option<RdpState>, tls: Option<Tls>) {
        let login = self.target.login();
        let (state, detail) = match (state, tls) {
            (Some(RdpState::Failure(RdpFailure::SslCertNotOnServer)), _) => (
                Some(fusion::Certificate::Absent),
                said::has_no_certificate(login),
            ),
            (_, Some(tls)) => {
                let now = Timestamp::now().as_second();
                let mut parts = vec![describe_tls(&tls)];
                if let Some(certificate) = tls.certificate() {
                    parts.insert(0, describe_certificate(certificate, now));
                }
                let detail = said::at(login, Said::all(Joint::Semicolons, parts));
                (fusion::fuse_certificate(&tls, now), detail)
            }
            (_, None) => return,
        };
        if self.emitter.certificate_known.swap(true, Ordering::Relaxed) {
            return;
        }
        let reading = match state {
            Some(state) => Reading::observed(state.state(), Source::Probe, detail),
            None => Reading::without_state(
                group::RDP_CERTIFICATE,
                Source::Probe,
                Status::ProbeFailed,
                detail,
            ),
        };
        self.emitter
            .emit(reading.at(Timestamp::now(), self.cost()))
            .await;
    }

    /// Spaced tries on top, within the time that all tries share, unless the budget says no.
    async fn more_talks(&self) -> Vec<Talk> {
        let login = self.target.login();
        let until = self.all_started() + self.options.greeting_timeout;
        let left = || until.saturating_duration_since(Instant::now());
        let tries = (1..=EXTRA_TRIES).map(|number| async move {
            let wait = EXTRA_SPACING * number;
            if left() <= wait {
                return None;
            }
            tokio::time::sleep(wait).await;
            if left().is_zero() || Ledger::shared().allow(login, 1) != Allowance::Granted {
                return None;
            }
            let wants_more = AtomicBool::new(true);
            let made = tcp::connect(login, self.options.connect_timeout.min(left())).await;
            talk(made, login, self.protocol, left(), &wants_more).await
        });
        join_all(tries).await.into_iter().flatten().collect()
    }
}

/// The same, and whether the client on this machine could talk to a server that current clients
/// would not.
async fn with_own_client(told: Said, exchange: &KeyExchange, kex: Kex) -> Said {
    let KeyExchange::Lists(lists) = exchange else {
        return told;
    };
    if !matches!(kex, Kex::LegacyOnly | Kex::None) {
        return told;
    }
    match openssh::local_profile().await {
        Some(profile) if can_talk(profile, lists) => said::could_use_them(told),
        Some(_) => said::cannot_talk_either(told),
        None => told,
    }
}
