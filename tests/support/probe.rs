//! Real servers on loopback ports of the test's own.
//!
//! Lives here: starting, stopping and waiting for `sshd` and `xrdp` without touching the machine's
//! own. Must not live here: expectations.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path as FsPath, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cvmtop::domain::evidence::{Path, Reading};
use cvmtop::domain::instance::Os;
use cvmtop::probe::{self, ProbeOptions, ProbePlan, ProbeTarget};

/// The path of a program, or `None` with a printed reason. With `CI` set, absence is a failure.
pub fn program(name: &str, package: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"];
    let found = places
        .iter()
        .map(|dir| FsPath::new(dir).join(name))
        .find(|path| path.exists());
    if found.is_none() {
        let reason = format!("{name} is not installed (Debian package {package})");
        super::not_run(&reason);
    }
    found
}

/// A port on the address that nobody listens on right now.
pub fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A listener whose accept queue is full drops every further SYN: silence without privileges, as long
/// as all that is returned lives.
pub fn full_queue(address: IpAddr) -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
    socket.listen(0).unwrap();
    let login = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    // Backlog 0 holds one connection; the queue is full when a connection no longer opens.
    while let Ok(stream) = TcpStream::connect_timeout(&login, Duration::from_millis(200)) {
        held.push(stream);
        assert!(held.len() < 16, "the queue never fills");
    }
    (socket, held, login)
}

/// Waits until `met` holds; fails after ten seconds.
pub fn wait_for(what: &str, mut met: impl FnMut() -> bool) {
    let started = Instant::now();
    while !met() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{what} never came"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server process that ends with its owner.
pub struct Server {
    pub child: Child,
    pub login: SocketAddr,
    pub folder: tempfile::TempDir,
}

impl Server {
    /// Sends a signal to the server.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Starts a real `sshd` on an address and port of its own with extra configuration lines.
pub fn sshd(address: IpAddr, port: Option<u16>, extra: &str) -> Option<Server> {
    let port = port.unwrap_or_else(|| free_port(address));
    sshd_in(None, SocketAddr::new(address, port), extra)
}

/// The same inside a network namespace.
pub fn sshd_in(namespace: Option<&str>, login: SocketAddr, extra: &str) -> Option<Server> {
    let (address, port) = (login.ip(), login.port());
    let binary = program("sshd", "openssh-server")?;
    let keygen = program("ssh-keygen", "openssh-client")?;
    if rustix::process::geteuid().is_root() {
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut keys = String::new();
    for kind in ["ed25519", "rsa"] {
        let file = path(&format!("host_{kind}"));
        run(Command::new(&keygen).args(["-q", "-t", kind, "-N", "", "-f", &file]));
        keys.push_str(&format!("HostKey {file}\n"));
    }
    // The first value of a keyword wins, so the test's own lines come first.
    let config = format!(
        "{extra}\n{keys}ListenAddress {address}\nPort {port}\nPidFile none\nUsePAM no\nStrictModes no\n\
         AuthorizedKeysFile {}\nLogLevel VERBOSE\n",
        path("authorized_keys")
    );
    std::fs::write(path("config"), config).unwrap();
    let log = std::fs::File::create(path("log")).unwrap();
    let mut command = match namespace {
        Some(name) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name]).arg(binary);
            command
        }
        None => Command::new(binary),
    };
    let child = command
        .args(["-D", "-e", "-f", &path("config")])
        // A process that is stopped in the group of the tests would end them all, as soon as the
        // group has no parent of the same session: the kernel hangs such a group up (setpgid(2)).
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut server = Server {
        child,
        login,
        folder,
    };
    wait_for("sshd", || {
        assert!(
            server.child.try_wait().unwrap().is_none(),
            "sshd ended: {}",
            std::fs::read_to_string(server.folder.path().join("log")).unwrap()
        );
        // The namespace is the one that the server's own process sees.
        listening_seen_by(server.child.id(), server.login)
    });
    Some(server)
}

/// DER in the textual encoding of RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Starts a real `xrdp` on a port of its own, with a certificate made for it.
pub fn xrdp(address: IpAddr, security: &str) -> Option<Server> {
    xrdp_on(SocketAddr::new(address, free_port(address)), security)
}

/// The same on this port.
pub fn xrdp_on(login: SocketAddr, security: &str) -> Option<Server> {
    let binary = program("xrdp", "xrdp")?;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["xrdp-test".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    std::fs::write(path("cert.pem"), pem("CERTIFICATE", certificate.der())).unwrap();
    std::fs::write(path("key.pem"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
    let (address, port) = (login.ip(), login.port());
    let ini = format!(
        "[Globals]\nini_version=1\nfork=true\nport=tcp://{address}:{port}\nuse_vsock=false\ntcp_nodelay=true\n\
         security_layer={security}\ncrypt_level=high\ncertificate={}\nkey_file={}\nssl_protocols=TLSv1.2, TLSv1.3\n\
         autorun=\nallow_channels=true\nbitmap_cache=true\n\n[Logging]\nLogFile={}\nLogLevel=INFO\nEnableSyslog=false\n\n\
         [Xorg]\nname=Xorg\nlib=libxup.so\nusername=ask\npassword=ask\nip=127.0.0.1\nport=-1\ncode=20\n",
        path("cert.pem"),
        path("key.pem"),
        path("log")
    );
    std::fs::write(path("xrdp.ini"), ini).unwrap();
    let output = std::fs::File::create(path("out")).unwrap();
    let child = Command::new(binary)
        .args(["--nodaemon", "--config", &path("xrdp.ini")])
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let mut server = Server {
        child,
        login,
        folder,
    };
    wait_for("xrdp", || {
        assert!(
            server.child.try_wait().unwrap().is_none(),
            "xrdp ended: {}",
            std::fs::read_to_string(server.folder.path().join("out")).unwrap()
        );
        // The namespace is the one that the server's own process sees.
        listening_seen_by(server.child.id(), server.login)
    });
    Some(server)
}

/// True when something listens, read from the kernel's table so that no connection is made.
pub fn listening(login: SocketAddr) -> bool {
    listening_seen_by(std::process::id(), login)
}

/// The same in the network namespace of a process.
pub fn listening_seen_by(process: u32, login: SocketAddr) -> bool {
    let IpAddr::V4(address) = login.ip() else {
        return TcpStream::connect(login).is_ok();
    };
    let wanted = format!(
        "{:08X}:{:04X}",
        u32::from_le_bytes(address.octets()),
        login.port()
    );
    std::fs::read_to_string(format!("/proc/{process}/net/tcp"))
        .unwrap_or_default()
        .lines()
        .any(|line| {
            let mut columns = line.split_whitespace().skip(1);
            columns.next() == Some(wanted.as_str()) && columns.nth(1) == Some("0A")
        })
}

/// A plan for one address.
pub fn plan(login: SocketAddr, os: Os) -> ProbePlan {
    ProbePlan {
        os,
        targets: vec![ProbeTarget {
            path: Path::Private,
            address: login.ip(),
            port: login.port(),
        }],
        options: ProbeOptions {
            greeting_timeout: Duration::from_secs(5),
            ..ProbeOptions::default()
        },
        ..ProbePlan::default()
    }
}

/// All readings of a plan.
pub async fn readings(plan: &ProbePlan) -> Vec<Reading> {
    let (sink, mut receiver) = tokio::sync::mpsc::channel(64);
    let drain = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    let all = probe::run(plan, sink).await;
    drain.await.unwrap();
    all
}

/// State or status of each group.
pub fn words(all: &[Reading]) -> BTreeMap<String, String> {
    all.iter()
        .map(|reading| {
            let word = reading.state.as_deref().unwrap_or(reading.status.as_str());
            (reading.id.clone(), word.to_owned())
        })
        .collect()
}

/// Checks the words of a plan's readings.
pub async fn expect(plan: &ProbePlan, want: &[(&str, &str)]) -> Vec<Reading> {
    let all = readings(plan).await;
    let got = words(&all);
    for (id, word) in want {
        assert_eq!(
            got.get(*id).map(String::as_str),
            Some(*word),
            "{id}: {all:#?}"
        );
    }
    all
}

/// A KEXINIT packet with one list for everything of a kind.
pub fn kexinit(kex: &str, host_key: &str, cipher: &str, mac: &str) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend_from_slice(&[9; 16]);
    for list in [
        kex, host_key, cipher, cipher, mac, mac, "none", "none", "", "",
    ] {
        payload.extend_from_slice(&(list.len() as u32).to_be_bytes());
        payload.extend_from_slice(list.as_bytes());
    }
    payload.extend_from_slice(&[0; 5]);
    cvmtop::probe::ssh::frame(&payload)
}

/// A proposal that current clients take.
pub fn current_kexinit() -> Vec<u8> {
    kexinit(
        "curve25519-sha256",
        "ssh-ed25519",
        "aes128-ctr",
        "hmac-sha2-256",
    )
}
