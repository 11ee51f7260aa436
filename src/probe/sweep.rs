//! Login reachability of a whole fleet, as fast as the budget allows.
//!
//! Lives here: one short look per target, refilled one for one within the descriptor limit and the
//! rate. Must not live here: several tries or conclusions about one host (`engine`).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::budget::{self, Pacer};
use super::check::{LoginCheck, look};
use super::outcome::{Connect, OwnFailure};
use super::plan::Protocol;

/// How often a target is tried again after this machine ran out of descriptors or ports.
const OWN_RETRIES: u8 = 3;
const FEWEST_AT_ONCE: usize = 16;

/// One login port of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepTarget {
    /// The caller's own key, handed back with the result.
    pub key: usize,
    pub login: SocketAddr,
    /// The protocol to talk; `None` looks at reachability alone.
    pub protocol: Option<Protocol>,
}

/// Limits of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepOptions {
    /// New connections a second; `None` for as fast as possible.
    pub rate: Option<u32>,
    pub connect_timeout: Duration,
    pub greeting_timeout: Duration,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self {
            rate: Some(budget::DEFAULT_RATE),
            connect_timeout: Duration::from_secs(3),
            greeting_timeout: Duration::from_secs(5),
        }
    }
}

/// What was found at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepResult {
    pub key: usize,
    pub login: SocketAddr,
    pub check: LoginCheck,
}

/// How a sweep went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepSummary {
    pub looked_at: usize,
    /// Connections that were allowed at once in the end.
    pub at_once: usize,
    /// True when this machine's own limits made the sweep slower than asked for.
    pub held_back: bool,
    pub took: Duration,
}

/// Looks at every target once and sends each result as soon as it is known. Ends early when the
/// receiver is dropped.
pub async fn sweep(
    targets: Vec<SweepTarget>,
    options: &SweepOptions,
    sink: mpsc::Sender<SweepResult>,
) -> SweepSummary {
    let started = Instant::now();
    let pacer = options
        .rate
        .map(|rate| Arc::new(Pacer::new(rate, rate.div_ceil(10))));
    let slots = budget::connection_slots().available_permits();
    let mut at_once = slots.max(FEWEST_AT_ONCE);
    let mut held_back = at_once < targets.len();
    if let Some(rate) = options.rate {
        // More than the rate can start within the longest look would only wait, and each costs
        // memory while it waits.
        let longest = options.connect_timeout + options.greeting_timeout;
        let most = f64::from(rate) * longest.as_secs_f64() + f64::from(rate.div_ceil(10));
        at_once = at_once.min((most.ceil() as usize).max(FEWEST_AT_ONCE));
    }
    let mut waiting: VecDeque<(SweepTarget, u8)> =
        targets.into_iter().map(|target| (target, 0)).collect();
    let mut looks: JoinSet<(SweepTarget, u8, LoginCheck)> = JoinSet::new();
    let mut looked_at = 0;
    loop {
        while looks.len() < at_once {
            let Some((target, tries)) = waiting.pop_front() else {
                break;
            };
            let (connect, greeting) = (options.connect_timeout, options.greeting_timeout);
            let pacer = pacer.clone();
            looks.spawn(async move {
                let pacer = pacer.as_deref();
                let check = look(target.login, target.protocol, connect, greeting, pacer).await;
                (target, tries, check)
            });
        }
        let Some(end) = looks.join_next().await else {
            break;
        };
        let Ok((target, tries, check)) = end else {
            continue;
        };
        let own_limit = matches!(
            check.connect,
            Connect::Own(OwnFailure::Resources | OwnFailure::NoLocalAddress)
        );
        if own_limit && tries < OWN_RETRIES {
            at_once = (looks.len() / 2).max(FEWEST_AT_ONCE);
            held_back = true;
            waiting.push_back((target, tries + 1));
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        looked_at += 1;
        let result = SweepResult {
            key: target.key,
            login: target.login,
            check,
        };
        if sink.send(result).await.is_err() {
            break;
        }
    }
    SweepSummary {
        looked_at,
        at_once,
        held_back,
        took: started.elapsed(),
    }
}
