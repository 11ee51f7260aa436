//! Real desktop servers behind a packet filter: xrdp, and FreeRDP's, which speaks network level
//! authentication (CredSSP) as Windows does.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};

use super::netns::probe::{self as servers, Server};
use super::netns::{Lab, enter};
use super::{diagnose, judge, state};

/// A desktop server with the display that it shows.
struct Desktop {
    server: Server,
    _display: Option<Display>,
}

struct Display(Child);

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server from a thread that lives in the server's namespace, so that it inherits that.
fn within(lab: &Lab, start: fn(IpAddr) -> Option<Desktop>) -> Option<Desktop> {
    let (name, address) = (lab.server.clone(), lab.host(2));
    let started = std::thread::spawn(move || {
        enter(&name);
        start(address.into())
    });
    started.join().unwrap()
}

/// FreeRDP's server on a display that nobody sees; `None` where it is not installed, for not every
/// system has it.
fn freerdp(address: IpAddr, security: &str) -> Option<Desktop> {
    let started =
        |command: &mut Command| command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut display = started(
        Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "640x480x24",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped()),
    );
    let number = display.as_mut().ok().map(|display| {
        let mut line = String::new();
        let told = display.stdout.take().unwrap();
        BufReader::new(told).read_line(&mut line).unwrap();
        line.trim().to_owned()
    });
    let display = display.ok().map(Display);
    let folder = tempfile::tempdir().unwrap();
    let port = servers::free_port(address);
    let child = number.and_then(|number| {
        ["freerdp-shadow-cli", "freerdp-shadow-cli3"]
            .iter()
            .find_map(|name| {
                let mut command = Command::new(name);
                command
                    .args([
                        &format!("/port:{port}"),
                        &format!("/bind-address:{address}"),
                    ])
                    .args(["-auth", security])
                    .env("HOME", folder.path())
                    .env("DISPLAY", format!(":{number}"))
                    .stdout(Stdio::null());
                started(&mut command).ok()
            })
    });
    let Some(child) = child else {
        println!(
            "skipped: Xvfb and FreeRDP's server are not installed (Debian packages xvfb, freerdp2-shadow-x11)"
        );
        return None;
    };
    let mut server = Server {
        child,
        login: SocketAddr::new(address, port),
        folder,
    };
    servers::wait_for("FreeRDP's server", || {
        assert!(
            server.child.try_wait().unwrap().is_none(),
            "FreeRDP's server ended"
        );
        servers::listening_seen_by(server.child.id(), server.login)
    });
    Some(Desktop {
        server,
        _display: display,
    })
}

/// What is negotiated with the desktop, then that it is missed behind a filter.
fn negotiates(lab: &Lab, desktop: &Desktop, expected: &str) {
    let host = [("desktop", desktop.server.login, "windows")];
    let report = &diagnose(lab, &host)[0];
    assert_eq!(state(report, "reach"), "open", "{}", report["evidence"]);
    assert_eq!(
        state(report, "rdp-negotiation"),
        expected,
        "{}",
        report["evidence"]
    );
    let port = desktop.server.login.port();
    lab.filter(&lab.server, "input", &format!("tcp dport {port} drop"));
    let report = &diagnose(lab, &host)[0];
    judge(report, false);
    assert_eq!(
        state(report, "reach"),
        "silent-host-alive",
        "{}",
        report["evidence"]
    );
}

#[test]
fn xrdp_behind_a_filter() {
    let Some(lab) = Lab::linked() else { return };
    let start = |address| {
        servers::xrdp(address, "tls").map(|server| Desktop {
            server,
            _display: None,
        })
    };
    let Some(desktop) = within(&lab, start) else {
        return;
    };
    negotiates(&lab, &desktop, "tls");
}

#[test]
fn network_level_authentication_of_freerdp_behind_a_filter() {
    let Some(lab) = Lab::linked() else { return };
    let Some(desktop) = within(&lab, |address| freerdp(address, "/sec:nla")) else {
        return;
    };
    negotiates(&lab, &desktop, "nla");
}
