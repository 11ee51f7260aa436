//! The Linux repairs as the plan would send them, and places where they can run for real.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cvmtop::action::context::Fact;
use cvmtop::action::plan::Undo;
use cvmtop::action::{Parameters, PlanContext, plan};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::instance::{Instance, Os};

/// `knock listen PORT` answers on a port; `knock SOURCE PORT` says whether it is reached from
/// there: `open`, `refused` or `silent`.
const KNOCK: &str = r#"
import socket, sys
if sys.argv[1] == "listen":
    server = socket.create_server(("127.0.0.1", int(sys.argv[2])))
    while True:
        server.accept()[0].close()
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), 1, (sys.argv[1], 0))
    print("open")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("silent")
"#;

/// The scripts of a repair, as the plan would send them.
pub struct Repair {
    pub apply: String,
    pub undo: String,
    root: tempfile::TempDir,
}

#[allow(dead_code, reason = "not every test needs every helper")]
impl Repair {
    pub fn new(action: ActionId, words: &[&str]) -> Self {
        let context = PlanContext {
            entry: "e1".to_owned(),
            instance: Instance {
                id: "ins-1".to_owned(),
                state: "RUNNING".to_owned(),
                os: Os::Linux,
                ..Instance::default()
            },
            agent: Fact::Known("Online".to_owned()),
            ..PlanContext::default()
        };
        let parameters = Parameters::from_words(action, words).expect("good parameters");
        let plan = plan(action, &parameters, &context).expect("a plan");
        let text = |step: &cvmtop::action::plan::Step| {
            step.script.as_ref().expect("a script").text.clone()
        };
        let undo = match &plan.undo {
            Undo::Steps { steps, .. } => text(&steps[0]),
            _ => String::new(),
        };
        Self {
            apply: text(&plan.steps[0]),
            undo,
            root: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("writable");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
    }

    /// Runs a script on the copy, in a shell that has set things up before.
    pub fn run_in(&self, setting: &str, script: &str) -> String {
        let file = self.path("repair.sh");
        fs::write(&file, script).expect("writable");
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("{setting} sh {}", file.display()))
            .env("CVMTOP_ROOT", self.root.path())
            .process_group(0) // of its own: see `support::probe::sshd_in`
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}{errors}");
        said
    }

    /// Apply, apply again, and what the first run said.
    pub fn apply_twice(&self) -> String {
        let first = self.run_in("", &self.apply);
        assert!(!first.contains("done: 0"), "{first}");
        let second = self.run_in("", &self.apply);
        assert!(second.contains("done: 0 changes"), "{second}");
        first
    }

    /// Runs a story in namespaces of its own, with `apply` and `undo` as commands; it has to end
    /// with the word `told`. Processes that it leaves behind end with it.
    pub fn tell(&self, story: &str) -> String {
        fs::write(self.path("apply.sh"), &self.apply).expect("writable");
        fs::write(self.path("undo.sh"), &self.undo).expect("writable");
        fs::write(self.path("knock.py"), KNOCK).expect("writable");
        let text = format!(
            "set -ex
             apply() {{ sh $CVMTOP_ROOT/apply.sh; }}
             undo() {{ sh $CVMTOP_ROOT/undo.sh; }}
             knock() {{ python3 $CVMTOP_ROOT/knock.py \"$@\"; }}
             mount -t tmpfs none /run
             ip link set lo up
             ip addr add 198.51.100.7/32 dev lo
             {story}
             echo told"
        );
        let said = self.run_in("unshare -m -n -p -f --mount-proc --kill-child", &text);
        assert!(said.ends_with("told\n"), "{said}");
        said
    }

    pub fn take_back(&self) -> String {
        self.run_in("", &self.undo)
    }
}

#[allow(dead_code, reason = "not every test needs every helper")]
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

/// False, with the reason on standard error, where a test cannot run.
pub fn possible(tools: &[&str]) -> bool {
    let root = rustix::process::geteuid().is_root();
    let missing: Vec<_> = tools
        .iter()
        .filter(|tool| {
            !["/usr/sbin", "/usr/bin"]
                .iter()
                .any(|d| Path::new(d).join(tool).exists())
        })
        .collect();
    if !root || !missing.is_empty() {
        super::not_run(&format!("root is {root}, missing tools are {missing:?}"));
    }
    root && missing.is_empty()
}
