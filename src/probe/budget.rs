//! What probing may cost: new connections a second, connections a target, file descriptors.
//!
//! Lives here: the process-wide pace, the ledger per login port and the descriptor limit. Must not
//! live here: what a probe does with its share.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;

/// New connections a second over all targets, unless set otherwise.
pub const DEFAULT_RATE: u32 = 100;
/// Connections that one login port may get from us in a minute.
pub const PER_TARGET_A_MINUTE: usize = 40;
/// A burst of ours that may make a server turn us away. One run alone stays below it.
const OWN_BURST: usize = 12;
const BURST_WINDOW: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a target is left alone after it said that it throttles (OpenSSH's own minimum is 15 s).
pub const AFTER_THROTTLE: Duration = Duration::from_secs(20);
/// Descriptors that are left for everything else in this process.
const RESERVED_DESCRIPTORS: u64 = 96;

/// Spaces new connections evenly, with room for one second's worth at once.
#[derive(Debug)]
pub struct Pacer {
    next: Mutex<Option<Instant>>,
    interval: Duration,
    burst: Duration,
}

impl Pacer {
    /// `rate` connections a second, of which `burst` may go at once.
    pub fn new(rate: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self {
            next: Mutex::new(None),
            interval,
            burst: interval * burst,
        }
    }

    /// Takes the next place in the row: when that connection may start.
    pub fn reserve(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = next
            .unwrap_or(now)
            .max(now.checked_sub(self.burst).unwrap_or(now));
        *next = Some(due + self.interval);
        due
    }

    /// How far the connections that have a place already reach into the future.
    fn backlog(&self) -> Duration {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = |next: Instant| next.saturating_duration_since(Instant::now());
        next.map(ahead).unwrap_or_default()
    }

    /// Returns when the next connection may start.
    pub async fn wait(&self) {
        let due = self.reserve();
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

static PACER: OnceLock<Pacer> = OnceLock::new();

/// Sets the process-wide rate; the first caller decides. Returns false when it was already set.
pub fn set_rate(rate: u32) -> bool {
    PACER.set(Pacer::new(rate, rate)).is_ok()
}

fn pacer() -> &'static Pacer {
    PACER.get_or_init(|| Pacer::new(DEFAULT_RATE, DEFAULT_RATE))
}

/// Waits for the process-wide pace.
pub async fn pace() {
    pacer().wait().await;
}

/// A target may begin while the connections under way take no longer than this to leave: what
/// waits in the row looks like silence to those who look at the clock.
const MOST_BACKLOG: Duration = Duration::from_millis(100);
/// By then a target that has begun has its first connections in the row.
const BEGUN: Duration = Duration::from_millis(10);

/// Waits until another target may begin; they begin one after the other.
pub async fn turn() {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    loop {
        let backlog = pacer().backlog();
        if backlog <= MOST_BACKLOG {
            break;
        }
        tokio::time::sleep(backlog.saturating_sub(MOST_BACKLOG)).await;
    }
    tokio::spawn(async move {
        tokio::time::sleep(BEGUN).await;
        drop(turn);
    });
}

#[derive(Debug, Default)]
struct Account {
    opened: VecDeque<Instant>,
    quiet_until: Option<Instant>,
}

/// What each login port has had from us.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Mutex<HashMap<SocketAddr, Account>>,
}

/// Answer of the ledger to a wish for connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    Granted,
    /// Not before this much time.
    Wait(Duration),
}

impl Ledger {
    /// The ledger that all probes of this process share.
    pub fn shared() -> &'static Self {
        static LEDGER: OnceLock<Ledger> = OnceLock::new();
        LEDGER.get_or_init(Self::default)
    }

    fn with<T>(&self, target: SocketAddr, act: impl FnOnce(&mut Account, Instant) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if accounts.len() > 50_000 {
            accounts.retain(|_, a| a.opened.back().is_some_and(|&t| now - t < MINUTE));
        }
        let account = accounts.entry(target).or_default();
        while account.opened.front().is_some_and(|&t| now - t >= MINUTE) {
            account.opened.pop_front();
        }
        act(account, now)
    }

    /// Whether `count` more connections fit now.
    pub fn allow(&self, target: SocketAddr, count: usize) -> Allowance {
        self.with(target, |account, now| {
            if let Some(until) = account.quiet_until.filter(|&until| until > now) {
                return Allowance::Wait(until - now);
            }
            let over = (account.opened.len() + count).saturating_sub(PER_TARGET_A_MINUTE);
            match over.checked_sub(1).and_then(|i| account.opened.get(i)) {
                None => Allowance::Granted,
                Some(&oldest) => Allowance::Wait(MINUTE.saturating_sub(now - oldest)),
            }
        })
    }

    /// Notes a connection that the target accepted.
    pub fn opened(&self, target: SocketAddr) {
        self.with(target, |account, now| account.opened.push_back(now));
    }

    /// Notes that the target asked for a pause.
    pub fn throttled(&self, target: SocketAddr) {
        self.with(target, |account, now| {
            account.quiet_until = Some(now + AFTER_THROTTLE);
        });
    }

    /// True when we ourselves opened so many connections just now that being turned away may be
    /// about us.
    pub fn own_burst(&self, target: SocketAddr) -> bool {
        self.with(target, |account, now| {
            account
                .opened
                .iter()
                .filter(|&&t| now - t < BURST_WINDOW)
                .count()
                > OWN_BURST
        })
    }
}

/// Connections that may be open at once. Raises the soft descriptor limit to the hard one where
/// the system lets it.
pub fn connection_slots() -> &'static Semaphore {
    static SLOTS: OnceLock<Semaphore> = OnceLock::new();
    SLOTS.get_or_init(|| Semaphore::new(descriptor_limit()))
}

fn descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // A refusal leaves the old limit, which is read again below.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        );
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(65_536);
    let open = std::fs::read_dir("/proc/self/fd").map_or(32, |dir| dir.count() as u64);
    current
        .saturating_sub(RESERVED_DESCRIPTORS + open)
        .clamp(16, 60_000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_gets_its_share_and_no_more() {
        let ledger = Ledger::default();
        let target: SocketAddr = ([192, 0, 2, 1], 22).into();
        for _ in 0..PER_TARGET_A_MINUTE {
            assert_eq!(ledger.allow(target, 1), Allowance::Granted);
            ledger.opened(target);
        }
        assert!(matches!(ledger.allow(target, 1), Allowance::Wait(_)));
        assert!(ledger.own_burst(target));
        let other: SocketAddr = ([192, 0, 2, 2], 22).into();
        assert_eq!(ledger.allow(other, 3), Allowance::Granted);
        assert!(!ledger.own_burst(other));
    }

    #[test]
    fn a_throttle_notice_makes_us_wait() {
        let ledger = Ledger::default();
        let target: SocketAddr = ([192, 0, 2, 1], 22).into();
        ledger.throttled(target);
        assert!(matches!(ledger.allow(target, 1), Allowance::Wait(d) if d <= AFTER_THROTTLE));
    }

    #[tokio::test]
    async fn the_pace_is_kept_beyond_the_burst() {
        let pacer = Pacer::new(200, 10);
        let started = Instant::now();
        for _ in 0..30 {
            pacer.wait().await;
        }
        assert!(started.elapsed() >= Duration::from_millis(90));
    }
}
