//! Several hosts with one cloud and one store: a real PostgreSQL server, and a state directory for each.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::lab::Lab;
use super::postgres::Server;

/// One cloud and one store of several hosts.
pub struct House {
    pub lab: Lab,
    pub server: Server,
}

/// Standard output and error together, and the status.
pub fn told(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    (output.status.code(), text.concat())
}

impl House {
    pub fn new() -> Option<Self> {
        let server = Server::start()?;
        let lab = Lab::new();
        Some(Self { lab, server })
    }

    pub fn state(&self, host: &str) -> PathBuf {
        self.lab.state.path().join(host)
    }

    pub fn command(&self, host: &str, words: &[&str]) -> Command {
        let mut command = self.lab.command(words);
        command
            .env("CVMTOP_STATE_DIR", self.state(host))
            .env("CVMTOP_SHARED_STORE", self.server.url())
            .env("USER", format!("op-{host}"));
        command
    }

    pub fn run(&self, host: &str, words: &[&str]) -> (Option<i32>, String) {
        told(&self.command(host, words).output().expect("the binary runs"))
    }

    pub fn ok(&self, host: &str, words: &[&str]) -> String {
        let output = self.command(host, words).output().expect("the binary runs");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn entries(&self, host: &str) -> Vec<Value> {
        let text = self.ok(host, &["journal", "--format", "json"]);
        let entry = |line: &str| serde_json::from_str(line).expect("JSON");
        text.lines().map(entry).collect()
    }

    pub fn writes(&self) -> usize {
        self.lab.gateway.writes().len()
    }

    /// Every line of the host's journal is in the store, once.
    pub fn is_passed_on(&self, host: &str) {
        let mut own: Vec<String> = lines(&self.state(host).join("journal.jsonl"));
        let author = format!("op-{host}");
        let sql = format!(
            "select line from cvmtop_journal where host = (select host from cvmtop_journal \
             where line like '%\"{author}\"%' limit 1)"
        );
        let mut there: Vec<String> = self.server.sql(&sql).lines().map(str::to_owned).collect();
        own.sort();
        there.sort();
        assert_eq!(there, own);
    }
}

/// The lines of a file; none where there is no file.
pub fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
