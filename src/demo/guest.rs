//! What a command in a demo guest prints, made from the facts of that guest.
//!
//! Lives here: the answer to a script that the automation agent was asked to run.
//! Must not live here: a shell; only scripts that name themselves are understood.

use std::collections::BTreeMap;

/// The facts of a guest that a script can find out.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub name: &'a str,
    pub windows: bool,
    /// Port the login service is expected on.
    pub port: u16,
    /// State of each `guest-*` group that is not in order.
    pub states: &'a BTreeMap<String, String>,
}

/// What a script did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub exit_code: i64,
    pub output: Vec<u8>,
    /// Repairs that it carried out, by the names used in the fleet's `cured_by`.
    pub cures: Vec<String>,
}

/// Runs a script: an `echo` (or `Write-Output`) prints its words; anything else prints nothing and succeeds.
pub fn run(_facts: &Facts<'_>, script: &str) -> Outcome {
    let mut output = String::new();
    for line in script.lines() {
        let words = line
            .strip_prefix("echo ")
            .or_else(|| line.strip_prefix("Write-Output "));
        if let Some(words) = words {
            output.push_str(words.trim().trim_matches(['"', '\'']));
            output.push('\n');
        }
    }
    Outcome {
        exit_code: 0,
        output: output.into_bytes(),
        cures: Vec::new(),
    }
}
