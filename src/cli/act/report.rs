//! What `act` prints: a preview, or what came of it and what is next.
//!
//! Must not live here: deciding or sending anything.

use std::fmt::Write as _;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::action::plan::{Plan, Undo};
use crate::action::{offer, preview};
use crate::app::locale::Lang;
use crate::cli::args::TextOrJson;
use crate::cli::output::{hand_over, print_done, said, texts};
use crate::cli::report::actions_by_id;
use crate::cli::said as words;
use crate::diagnosis::display;
use crate::domain::outcome::Outcome;
use crate::domain::report::RankedAction;
use crate::domain::said::{Said, Word};
use crate::runtime::deed::Next;
use crate::runtime::execute::{Execution, LoginLook};

/// The preview as text, or as one JSON object.
pub fn dry_run(plan: &Plan, format: TextOrJson) -> String {
    match format {
        TextOrJson::Text => preview::text_in(plan, texts()),
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
#[derive(Debug)]
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
    /// Prints it, and gives the status on.
    pub fn print(&self, format: TextOrJson, status: u8) -> u8 {
        let handed = &self.execution.handed;
        match format {
            TextOrJson::Text => print_done(&self.text(), status, handed),
            TextOrJson::Json => {
                // Secrets stay out of JSON, which ends up in files.
                hand_over(handed);
                print_done(&format!("{}\n", self.json()), status, [])
            }
        }
    }

    pub fn text(&self) -> String {
        let Self {
            plan, execution, ..
        } = self;
        let mut lines = vec![
            words::result(&plan.title, execution.outcome.said()),
            execution.detail.clone(),
            words::entry(&execution.entry),
        ];
        lines.extend(
            execution
                .output
                .iter()
                .map(|line| Said::raw(format!("  {line}"))),
        );
        let looks = |of: &'_ [LoginLook]| of.iter().map(LoginLook::sentence).collect::<Vec<_>>();
        lines.extend(
            looks(&execution.before)
                .into_iter()
                .map(words::login_before),
        );
        lines.extend(looks(&execution.after).into_iter().map(words::login_after));
        if let Some(path) = &execution.evidence {
            lines.push(words::evidence_kept(path.display()));
        }
        if let Some(cause) = self.learnt {
            lines.push(words::confirmed_cause(Word::cause(cause, "")));
        }
        lines.push(words::undo(plan.undo.sentence()));
        if !matches!(plan.undo, Undo::None { .. }) && execution.outcome != Outcome::Failed {
            let command = format!("      cvmtop journal --undo {} --yes", execution.entry);
            lines.push(Said::raw(command));
        }
        if plan.expires_after_minutes.is_some() {
            lines.push(words::keep(&execution.entry));
        }
        let mut text = String::new();
        for line in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", said(&line));
        }
        self.next_lines(&mut text);
        for handed in &execution.handed {
            let line = words::handed(&handed.what, handed.value.expose_secret());
            let _ = writeln!(text, "{}", said(&line));
        }
        text
    }

    fn next_lines(&self, text: &mut String) {
        let Some(next) = self.next else {
            let soft_failed = self.execution.outcome == Outcome::Failed && self.execution.accepted;
            if soft_failed && offer::is_soft_restart(self.plan) {
                let _ = writeln!(
                    text,
                    "{}\n      cvmtop act {} restart --set mode=hard",
                    said(&words::next_hard()),
                    self.target
                );
            }
            return;
        };
        if !next.tried.is_empty() {
            let tried = words::with_tried(actions_by_id(&next.tried));
            let _ = writeln!(text, "{}", said(&tried));
        }
        let share = display::percent;
        for cause in &next.causes {
            let word = Word::cause(&cause.id, &cause.title);
            let now = format!("{:>5}", share(cause.now));
            let line = match cause.before {
                Some(before) => words::cause_was(now, share(before), word, &cause.id),
                None => words::cause_now(now, word, &cause.id),
            };
            let _ = writeln!(text, "  {}", said(&line));
        }
        for action in &next.actions {
            let title = match texts().lang() {
                Lang::En => action.title.to_string(),
                _ => texts().offer(action),
            };
            let line = words::next_action(title, share(action.probability_cures));
            let _ = writeln!(text, "{}", said(&line));
            let _ = writeln!(text, "      {}", command(self.target, action));
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
            "detail": execution.detail.as_str(),
            "said": execution.detail.tagged(),
            "seconds": execution.seconds,
            "login_back": execution.login.as_bool(),
            "broken_before": execution.broken,
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

/// The command that does a ranked action, or what it says where a person has to do it.
pub fn command(target: &str, action: &RankedAction) -> String {
    if action.id == "advice" {
        let advice = action.parameters["text"].as_str().unwrap_or_default();
        return texts().known(advice).to_owned();
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
