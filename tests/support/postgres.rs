//! A PostgreSQL server of the test's own, on a socket and on loopback with TLS.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub struct Server {
    bin: PathBuf,
    pub folder: tempfile::TempDir,
    pub port: u16,
    account: Option<u32>,
    process: Option<Child>,
}

pub const PASSWORD: &str = "hush-hush-4711";

impl Server {
    /// `None` where the machine has no server; that is said.
    pub fn start() -> Option<Self> {
        let Some(bin) = programs() else {
            super::not_run("there is no PostgreSQL server (package postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        // The server refuses to run as root; any other account does.
        let account = rustix::process::geteuid().is_root().then_some(65534);
        chown(folder.path(), account, account).expect("its own folder");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut server = Self {
            bin,
            folder,
            port,
            account,
            process: None,
        };
        let data = server.data();
        let made = server
            .program("initdb")
            .args(["-U", "op", "--auth=trust", "--no-sync", "-E", "UTF8"])
            .args(["--locale=C", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{made:?}");
        server.encrypt();
        server.run();
        server.sql(&format!("alter role op password '{PASSWORD}'"));
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = match self.account {
            Some(account) => {
                let mut command = Command::new("setpriv");
                let account = account.to_string();
                command.args(["--reuid", &account, "--regid", &account]);
                command.arg("--clear-groups").arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// A certificate for the name `localhost`; by TCP only with that and a password.
    fn encrypt(&self) {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        for (name, text) in [
            ("server.crt", pem("CERTIFICATE", key.cert.der())),
            (
                "server.key",
                pem("PRIVATE KEY", &key.signing_key.serialize_der()),
            ),
            (
                "pg_hba.conf",
                "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n".to_owned(),
            ),
        ] {
            let path = self.data().join(name);
            std::fs::write(&path, text).expect("a file");
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("a mode");
            chown(&path, self.account, self.account).expect("an owner");
        }
    }

    /// The certificate to trust.
    pub fn certificate(&self) -> PathBuf {
        self.data().join("server.crt")
    }

    /// Starts the server, and returns once it answers.
    pub fn run(&mut self) {
        let data = self.data();
        let child = self
            .program("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1"])
            .args(["-c", "fsync=off", "-c", "ssl=on"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.path().join("log")).expect("a log"))
            .spawn()
            .expect("postgres runs");
        self.process = Some(child);
        let began = Instant::now();
        while !self.psql("select 1").status.success() {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            let child = self.process.as_mut().expect("it was started");
            let runs = child.try_wait().expect("a child").is_none();
            assert!(runs && began.elapsed() < Duration::from_secs(60), "{log:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn psql(&self, sql: &str) -> std::process::Output {
        self.program("psql")
            .args(["-X", "-U", "op", "-d", "postgres", "-v", "ON_ERROR_STOP=1"])
            .args(["-p", &self.port.to_string(), "-Atc", sql, "-h"])
            .arg(self.folder.path())
            .output()
            .expect("psql runs")
    }

    /// What a statement answers, one row a line.
    pub fn sql(&self, sql: &str) -> String {
        let output = self.psql(sql);
        assert!(output.status.success(), "{sql}: {output:?}");
        String::from_utf8(output.stdout)
            .expect("text")
            .trim_end()
            .to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.process.as_ref().expect("it runs");
        let pid = Pid::from_child(child);
        kill_process(pid, signal).expect("its process");
    }

    /// Stops the server and waits for its end.
    pub fn stop(&mut self) {
        self.signal(Signal::INT);
        let mut child = self.process.take().expect("it runs");
        child.wait().expect("it ends");
    }

    /// By the socket, which asks for no password.
    pub fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgresql://op@/postgres?host={folder}&port={}", self.port)
    }

    /// By TCP, with TLS.
    pub fn tcp_url(&self, name: &str) -> String {
        format!("postgresql://op@{name}:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
    }
}

fn pem(what: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {what}-----\n{}\n-----END {what}-----\n",
        lines.join("\n")
    )
}

/// The folder of the newest server.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    let whole = |folder: &PathBuf| {
        let there = |name: &str| Path::new(folder).join(name).exists();
        there("initdb") && there("postgres") && there("psql")
    };
    folders.filter(whole).max()
}
