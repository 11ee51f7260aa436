//! `cvmtop demo-cloud`: the embedded cloud and its hosts, for other clients.
//!
//! Prints one JSON line once it listens and runs until it is ended.
//! Must not live here: the cloud itself (`demo`).

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use super::args::{DemoCloudArgs, GlobalArgs};
use crate::demo::{self, DemoOptions};

/// Serves until SIGINT or SIGTERM.
pub async fn run(args: &DemoCloudArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let _ = global;
    let cloud = demo::start(DemoOptions {
        listen: args.listen,
        fleet: args.demo_fleet.unwrap_or(0),
        ..DemoOptions::default()
    })
    .await?;
    let line = serde_json::json!({
        "endpoint": cloud.endpoint,
        "secret_id": cloud.secret_id,
        "secret_key": cloud.secret_key,
        "regions": cloud.regions,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    drop(out);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminated.recv() => {}
    }
    Ok(0)
}
