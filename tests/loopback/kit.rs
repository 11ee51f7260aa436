//! The script for the user's machine, run for real: by each shell that a machine may have, with and
//! without the programs that it may have beside it, against a real sshd, a real xrdp, a port that
//! refuses and one that drops.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cvmtop::client_text;
use cvmtop::domain::evidence::Reading;
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::InstanceSummary;
use cvmtop::kit::{Shell, script};

use crate::support::netns::Lab;
use crate::support::{not_run, probe as servers};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn instance(login: SocketAddr, os: Os) -> InstanceSummary {
    InstanceSummary {
        id: "ins-1".into(),
        os,
        login_port: login.port(),
        public_addresses: vec![login.ip().to_string()],
        ..InstanceSummary::default()
    }
}

/// The script as a file, and a folder for the programs that it finds.
struct Kit {
    folder: tempfile::TempDir,
    instance: InstanceSummary,
}

impl Kit {
    fn of(login: SocketAddr, os: Os) -> Self {
        let instance = instance(login, os);
        let text = script(&instance, Shell::Sh, &ToString::to_string).expect("an address");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kit.sh"), text).unwrap();
        Self { folder, instance }
    }

    /// The script's programs alone, and those named; `None` where one is missing here.
    fn programs(&self, more: &[&str]) -> Option<PathBuf> {
        const ALWAYS: &[&str] = &[
            "sh", "sleep", "date", "tr", "cut", "sed", "awk", "head", "grep", "uname", "od", "ip",
            "ping", "getent", "sort", "tail", "mktemp", "rm", "cat",
        ];
        let folder = self.folder.path().join(format!("bin-{}", more.join("-")));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ALWAYS.iter().chain(more) {
            let target = find(name)?;
            symlink(target, folder.join(name)).unwrap();
        }
        Some(folder)
    }

    fn run(&self, words: &[&str], path: &str, typed: &str, namespace: Option<&str>) -> String {
        let mut all: Vec<&str> = Vec::new();
        if let Some(name) = namespace {
            all.extend(["/usr/bin/ip", "netns", "exec", name]);
        }
        all.extend(words);
        let output = Command::new(all[0])
            .args(&all[1..])
            .arg(self.folder.path().join("kit.sh"))
            .arg(typed)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("https_proxy", "http://op:S3cret/x@proxy.test:8080/pac")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            text.starts_with("cvmtop-kit 1;"),
            "{words:?}: {text}{errors}"
        );
        assert!(text.len() < 2048, "{words:?}: {} bytes", text.len());
        // Nothing but the one line for the person who runs it, and no secret anywhere.
        assert_eq!(errors.lines().count(), 1, "{words:?}: {errors}");
        assert!(
            !text.contains("S3cret") && text.contains("proxy.test:8080"),
            "{text}"
        );
        text
    }

    fn readings(&self, text: &str) -> Vec<Reading> {
        client_text::evidence(text, &self.instance)
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let found = folders.iter().map(|it| Path::new(it).join(name));
    found.into_iter().find(|it| it.exists())
}

fn state(readings: &[Reading], id: &str) -> String {
    let found = readings.iter().find(|it| it.id == id);
    found
        .and_then(Reading::observed_state)
        .unwrap_or("-")
        .to_owned()
}

const WHOLE: &str = "/usr/bin:/bin:/usr/sbin:/sbin";
const IDS: [&str; 5] = ["reach", "banner", "kex", "name-resolution", "path-mtu"];

#[test]
fn each_shell_tells_the_same_of_a_real_server() {
    let Some(server) = servers::sshd(LOOPBACK, None, "") else {
        return;
    };
    let login = server.login;
    let kit = Kit::of(login, Os::Linux);
    let mut ran = 0;
    for words in [
        &["dash"][..],
        &["bash"],
        &["bash", "--posix"],
        &["zsh"],
        &["mksh"],
        &["yash"],
        &["busybox", "sh"],
    ] {
        let Some(shell) = find(words[0]) else {
            not_run(words[0]);
            continue;
        };
        let shell = shell.display().to_string();
        let words: Vec<&str> = std::iter::once(shell.as_str())
            .chain(words[1..].iter().copied())
            .collect();
        let text = kit.run(&words, WHOLE, "op@localhost", None);
        let readings = kit.readings(&text);
        let got = IDS.map(|id| state(&readings, id));
        assert_eq!(
            got,
            ["open", "fast", "common", "same", "ok"],
            "{words:?}: {text}"
        );
        assert_eq!(state(&readings, "user-proxy"), "none", "{text}");
        ran += 1;
    }
    assert!(ran >= 2, "no shells");
}

#[test]
fn whatever_there_is_to_connect_with_tells_open_from_refused() {
    let Some(server) = servers::sshd(LOOPBACK, None, "") else {
        return;
    };
    let login = server.login;
    let shut = SocketAddr::new(LOOPBACK, servers::free_port(LOOPBACK));
    for (tools, greets) in [
        (&["bash"][..], true),
        (&["curl"], true),
        (&["python3"], true),
        (&["ssh"], true),
        (&["busybox"], true),
        (&[], false),
    ] {
        for (target, want) in [(login, "open"), (shut, "refused")] {
            let kit = Kit::of(target, Os::Linux);
            let Some(path) = kit.programs(tools) else {
                not_run(&tools.join(" "));
                continue;
            };
            // BusyBox' own nc, which knows less than the others.
            if tools == ["busybox"] {
                let busybox = find("busybox").unwrap();
                symlink(busybox, path.join("nc")).unwrap();
            }
            let dash = find("dash").unwrap_or_else(|| "/bin/sh".into());
            let shell = dash.display().to_string();
            let text = kit.run(&[&shell], &path.display().to_string(), "localhost", None);
            let readings = kit.readings(&text);
            let want = if tools.is_empty() { "-" } else { want };
            assert_eq!(state(&readings, "reach"), want, "{tools:?}: {text}");
            let greeted = state(&readings, "banner") == "fast";
            assert_eq!(greeted, greets && want == "open", "{tools:?}: {text}");
        }
    }
}

#[test]
fn a_real_desktop_server_negotiates() {
    let Some(server) = servers::xrdp(LOOPBACK, "negotiate") else {
        return;
    };
    let kit = Kit::of(server.login, Os::Windows);
    for tools in [&["bash"][..], &["curl"]] {
        let Some(path) = kit.programs(tools) else {
            not_run(&tools.join(" "));
            continue;
        };
        let text = kit.run(&["/bin/sh"], &path.display().to_string(), "", None);
        let readings = kit.readings(&text);
        assert_eq!(state(&readings, "reach"), "open", "{text}");
        let negotiated = state(&readings, "rdp-negotiation");
        assert!(
            ["tls", "nla", "legacy"].contains(&negotiated.as_str()),
            "{tools:?}: {text}"
        );
    }
}

#[test]
fn a_port_that_drops_is_silent_and_never_anything_else() {
    let Some(lab) = Lab::linked() else { return };
    let login = SocketAddr::new(IpAddr::V4(lab.host(2)), 22);
    lab.filter(&lab.server, "input", "tcp dport 22 drop");
    for tools in [
        &["bash"][..],
        &["curl"],
        &["python3"],
        &["ssh"],
        &["busybox"],
    ] {
        let kit = Kit::of(login, Os::Linux);
        let Some(path) = kit.programs(tools) else {
            not_run(&tools.join(" "));
            continue;
        };
        if tools == ["busybox"] {
            symlink(find("busybox").unwrap(), path.join("nc")).unwrap();
        }
        let typed = login.ip().to_string();
        let path = path.display().to_string();
        let text = kit.run(&["/bin/sh"], &path, &typed, Some(&lab.client));
        let readings = kit.readings(&text);
        assert_eq!(
            state(&readings, "reach"),
            "silent-host-alive",
            "{tools:?}: {text}"
        );
        assert_eq!(state(&readings, "banner"), "-", "{tools:?}: {text}");
    }
}
