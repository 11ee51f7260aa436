//! The real binary on a demo cloud, through a gateway that counts what is sent.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cvmtop::cloud::client::{Client, ClientConfig};
use cvmtop::cloud::credentials::{Credentials, Provider};
use cvmtop::demo::{self, DemoCloud, DemoOptions};
use serde_json::{Value, json};

use super::api;
use super::gateway::{Gateway, Moment};

/// A demo cloud behind a gateway, and a state directory.
pub struct Lab {
    pub demo: DemoCloud,
    pub gateway: Gateway,
    pub state: tempfile::TempDir,
    pub runtime: tokio::runtime::Runtime,
}

#[allow(dead_code, reason = "not every test needs every helper")]
impl Lab {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let demo = runtime
            .block_on(demo::start(DemoOptions {
                reboot: Duration::from_secs(1),
                rate_limits: false,
                ..DemoOptions::default()
            }))
            .expect("the demo starts");
        let gateway = Gateway::before(&demo.endpoint);
        Self {
            demo,
            gateway,
            state: tempfile::tempdir().expect("a folder"),
            runtime,
        }
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cvmtop"));
        command
            .args(["--region", "all"])
            .args(words)
            .env_clear()
            // Wide enough that no sentence is broken.
            .env("COLUMNS", "400")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.state.path())
            .env("CVMTOP_STATE_DIR", self.state.path().join("state"))
            .env("CVMTOP_ENDPOINT", &self.gateway.endpoint)
            .env("TENCENTCLOUD_SECRET_ID", &self.demo.secret_id)
            .env("TENCENTCLOUD_SECRET_KEY", &self.demo.secret_key)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the binary runs")
    }

    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(
            output.status.success(),
            "{words:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs until the gateway kills it.
    pub fn run_into(&self, words: &[&str], action: &str, moment: Moment) {
        self.gateway.kill_at(action, moment);
        let mut child = self
            .command(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        self.gateway.victim(child.id());
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), None, "{words:?} was not killed at {action}");
    }

    pub fn entries(&self) -> Vec<Value> {
        self.ok(&["journal", "--format", "json"])
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// Starts the program until nothing is in flight any more; the last entry then.
    pub fn settled(&self) -> Value {
        let started = Instant::now();
        loop {
            let entries = self.entries();
            let last = entries.last().expect("an entry").clone();
            if last["state"] == "closed" {
                return last;
            }
            assert!(started.elapsed() < Duration::from_secs(180), "{last}");
        }
    }

    pub fn rules(&self, group: &str, region: &str) -> Value {
        let api = api::Api::new(
            &self.demo.endpoint,
            &self.demo.secret_id,
            &self.demo.secret_key,
        );
        let call = json!({ "SecurityGroupId": group });
        let answer = self
            .runtime
            .block_on(api.call("vpc", region, "DescribeSecurityGroupPolicies", &call))
            .expect("rules");
        let mut set = answer["SecurityGroupPolicySet"].clone();
        set.as_object_mut().expect("a set").remove("Version");
        set
    }

    pub fn instance(&self, name: &str) -> Value {
        let api = api::Api::new(
            &self.demo.endpoint,
            &self.demo.secret_id,
            &self.demo.secret_key,
        );
        self.runtime.block_on(api.instance(name))
    }

    /// The lines of the journal as they are on the disk; none before the first.
    pub fn journal_lines(&self) -> Vec<String> {
        let path = self.state.path().join("state/journal.jsonl");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Puts other lines in place of the journal.
    pub fn write_journal(&self, lines: &[String]) {
        let path = self.state.path().join("state/journal.jsonl");
        std::fs::write(path, lines.join("\n") + "\n").expect("writable");
    }

    /// The clock cannot be turned, so the record is: everything happened an hour earlier.
    pub fn an_hour_passes(&self) {
        let older = |line: &String| {
            let mut record: Value = serde_json::from_str(line).expect("JSON");
            let at = record["at"].as_str().expect("a time");
            let at: jiff::Timestamp = at.parse().expect("a time");
            record["at"] = json!(at - jiff::SignedDuration::from_hours(1));
            record.to_string()
        };
        let lines: Vec<String> = self.journal_lines().iter().map(older).collect();
        self.write_journal(&lines);
    }

    /// Standard output and error of a command together, and its status.
    pub fn said(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.run(words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    }

    pub fn client(&self) -> Client {
        let keys = Credentials::new(&self.demo.secret_id, &self.demo.secret_key);
        let config = ClientConfig::new(&self.gateway.endpoint, Provider::Static(keys));
        Client::new(config).expect("a client")
    }
}

#[allow(dead_code, reason = "not every test needs every helper")]
/// Everything below a folder as one text.
pub fn all_files(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text.push_str(&all_files(&path));
        } else {
            text.push_str(&String::from_utf8_lossy(
                &std::fs::read(&path).expect("a file"),
            ));
        }
    }
    text
}
