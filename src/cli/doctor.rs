//! `cvmtop doctor`: credentials, permissions per API call, clock, ICMP, terminal, settings; each
//! with the remedy.
//!
//! Must not live here: the checks' knowledge of the cloud (`cloud::permissions`).

mod api;
mod local;
pub mod said;

use serde::Serialize;
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::args::{DoctorArgs, GlobalArgs, TextOrJson};
use super::page::{Page, Tone};
use super::{acting, output};
use crate::action::before::shuts_down;
use crate::action::catalog;
use crate::cloud::permissions::{self, DEEP, READS};
use crate::config::{self, Overrides};
use crate::diagnosis::{Knowledge, KnowledgeError};
use crate::domain::action::ActionId;
use crate::domain::said::{List, Said};
use crate::domain::text::sanitise;

/// Cells of the word for an outcome.
const LEVEL_CELLS: usize = 5;

/// Outcome of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Ok,
    Warn,
    Fail,
    NotTested,
}

impl Level {
    fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Warn => Tone::Warn,
            Self::Fail => Tone::Bad,
            Self::NotTested => Tone::Dim,
        }
    }

    fn said(self) -> Said {
        match self {
            Self::Ok => said::level_ok(),
            Self::Warn => said::level_warn(),
            Self::Fail => said::level_fail(),
            Self::NotTested => said::level_not_tested(),
        }
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Check {
    level: Level,
    subject: String,
    #[serde(flatten, with = "crate::domain::said::detail")]
    detail: Said,
    /// What to do; `None` where nothing is wrong.
    #[serde(flatten, with = "crate::domain::said::maybe_remedy")]
    remedy: Option<Said>,
}

impl Check {
    fn new(level: Level, subject: &str, detail: Said) -> Self {
        Self {
            level,
            subject: subject.to_owned(),
            detail: detail.clean(),
            remedy: None,
        }
    }

    fn remedy(mut self, remedy: Said) -> Self {
        self.remedy = Some(remedy);
        self
    }
}

pub async fn run(args: &DoctorArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    if let Some(what) = &args.policy {
        let policy = policy_for(what)?;
        output::print(&format!("{}\n", serde_json::to_string_pretty(&policy)?))?;
        return Ok(0);
    }
    if let Some(path) = &args.knowledge {
        return check_knowledge(path, args);
    }
    let loaded = config::load(&Overrides::from(global))?;
    output::speak(loaded.settings.ui.lang);
    output::colour(loaded.settings.ui.no_color);
    // It only reads, whatever is due.
    acting::left_alone(&loaded, None).await;
    let mut checks = local_checks(&loaded);
    checks.extend(local::shared_store(&loaded).await);
    checks.extend(api::checks(&loaded).await);
    report(&checks, args.all, args.format)
}

fn local_checks(loaded: &config::Loaded) -> Vec<Check> {
    let mut checks = local::settings(loaded);
    checks.extend(local::places(loaded));
    checks.push(local::icmp());
    checks.extend(local::terminal());
    checks
}

/// What is checked without any network, as text.
pub(super) fn local_text(loaded: &config::Loaded) -> String {
    let mut page = Page::new(usize::MAX, false);
    as_text(&mut page, &local_checks(loaded), true);
    page.take()
}

/// Prints the checks; status 1 if one failed.
fn report(checks: &[Check], all: bool, format: TextOrJson) -> anyhow::Result<u8> {
    let (failed, warned) = (count(checks, Level::Fail), count(checks, Level::Warn));
    match format {
        TextOrJson::Json => {
            let report = json!({"checks": checks, "failed": failed, "warned": warned});
            output::print(&format!("{report}\n"))?;
        }
        TextOrJson::Text => {
            let mut page = Page::stdout();
            as_text(&mut page, checks, all);
            output::print(&page.take())?;
        }
    }
    Ok(u8::from(failed > 0))
}

fn count(checks: &[Check], level: Level) -> usize {
    checks.iter().filter(|check| check.level == level).count()
}

/// What is wrong first, each with what to do; then the rest, in one line a kind unless all is asked
/// for.
fn as_text(page: &mut Page, checks: &[Check], all: bool) {
    let summary = said::summary(
        count(checks, Level::Fail),
        count(checks, Level::Warn),
        count(checks, Level::NotTested),
    );
    let worst = [Level::Fail, Level::Warn];
    let worst = worst.into_iter().find(|level| count(checks, *level) > 0);
    let tone = worst.map_or(Tone::Good, Level::tone);
    page.put(0, tone, &output::said(&summary));
    for level in [Level::Fail, Level::Warn] {
        for check in checks.iter().filter(|check| check.level == level) {
            page.gap();
            line(page, check);
        }
    }
    for level in [Level::NotTested, Level::Ok] {
        let of_level = checks.iter().filter(|check| check.level == level);
        if all {
            page.gap();
            of_level.for_each(|check| line(page, check));
            continue;
        }
        // Permissions are named one by one where something is wrong with them.
        let (calls, others): (Vec<&Check>, Vec<&Check>) =
            of_level.partition(|check| level == Level::Ok && check.subject.contains(':'));
        let mut subjects: Vec<String> = others.iter().map(|it| subject(&it.subject)).collect();
        subjects.dedup();
        if !calls.is_empty() {
            subjects.push(output::said(&said::calls_permitted(calls.len())));
        }
        if !subjects.is_empty() {
            let list = List::names(subjects);
            let text = match level {
                Level::NotTested => said::are_not_tested(list),
                _ => said::are_in_order(list),
            };
            page.gap();
            page.put(0, Tone::Plain, &output::said(&text));
        }
    }
    if !all {
        page.gap();
        page.put(0, Tone::Dim, &output::said(&said::all_checks()));
    }
}

/// One check, and beneath it what to do.
fn line(page: &mut Page, check: &Check) {
    let word = output::said(&check.level.said());
    let blank = " ".repeat(LEVEL_CELLS.saturating_sub(word.width()) + 1);
    let detail = sanitise(&output::said(&check.detail), 400);
    let text = output::texts().labelled(&subject(&check.subject), &detail);
    let mark = format!("{word}{blank}");
    page.hang(0, &mark, check.level.tone(), Tone::Plain, &text);
    if let Some(remedy) = &check.remedy {
        let indent = mark.width();
        page.hang(
            indent,
            "-> ",
            Tone::Strong,
            Tone::Command,
            &output::said(remedy),
        );
    }
}

/// What was checked, in the language of the run; permissions keep the cloud's names.
fn subject(id: &str) -> String {
    let name = match id {
        "config" => said::subject_config(),
        "credentials" => said::subject_credentials(),
        "identity" => said::subject_identity(),
        "site" => said::subject_site(),
        "clock" => said::subject_clock(),
        "state" => said::subject_state(),
        "log" => said::subject_log(),
        "shared-store" => said::subject_shared_store(),
        "terminal" => said::subject_terminal(),
        "locale" => said::subject_locale(),
        "knowledge" => said::subject_knowledge(),
        "read-only" => said::subject_read_only(),
        "actions" => said::subject_actions(),
        other => Said::raw(other),
    };
    output::said(&name)
}

/// The smallest policy for `read`, `deep` or an action.
fn policy_for(what: &str) -> anyhow::Result<serde_json::Value> {
    let reads = READS.iter().map(|read| read.permission);
    let wanted: Vec<&str> = match what {
        "read" => reads.collect(),
        "deep" => reads.chain(DEEP.iter().copied()).collect(),
        other => {
            let Some(id) = ActionId::parse(other) else {
                let ids: Vec<&str> = ActionId::ALL.iter().map(|id| id.as_str()).collect();
                let why = said::no_policy(sanitise(other, 60), List::names(ids));
                return Err(output::Fault(why).into());
            };
            let needed = catalog::row_of(id).permissions.iter();
            let needed = catalog::EVERY.iter().chain(needed).copied();
            // What destroys evidence, or is evidence, is preceded by a diagnosis.
            let diagnoses = shuts_down(id) || id == ActionId::Ticket;
            let reads = diagnoses.then_some(reads).into_iter().flatten();
            needed.chain(reads).collect()
        }
    };
    Ok(permissions::policy(&wanted))
}

fn check_knowledge(path: &std::path::Path, args: &DoctorArgs) -> anyhow::Result<u8> {
    let name = path.display().to_string();
    let bad =
        |detail: Said| Check::new(Level::Fail, "knowledge", detail).remedy(said::correct_entry());
    let checks = match std::fs::read_to_string(path) {
        Err(error) => vec![
            Check::new(Level::Fail, "knowledge", said::knowledge_file(name, error))
                .remedy(said::give_knowledge()),
        ],
        Ok(text) => match Knowledge::parse(&name, &text) {
            Ok(knowledge) => vec![Check::new(
                Level::Ok,
                "knowledge",
                said::knowledge_sound(&name, knowledge.hash()),
            )],
            // One line for each broken rule.
            Err(KnowledgeError::Lint(problems)) => problems.into_iter().map(bad).collect(),
            Err(error) => vec![bad(error.said())],
        },
    };
    report(&checks, true, args.format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_policy_and_an_unknown_one_is_named() {
        for id in ActionId::ALL {
            let policy = policy_for(id.as_str()).expect("policy");
            let actions = policy["statement"][0]["action"]
                .as_array()
                .expect("actions");
            assert!(actions.iter().any(|a| a == "cvm:DescribeInstances"), "{id}");
        }
        let deep = policy_for("deep").expect("policy").to_string();
        assert!(deep.contains("tat:RunCommand"));
        let read = policy_for("read").expect("policy").to_string();
        assert!(
            !read.contains("RunCommand") && !read.contains("Reboot"),
            "{read}"
        );
        assert!(
            policy_for("fly")
                .expect_err("unknown")
                .to_string()
                .contains("`fly`")
        );
    }
}
