//! From flags to a session and a log; warnings go to standard error.
//!
//! Must not live here: what a session is (`runtime::session`).

use super::acting;
use super::args::GlobalArgs;
use super::{log, output};
use crate::config::{self, Loaded, Overrides};
use crate::runtime::own_guides;
use crate::runtime::session::Session;

/// Reads the settings and says what is wrong with them.
pub fn settings(global: &GlobalArgs) -> anyhow::Result<Loaded> {
    let mut loaded = config::load(&Overrides::from(global))?;
    output::speak(loaded.settings.ui.lang);
    log::start(&mut loaded);
    for problem in &loaded.warnings {
        output::warn(problem);
    }
    for problem in own_guides::install(&loaded) {
        output::warn(problem);
    }
    Ok(loaded)
}

/// Reads the settings, finds credentials, builds the client.
pub async fn session(global: &GlobalArgs) -> anyhow::Result<Session> {
    let loaded = settings(global)?;
    let mut session = Session::open(&loaded, &mut |warning| output::warn(warning)).await?;
    session.knowledge = session.learnt(&loaded.paths.state_dir);
    acting::start_up(&session, &loaded).await;
    Ok(session)
}
