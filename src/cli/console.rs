//! `cvmtop` without a command: the console.
//!
//! Must not live here: the console itself (`runtime::console`).

use super::args::{ConsoleArgs, GlobalArgs};
use super::log;
use crate::cloud::credentials::{Credentials, Provider};
use crate::cloud::{Client, ClientConfig};
use crate::config::{self, Loaded, Overrides};
use crate::demo::{self, DemoCloud, DemoOptions};
use crate::runtime::backend::Backend;
use crate::runtime::console::{self, ConsoleOptions};
use crate::runtime::event_loop::End;
use crate::runtime::own_guides;
use crate::runtime::session::{Cloud, Session};

/// Runs the console; the status tells how it ended.
pub async fn run(args: &ConsoleArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let mut end = open(args, global, args.demo).await?;
    if end == End::Demo {
        end = open(args, global, true).await?;
    }
    Ok(match end {
        End::Quit | End::Demo => 0,
        End::HangUp => 129,
        End::Interrupted => 130,
        End::Terminated => 143,
    })
}

async fn open(args: &ConsoleArgs, global: &GlobalArgs, on_demo: bool) -> anyhow::Result<End> {
    let overrides = Overrides::from(global);
    let mut loaded = config::load(&overrides)?;
    log::start(&mut loaded);
    for problem in own_guides::install(&loaded) {
        tracing::warn!("{problem}");
    }
    // Ends with the console.
    let demo = if on_demo {
        Some(start_demo(args).await?)
    } else {
        None
    };
    let backend = match &demo {
        Some(demo) => {
            let session = demo_session(&loaded, demo)?;
            Backend::with_session(loaded, session)
        }
        None => Backend::new(loaded),
    };
    let options = ConsoleOptions {
        backend,
        overrides,
        target: args.target.clone(),
        demo: on_demo,
    };
    Ok(console::run(options).await?)
}

async fn start_demo(args: &ConsoleArgs) -> anyhow::Result<DemoCloud> {
    let options = DemoOptions {
        fleet: args.demo_fleet.unwrap_or(0),
        ..DemoOptions::default()
    };
    Ok(demo::start(options).await?)
}

fn demo_session(loaded: &Loaded, demo: &DemoCloud) -> anyhow::Result<Session> {
    let keys = Credentials::new(demo.secret_id.clone(), demo.secret_key.clone());
    let config = ClientConfig::new(&demo.endpoint, Provider::Static(keys));
    let cloud = Cloud {
        client: Client::new(config)?,
        regions: demo.regions.clone(),
        origin: String::new(),
    };
    Ok(Session::with_cloud(loaded.settings.clone(), cloud)?)
}
