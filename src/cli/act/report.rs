//! What `act` prints: a preview, or what came of it and what is next.
//!
//! Must not live here: deciding or sending anything.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::action::plan::{Plan, Undo};
use crate::action::{offer, preview};
use crate::cli::again;
use crate::cli::args::TextOrJson;
use crate::cli::output::{hand_over, print_done, said, texts};
use crate::cli::page::{Page, Tone};
use crate::cli::report::{self, actions_by_id};
use crate::cli::said as words;
use crate::diagnosis::display;
use crate::domain::outcome::Outcome;
use crate::domain::said::{Joint, List, Said, Word};
use crate::runtime::deed::Next;
use crate::runtime::execute::{Execution, LoginLook};

/// The preview as text with the command that carries it out, or as one JSON object.
pub fn dry_run(plan: &Plan, command: &[String], format: TextOrJson) -> String {
    match format {
        TextOrJson::Text => {
            let mut page = Page::stdout();
            preview(&mut page, plan);
            page.gap();
            page.put(0, Tone::Strong, &said(&words::to_carry_out()));
            page.command(2, command);
            page.take()
        }
        TextOrJson::Json => format!("{}\n", plan_json(plan)),
    }
}

/// Cells of a label with the blank behind it.
const LABEL: usize = 13;

/// The preview, each item set in as far as it is.
pub fn preview(page: &mut Page, plan: &Plan) {
    let warning = said(&crate::action::said::label_warning());
    for (row, line) in preview::lines_in(plan, texts()).iter().enumerate() {
        let item = line.trim_start();
        let indent = line.len() - item.len();
        let tone = match item.chars().next() {
            _ if row == 0 => Tone::Strong,
            Some('+') if indent > 2 => Tone::Good,
            Some('-') if indent > 2 => Tone::Bad,
            _ if item.starts_with(&warning) => Tone::Warn,
            _ => Tone::Plain,
        };
        // What is wrapped hangs under the value, not under its label.
        let hang = if row == 0 { 0 } else { indent + LABEL };
        page.inset(line, hang, tone);
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
        let mut page = Page::stdout();
        let title = texts().labelled(&said(&plan.title), "");
        let outcome = said(&execution.outcome.said());
        let tone = tone(execution.outcome);
        page.hang(0, &title, Tone::Strong, tone, &outcome);
        page.put(2, Tone::Plain, &said(&execution.detail));
        for line in &execution.output {
            page.put(4, Tone::Dim, line);
        }
        for (looks, sentence) in [
            (&execution.before, words::login_before as fn(Said) -> Said),
            (&execution.after, words::login_after),
        ] {
            // What each layer said is in JSON and in the progress.
            if !looks.is_empty() {
                let short = looks.iter().map(LoginLook::in_short);
                let short = words::looks(List::said(Joint::Commas, short));
                page.put(2, Tone::Plain, &said(&sentence(short)));
            }
        }
        let mut kept = vec![words::entry(&execution.entry)];
        let evidence = execution.evidence.iter();
        kept.extend(evidence.map(|path| words::evidence_kept(path.display())));
        let learnt = self.learnt.iter();
        kept.extend(
            learnt.map(|cause| {
                words::confirmed_cause(Word::cause(cause, texts().cause(cause, cause)))
            }),
        );
        for line in &kept {
            page.put(2, Tone::Dim, &said(line));
        }
        page.put(2, Tone::Plain, &said(&words::undo(plan.undo.sentence())));
        let entry = execution.entry.as_str();
        let stays = !again::ends_with_the_demo() && execution.outcome != Outcome::Failed;
        if stays && !matches!(plan.undo, Undo::None { .. }) {
            page.command(4, &again::command(["journal", "--undo", entry, "--yes"]));
        }
        if stays && plan.expires_after_minutes.is_some() {
            page.put(2, Tone::Plain, &said(&words::keep()));
            page.command(4, &again::command(["journal", "--keep", entry]));
        }
        self.next_lines(&mut page);
        for handed in &execution.handed {
            // As it stands: it is copied, and shown only once.
            let line = words::handed(&handed.what, handed.value.expose_secret());
            page.line(&said(&line));
        }
        page.take()
    }

    fn next_lines(&self, page: &mut Page) {
        let Some(next) = self.next else {
            let soft_failed = self.execution.outcome == Outcome::Failed && self.execution.accepted;
            if soft_failed && offer::is_soft_restart(self.plan) {
                page.gap();
                page.put(0, Tone::Strong, &said(&words::next_hard()));
                let hard = ["act", self.target, "restart", "--set", "mode=hard"];
                page.command(4, &again::command(hard));
            }
            return;
        };
        page.gap();
        if !next.tried.is_empty() {
            let tried = words::with_tried(actions_by_id(&next.tried));
            page.put(0, Tone::Plain, &said(&tried));
        }
        let share = display::percent;
        for cause in &next.causes {
            let word = Word::cause(&cause.id, &cause.title);
            let line = match cause.before {
                Some(before) => words::cause_was(share(before), word),
                None => words::cause_now(word),
            };
            let now = format!("{:>4}  ", share(cause.now));
            page.hang(2, &now, Tone::Strong, Tone::Plain, &said(&line));
        }
        if !next.actions.is_empty() {
            page.gap();
            page.put(0, Tone::Strong, &texts().ui.do_next);
        }
        for (place, action) in next.actions.iter().enumerate() {
            report::offer(page, Some(place + 1), action, self.target);
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

/// How an outcome is coloured.
pub fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Done | Outcome::Restored => Tone::Good,
        Outcome::Failed | Outcome::Worse => Tone::Bad,
        _ => Tone::Warn,
    }
}
