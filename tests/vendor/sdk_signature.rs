//! Our signature against the vendor's own: the Python SDK's signer, on bodies, keys, hosts and
//! times of all kinds.

use crate::support::python;
use std::io::Write;
use std::process::{Command, Stdio};

use cvmtop::cloud::sign::{CONTENT_TYPE, Signable, utc_date};
use serde_json::json;

/// Reads cases as JSON lines and prints the SDK's signature of each.
const SCRIPT: &str = r#"
import json, sys
from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.http.request import RequestInternal

for line in sys.stdin:
    case = json.loads(line)
    request = RequestInternal(case["host"], "POST", "/")
    request.header["Content-Type"] = case["type"]
    request.header["Host"] = case["host"]
    request.header["X-TC-Timestamp"] = str(case["timestamp"])
    request.data = case["body"]
    print(AbstractClient._get_tc3_signature(None, {}, request, case["date"], case["service"], case["key"]), flush=True)
"#;

struct Case {
    service: &'static str,
    host: &'static str,
    key: &'static str,
    timestamp: i64,
    body: String,
}

fn cases() -> Vec<Case> {
    let body = |value: serde_json::Value| value.to_string();
    vec![
        Case {
            service: "cvm",
            host: "cvm.tencentcloudapi.com",
            key: "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
            timestamp: 1_551_113_065,
            body: body(json!({})),
        },
        Case {
            service: "vpc",
            host: "vpc.ap-seoul.tencentcloudapi.com",
            key: "k",
            timestamp: 1_551_139_199,
            body: body(json!({"Filters": [{"Name": "instance-id", "Values": ["ins-1"]}]})),
        },
        Case {
            service: "vpc",
            host: "127.0.0.1:8080",
            key: "key/with+signs=",
            timestamp: 1_551_139_200,
            body: body(json!({"PolicyDescription": "한국어 \u{1f600} \" \\ \n"})),
        },
        Case {
            service: "monitor",
            host: "monitor.internal.tencentcloudapi.com",
            key: "",
            timestamp: 0,
            body: "{\"a\": 1.5e3,  \"b\":null}".to_owned(),
        },
        Case {
            service: "tat",
            host: "[::1]:443",
            key: "x".repeat(200).leak(),
            timestamp: 4_102_444_800,
            body: body(json!({"Content": "A".repeat(60_000)})),
        },
    ]
}

#[test]
fn the_official_sdk_signs_the_same() {
    let interpreter = match std::panic::catch_unwind(python::sdk) {
        Ok(interpreter) => interpreter,
        Err(reason) => {
            let reason = reason.downcast_ref::<String>().cloned().unwrap_or_default();
            crate::support::not_run(&format!("the SDK cannot be installed: {reason}"));
            return;
        }
    };
    let mut signer = Command::new(interpreter)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = signer.stdin.take().expect("standard input");
    for case in cases() {
        let line = json!({
            "service": case.service, "host": case.host, "key": case.key, "body": case.body,
            "timestamp": case.timestamp, "date": utc_date(case.timestamp), "type": CONTENT_TYPE,
        });
        writeln!(input, "{line}").expect("the signer reads");
    }
    drop(input);
    let output = signer.wait_with_output().expect("the signer ends");
    let theirs: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    let ours: Vec<String> = cases()
        .iter()
        .map(|case| {
            Signable {
                method: "POST",
                query: "",
                headers: &[("content-type", CONTENT_TYPE), ("host", case.host)],
                body: case.body.as_bytes(),
                service: case.service,
                timestamp: case.timestamp,
            }
            .signature(case.key)
        })
        .collect();
    assert_eq!(ours, theirs);
}
