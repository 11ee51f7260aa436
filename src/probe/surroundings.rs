//! What is around a login port: neighbour ports, pings, control targets, other login ports.
//!
//! Lives here: looking at them all at once and stopping early when the login port answers. Must not
//! live here: what they mean for reachability.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::fusion::ReachFacts;
use super::icmp;
use super::login::{Talk, converse};
use super::outcome::{Connect, Echo, Greeting, Negotiation, RETRANSMITTED};
use super::plan::{self, Arriving, Control, ProbePlan, ProbeTarget, Protocol};
use super::{budget, shared, tcp};
use crate::domain::evidence::Path;

/// A neighbour that did not answer by then is dead, once the login port has answered.
const SETTLE: Duration = Duration::from_millis(800);
/// Before each neighbour where connections are spared.
const STAGGER: Duration = Duration::from_millis(150);
/// Control targets and ports named by rules are only asked when the login port has not answered by
/// then.
const BEFORE_MORE: Duration = Duration::from_millis(930);
/// How long what the cloud knows may take from then on.
const PATIENCE: Duration = Duration::from_millis(1200);
/// Added to that for a service on another port, which is to connect and to say what it is.
const OTHER_SETTLE: Duration = Duration::from_millis(500);
/// Controls asked on a path, and ports of rules looked at.
const MOST_CONTROLS: usize = 4;
const MOST_RULE_PORTS: usize = 6;
const PING_SPACING: Duration = Duration::from_millis(150);
/// How long a service on another port gets to say what it is.
const OTHER_GREETING: Duration = Duration::from_secs(2);
/// A loopback address that no instance uses: what answers there listens on every address.
const LOOPBACK_CONTROL: Ipv4Addr = Ipv4Addr::new(127, 255, 213, 7);

/// Everything but the login port, under way.
#[derive(Debug)]
pub struct Surroundings {
    loopback: bool,
    neighbours: JoinSet<(u16, Option<Connect>)>,
    neighbour_ports: Vec<u16>,
    /// Set once a neighbour that was not asked yet would add nothing.
    enough: Arc<AtomicBool>,
    /// Before each neighbour; nothing where all are asked at once.
    stagger: Duration,
    echo: Result<icmp::Series, Echo>,
    controls: JoinSet<Vec<(SocketAddr, bool)>>,
    others: OtherLogins,
}

/// What was found once reachability is settled.
#[derive(Debug)]
pub struct Found {
    pub reach: ReachFacts,
    pub other_logins: OtherLogins,
}

/// Other login ports, under way.
#[derive(Debug)]
pub struct OtherLogins {
    ports: Vec<u16>,
    looks: JoinSet<Option<(u16, Option<&'static str>)>>,
    /// Ports that rules name; dropped where the login port answers.
    by_rules: JoinSet<Vec<(u16, Option<&'static str>)>>,
    /// When to stop waiting, where the login port answers.
    until: Option<Instant>,
    /// How much later than everything else they begin.
    later: Duration,
    /// Another path answered, and they were looked at there.
    not_needed: bool,
}

/// The end of looking at other login ports.
#[derive(Debug)]
pub struct OtherLoginsFound {
    pub looked: Vec<u16>,
    /// Port and protocol of each that answers as a login service.
    pub answering: Vec<(u16, &'static str)>,
    /// How long was waited, where some had not ended by then.
    pub waited: Option<Duration>,
    /// They were looked at on another path of the instance, which answers.
    pub elsewhere: bool,
}

impl Surroundings {
    /// Starts looking.
    pub async fn start(
        plan: &ProbePlan,
        target: &ProbeTarget,
        arriving: &Arriving,
        protocol: Protocol,
        public_answers: &watch::Sender<bool>,
    ) -> Self {
        let limit = plan.options.connect_timeout;
        let address = target.address;
        let neighbour_ports = plan.neighbours_of(target);
        let mut neighbours = JoinSet::new();
        let enough = Arc::new(AtomicBool::new(false));
        let stagger = if plan.options.sparing {
            STAGGER
        } else {
            Duration::ZERO
        };
        for (place, port) in neighbour_ports.iter().copied().enumerate() {
            let enough = Arc::clone(&enough);
            neighbours.spawn(async move {
                // The login port gets its moment to answer first.
                tokio::time::sleep(stagger * (place as u32 + 1)).await;
                if !stagger.is_zero() && enough.load(Ordering::Relaxed) {
                    return (port, None);
                }
                let end = look(address, port, limit).await.0;
                // On loopback this machine's own kernel refuses.
                let is_alive = match end {
                    Connect::Open(_) => true,
                    Connect::Refused(_) => !address.is_loopback(),
                    _ => false,
                };
                enough.fetch_or(is_alive, Ordering::Relaxed);
                (port, Some(end))
            });
        }
        let pings = limit.min(Duration::from_secs(2));
        let echo = icmp::Series::start(address, 3, PING_SPACING, 24, pings).await;
        let has_public = plan.targets.iter().any(|other| other.path == Path::Public);
        let is_second = target.path == Path::Private && has_public;
        let elsewhere = (plan.options.sparing && is_second).then(|| public_answers.subscribe());
        let mut controls = JoinSet::new();
        // The way to this machine itself cannot fail.
        if !address.is_loopback() {
            let known = plan.options.known.controls.clone();
            let sparing = plan.options.sparing;
            controls.spawn(ask_controls(
                known,
                *target,
                arriving.clone(),
                limit,
                sparing,
            ));
        }
        Self {
            loopback: address.is_loopback(),
            neighbours,
            neighbour_ports,
            enough,
            stagger,
            echo,
            controls,
            others: OtherLogins::start(plan, target, arriving, protocol, elsewhere),
        }
    }

    /// An answer of the login port, be it a reset, proves the way: where connections are spared, no
    /// further neighbour is asked.
    pub fn login_answered(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Waits for what is still needed, given how the login port answered.
    pub async fn finish(mut self, login: &[Connect], started: Instant) -> Found {
        let answered = login
            .iter()
            .any(|c| !matches!(c, Connect::Silent(_) | Connect::Own(_)));
        // The fastest try is nearest to the round trip: loss only adds to it.
        let round_trip = login.iter().filter_map(|c| c.rtt()).min();
        let mut settle = SETTLE.max(round_trip.unwrap_or_default() * 4);
        if login.iter().any(|c| c.took_a_retransmission()) {
            settle += RETRANSMITTED;
        }
        settle += self.stagger * self.neighbour_ports.len() as u32;
        // Where the login port answered, silence beside it is told in a few round trips.
        let until = answered.then(|| started + settle);
        let mut neighbours = Vec::new();
        while let Some(Ok(end)) = until_or_forever(until, self.neighbours.join_next())
            .await
            .flatten()
        {
            neighbours.push(end);
        }
        let seen: Vec<u16> = neighbours.iter().map(|(port, _)| *port).collect();
        let asked = |(port, end): (u16, Option<Connect>)| Some((port, end?));
        let mut neighbours: Vec<_> = neighbours.into_iter().filter_map(asked).collect();
        for port in self
            .neighbour_ports
            .iter()
            .filter(|port| !seen.contains(port))
        {
            neighbours.push((*port, Connect::Silent(started.elapsed())));
        }
        neighbours.sort_by_key(|(port, _)| *port);
        let echo = match self.echo {
            Ok(series) => series.finish(until).await,
            Err(end) => end,
        };
        let mut controls = Vec::new();
        if login.iter().any(|c| c.is_open()) {
            self.others.by_rules.abort_all();
            self.others.until = until.map(|until| until + OTHER_SETTLE + self.others.later);
        }
        if !answered && let Some(Ok(ends)) = self.controls.join_next().await {
            controls = ends;
        }
        Found {
            reach: ReachFacts {
                loopback: self.loopback,
                login: login.to_vec(),
                neighbours,
                echo,
                controls,
            },
            other_logins: self.others,
        }
    }
}

async fn until_or_forever<T>(until: Option<Instant>, wait: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => tokio::time::timeout_at(until.into(), wait).await.ok(),
        None => Some(wait.await),
    }
}

/// A connection to a port other than the login port. On loopback a listener on every address
/// belongs to this machine, not to the instance.
async fn look(
    address: IpAddr,
    port: u16,
    limit: Duration,
) -> (Connect, Option<tokio::net::TcpStream>) {
    let _slot = budget::connection_slots().acquire().await.ok();
    let (outcome, stream) = tcp::connect(SocketAddr::new(address, port), limit).await;
    if outcome.is_open() && address.is_loopback() && address.is_ipv4() {
        let here = SocketAddr::new(LOOPBACK_CONTROL.into(), port);
        if tcp::connect(here, limit).await.0.is_open() {
            return (Connect::Refused(Duration::ZERO), None);
        }
    }
    (outcome, stream)
}

/// Asks the control targets of a path, those known and those that become known. A silent one that
/// is not decisive is left out.
async fn ask_controls(
    known: Vec<Control>,
    target: ProbeTarget,
    mut arriving: Arriving,
    limit: Duration,
    sparing: bool,
) -> Vec<(SocketAddr, bool)> {
    tokio::time::sleep(BEFORE_MORE).await;
    let late = plan::arrived(&mut arriving, PATIENCE).await;
    let mine: Vec<Control> = known
        .iter()
        .chain(&late.controls)
        .filter(|c| c.path == target.path && c.address.ip() != target.address)
        .take(MOST_CONTROLS)
        .copied()
        .collect();
    let limit = limit.min(Duration::from_secs(2));
    let looks = mine
        .iter()
        .map(|control| async move { (*control, answers(control.address, limit, sparing).await) });
    join_all(looks)
        .await
        .into_iter()
        .filter(|(control, answered)| *answered || control.decisive)
        .map(|(control, answered)| (control.address, answered))
        .collect()
}

/// True when anything at all comes back from a control target.
async fn answers(control: SocketAddr, limit: Duration, sparing: bool) -> bool {
    let _slot = budget::connection_slots().acquire().await.ok();
    let tcp = shared::connect(sparing, control, limit);
    let ping = icmp::ping(control.ip(), 2, Duration::from_millis(100), 24, limit);
    let (tcp, echo) = tokio::join!(tcp, ping);
    tcp.rtt().is_some() || echo.answered()
}

impl OtherLogins {
    fn start(
        plan: &ProbePlan,
        target: &ProbeTarget,
        arriving: &Arriving,
        expected: Protocol,
        elsewhere: Option<watch::Receiver<bool>>,
    ) -> Self {
        let ports = plan.other_logins_of(target);
        let (address, login) = (target.address, target.port);
        let limit = plan.options.connect_timeout;
        let mut looks = JoinSet::new();
        for port in ports.clone() {
            let elsewhere = elsewhere.clone();
            looks.spawn(async move {
                if let Some(answers) = elsewhere {
                    tokio::time::sleep(BEFORE_MORE).await;
                    if *answers.borrow() {
                        return None;
                    }
                }
                Some((port, service_on(address, port, limit, expected).await))
            });
        }
        let mut by_rules = JoinSet::new();
        let (known, mut arriving) = (ports.clone(), arriving.clone());
        by_rules.spawn(async move {
            tokio::time::sleep(BEFORE_MORE).await;
            let late = plan::arrived(&mut arriving, PATIENCE).await;
            let more = late.other_login_ports.iter().copied();
            let more = more.filter(|port| *port != login && !known.contains(port));
            let looks = more.take(MOST_RULE_PORTS).map(|port| async move {
                (port, service_on(address, port, limit, expected).await)
            });
            join_all(looks).await
        });
        Self {
            ports,
            looks,
            by_rules,
            until: None,
            later: elsewhere.map_or(Duration::ZERO, |_| BEFORE_MORE),
            not_needed: false,
        }
    }

    /// Waits for all of them; where the login port answers, only as long as an answer may take.
    pub async fn finish(mut self, started: Instant) -> OtherLoginsFound {
        let mut ends = Vec::new();
        while let Some(Ok(end)) = until_or_forever(self.until, self.looks.join_next())
            .await
            .flatten()
        {
            match end {
                Some(end) => ends.push(end),
                None => self.not_needed = true,
            }
        }
        if self.not_needed {
            self.by_rules.abort_all();
        }
        if let Some(Ok(more)) = self.by_rules.join_next().await {
            self.ports.extend(more.iter().map(|(port, _)| port));
            ends.extend(more);
        }
        let mut answering: Vec<(u16, &'static str)> = ends
            .into_iter()
            .filter_map(|(port, what)| Some((port, what?)))
            .collect();
        answering.sort_unstable();
        OtherLoginsFound {
            waited: (!self.looks.is_empty()).then(|| started.elapsed()),
            elsewhere: self.not_needed,
            looked: self.ports,
            answering,
        }
    }
}

/// The login service that answers on a port, if one does.
async fn service_on(
    address: IpAddr,
    port: u16,
    limit: Duration,
    expected: Protocol,
) -> Option<&'static str> {
    let (_, stream) = look(address, port, limit).await;
    let protocol = match port {
        3389 | 3390 => Protocol::Rdp,
        22 | 36000 | 2222 => Protocol::Ssh,
        _ => expected,
    };
    let taken = AtomicBool::new(true);
    let talk = converse(stream?, protocol, OTHER_GREETING, &taken).await;
    login_service(&talk)
}

fn login_service(talk: &Talk) -> Option<&'static str> {
    match talk {
        Talk::Ssh {
            greeting: Greeting::Identified { .. } | Greeting::Throttled { .. },
            ..
        } => Some("SSH"),
        Talk::Rdp {
            negotiation: Negotiation::Selected { .. } | Negotiation::Failed { .. },
            ..
        } => Some("RDP"),
        _ => None,
    }
}
