//! The embedded cloud and its hosts: for this process (`--demo`) and for other clients
//! (`cvmtop demo-cloud`, which prints one JSON line once it listens and runs until it is ended).
//!
//! Must not live here: the cloud itself (`demo`).

use tokio::signal::unix::{SignalKind, signal};

use tokio::sync::OnceCell;

use super::args::{DemoCloudArgs, GlobalArgs};
use super::{output, said};
use crate::cloud::credentials::{Credentials, Provider};
use crate::cloud::{Client, ClientConfig};
use crate::config::Settings;
use crate::demo::{self, DemoCloud, DemoOptions};
use crate::domain::site::Site;
use crate::runtime::session::{Cloud, Session, SessionError};

/// The demo of this process (`--demo`); it ends with it.
static RUNNING: OnceCell<DemoCloud> = OnceCell::const_new();

/// A session on the demo of this process, which is started by the first caller.
///
/// # Errors
/// When it cannot be started.
pub async fn session(settings: Settings, fleet: usize) -> Result<Session, SessionError> {
    let site = settings.cloud.site.site().unwrap_or(Site::China);
    let options = DemoOptions {
        fleet,
        site,
        ..DemoOptions::default()
    };
    let demo = RUNNING
        .get_or_try_init(|| demo::start(options))
        .await
        .map_err(|error| SessionError::Demo(error.to_string()))?;
    let keys = Credentials::new(demo.secret_id.clone(), demo.secret_key.clone());
    let mut config = ClientConfig::new(&demo.endpoint, Provider::Static(keys));
    config.site = Some(site);
    let cloud = Cloud {
        client: Client::new(config)?,
        regions: demo.regions.clone(),
        origin: said::the_demo_cloud(),
    };
    Session::with_cloud(settings, cloud)
}

/// Serves until SIGINT or SIGTERM.
pub async fn run(args: &DemoCloudArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let cloud = demo::start(DemoOptions {
        listen: args.listen,
        fleet: global.demo.fleet.unwrap_or(0),
        site: args.site.site().unwrap_or(Site::China),
        ..DemoOptions::default()
    })
    .await?;
    let line = serde_json::json!({
        "endpoint": cloud.endpoint,
        "secret_id": cloud.secret_id,
        "secret_key": cloud.secret_key,
        "regions": cloud.regions,
    });
    output::print(&format!("{line}\n"))?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminated.recv() => {}
    }
    Ok(0)
}
