//! Shell completions and the man page, both generated from the command line itself.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs, EXIT_STATUS_OF_DIAGNOSE, GlobalArgs};
use super::{help, output, said};
use crate::app::locale::Texts;
use crate::config::{self, Overrides};

/// Prints the completions for one shell.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cvmtop", &mut text);
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

/// Prints the man page (troff) in the language of the run.
pub fn man(global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = config::load(&Overrides::from(global))?;
    output::speak(loaded.settings.ui.lang);
    let mut text = Vec::new();
    clap_mangen::Man::new(help::command(loaded.settings.ui.lang)).render(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let headings = [
        said::man_name(),
        said::man_synopsis(),
        said::man_description(),
        said::man_options(),
        said::man_commands(),
        said::man_version(),
    ];
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        // The generator's headings are English; its text is ours.
        let own = line.strip_prefix(".SH ");
        match own.and_then(|name| headings.iter().find(|said| said.as_str() == name)) {
            Some(said) => out.push_str(&format!(".SH {}", output::said(said))),
            // There is one page: the commands have their `--help`, not pages of their own.
            None => match line
                .strip_prefix("cvmtop\\-")
                .and_then(|rest| rest.strip_suffix("(1)"))
            {
                Some(command) => out.push_str(&format!("cvmtop {command}")),
                None => out.push_str(line),
            },
        }
        out.push('\n');
    }
    let exit_status = Texts::of(loaded.settings.ui.lang).known(EXIT_STATUS_OF_DIAGNOSE);
    let heading = output::said(&said::man_exit_status());
    out.push_str(&format!(".SH {heading}\n{exit_status}\n"));
    output::print(&out)?;
    Ok(0)
}
