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
mod state;
mod subnet;

pub use groups::GroupRules;
pub use metrics::Series;
pub use peers::PeerInstance;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;

use super::client::Client;
use super::error::{CloudError, NetworkFailure};
use super::inventory;
use super::wire::{AddressItem, RepairTaskItem};
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::{Path, Reading, Source, Status};
use crate::domain::instance::Instance;
use crate::domain::network_acl::NetworkAcl;
use crate::domain::security_group::References;

/// Groups that `gather` fills.
pub const GROUPS: &[&str] = &[
    "instance-state",
    "last-operation",
    "restriction",
    "account-balance",
    "public-address",
    "public-bandwidth",
    "ddos-block",
    "security-group",
    "security-group-here",
    "network-acl",
    "route",
    "bandwidth-use",
    "cpu",
    "memory",
    "disk",
    "disk-io",
    "agent",
    "agent-exec",
    "platform-event",
    "recent-change",
];

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
    /// Since when the instance has been seen in a transitional state.
    pub transitional_since: Option<Timestamp>,
    /// Consent to run a trivial command in the guest.
    pub run_in_guest: bool,
    /// The instance was read from the cloud a moment ago and need not be read again.
    pub instance_is_fresh: bool,
    /// Time for the whole; what is not known by then is `probe-failed`.
    pub time_limit: Duration,
}

impl Default for FactRequest {
    fn default() -> Self {
        Self {
            user_source: None,
            own_sources: Vec::new(),
            login_port: None,
            onset: None,
            transitional_since: None,
            run_in_guest: false,
            instance_is_fresh: false,
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
    /// Other instances that tell more by being reachable or not.
    pub peers: Vec<PeerInstance>,
    /// Repair tasks that are not ended.
    pub repair_tasks: Vec<RepairTaskItem>,
    /// Time series by metric.
    pub metrics: BTreeMap<String, Series>,
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
    let gatherer = Gatherer {
        client: client.clone(),
        instance: instance.clone(),
        request: request.clone(),
        sink,
        started: Instant::now(),
    };
    if instance.is_static {
        return gatherer.without_cloud().await;
    }
    // The future of all calls together is large.
    Box::pin(gatherer.run(early)).await
}

/// One run over one instance.
struct Gatherer {
    client: Client,
    instance: Instance,
    request: FactRequest,
    sink: mpsc::Sender<Reading>,
    started: Instant,
}

impl Gatherer {
    async fn run(mut self, early: impl FnOnce(Neighbourhood) + Send) -> CloudFacts {
        let mut facts = CloudFacts::default();
        let mut refresh_failure = None;
        if !self.request.instance_is_fresh {
            match self.refreshed().await {
                Ok(instance) => self.instance = instance,
                Err(error) => refresh_failure = Some(error),
            }
        }
        facts.instance = refresh_failure.is_none().then(|| self.instance.clone());
        let this = &self;
        let neighbourhood = async {
            let (groups, peers) = tokio::join!(groups::read(this), peers::read(this));
            early(Neighbourhood {
                peers: peers.clone(),
                groups: groups.rules.clone().unwrap_or_default(),
            });
            (groups, peers)
        };
        let (state, addresses, (groups, peers), subnet, (events, metrics), agent, changes, balance) = tokio::join!(
            state::read(this, refresh_failure.as_ref()),
            addresses::read(this),
            neighbourhood,
            subnet::read(this),
            async {
                let (events, fetched) = tokio::join!(events::read(this), metrics::fetch(this));
                let metrics = metrics::read(this, fetched, &events.product).await;
                (events, metrics)
            },
            agent::read(this),
            changes::read(this),
            account::read(this),
        );
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
        facts.repair_tasks = events.open_tasks;
        facts.metrics = metrics.series;
        facts.peers = peers;
        facts
    }

    async fn refreshed(&self) -> Result<Instance, CloudError> {
        let id = &self.instance.id;
        let found = inventory::refresh(&self.client, &self.instance.region, id);
        let found = self.within("cvm:DescribeInstances", found).await?;
        let mut instance = found.ok_or_else(|| CloudError::NotFound {
            action: "cvm:DescribeInstances".to_owned(),
            code: "InvalidInstanceId.NotFound".to_owned(),
            message: format!("{id} is not in {} any more", self.instance.region),
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
                let why = "this host is from the configuration and has no cloud behind it";
                self.without_state(group, Status::NotApplicable, why)
            })
            .collect();
        CloudFacts {
            readings: self.emit(self.started, readings).await,
            instance: Some(self.instance.clone()),
            ..CloudFacts::default()
        }
    }

    /// Sends a read within the time limit.
    async fn call(&self, call: &ApiCall) -> Result<Value, CloudError> {
        let answer = self.client.call(call);
        Ok(self.within(&call.permission(), answer).await?.response)
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

    async fn within<T>(
        &self,
        action: &str,
        future: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let limit = self
            .request
            .time_limit
            .saturating_sub(self.started.elapsed());
        match tokio::time::timeout(limit, future).await {
            Ok(result) => result,
            Err(_) => Err(CloudError::Network {
                action: action.to_owned(),
                host: "the cloud".to_owned(),
                failure: NetworkFailure::Timeout,
                reason: format!("no answer within {} s", self.request.time_limit.as_secs()),
            }),
        }
    }

    /// Now by the cloud's clock: its figures carry its times.
    fn now(&self) -> Timestamp {
        self.client.now()
    }

    /// The port that login is judged on.
    fn port(&self) -> u16 {
        self.request
            .login_port
            .unwrap_or_else(|| self.instance.login_port())
    }

    #[allow(clippy::unused_self)] // reads like `failed`, its counterpart
    fn observed(&self, id: &str, state: &str, detail: impl Into<String>) -> Reading {
        Reading::observed(id, Source::Cloud, state, detail)
    }

    #[allow(clippy::unused_self)] // reads like `failed`, its counterpart
    fn without_state(&self, id: &str, status: Status, detail: impl Into<String>) -> Reading {
        Reading::without_state(id, Source::Cloud, status, detail)
    }

    /// The reading of a group whose call failed.
    fn failed(&self, id: &str, error: &CloudError) -> Reading {
        let reading = self.without_state(id, error.status(), error.to_string());
        match error.missing_permission() {
            Some(permission) => reading.needing(permission),
            None => reading,
        }
    }

    /// True while the guest cannot be running, so that its metrics say nothing.
    fn is_off(&self) -> bool {
        matches!(
            self.instance.state_class(),
            Some("stopped" | "terminating" | "launch-failed")
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
