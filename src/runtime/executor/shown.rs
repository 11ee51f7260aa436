//! What the console is asked to show of itself: raw answers, the calls that were made, and its screen
//! as a file.
//!
//! Must not live here: what the cloud answered (`cloud::tap`), or which calls left (`cloud::calls`).

use std::net::IpAddr;

use serde_json::json;
use tokio::sync::mpsc;

use crate::app::locale::Texts;
use crate::app::message::{Message, Recorded};
use crate::app::notices::Severity;
use crate::cloud::calls::Call;
use crate::cloud::tap::RawAnswer;
use crate::domain::said::Said;
use crate::domain::text::sanitise_block;
use crate::runtime::backend::Backend;
use crate::runtime::ticket::secrets_in;
use crate::runtime::triage::{self, TriageOptions};
use crate::runtime::{clock, said};
use crate::store::screens;

/// Most lines of raw answers that are shown of one fact.
const MOST_LINES: usize = 600;
/// Most characters of them.
const MOST_CHARS: usize = 64 * 1024;

/// The text of a fact with what the cloud answered behind it.
pub fn with_raw(
    backend: &Backend,
    title: String,
    body: &str,
    instance: &str,
    action: &str,
) -> Message {
    let texts = Texts::of(backend.loaded.settings.ui.lang);
    let kept = backend.recent_triage(instance);
    let answers = kept.map_or_else(Vec::new, |triage| triage.raw);
    let of_action = |answer: &&RawAnswer| answer.action == action;
    let lines: Vec<String> = answers
        .iter()
        .filter(of_action)
        .flat_map(lines_of)
        .collect();
    let mut body = format!("{body}\n\n# {}\n", texts.ui.fact_raw);
    if lines.is_empty() {
        body.push_str(&texts.ui.fact_raw_none);
    }
    let left = lines.len().saturating_sub(MOST_LINES);
    for line in lines.iter().take(MOST_LINES) {
        body.push_str(line);
        body.push('\n');
    }
    if left > 0 {
        body.push_str(&texts.said(&said::lines_left_out(left)));
    }
    Message::Recorded(Recorded::Fetched { title, body })
}

/// One answer: when and where, then its JSON, indented as code.
fn lines_of(answer: &RawAnswer) -> Vec<String> {
    let head = format!(
        "{} {} {}",
        answer.at.strftime("%H:%M:%SZ"),
        answer.region,
        answer.request_id
    );
    let value = secrets_in(match answer.value() {
        Some(response) => response,
        None => json!({ "error": answer.error }),
    });
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    let text = sanitise_block(&text, MOST_CHARS);
    let code = text.lines().map(|line| format!("    {line}"));
    std::iter::once(head).chain(code).collect()
}

/// The script that a look inside would send, as it would be sent.
pub fn script(
    backend: &Backend,
    title: String,
    instance: &str,
    user_source: Option<IpAddr>,
) -> Message {
    let options = TriageOptions {
        user_source,
        ..TriageOptions::default()
    };
    let instance = backend.instance(instance).ok_or_else(said::instance_gone);
    match instance.and_then(|instance| triage::script(&instance, &options)) {
        Ok(text) => {
            let text = sanitise_block(&text, MOST_CHARS * 2);
            let code: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
            let body = code.join("\n");
            Message::Recorded(Recorded::Fetched { title, body })
        }
        Err(text) => Message::Told {
            severity: Severity::Error,
            text,
        },
    }
}

/// The calls of this run, newest first.
pub async fn calls(backend: &Backend, title: String) -> Message {
    let texts = Texts::of(backend.loaded.settings.ui.lang);
    let calls = match backend.session().await {
        Ok(session) => session
            .cloud
            .as_ref()
            .map_or_else(Vec::new, |cloud| cloud.client.calls()),
        Err(error) => {
            return Message::Told {
                severity: Severity::Error,
                text: error.said(),
            };
        }
    };
    let body = if calls.is_empty() {
        texts.ui.calls_none.clone()
    } else {
        let lines = calls.iter().rev().map(|call| call_line(call, texts));
        lines.collect::<Vec<_>>().join("\n")
    };
    Message::Recorded(Recorded::Fetched { title, body })
}

/// Indented as code, so that the columns stay; the request id, which would not fit beside them, below.
fn call_line(call: &Call, texts: &Texts) -> String {
    let result = match (&call.code, &call.request_id) {
        (Some(code), _) => code,
        (None, Some(_)) => &texts.ui.calls_answered,
        (None, None) => &texts.ui.calls_unanswered,
    };
    let mut line = format!(
        "    {} {:>6} ms  {:<38} {:<13} {result}",
        call.at.strftime("%H:%M:%SZ"),
        call.took.as_millis(),
        call.action,
        call.region,
    );
    if let Some(id) = &call.request_id {
        line.push_str("\n                         ");
        line.push_str(id);
    }
    line
}

/// Writes a screen to a file of its own, and tells where it is.
pub async fn keep_screen(backend: &Backend, text: &str, out: &mpsc::Sender<Message>) {
    let folder = backend.loaded.paths.state_dir.join("screens");
    let (severity, text) = match screens::keep(&folder, text, clock::now()) {
        Ok(path) => (Severity::Good, said::screen_kept(path.display())),
        Err(error) => (
            Severity::Error,
            said::screen_not_kept(folder.display(), Said::raw(error)),
        ),
    };
    let _ = out.send(Message::Told { severity, text }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_answers_come_sanitised_and_without_secrets() {
        let answer = RawAnswer {
            at: clock::now(),
            action: "cvm:DescribeInstances".into(),
            region: "ap-seoul".into(),
            request_id: "r-1".into(),
            response: Some(serde_json::value::to_raw_value(&json!({
                "Note": "a\u{1b}[2Jb \u{202e}c",
                "Text": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
            })).unwrap()),
            error: None,
        };
        let text = lines_of(&answer).join("\n");
        assert!(text.contains("r-1") && text.contains("\"Note\""), "{text}");
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text:?}"
        );
        assert!(!text.contains("abc"), "{text}");
    }
}
