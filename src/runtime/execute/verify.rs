//! Login before and after an action: the same short probes, from the same place.
//!
//! Must not live here: the probes (`probe::login_check`) and any reasoning about causes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use super::{Desk, Progress, tell};
use crate::action::plan::{Completion, Plan};
use crate::cloud::inventory;
use crate::domain::action::ActionId;
use crate::domain::evidence::Path;
use crate::domain::instance::{Instance, Os};
use crate::probe::{LoginHealth, Protocol, login_check};
use crate::store::journal::Outcome;

/// How login is probed.
#[derive(Debug, Clone)]
pub struct LoginProbe {
    pub os: Os,
    pub port: u16,
    pub connect_timeout: Duration,
    pub greeting_timeout: Duration,
    /// Longest wait for a service after a boot.
    pub boot_limit: Duration,
    /// Longest wait after a change that takes effect at once.
    pub change_limit: Duration,
}

impl LoginProbe {
    /// Usual times for an instance and its port.
    pub fn new(os: Os, port: u16) -> Self {
        Self {
            os,
            port,
            connect_timeout: Duration::from_secs(3),
            greeting_timeout: Duration::from_secs(5),
            boot_limit: Duration::from_secs(300),
            change_limit: Duration::from_secs(20),
        }
    }
}

/// Login on one path at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoginLook {
    pub path: Path,
    pub address: IpAddr,
    pub port: u16,
    /// `answers`, `slow`, `refused`, `silent`, ... (`probe::LoginHealth`).
    pub health: &'static str,
    pub detail: String,
    #[serde(skip)]
    rank: Option<u8>,
}

impl LoginLook {
    /// `public 203.0.113.9:22 answers: ...`.
    pub fn sentence(&self) -> String {
        let address = SocketAddr::new(self.address, self.port);
        format!("{} {address} {}: {}", self.path, self.health, self.detail)
    }
}

pub(super) fn sentences(looks: &[LoginLook]) -> Vec<String> {
    looks.iter().map(LoginLook::sentence).collect()
}

/// How far a client gets; unknown when this machine could not look.
fn rank(health: LoginHealth) -> Option<u8> {
    Some(match health {
        LoginHealth::Unknown => return None,
        LoginHealth::Silent | LoginHealth::Prohibited => 0,
        LoginHealth::Refused => 1,
        LoginHealth::Mute | LoginHealth::TurnedAway | LoginHealth::WrongAnswer => 2,
        LoginHealth::Slow => 3,
        LoginHealth::Answers => 4,
    })
}

/// Login works, if slowly.
const SLOW: u8 = 3;
/// Login works as it should.
const PROMPT: u8 = 4;
/// A service that has just come up may be slow for so long.
const WARM_UP: Duration = Duration::from_secs(20);

/// One look at every address of the instance at once, public first.
pub async fn look(instance: &Instance, probe: &LoginProbe) -> Vec<LoginLook> {
    let on = |path: Path, addresses: &[IpAddr]| {
        addresses
            .iter()
            .map(|address| (path, *address))
            .collect::<Vec<_>>()
    };
    let mut targets = on(Path::Public, &instance.public_addresses);
    targets.extend(on(Path::Private, &instance.private_addresses));
    let looks = targets.into_iter().map(|(path, address)| async move {
        let check = login_check(
            SocketAddr::new(address, probe.port),
            Protocol::expected(probe.os, probe.port),
            probe.connect_timeout,
            probe.greeting_timeout,
        )
        .await;
        LoginLook {
            path,
            address,
            port: probe.port,
            health: check.health().as_str(),
            detail: check.detail(),
            rank: rank(check.health()),
        }
    });
    futures_util::future::join_all(looks).await
}

/// Looks until login is back on the path that matters, or the time is over.
pub(super) async fn wait(
    desk: &Desk,
    instance: &Instance,
    plan: &Plan,
    probe: &LoginProbe,
    before: &[LoginLook],
    sink: &UnboundedSender<Progress>,
    started: Instant,
) -> Vec<LoginLook> {
    // A plan that ends with the instance stopped leaves nothing that could answer.
    let boots = plan
        .steps
        .iter()
        .rev()
        .find_map(|step| match &step.completion {
            Completion::Instance { state, .. } => Some(state.as_deref() != Some("STOPPED")),
            _ => None,
        })
        .unwrap_or(false);
    let limit = if boots {
        probe.boot_limit
    } else if plan.reverses.is_some() {
        // What is taken back takes its effect with it: there is nothing to wait for.
        Duration::ZERO
    } else {
        probe.change_limit
    };
    // Addresses can have changed by the action itself.
    let target = &plan.target;
    let fresh = inventory::refresh(&desk.client, &target.region, &target.id).await;
    let instance = match fresh {
        Ok(Some(fresh)) => fresh,
        _ => instance.clone(),
    };
    let waiting = Instant::now();
    let mut pause = Duration::from_millis(500);
    loop {
        let looks = look(&instance, probe).await;
        tell(
            sink,
            Progress::Verifying {
                looks: looks.clone(),
                seconds: started.elapsed().as_secs(),
            },
        );
        let enough = if waiting.elapsed() < WARM_UP {
            PROMPT
        } else {
            SLOW
        };
        if waiting.elapsed() >= limit || all_as_good_as_can_be(before, &looks, enough) {
            return looks;
        }
        tokio::time::sleep(pause).await;
        // A boot takes its time, and a login port must not be hammered.
        pause = (pause * 2).min(Duration::from_secs(8));
    }
}

/// True when the first path answers well enough, and every path that answered before does again.
fn all_as_good_as_can_be(before: &[LoginLook], now: &[LoginLook], enough: u8) -> bool {
    let answers = |look: &LoginLook| look.rank.is_some_and(|rank| rank >= SLOW);
    let again = before.iter().filter(|look| answers(look)).all(|was| {
        now.iter()
            .filter(|look| look.address == was.address)
            .all(answers)
    });
    again
        && now
            .first()
            .is_some_and(|look| look.rank.is_some_and(|rank| rank >= enough))
}

/// The outcome in comparison, and the sentence that says it.
pub(super) fn judge(
    plan: &Plan,
    before: &[LoginLook],
    after: &[LoginLook],
    took: Duration,
    detail: &str,
) -> (Outcome, String) {
    let best = |looks: &[LoginLook]| looks.iter().filter_map(|look| look.rank).max();
    let seconds = took.as_secs();
    let (Some(was), Some(is)) = (best(before), best(after)) else {
        return (
            Outcome::Done,
            format!("{detail}; login could not be probed from this host"),
        );
    };
    let first = |looks: &[LoginLook]| {
        let path = after.first()?.path;
        looks.iter().find(|look| look.path == path)?.rank
    };
    // A path that was not there before was down.
    // What answered before an exit from rescue was the rescue system.
    let was_first = if plan.action == ActionId::ExitRescue {
        0
    } else {
        first(before).unwrap_or(0)
    };
    let is_first = first(after).unwrap_or(0);
    if is_first >= SLOW {
        let (outcome, words) = match (was_first, is_first) {
            (SLOW, PROMPT..) => (Outcome::Restored, "login answers promptly again"),
            (SLOW, _) => (Outcome::Unchanged, "login answers as slowly as before"),
            (PROMPT.., SLOW) => (Outcome::Done, "login answers, but more slowly than before"),
            (PROMPT.., _) => (Outcome::Done, "login answers as before"),
            (_, SLOW) => (Outcome::Restored, "login answers again, if slowly"),
            _ => (Outcome::Restored, "login answers again"),
        };
        return (
            outcome,
            format!("{detail}; {words}, {seconds} s after the start"),
        );
    }
    let now = after.first().map(LoginLook::sentence).unwrap_or_default();
    if plan.reverses.is_some() {
        return (
            Outcome::Done,
            format!("{detail}; what the action had done to login is gone with it: {now}"),
        );
    }
    if let Some(source) = admitted_elsewhere(plan) {
        return (
            Outcome::Done,
            format!(
                "{detail}; the rules let {source} in now, which cannot be tried from this host: ask the user to try"
            ),
        );
    }
    let outcome = match is.cmp(&was).then(first(after).cmp(&first(before))) {
        std::cmp::Ordering::Greater => Outcome::Improved,
        std::cmp::Ordering::Equal => Outcome::Unchanged,
        std::cmp::Ordering::Less => Outcome::Worse,
    };
    let advice = match outcome {
        Outcome::Worse => "undo it, or look again",
        _ => "this was not the cause, or not the only one: diagnose again",
    };
    (outcome, format!("{detail}; {now}; {advice}"))
}

/// The network that a plan let in, when this host is certainly not part of it.
fn admitted_elsewhere(plan: &Plan) -> Option<String> {
    plan.rules.as_ref()?;
    let source = plan.parameters.get("source")?.as_str()?;
    let net: IpNet = source.parse().ok()?;
    (net.prefix_len() > 0 && !net.addr().is_loopback()).then(|| source.to_owned())
}
