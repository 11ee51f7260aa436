//! The checklist of the guide on where to start, as far as a diagnosis has filled it in.
//!
//! Lives here: which of its steps are done, still to do, or not called for. Must not live here:
//! the steps themselves (`assets/guides/*/login-failure-overview.md`), carrying them out.

use crate::domain::action::ActionId;
use crate::domain::evidence::state::security_group;
use crate::domain::evidence::{Status, group};
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

/// What a standing rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    None,
    System {
        os: Os,
        port: u16,
    },
    Cause {
        id: String,
        share: f64,
    },
    Reading {
        group: &'static str,
        state: String,
    },
    /// The best of the ranked actions and how probably it cures.
    Action {
        id: String,
        share: f64,
    },
}

/// One step of the checklist.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Number of the step in the guide, from 1.
    pub step: usize,
    pub standing: Standing,
    pub note: Note,
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
            Note::None,
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

fn system(report: &Report) -> (Standing, Note) {
    match report.instance.os {
        Os::Unknown => (Standing::ToDo, Note::None),
        os => {
            let port = report.instance.login_port;
            (Standing::Done, Note::System { os, port })
        }
    }
}

fn tools(report: &Report) -> (Standing, Note) {
    let observed = report.evidence.iter().any(|r| r.status == Status::Observed);
    match report.causes.first() {
        Some(cause) if observed => (
            Standing::Done,
            Note::Cause {
                id: cause.id.clone(),
                share: cause.probability,
            },
        ),
        _ => (Standing::ToDo, Note::None),
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

fn reading(group: &'static str, state: &str) -> Note {
    Note::Reading {
        group,
        state: state.to_owned(),
    }
}

fn port(report: &Report) -> (Standing, Note) {
    let group = group::SECURITY_GROUP;
    match state(report, group) {
        None => (Standing::ToDo, Note::None),
        Some(state) if state == security_group::UNRESOLVED.id => (Standing::ToDo, Note::None),
        Some(state) if state == security_group::ALLOW.id => {
            (Standing::NotCalledFor, reading(group, state))
        }
        Some(denied) => (Standing::ToDo, reading(group, denied)),
    }
}

fn client_text(report: &Report) -> (Standing, Note) {
    let group = group::PASTED_ERROR;
    match state(report, group) {
        Some(state) => (Standing::Done, reading(group, state)),
        None => (Standing::ToDo, Note::None),
    }
}

/// A restart is only called for where it is the best of the ranked cures.
fn restart(report: &Report) -> (Standing, Note) {
    let Some(best) = report.actions.first() else {
        return (Standing::NotCalledFor, Note::None);
    };
    let standing = if best.id == ActionId::Restart.as_str() {
        Standing::ToDo
    } else {
        Standing::NotCalledFor
    };
    let note = Note::Action {
        id: best.id.clone(),
        share: best.probability_cures,
    };
    (standing, note)
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
            Note::Cause {
                id: "security-group-blocks-port".into(),
                share: 0.94
            }
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
