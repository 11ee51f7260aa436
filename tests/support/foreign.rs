//! A cloud that is not ours, `independent/cloud.py`, and the program run against it.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::probe as support;

pub const ID: &str = "ins-aaaa1111";

/// The cloud, ended with its owner.
pub struct Cloud {
    child: Child,
    pub endpoint: String,
    pub home: tempfile::TempDir,
    namespace: Option<String>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Ran {
    pub output: Output,
    pub took: Duration,
}

impl Cloud {
    pub fn of(world: &Value) -> Self {
        Self::begin(world, None)
    }

    #[allow(dead_code)] // each test file uses a part
    /// The cloud and the program in a network namespace.
    pub fn inside(namespace: &str, world: &Value) -> Self {
        Self::begin(world, Some(namespace.to_owned()))
    }

    fn command(namespace: Option<&str>, program: &str) -> Command {
        let Some(namespace) = namespace else {
            return Command::new(program);
        };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }

    fn begin(world: &Value, namespace: Option<String>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("world.json");
        std::fs::write(&file, world.to_string()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/cloud.py");
        let mut child = Self::command(namespace.as_deref(), "python3")
            .arg(script)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said: Value = serde_json::from_str(&line).expect("one JSON line");
        Self {
            child,
            endpoint: said["endpoint"].as_str().unwrap().to_owned(),
            home,
            namespace,
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with("", arguments)
    }

    /// Runs the program with a config file.
    pub fn run_with(&self, config: &str, arguments: &[&str]) -> Ran {
        let file = self.home.path().join("config.toml");
        std::fs::write(&file, config).unwrap();
        let started = Instant::now();
        let output = Self::command(self.namespace.as_deref(), env!("CARGO_BIN_EXE_cvmtop"))
            .arg("--config")
            .arg(&file)
            .args(["--endpoint", &self.endpoint])
            .args(arguments)
            .env_clear()
            // Wide enough that no sentence is broken.
            .env("COLUMNS", "400")
            .env("HOME", self.home.path())
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("TENCENTCLOUD_SECRET_ID", "AKIDindependent")
            .env("TENCENTCLOUD_SECRET_KEY", "independent-key")
            .env("TENCENTCLOUD_REGION", "ap-seoul")
            .output()
            .unwrap();
        Ran {
            output,
            took: started.elapsed(),
        }
    }

    pub fn diagnose(&self, more: &[&str]) -> Ran {
        let arguments = [&["diagnose", ID, "--format", "json"], more].concat();
        self.run(&arguments)
    }
}

impl Ran {
    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).expect("UTF-8")
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub fn report(&self) -> Value {
        let text = self.stdout();
        serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{e}: {text}{}", self.stderr()))
    }

    pub fn status(&self) -> i32 {
        self.output.status.code().expect("an exit status")
    }

    /// Checks the exit status and the first cause.
    pub fn expect(&self, status: i32, first: &str) -> Value {
        let report = self.report();
        let got = report["causes"][0]["id"].as_str().unwrap();
        assert_eq!(
            (got, self.status()),
            (first, status),
            "{:#}\n{}",
            report["evidence"],
            self.stderr()
        );
        report
    }
}

/// The reading of a group on a path.
pub fn reading<'a>(report: &'a Value, id: &str, path: Option<&str>) -> &'a Value {
    let found = report["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["id"] == id && r["path"].as_str() == path);
    found.unwrap_or_else(|| panic!("no {id}: {:#}", report["evidence"]))
}

pub fn state<'a>(report: &'a Value, id: &str, path: Option<&str>) -> &'a str {
    let reading = reading(report, id, path);
    reading["state"]
        .as_str()
        .or(reading["status"].as_str())
        .unwrap()
}

pub fn instance(public: SocketAddr, private: IpAddr, changes: &Value) -> Value {
    let mut instance = json!({
        "InstanceId": ID, "InstanceName": "web", "InstanceState": "RUNNING", "OsName": "Debian 12.8 64bit",
        "RestrictState": "NORMAL", "PublicIpAddresses": [public.ip()], "PrivateIpAddresses": [private],
        "SecurityGroupIds": ["sg-1"], "Placement": {"Zone": "ap-seoul-1"},
        "VirtualPrivateCloud": {"VpcId": "vpc-1", "SubnetId": "subnet-1"},
        "DefaultLoginPort": public.port(), "DefaultLoginUser": "root",
    });
    let fields = instance.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        if value == "absent" {
            fields.remove(key);
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
    instance
}

pub fn rules(list: &[(&str, &str, &str)]) -> Value {
    let rule = |(index, (action, port, source)): (usize, &(&str, &str, &str))| json!({"PolicyIndex": index, "Action": action, "Protocol": "TCP", "Port": port, "CidrBlock": source});
    json!({"Version": "1", "Egress": [], "Ingress": list.iter().enumerate().map(rule).collect::<Vec<_>>()})
}

pub fn world(instance: Value, rules: Value, changes: &Value) -> Value {
    let mut world = json!({
        "secret_id": "AKIDindependent", "secret_key": "independent-key",
        "instances": {"ap-seoul": [instance]}, "groups": {"sg-1": rules},
    });
    for (key, value) in changes.as_object().unwrap() {
        world[key] = value.clone();
    }
    world
}

/// One address of the test's own, with a port that is free.
pub fn place(last: u8) -> (SocketAddr, IpAddr) {
    let address: IpAddr = [127, 66, 1, last].into();
    (
        SocketAddr::new(address, support::free_port(address)),
        [127, 66, 1, last].into(),
    )
}

pub fn everyone() -> Value {
    rules(&[("ACCEPT", "ALL", "0.0.0.0/0")])
}
