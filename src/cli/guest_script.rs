//! `cvmtop guest-script`: what a look inside the guest would send, to read before one consents.
//!
//! Must not live here: the script (`guest`), or the question that is put into it (`runtime::triage`).

use super::args::{GlobalArgs, GuestScriptArgs, GuestSystem};
use super::{EXIT_NOTHING, open, output};
use crate::guest::{LINUX_SCRIPT, WINDOWS_SCRIPT};
use crate::kit;
use crate::runtime::targets;
use crate::runtime::triage::{self, TriageOptions};

/// Prints it; nothing is sent but what finds the instance.
pub async fn run(args: &GuestScriptArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let Some(target) = &args.target else {
        let script = match args.os {
            Some(GuestSystem::Windows) => WINDOWS_SCRIPT,
            Some(GuestSystem::Linux) | None => LINUX_SCRIPT,
        };
        output::print(script)?;
        return Ok(0);
    };
    let session = open::cloud(&loaded, &mut |warning| output::warn(&warning)).await?;
    let instance = match targets::find(&session, target).await {
        Ok(instance) => instance,
        Err(error) => {
            output::warn(&error.said());
            return Ok(EXIT_NOTHING);
        }
    };
    if args.from_neighbours {
        output::print(&kit::neighbour::script(&instance))?;
        return Ok(0);
    }
    let options = TriageOptions {
        user: args.user.clone(),
        user_source: args.user_source.or(session.settings.probe.user_source),
        ..TriageOptions::default()
    };
    let script = triage::script(&instance, &options).map_err(output::Fault)?;
    output::print(&script)?;
    Ok(0)
}
