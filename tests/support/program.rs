//! The real program against a demo cloud behind a gateway, with a home of its own.

pub use super::gateway;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cvmtop::demo::{self, DemoCloud, DemoOptions};
use gateway::Gateway;

pub struct Program {
    pub demo: DemoCloud,
    pub gateway: Gateway,
    pub home: tempfile::TempDir,
    /// Beats `home/state`.
    pub state: Option<PathBuf>,
    runtime: tokio::runtime::Runtime,
}

impl Program {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let demo = runtime
            .block_on(demo::start(DemoOptions {
                reboot: Duration::from_secs(1),
                ..DemoOptions::default()
            }))
            .expect("the demo starts");
        let gateway = Gateway::before(&demo.endpoint);
        Self {
            demo,
            gateway,
            home: tempfile::tempdir().expect("a home"),
            state: None,
            runtime,
        }
    }

    pub fn state_dir(&self) -> PathBuf {
        let own = self.home.path().join("state");
        self.state.clone().unwrap_or(own)
    }

    /// Variables of a run, without those of the test.
    pub fn variables(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", text(self.home.path())),
            ("CVMTOP_STATE_DIR", text(&self.state_dir())),
            ("CVMTOP_ENDPOINT", self.gateway.endpoint.clone()),
            ("TENCENTCLOUD_SECRET_ID", self.demo.secret_id.clone()),
            ("TENCENTCLOUD_SECRET_KEY", self.demo.secret_key.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// `program WORDS`; the first word may be a wrapper such as `unshare`.
    pub fn wrapped(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            // Wide enough that no sentence is broken.
            .env("COLUMNS", "400")
            .envs(self.variables())
            .stdin(Stdio::null());
        command
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut all = vec![env!("CARGO_BIN_EXE_cvmtop"), "--region", "all"];
        all.extend(words);
        self.wrapped(&all)
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the program runs")
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder, with its bytes.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.is_file() {
            all.push((path.clone(), std::fs::read(&path).expect("a file")));
        }
    }
    all
}
