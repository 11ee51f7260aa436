//! The short look at one login port: connect, one greeting or X.224 exchange, and the step after.
//!
//! Lives here: what sweeps and the verification after a repair need. Must not live here: several
//! tries, neighbours or fusion (`engine`).

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::budget;
use super::fusion::secure::describe_tls;
use super::fusion::{describe, fuse_banner, fuse_kex, fuse_negotiation, fuse_tls};
use super::login::{Talk, talk};
use super::outcome::Connect;
use super::plan::Protocol;
use super::tcp;
use crate::domain::evidence::state::reach;
use crate::domain::evidence::table::LoginWord;
use crate::domain::login_layer::Layer;
use crate::domain::said::Said;

/// What one short look at a login port ended in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginCheck {
    pub connect: Connect,
    /// Set when the connection was open.
    pub talk: Option<Talk>,
    /// How long the whole look took.
    pub took: Duration,
}

/// Login health in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginHealth {
    /// The login service answered as it should (or the port is open, where nothing more was asked).
    Answers,
    Slow,
    /// Open, but the service said nothing in time.
    Mute,
    /// Open, then closed or reset.
    TurnedAway,
    /// Something else listens there, or the negotiation failed.
    WrongAnswer,
    Refused,
    Silent,
    Prohibited,
    /// This machine could not look.
    Unknown,
}

impl LoginHealth {
    pub const ALL: [Self; 9] = [
        Self::Answers,
        Self::Slow,
        Self::Mute,
        Self::TurnedAway,
        Self::WrongAnswer,
        Self::Refused,
        Self::Silent,
        Self::Prohibited,
        Self::Unknown,
    ];

    /// The word of lists; `None` where this machine could not look, which says nothing.
    pub fn word(self) -> Option<LoginWord> {
        Some(match self {
            Self::Answers => LoginWord::Greets,
            Self::Slow => LoginWord::Slow,
            Self::Mute => LoginWord::NoAnswer,
            Self::TurnedAway => LoginWord::Closed,
            Self::WrongAnswer => LoginWord::NotLogin,
            Self::Refused => LoginWord::Refused,
            Self::Silent => LoginWord::Silent,
            Self::Prohibited => LoginWord::Prohibited,
            Self::Unknown => return None,
        })
    }

    /// The same for JSON, with a word for what is not known.
    pub fn as_str(self) -> &'static str {
        self.word().map_or("unknown", LoginWord::as_str)
    }
}

impl LoginCheck {
    /// The result in one word.
    pub fn health(&self) -> LoginHealth {
        match (&self.connect, &self.talk) {
            (Connect::Refused(_), _) => LoginHealth::Refused,
            (Connect::Silent(_), _) => LoginHealth::Silent,
            (Connect::Prohibited(_), _) => LoginHealth::Prohibited,
            (Connect::Own(_), _) => LoginHealth::Unknown,
            // Nobody asked what listens there.
            (Connect::Open(_), None) => LoginHealth::Answers,
            (Connect::Open(_), Some(talk)) => talk.health(),
        }
    }

    /// How each layer that was come to stands, in the states of its evidence group.
    pub fn layers(&self) -> Vec<(Layer, &'static str)> {
        let port = match &self.connect {
            Connect::Open(_) => reach::OPEN.id,
            Connect::Refused(_) => reach::REFUSED.id,
            Connect::Silent(_) => reach::ALL_SILENT.id,
            Connect::Prohibited(_) => reach::ADMIN_PROHIBITED.id,
            Connect::Own(_) => return Vec::new(),
        };
        let (first, further) = match &self.talk {
            Some(Talk::Ssh { greeting, exchange }) => (
                fuse_banner(std::slice::from_ref(greeting))
                    .map(|banner| (Layer::Greeting, banner.state().id)),
                exchange
                    .as_ref()
                    .map(|exchange| (Layer::KeyExchange, fuse_kex(exchange).state().id)),
            ),
            Some(Talk::Rdp { negotiation, tls }) => (
                fuse_negotiation(std::slice::from_ref(negotiation))
                    .map(|state| (Layer::Negotiation, state.state().id)),
                tls.as_ref()
                    .map(|tls| (Layer::Tls, fuse_tls(tls).state().id)),
            ),
            None => (None, None),
        };
        [Some((Layer::Reach, port)), first, further]
            .into_iter()
            .flatten()
            .collect()
    }

    /// True when a client would get as far as its credentials.
    pub fn is_restored(&self) -> bool {
        matches!(self.health(), LoginHealth::Answers | LoginHealth::Slow)
    }

    /// One sentence with the figures.
    pub fn detail(&self) -> Said {
        match &self.talk {
            Some(Talk::Ssh { greeting, exchange }) => {
                let further = exchange.as_ref().map(describe::key_exchange);
                both(describe::greeting(greeting), further)
            }
            Some(Talk::Rdp { negotiation, tls }) => both(
                describe::negotiation(negotiation),
                tls.as_ref().map(describe_tls),
            ),
            None => describe::connect(&self.connect),
        }
    }
}

fn both(first: Said, further: Option<Said>) -> Said {
    match further {
        Some(further) => first.and(further),
        None => first,
    }
}

/// One connection, one greeting or X.224 exchange, and the step after it: the short form, for the
/// verification after a repair. Counts in the ledger, but is never held back by it.
pub async fn login_check(
    login: SocketAddr,
    protocol: Protocol,
    connect_timeout: Duration,
    greeting_timeout: Duration,
) -> LoginCheck {
    budget::pace().await;
    // Whoever is told that login is back gets further than the first answer.
    let further = AtomicBool::new(false);
    let limits = (connect_timeout, greeting_timeout);
    look_with(login, Some(protocol), limits, &further).await
}

/// The first answer alone at the caller's own pace; without a protocol it ends with the connection.
pub(super) async fn look(
    login: SocketAddr,
    protocol: Option<Protocol>,
    connect_timeout: Duration,
    greeting_timeout: Duration,
) -> LoginCheck {
    let limits = (connect_timeout, greeting_timeout);
    look_with(login, protocol, limits, &AtomicBool::new(true)).await
}

async fn look_with(
    login: SocketAddr,
    protocol: Option<Protocol>,
    (connect_timeout, greeting_timeout): (Duration, Duration),
    taken: &AtomicBool,
) -> LoginCheck {
    // The semaphore lives as long as the process and is never closed.
    let _slot = budget::connection_slots().acquire().await.ok();
    let started = Instant::now();
    let made = tcp::connect_now(login, connect_timeout).await;
    let connect = made.0;
    let talk = match protocol {
        Some(protocol) => talk(made, login, protocol, greeting_timeout, taken).await,
        None => None,
    };
    LoginCheck {
        connect,
        talk,
        took: started.elapsed(),
    }
}
