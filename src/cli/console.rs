//! `cvmtop` without a command: the console.
//!
//! Must not live here: the console itself (`runtime::console`).

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::args::{ConsoleArgs, GlobalArgs};
use super::log;
use crate::cloud::credentials::{Credentials, Provider};
use crate::cloud::{Client, ClientConfig};
use crate::config::{self, Overrides};
use crate::demo::{self, DemoCloud, DemoOptions};
use crate::runtime::backend::{Backend, Opener};
use crate::runtime::console::{self, ConsoleOptions};
use crate::runtime::event_loop::End;
use crate::runtime::own_guides;
use crate::runtime::session::{Cloud, Session, SessionError};

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
    let backend = if on_demo {
        Backend::opened_by(loaded, on_demo_cloud(args.demo_fleet.unwrap_or(0)))
    } else {
        Backend::new(loaded)
    };
    let options = ConsoleOptions {
        backend,
        overrides,
        target: args.target.clone(),
        demo: on_demo,
    };
    Ok(console::run(options).await?)
}

/// Starts the demo cloud behind the first frame; it ends with the console.
fn on_demo_cloud(fleet: usize) -> Opener {
    let running: Arc<OnceCell<DemoCloud>> = Arc::default();
    Box::new(move |loaded| {
        let (running, settings) = (running.clone(), loaded.settings.clone());
        Box::pin(async move {
            let options = DemoOptions {
                fleet,
                ..DemoOptions::default()
            };
            let demo = running
                .get_or_try_init(|| demo::start(options))
                .await
                .map_err(|error| SessionError::Demo(error.to_string()))?;
            let keys = Credentials::new(demo.secret_id.clone(), demo.secret_key.clone());
            let config = ClientConfig::new(&demo.endpoint, Provider::Static(keys));
            let cloud = Cloud {
                client: Client::new(config)?,
                regions: demo.regions.clone(),
                origin: String::new(),
            };
            Session::with_cloud(settings, cloud)
        })
    })
}
