//! `cvmtop ticket`: diagnose once more and write the bundle for a support ticket.
//!
//! Prints the path that was made. Must not live here: what is in it (`runtime::ticket`).

use tokio::sync::mpsc;

use super::args::{GlobalArgs, TicketArgs};
use super::said;
use super::{EXIT_NOTHING, acting, diagnose, open, output};
use crate::runtime::ticket::{Material, write};
use crate::runtime::{self, triage};

/// Runs the command.
pub async fn run(args: &TicketArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let session = open::on(&loaded).await?;
    let options = diagnose::options(&args.triage, &session.knowledge, &loaded)?;
    let instance = match diagnose::aim(&session, &args.target, &options).await {
        Ok(instance) => instance,
        Err(error) => {
            output::warn(&error.said());
            return Ok(EXIT_NOTHING);
        }
    };
    let (sink, _) = mpsc::channel(1);
    let triage = triage::run(&session, &instance, &options, sink).await;
    let past = diagnose::past(&session, &loaded, &instance);
    let mut report = runtime::diagnose::report(&session, &instance, &triage, &past);
    report.guide_steps = diagnose::guide_steps(&loaded, &instance.id);
    let journal = acting::journal(&loaded)
        .of_instance(&instance.id)
        .unwrap_or_else(|error| {
            output::warn(&said::without_journal(error.said()));
            crate::store::journal::Contents::default()
        });
    let material = Material {
        report: &report,
        journal: &journal.entries,
        raw: &triage.raw,
        error_text: options.error_text.as_deref(),
        made_at: jiff::Timestamp::now(),
        mask: args.mask,
        texts: output::texts(),
    };
    match write(&material, &args.output, args.archive) {
        Ok(made) => {
            let text = format!("{}\n", made.path.display());
            Ok(output::print_done(&text, 0, []))
        }
        Err(error) => {
            output::warn(&error.said());
            Ok(1)
        }
    }
}
