//! What is kept about a case beside the journal: ticked steps of guides, and the ticket bundle.
//!
//! Must not live here: what is in a bundle (`runtime::ticket`), where ticks lie (`store`).

use tokio::sync::mpsc;

use crate::app::locale::Texts;
use crate::app::message::{Message, Recorded, TicketMade};
use crate::app::notices::Severity;
use crate::diagnosis::learn::Confirmation;
use crate::domain::guide_step::TickedStep;
use crate::domain::report::Report;
use crate::domain::said::Said;
use crate::runtime::backend::Backend;
use crate::runtime::execute::author;
use crate::runtime::{clock, ticket};
use crate::store::guide_steps::GuideSteps;
use crate::store::outcomes::Outcomes;

/// Keeps that a step (guide and number) is ticked off, or is not any more.
pub async fn tick(
    backend: &Backend,
    instance: &str,
    (guide, step): (String, usize),
    ticked: bool,
    out: &mpsc::Sender<Message>,
) {
    let by = author();
    let tick = TickedStep {
        guide,
        step,
        at: clock::now(),
        by: format!("{}@{}", by.user, by.host),
    };
    if let Err(error) = steps(backend).set(instance, ticked, &tick) {
        let text = error.said();
        let severity = Severity::Error;
        let _ = out.send(Message::Told { severity, text }).await;
        return;
    }
    read_steps(backend, instance, out).await;
}

fn steps(backend: &Backend) -> GuideSteps {
    GuideSteps::in_directory(&backend.loaded.paths.state_dir)
}

/// Hands on the ticks of an instance as they are kept.
pub async fn read_steps(backend: &Backend, instance: &str, out: &mpsc::Sender<Message>) {
    let message = match steps(backend).of(instance, clock::now()) {
        Ok(steps) => Message::Recorded(Recorded::StepsTicked {
            instance: instance.to_owned(),
            steps,
        }),
        Err(error) => Message::Told {
            severity: Severity::Warning,
            text: error.said(),
        },
    };
    let _ = out.send(message).await;
}

/// What goes into a ticket bundle.
#[derive(Debug)]
pub struct Bundle<'a> {
    pub report: &'a Report,
    pub error_text: Option<&'a str>,
    pub mask: bool,
}

/// Writes the bundle.
pub fn write(
    backend: &Backend,
    bundle: &Bundle<'_>,
    folder: &str,
    archive: bool,
) -> Result<TicketMade, Said> {
    let journal = backend.journal();
    let own = journal.of_instance(&bundle.report.instance.id);
    let own = own.map_err(|error| error.said())?.entries;
    // What the cloud answered is kept for a while; a bundle of an older diagnosis has none.
    let triage = backend.recent_triage(&bundle.report.instance.id);
    let material = ticket::Material {
        raw: triage.as_ref().map_or(&[], |triage| &triage.raw),
        report: bundle.report,
        journal: &own,
        error_text: bundle.error_text,
        made_at: clock::now(),
        mask: bundle.mask,
        texts: Texts::of(backend.loaded.settings.ui.lang),
    };
    let made =
        ticket::write(&material, &ticket::folder(folder), archive).map_err(|error| error.said())?;
    Ok(TicketMade {
        path: made.path.display().to_string(),
        files: made.files,
        form: made.form,
    })
}

/// Keeps a confirmed cause, without address, name or id.
pub fn save_confirmation(backend: &Backend, cause: &str) -> Option<Message> {
    Outcomes::in_directory(&backend.loaded.paths.state_dir)
        .append(clock::now(), cause, Confirmation::Asserted)
        .err()
        .map(|error| Message::Told {
            severity: Severity::Error,
            text: error.said(),
        })
}
