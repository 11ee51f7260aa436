//! The machines' sockets: one endpoint per address and port, kept in step with the world.
//!
//! Lives here: binding, silence, acceptance, and the reconciliation after each change.
//! Must not live here: why a port answers as it does (`world::path`) or the protocols (`ssh`, `rdp`).

mod endpoint;
mod rdp;
mod secure;
mod ssh;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::world::Face;
use super::{DemoError, Shared};
use endpoint::Endpoint;

/// How long a slow service takes to answer: longer than the two seconds that still count as fast.
const SLOW: Duration = Duration::from_millis(2200);

/// A block of loopback addresses that no other demo uses while this value lives.
#[derive(Debug)]
pub(super) struct Claim {
    /// Second octet of the public addresses.
    pub block: u8,
    _lock: Option<TcpListener>,
}

impl Claim {
    /// For a cloud without hosts.
    pub fn none() -> Self {
        Self {
            block: 66,
            _lock: None,
        }
    }
}

/// Finds a free block; a listener on its last address marks it as taken.
pub(super) fn claim_block() -> Result<Claim, DemoError> {
    for number in 0..77_u8 {
        let block = 66 + number % 11 + 22 * (number / 11);
        if let Ok(lock) = TcpListener::bind((Ipv4Addr::new(127, block, 255, 254), 10_022)) {
            return Ok(Claim {
                block,
                _lock: Some(lock),
            });
        }
    }
    Err(DemoError::NoAddresses)
}

/// Keeps the sockets in step with the world.
pub(super) struct Hosts {
    shared: Arc<Shared>,
    tools: Arc<Tools>,
    endpoints: BTreeMap<SocketAddrV4, Endpoint>,
    _claim: Claim,
}

/// What the protocols need and only has to be made once.
#[derive(Debug)]
pub(super) struct Tools {
    pub certificates: rdp::Certificates,
}

impl Hosts {
    pub fn new(shared: Arc<Shared>, claim: Claim) -> Result<Self, DemoError> {
        Ok(Self {
            shared,
            tools: Arc::new(Tools {
                certificates: rdp::Certificates::generate()?,
            }),
            endpoints: BTreeMap::new(),
            _claim: claim,
        })
    }

    /// Reconciles once, says so, then after every change and every step of time.
    pub async fn run(mut self, ready: Arc<Notify>) {
        let mut announced = false;
        let shared = Arc::clone(&self.shared);
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (faces, due) = {
                let world = shared.world();
                (world.faces(), world.next_due())
            };
            self.reconcile(&faces);
            if !announced {
                ready.notify_one();
                announced = true;
            }
            let pause = due.map_or(Duration::from_secs(3600), |due| {
                due.saturating_duration_since(std::time::Instant::now())
            });
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn reconcile(&mut self, faces: &BTreeMap<SocketAddrV4, (usize, Face)>) {
        self.endpoints
            .retain(|address, _| faces.contains_key(address));
        for (address, (machine, face)) in faces {
            match self.endpoints.get_mut(address) {
                Some(endpoint) => endpoint.show(*face),
                None => match Endpoint::bind(*address, *machine, *face, Arc::clone(&self.tools)) {
                    Ok(endpoint) => {
                        self.endpoints.insert(*address, endpoint);
                    }
                    Err(error) => tracing::warn!(%address, %error, "demo host cannot listen"),
                },
            }
        }
    }
}
