//! Commands, reports and exit statuses.
//!
//! Results go to standard output, progress and warnings to standard error; a broken pipe is not
//! an error. Must not live here: anything that a command does beyond reading its options,
//! calling the rooms and printing.

pub mod act;
pub mod acting;
pub mod again;
pub mod args;
pub mod check;
pub mod completions;
pub mod config;
pub mod console;
pub mod debug;
pub mod demo_cloud;
pub mod diagnose;
pub mod doctor;
mod fault;
pub mod fleet;
pub mod guest_script;
pub mod guide;
pub mod heal;
pub mod help;
pub mod journal;
pub mod kit;
pub mod learned;
pub mod list;
pub mod log;
pub mod man;
pub mod manual;
pub mod moment;
pub mod neighbours;
pub mod open;
pub mod ordered;
pub mod output;
pub mod overview;
pub mod page;
pub mod ports;
pub mod providers;
pub mod replay;
pub mod report;
pub mod said;
pub mod table;
pub mod ticket;

use std::process::ExitCode;

use args::{Cli, Command};

/// A fault was found.
pub const EXIT_FAULT: u8 = 1;
/// Wrong usage or configuration.
pub const EXIT_USAGE: u8 = 2;
/// Nothing could be diagnosed, or nothing was sent.
pub const EXIT_NOTHING: u8 = 3;
/// What was observed decides nothing.
pub const EXIT_INCONCLUSIVE: u8 = 4;

/// Parses the arguments, runs the command and maps its result to an exit status.
pub fn main() -> ExitCode {
    fault::install();
    // What became of an action that was under way is for the next start to find out.
    std::panic::catch_unwind(start).unwrap_or(ExitCode::from(EXIT_FAULT))
}

fn start() -> ExitCode {
    let cli = help::parse();
    if let Err(error) = fault::threads_can_be_made() {
        output::warn(&said::no_threads(error));
        return ExitCode::from(EXIT_NOTHING);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(&cli));
            match &outcome {
                Ok(status) => tracing::info!(status, "ended"),
                Err(error) => tracing::error!(error = format!("{error:#}"), "ended"),
            }
            // A look-up that hangs in the resolver must not hold up the exit.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(output::Fault(said::no_runtime(error)).into()),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::warn(&output::sentence(&error));
            // Whoever asked got nothing, and did nothing wrong.
            let unwritten = error.is::<output::Unwritten>();
            ExitCode::from(if unwritten { EXIT_NOTHING } else { EXIT_USAGE })
        }
    }
}

async fn run(cli: &Cli) -> anyhow::Result<u8> {
    let global = &cli.global;
    again::remember(global);
    if cli.command.is_some() && cli.console.filter.is_some() {
        return Err(output::Fault(said::filter_of_console()).into());
    }
    match &cli.command {
        None => console::run(&cli.console, global).await,
        Some(Command::List(args)) => list::run(args, global).await,
        Some(Command::Overview(args)) => Box::pin(overview::run(args, global)).await,
        Some(Command::Ports(args)) => Box::pin(ports::run(args, global)).await,
        Some(Command::Check(args)) => Box::pin(check::run(args, global)).await,
        Some(Command::Diagnose(args)) => diagnose::run(args, global).await,
        Some(Command::GuestScript(args)) => guest_script::run(args, global).await,
        Some(Command::Kit(args)) => kit::run(args, global).await,
        Some(Command::Act(args)) => Box::pin(act::run(args, global)).await,
        Some(Command::Heal(args)) => Box::pin(heal::run(args, global)).await,
        Some(Command::Guide(args)) => guide::run(args, global),
        Some(Command::Replay(args)) => replay::run(args, global),
        Some(Command::Ticket(args)) => ticket::run(args, global).await,
        Some(Command::Journal(args)) => journal::run(args, global).await,
        Some(Command::Learned(args)) => learned::run(args, global).await,
        Some(Command::Doctor(args)) => doctor::run(args, global).await,
        Some(Command::Debug(args)) => debug::run(args, global),
        Some(Command::Config(args)) => config::run(args, global),
        Some(Command::DemoCloud(args)) => demo_cloud::run(args, global).await,
        Some(Command::Completions(args)) => completions::run(args),
        Some(Command::Man(args)) => man::run(args, global),
    }
}
