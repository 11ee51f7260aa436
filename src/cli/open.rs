//! From flags to a session; warnings go to standard error.
//!
//! Must not live here: what a session is (`runtime::session`).

use super::acting;
use super::args::GlobalArgs;
use crate::config::{self, Loaded, Overrides};
use crate::runtime::own_guides;
use crate::runtime::session::Session;

/// Reads the settings and says what is wrong with them.
pub fn settings(global: &GlobalArgs) -> anyhow::Result<Loaded> {
    let loaded = config::load(&Overrides::from(global))?;
    for problem in &loaded.warnings {
        eprintln!("cvmtop: {problem}");
    }
    for problem in own_guides::install(&loaded) {
        eprintln!("cvmtop: {problem}");
    }
    Ok(loaded)
}

/// Reads the settings, finds credentials, builds the client.
pub async fn session(global: &GlobalArgs) -> anyhow::Result<Session> {
    let loaded = settings(global)?;
    let session = Session::open(&loaded, &mut |warning| eprintln!("cvmtop: {warning}")).await?;
    acting::start_up(&session, &loaded).await;
    Ok(session)
}
