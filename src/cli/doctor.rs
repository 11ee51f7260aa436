//! `cvmtop doctor`: credentials, permissions per API call, clock, ICMP, terminal, settings; each
//! with the remedy.
//!
//! Must not live here: the checks' knowledge of the cloud (`cloud::permissions`).

mod api;
mod local;

use std::fmt::Write;

use serde::Serialize;
use serde_json::json;

use super::args::{DoctorArgs, GlobalArgs, TextOrJson};
use super::{acting, output};
use crate::action::catalog;
use crate::cloud::permissions::{self, DEEP, READS};
use crate::config::{self, Overrides};
use crate::diagnosis::{Knowledge, KnowledgeError};
use crate::domain::action::ActionId;
use crate::domain::text::sanitise;

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
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::NotTested => "-",
        }
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Check {
    level: Level,
    subject: String,
    detail: String,
    /// What to do; empty where nothing is wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

impl Check {
    fn new(level: Level, subject: &str, detail: impl Into<String>) -> Self {
        Self {
            level,
            subject: subject.to_owned(),
            detail: sanitise(&detail.into(), 400),
            remedy: String::new(),
        }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
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
        return check_knowledge(path, args.format);
    }
    let loaded = config::load(&Overrides::from(global))?;
    // It only reads, whatever is due.
    acting::left_alone(&acting::journal(&loaded));
    let mut checks = local_checks(&loaded);
    checks.extend(api::checks(&loaded).await);
    report(&checks, args.format)
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
    as_text(&local_checks(loaded))
}

/// Prints the checks; status 1 if one failed.
fn report(checks: &[Check], format: TextOrJson) -> anyhow::Result<u8> {
    let (failed, warned) = (count(checks, Level::Fail), count(checks, Level::Warn));
    match format {
        TextOrJson::Json => {
            let report = json!({"checks": checks, "failed": failed, "warned": warned});
            output::print(&format!("{report}\n"))?;
        }
        TextOrJson::Text => output::print(&as_text(checks))?,
    }
    Ok(u8::from(failed > 0))
}

fn count(checks: &[Check], level: Level) -> usize {
    checks.iter().filter(|check| check.level == level).count()
}

fn as_text(checks: &[Check]) -> String {
    let width = checks
        .iter()
        .map(|check| check.subject.chars().count())
        .max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let (word, subject, detail) = (check.level.word(), &check.subject, &check.detail);
        let _ = writeln!(text, "{word:<5} {subject:width$}  {detail}");
        if !check.remedy.is_empty() {
            let _ = writeln!(text, "{:<5} {:width$}  -> {}", "", "", check.remedy);
        }
    }
    let _ = writeln!(
        text,
        "{} failed, {} warned, {} not tested",
        count(checks, Level::Fail),
        count(checks, Level::Warn),
        count(checks, Level::NotTested)
    );
    text
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
                anyhow::bail!(
                    "there is no policy for `{}`; give read, deep or one of {}",
                    sanitise(other, 60),
                    ids.join(", ")
                );
            };
            let needed = catalog::row_of(id).permissions;
            // Whoever acts has to find the instance and follow the operation too.
            std::iter::once("cvm:DescribeInstances")
                .chain(needed.iter().copied())
                .collect()
        }
    };
    Ok(permissions::policy(&wanted))
}

fn check_knowledge(path: &std::path::Path, format: TextOrJson) -> anyhow::Result<u8> {
    let name = path.display().to_string();
    let bad = |detail: String| {
        Check::new(Level::Fail, "knowledge", detail).remedy("correct the entry that is named")
    };
    let checks = match std::fs::read_to_string(path) {
        Err(error) => vec![
            Check::new(Level::Fail, "knowledge", format!("{name}: {error}"))
                .remedy("give the path of a knowledge file"),
        ],
        Ok(text) => match Knowledge::parse(&name, &text) {
            Ok(knowledge) => vec![Check::new(
                Level::Ok,
                "knowledge",
                format!("{name} is sound, hash {}", knowledge.hash()),
            )],
            // One line for each broken rule.
            Err(KnowledgeError::Lint(problems)) => problems.into_iter().map(bad).collect(),
            Err(error) => vec![bad(error.to_string())],
        },
    };
    report(&checks, format)
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
