//! What `act`, `journal` and `ticket` share: access, journal, start-up duties, progress.
//!
//! Must not live here: plans (`action`) and their execution (`runtime::execute`).

use std::io::{IsTerminal, Write};

use super::output;
use crate::action::batch::Batch;
use crate::action::gate::{Access, Given, expected_name};
use crate::action::plan::{Confirmation, Plan};
use crate::action::preview;
use crate::config::{Loaded, Settings};
use crate::runtime::execute::{self, Desk, LoginLook, Progress};
use crate::runtime::session::Session;
use crate::store::journal::{Journal, Outcome};

/// Whether this run may change anything, and who said so if not.
pub fn access(settings: &Settings) -> Access {
    let read_only_profile = settings
        .cloud
        .profile
        .as_ref()
        .filter(|profile| settings.cloud.read_only_profiles.contains(profile));
    if settings.read_only {
        Access::ReadOnly {
            because: "--read-only, CVMTOP_READ_ONLY or read_only in the config".to_owned(),
        }
    } else if let Some(profile) = read_only_profile {
        Access::ReadOnly {
            because: format!("the profile {profile} is listed in cloud.read_only_profiles"),
        }
    } else {
        Access::ReadWrite
    }
}

/// The journal of this user's state directory.
pub fn journal(loaded: &Loaded) -> Journal {
    Journal::in_directory(&loaded.paths.state_dir)
}

/// A desk on the session's cloud; an error when there is none.
pub fn desk(session: &Session, loaded: &Loaded) -> anyhow::Result<Desk> {
    let Some(cloud) = &session.cloud else {
        anyhow::bail!("there are no credentials, so the cloud cannot be asked for anything");
    };
    Ok(Desk::new(cloud.client.clone(), journal(loaded)))
}

/// Settles what an earlier run left in flight and takes back what is due; says so. Every command
/// that talks to the cloud does this first; a read-only one says what it leaves alone.
pub async fn start_up(session: &Session, loaded: &Loaded) {
    let access = access(&loaded.settings);
    // Without a cloud nothing can be settled; what is in flight stays in the journal.
    let (Access::ReadWrite, Ok(desk)) = (&access, desk(session, loaded)) else {
        left_alone(&journal(loaded));
        return;
    };
    let news = match execute::start_up(&desk, &access).await {
        Ok(news) => news,
        Err(error) => {
            output::warn(format_args!(
                "what earlier runs left was not settled: {error}"
            ));
            return;
        }
    };
    for one in news {
        let outcome = one.outcome.map_or("open", Outcome::as_str);
        output::warn(format_args!(
            "entry {} ({}): {outcome}: {}",
            one.entry, one.title, one.detail
        ));
    }
}

/// Says which changes are past their time and stay, because nothing may or can be sent.
pub fn left_alone(journal: &Journal) {
    let now = jiff::Timestamp::now();
    for entry in journal.read().unwrap_or_default().entries {
        if entry.is_due(now) {
            output::warn(format_args!(
                "the time of entry {} ({}) is over and it is still in force: this run changes nothing; a run that is not read-only takes it back, `cvmtop journal --keep {}` lets it stay",
                entry.id, entry.plan.title, entry.id
            ));
        }
    }
}

/// What the operator gave: `--yes`, or an answer typed now. `None` when nobody can be asked.
pub fn confirm(
    plan: &Plan,
    yes: bool,
    target: &str,
    preview_is_shown: bool,
) -> anyhow::Result<Option<Given>> {
    if yes {
        return Ok(Some(Given::CommandLine {
            target: target.to_owned(),
        }));
    }
    if plan.confirmation == Confirmation::None {
        return Ok(Some(Given::Nothing));
    }
    if !preview_is_shown {
        eprint!("{}", preview::text_in(plan, &output::say));
    }
    let name = (plan.confirmation == Confirmation::TypedName).then(|| expected_name(plan));
    ask(name)
}

/// The same for a batch: every plan and the summary are shown, one answer is asked for.
pub fn confirm_batch(batch: &Batch, yes: bool) -> anyhow::Result<Option<Given>> {
    if yes {
        // Each plan is confirmed by the text that named its own target.
        return Ok(Some(Given::CommandLine {
            target: String::new(),
        }));
    }
    for plan in batch.plans() {
        eprintln!("{}", preview::text_in(plan, &output::say));
    }
    eprintln!("{}", batch.summary().join("\n"));
    let phrase = batch.phrase();
    ask((batch.confirmation() == Confirmation::TypedName).then_some(phrase.as_str()))
}

/// Asks on the terminal; `None` when there is none.
fn ask(name: Option<&str>) -> anyhow::Result<Option<Given>> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    match name {
        Some(name) => eprint!("Type `{name}` to go on: "),
        None => eprint!("Go on? [y/N] "),
    }
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(Some(if name.is_some() {
        Given::Typed(answer.to_owned())
    } else if answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes") {
        Given::Key
    } else {
        Given::Nothing
    }))
}

/// Progress as lines on standard error; a state is only repeated when it changes.
#[derive(Debug, Default)]
pub struct Printer {
    last: String,
}

impl Printer {
    /// Prints one piece of news.
    pub fn print(&mut self, news: &Progress) {
        let line = match news {
            Progress::Journalled { entry } => format!("journal entry {entry}"),
            Progress::Sending { step, of, purpose } => {
                format!("call {} of {of}: {purpose}", step + 1)
            }
            Progress::Answered { request_id, .. } => format!("accepted, request {request_id}"),
            Progress::Following { state, .. } => format!("waiting: {state}"),
            Progress::Ended {
                success, detail, ..
            } => format!("{}: {detail}", if *success { "done" } else { "failed" }),
            Progress::Verifying { looks, .. } => {
                let looks: Vec<_> = looks.iter().map(LoginLook::sentence).collect();
                format!("login: {}", looks.join("; "))
            }
        };
        if line != self.last {
            eprintln!("{}", output::say(&line));
            self.last = line;
        }
    }
}

/// Exit status of an outcome. `waited`: the verification was asked for.
pub fn exit_status(outcome: Outcome, waited: bool) -> u8 {
    match outcome {
        Outcome::Done | Outcome::Restored => 0,
        Outcome::Improved | Outcome::Unchanged | Outcome::Worse => u8::from(waited),
        Outcome::Failed | Outcome::Unknown | Outcome::Interrupted => 1,
    }
}
