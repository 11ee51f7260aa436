//! Login before and after an action: the same short probes, from the same place.
//!
//! Must not live here: the probes (`probe::login_check`) and any reasoning about causes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use super::follow::whole_seconds;
use super::{Desk, Progress, tell};
use crate::action::plan::{Completion, Plan};
use crate::cloud::inventory;
use crate::domain::action::ActionId;
use crate::domain::evidence::Path;
use crate::domain::instance::{Instance, Os};
use crate::domain::said::{Said, Table, Word};
use crate::probe::{LoginHealth, Protocol, login_check};
use crate::runtime::said;
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
    pub detail: Said,
    #[serde(skip)]
    rank: Option<u8>,
}

impl LoginLook {
    /// `public 203.0.113.9:22 answers: ...`.
    pub fn sentence(&self) -> Said {
        let address = SocketAddr::new(self.address, self.port);
        said::look(self.on(), address, self.how(), &self.detail)
    }

    /// `public answers`.
    pub fn in_short(&self) -> Said {
        said::look_short(self.on(), self.how())
    }

    fn on(&self) -> Word {
        Word::new(Table::Path, self.path.as_str())
    }

    fn how(&self) -> Word {
        Word::new(Table::Login, self.health)
    }
}

pub(super) fn sentences(looks: &[LoginLook]) -> Vec<Said> {
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
    detail: &Said,
) -> (Outcome, Said) {
    let best = |looks: &[LoginLook]| looks.iter().filter_map(|look| look.rank).max();
    let took = whole_seconds(took);
    let (Some(was), Some(is)) = (best(before), best(after)) else {
        return (Outcome::Done, said::not_probed(detail));
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
        return match (was_first, is_first) {
            (SLOW, PROMPT..) => (Outcome::Restored, said::promptly_again(detail, took)),
            (SLOW, _) => (Outcome::Unchanged, said::as_slow(detail, took)),
            (PROMPT.., SLOW) => (Outcome::Done, said::more_slowly(detail, took)),
            (PROMPT.., _) => (Outcome::Done, said::as_before(detail, took)),
            (_, SLOW) => (Outcome::Restored, said::slow_again(detail, took)),
            _ => (Outcome::Restored, said::answers_again(detail, took)),
        };
    }
    let now = after.first().map(LoginLook::sentence).unwrap_or_default();
    if plan.reverses.is_some() {
        return (Outcome::Done, said::effect_undone(detail, now));
    }
    if let Some(source) = admitted_elsewhere(plan) {
        return (Outcome::Done, said::not_from_here(detail, source));
    }
    let outcome = match is.cmp(&was).then(first(after).cmp(&first(before))) {
        std::cmp::Ordering::Greater => Outcome::Improved,
        std::cmp::Ordering::Equal => Outcome::Unchanged,
        std::cmp::Ordering::Less => Outcome::Worse,
    };
    let sentence = match outcome {
        Outcome::Worse => said::got_worse(detail, now),
        _ => said::not_the_cause(detail, now),
    };
    (outcome, sentence)
}

/// The network that a plan let in, when this host is certainly not part of it.
fn admitted_elsewhere(plan: &Plan) -> Option<String> {
    plan.rules.as_ref()?;
    let source = plan.parameters.get("source")?.as_str()?;
    let net: IpNet = source.parse().ok()?;
    (net.prefix_len() > 0 && !net.addr().is_loopback()).then(|| source.to_owned())
}
