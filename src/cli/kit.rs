//! `cvmtop kit`: the script for the failing user's own machine, to be sent to that user.
//!
//! Must not live here: the script and the reading of its answer (`kit`).

use super::args::{GlobalArgs, KitArgs, KitShell};
use super::said;
use super::{EXIT_NOTHING, diagnose, open, output};
use crate::domain::said::Said;
use crate::kit::{self, Shell};
use crate::runtime::targets;
use crate::runtime::triage::summary;

/// Prints it; nothing is sent but what finds the instance.
pub async fn run(args: &KitArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    // A bare address needs no cloud to be put into a script.
    let found = match args.target.parse() {
        Ok(address) if loaded.demo.is_none() => Ok(targets::bare_address(address)),
        _ => {
            let target = std::slice::from_ref(&args.target);
            let session = diagnose::session(&loaded, target).await?;
            targets::find(&session, &args.target).await
        }
    };
    let mut instance = match found {
        Ok(instance) => instance,
        Err(error) => {
            output::warn(&error.said());
            return Ok(EXIT_NOTHING);
        }
    };
    instance.configured_login_port = args.port.or(instance.configured_login_port);
    let shell = match args.shell {
        Some(KitShell::Sh) => Shell::Sh,
        Some(KitShell::Powershell) => Shell::PowerShell,
        None => Shell::usual(instance.os),
    };
    let say = |sentence: &Said| output::said(sentence);
    let Some(script) = kit::script(&summary(&instance), shell, &say) else {
        output::warn(&said::of_target(&args.target, said::kit_no_address()));
        return Ok(EXIT_NOTHING);
    };
    output::print(&script)?;
    let target = &args.target;
    output::warn(&match shell {
        Shell::Sh => said::kit_how(target, "powershell"),
        Shell::PowerShell => said::kit_how(target, "sh"),
    });
    Ok(0)
}
