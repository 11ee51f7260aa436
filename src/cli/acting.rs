//! What `act`, `journal` and `ticket` share: access, journal, start-up duties, progress.
//!
//! Must not live here: plans (`action`) and their execution (`runtime::execute`).

use std::io::{IsTerminal, Write};

use super::{output, said};
use crate::action::batch::Batch;
use crate::action::gate::{Access, Given};
use crate::action::plan::{Confirmation, Plan};
use crate::action::preview;
use crate::config::{Loaded, Settings};
use crate::domain::outcome::Outcome;
use crate::domain::said::{Joint, List, Said};
use crate::runtime::execute::{self, Desk, Execution, LoginLook, LoginNow, Progress};
use crate::runtime::session::Session;
use crate::store::journal::Journal;

/// Whether this run may change anything, and who said so if not.
pub fn access(settings: &Settings) -> Access {
    let read_only_profile = settings
        .cloud
        .profile
        .as_ref()
        .filter(|profile| settings.cloud.read_only_profiles.contains(profile));
    if settings.read_only {
        Access::ReadOnly {
            because: said::read_only_flag(),
        }
    } else if let Some(profile) = read_only_profile {
        Access::ReadOnly {
            because: said::read_only_profile(profile),
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
        return Err(output::Fault(crate::runtime::said::no_credentials()).into());
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
            output::warn(&said::earlier_unsettled(error.said()));
            return;
        }
    };
    for one in news {
        let outcome = one.outcome.map_or_else(said::open, Outcome::said);
        output::warn(&said::entry_settled(
            one.entry, one.title, outcome, one.detail,
        ));
    }
}

/// Says which changes are past their time and stay, because nothing may or can be sent.
pub fn left_alone(journal: &Journal) {
    let now = jiff::Timestamp::now();
    for entry in journal.read().unwrap_or_default().entries {
        if entry.is_due(now) {
            output::warn(&said::still_in_force(
                &entry.id,
                entry.plan.title,
                &entry.id,
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
        eprint!("{}", preview::text_in(plan, output::texts()));
    }
    let name = (plan.confirmation == Confirmation::TypedName).then(|| plan.target.to_type());
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
        eprintln!("{}", preview::text_in(plan, output::texts()));
    }
    for line in batch.summary() {
        output::note(&line);
    }
    let phrase = batch.phrase();
    ask((batch.confirmation() == Confirmation::TypedName).then_some(phrase.as_str()))
}

/// Asks on the terminal; `None` when there is none.
fn ask(name: Option<&str>) -> anyhow::Result<Option<Given>> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    match name {
        Some(name) => eprint!("{} ", output::said(&said::type_to_go_on(name))),
        None => eprint!("{} ", output::said(&said::go_on())),
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
    last: Said,
}

impl Printer {
    /// Prints one piece of news.
    pub fn print(&mut self, news: &Progress) {
        let line = match news {
            Progress::Journalled { entry } => said::entry(entry),
            Progress::Sending { step, of, purpose } => said::call(step + 1, *of, purpose),
            Progress::Answered { request_id, .. } => said::accepted(request_id),
            Progress::Following { state, .. } => said::waiting(state),
            Progress::Ended {
                success, detail, ..
            } => {
                if *success {
                    said::done(detail)
                } else {
                    said::failed(detail)
                }
            }
            Progress::Verifying { looks, .. } => said::logins(List::said(
                Joint::Semicolons,
                looks.iter().map(LoginLook::sentence),
            )),
        };
        if line != self.last {
            output::note(&line);
            self.last = line;
        }
    }
}

/// Exit status of an execution. `waited`: the verification was asked for, so that 0 says that login
/// is back, or that there was nothing to verify.
pub fn exit_status(execution: &Execution, waited: bool) -> u8 {
    match execution.outcome {
        Outcome::Failed | Outcome::Unknown | Outcome::Interrupted => 1,
        _ if waited => u8::from(matches!(
            execution.login,
            LoginNow::Broken | LoginNow::Untold
        )),
        _ => 0,
    }
}
