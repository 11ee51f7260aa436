//! `cvmtop` without a command: the console.
//!
//! Must not live here: the console itself (`runtime::console`).

use super::args::{ConsoleArgs, GlobalArgs};
use crate::cloud::credentials::{Credentials, Provider};
use crate::cloud::{Client, ClientConfig};
use crate::config::{self, Overrides};
use crate::demo::{self, DemoOptions};
use crate::runtime::backend::Backend;
use crate::runtime::console::{self, ConsoleOptions};
use crate::runtime::event_loop::End;

/// Runs the console; the status tells how it ended.
pub async fn run(args: &ConsoleArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = config::load(&Overrides::from(global))?;
    let demo = if args.demo {
        Some(
            demo::start(DemoOptions {
                fleet: args.demo_fleet.unwrap_or(0),
                ..DemoOptions::default()
            })
            .await?,
        )
    } else {
        None
    };
    let mut backend = Backend {
        rate: loaded.settings.probe.rate,
        ..Backend::default()
    };
    if let Some(demo) = &demo {
        let keys = Provider::Static(Credentials::new(
            demo.secret_id.clone(),
            demo.secret_key.clone(),
        ));
        backend.client = Some(Client::new(ClientConfig::new(&demo.endpoint, keys))?);
        backend.regions.clone_from(&demo.regions);
    }
    let options = ConsoleOptions {
        place: String::new(),
        target: args.target.clone(),
        demo: args.demo,
        warnings: loaded.warnings.iter().map(ToString::to_string).collect(),
        settings: loaded.settings,
        backend,
    };
    Ok(match console::run(options).await? {
        End::Quit => 0,
        End::HangUp => 129,
        End::Interrupted => 130,
        End::Terminated => 143,
    })
}
