//! A user in a network of its own, behind a router: what is wrong lies on that side, this host sees a
//! sound server, and only the script that the user runs (`cvmtop kit`) tells. Each fault is made in
//! the kernel or in the client's own settings, and the script is the program's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::Value;

use super::netns::probe as servers;
use super::netns::{Lab, ip, must};
use super::{ROOT_BY_KEY, diagnose_with, inside};

/// The user's machine: a namespace, its own name server's answers, its own settings of the client.
struct User<'l> {
    lab: &'l Lab,
    name: String,
    home: tempfile::TempDir,
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}", self.name));
    }
}

impl<'l> User<'l> {
    /// Behind the lab's router, which stands beside the server.
    fn behind(lab: &'l Lab) -> Self {
        let user = Self {
            name: format!("{}-user", lab.client),
            home: tempfile::tempdir().unwrap(),
            lab,
        };
        must(&format!("netns add {}", user.name));
        must(&format!("-n {} link set lo up", user.name));
        lab.link(&lab.server, "s1", &lab.router, "r0");
        lab.link(&lab.router, "r1", &user.name, "u0");
        let near = |last| Ipv4Addr::new(10, 214, lab.number, last);
        let far = |last| Ipv4Addr::new(10, 215, lab.number, last);
        lab.address(&lab.server, "s1", near(1));
        lab.address(&lab.router, "r0", near(2));
        lab.address(&lab.router, "r1", far(1));
        lab.address(&user.name, "u0", far(2));
        let server_side = Ipv4Addr::new(10, 213, lab.number, 0);
        for (name, to, by) in [
            (&user.name, "default".to_owned(), far(1)),
            (&lab.router, format!("{server_side}/24"), near(1)),
            (&lab.server, format!("{}/24", far(0)), near(2)),
        ] {
            must(&format!("-n {name} route add {to} via {by}"));
        }
        must(&format!(
            "netns exec {} sysctl -qw net.ipv4.ip_forward=1",
            lab.router
        ));
        user.names("");
        user.settings("");
        user
    }

    /// What the user's machine makes of names; its name server is there for nothing else.
    fn names(&self, hosts: &str) {
        let folder = format!("/etc/netns/{}", self.name);
        std::fs::create_dir_all(&folder).unwrap();
        let server = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        std::fs::write(format!("{folder}/resolv.conf"), server).unwrap();
        let hosts = format!("127.0.0.1 localhost\n{hosts}\n");
        std::fs::write(format!("{folder}/hosts"), hosts).unwrap();
    }

    /// The settings of the user's OpenSSH client, which goes by the account and not by `HOME`.
    fn settings(&self, config: &str) {
        let folder = self.home.path();
        std::fs::write(folder.join("config"), config).unwrap();
        let file = folder.join("ssh");
        let text = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F {}/config \"$@\"\n",
            folder.display()
        );
        std::fs::write(&file, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&file, mode).unwrap();
    }

    fn path(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}", self.home.path().display())
    }

    fn run(&self, words: &[&str]) -> Command {
        let mut command = inside(&self.name, self.home.path(), words);
        command.env("PATH", self.path());
        command
    }

    /// What the user's client says, in the time that a person waits.
    fn client_says(&self, typed: &str) -> String {
        let words = [
            "timeout",
            "12",
            "ssh",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            typed,
            "true",
        ];
        let output = self.run(&words).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// What the kit for an address prints there.
    fn answers(&self, login: SocketAddr, typed: &str) -> String {
        let port = login.port().to_string();
        let kit = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .args(["kit", &login.ip().to_string(), "--port", &port])
            .env("HOME", self.home.path())
            .output()
            .unwrap();
        assert!(kit.status.success());
        let file = self.home.path().join("kit.sh");
        std::fs::write(&file, kit.stdout).unwrap();
        let script = file.display().to_string();
        let output = self.run(&["sh", &script, typed]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.len() < 2048, "{}: {text}", text.len());
        text
    }
}

/// What is wrong on the user's side, what the user types, and the cause that it is.
struct Fault {
    name: &'static str,
    make: fn(&User, SocketAddr) -> String,
    cause: &'static str,
}

/// Faults that are made at the same time, each in a network of its own; most of it is waiting.
const AT_ONCE: usize = 3;

const FAULTS: [Fault; 9] = [
    Fault {
        name: "name server gone",
        make: |_, _| "root@web".into(),
        cause: "client-network-fault",
    },
    Fault {
        name: "stale name",
        make: |user, _| {
            user.names(&format!("{} web", user.lab.host(99)));
            "root@web".into()
        },
        cause: "wrong-target",
    },
    Fault {
        name: "old address",
        make: |user, _| format!("root@{}", user.lab.host(99)),
        cause: "wrong-target",
    },
    Fault {
        name: "old port",
        make: |user, login| {
            user.settings(&format!("Host web\nHostName {}\nPort 2222\n", login.ip()));
            "root@web".into()
        },
        cause: "wrong-target",
    },
    Fault {
        name: "proxy",
        make: |user, login| {
            let host = format!("Host web\nHostName {}\nProxyCommand sleep 1\n", login.ip());
            user.settings(&host);
            "root@web".into()
        },
        cause: "client-program-or-proxy",
    },
    Fault {
        name: "filter that drops the port",
        make: |user, login| {
            user.lab.filter(&user.name, "output", "tcp dport 22 drop");
            format!("root@{}", login.ip())
        },
        cause: "client-network-fault",
    },
    Fault {
        name: "provider without a way",
        make: |user, login| {
            let rule = format!(
                "ip daddr {} reject with icmp type net-unreachable",
                login.ip()
            );
            user.lab.filter(&user.lab.router, "forward", &rule);
            format!("root@{}", login.ip())
        },
        cause: "client-network-fault",
    },
    Fault {
        name: "provider that loses half",
        make: |user, login| {
            user.lab.filter(
                &user.lab.router,
                "forward",
                "meta l4proto icmp numgen inc mod 3 == 0 drop\nmeta l4proto tcp numgen inc mod 3 == 0 drop",
            );
            format!("root@{}", login.ip())
        },
        cause: "client-network-fault",
    },
    Fault {
        name: "large packets vanish",
        make: |user, login| {
            must(&format!("-n {} link set r0 mtu 1280", user.lab.router));
            // The router's word that a packet is too large is lost, too.
            let mute = "icmp type destination-unreachable drop";
            user.lab.filter(&user.lab.router, "output", mute);
            format!("root@{}", login.ip())
        },
        cause: "path-mtu-black-hole",
    },
];

fn lead(report: &Value) -> (&str, f64) {
    let first = &report["causes"][0];
    (
        first["id"].as_str().unwrap(),
        first["probability"].as_f64().unwrap(),
    )
}

/// One fault: the lead without the kit and with it, once with the user's bare complaint and once with
/// what the client printed.
fn leads(fault: &Fault) -> Option<[[(String, f64); 2]; 2]> {
    let lab = Lab::linked()?;
    let login = SocketAddr::new(lab.host(2).into(), 22);
    let _server = servers::sshd_in(Some(&lab.server), login, ROOT_BY_KEY)?;
    let user = User::behind(&lab);
    // Before anything is broken, everything is sound from there.
    if fault.name == FAULTS[0].name {
        let answer = user.answers(login, &format!("root@{}", login.ip()));
        for sound in ["tcp=open", "kex=common", "ping=20/20", "mtu=1472y"] {
            assert!(answer.contains(sound), "{sound}: {answer}");
        }
    }
    let typed = (fault.make)(&user, login);
    let (printed, answer) = (user.client_says(&typed), user.answers(login, &typed));
    println!("{}: {printed}{answer}", fault.name);
    let report = |text: &str| {
        let file = user.home.path().join("text");
        std::fs::write(&file, text).unwrap();
        let told = file.display().to_string();
        // What the cloud and the guest would say of a server that lets the user in.
        let flags = [
            "--scope=one-user",
            "--seen=security-group=allow",
            "--seen=network-acl=allow",
            "--seen=guest-firewall=allow",
            "--seen=guest-source-block=none",
            "--error-text",
            &told,
        ];
        diagnose_with(&lab, &[("web", login, "linux")], &flags).remove(0)
    };
    let both = |before: &str| {
        let after = format!("{before}\n{answer}");
        [before, after.as_str()].map(|text| {
            let report = report(text);
            let (cause, share) = lead(&report);
            assert_here_is_untouched(&report);
            (cause.to_owned(), share)
        })
    };
    Some([both(""), both(&printed)])
}

/// What this host saw stands beside what the user's machine saw.
fn assert_here_is_untouched(report: &Value) {
    let evidence = report["evidence"].as_array().unwrap();
    let here = evidence
        .iter()
        .find(|it| it["id"] == "reach" && it["path"] != "user" && it["state"].is_string());
    assert_eq!(here.unwrap()["state"], "open", "{evidence:?}");
}

#[test]
#[ignore = "some minutes of real networks: cargo test --test guest lab::user -- --ignored --nocapture"]
fn the_users_own_machine_moves_the_lead_to_the_right_cause() {
    // Bare complaint and printed text, each without the kit and with it.
    let mut right = [[0; 2]; 2];
    let mut moved = 0;
    for some in FAULTS.chunks(AT_ONCE) {
        let found: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|it| scope.spawn(|| leads(it))).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        for (fault, leads) in some.iter().zip(found) {
            let Some(leads) = leads else { return };
            for (row, pair) in leads.iter().enumerate() {
                for (column, (cause, _)) in pair.iter().enumerate() {
                    right[row][column] += u32::from(cause == fault.cause);
                }
            }
            moved += u32::from(leads[0][0].0 != fault.cause && leads[0][1].0 == fault.cause);
            println!("{:28} {:26} {leads:?}", fault.name, fault.cause);
        }
    }
    let all = FAULTS.len();
    println!(
        "right of {all}: complaint {} -> {}, with the client's text {} -> {}; moved {moved}",
        right[0][0], right[0][1], right[1][0], right[1][1]
    );
    assert!(moved >= 6, "moved from wrong to right: {moved}");
    assert!(right[1][1] + 1 >= all as u32, "with the text: {right:?}");
    assert!(right[0][0] == 0, "it is no lead without the kit: {right:?}");
}
