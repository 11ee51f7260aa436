//! Turning the conversations with one login port into readings.
//!
//! Lives here: `banner`, `kex`, `rdp-negotiation`, `rdp-certificate`, and further tries where the
//! first ones vary. Must not live here: reachability, or what needs consent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::Run;
use crate::domain::evidence::{Reading, Source, Status};
use crate::probe::algorithms::can_talk;
use crate::probe::budget::{Allowance, Ledger};
use crate::probe::fusion::{self, Banner, Kex, RdpState, describe};
use crate::probe::login::{Conversations, Talk, talk};
use crate::probe::outcome::{Greeting, KeyExchange, Negotiation, RdpFailure, Tls};
use crate::probe::{openssh, tcp};

/// More tries when the first ones vary or are turned away.
const EXTRA_TRIES: usize = 3;
const EXTRA_SPACING: Duration = Duration::from_millis(400);

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
        let detail = format!("{login}: {}", describe::greetings(&greetings));
        match state {
            None => self.unknown("banner", Status::ProbeFailed, detail).await,
            Some(state) if state.turned_away() && Ledger::shared().own_burst(login) => {
                self.unknown("banner", Status::Void, own_burst(&detail))
                    .await;
            }
            Some(state) => self.observed("banner", state.as_str(), detail).await,
        }
        if state == Some(Banner::ThrottleNotice) {
            Ledger::shared().throttled(login);
        }
        let kex = exchange.as_ref().map(fusion::fuse_kex);
        match (&exchange, kex) {
            (Some(exchange), Some(kex)) => {
                let own = own_client(exchange, kex).await;
                let detail = format!("{login}: {}{own}", describe::key_exchange(exchange));
                self.observed("kex", kex.as_str(), detail).await;
            }
            _ => {
                self.unknown(
                    "kex",
                    Status::NotAttempted,
                    format!("{login} sent no identification to go on from"),
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
        while let Some(talk) = talks.next().await {
            self.hearing.heard(&talk);
            take(talk, &mut negotiations);
        }
        let login = self.target.login();
        if fusion::fuse_negotiation(&negotiations).is_some_and(RdpState::turned_away) {
            for talk in self.more_talks().await {
                take(talk, &mut negotiations);
            }
        }
        let state = fusion::fuse_negotiation(&negotiations);
        let detail = format!("{login}: {}", describe::negotiations(&negotiations));
        match state {
            None => {
                self.unknown("rdp-negotiation", Status::ProbeFailed, detail)
                    .await;
            }
            Some(state) if state.turned_away() && Ledger::shared().own_burst(login) => {
                self.unknown("rdp-negotiation", Status::Void, own_burst(&detail))
                    .await;
            }
            Some(state) => {
                self.observed("rdp-negotiation", state.as_str(), detail)
                    .await;
            }
        }
        let hung = matches!(tls, Some(Tls::Hang(_)));
        self.certificate(state, tls).await;
        Heard {
            hung,
            ..Heard::default()
        }
    }

    /// One reading for the instance: the first path that can tell.
    async fn certificate(&self, state: Option<RdpState>, tls: Option<Tls>) {
        let login = self.target.login();
        let (state, detail) = match (state, tls) {
            (Some(RdpState::Failure(RdpFailure::SslCertNotOnServer)), _) => (
                Some(fusion::Certificate::Absent),
                format!("{login}: the server says that it has no certificate"),
            ),
            (_, Some(tls)) => (
                fusion::fuse_certificate(&tls, Timestamp::now().as_second()),
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
        self.emitter
            .emit(reading.at(Timestamp::now(), self.cost()))
            .await;
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
            let made = tcp::connect(login, self.options.connect_timeout).await;
            let limit = self.options.greeting_timeout;
            let Some(talk) = talk(made, login, self.protocol, limit, &wants_more).await else {
                continue;
            };
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
}

/// Whether the client on this machine could talk to a server that current clients would not.
async fn own_client(exchange: &KeyExchange, kex: Kex) -> &'static str {
    let KeyExchange::Lists(lists) = exchange else {
        return "";
    };
    if !matches!(kex, Kex::LegacyOnly | Kex::None) {
        return "";
    }
    match openssh::local_profile().await {
        Some(profile) if can_talk(profile, lists) => {
            "; the OpenSSH client on this machine could be told to use them"
        }
        Some(_) => "; the OpenSSH client on this machine cannot talk to it either",
        None => "",
    }
}

fn own_burst(detail: &str) -> String {
    format!("{detail}; set aside: this program itself had just opened many connections there")
}
