//! What a port verification found: each question with its answer, a try from this host, and what
//! would open it.
//!
//! Must not live here: judging (`port_check`), trying (`runtime::ports`), how it is shown.

pub mod said;

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::action::{ActionId, act_words};
use super::evidence::Reading;
use super::evidence::state::guest_firewall;
use super::instance::Instance;
use super::port_check::{Answer, BadTuple, Judged, MOST_TUPLES, Tuple, common};
use super::ports::{Direction, Transport};
use super::said::{Joint, List, Said};

/// What was found for every tuple.
#[derive(Debug, Clone)]
pub struct PortReport {
    pub at: Timestamp,
    /// The address that was tried from here; `None` where nothing was tried.
    pub address: Option<IpAddr>,
    /// Whether answers find their way back to whoever asks; one for all rows.
    pub route: Option<Reading>,
    pub rows: Vec<Row>,
}

/// One tuple with its answers.
#[derive(Debug, Clone)]
pub struct Row {
    pub tuple: Tuple,
    pub judged: Judged,
    pub seen: Seen,
    /// What the packet filter in the guest makes of it, or why it was not asked; `None` where nobody
    /// looked inside.
    pub guest: Option<Reading>,
    /// What would open it, as narrowly as it was asked about; `None` where it is open, or nothing of
    /// ours opens it.
    pub opens: Option<Opening>,
}

/// What a real try from this host found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Accepted a connection, or answered an echo request.
    Answers,
    Refused,
    Silent,
    Prohibited,
    /// It could not be tried, or was not; see [`Seen::said`].
    Own,
    /// Silence from UDP says nothing: a service need not answer.
    Udp,
    /// A range or every protocol: one try would not speak for it.
    Range,
    /// Only the instance itself could try.
    Outbound,
    NotAsked,
}

impl Seen {
    /// For programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Prohibited => "prohibited",
            Self::Own => "failed-here",
            Self::Udp | Self::Range | Self::Outbound | Self::NotAsked => "not-tried",
        }
    }

    /// For people.
    pub fn said(self) -> Said {
        match self {
            Self::Answers => said::try_answers(),
            Self::Refused => said::try_refused(),
            Self::Silent => said::try_silent(),
            Self::Prohibited => said::try_prohibited(),
            Self::Own => said::try_failed_here(),
            Self::Udp => said::try_not_udp(),
            Self::Range => said::try_not_range(),
            Self::Outbound => said::try_not_outbound(),
            Self::NotAsked => said::try_not_asked(),
        }
    }
}

/// An action that opens a tuple.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    pub action: ActionId,
    /// `source` is missing where everyone was asked about: whoever opens it says for whom.
    pub parameters: Map<String, Value>,
}

impl Opening {
    /// The narrowest action of ours that opens what was asked about.
    pub fn of(tuple: &Tuple, judged: &Judged) -> Option<Self> {
        if tuple.direction == Direction::Out {
            return None;
        }
        let shut = |answer| matches!(answer, Answer::Closed | Answer::Partly);
        let by_groups = shut(judged.groups.answer);
        let by_acl = judged.acl.as_ref().is_some_and(|acl| shut(acl.answer));
        let mut parameters = Map::new();
        if let Some(port) = tuple.port() {
            parameters.insert("port".into(), port.into());
        }
        let action = match (tuple.transport?, tuple.port()) {
            (Transport::Tcp, Some(_)) if by_groups => ActionId::OpenPort,
            (Transport::Udp, Some(_)) if by_groups => {
                parameters.insert("protocol".into(), "udp".into());
                ActionId::OpenPort
            }
            (Transport::Icmp | Transport::Icmpv6, _) if by_groups => ActionId::OpenCommonPorts,
            (Transport::Tcp, Some(_)) if by_acl => ActionId::AllowAcl,
            _ => return None,
        };
        if tuple.remote.is_some() {
            parameters.insert("source".into(), tuple.far_side().into());
        }
        Some(Self { action, parameters })
    }

    /// The vendor's button: its set of common ports, for whoever is named.
    pub fn common() -> Self {
        Self {
            action: ActionId::OpenCommonPorts,
            parameters: Map::new(),
        }
    }

    /// Words of `cvmtop act TARGET`.
    pub fn words(&self) -> String {
        act_words(self.action.as_str(), &self.parameters)
    }
}

impl Row {
    /// The rules that decide.
    pub fn why(&self) -> Said {
        let whys = self.judged.why().into_iter().cloned();
        said::port_why(List::said(Joint::Semicolons, whys))
    }

    /// The guest's own packet filter refuses or drops it.
    fn is_shut_inside(&self) -> bool {
        let state = self.guest.as_ref().and_then(Reading::observed_state);
        state.is_some_and(|state| state != guest_firewall::ALLOW.id)
    }
}

impl PortReport {
    /// One answer for the whole: what is shut counts most, then what is not known.
    pub fn answer(&self) -> Answer {
        let is = |wanted: &[Answer]| {
            let mut rows = self.rows.iter();
            rows.any(|row| wanted.contains(&row.judged.answer()))
        };
        if is(&[Answer::Closed, Answer::Partly]) || self.rows.iter().any(Row::is_shut_inside) {
            Answer::Closed
        } else if is(&[Answer::Untold]) {
            Answer::Untold
        } else {
            Answer::Open
        }
    }
}

/// The login port of an instance on the way in, before all others, where they lack it.
pub fn with_login(tuples: Vec<Tuple>, instance: &Instance, remote: Option<IpNet>) -> Vec<Tuple> {
    let port = instance.login_port();
    let login = Tuple {
        direction: Direction::In,
        transport: Some(Transport::Tcp),
        ports: Some((port, port)),
        remote,
    };
    let mut all: Vec<Tuple> = Vec::with_capacity(tuples.len() + 1);
    if !tuples.contains(&login) {
        all.push(login);
    }
    all.extend(tuples);
    all
}

/// The tuples of a run: the vendor's rows for one far side, then one's own.
///
/// # Errors
/// The sentence: a tuple that is not understood, or more than the vendor's tool takes.
pub fn tuples(remote: Option<IpNet>, own: &[String]) -> Result<Vec<Tuple>, Said> {
    if own.len() > MOST_TUPLES {
        return Err(said::too_many_tuples(own.len(), MOST_TUPLES));
    }
    let mut all = common(remote);
    for text in own {
        let tuple: Tuple = text.parse().map_err(|bad: BadTuple| bad.0)?;
        if !all.contains(&tuple) {
            all.push(tuple);
        }
    }
    Ok(all)
}
