//! A plan as text for a person: the same words in the console, `--dry-run` and the ticket.
//!
//! Must not live here: colours and widths (`view`).

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::plan::{Confirmation, Plan, RuleDifference, RuleLine, Step, TableOf, Verification};
use super::said;
use crate::domain::action::Risk;
use crate::domain::said::{English, Said, Speech, Table, Word};
use crate::domain::text::{sanitise, sanitise_block};

const LINE: usize = 400;
/// The longest script that is shown, in bytes; what the agent takes is shorter.
const SCRIPT: usize = 64_000;
/// Cells of a label, so that the values stand in a column.
const LABEL: usize = 12;
/// The same for which rule decides.
const DECIDED_LABEL: usize = 16;

/// The whole preview in English, one item a line.
pub fn lines(plan: &Plan) -> Vec<String> {
    lines_in(plan, &English)
}

/// The whole preview, one item a line, in a language. What is sent is shown as it is in every
/// language.
pub fn lines_in(plan: &Plan, speech: &dyn Speech) -> Vec<String> {
    let mut out = vec![sanitise(&plan.title.in_words(speech), LINE)];
    let mut item = |name: &Said, value: &Said| {
        let value = sanitise(&value.in_words(speech), LINE);
        out.push(labelled(&name.in_words(speech), LABEL, &value));
    };
    if let Some(reversed) = &plan.reverses {
        item(&said::takes_back(), &said::entry(reversed));
    }
    for change in &plan.changes {
        item(&said::label_change(), change);
    }
    item(&said::label_cost(), &plan.cost);
    item(&said::label_downtime(), &plan.downtime);
    item(&said::data_risk(), &plan.data_risk);
    if let Some(count) = plan.saves_readings {
        item(&said::label_evidence(), &said::readings_just_now(count));
    }
    item(&said::label_affects(), &affected(plan));
    item(&said::label_undo(), &plan.undo.sentence());
    if let Some(minutes) = plan.expires_after_minutes {
        let expires = said::expires_in(minutes, &plan.entry);
        item(&said::label_expires(), &expires);
    }
    item(&said::label_permission(), &permissions(plan));
    item(&said::label_risk(), &said::state(risk_word(plan.risk)));
    item(&said::label_confirm(), &confirmation(plan));
    let verified = match &plan.verification {
        Verification::Login if plan.action.runs_in_guest() => &said::login_probes_and_guest(),
        Verification::Login => &said::login_probes_same(),
        Verification::None { reason } => reason,
    };
    item(&said::verified(), verified);
    for warning in &plan.warnings {
        item(&said::label_warning(), warning);
    }
    for difference in plan.rules.iter().chain(&plan.tables) {
        rule_lines(&mut out, difference, speech);
    }
    call_lines(&mut out, plan, speech);
    out
}

/// The word for a risk.
pub(super) fn risk_word(risk: Risk) -> Word {
    Word::new(Table::Risk, risk.as_str())
}

fn labelled(label: &str, cells: usize, value: &str) -> String {
    let fill = " ".repeat(cells.saturating_sub(label.width()));
    format!("  {label}{fill} {value}")
}

/// The preview as one text.
pub fn text(plan: &Plan) -> String {
    text_in(plan, &English)
}

/// The preview as one text, in a language.
pub fn text_in(plan: &Plan, speech: &dyn Speech) -> String {
    let mut out = lines_in(plan, speech).join("\n");
    out.push('\n');
    out
}

fn affected(plan: &Plan) -> Said {
    let affected = &plan.affected;
    if affected.names.is_empty() {
        return affected.note.clone();
    }
    let names = affected.names.join(", ");
    let names = match affected.count {
        Some(count) if count > affected.names.len() => {
            said::more(names, count - affected.names.len())
        }
        _ => Said::raw(names),
    };
    said::noted(&affected.note, names)
}

fn permissions(plan: &Plan) -> Said {
    let all = plan.permissions();
    if all.is_empty() {
        said::none()
    } else {
        Said::raw(all.join(", "))
    }
}

fn confirmation(plan: &Plan) -> Said {
    match plan.confirmation {
        Confirmation::None => said::not_needed(),
        Confirmation::Key => said::one_key_or(),
        Confirmation::TypedName => said::type_or_yes(plan.target.to_type()),
    }
}

fn rule_lines(out: &mut Vec<String>, difference: &RuleDifference, speech: &dyn Speech) {
    let name = sanitise(&difference.group_name, 60);
    let id = &difference.group;
    let heading = match difference.of {
        TableOf::SecurityGroup => said::inbound_rules_version(id, name, &difference.version),
        TableOf::AclInbound => said::acl_inbound(id, name),
        TableOf::AclOutbound => said::acl_outbound(id, name),
        TableOf::Routes => said::routes_of(id, name),
    };
    out.push(format!("  {}", heading.in_words(speech)));
    for (name, decided) in [
        (said::now_decided(), &difference.decided_before),
        (said::then_decided(), &difference.decided_after),
    ] {
        if decided.is_empty() {
            continue;
        }
        let decided = sanitise(&decided.in_words(speech), LINE);
        let line = labelled(&name.in_words(speech), DECIDED_LABEL, &decided);
        out.push(format!("  {line}"));
    }
    out.push(format!("    {}", said::label_before().in_words(speech)));
    push_rules(out, difference.of, &difference.before, speech);
    out.push(format!("    {}", said::label_after().in_words(speech)));
    push_rules(out, difference.of, &difference.after, speech);
}

fn push_rules(out: &mut Vec<String>, of: TableOf, rules: &[RuleLine], speech: &dyn Speech) {
    if rules.is_empty() {
        let none = match of {
            TableOf::Routes => said::none(),
            _ => said::no_rule_refused(),
        };
        out.push(format!("      {}", none.in_words(speech)));
    }
    for rule in rules {
        let sign = match (rule.added, rule.removed) {
            (true, _) => '+',
            (_, true) => '-',
            _ => ' ',
        };
        let decides = if rule.decides {
            format!("  {}", said::arrow_decides().in_words(speech))
        } else {
            String::new()
        };
        out.push(format!(
            "    {sign} {:>3}  {}{decides}",
            rule.index,
            sanitise(&rule.text.in_words(speech), LINE)
        ));
    }
}

/// The parameters of a call; what is filled in only when it is sent says so in the language.
fn parameters(step: &Step, speech: &dyn Speech) -> Value {
    let mut shown = step.call.parameters.clone();
    let secret = step.secret.iter().map(|slot| &slot.pointer);
    let inputs = step.inputs.iter().map(|input| &input.pointer);
    let secret = secret.map(|pointer| (pointer, said::generated_when_sent()));
    let inputs = inputs.map(|pointer| (pointer, said::from_answer_before()));
    for (pointer, later) in secret.chain(inputs) {
        if let Some(slot) = shown.pointer_mut(pointer)
            && slot.as_str() == Some(later.as_str())
        {
            *slot = later.in_words(speech).into();
        }
    }
    if step.script.is_some()
        && let Some(Value::String(content)) = shown.get_mut("Content")
    {
        *content = said::script_folded(content.len()).in_words(speech);
    }
    shown
}

fn call_lines(out: &mut Vec<String>, plan: &Plan, speech: &dyn Speech) {
    if plan.steps.is_empty() {
        let label = said::label_calls().in_words(speech);
        out.push(labelled(&label, LABEL, &said::none().in_words(speech)));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let call = format!(
            "{}:{} {} ({})",
            step.call.service,
            step.call.action,
            step.call.region,
            sanitise(&step.purpose.in_words(speech), 120)
        );
        let label = said::label_call(number + 1).in_words(speech);
        out.push(labelled(&label, LABEL, &call));
        // What a person can read comes first; the same once more in base64 is only named.
        if let Some(script) = &step.script {
            let runs = said::runs_guest(&script.file).in_words(speech);
            out.push(format!("    {runs}"));
            for line in sanitise_block(&script.text, SCRIPT).lines() {
                out.push(format!("    | {line}"));
            }
            out.push(format!("    {}", said::label_body().in_words(speech)));
        }
        let body = serde_json::to_string_pretty(&parameters(step, speech)).unwrap_or_default();
        for line in sanitise_block(&body, 8_000).lines() {
            out.push(format!("    {line}"));
        }
    }
}
