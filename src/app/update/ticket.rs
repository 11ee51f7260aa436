//! The ticket bundle: where it goes, what it may name, and what came of it.
//!
//! Must not live here: what is in it, writing it (`runtime::ticket`).

use super::{Dirty, actions};
use crate::app::case::RunId;
use crate::app::effect::{Console, Effect, Record};
use crate::app::jobs::JobState;
use crate::app::line_edit::LineEdit;
use crate::app::locale::fill;
use crate::app::message::TicketMade;
use crate::app::notices::Severity;
use crate::app::overlay::{Overlay, Reading, TicketQuestion};
use crate::app::state::State;
use crate::domain::action::ActionId;
use crate::domain::outcome::Outcome;
use crate::domain::said::Said;

/// Asks where to; a masked screen asks for a masked bundle.
pub fn ask(state: &mut State) {
    if state.selected_report().is_none() {
        return;
    }
    state.overlays.push(Overlay::Ticket(TicketQuestion {
        edit: LineEdit::new(&state.ticket_folder),
        mask: state.looks.privacy,
        archive: false,
        error: None,
    }));
}

/// Begins writing the bundle.
pub fn write(state: &mut State, question: &TicketQuestion, effects: &mut Vec<Effect>) {
    let Some(case) = state.selected_case() else {
        return;
    };
    let Some(report) = case.report.clone() else {
        return;
    };
    let error_text = case.pasted.clone();
    let title = Said::raw(&state.texts.ui.ticket_job);
    let run = actions::begin(state, &report.instance.id, Some(ActionId::Ticket), title);
    if let Some(job) = state.jobs.get_mut(run) {
        job.state = JobState::Running;
    }
    question
        .edit
        .text()
        .trim()
        .clone_into(&mut state.ticket_folder);
    effects.push(Effect::Record(Record::WriteTicket {
        run,
        report: Box::new(report),
        error_text,
        folder: state.ticket_folder.clone(),
        mask: question.mask,
        archive: question.archive,
    }));
}

/// Shows where the bundle lies and copies the text for the vendor's form.
pub fn written(
    state: &mut State,
    run: RunId,
    result: Result<TicketMade, Said>,
    effects: &mut Vec<Effect>,
) -> Dirty {
    let now = state.now;
    let Some(job) = state.jobs.get_mut(run) else {
        return Dirty::Nothing;
    };
    job.ended_at = Some(now);
    let instance = job.instance.clone();
    match result {
        Ok(made) => {
            job.state = JobState::Ended(Outcome::Done, Said::raw(&made.path));
            let ui = &state.texts.ui;
            let body = fill(
                &ui.ticket_done_text,
                &[
                    ("path", &made.path),
                    ("files", &state.texts.listed(&made.files)),
                    ("form", made.form.trim_end()),
                ],
            );
            let title = ui.ticket_done_title.clone();
            state
                .overlays
                .push(Overlay::Reader(Reading::new(title, &body)));
            super::commands::copied(state, &made.form);
            effects.push(Effect::Console(Console::Copy { text: made.form }));
            super::reader::carried_out(state, &instance, run, effects);
        }
        Err(why) => {
            job.state = JobState::Ended(Outcome::Failed, why.clone());
            state.tell_said(Severity::Error, &why);
        }
    }
    Dirty::Frame
}
