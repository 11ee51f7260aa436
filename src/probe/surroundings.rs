//! What is around a login port: neighbour ports, pings, control targets, other login ports.
//!
//! Lives here: looking at them all at once and stopping early when the login port answers. Must not
//! live here: what they mean for reachability.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::fusion::ReachFacts;
use super::icmp;
use super::login::{Talk, converse};
use super::outcome::{Connect, Echo, Greeting, Negotiation};
use super::plan::{ProbePlan, ProbeTarget, Protocol};
use super::{budget, tcp};

/// A neighbour that did not answer by then is dead, once the login port has answered.
const SETTLE: Duration = Duration::from_millis(800);
/// Control targets are only asked when the login port has not answered by then.
const BEFORE_CONTROLS: Duration = Duration::from_millis(900);
const PING_SPACING: Duration = Duration::from_millis(150);
/// How long a service on another port gets to say what it is.
const OTHER_GREETING: Duration = Duration::from_secs(2);
/// A loopback address that no instance uses: what answers there listens on every address.
const LOOPBACK_CONTROL: Ipv4Addr = Ipv4Addr::new(127, 255, 213, 7);

/// Everything but the login port, under way.
#[derive(Debug)]
pub struct Surroundings {
    loopback: bool,
    neighbours: JoinSet<(u16, Connect)>,
    neighbour_ports: Vec<u16>,
    echo: Result<icmp::Series, Echo>,
    controls: JoinSet<(SocketAddr, bool)>,
    has_controls: bool,
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
    looks: JoinSet<(u16, Option<&'static str>)>,
}

/// The end of looking at other login ports.
#[derive(Debug)]
pub struct OtherLoginsFound {
    pub looked: Vec<u16>,
    /// Port and protocol of each that answers as a login service.
    pub answering: Vec<(u16, &'static str)>,
}

impl Surroundings {
    /// Starts looking.
    pub async fn start(plan: &ProbePlan, target: &ProbeTarget, protocol: Protocol) -> Self {
        let limit = plan.options.connect_timeout;
        let address = target.address;
        let neighbour_ports = plan.neighbours_of(target);
        let mut neighbours = JoinSet::new();
        for port in neighbour_ports.clone() {
            neighbours.spawn(async move { (port, look(address, port, limit).await.0) });
        }
        let pings = limit.min(Duration::from_secs(2));
        let echo = icmp::Series::start(address, 3, PING_SPACING, 24, pings).await;
        let mut controls = JoinSet::new();
        let mine = plan
            .options
            .controls
            .iter()
            .filter(|c| c.path == target.path && c.address != target.login());
        for control in mine.map(|c| c.address).take(4) {
            controls.spawn(async move {
                tokio::time::sleep(BEFORE_CONTROLS).await;
                (
                    control,
                    answers(control, limit.min(Duration::from_secs(2))).await,
                )
            });
        }
        Self {
            loopback: address.is_loopback(),
            neighbours,
            neighbour_ports,
            echo,
            has_controls: !controls.is_empty(),
            controls,
            others: OtherLogins::start(address, plan.other_logins_of(target), limit, protocol),
        }
    }

    /// Waits for what is still needed, given how the login port answered.
    pub async fn finish(mut self, login: &[Connect], started: Instant) -> Found {
        let answered = login
            .iter()
            .any(|c| !matches!(c, Connect::Silent(_) | Connect::Own(_)));
        let slowest = login
            .iter()
            .filter_map(|c| c.rtt())
            .max()
            .unwrap_or_default();
        // Where the login port answered, silence beside it is told in a few round trips.
        let until = answered.then(|| started + SETTLE.max(slowest * 4));
        let mut neighbours = Vec::new();
        while let Some(Ok(end)) = until_or_forever(until, self.neighbours.join_next())
            .await
            .flatten()
        {
            neighbours.push(end);
        }
        let seen: Vec<u16> = neighbours.iter().map(|(port, _)| *port).collect();
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
        if self.has_controls && !answered {
            while let Some(Ok(end)) = self.controls.join_next().await {
                controls.push(end);
            }
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

/// True when anything at all comes back from a control target.
async fn answers(control: SocketAddr, limit: Duration) -> bool {
    let _slot = budget::connection_slots().acquire().await.ok();
    let tcp = tcp::connect(control, limit);
    let ping = icmp::ping(control.ip(), 2, Duration::from_millis(100), 24, limit);
    let (tcp, echo) = tokio::join!(tcp, ping);
    tcp.0.rtt().is_some() || echo.answered()
}

impl OtherLogins {
    fn start(address: IpAddr, ports: Vec<u16>, limit: Duration, expected: Protocol) -> Self {
        let mut looks = JoinSet::new();
        for port in ports.clone() {
            looks.spawn(async move {
                let (_, stream) = look(address, port, limit).await;
                let Some(stream) = stream else {
                    return (port, None);
                };
                let protocol = match port {
                    3389 | 3390 => Protocol::Rdp,
                    22 | 36000 | 2222 => Protocol::Ssh,
                    _ => expected,
                };
                let taken = std::sync::atomic::AtomicBool::new(true);
                let talk = converse(stream, protocol, OTHER_GREETING, &taken).await;
                (port, login_service(&talk))
            });
        }
        Self { ports, looks }
    }

    /// Waits for all of them.
    pub async fn finish(mut self) -> OtherLoginsFound {
        let mut answering = Vec::new();
        while let Some(Ok((port, what))) = self.looks.join_next().await {
            if let Some(what) = what {
                answering.push((port, what));
            }
        }
        answering.sort_unstable();
        OtherLoginsFound {
            looked: self.ports,
            answering,
        }
    }
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
