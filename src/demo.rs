//! An embedded cloud (API 3.0 over HTTP) and loopback hosts behind it.
//!
//! Lives here: starting and ending both, and what a caller may choose about them.
//! Must not live here: anything that the rest of the program needs; only `cli` and tests know the demo.

pub mod guest;
mod hosts;
mod neighbour;
mod server;
mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::domain::site::Site;
pub use server::faults::{Fault, Faults};
use world::World;

/// `SecretId` that the demo cloud accepts.
pub const SECRET_ID: &str = "AKIDdemo4cvmtop0loopback0only0000000";
/// `SecretKey` that belongs to [`SECRET_ID`]; it opens nothing but this process on loopback.
pub const SECRET_KEY: &str = "demo-key-without-any-account-behind";

/// What a caller may choose about the demo.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own for a caller"
)]
pub struct DemoOptions {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Generated instances beside the scripted ones.
    pub fleet: usize,
    /// Whether the documented rate limits are enforced.
    pub rate_limits: bool,
    /// Whether the key may read the account's balance (often refused to operators, so off).
    pub finance_permission: bool,
    /// Whether the hosts behind the API are bound at all.
    pub hosts: bool,
    /// How long a reboot takes; the other operations scale with it.
    pub reboot: Duration,
    /// Seconds by which the cloud's clock is ahead of this machine's.
    pub clock_offset_s: i64,
    /// Faults injected into answers.
    pub faults: Faults,
    /// Whether the agent of a Linux guest runs the profile files before a script, as the vendor's page
    /// 1340/118990 says: one that calls itself then keeps every script from running.
    pub profile_first: bool,
    /// The vendor's site that is played: the international one lacks some actions.
    pub site: Site,
    /// File to which each action, request and response is appended as one JSON line.
    pub record: Option<PathBuf>,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            fleet: 0,
            rate_limits: true,
            finance_permission: false,
            hosts: true,
            reboot: Duration::from_secs(4),
            clock_offset_s: 0,
            faults: Faults::default(),
            profile_first: true,
            site: Site::China,
            record: None,
        }
    }
}

/// Why the demo could not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the demo cloud cannot listen on {address}: {source}; choose another address")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("no free block of loopback addresses for the demo hosts; end another demo first")]
    NoAddresses,
    #[error("the demo fleet is damaged: {0}")]
    Fleet(String),
    #[error("the demo cannot write its record to {path}: {source}")]
    Record {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the demo cannot make its certificates: {0}")]
    Certificate(String),
}

/// A running demo; it ends when this is dropped.
#[derive(Debug)]
pub struct DemoCloud {
    /// `http://ADDR`, for every service.
    pub endpoint: String,
    pub secret_id: String,
    pub secret_key: String,
    pub regions: Vec<String>,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl DemoCloud {
    /// Sets the injected faults of the running cloud.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.shared.faults) = faults;
    }

    /// Name, id and demonstrated cause (empty for a healthy one) of each scripted instance.
    pub fn script(&self) -> Vec<(String, String, String)> {
        let world = self.shared.world();
        let scripted = world.machines.iter().filter(|m| !m.generated);
        scripted
            .map(|m| (m.name.clone(), m.id.clone(), m.cause.clone()))
            .collect()
    }

    /// What is not in order inside each scripted guest, by `guest-*` group.
    pub fn guest_findings(&self) -> Vec<(String, BTreeMap<String, String>)> {
        let world = self.shared.world();
        let scripted = world.machines.iter().filter(|m| !m.generated);
        scripted
            .map(|m| (m.name.clone(), m.guest.clone()))
            .collect()
    }
}

impl Drop for DemoCloud {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the API, the hosts and the clock share.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    /// Rung after every change of the world.
    changed: Notify,
    faults: Mutex<Faults>,
    options: DemoOptions,
}

impl Shared {
    /// The world, brought up to now.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = lock(&self.world);
        world.advance(Instant::now());
        world
    }
}

/// Takes a lock whose holder cannot leave a half-done state worth refusing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the API and the hosts on the current runtime.
pub async fn start(options: DemoOptions) -> Result<DemoCloud, DemoError> {
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .map_err(|source| DemoError::Listen {
            address: options.listen,
            source,
        })?;
    let address = listener.local_addr().map_err(|source| DemoError::Listen {
        address: options.listen,
        source,
    })?;
    let claim = if options.hosts {
        hosts::claim_block()?
    } else {
        hosts::Claim::none()
    };
    let world = World::load(claim.block, options.fleet, options.reboot)?;
    let regions = world.regions();
    let record = server::record::Recorder::open(options.record.as_deref())?;
    let shared = Arc::new(Shared {
        world: Mutex::new(world),
        changed: Notify::new(),
        faults: Mutex::new(options.faults.clone()),
        options,
    });
    let mut tasks = Vec::new();
    if shared.options.hosts {
        let hosts = hosts::Hosts::new(Arc::clone(&shared), claim)?;
        let ready = Arc::new(Notify::new());
        tasks.push(tokio::spawn(hosts.run(Arc::clone(&ready))));
        ready.notified().await;
    }
    tasks.push(tokio::spawn(server::serve(
        listener,
        Arc::clone(&shared),
        record,
    )));
    Ok(DemoCloud {
        endpoint: format!("http://{address}"),
        secret_id: SECRET_ID.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        regions,
        shared,
        tasks,
    })
}
