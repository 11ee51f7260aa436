//! Conversations with one login port: several spaced tries at once.
//!
//! Lives here: connecting, talking as far as no credentials are needed, and leaving. Must not live
//! here: what the tries mean together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::budget::{self, Ledger};
use super::check::LoginHealth;
use super::fusion::greeting::SLOW;
use super::outcome::{Connect, Greeting, KeyExchange, Negotiation, RdpSecurity, Tls};
use super::plan::{ProbeOptions, Protocol};
use super::ssh_exchange::{Conversation, leave};
use super::{rdp_exchange, tcp};

/// A server that has spoken sends its proposal or its certificate at once. One that took long to
/// speak may take as long again, within bounds.
const EXCHANGE: Duration = Duration::from_secs(4);
const EXCHANGE_AT_MOST: Duration = Duration::from_secs(8);
/// What is left for it where the first answer used up nearly all the time.
const EXCHANGE_AT_LEAST: Duration = Duration::from_millis(2500);

/// What was said on one open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Talk {
    Ssh {
        greeting: Greeting,
        /// Set on the one try that went on after a valid identification.
        exchange: Option<KeyExchange>,
    },
    Rdp {
        negotiation: Negotiation,
        /// Set on the one try that went on after TLS was selected.
        tls: Option<Tls>,
    },
}

impl Talk {
    /// True when the server ended or refused the conversation.
    pub fn turned_away(&self) -> bool {
        self.first_answer() == LoginHealth::TurnedAway
    }

    /// True when the step after the first answer was made, or ended.
    pub fn went_on(&self) -> bool {
        matches!(
            self,
            Self::Ssh {
                exchange: Some(_),
                ..
            } | Self::Rdp { tls: Some(_), .. }
        )
    }

    /// True when the step after the first answer came to its end.
    pub fn completed(&self) -> bool {
        matches!(
            self,
            Self::Ssh {
                exchange: Some(KeyExchange::Lists(_)),
                ..
            } | Self::Rdp {
                tls: Some(Tls::Complete(_) | Tls::WentOn { .. }),
                ..
            }
        )
    }

    /// The result of this conversation alone, as far as it went.
    pub fn health(&self) -> LoginHealth {
        let further = match self {
            Self::Ssh { exchange, .. } => exchange.as_ref().and_then(exchange_failure),
            Self::Rdp { tls, .. } => tls.as_ref().and_then(tls_failure),
        };
        match (self.first_answer(), further) {
            (LoginHealth::Answers | LoginHealth::Slow, Some(failure)) => failure,
            (first, _) => first,
        }
    }

    fn first_answer(&self) -> LoginHealth {
        match self {
            Self::Ssh { greeting, .. } => match greeting {
                Greeting::Identified { after, .. } if *after >= SLOW => LoginHealth::Slow,
                Greeting::Identified { .. } => LoginHealth::Answers,
                Greeting::Throttled { .. } | Greeting::Closed { .. } | Greeting::Reset { .. } => {
                    LoginHealth::TurnedAway
                }
                Greeting::Silent { .. } => LoginHealth::Mute,
                Greeting::WrongProtocol { .. } => LoginHealth::WrongAnswer,
                Greeting::Own(_) => LoginHealth::Unknown,
            },
            Self::Rdp { negotiation, .. } => match negotiation {
                Negotiation::Selected { after, .. } if *after >= SLOW => LoginHealth::Slow,
                Negotiation::Selected { .. } => LoginHealth::Answers,
                Negotiation::Closed { .. } | Negotiation::Reset { .. } => LoginHealth::TurnedAway,
                Negotiation::Silent { .. } => LoginHealth::Mute,
                Negotiation::Failed { .. } | Negotiation::WrongProtocol { .. } => {
                    LoginHealth::WrongAnswer
                }
                Negotiation::Own(_) => LoginHealth::Unknown,
            },
        }
    }
}

/// What a key exchange that did not come to its lists makes of a login.
fn exchange_failure(exchange: &KeyExchange) -> Option<LoginHealth> {
    match exchange {
        KeyExchange::Lists(_) => None,
        KeyExchange::Hang { .. } | KeyExchange::Unheard { .. } => Some(LoginHealth::Mute),
        KeyExchange::Closed { .. } | KeyExchange::Disconnected { .. } => {
            Some(LoginHealth::TurnedAway)
        }
        KeyExchange::Malformed => Some(LoginHealth::WrongAnswer),
    }
}

/// What a TLS handshake that did not come to its end makes of a login.
fn tls_failure(tls: &Tls) -> Option<LoginHealth> {
    match tls {
        Tls::Complete(_) | Tls::WentOn { .. } => None,
        Tls::Hang(_) => Some(LoginHealth::Mute),
        Tls::Closed { .. } => Some(LoginHealth::TurnedAway),
        _ => Some(LoginHealth::WrongAnswer),
    }
}

/// Tries under way. Dropping it ends them.
#[derive(Debug)]
pub struct Conversations {
    tries: JoinSet<Option<Talk>>,
    connects: Vec<oneshot::Receiver<Connect>>,
}

impl Conversations {
    /// Starts `count` tries, `spacing` apart; their first answers share one time limit. The first
    /// that gets that far also reads the key-exchange lists or goes on with TLS.
    pub fn start(
        login: SocketAddr,
        protocol: Protocol,
        options: &ProbeOptions,
        count: usize,
        spacing: Duration,
    ) -> Self {
        let taken = Arc::new(AtomicBool::new(false));
        let mut tries = JoinSet::new();
        let mut connects = Vec::new();
        let (connect_limit, limit) = (options.connect_timeout, options.greeting_timeout);
        let started = Instant::now();
        for number in 0..count {
            let (tell, told) = oneshot::channel();
            connects.push(told);
            let taken = taken.clone();
            tries.spawn(async move {
                tokio::time::sleep(spacing * number as u32).await;
                let _slot = budget::connection_slots().acquire().await.ok();
                let (outcome, stream) = tcp::connect(login, connect_limit).await;
                // The receiver is only gone when the whole run is.
                let _ = tell.send(outcome);
                let until = started + spacing * number as u32 + limit;
                let limit = until.saturating_duration_since(Instant::now());
                talk((outcome, stream), login, protocol, limit, &taken).await
            });
        }
        Self { tries, connects }
    }

    /// How the connections of the tries end, in their order.
    pub fn connects(&mut self) -> Connects {
        Connects(std::mem::take(&mut self.connects).into_iter().collect())
    }

    /// The next conversation that ended; `None` when all have.
    pub async fn next(&mut self) -> Option<Talk> {
        while let Some(end) = self.tries.join_next().await {
            if let Ok(Some(talk)) = end {
                return Some(talk);
            }
        }
        None
    }
}

/// Connections of the tries, each taken once.
#[derive(Debug)]
pub struct Connects(FuturesUnordered<oneshot::Receiver<Connect>>);

impl Connects {
    /// The end of the next one; `None` when all have ended.
    pub async fn next(&mut self) -> Option<Connect> {
        while let Some(end) = self.0.next().await {
            if let Ok(end) = end {
                return Some(end);
            }
        }
        None
    }

    /// Waits for all that are left.
    pub async fn rest(self) -> Vec<Connect> {
        let ends: Vec<_> = self.0.collect().await;
        ends.into_iter().flatten().collect()
    }
}

/// Talks on an open stream, `limit` for the first answer. Whoever finds `taken` false sets it and
/// goes one step further: the key-exchange lists, or TLS.
pub async fn converse(
    stream: TcpStream,
    protocol: Protocol,
    limit: Duration,
    taken: &AtomicBool,
) -> Talk {
    match protocol {
        Protocol::Ssh => {
            let mut conversation = Conversation::new(stream);
            let greeting = conversation.greeting(limit).await;
            let exchange = match greeting {
                Greeting::Identified { after, .. } if !taken.swap(true, Ordering::Relaxed) => {
                    Some(conversation.key_exchange(patience(after, limit)).await)
                }
                _ => None,
            };
            leave(conversation.into_stream());
            Talk::Ssh { greeting, exchange }
        }
        Protocol::Rdp => {
            let mut stream = stream;
            let negotiation = rdp_exchange::negotiate(&mut stream, limit).await;
            let tls = match negotiation {
                Negotiation::Selected { security, after }
                    if security != RdpSecurity::Legacy && !taken.swap(true, Ordering::Relaxed) =>
                {
                    let limit = patience(after, limit);
                    let until = (Instant::now() + limit).into();
                    Some(rdp_exchange::secure(stream, limit, until).await)
                }
                _ => {
                    leave(stream);
                    None
                }
            };
            Talk::Rdp { negotiation, tls }
        }
    }
}

/// What is said on a connection that was just tried; nothing where there is none.
pub async fn talk(
    (outcome, stream): (Connect, Option<TcpStream>),
    login: SocketAddr,
    protocol: Protocol,
    limit: Duration,
    taken: &AtomicBool,
) -> Option<Talk> {
    if !outcome.is_open() {
        return None;
    }
    Ledger::shared().opened(login);
    let after = Duration::ZERO;
    Some(match (stream, protocol) {
        (Some(stream), _) => converse(stream, protocol, limit, taken).await,
        (None, Protocol::Ssh) => Talk::Ssh {
            greeting: Greeting::Reset { after },
            exchange: None,
        },
        (None, Protocol::Rdp) => Talk::Rdp {
            negotiation: Negotiation::Reset { after },
            tls: None,
        },
    })
}

/// How long the next step may take after an answer that took `after` of its limit.
fn patience(after: Duration, limit: Duration) -> Duration {
    let left = limit.saturating_sub(after).max(EXCHANGE_AT_LEAST);
    (EXCHANGE + after * 2).min(EXCHANGE_AT_MOST).min(left)
}
