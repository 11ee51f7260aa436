//! What `diagnose` takes from earlier runs and from its flags, with the real program: how a path was
//! before, since when login fails, and whose login is meant.

use crate::support::probe as servers;
use crate::support::program;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cvmtop::domain::history::LoginSpan;
use cvmtop::store::history::History;
use jiff::{Timestamp, ToSpan};
use program::{Program, text};
use serde_json::Value;

/// Diagnoses a host of a config file; the state lies in `home`.
fn diagnose(home: &Path, login: SocketAddr, more: &[&str]) -> Value {
    let config = home.join("config.toml");
    let (address, port) = (login.ip(), login.port());
    let host = format!(
        "[[host]]\nname = \"target\"\naddress = \"{address}\"\nos = \"linux\"\nport = {port}\n"
    );
    std::fs::write(&config, format!("[cloud]\ncvm_role = false\n{host}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["diagnose", "target", "--format", "json", "--config"])
        .arg(&config)
        .args(more)
        .env_clear()
        // Wide enough that no sentence is broken.
        .env("COLUMNS", "400")
        .env("HOME", home)
        .env("CVMTOP_STATE_DIR", home.join("state"))
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)))
}

fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    let rows = report["evidence"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap()
}

/// A login service whose accept queue holds one connection. Once `crowded` is set it is emptied so
/// seldom that most connections find it full, and are lost as on a bad path.
fn service(crowded: Arc<AtomicBool>) -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let address = SocketAddr::from(([127, 64, 1, 1], 0));
    socket.bind(&address.into()).unwrap();
    socket.listen(128).unwrap();
    let login = socket.local_addr().unwrap().as_socket().unwrap();
    thread::spawn(move || {
        let mut full = false;
        loop {
            if crowded.load(Ordering::SeqCst) {
                if !full {
                    socket.listen(0).unwrap();
                    full = true;
                }
                thread::sleep(Duration::from_millis(450));
            }
            let Ok((stream, _)) = socket.accept() else {
                return;
            };
            thread::spawn(move || greet(stream.into()));
        }
    });
    login
}

fn greet(mut stream: TcpStream) {
    let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n");
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    while stream.read(&mut [0; 512]).is_ok_and(|read| read > 0) {}
}

#[test]
fn loss_now_is_told_against_loss_before() {
    let home = tempfile::tempdir().unwrap();
    let crowded = Arc::new(AtomicBool::new(false));
    let login = service(crowded.clone());
    let first = diagnose(home.path(), login, &["--deep"]);
    let first = row(&first, "path-quality");
    assert_eq!(
        (&first["state"], &first["series"]["lost"]),
        (&"clean".into(), &0.into()),
        "{first}"
    );
    assert_eq!(
        first["series"]["earlier"].as_array().unwrap().len(),
        0,
        "{first}"
    );
    assert!(
        !first["detail"].as_str().unwrap().contains("before, since"),
        "{first}"
    );

    crowded.store(true, Ordering::SeqCst);
    let second = diagnose(home.path(), login, &["--deep"]);
    let second = row(&second, "path-quality");
    let lost = second["series"]["lost"].as_u64().unwrap();
    assert!(lost >= 5, "{second}");
    let earlier = second["series"]["earlier"].as_array().unwrap();
    assert_eq!(earlier.len(), 1, "{second}");
    assert_eq!(
        (&earlier[0]["sent"], &earlier[0]["lost"]),
        (&20.into(), &0.into())
    );
    let detail = second["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("{lost} lost")), "{detail}");
    assert!(detail.contains("UTC: 0 of 20 lost (0 %)"), "{detail}");
}

#[test]
fn the_remembered_onset_is_used_unless_another_is_given() {
    let program = Program::new();
    let target = [
        "diagnose",
        "shop-api-01",
        "--vantage",
        "private",
        "--format",
        "json",
    ];
    let run = |more: &[&str]| -> Value {
        let output = program.run(&[&target[..], more].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)))
    };
    let report = run(&[]);
    assert_eq!(row(&report, "recent-change")["status"], "not-attempted");
    // The change of the rules lies an hour back.
    let now = Timestamp::now();
    let remember = |answers: bool, hours: i64| {
        History::open(&program.state_dir())
            .unwrap()
            .put_logins(&[LoginSpan {
                instance: report["instance"]["id"].as_str().unwrap().to_owned(),
                answers,
                since: now - hours.hours(),
                before: Some(now - (hours + 1).hours()),
            }])
            .unwrap();
    };
    remember(false, 5);
    assert_eq!(row(&run(&[]), "recent-change")["state"], "after-onset");
    let given = run(&["--since", "2m"]);
    assert_eq!(
        row(&given, "recent-change")["state"],
        "relevant-before-onset"
    );
    // A login that answered when it was last seen has no onset.
    remember(true, 5);
    assert_eq!(row(&run(&[]), "recent-change")["status"], "not-attempted");
}

#[test]
fn the_account_that_is_named_is_the_one_that_is_looked_at() {
    let program = Program::new();
    let of = |user: &[&str]| -> String {
        let target = ["diagnose", "shop-web-01", "--deep", "--format", "json"];
        let output = program.run(&[&target[..], user].concat());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
        row(&report, "guest-auth-policy")["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(of(&["--user", "alice"]).contains("alice"));
    assert!(!of(&[]).contains("alice"));
}

#[test]
fn the_server_is_asked_for_the_methods_of_the_account_that_is_named() {
    let Some(server) = servers::sshd([127, 64, 2, 1].into(), None, "") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let report = diagnose(home.path(), server.login, &["--deep", "--user", "alice"]);
    let methods = row(&report, "auth-methods");
    assert_eq!(methods["status"], "observed", "{methods}");
    assert!(
        methods["detail"].as_str().unwrap().ends_with("to alice"),
        "{methods}"
    );
    // Nobody agreed to a login.
    assert_eq!(row(&report, "login-attempt")["status"], "not-attempted");
}
