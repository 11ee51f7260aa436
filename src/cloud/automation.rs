//! Runs a script in a guest through the automation agent (TAT) and waits for its output.
//!
//! `RunCommand` is a write: it is sent once, never again. Consent is the caller's duty.
//! Must not live here: the scripts, and the reading of their output (`guest`).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::Client;
use super::error::CloudError;
use crate::domain::api_call::ApiCall;
use crate::domain::instance::{Instance, Os};
use crate::domain::text::sanitise;

/// The agent looks for work every few seconds; faster polling brings nothing.
const POLL: Duration = Duration::from_millis(400);
/// An agent that is online takes its work within seconds; one that has not by then hangs.
const FETCHED_WITHIN: Duration = Duration::from_secs(15);
/// The agent ends a script at its time limit and reports that.
const REPORTED_WITHIN: Duration = Duration::from_secs(5);
/// Most of `TaskResult.Output` that is decoded. The service keeps 24 KB of base64, which is 18 KB of
/// text; more is from something else.
const MAX_ENCODED: usize = 96 * 1024;

/// Names of the commands that only look, as the audit log holds them. A name may hold letters,
/// digits, `_`, `-` and `.` only, 60 bytes at most (TAT `RunCommand.CommandName`).
pub const GUEST_CHECK: &str = "cvmtop-guest-check";
pub const AGENT_CHECK: &str = "cvmtop-agent-check";
pub const NEIGHBOUR_LOOK: &str = "cvmtop-neighbour-look";
pub const ONLY_LOOK: [&str; 3] = [GUEST_CHECK, AGENT_CHECK, NEIGHBOUR_LOOK];

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// The script ended with status 0.
    Success,
    /// The script ended with another status.
    Failed { exit_code: i64 },
    /// The script never began, or somebody ended it; `why` is the service's own word.
    NotRun { status: String, why: String },
    /// The agent did not fetch, start or end the script in time.
    Timeout { status: String },
}

/// A run and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub end: RunEnd,
    /// Decoded, as it came, so sanitise before use. A cut one ends with the line of [`cut_mark`], in
    /// place of the line that was cut in two.
    pub output: String,
    /// Bytes that the service cut off at the end (TAT `TaskResult.Dropped`).
    pub dropped: u64,
    pub invocation_id: String,
}

impl Run {
    /// True if the script printed more than the service keeps, so that the end is missing.
    pub fn is_cut(&self) -> bool {
        self.dropped > 0
    }
}

/// The line that marks a cut output, in the form of the guest check's own lines (group, key, value;
/// read by `guest::answer`).
pub fn cut_mark(dropped: u64) -> String {
    format!("cut\tdropped\t{dropped}\n")
}

/// The call that starts `script`; also what a preview shows.
pub fn run_call(instance: &Instance, name: &str, script: &str, timeout: Duration) -> ApiCall {
    let command_type = match instance.os {
        Os::Windows => "POWERSHELL",
        Os::Linux | Os::Unknown => "SHELL",
    };
    ApiCall::new(
        "tat",
        "RunCommand",
        &instance.region,
        json!({
            "CommandName": name,
            "CommandType": command_type,
            "Content": STANDARD.encode(script),
            "InstanceIds": [instance.id],
            "Timeout": timeout.as_secs().max(1),
            "SaveCommand": false,
        }),
    )
}

/// Starts a script and waits for its end: until the agent has it for [`FETCHED_WITHIN`] at most, and
/// for `timeout` plus the agent's own delay in all.
///
/// # Errors
/// Those of the calls; a script that fails or times out is not an error.
pub async fn run(
    client: &Client,
    instance: &Instance,
    name: &str,
    script: &str,
    timeout: Duration,
) -> Result<Run, CloudError> {
    let call = run_call(instance, name, script, timeout);
    run_asking(client, &call, timeout, POLL).await
}

/// Sends a call of [`run_call`], once, and asks every `pause` whether the script has ended.
///
/// # Errors
/// Those of [`run`].
pub async fn run_asking(
    client: &Client,
    call: &ApiCall,
    timeout: Duration,
    pause: Duration,
) -> Result<Run, CloudError> {
    let answer = client.call(call).await?;
    let invocation_id = answer.response["InvocationId"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let patience = Patience {
        fetched: FETCHED_WITHIN.min(timeout),
        ended: timeout + REPORTED_WITHIN,
        pause,
    };
    follow_for(client, &call.region, &invocation_id, patience).await
}

/// How long an invocation is waited for, and how often it is asked about.
#[derive(Debug, Clone, Copy)]
struct Patience {
    fetched: Duration,
    ended: Duration,
    pause: Duration,
}

/// Waits for the end of an invocation; for one that no agent has fetched, only for `fetched`.
pub async fn follow(
    client: &Client,
    region: &str,
    invocation_id: &str,
    fetched: Duration,
    patience: Duration,
) -> Result<Run, CloudError> {
    let patience = Patience {
        fetched,
        ended: patience,
        pause: POLL,
    };
    follow_for(client, region, invocation_id, patience).await
}

async fn follow_for(
    client: &Client,
    region: &str,
    invocation_id: &str,
    patience: Patience,
) -> Result<Run, CloudError> {
    let call = ApiCall::new(
        "tat",
        "DescribeInvocationTasks",
        region,
        json!({
            "Filters": [{"Name": "invocation-id", "Values": [invocation_id]}],
            "HideOutput": false,
        }),
    );
    let started = Instant::now();
    loop {
        let answer = client.call(&call).await?;
        let task = &answer.response["InvocationTaskSet"][0];
        let status = task["TaskStatus"].as_str().unwrap_or("PENDING").to_owned();
        if let Some(run) = ended(task, &status, invocation_id) {
            return Ok(run);
        }
        let waits = ["PENDING", "DELIVERING", "DELIVER_DELAYED"].contains(&status.as_str());
        if started.elapsed()
            >= if waits {
                patience.fetched.min(patience.ended)
            } else {
                patience.ended
            }
        {
            return Ok(Run {
                end: RunEnd::Timeout { status },
                output: String::new(),
                dropped: 0,
                invocation_id: invocation_id.to_owned(),
            });
        }
        tokio::time::sleep(patience.pause).await;
    }
}

/// The run, if its status is final (TAT `InvocationTask.TaskStatus`).
fn ended(task: &Value, status: &str, invocation_id: &str) -> Option<Run> {
    let result = &task["TaskResult"];
    let exit_code = result["ExitCode"].as_i64().unwrap_or(-1);
    let end = match status {
        "SUCCESS" => RunEnd::Success,
        "FAILED" => RunEnd::Failed { exit_code },
        "DELIVER_FAILED" | "START_FAILED" | "CANCELLED" | "TERMINATED" => RunEnd::NotRun {
            status: status.to_owned(),
            why: sanitise(task["ErrorInfo"].as_str().unwrap_or_default(), 200),
        },
        "TIMEOUT" | "TASK_TIMEOUT" => RunEnd::Timeout {
            status: status.to_owned(),
        },
        _ => return None,
    };
    let encoded = result["Output"].as_str().unwrap_or_default().trim();
    let mut bytes = decoded(encoded);
    // A count that is not understood may hide a cut.
    let dropped = match &result["Dropped"] {
        Value::Null => 0,
        Value::String(text) => text.trim().parse().unwrap_or(1),
        count => count.as_u64().unwrap_or(1),
    }
    .max(u64::from(encoded.len() > MAX_ENCODED));
    if dropped > 0 {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(whole.map_or(0, |end| end + 1));
        bytes.extend(cut_mark(dropped).into_bytes());
    }
    Some(Run {
        end,
        output: String::from_utf8_lossy(&bytes).into_owned(),
        dropped,
        invocation_id: invocation_id.to_owned(),
    })
}

/// As much of a base64 text as is whole: a cut may fall inside a group of four letters.
fn decoded(encoded: &str) -> Vec<u8> {
    let whole = encoded.len().min(MAX_ENCODED) / 4 * 4;
    STANDARD
        .decode(encoded.get(..whole).unwrap_or_default())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_states_end_a_run() {
        let task = json!({"TaskResult": {"ExitCode": 0, "Output": STANDARD.encode("a\tb\tc"), "Dropped": 3}});
        assert_eq!(ended(&task, "RUNNING", "inv-1"), None);
        assert_eq!(ended(&task, "A_NEW_STATE", "inv-1"), None);
        let run = ended(&task, "SUCCESS", "inv-1").expect("final");
        // The last line may be half of what was printed.
        assert_eq!((run.output.as_str(), run.dropped), ("cut\tdropped\t3\n", 3));
        assert!(run.is_cut());
        let late = ended(&json!({}), "TASK_TIMEOUT", "inv-1").expect("final");
        assert!(matches!(late.end, RunEnd::Timeout { .. }));
    }

    #[test]
    fn a_cut_output_keeps_its_whole_lines_and_says_so() {
        let text = "a\tb\tc\nd\te\tfgh";
        let mut encoded = STANDARD.encode(text);
        encoded.truncate(encoded.len() - 5);
        for (dropped, mark) in [(json!(7), "7"), (json!("7"), "7"), (json!([7]), "1")] {
            let task = json!({"TaskResult": {"Output": encoded, "Dropped": dropped}});
            let run = ended(&task, "SUCCESS", "inv-1").expect("final");
            assert_eq!(run.output, format!("a\tb\tc\ncut\tdropped\t{mark}\n"));
        }
        let whole = json!({"TaskResult": {"Output": STANDARD.encode(text), "Dropped": 0}});
        let run = ended(&whole, "SUCCESS", "inv-1").expect("final");
        assert!(!run.is_cut() && run.output == text);
    }

    #[test]
    fn a_script_that_never_began_is_told_with_the_reason() {
        let task = json!({"TaskResult": {"ExitCode": 0}, "ErrorInfo": "no such user\u{1b}[2J"});
        for status in ["START_FAILED", "DELIVER_FAILED"] {
            let run = ended(&task, status, "inv-1").expect("final");
            let RunEnd::NotRun { status: told, why } = run.end else {
                panic!("{status} is no run");
            };
            assert_eq!((told.as_str(), why.as_str()), (status, "no such user"));
        }
    }

    #[test]
    fn output_that_is_not_base64_is_dropped_not_trusted() {
        let task = json!({"TaskResult": {"Output": "\u{1b}[2J"}});
        assert_eq!(ended(&task, "FAILED", "inv-1").expect("final").output, "");
    }
}
