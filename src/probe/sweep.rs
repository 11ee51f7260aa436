//! Login reachability of a whole fleet, as fast as the budget allows.
//!
//! Lives here: one short look per target, refilled one for one within the descriptor limit and the
//! rate. Must not live here: several tries or conclusions about one host (`engine`).

use std::collections::VecDeque;
use std::net::SocketAddr;
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
    let most = budget::connection_slots()
        .available_permits()
        .max(FEWEST_AT_ONCE);
    let mut running = Running {
        held_back: most < targets.len(),
        waiting: targets.into_iter().map(|target| (target, 0)).collect(),
        looks: JoinSet::new(),
        window: Window::new(most),
        looked_at: 0,
        sink,
    };
    let options = options.clone();
    // Beside the looks on the runtime's own threads: from outside, each result would have to wake
    // another thread. Dropped with this call.
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // Ends early when nobody wants the results any more.
        let _ = running.run(&options).await;
        running
    });
    let ended = driver.join_next().await.and_then(Result::ok);
    SweepSummary {
        looked_at: ended.as_ref().map_or(0, |running| running.looked_at),
        at_once: ended.as_ref().map_or(most, |running| running.window.most),
        held_back: ended.is_none_or(|running| running.held_back),
        took: started.elapsed(),
    }
}

type Look = (SweepTarget, u8, LoginCheck);

/// Nobody wants the results any more.
struct Unwanted;

struct Running {
    waiting: VecDeque<(SweepTarget, u8)>,
    looks: JoinSet<Look>,
    window: Window,
    looked_at: usize,
    held_back: bool,
    sink: mpsc::Sender<SweepResult>,
}

impl Running {
    async fn run(&mut self, options: &SweepOptions) -> Result<(), Unwanted> {
        let pacer = options.rate.map(|rate| Pacer::new(rate, rate.div_ceil(10)));
        loop {
            while self.looks.len() < self.window.now
                && let Some((target, tries)) = self.waiting.pop_front()
            {
                // A look starts when it is due: one that only waits would cost memory meanwhile.
                if let Some(due) = pacer.as_ref().map(Pacer::reserve) {
                    self.collect_until(due).await?;
                }
                let (connect, greeting) = (options.connect_timeout, options.greeting_timeout);
                self.looks.spawn(async move {
                    let check = look(target.login, target.protocol, connect, greeting).await;
                    (target, tries, check)
                });
            }
            let patience = tokio::time::timeout(Window::SPAN, self.looks.join_next());
            match patience.await {
                Ok(Some(Ok(end))) => self.take(end).await?,
                Ok(Some(Err(_))) => {}
                Ok(None) => return Ok(()),
                Err(_) => self.window.review(self.looks.len()),
            }
        }
    }

    /// Takes what ends before `due`.
    async fn collect_until(&mut self, due: Instant) -> Result<(), Unwanted> {
        while due > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                Some(end) = self.looks.join_next() => {
                    if let Ok(end) = end {
                        self.take(end).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, (target, tries, check): Look) -> Result<(), Unwanted> {
        let own_limit = matches!(
            check.connect,
            Connect::Own(OwnFailure::Resources | OwnFailure::NoLocalAddress)
        );
        if own_limit && tries < OWN_RETRIES {
            self.window.shrink(self.looks.len() / 2);
            self.held_back = true;
            self.waiting.push_back((target, tries + 1));
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(());
        }
        self.looked_at += 1;
        self.window.ended += 1;
        self.window.review(self.looks.len());
        let result = SweepResult {
            key: target.key,
            login: target.login,
            check,
        };
        self.sink.send(result).await.map_err(|_| Unwanted)
    }
}

/// How many looks may be under way. Few as long as answers come quickly: thousands of connections
/// in one moment overflow queues on the way, and what is dropped there comes a second late. More
/// as soon as silent targets hold the places.
#[derive(Debug)]
struct Window {
    now: usize,
    /// What this machine allows.
    most: usize,
    /// Looks that ended since `since`.
    ended: usize,
    since: Instant,
}

impl Window {
    const FIRST: usize = 256;
    const SPAN: Duration = Duration::from_millis(50);

    fn new(most: usize) -> Self {
        Self {
            now: Self::FIRST.min(most),
            most,
            ended: 0,
            since: Instant::now(),
        }
    }

    /// Doubles when all places are taken and fewer than a quarter of them came free in a span.
    fn review(&mut self, under_way: usize) {
        if self.since.elapsed() < Self::SPAN {
            return;
        }
        // One has just ended where this is called on an end.
        let full = under_way + 1 >= self.now;
        if full && self.ended < self.now / 4 {
            self.now = (self.now * 2).min(self.most);
        }
        self.ended = 0;
        self.since = Instant::now();
    }

    /// This machine turned out to allow no more than `most`.
    fn shrink(&mut self, most: usize) {
        self.most = most.max(FEWEST_AT_ONCE);
        self.now = self.now.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window after spans in each of which `ended` looks ended with every place taken.
    fn after(spans: &[usize]) -> usize {
        let mut window = Window::new(10_000);
        for ended in spans {
            window.ended = *ended;
            window.since = Instant::now()
                .checked_sub(Window::SPAN)
                .unwrap_or_else(Instant::now);
            window.review(window.now);
        }
        window.now
    }

    #[test]
    fn silence_opens_the_window_and_quick_answers_do_not() {
        assert_eq!(after(&[5_000; 20]), Window::FIRST);
        assert_eq!(after(&[0]), 2 * Window::FIRST);
        assert_eq!(after(&[0; 10]), 10_000);
        assert_eq!(after(&[0, 300]), 2 * Window::FIRST);
    }

    #[test]
    fn what_the_machine_refused_is_not_asked_again() {
        let mut window = Window::new(1_000);
        window.shrink(100);
        window.since = Instant::now()
            .checked_sub(Window::SPAN)
            .unwrap_or_else(Instant::now);
        window.review(100);
        assert_eq!((window.now, window.most), (100, 100));
    }
}
