//! From flags to a session and a log; warnings go to standard error.
//!
//! Must not live here: what a session is (`runtime::session`).

use super::acting;
use super::args::GlobalArgs;
use super::{demo_cloud, log, output};
use crate::config::{self, Loaded, Overrides};
use crate::domain::said::Said;
use crate::runtime::own_guides;
use crate::runtime::session::{Session, SessionError};

/// Reads the settings and says what is wrong with them.
pub fn settings(global: &GlobalArgs) -> anyhow::Result<Loaded> {
    let mut loaded = config::load(&Overrides::from(global))?;
    output::speak(loaded.settings.ui.lang);
    output::colour(loaded.settings.ui.no_color);
    log::start(&mut loaded);
    for problem in &loaded.warnings {
        output::warn(&problem.said());
    }
    for problem in own_guides::install(&loaded) {
        output::warn(&problem);
    }
    Ok(loaded)
}

/// A session on the cloud that is meant: the demo, or the one that credentials are found for.
///
/// # Errors
/// [`SessionError`].
pub async fn cloud(
    loaded: &Loaded,
    warn: &mut (dyn FnMut(Said) + Send),
) -> Result<Session, SessionError> {
    match loaded.demo {
        Some(fleet) => {
            let mut session = demo_cloud::session(loaded.settings.clone(), fleet).await?;
            session.knowledge = session.learnt(loaded);
            Ok(session)
        }
        None => Session::open(loaded, warn).await,
    }
}

/// Reads the settings and opens a session on them.
pub async fn session(global: &GlobalArgs) -> anyhow::Result<Session> {
    let loaded = settings(global)?;
    Ok(on(&loaded).await?)
}

/// Finds credentials, builds the client, and does what every start does first.
///
/// # Errors
/// As for [`cloud`].
pub async fn on(loaded: &Loaded) -> Result<Session, SessionError> {
    let mut session = cloud(loaded, &mut |warning| output::warn(&warning)).await?;
    acting::start_up(&session, loaded).await;
    if loaded.has_colleagues() {
        // With what the others have learned by now.
        session.knowledge = session.learnt(loaded);
    }
    Ok(session)
}
