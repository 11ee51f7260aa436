//! A plan as text for a person: the same words in the console, `--dry-run` and the ticket.
//!
//! Must not live here: colours and widths (`view`).

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::plan::{Confirmation, Plan, RuleDifference, Verification};
use crate::domain::text::{sanitise, sanitise_block};

const LINE: usize = 400;
/// Cells of a label, so that the values stand in a column.
const LABEL: usize = 12;
/// The same for which rule decides.
const DECIDED_LABEL: usize = 16;

/// Says a sentence in the reader's language.
pub type Say<'a> = &'a dyn Fn(&str) -> String;

/// The whole preview in English, one item a line.
pub fn lines(plan: &Plan) -> Vec<String> {
    lines_in(plan, &str::to_owned)
}

/// The whole preview, one item a line, each sentence said by `say`. What is sent is shown as it
/// is in every language.
pub fn lines_in(plan: &Plan, say: Say<'_>) -> Vec<String> {
    let mut out = vec![sanitise(&say(&plan.title), LINE)];
    let mut item = |name: &str, value: &str| {
        let value = sanitise(&say(value), LINE);
        out.push(labelled(&say(name), LABEL, &value));
    };
    if let Some(reversed) = &plan.reverses {
        item("takes back", &format!("entry {reversed}"));
    }
    for change in &plan.changes {
        item("change", change);
    }
    item("cost", &plan.cost);
    item("downtime", &plan.downtime);
    item("data risk", &plan.data_risk);
    if let Some(count) = plan.saves_readings {
        item(
            "evidence",
            &format!("{count} readings of just now are written beside the journal before the call"),
        );
    }
    item("affects", &affected(plan, say));
    item("undo", &plan.undo.sentence());
    if let Some(minutes) = plan.expires_after_minutes {
        item(
            "expires",
            &format!(
                "taken away again {minutes} min after it is done, by the console if it runs then, else by the next start of cvmtop; `cvmtop journal --keep {}` lets it stay",
                plan.entry
            ),
        );
    }
    item("permission", &permissions(plan));
    item("risk", &format!("{:?}", plan.risk).to_lowercase());
    item("confirm", &confirmation(plan));
    item(
        "verified by",
        match &plan.verification {
            Verification::Login => "the login probes, from the same vantage before and after",
            Verification::None { reason } => reason,
        },
    );
    for warning in &plan.warnings {
        item("warning", warning);
    }
    if let Some(difference) = &plan.rules {
        rule_lines(&mut out, difference, say);
    }
    call_lines(&mut out, plan, say);
    out
}

fn labelled(label: &str, cells: usize, value: &str) -> String {
    let fill = " ".repeat(cells.saturating_sub(label.width()));
    format!("  {label}{fill} {value}")
}

/// The preview as one text.
pub fn text(plan: &Plan) -> String {
    text_in(plan, &str::to_owned)
}

/// The preview as one text, said by `say`.
pub fn text_in(plan: &Plan, say: Say<'_>) -> String {
    let mut out = lines_in(plan, say).join("\n");
    out.push('\n');
    out
}

fn affected(plan: &Plan, say: Say<'_>) -> String {
    let affected = &plan.affected;
    let mut text = say(&affected.note);
    if !affected.names.is_empty() {
        let mut names = affected.names.join(", ");
        if let Some(count) = affected.count
            && count > affected.names.len()
        {
            let more = count - affected.names.len();
            names = say(&format!("{names} and {more} more"));
        }
        let _ = write!(text, ": {names}");
    }
    text
}

fn permissions(plan: &Plan) -> String {
    let all = plan.permissions();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

fn confirmation(plan: &Plan) -> String {
    match plan.confirmation {
        Confirmation::None => "not needed".to_owned(),
        Confirmation::Key => "one key, or --yes".to_owned(),
        Confirmation::TypedName => format!(
            "type `{}`, or --yes on the command line",
            super::gate::expected_name(plan)
        ),
    }
}

fn rule_lines(out: &mut Vec<String>, difference: &RuleDifference, say: Say<'_>) {
    let heading = format!(
        "inbound rules of {} {} (version {})",
        difference.group,
        sanitise(&difference.group_name, 60),
        difference.version
    );
    out.push(format!("  {}", say(&heading)));
    for (name, decided) in [
        ("now decided by", &difference.decided_before),
        ("then decided by", &difference.decided_after),
    ] {
        let decided = sanitise(&say(decided), LINE);
        let line = labelled(&say(name), DECIDED_LABEL, &decided);
        out.push(format!("  {line}"));
    }
    out.push(format!("    {}", say("before")));
    push_rules(out, &difference.before, say);
    out.push(format!("    {}", say("after")));
    push_rules(out, &difference.after, say);
}

fn push_rules(out: &mut Vec<String>, rules: &[super::plan::RuleLine], say: Say<'_>) {
    if rules.is_empty() {
        out.push(format!("      {}", say("(no rule: everything is refused)")));
    }
    for rule in rules {
        let sign = match (rule.added, rule.removed) {
            (true, _) => '+',
            (_, true) => '-',
            _ => ' ',
        };
        let decides = if rule.decides {
            format!("  {}", say("<- decides"))
        } else {
            String::new()
        };
        out.push(format!(
            "    {sign} {:>3}  {}{decides}",
            rule.index,
            sanitise(&rule.text, LINE)
        ));
    }
}

fn call_lines(out: &mut Vec<String>, plan: &Plan, say: Say<'_>) {
    if plan.steps.is_empty() {
        out.push(labelled(&say("calls"), LABEL, &say("none")));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let call = format!(
            "{}:{} {} ({})",
            step.call.service,
            step.call.action,
            step.call.region,
            sanitise(&say(&step.purpose), 120)
        );
        let label = format!("{} {}", say("call"), number + 1);
        out.push(labelled(&label, LABEL, &call));
        let body = serde_json::to_string_pretty(&step.call.parameters).unwrap_or_default();
        for line in sanitise_block(&body, 8_000).lines() {
            out.push(format!("    {line}"));
        }
        if let Some(script) = &step.script {
            let runs = format!("runs {} in the guest:", script.file);
            out.push(format!("    {}", say(&runs)));
            for line in sanitise_block(&script.text, 32_000).lines() {
                out.push(format!("    | {line}"));
            }
        }
    }
}
