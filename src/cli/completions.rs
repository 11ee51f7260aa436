//! Shell completions, generated from the command line itself.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};
use super::output;

/// Prints the completions for one shell.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cvmtop", &mut text);
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}
