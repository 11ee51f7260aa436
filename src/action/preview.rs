//! A plan as text for a person: the same words in the console, `--dry-run` and the ticket.
//!
//! Must not live here: colours and widths (`view`).

use std::fmt::Write as _;

use super::plan::{Confirmation, Plan, RuleDifference, Verification};
use crate::domain::text::{sanitise, sanitise_block};

const LINE: usize = 400;

/// The whole preview, one item a line.
pub fn lines(plan: &Plan) -> Vec<String> {
    let mut out = vec![sanitise(&plan.title, LINE)];
    if let Some(reversed) = &plan.reverses {
        out.push(format!("  takes back   entry {reversed}"));
    }
    for change in &plan.changes {
        item(&mut out, "change", change);
    }
    item(&mut out, "cost", &plan.cost);
    item(&mut out, "downtime", &plan.downtime);
    item(&mut out, "data risk", &plan.data_risk);
    if let Some(count) = plan.saves_readings {
        item(
            &mut out,
            "evidence",
            &format!("{count} readings of just now are written beside the journal before the call"),
        );
    }
    item(&mut out, "affects", &affected(plan));
    item(&mut out, "undo", &plan.undo.sentence());
    if let Some(minutes) = plan.expires_after_minutes {
        item(
            &mut out,
            "expires",
            &format!(
                "taken away again {minutes} min after it is done, by the console if it runs then, else by the next start of cvmtop; `cvmtop journal --keep {}` lets it stay",
                plan.entry
            ),
        );
    }
    item(&mut out, "permission", &permissions(plan));
    item(&mut out, "risk", &format!("{:?}", plan.risk).to_lowercase());
    item(&mut out, "confirm", &confirmation(plan));
    item(
        &mut out,
        "verified by",
        match &plan.verification {
            Verification::Login => "the login probes, from the same vantage before and after",
            Verification::None { reason } => reason,
        },
    );
    for warning in &plan.warnings {
        item(&mut out, "warning", warning);
    }
    if let Some(difference) = &plan.rules {
        rule_lines(&mut out, difference);
    }
    call_lines(&mut out, plan);
    out
}

/// The preview as one text.
pub fn text(plan: &Plan) -> String {
    let mut out = lines(plan).join("\n");
    out.push('\n');
    out
}

fn item(out: &mut Vec<String>, name: &str, value: &str) {
    out.push(format!("  {name:<12} {}", sanitise(value, LINE)));
}

fn affected(plan: &Plan) -> String {
    let affected = &plan.affected;
    let mut text = affected.note.clone();
    if !affected.names.is_empty() {
        let _ = write!(text, ": {}", affected.names.join(", "));
        if let Some(count) = affected.count
            && count > affected.names.len()
        {
            let _ = write!(text, " and {} more", count - affected.names.len());
        }
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

fn rule_lines(out: &mut Vec<String>, difference: &RuleDifference) {
    out.push(format!(
        "  inbound rules of {} {} (version {})",
        difference.group,
        sanitise(&difference.group_name, 60),
        difference.version
    ));
    out.push(format!(
        "    now decided by   {}",
        sanitise(&difference.decided_before, LINE)
    ));
    out.push(format!(
        "    then decided by  {}",
        sanitise(&difference.decided_after, LINE)
    ));
    out.push("    before".to_owned());
    push_rules(out, &difference.before);
    out.push("    after".to_owned());
    push_rules(out, &difference.after);
}

fn push_rules(out: &mut Vec<String>, rules: &[super::plan::RuleLine]) {
    if rules.is_empty() {
        out.push("      (no rule: everything is refused)".to_owned());
    }
    for rule in rules {
        let sign = match (rule.added, rule.removed) {
            (true, _) => '+',
            (_, true) => '-',
            _ => ' ',
        };
        let decides = if rule.decides { "  <- decides" } else { "" };
        out.push(format!(
            "    {sign} {:>3}  {}{decides}",
            rule.index,
            sanitise(&rule.text, LINE)
        ));
    }
}

fn call_lines(out: &mut Vec<String>, plan: &Plan) {
    if plan.steps.is_empty() {
        out.push("  calls        none".to_owned());
    }
    for (number, step) in plan.steps.iter().enumerate() {
        out.push(format!(
            "  call {}       {}:{} {} ({})",
            number + 1,
            step.call.service,
            step.call.action,
            step.call.region,
            sanitise(&step.purpose, 120)
        ));
        let body = serde_json::to_string_pretty(&step.call.parameters).unwrap_or_default();
        for line in sanitise_block(&body, 8_000).lines() {
            out.push(format!("    {line}"));
        }
        if let Some(script) = &step.script {
            out.push(format!("    runs {} in the guest:", script.file));
            for line in sanitise_block(&script.text, 32_000).lines() {
                out.push(format!("    | {line}"));
            }
        }
    }
}
