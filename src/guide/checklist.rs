//! The checklist of the guide on where to start, as far as a diagnosis has filled it in.
//!
//! Lives here: which of its steps are done, still to do, or not called for. Must not live here:
//! the steps themselves (`assets/guides/*/login-failure-overview.md`), carrying them out.

use crate::domain::action::ActionId;
use crate::domain::evidence::Status;
use crate::domain::instance::Os;
use crate::domain::report::{Report, Verdict};

/// The guide whose steps these are.
pub const SLUG: &str = "login-failure-overview";

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Done,
    ToDo,
    /// What is known speaks against it.
    NotCalledFor,
}

/// One step of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Number of the step in the guide, from 1.
    pub step: usize,
    pub standing: Standing,
    /// What it rests on, in the words of the JSON contract; the same in every language.
    pub note: String,
}

/// Steps 1 to 6 as a diagnosis leaves them: system, tools, port, client text, restart, ticket.
pub fn filled_in(report: &Report) -> Vec<Tick> {
    let healthy = report.verdict == Verdict::Healthy;
    let parts = [
        system(report),
        tools(report),
        port(report),
        client_text(report),
        restart(report),
        (
            if healthy {
                Standing::NotCalledFor
            } else {
                Standing::ToDo
            },
            String::new(),
        ),
    ];
    let ticks = parts.into_iter().enumerate();
    ticks
        .map(|(index, (standing, note))| Tick {
            step: index + 1,
            standing,
            note,
        })
        .collect()
}

fn system(report: &Report) -> (Standing, String) {
    match report.instance.os {
        Os::Unknown => (Standing::ToDo, String::new()),
        os => (
            Standing::Done,
            format!("{}, port {}", os.as_str(), report.instance.login_port),
        ),
    }
}

fn tools(report: &Report) -> (Standing, String) {
    let observed = report.evidence.iter().any(|r| r.status == Status::Observed);
    match report.causes.first() {
        Some(cause) if observed => (
            Standing::Done,
            format!("{} {:.0} %", cause.id, 100.0 * cause.probability),
        ),
        _ => (Standing::ToDo, String::new()),
    }
}

/// State of the first observed reading of a group.
fn state<'r>(report: &'r Report, group: &str) -> Option<&'r str> {
    report
        .evidence
        .iter()
        .filter(|r| r.id == group && r.status == Status::Observed)
        .find_map(|r| r.state.as_deref())
}

fn port(report: &Report) -> (Standing, String) {
    match state(report, "security-group") {
        Some("allow") => (Standing::NotCalledFor, "security-group allow".to_owned()),
        Some("unresolved") | None => (Standing::ToDo, String::new()),
        Some(denied) => (Standing::ToDo, format!("security-group {denied}")),
    }
}

fn client_text(report: &Report) -> (Standing, String) {
    match state(report, "pasted-error") {
        Some(state) => (Standing::Done, format!("pasted-error {state}")),
        None => (Standing::ToDo, String::new()),
    }
}

/// A restart is only called for where it is the best of the ranked cures.
fn restart(report: &Report) -> (Standing, String) {
    let restart = ActionId::Restart.as_str();
    let Some(best) = report.actions.first() else {
        return (Standing::NotCalledFor, String::new());
    };
    let standing = if best.id == restart {
        Standing::ToDo
    } else {
        Standing::NotCalledFor
    };
    (
        standing,
        format!("{} {:.0} %", best.id, 100.0 * best.probability_cures),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::{Lang, library};

    fn report(json: &str) -> Report {
        serde_json::from_str(json).expect("a report")
    }

    fn sample(security_group: &str, action: &str) -> Report {
        report(&format!(
            r#"{{"schema_version":1,"instance":{{"id":"ins-1","name":"","region":"","zone":"","os":"linux",
            "state":"RUNNING","public_addresses":[],"private_addresses":[],"login_port":22}},
            "vantage":{{"host":"h","paths":[],"user_source":null}},"verdict":"faulty",
            "causes":[{{"id":"security-group-blocks-port","title":"","probability":0.94,"contributions":[]}}],
            "also_broken":[],"evidence":[{{"id":"security-group","status":"observed","state":"{security_group}",
            "detail":"","source":"cloud","observed_at":null,"cost_ms":0,"observation":"o-1"}}],
            "coverage":0.5,"next_evidence":[],"actions":[{{"id":"{action}","title":"","parameters":{{}},
            "cures":[],"probability_cures":0.93,"cost":1.0,"risk":"low","reversible":true}}],
            "guides":[],"elapsed_ms":0}}"#
        ))
    }

    fn standings(report: &Report) -> Vec<Standing> {
        filled_in(report).iter().map(|tick| tick.standing).collect()
    }

    #[test]
    fn what_the_diagnosis_knows_is_ticked() {
        use Standing::{Done, NotCalledFor, ToDo};
        let denied = sample("deny-default", "open-port");
        assert_eq!(
            standings(&denied),
            [Done, Done, ToDo, ToDo, NotCalledFor, ToDo]
        );
        assert_eq!(
            filled_in(&denied)[1].note,
            "security-group-blocks-port 94 %"
        );
        let hung = sample("allow", "restart");
        assert_eq!(
            standings(&hung),
            [Done, Done, NotCalledFor, ToDo, ToDo, ToDo]
        );
    }

    #[test]
    fn there_is_a_tick_for_every_step_of_the_guide() {
        let guide = library().get(SLUG).expect("shipped");
        let steps = guide.text(Lang::En).document.steps().count();
        assert_eq!(filled_in(&sample("allow", "restart")).len(), steps);
    }
}
