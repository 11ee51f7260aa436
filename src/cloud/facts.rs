//! Everything the cloud knows about one instance, as readings.
//!
//! All independent calls run at once; each fact is sent on as soon as it is known. A call that
//! fails leaves its groups unknown, never negative. Must not live here: the calls themselves
//! (`facts::*`), what readings mean for causes (`diagnosis`).

mod account;
mod addresses;
mod agent;
mod attack;
mod changes;
mod events;
mod groups;
mod metrics;
mod peers;
mod route;
mod self_check;
mod state;
mod subnet;

pub use super::audit_log::RELEVANT as RELEVANT_CHANGES;
pub use groups::GroupRules;
pub use metrics::Series;
pub use peers::PeerInstance;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{OnceCell, mpsc};

use self::events::Events;
use self::metrics::Metrics;
use super::client::Client;
use super::error::{CloudError, NetworkFailure};
use super::inventory;
use super::wire::{AddressItem, DiskItem, RepairTaskItem};
use crate::cloud::said;
use crate::domain::api_call::ApiCall;
use crate::domain::check::CheckFacts;
use crate::domain::evidence::state::instance_state;
use crate::domain::evidence::{Path, Reading, Source, State, Status, group};
use crate::domain::instance::Instance;
use crate::domain::network_acl::NetworkAcl;
use crate::domain::private_way::PrivateWay;
use crate::domain::said::Said;
use crate::domain::security_group::{References, SecurityGroup};

/// Time for a call after another one got no answer at all: a cloud that hangs must not hold up
/// the chain of calls that rest on each other.
const AFTER_SILENCE: Duration = Duration::from_secs(1);

/// Groups that `gather` fills.
pub const GROUPS: &[&str] = &[
    group::INSTANCE_STATE,
    group::LAST_OPERATION,
    group::RESTRICTION,
    group::ACCOUNT_BALANCE,
    group::PUBLIC_ADDRESS,
    group::PUBLIC_BANDWIDTH,
    group::DDOS_BLOCK,
    group::SECURITY_GROUP,
    group::SECURITY_GROUP_HERE,
    group::NETWORK_ACL,
    group::ROUTE,
    group::BANDWIDTH_USE,
    group::CPU,
    group::MEMORY,
    group::DISK,
    group::DISK_IO,
    group::AGENT,
    group::AGENT_EXEC,
    group::PLATFORM_EVENT,
    group::RECENT_CHANGE,
];

/// Who writes the group `agent-exec`: of two writers the later one would hide what the first saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunInGuest {
    /// Nobody consented to anything; the facts say so.
    #[default]
    Nothing,
    /// The facts run one trivial command.
    Trivial,
    /// The guest check runs beside the facts and tells how it went; the facts say nothing.
    GuestCheck,
}

/// A call that this program made, as its journal has it.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnCall {
    /// Id of the journal's entry.
    pub entry: String,
    /// What was done, by whom and why it was.
    pub what: Said,
}

/// What to look for, and how far to go.
#[derive(Debug, Clone)]
pub struct FactRequest {
    /// Address that the failing user comes from.
    pub user_source: Option<IpAddr>,
    /// Our own address per path, as a local socket towards the instance has it.
    pub own_sources: Vec<(Path, IpAddr)>,
    /// Login port to judge; the instance's own unless set.
    pub login_port: Option<u16>,
    /// Since when login fails.
    pub onset: Option<Timestamp>,
    /// What this program did itself, by request id: the audit log knows it by the call alone.
    pub own_calls: BTreeMap<String, OwnCall>,
    /// Since when the instance has been seen in a transitional state.
    pub transitional_since: Option<Timestamp>,
    /// What is run in the guest, and by whom.
    pub run_in_guest: RunInGuest,
    /// The instance was read from the cloud a moment ago and need not be read again.
    pub instance_is_fresh: bool,
    /// Also read what only the self-diagnosis needs.
    pub self_check: bool,
    /// Time for one call, from when its request leaves; what is not known by then is
    /// `probe-failed`.
    pub time_limit: Duration,
}

impl Default for FactRequest {
    fn default() -> Self {
        Self {
            user_source: None,
            own_sources: Vec::new(),
            login_port: None,
            onset: None,
            own_calls: BTreeMap::new(),
            transitional_since: None,
            run_in_guest: RunInGuest::Nothing,
            instance_is_fresh: false,
            self_check: false,
            time_limit: Duration::from_secs(5),
        }
    }
}

/// What was found out; the parts beside the readings are for plans and views.
#[derive(Debug, Clone, Default)]
pub struct CloudFacts {
    pub readings: Vec<Reading>,
    /// The instance as it is now, where it could be read again.
    pub instance: Option<Instance>,
    /// Bound groups in binding order; `None` if one could not be read.
    pub groups: Option<Vec<GroupRules>>,
    /// Bodies of templates and members of groups that rules refer to.
    pub references: References,
    /// Addresses bound to the instance; `None` if they could not be read.
    pub addresses: Option<Vec<AddressItem>>,
    /// `STANDARD` or `LEGACY`; `None` if it could not be read.
    pub account_type: Option<String>,
    /// ACL of the subnet; `None` if there is none or it could not be read.
    pub network_acl: Option<NetworkAcl>,
    /// Whether this host is on the private path; `None` if nobody can say.
    pub private_way: Option<PrivateWay>,
    /// True if `route` speaks of the way back to this host, not to the user.
    pub route_is_ours: bool,
    /// Other instances that tell more by being reachable or not.
    pub peers: Vec<PeerInstance>,
    /// Every running instance that was found in its subnet or with one of its groups.
    pub around: Vec<Instance>,
    /// Repair tasks that are not ended.
    pub repair_tasks: Vec<RepairTaskItem>,
    /// Time series by metric.
    pub metrics: BTreeMap<String, Series>,
    /// What the self-diagnosis needs beyond the readings, where one was asked for.
    pub check: Option<CheckFacts>,
}

/// What probes can use while the rest is still being read.
#[derive(Debug, Clone, Default)]
pub struct Neighbourhood {
    pub peers: Vec<PeerInstance>,
    /// Bound groups in binding order; empty if one could not be read.
    pub groups: Vec<GroupRules>,
}

/// Reads every group of [`GROUPS`] for `instance`. Each reading goes to `sink` at once and is in
/// the result too; a receiver that has gone does not stop the rest.
pub async fn gather(
    client: &Client,
    instance: &Instance,
    request: &FactRequest,
    sink: mpsc::Sender<Reading>,
) -> CloudFacts {
    gather_telling(client, instance, request, sink, |_| {}).await
}

/// The same; `early` is told of the neighbourhood as soon as it is known.
pub async fn gather_telling(
    client: &Client,
    instance: &Instance,
    request: &FactRequest,
    sink: mpsc::Sender<Reading>,
    early: impl FnOnce(Neighbourhood) + Send,
) -> CloudFacts {
    let gatherer = Gatherer::new(client, instance, request, sink);
    if instance.is_static {
        return gatherer.without_cloud().await;
    }
    // The future of all calls together is large.
    Box::pin(gatherer.run(early)).await
}

/// Reads the rules alone as they are now: `security-group`, `security-group-here`, `network-acl`
/// and `route` for the sources of `request`.
pub async fn rules(client: &Client, instance: &Instance, request: &FactRequest) -> Vec<Reading> {
    rule_sets(client, instance, request).await.readings
}

/// The rules that decide about traffic of one instance, as they are now.
#[derive(Debug, Clone, Default)]
pub struct RuleSets {
    /// As [`rules`] gives them; those of a rule set that could not be read say why.
    pub readings: Vec<Reading>,
    /// Bound groups in binding order; `None` if one could not be read.
    pub groups: Option<Vec<GroupRules>>,
    /// Bodies of templates and members of groups that inbound rules refer to.
    pub references: References,
    /// ACL of the subnet; `None` if there is none or it could not be read.
    pub network_acl: Option<NetworkAcl>,
}

/// Reads the rules themselves, and what they say of the sources of `request`.
pub async fn rule_sets(client: &Client, instance: &Instance, request: &FactRequest) -> RuleSets {
    let gatherer = Gatherer::alone(client, instance, request);
    let both = async { tokio::join!(groups::read(&gatherer), subnet::read(&gatherer)) };
    // The future of all calls together is large.
    let (groups, subnet) = Box::pin(both).await;
    RuleSets {
        readings: [groups.readings, subnet.readings].concat(),
        groups: groups.rules,
        references: groups.references,
        network_acl: subnet.acl,
    }
}

/// Bodies of what the rules of these groups refer to; what cannot be read stays out.
pub async fn references(
    client: &Client,
    instance: &Instance,
    groups: &[SecurityGroup],
) -> References {
    let gatherer = Gatherer::alone(client, instance, &FactRequest::default());
    Box::pin(groups::references(&gatherer, groups)).await.0
}

/// The readings of an instance that the cloud could not be asked about.
pub fn unasked(error: &CloudError) -> Vec<Reading> {
    let why = said::not_asked_address();
    let unasked = |group: &&str| Reading::without_state(group, Source::Cloud, error.status(), &why);
    GROUPS.iter().map(unasked).collect()
}

/// One run over one instance.
struct Gatherer {
    client: Client,
    instance: Instance,
    request: FactRequest,
    sink: mpsc::Sender<Reading>,
    /// Set once a call got no answer in time: further ones are given less.
    hung: AtomicBool,
    /// Two parts ask for them.
    disks: OnceCell<Result<Vec<DiskItem>, CloudError>>,
}

impl Gatherer {
    /// A run whose readings nobody watches arrive: the receiver is dropped at once.
    fn alone(client: &Client, instance: &Instance, request: &FactRequest) -> Self {
        let (sink, _) = mpsc::channel(1);
        Self::new(client, instance, request, sink)
    }

    fn new(
        client: &Client,
        instance: &Instance,
        request: &FactRequest,
        sink: mpsc::Sender<Reading>,
    ) -> Self {
        Self {
            client: client.clone(),
            instance: instance.clone(),
            request: request.clone(),
            sink,
            hung: AtomicBool::new(false),
            disks: OnceCell::new(),
        }
    }

    async fn run(mut self, early: impl FnOnce(Neighbourhood) + Send) -> CloudFacts {
        let mut facts = CloudFacts::default();
        let refresh_failure = self.refresh().await;
        facts.instance = refresh_failure.is_none().then(|| self.instance.clone());
        let this = &self;
        // The audit log is asked about each resource as soon as its id is known.
        let (tell, related) = changes::related();
        let groups = async {
            let groups = groups::read(this).await;
            // Nobody waits any more where the audit log has failed.
            let ungrouped = this.instance.security_group_ids.is_empty();
            let ids = groups.template_ids();
            let _ = tell
                .templates
                .send(ids.or_else(|| ungrouped.then(Vec::new)));
            groups
        };
        let addresses = async {
            let addresses = addresses::read(this).await;
            let _ = tell.addresses.send(addresses.ids());
            addresses
        };
        let subnet = async {
            let subnet = subnet::read(this).await;
            let _ = tell.subnet.send(subnet.ids.clone());
            subnet
        };
        let neighbourhood = async {
            let (groups, peers) = tokio::join!(groups, peers::read(this));
            early(Neighbourhood {
                peers: peers.chosen.clone(),
                groups: groups.rules.clone().unwrap_or_default(),
            });
            (groups, peers)
        };
        let (
            state,
            addresses,
            (groups, peers),
            subnet,
            (events, metrics, fetched),
            agent,
            changes,
            balance,
        ) = tokio::join!(
            state::read(this, refresh_failure.as_ref()),
            addresses,
            neighbourhood,
            subnet,
            this.measured(),
            agent::read(this),
            changes::read(this, related),
            account::read(this),
        );
        facts.check = fetched.map(|it| self_check::facts(this, it, &events, &metrics, &addresses));
        let bandwidth = metrics::bandwidth_use(this, &metrics, &addresses).await;
        facts.readings = [
            state,
            addresses.readings,
            groups.readings,
            subnet.readings,
            metrics.readings,
            bandwidth,
            agent,
            events.readings,
            changes,
            balance,
        ]
        .concat();
        facts.addresses = addresses.bound;
        facts.account_type = addresses.account_type;
        facts.groups = groups.rules;
        facts.references = groups.references;
        facts.network_acl = subnet.acl;
        facts.private_way = subnet.way;
        facts.route_is_ours = subnet.route_is_ours;
        facts.repair_tasks = events.open_tasks;
        facts.metrics = metrics.series;
        facts.peers = peers.chosen;
        facts.around = peers.all;
        facts
    }

    /// What monitoring tells, and what of it only the self-diagnosis needs.
    async fn measured(&self) -> (Events, Metrics, Option<self_check::Fetched>) {
        let (events, fetched, more) = tokio::join!(
            events::read(self),
            metrics::fetch(self),
            self_check::fetch(self),
        );
        let metrics = metrics::read(self, fetched, &events.product).await;
        (events, metrics, more)
    }

    /// Reads the instance again, where it is not fresh; gives why that failed.
    async fn refresh(&mut self) -> Option<CloudError> {
        if !self.request.instance_is_fresh {
            match self.refreshed().await {
                Ok(instance) => self.instance = instance,
                Err(error) => return Some(error),
            }
        }
        None
    }

    async fn refreshed(&self) -> Result<Instance, CloudError> {
        let id = &self.instance.id;
        let client = self.client.patient(self.request.time_limit);
        let found = inventory::refresh(&client, &self.instance.region, id).await;
        let found = self.noting_silence(found)?;
        let mut instance = found.ok_or_else(|| CloudError::NotFound {
            action: "cvm:DescribeInstances".to_owned(),
            code: "InvalidInstanceId.NotFound".to_owned(),
            message: format!("{id} ({})", self.instance.region),
            request_id: String::new(),
        })?;
        instance.configured_login_port = self.instance.configured_login_port;
        Ok(instance)
    }

    /// A host without a cloud: nothing here applies to it.
    async fn without_cloud(&self) -> CloudFacts {
        let readings = GROUPS
            .iter()
            .map(|group| {
                let why = said::host_configuration_no();
                self.without_state(group, Status::NotApplicable, why)
            })
            .collect();
        CloudFacts {
            readings: self.emit(Instant::now(), readings).await,
            instance: Some(self.instance.clone()),
            ..CloudFacts::default()
        }
    }

    /// Sends a read within the time limit.
    async fn call(&self, call: &ApiCall) -> Result<Value, CloudError> {
        let limit = if self.hung.load(Ordering::Relaxed) {
            AFTER_SILENCE.min(self.request.time_limit)
        } else {
            self.request.time_limit
        };
        let answer = self.client.patient(limit).call(call).await;
        Ok(self.noting_silence(answer)?.response)
    }

    /// A call of the instance's region with parameters.
    async fn ask(
        &self,
        service: &str,
        action: &str,
        parameters: Value,
    ) -> Result<Value, CloudError> {
        let region = &self.instance.region;
        self.call(&ApiCall::new(service, action, region, parameters))
            .await
    }

    fn noting_silence<T>(&self, result: Result<T, CloudError>) -> Result<T, CloudError> {
        let timeout = NetworkFailure::Timeout;
        if matches!(&result, Err(CloudError::Network { failure, .. }) if *failure == timeout) {
            self.hung.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Now by the cloud's clock: its figures carry its times.
    fn now(&self) -> Timestamp {
        self.client.now()
    }

    /// This host's address towards the instance on a path; IPv4 where it has both.
    fn own_source(&self, path: Path) -> Option<IpAddr> {
        let sources = &self.request.own_sources;
        let mut on_path = sources.iter().filter(|(known, _)| *known == path);
        on_path.next().map(|(_, source)| *source)
    }

    /// The port that login is judged on.
    fn port(&self) -> u16 {
        self.request
            .login_port
            .unwrap_or_else(|| self.instance.login_port())
    }

    #[allow(clippy::unused_self)] // reads like `failed`, its counterpart
    fn observed(&self, state: State<'_>, detail: impl Into<Said>) -> Reading {
        Reading::observed(state, Source::Cloud, detail)
    }

    #[allow(clippy::unused_self)] // reads like `failed`, its counterpart
    fn without_state(&self, id: &str, status: Status, detail: impl Into<Said>) -> Reading {
        Reading::without_state(id, Source::Cloud, status, detail)
    }

    /// The reading of a group whose call failed.
    fn failed(&self, id: &str, error: &CloudError) -> Reading {
        let reading = self.without_state(id, error.status(), error.said());
        match error.missing_permission() {
            Some(permission) => reading.needing(Said::raw(permission)),
            None => reading,
        }
    }

    /// True while the guest cannot be running, so that its metrics say nothing.
    fn is_off(&self) -> bool {
        matches!(
            self.instance.state_class(),
            Some(
                instance_state::STOPPED
                    | instance_state::TERMINATING
                    | instance_state::LAUNCH_FAILED
            )
        )
    }

    /// Stamps readings with time and cost and sends them on.
    async fn emit(&self, started: Instant, readings: Vec<Reading>) -> Vec<Reading> {
        let now = Timestamp::now();
        let cost = started.elapsed().as_millis() as u64;
        let readings: Vec<Reading> = readings
            .into_iter()
            .map(|reading| reading.at(now, cost))
            .collect();
        for reading in &readings {
            // The result holds the reading as well, so a closed sink loses nothing.
            let _ = self.sink.send(reading.clone()).await;
        }
        readings
    }
}
