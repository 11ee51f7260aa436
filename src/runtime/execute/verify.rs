//! Login before and after an action: the same short probes, from the same place.
//!
//! Must not live here: the probes (`probe::login_check`), what the looks come to (`judge`), and any
//! reasoning about causes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::{Desk, Progress, tell};
use crate::action::plan::{Completion, Plan};
use crate::cloud::inventory;
use crate::domain::action::ActionId;
use crate::domain::evidence::{Family, Path, Reading, Status};
use crate::domain::instance::{Instance, Os};
use crate::domain::login_layer::{BrokenLayer, Layer};
use crate::domain::report::Report;
use crate::domain::said::{Said, Table, Word};
use crate::probe::{LoginHealth, Protocol, login_check};
use crate::runtime::said;
use crate::runtime::session::Session;
use crate::runtime::triage::{self, Triage, TriageOptions};
use crate::runtime::vantage::{own_source, shares_network};

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
            boot_limit: match os {
                Os::Windows => Duration::from_secs(300),
                _ => Duration::from_secs(180),
            },
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
    /// Each layer that was come to, outermost first.
    pub layers: Vec<LayerState>,
    #[serde(skip)]
    pub(super) rank: Option<u8>,
}

/// How one layer stands, in the words of its evidence group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LayerState {
    pub layer: Layer,
    pub state: &'static str,
}

impl LoginLook {
    /// `public 203.0.113.9:22 answers: ...`.
    pub fn sentence(&self) -> Said {
        let address = SocketAddr::new(self.address, self.port);
        said::look(self.on(), address, self.how(), &self.detail)
    }

    /// The state of a layer, where the look came to it.
    pub fn state_of(&self, layer: Layer) -> Option<&'static str> {
        let mut seen = self.layers.iter().filter(|seen| seen.layer == layer);
        seen.next().map(|seen| seen.state)
    }

    /// True if a layer further out does not let a client through.
    fn is_stopped_before(&self, layer: Layer) -> bool {
        let mut outer = self.layers.iter().filter(|seen| seen.layer < layer);
        outer.any(|seen| seen.layer.is_broken(seen.state))
    }

    /// Family of the address.
    pub fn family(&self) -> Family {
        Family::of(self.address)
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
        LoginHealth::Refused => REFUSED,
        LoginHealth::Mute | LoginHealth::TurnedAway | LoginHealth::WrongAnswer => 2,
        LoginHealth::Slow => 3,
        LoginHealth::Answers => 4,
    })
}

/// The system answers and nothing listens.
const REFUSED: u8 = 1;

/// How long after its network a system has started its login service, if it does at all.
fn started_by(os: Os) -> Duration {
    match os {
        Os::Windows => Duration::from_secs(120),
        _ => Duration::from_secs(45),
    }
}

/// Login works, if slowly.
pub(super) const SLOW: u8 = 3;
/// Login works as it should.
pub(super) const PROMPT: u8 = 4;
/// A service that has just come up may be slow for so long.
const WARM_UP: Duration = Duration::from_secs(20);
/// Looks in a row that must be good where the fault came and went.
const IN_A_ROW: usize = 4;
/// Pause between them.
const BETWEEN: Duration = Duration::from_millis(500);
/// How long they are waited for once the service has answered: it is up, and if the fault still
/// comes and goes, waiting for a boot that is over tells no more.
const STEADY: Duration = Duration::from_secs(10);

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
            layers: check
                .layers()
                .into_iter()
                .map(|(layer, state)| LayerState { layer, state })
                .collect(),
            rank: rank(check.health()),
        }
    });
    futures_util::future::join_all(looks).await
}

/// The layers that did not let a client through just before the action: as the diagnosis that led
/// to it read them, and as a look of just now finds them.
///
/// Only ways count on which this host's look says something: those that the users take, where
/// somebody said so, and a private one only where this host shares its network.
pub(super) fn broken_before(
    plan: &Plan,
    report: Option<&Report>,
    before: &[LoginLook],
) -> Vec<BrokenLayer> {
    let way = report.and_then(|report| report.vantage.user_way);
    // Of a source that is known only its own family is asked about.
    let family = judged_source(plan).map(|source| Family::of(source.addr()));
    let matters = |path: Option<Path>, of: Family| {
        let on_the_way = path.is_none_or(|path| way.is_none_or(|way| way == path));
        on_the_way && (path.is_none() || family.is_none_or(|family| family == of))
    };
    let seen_by_report = |path: Path| {
        let reach =
            |reading: &&Reading| reading.id == Layer::Reach.group() && reading.path == Some(path);
        report.and_then(|report| report.evidence.iter().find(reach))
    };
    let told = |look: &LoginLook| match seen_by_report(look.path) {
        // Set aside, or not permitted: this host's silence there says nothing.
        Some(reading) => reading.status == Status::Observed,
        None => {
            let wanted = report.is_none_or(|report| {
                let paths = &report.vantage.paths;
                paths.is_empty() || paths.contains(&look.path)
            });
            let shares = || shares_network(own_source(look.address), look.address);
            wanted && (look.path == Path::Public || shares())
        }
    };
    let mut broken: Vec<BrokenLayer> = Vec::new();
    // What answered before an exit from rescue was the rescue system.
    if plan.action == ActionId::ExitRescue {
        let first = before.first().filter(|look| told(look));
        broken.extend(first.map(|look| BrokenLayer {
            layer: Layer::Reach,
            path: Some(look.path),
            family: look.family(),
            group: String::new(),
            state: "refused".to_owned(),
        }));
        return broken;
    }
    for look in before.iter().filter(|look| told(look)) {
        let stopped = look
            .layers
            .iter()
            .find(|seen| seen.layer.is_broken(seen.state));
        if let Some(seen) = stopped
            && matters(Some(look.path), look.family())
            && !is_good_elsewhere(before, look, seen.layer)
        {
            broken.push(BrokenLayer {
                layer: seen.layer,
                path: Some(look.path),
                family: look.family(),
                group: String::new(),
                state: seen.state.to_owned(),
            });
        }
    }
    broken.extend(report.map(found_inside).unwrap_or_default());
    let read = report.map(|report| report.evidence.as_slice());
    for found in read.unwrap_or_default().iter().filter_map(BrokenLayer::of) {
        let same = |other: &BrokenLayer| {
            (other.layer, other.path, other.family) == (found.layer, found.path, found.family)
        };
        // A look of just now knows better, unless the fault comes and goes.
        let mended = !found.comes_and_goes() && is_good(before, &found) == Some(true);
        if matters(found.path, found.family) && !mended && !broken.iter().any(same) {
            broken.push(found);
        }
    }
    broken.sort_by_key(|broken| (broken.path, broken.layer, broken.group.clone()));
    broken.dedup();
    broken
}

/// A cause below this does not say what stops a login.
const LIKELY: f64 = 0.2;
/// What speaks less for a cause than this, in decibans, is not what it rests on.
const CARRIES: f64 = 3.0;

/// What the guest itself said that the likely causes rest on.
fn found_inside(report: &Report) -> Vec<BrokenLayer> {
    let likely = |id: &str| {
        let beside = &report.also_broken;
        beside
            .iter()
            .any(|also| also.id == id && also.probability >= LIKELY)
    };
    let causes = report
        .causes
        .iter()
        .filter(|cause| cause.probability >= LIKELY || likely(&cause.id));
    let terms = causes.flat_map(|cause| &cause.contributions);
    let carrying: Vec<&str> = terms
        .filter(|term| term.weight_db >= CARRIES && !term.observation.is_empty())
        .map(|term| term.observation.as_str())
        .collect();
    let readings = report.evidence.iter();
    readings
        .filter(|reading| carrying.contains(&reading.observation.as_str()))
        .filter_map(BrokenLayer::inside)
        .collect()
}

/// A whole look after an action, for what the short probes do not come to: it goes as far as the
/// look before it was allowed to.
#[derive(Debug, Clone, Copy)]
pub struct LookAgain<'a> {
    pub session: &'a Session,
    pub options: &'a TriageOptions,
}

/// Pause before a guest that has just started is asked once more, and how often.
const AGENT_PAUSE: Duration = Duration::from_secs(5);
const AGENT_TRIES: usize = 6;

/// Looks as the diagnosis before the action did, where the short probes cannot tell of each broken
/// layer. `None` where there is nothing left to find out.
pub(super) async fn whole_look(
    again: Option<LookAgain<'_>>,
    instance: &Instance,
    plan: &Plan,
    broken: &[BrokenLayer],
    looks: &[LoginLook],
) -> Option<Triage> {
    let LookAgain { session, options } = again?;
    let answers = looks.first().is_some_and(|look| look.rank >= Some(SLOW));
    let open = |broken: &&BrokenLayer| is_good(looks, broken).is_none();
    if !answers || plan.reverses.is_some() || !broken.iter().any(|broken| open(&broken)) {
        return None;
    }
    let options = TriageOptions {
        instance_is_fresh: true,
        ..options.clone()
    };
    let asks_inside = broken.iter().any(|broken| broken.layer == Layer::Inside);
    let mut tries = if asks_inside && boots(plan) {
        AGENT_TRIES
    } else {
        1
    };
    loop {
        // Nobody watches the readings arrive: the receiver is dropped at once.
        let (sink, _) = mpsc::channel(1);
        let triage = Box::pin(triage::run(session, instance, &options, sink)).await;
        tries -= 1;
        let told = |broken: &BrokenLayer| {
            broken.layer != Layer::Inside || broken.is_mended(&triage.readings).is_some()
        };
        // The agent is up some seconds after the login service.
        if tries == 0 || broken.iter().all(told) {
            return Some(triage);
        }
        tokio::time::sleep(AGENT_PAUSE).await;
    }
}

/// True if the plan ends with a start of the instance.
fn boots(plan: &Plan) -> bool {
    let ends = plan
        .steps
        .iter()
        .rev()
        .find_map(|step| match &step.completion {
            // A plan that ends with the instance stopped leaves nothing that could answer.
            Completion::Instance { state, .. } => Some(state.as_deref() != Some("STOPPED")),
            _ => None,
        });
    ends.unwrap_or(false)
}

/// Another address of the same way gets a client past this layer.
fn is_good_elsewhere(looks: &[LoginLook], but: &LoginLook, layer: Layer) -> bool {
    looks.iter().any(|look| {
        look.address != but.address
            && (look.path, look.family()) == (but.path, but.family())
            && look
                .state_of(layer)
                .is_some_and(|state| !layer.is_broken(state))
    })
}

/// Whether a layer lets clients through now; `None` where no look could come to it. Of several
/// addresses on one way the best counts: a client that uses it gets in. A look that an outer layer
/// stops would have been stopped at this one as well.
pub(super) fn is_good(looks: &[LoginLook], broken: &BrokenLayer) -> Option<bool> {
    let was_slow = broken.state == "slow";
    let found = looks
        .iter()
        .filter(|look| broken.path.is_none_or(|path| path == look.path))
        .filter(|look| look.family() == broken.family && look.rank.is_some());
    let states: Vec<Option<bool>> = found
        .map(|look| match look.state_of(broken.layer) {
            Some(state) => Some(!broken.layer.is_broken(state) || (state == "slow" && !was_slow)),
            None if look.is_stopped_before(broken.layer) => Some(false),
            None => None,
        })
        .collect();
    if states.contains(&Some(true)) {
        Some(true)
    } else if states.contains(&None) {
        None
    } else {
        states.first().copied().flatten()
    }
}

/// The one source for which the result is judged: the failing user's, else the one that the plan
/// lets in.
pub(super) fn judged_source(plan: &Plan) -> Option<IpNet> {
    let asked = || {
        let text = plan.parameters.get("source")?.as_str()?;
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .ok()
    };
    plan.user_source
        .map(IpNet::from)
        .or_else(asked)
        .filter(|net| net.prefix_len() > 0)
}

/// Looks until login is back on the path that matters, or the time is over. Gives the looks, and
/// the instance as it is now.
pub(super) async fn wait(
    desk: &Desk,
    instance: &Instance,
    plan: &Plan,
    probe: &LoginProbe,
    (before, broken): (&[LoginLook], &[BrokenLayer]),
    sink: &UnboundedSender<Progress>,
    started: Instant,
) -> (Vec<LoginLook>, Instance) {
    let limit = if boots(plan) {
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
    let wanted = if broken.iter().any(BrokenLayer::comes_and_goes) {
        IN_A_ROW
    } else {
        1
    };
    let mut in_a_row = 0;
    let mut first_good: Option<Instant> = None;
    let mut refused_since: Option<Instant> = None;
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
        let back = all_as_good_as_can_be(before, &looks, enough)
            && broken
                .iter()
                .all(|broken| is_good(&looks, broken) != Some(false));
        in_a_row = if back { in_a_row + 1 } else { 0 };
        if back && first_good.is_none() {
            first_good = Some(Instant::now());
        }
        let refuses = looks.first().is_some_and(|look| look.rank == Some(REFUSED));
        refused_since = refuses.then(|| refused_since.unwrap_or_else(Instant::now));
        // A system that refuses is up, and what it starts is started by now.
        let started_without = boots(plan)
            && refused_since.is_some_and(|since| since.elapsed() >= started_by(probe.os));
        let unsteady = first_good.is_some_and(|first| first.elapsed() >= STEADY);
        // Once it is good it is looked at until that is certain, or until it is not.
        let over = !back && (unsteady || started_without || waiting.elapsed() >= limit);
        if over || in_a_row >= wanted {
            return (looks, instance);
        }
        if first_good.is_some() {
            tokio::time::sleep(BETWEEN).await;
            continue;
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
