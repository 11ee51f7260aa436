//! `cvmtop journal`: what was done, by whom, when, with what result; and the way back.

use std::ops::ControlFlow;

use serde_json::json;

use super::acting;
use super::args::{GlobalArgs, JournalArgs, TextOrJson};
use super::output::print;
use super::page::{Page, Tone};
use super::said;
use super::{EXIT_NOTHING, EXIT_USAGE, act, again, open, output};
use crate::action::gate::Access;
use crate::domain::action::ActionId;
use crate::domain::said::Said;
use crate::runtime::execute::{self, ExecuteError, has_duties, prepare_undo, timed_changes};
use crate::store::StoreError;
use crate::store::journal::{Entry, Journal};

/// Runs the command.
pub async fn run(args: &JournalArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let journal = acting::journal(&loaded);
    let access = acting::access(&loaded);
    if let Some(id) = &args.undo {
        return undo(id, args, &loaded, &access).await;
    }
    if let Some(id) = args.keep.as_ref().or(args.close.as_ref()) {
        if let Access::ReadOnly { because } = &access {
            let why = match args.keep {
                Some(_) => crate::runtime::said::keep_read_only(because, id),
                None => said::journal_read_only(because),
            };
            return act::refuse(EXIT_NOTHING, why);
        }
        let why = args.why.as_deref().unwrap_or_default();
        let written = if args.keep.is_some() {
            execute::keep(&journal, id)
        } else {
            execute::close(&journal, &execute::author(), id, why)
        };
        if matches!(written, Ok(Ok(_))) {
            acting::exchange(&loaded).await;
        }
        return Ok(told(written));
    }
    acting::exchange(&loaded).await;
    let mut pending = journal.pending()?;
    let may_act = access == Access::ReadWrite;
    let mut now = jiff::Timestamp::now();
    // Whether a time box is over is known by the cloud's clock alone.
    let timed = !timed_changes(&pending).is_empty();
    if timed || may_act && has_duties(&pending, now) {
        // Reading must work without any cloud, so this may fail.
        match open::cloud(&loaded, &mut |_| {}).await {
            Ok(session) => {
                acting::start_up(&session, &loaded).await;
                pending = journal.pending()?;
                now = acting::desk(&session, &loaded).map_or(now, |desk| desk.now());
            }
            Err(error) if may_act && has_duties(&pending, now) => {
                output::warn(&said::unsettled(error.said()));
            }
            Err(_) if may_act => {}
            Err(_) => acting::left_alone(&loaded, None).await,
        }
    }
    if pending.skipped > 0 {
        let path = journal.path();
        output::warn(&said::lines_left_out(pending.skipped, path.display()));
    }
    list(&journal, args.format)?;
    Ok(match access {
        Access::ReadWrite => acting::overdue(&pending, now),
        Access::ReadOnly { .. } => 0,
    })
}

async fn undo(
    id: &str,
    args: &JournalArgs,
    loaded: &crate::config::Loaded,
    access: &Access,
) -> anyhow::Result<u8> {
    let entry = match acting::journal(loaded).entry(id) {
        Ok(entry) => entry,
        Err(error) => {
            output::warn(&error.said());
            return Ok(EXIT_USAGE);
        }
    };
    let session = open::cloud(loaded, &mut |warning| output::warn(&warning)).await?;
    let desk = acting::desk(&session, loaded)?;
    let done_on = &entry.place.endpoint;
    if loaded.demo.is_some() && !done_on.is_empty() && *done_on != desk.client.endpoint() {
        output::warn(&said::demo_has_ended(&entry.id));
        return Ok(EXIT_NOTHING);
    }
    let (plan, instance) = match prepare_undo(&desk, &entry).await {
        Ok(prepared) => prepared,
        Err(error @ (ExecuteError::Plan(_) | ExecuteError::Busy(_))) => {
            output::warn(&error.said());
            return Ok(EXIT_NOTHING);
        }
        Err(error) => {
            output::warn(&error.said());
            return Ok(1);
        }
    };
    if args.yes {
        // Whoever confirms beforehand sees no preview.
        plan.warnings.iter().for_each(output::warn);
    }
    let deed = act::Deed {
        again: None,
        desk: &desk,
        instance: &instance,
        access,
        report: None,
        target: &entry.plan.target.id,
        yes: args.yes,
        wait: false,
        preview_is_shown: false,
    };
    match deed.carry_out(&plan).await? {
        Ok(execution) => Ok(act::report_undo(&plan, &execution, args.format)),
        Err(status) => Ok(status),
    }
}

/// Says what was written down, or why nothing was; nothing is sent to the cloud for it.
fn told(written: Result<Result<Said, Said>, StoreError>) -> u8 {
    match written {
        Ok(Ok(kept)) => {
            let text = format!("{}\n", output::said(&kept));
            output::print_done(&text, 0, [])
        }
        Ok(Err(why)) => {
            output::warn(&why);
            EXIT_NOTHING
        }
        Err(error) => {
            output::warn(&error.said());
            EXIT_USAGE
        }
    }
}

/// Prints the entries one by one: a journal of years is not held at once.
fn list(journal: &Journal, format: TextOrJson) -> anyhow::Result<()> {
    let mut any = false;
    let mut page = Page::stdout();
    let listed = journal.each(usize::MAX, |entry| {
        any = true;
        let text = match format {
            TextOrJson::Json => format!("{}\n", as_json(entry)),
            TextOrJson::Text => {
                as_text(&mut page, entry);
                page.take()
            }
        };
        match print(&text) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    })?;
    if let ControlFlow::Break(error) = listed {
        return Err(error);
    }
    if !any && format == TextOrJson::Text {
        print(&format!("{}\n", output::said(&said::nothing_yet())))?;
    }
    Ok(())
}

fn as_json(entry: &Entry) -> serde_json::Value {
    let mut object = json!(entry);
    object["can_be_undone"] = json!(entry.can_be_undone());
    object["undo"] = json!(entry.plan.undo.sentence());
    object
}

fn as_text(page: &mut Page, entry: &Entry) {
    let author = &entry.author;
    let (user, host) = (&author.user, &author.host);
    let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let by = if entry.plan.unasked {
        said::done_by_itself(time(entry.began), user, host)
    } else if author.from.is_empty() {
        said::done_by(time(entry.began), user, host)
    } else {
        said::done_by_from(time(entry.began), user, host, &author.from)
    };
    let texts = output::texts();
    let title = texts.labelled(&output::said(&entry.plan.title), "");
    let tone = match (&entry.undone_by, entry.outcome) {
        (Some(_), _) => Tone::Dim,
        (None, Some(outcome)) => act::report::tone(outcome),
        (None, None) => Tone::Warn,
    };
    let outcome = output::said(&entry.standing());
    page.hang(0, &title, Tone::Strong, tone, &outcome);
    let by = texts.and_also(&output::said(&by), &output::said(&said::entry(&entry.id)));
    page.put(2, Tone::Dim, &by);
    if !entry.detail.is_empty() {
        page.put(2, Tone::Plain, &output::said(&entry.detail));
    }
    if let Some(by) = &entry.undone_by {
        page.put(2, Tone::Plain, &output::said(&said::taken_back_by(by)));
    } else if entry.can_be_undone() && !again::ends_with_the_demo() {
        let offer = |page: &mut Page, text: Said, what: &str| {
            page.put(2, Tone::Plain, &output::said(&text));
            page.command(4, &again::command(["journal", what, &entry.id]));
        };
        match entry.expires_at {
            // It costs while it is there.
            Some(at) if entry.plan.action == ActionId::ProviderProbe => {
                page.put(
                    2,
                    Tone::Plain,
                    &output::said(&said::task_goes_after(time(at))),
                );
            }
            Some(at) => offer(page, said::taken_back_after(time(at)), "--keep"),
            None => {}
        }
        offer(
            page,
            said::undo_command(entry.plan.undo.sentence()),
            "--undo",
        );
    }
    page.gap();
}
