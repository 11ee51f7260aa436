//! Loss and round-trip times over a series of spaced probes.
//!
//! Lives here: choosing what may be probed twenty times without harm, and taking the samples. Must
//! not live here: the limits between clean, lossy and bad (`fusion::path`).

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;

use super::fusion::ReachFacts;
use super::icmp;
use super::outcome::{Connect, Echo, RETRANSMITTED};
use super::plan::Protocol;
use super::tcp;
use crate::domain::path_series::Figures;
use crate::domain::said::Said;
use crate::probe::said;

/// Samples taken.
pub const SAMPLES: u16 = 20;
const SPACING: Duration = Duration::from_millis(100);
/// What carries the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Echo requests.
    Ping,
    /// Connections to this port.
    Connect(u16),
}

/// A series of samples; `None` stands for a lost one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    pub carrier: Carrier,
    pub rtts: Vec<Option<Duration>>,
}

impl Samples {
    /// What is kept of them.
    pub fn figures(&self) -> Figures {
        let mut good: Vec<Duration> = self.rtts.iter().flatten().copied().collect();
        good.sort_unstable();
        let median = good.get(good.len() / 2);
        Figures {
            sent: self.rtts.len() as u32,
            lost: (self.rtts.len() - good.len()) as u32,
            median_us: median.map(|rtt| rtt.as_micros() as u32),
        }
    }
}

/// Why there is no series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub enum NoSeries {
    /// Only the SSH login port answers, and twenty unfinished logins could get this address banned.
    WouldBan,
    /// Echo requests could not be sent after all.
    OwnFailure,
}

impl NoSeries {
    /// The sentence.
    pub fn said(self) -> Said {
        match self {
            Self::WouldBan => said::would_ban(),
            Self::OwnFailure => said::pings_not_sent(),
        }
    }
}

/// The gentlest carrier that answers: pings, then a neighbour port, then the login port where that
/// does no harm.
///
/// # Errors
/// [`NoSeries::WouldBan`] when only an SSH server answers that may count unfinished logins
/// (`PerSourcePenalties` of OpenSSH 9.8, fail2ban and the like).
pub fn choose(facts: &ReachFacts, login: u16, protocol: Protocol) -> Result<Carrier, NoSeries> {
    if facts.loopback {
        return Ok(Carrier::Connect(login));
    }
    if facts.echo.answered() {
        return Ok(Carrier::Ping);
    }
    let neighbour = facts.neighbours.iter().find(|(_, c)| c.rtt().is_some());
    match (neighbour, protocol) {
        (Some((port, _)), _) => Ok(Carrier::Connect(*port)),
        (None, Protocol::Rdp) => Ok(Carrier::Connect(login)),
        (None, Protocol::Ssh) => Err(NoSeries::WouldBan),
    }
}

/// Takes the samples; about two to three seconds.
///
/// # Errors
/// [`NoSeries::OwnFailure`] when this machine could not send them.
pub async fn sample(login: SocketAddr, carrier: Carrier) -> Result<Samples, NoSeries> {
    let rtts = match carrier {
        Carrier::Ping => match icmp::ping(login.ip(), SAMPLES, SPACING, 24, RETRANSMITTED).await {
            Echo::Replies { sent, rtts } => {
                let lost = (sent as usize).saturating_sub(rtts.len());
                rtts.into_iter()
                    .map(Some)
                    .chain(std::iter::repeat_n(None, lost))
                    .collect()
            }
            Echo::Silent { sent } => vec![None; sent as usize],
            Echo::NotPermitted | Echo::Own(_) => return Err(NoSeries::OwnFailure),
        },
        Carrier::Connect(port) => {
            let to = SocketAddr::new(login.ip(), port);
            let tries = (0..SAMPLES).map(|number| async move {
                tokio::time::sleep(SPACING * u32::from(number)).await;
                tcp::connect(to, RETRANSMITTED).await.0
            });
            let ends = join_all(tries).await;
            if ends.iter().any(|end| matches!(end, Connect::Own(_))) {
                return Err(NoSeries::OwnFailure);
            }
            ends.into_iter().map(Connect::rtt).collect()
        }
    };
    Ok(Samples { carrier, rtts })
}
