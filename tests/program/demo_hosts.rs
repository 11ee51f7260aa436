//! The demo's sockets follow its cloud: each scripted fault is met on a real connection.

use crate::support;
use crate::support::probe as servers;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cvmtop::demo::{self, DemoCloud, DemoOptions};

use cvmtop::domain::instance::Os;
use support::api::Api;

/// What a plain TCP client meets.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Refused,
    Silent,
    Bytes(Vec<u8>),
    Closed,
    Reset,
    Mute,
}

fn meet(address: SocketAddr, send: &[u8]) -> Met {
    let mut stream = match TcpStream::connect_timeout(&address, Duration::from_millis(400)) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Met::Refused,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return Met::Reset,
        Err(_) => return Met::Silent,
    };
    stream
        .set_read_timeout(Some(Duration::from_millis(700)))
        .expect("a time limit");
    let _ = stream.write_all(send);
    let mut buffer = [0; 64];
    match stream.read(&mut buffer) {
        Ok(0) => Met::Closed,
        Ok(n) => Met::Bytes(buffer[..n].to_vec()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Met::Reset,
        Err(_) => Met::Mute,
    }
}

/// A connection request that offers TLS and NLA.
const X224: &[u8] = &[3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0];

async fn start() -> (DemoCloud, Api) {
    let cloud = demo::start(DemoOptions {
        reboot: Duration::from_millis(400),
        ..DemoOptions::default()
    })
    .await
    .expect("the demo starts");
    let api = Api::new(&cloud.endpoint, &cloud.secret_id, &cloud.secret_key);
    (cloud, api)
}

async fn address(api: &Api, name: &str, public: bool) -> SocketAddr {
    let instance = api.instance(name).await;
    let list = if public {
        &instance["PublicIpAddresses"]
    } else {
        &instance["PrivateIpAddresses"]
    };
    let ip: IpAddr = list[0]
        .as_str()
        .expect("an address")
        .parse()
        .expect("well formed");
    let port = instance["DefaultLoginPort"].as_u64().expect("a port") as u16;
    SocketAddr::new(ip, port)
}

async fn face(api: &Api, name: &str, public: bool) -> Met {
    let login = address(api, name, public).await;
    let send = if login.port() == 13389 { X224 } else { b"" };
    tokio::task::spawn_blocking(move || meet(login, send))
        .await
        .expect("the task ends")
}

async fn becomes(api: &Api, name: &str, wanted: impl Fn(&Met) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(8);
    loop {
        let met = face(api, name, true).await;
        if wanted(&met) {
            return;
        }
        assert!(Instant::now() < deadline, "{name} still shows {met:?}");
    }
}

fn is_ssh(met: &Met) -> bool {
    matches!(met, Met::Bytes(bytes) if bytes.starts_with(b"SSH-2.0-"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_face_is_met_on_a_real_connection() {
    let (_cloud, api) = start().await;
    for name in ["shop-web-01", "shop-web-02", "build-runner-01", "scada-01"] {
        assert!(is_ssh(&face(&api, name, true).await), "{name}");
    }
    for name in [
        "shop-api-01",
        "orders-db-01",
        "batch-01",
        "pay-01",
        "lab-01",
    ] {
        assert_eq!(face(&api, name, true).await, Met::Silent, "{name}");
        assert_eq!(face(&api, name, false).await, Met::Silent, "{name}");
    }
    for name in ["game-01", "forum-01", "analytics-01", "docs-01"] {
        assert_eq!(face(&api, name, true).await, Met::Silent, "{name}");
        assert!(is_ssh(&face(&api, name, false).await), "{name}");
    }
    for name in ["queue-01", "git-01", "print-01", "office-app-01"] {
        assert_eq!(face(&api, name, true).await, Met::Refused, "{name}");
    }
    assert_eq!(face(&api, "sensor-01", true).await, Met::Mute);
    assert_eq!(face(&api, "terminal-01", true).await, Met::Mute);
    assert_eq!(face(&api, "ci-01", true).await, Met::Reset);
    assert_eq!(face(&api, "ldap-01", true).await, Met::Closed);
    let confirmed = |met: Met| match met {
        Met::Bytes(bytes) => (bytes[11], bytes[15]),
        other => panic!("no confirm: {other:?}"),
    };
    assert_eq!(confirmed(face(&api, "office-rds-01", true).await), (2, 2));
    assert_eq!(confirmed(face(&api, "files-legacy-01", true).await), (2, 1));
    for (name, code) in [
        ("thin-client-01", 1),
        ("mac-users-01", 2),
        ("cert-01", 3),
        ("office-app-04", 4),
        ("office-app-03", 5),
        ("office-app-02", 6),
    ] {
        assert_eq!(confirmed(face(&api, name, true).await), (3, code), "{name}");
    }
}

/// The system's own OpenSSH client reads methods and host key, and is refused with a key.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_client_gets_as_far_as_its_credentials() {
    if servers::program("ssh", "openssh-client").is_none() {
        return;
    }
    let (_cloud, api) = start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.is_ok_and(|end| end.success()));
    for (name, methods, delay, host_key) in [
        ("shop-web-01", "password-and-key", "prompt", "new"),
        ("shop-web-01", "password-and-key", "prompt", "same"),
        ("keyed-01", "key-only", "prompt", "new"),
        ("dns-test-01", "password-and-key", "slow", "new"),
    ] {
        let mut plan = servers::plan(address(&api, name, true).await, Os::Linux);
        plan.options.consent.methods_as = Some("deploy".to_owned());
        plan.options.consent.login_as = Some("deploy".to_owned());
        plan.options.consent.identity = Some(key.clone());
        let known = folder.path().join(format!("known-{host_key}"));
        plan.options.consent.known_hosts = Some(known);
        let want = [
            ("kex", "common"),
            ("host-key", host_key),
            ("auth-methods", methods),
            ("auth-delay", delay),
            ("login-attempt", "auth-rejected"),
        ];
        servers::expect(&plan, &want).await;
        let login = plan.targets[0].login();
        let scanned = std::process::Command::new("ssh-keyscan")
            .args(["-t", "ed25519", "-p", &login.port().to_string()])
            .arg(login.ip().to_string())
            .output()
            .expect("the host is asked for its key");
        std::fs::write(folder.path().join("known-same"), scanned.stdout).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_the_port_lets_the_client_in() {
    let (_cloud, api) = start().await;
    let instance = api.instance("shop-api-01").await;
    assert_eq!(face(&api, "shop-api-01", true).await, Met::Silent);
    let set = serde_json::json!({"Ingress": [{
        "PolicyIndex": 0, "Protocol": "TCP", "Port": "10022", "CidrBlock": "127.0.0.1/32",
        "Action": "ACCEPT", "PolicyDescription": "test",
    }]});
    let group = instance["SecurityGroupIds"][0].clone();
    api.call(
        "vpc",
        "ap-seoul",
        "CreateSecurityGroupPolicies",
        &serde_json::json!({"SecurityGroupId": group, "SecurityGroupPolicySet": set}),
    )
    .await
    .expect("the rule is accepted");
    becomes(&api, "shop-api-01", is_ssh).await;
    let delete = serde_json::json!({"Ingress": [{"PolicyIndex": 0}]});
    api.call(
        "vpc",
        "ap-seoul",
        "DeleteSecurityGroupPolicies",
        &serde_json::json!({"SecurityGroupId": group, "SecurityGroupPolicySet": delete}),
    )
    .await
    .expect("the rule is deleted");
    becomes(&api, "shop-api-01", |met| *met == Met::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_cures_a_hung_service_but_not_a_filter() {
    let (_cloud, api) = start().await;
    for (name, region, cured) in [
        ("sensor-01", "ap-guangzhou", true),
        ("pay-01", "ap-seoul", false),
    ] {
        let id = api.instance(name).await["InstanceId"].clone();
        let answer = api
            .call(
                "cvm",
                region,
                "RebootInstances",
                &serde_json::json!({"InstanceIds": [id]}),
            )
            .await
            .expect("the reboot is accepted");
        assert_eq!(api.instance(name).await["InstanceState"], "REBOOTING");
        let deadline = Instant::now() + Duration::from_secs(8);
        loop {
            let instance = api.instance(name).await;
            if instance["LatestOperationState"] == "SUCCESS" {
                assert_eq!(instance["LatestOperationRequestId"], answer["RequestId"]);
                assert_eq!(instance["InstanceState"], "RUNNING");
                break;
            }
            assert!(Instant::now() < deadline, "{name} never came back");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        if cured {
            becomes(&api, name, is_ssh).await;
        } else {
            becomes(&api, name, |met| *met == Met::Silent).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_demos_run_at_once() {
    let (_first, one) = start().await;
    let (_second, two) = start().await;
    assert_ne!(
        one.instance("shop-web-01").await["PublicIpAddresses"],
        two.instance("shop-web-01").await["PublicIpAddresses"]
    );
    assert!(is_ssh(&face(&one, "shop-web-01", true).await));
    assert!(is_ssh(&face(&two, "shop-web-01", true).await));
}

/// Every command can be tried on the demo, and what is done there is neither seen, settled nor
/// learnt from on a real cloud.
#[test]
fn any_command_works_on_the_demo_and_leaves_the_real_journal_alone() {
    let home = tempfile::tempdir().expect("a temporary home");
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .args(arguments)
            .env_clear()
            // Wide enough that no sentence is broken.
            .env("COLUMNS", "400")
            .env("HOME", home.path())
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .output()
            .expect("the program runs");
        let (out, err) = (output.stdout, output.stderr);
        (
            output.status.code(),
            String::from_utf8_lossy(&out).into_owned(),
            String::from_utf8_lossy(&err).into_owned(),
        )
    };
    let (status, listed, err) = run(&["list", "--demo", "--no-probe"]);
    assert_eq!(status, Some(0), "{err}");
    assert!(listed.contains("shop-api-01"), "{listed}");
    let (status, listed, err) = run(&["list", "--no-probe", "--demo-fleet", "7"]);
    assert_eq!(status, Some(0), "a size of the demo means the demo: {err}");
    assert!(listed.lines().count() > 8, "{listed}");
    let open = ["--set", "source=127.0.0.1", "--yes", "--wait"];
    let mut act = vec!["--demo", "act", "shop-api-01", "open-port"];
    act.extend(open);
    let (status, out, err) = run(&act);
    assert_eq!(status, Some(0), "{out}{err}");
    let (_, entries, err) = run(&["journal", "--demo", "--format", "json"]);
    assert!(entries.contains("open-port"), "{entries}{err}");
    let (status, entries, err) = run(&["journal", "--format", "json"]);
    assert_eq!(status, Some(0), "{err}");
    assert!(!entries.contains("open-port"), "{entries}");
}
