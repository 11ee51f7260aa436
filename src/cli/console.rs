//! `cvmtop` without a command: the console.
//!
//! Must not live here: the console itself (`runtime::console`).

use super::args::{ConsoleArgs, GlobalArgs};
use super::{demo_cloud, fleet, log};
use crate::config::{self, Overrides};
use crate::diagnosis::Knowledge;
use crate::runtime::backend::{Backend, Opener};
use crate::runtime::console::{self, ConsoleOptions};
use crate::runtime::event_loop::End;
use crate::runtime::own_guides;

/// Runs the console; the status tells how it ended.
pub async fn run(args: &ConsoleArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    // Read while config and terminal are prepared: the first list waits for it.
    tokio::task::spawn_blocking(Knowledge::shipped);
    let mut end = open(args, global).await?;
    if end == End::Demo {
        let mut on_demo = global.clone();
        on_demo.demo.on = true;
        end = open(args, &on_demo).await?;
    }
    Ok(match end {
        End::Quit | End::Demo => 0,
        End::HangUp => 129,
        End::Interrupted => 130,
        End::Terminated => 143,
    })
}

async fn open(args: &ConsoleArgs, global: &GlobalArgs) -> anyhow::Result<End> {
    let overrides = Overrides::from(global);
    let mut loaded = config::load(&overrides)?;
    fleet::filter_of(args.filter.as_deref(), &loaded)?;
    log::start(&mut loaded);
    for problem in own_guides::install(&loaded) {
        tracing::warn!("{problem}");
    }
    let on_demo = loaded.demo.is_some();
    let backend = match loaded.demo {
        Some(fleet) => Backend::opened_by(loaded, on_demo_cloud(fleet)),
        None => Backend::new(loaded),
    };
    let options = ConsoleOptions {
        backend,
        overrides,
        target: args.target.clone(),
        filter: args.filter.clone().unwrap_or_default(),
        demo: on_demo,
    };
    Ok(console::run(options).await?)
}

/// Starts the demo cloud behind the first frame.
fn on_demo_cloud(fleet: usize) -> Opener {
    Box::new(move |loaded| {
        let settings = loaded.settings.clone();
        Box::pin(demo_cloud::session(settings, fleet))
    })
}
