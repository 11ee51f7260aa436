//! What `act` prints: a preview, or what came of it and what is next.
//!
//! Must not live here: deciding or sending anything.

use std::fmt::Write as _;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::action::plan::{Plan, Undo};
use crate::action::{offer, preview};
use crate::cli::args::TextOrJson;
use crate::cli::output::{print, say};
use crate::domain::report::RankedAction;
use crate::runtime::aftermath::Next;
use crate::runtime::execute::{Execution, LoginLook};
use crate::store::journal::Outcome;

/// The preview as text, or as one JSON object.
pub fn dry_run(plan: &Plan, format: TextOrJson) -> String {
    match format {
        TextOrJson::Text => preview::text_in(plan, &say),
        TextOrJson::Json => format!("{}\n", plan_json(plan)),
    }
}

pub fn plan_json(plan: &Plan) -> Value {
    json!({
        "schema_version": 1,
        "dry_run": true,
        "plan": plan,
        "permissions": plan.permissions(),
        "undo": plan.undo.sentence(),
    })
}

/// An execution with everything that is told about it.
pub struct Told<'a> {
    pub plan: &'a Plan,
    pub execution: &'a Execution,
    /// As named on the command line.
    pub target: &'a str,
    /// The cause that it has confirmed.
    pub learnt: Option<&'a str>,
    pub next: Option<&'a Next>,
}

impl Told<'_> {
    pub fn print(&self, format: TextOrJson) -> anyhow::Result<()> {
        match format {
            TextOrJson::Text => print(&self.text()),
            TextOrJson::Json => {
                // Secrets stay out of JSON, which ends up in files.
                for handed in &self.execution.handed {
                    eprintln!(
                        "{} (shown once, stored nowhere): {}",
                        handed.what,
                        handed.value.expose_secret()
                    );
                }
                print(&format!("{}\n", self.json()))
            }
        }
    }

    pub fn text(&self) -> String {
        let Self {
            plan, execution, ..
        } = self;
        let mut text = format!(
            "{}: {}\n{}\njournal entry {}\n",
            plan.title,
            execution.outcome.as_str(),
            execution.detail,
            execution.entry
        );
        for line in &execution.output {
            let _ = writeln!(text, "  {line}");
        }
        print_looks(&mut text, "before", &execution.before);
        print_looks(&mut text, "after", &execution.after);
        if let Some(path) = &execution.evidence {
            let _ = writeln!(text, "evidence from before: {}", path.display());
        }
        if let Some(cause) = self.learnt {
            let _ = writeln!(text, "confirmed cause: {cause} (counts in later diagnoses)");
        }
        let _ = writeln!(text, "undo: {}", plan.undo.sentence());
        if !matches!(plan.undo, Undo::None { .. }) && execution.outcome != Outcome::Failed {
            let _ = writeln!(
                text,
                "      cvmtop journal --undo {} --yes",
                execution.entry
            );
        }
        if plan.expires_after_minutes.is_some() {
            let _ = writeln!(
                text,
                "keep: cvmtop journal --keep {} lets it stay beyond its time",
                execution.entry
            );
        }
        self.next_lines(&mut text);
        for handed in &execution.handed {
            let _ = writeln!(
                text,
                "{} (shown once, stored nowhere): {}",
                handed.what,
                handed.value.expose_secret()
            );
        }
        text
    }

    fn next_lines(&self, text: &mut String) {
        let Some(next) = self.next else {
            let soft_failed = self.execution.outcome == Outcome::Failed && self.execution.accepted;
            if soft_failed && offer::is_soft_restart(self.plan) {
                let _ = writeln!(
                    text,
                    "next: a hard restart cuts the power, as the soft one did not get through\n      cvmtop act {} restart --set mode=hard",
                    self.target
                );
            }
            return;
        };
        if !next.tried.is_empty() {
            let _ = writeln!(
                text,
                "with {} not having brought login back, the causes are now",
                next.tried.join(", ")
            );
        }
        for cause in &next.causes {
            let was = cause
                .before
                .map(|p| format!(" (was {:.0}%)", p * 100.0))
                .unwrap_or_default();
            let _ = writeln!(
                text,
                "  {:>4.0}%{was}  {}  [{}]",
                cause.now * 100.0,
                cause.title,
                cause.id
            );
        }
        for action in &next.actions {
            let _ = writeln!(
                text,
                "next: {} (cures with {:.0}%)\n      {}",
                action.title,
                action.probability_cures * 100.0,
                command(self.target, action)
            );
        }
    }

    pub fn json(&self) -> Value {
        let Self {
            plan, execution, ..
        } = self;
        json!({
            "schema_version": 1,
            "entry": execution.entry,
            "action": plan.action,
            "instance": plan.target,
            "parameters": plan.parameters,
            "outcome": execution.outcome.as_str(),
            "detail": execution.detail,
            "seconds": execution.seconds,
            "login_before": execution.before,
            "login_after": execution.after,
            "output": execution.output,
            "undo": plan.undo.sentence(),
            "reverses": plan.reverses,
            "evidence": execution.evidence,
            "confirmed_cause": self.learnt,
            "next": self.next,
        })
    }
}

fn print_looks(text: &mut String, when: &str, looks: &[LoginLook]) {
    for look in looks {
        let _ = writeln!(text, "login {when}: {}", look.sentence());
    }
}

/// The command that does a ranked action, or what it says where a person has to do it.
fn command(target: &str, action: &RankedAction) -> String {
    if action.id == "advice" {
        return action.parameters["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
    }
    if action.id == "ticket" {
        return format!("cvmtop ticket {target} --output DIR");
    }
    let mut words = format!("cvmtop act {target} {}", action.id);
    for (name, value) in &action.parameters {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let _ = write!(words, " --set {name}={value}");
    }
    words
}
