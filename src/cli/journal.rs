//! `cvmtop journal`: what was done, by whom, when, with what result; and the way back.

use std::fmt::Write as _;

use serde_json::json;

use super::acting;
use super::args::{GlobalArgs, JournalArgs, TextOrJson};
use super::output::print;
use super::said;
use super::{EXIT_NOTHING, EXIT_USAGE, act, open, output};
use crate::action::gate::Access;
use crate::runtime::execute::{self, ExecuteError, has_duties, prepare_undo};
use crate::store::journal::{Contents, Entry, Journal};

/// Runs the command.
pub async fn run(args: &JournalArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let journal = acting::journal(&loaded);
    let access = acting::access(&loaded.settings);
    if let Some(id) = &args.undo {
        return undo(id, args, &loaded, &access).await;
    }
    if let Some(id) = &args.keep {
        return keep(&journal, id);
    }
    let mut contents = journal.read()?;
    if access != Access::ReadWrite {
        acting::left_alone(&journal);
    } else if has_duties(&contents, jiff::Timestamp::now()) {
        // Reading must work without any cloud, so this may fail.
        match open::cloud(&loaded, &mut |_| {}).await {
            Ok(session) => {
                acting::start_up(&session, &loaded).await;
                contents = journal.read()?;
            }
            Err(error) => output::warn(&said::unsettled(error.said())),
        }
    }
    if contents.skipped > 0 {
        let path = journal.path();
        output::warn(&said::lines_left_out(contents.skipped, path.display()));
    }
    print(&list(&contents, args.format))?;
    Ok(0)
}

async fn undo(
    id: &str,
    args: &JournalArgs,
    loaded: &crate::config::Loaded,
    access: &Access,
) -> anyhow::Result<u8> {
    let contents = acting::journal(loaded).read()?;
    let entry = match contents.find(id) {
        Ok(entry) => entry,
        Err(error) => {
            output::warn(&error.said());
            return Ok(EXIT_USAGE);
        }
    };
    let session = open::cloud(loaded, &mut |warning| output::warn(&warning)).await?;
    let desk = acting::desk(&session, loaded)?;
    let (plan, instance) = match prepare_undo(&desk, entry).await {
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
    let deed = act::Deed {
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
        Ok(execution) => {
            act::report_undo(&plan, &execution, args.format)?;
            Ok(acting::exit_status(&execution, false))
        }
        Err(status) => Ok(status),
    }
}

/// Lets a time-boxed change stay; nothing is sent to the cloud for it.
fn keep(journal: &Journal, id: &str) -> anyhow::Result<u8> {
    match execute::keep(journal, id) {
        Ok(Ok(kept)) => {
            print(&format!("{}\n", output::said(&kept)))?;
            Ok(0)
        }
        Ok(Err(why)) => {
            output::warn(&why);
            Ok(EXIT_NOTHING)
        }
        Err(error) => {
            output::warn(&error.said());
            Ok(EXIT_USAGE)
        }
    }
}

fn list(contents: &Contents, format: TextOrJson) -> String {
    match format {
        TextOrJson::Json => contents
            .entries
            .iter()
            .fold(String::new(), |mut out, entry| {
                // Writing to a string cannot fail.
                let _ = writeln!(out, "{}", as_json(entry));
                out
            }),
        TextOrJson::Text if contents.entries.is_empty() => {
            format!("{}\n", output::said(&said::nothing_yet()))
        }
        TextOrJson::Text => contents.entries.iter().map(as_text).collect(),
    }
}

fn as_json(entry: &Entry) -> serde_json::Value {
    let mut object = json!(entry);
    object["can_be_undone"] = json!(entry.can_be_undone());
    object["undo"] = json!(entry.plan.undo.sentence());
    object
}

fn as_text(entry: &Entry) -> String {
    let outcome = entry.standing();
    let author = &entry.author;
    let (user, host) = (&author.user, &author.host);
    let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let by = if author.from.is_empty() {
        said::done_by(time(entry.began), user, host)
    } else {
        said::done_by_from(time(entry.began), user, host, &author.from)
    };
    let mut text = format!(
        "{}  {}  {}\n  {}\n",
        entry.id,
        output::said(&entry.plan.title),
        output::said(&outcome),
        output::said(&by),
    );
    let mut more = Vec::new();
    if !entry.detail.is_empty() {
        more.push(entry.detail.clone());
    }
    if let Some(by) = &entry.undone_by {
        more.push(said::taken_back_by(by));
    } else if entry.can_be_undone() {
        if let Some(at) = entry.expires_at {
            more.push(said::taken_back_after(time(at), &entry.id));
        }
        more.push(said::undo_command(&entry.id, entry.plan.undo.sentence()));
    }
    for line in more {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", output::said(&line));
    }
    text
}
