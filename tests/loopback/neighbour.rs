//! The script that another instance runs, run for real: by each shell that a guest may have, with and
//! without the programs that it may have beside it, against a real sshd, a real xrdp, a port that
//! refuses, one that drops and one that never greets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path as File, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cvmtop::domain::evidence::Reading;
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::kit::neighbour::Neighbour;

use crate::support::netns::Lab;
use crate::support::{not_run, probe as servers};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WHOLE: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The server, its neighbour, and a folder for the script and its programs.
struct Look {
    target: Instance,
    neighbour: Neighbour,
    folder: tempfile::TempDir,
}

impl Look {
    fn at(login: SocketAddr, os: Os) -> Self {
        let instance = |id: &str, os| Instance {
            id: id.into(),
            os,
            state: "RUNNING".into(),
            subnet_id: "subnet-1".into(),
            private_addresses: vec![login.ip()],
            configured_login_port: Some(login.port()),
            ..Instance::default()
        };
        let target = instance("ins-1", os);
        let neighbour = Neighbour::of(&target, &instance("ins-2", Os::Linux)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("look.sh"), neighbour.script(&target)).unwrap();
        Self {
            target,
            neighbour,
            folder,
        }
    }

    /// A folder with what the script always needs, and these; `None` where one is missing here.
    fn programs(&self, more: &[&str]) -> Option<PathBuf> {
        const ALWAYS: &[&str] = &[
            "sh", "sleep", "date", "tr", "cut", "sed", "awk", "head", "grep", "od", "ping",
            "mktemp", "rm", "cat",
        ];
        let folder = self.folder.path().join(format!("bin-{}", more.join("-")));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ALWAYS.iter().chain(more) {
            symlink(find(name)?, folder.join(name)).unwrap();
        }
        if more == ["busybox"] {
            symlink(find("busybox")?, folder.join("nc")).unwrap();
        }
        Some(folder)
    }

    fn run(&self, words: &[&str], path: &str, namespace: Option<&str>) -> Vec<Reading> {
        let mut all: Vec<&str> = Vec::new();
        if let Some(name) = namespace {
            all.extend(["/usr/bin/ip", "netns", "exec", name]);
        }
        all.extend(words);
        let output = Command::new(all[0])
            .args(&all[1..])
            .arg(self.folder.path().join("look.sh"))
            .env_clear()
            .env("PATH", path)
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.is_empty(), "{words:?}: {errors}");
        assert!(text.len() < 1024, "{words:?}: {text}");
        // It leaves nothing behind.
        let left = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        let left = left.filter(|it| it.file_name().to_string_lossy().starts_with("tmp."));
        assert_eq!(left.count(), 0);
        self.neighbour.read(&self.target, &text)
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let found = folders.iter().map(|it| File::new(it).join(name));
    found.into_iter().find(|it| it.exists())
}

fn state(readings: &[Reading], id: &str) -> String {
    let found = readings.iter().find(|it| it.id == id);
    let state = found.and_then(Reading::observed_state);
    state.unwrap_or("-").to_owned()
}

fn dash() -> String {
    let dash = find("dash").unwrap_or_else(|| "/bin/sh".into());
    dash.display().to_string()
}

#[test]
fn each_shell_sees_the_same_of_a_real_server() {
    let Some(server) = servers::sshd(LOOPBACK, None, "") else {
        return;
    };
    let look = Look::at(server.login, Os::Linux);
    let mut ran = 0;
    for words in [
        &["dash"][..],
        &["bash"],
        &["mksh"],
        &["yash"],
        &["busybox", "sh"],
    ] {
        let Some(shell) = find(words[0]) else {
            not_run(words[0]);
            continue;
        };
        let shell = shell.display().to_string();
        let rest = words[1..].iter().copied();
        let words: Vec<&str> = std::iter::once(shell.as_str()).chain(rest).collect();
        let started = Instant::now();
        let readings = look.run(&words, WHOLE, None);
        assert_eq!(state(&readings, "reach"), "open", "{words:?}: {readings:?}");
        assert_eq!(
            state(&readings, "banner"),
            "fast",
            "{words:?}: {readings:?}"
        );
        // The agent ends it after 25 s.
        assert!(started.elapsed() < Duration::from_secs(25));
        ran += 1;
    }
    assert!(ran >= 2, "no shells");
}

#[test]
fn whatever_there_is_to_connect_with_tells_open_from_refused_from_silent() {
    let Some(server) = servers::sshd(LOOPBACK, None, "") else {
        return;
    };
    let Some(lab) = Lab::linked() else { return };
    let shut = SocketAddr::new(LOOPBACK, servers::free_port(LOOPBACK));
    let silent = SocketAddr::new(IpAddr::V4(lab.host(2)), 22);
    lab.filter(&lab.server, "input", "tcp dport 22 drop");
    for (tools, greets) in [
        (&["bash"][..], true),
        (&["busybox"], true),
        (&["curl"], true),
        (&["python3"], true),
        (&["ssh"], true),
        (&[], false),
    ] {
        for (target, space, want) in [
            (server.login, None, "open"),
            (shut, None, "refused"),
            (silent, Some(lab.client.as_str()), "silent-host-alive"),
        ] {
            let look = Look::at(target, Os::Linux);
            let Some(path) = look.programs(tools) else {
                not_run(&tools.join(" "));
                continue;
            };
            let path = path.display().to_string();
            let readings = look.run(&[&dash()], &path, space);
            let want = if tools.is_empty() { "-" } else { want };
            assert_eq!(state(&readings, "reach"), want, "{tools:?}: {readings:?}");
            let greeted = state(&readings, "banner") == "fast";
            assert_eq!(greeted, greets && want == "open", "{tools:?}: {readings:?}");
        }
    }
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_silent_and_never_fast() {
    let listener = std::net::TcpListener::bind((LOOPBACK, 0)).unwrap();
    let look = Look::at(listener.local_addr().unwrap(), Os::Linux);
    let readings = look.run(&[&dash()], WHOLE, None);
    assert_eq!(state(&readings, "reach"), "open");
    assert_eq!(state(&readings, "banner"), "silent", "{readings:?}");
}

#[test]
fn a_real_desktop_server_negotiates() {
    let Some(server) = servers::xrdp(LOOPBACK, "negotiate") else {
        return;
    };
    let look = Look::at(server.login, Os::Windows);
    let readings = look.run(&[&dash()], WHOLE, None);
    assert_eq!(state(&readings, "reach"), "open", "{readings:?}");
    let negotiated = state(&readings, "rdp-negotiation");
    assert!(
        ["tls", "nla", "legacy"].contains(&negotiated.as_str()),
        "{readings:?}"
    );
}
