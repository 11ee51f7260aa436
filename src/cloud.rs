//! API 3.0 client of the cloud, and the cloud's facts as readings.
//!
//! Lives here: signing, transport, rate limits, credentials, inventory and the "from the cloud"
//! groups of evidence. Must not live here: judgement about causes, plans of actions, settings.

mod answer;
mod audit_log;
pub mod automation;
pub mod calls;
pub mod client;
pub mod credentials;
pub mod endpoint;
pub mod error;
pub mod facts;
pub mod inventory;
pub mod permissions;
pub mod pool;
mod proxies;
pub mod said;
mod served;
pub mod sign;
pub mod tap;
pub mod throttle;
mod transport;
pub mod wire;

pub use client::{Answer, Client, ClientConfig, Proxies};
pub use error::CloudError;
pub use pool::Pool;

use std::sync::Once;

/// Installs the process-wide TLS provider (ring); later calls do nothing.
///
/// Every client needs it before it is built, so `Client::new` calls it too.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error only says that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
