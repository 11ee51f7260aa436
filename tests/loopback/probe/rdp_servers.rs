//! RDP servers whose trouble begins after the X.224 confirm: real TLS servers of another hand
//! (OpenSSL's) behind a confirm of ours, and what is no TLS at all.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cvmtop::domain::instance::Os;
use cvmtop::probe::{self, LoginHealth, Protocol};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{self, expect, free_port, plan, program, wait_for};

/// OpenSSL's own TLS server.
struct OpenSsl {
    child: Child,
    login: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(address: IpAddr, days: &str, options: &[&str]) -> Option<OpenSsl> {
    let binary = program("openssl", "openssl")?;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let made = Command::new(&binary)
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", days,
        ])
        .args([
            "-subj",
            "/CN=WIN-7Q2",
            "-keyout",
            &path("key"),
            "-out",
            &path("cert"),
        ])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    let login = SocketAddr::new(address, free_port(address));
    let child = Command::new(&binary)
        .args(["s_server", "-quiet", "-accept", &login.to_string()])
        .args(["-key", &path("key"), "-cert", &path("cert")])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("openssl", || support::listening(login));
    Some(OpenSsl {
        child,
        login,
        _folder: folder,
    })
}

/// Reads the connection request and confirms the protocol.
async fn confirm(stream: &mut TcpStream, protocol: u8) -> bool {
    let mut request = [0; 19];
    let answer = [
        3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0x1f, 8, 0, protocol, 0, 0, 0,
    ];
    stream.read_exact(&mut request).await.is_ok() && stream.write_all(&answer).await.is_ok()
}

/// A server that confirms TLS with CredSSP and then does this with the connection.
async fn server<F, W>(address: [u8; 4], protocol: u8, then: F) -> SocketAddr
where
    F: Fn(TcpStream) -> W + Send + Clone + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((IpAddr::from(address), 0)).await.unwrap();
    let login = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let then = then.clone();
            tokio::spawn(async move {
                if confirm(&mut stream, protocol).await {
                    then(stream).await;
                }
            });
        }
    });
    login
}

/// The same, handing on to a TLS server.
async fn in_front_of(tls: SocketAddr, address: [u8; 4], protocol: u8) -> SocketAddr {
    server(address, protocol, move |mut stream| async move {
        if let Ok(mut inner) = TcpStream::connect(tls).await {
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
        }
    })
    .await
}

async fn detail(login: SocketAddr, want: &[(&str, &str)], says: &str) {
    let all = expect(&plan(login, Os::Windows), want).await;
    assert!(
        all.iter().any(|reading| reading.detail.contains(says)),
        "nothing says {says:?}: {all:#?}"
    );
}

async fn health(login: SocketAddr) -> LoginHealth {
    let (connect, greeting) = (Duration::from_secs(2), Duration::from_secs(5));
    probe::login_check(login, Protocol::Rdp, connect, greeting)
        .await
        .health()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_of_openssl_is_carried_through_in_every_version() {
    let here: IpAddr = [127, 62, 7, 1].into();
    let old = "ALL:@SECLEVEL=0";
    let cases: [(&str, &[&str], &str, &str); 6] = [
        ("300", &["-tls1_3"], "ok", "TLS completes"),
        ("300", &["-tls1_2"], "ok", "TLS completes"),
        ("5", &["-tls1_2"], "ok", "renew it before then"),
        // Windows Server 2012 R2 has nothing newer, and every client gets in.
        (
            "300",
            &["-tls1_2", "-cipher", "AES128-SHA256"],
            "ok",
            "TLS 1.2 with cipher suite 0x003c",
        ),
        (
            "300",
            &["-tls1", "-cipher", old],
            "no-common-version",
            "TLS 1.0 with cipher suite",
        ),
        (
            "300",
            &["-tls1_1", "-cipher", old],
            "no-common-version",
            "TLS 1.1 with cipher suite",
        ),
    ];
    for (number, (days, options, want, says)) in cases.into_iter().enumerate() {
        let Some(tls) = openssl(here, days, options) else {
            return;
        };
        let login = in_front_of(tls.login, [127, 62, 7, 10 + number as u8], 8).await;
        let certificate = if days == "5" { "ends-soon" } else { "valid" };
        let words = [
            ("rdp-negotiation", "nla"),
            ("rdp-tls", want),
            ("rdp-certificate", certificate),
        ];
        detail(login, &words, says).await;
        detail(login, &words, "certificate of \"WIN-7Q2\"").await;
        assert_eq!(health(login).await, LoginHealth::Answers, "{options:?}");
    }
    // A suite that nobody shares, old or new.
    let Some(tls) = openssl(
        here,
        "300",
        &["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"],
    ) else {
        return;
    };
    let login = in_front_of(tls.login, [127, 62, 7, 30], 2).await;
    detail(
        login,
        &[("rdp-tls", "failed")],
        "alert 40 (HandshakeFailure)",
    )
    .await;
    assert_eq!(health(login).await, LoginHealth::WrongAnswer);
}

/// A TLS server whose key is not the certificate's: rustls serves what OpenSSL refuses to load.
fn with_another_key(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> tokio_rustls::TlsAcceptor {
    let key = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["win".into()]).unwrap();
    let certificate: CertificateDer<'static> =
        parameters.self_signed(&key()).unwrap().der().clone();
    let der = PrivateKeyDer::Pkcs8(key().serialize_der().into());
    let signing = rustls::crypto::ring::sign::any_supported_type(&der).unwrap();
    let pair = CertifiedKey::new(vec![certificate], signing);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)));
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_the_certificates_fails_as_for_any_client() {
    for (last, version) in [(1, &rustls::version::TLS12), (2, &rustls::version::TLS13)] {
        let acceptor = with_another_key(&[version]);
        let login = server([127, 62, 8, last], 8, move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let _ = acceptor.accept(stream).await;
            }
        })
        .await;
        let want = [("rdp-tls", "failed"), ("rdp-certificate", "key-mismatch")];
        detail(login, &want, "does not belong to its certificate").await;
        assert_eq!(health(login).await, LoginHealth::WrongAnswer);
    }
}

/// Reads what the client sends for as long as it likes.
async fn listen(stream: &mut TcpStream) {
    let mut sink = [0; 4096];
    while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_garbage_alert_close_and_reset_after_the_confirm_are_told_apart() {
    let silent = server([127, 62, 8, 10], 2, |mut stream| async move {
        listen(&mut stream).await;
    })
    .await;
    let garbage = server([127, 62, 8, 11], 2, |mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
        let _ = stream.write_all(&[0x41; 300]).await;
        listen(&mut stream).await;
    })
    .await;
    let alert = server([127, 62, 8, 12], 2, |mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 80]).await;
        listen(&mut stream).await;
    })
    .await;
    let closing = server([127, 62, 8, 13], 1, |mut stream| async move {
        let _ = stream.read(&mut [0; 2048]).await;
    })
    .await;
    let resetting = server([127, 62, 8, 14], 1, |mut stream| async move {
        let _ = stream.read(&mut [0; 2048]).await;
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    })
    .await;
    let started = Instant::now();
    for (login, state, says, word) in [
        (
            garbage,
            "garbage",
            "bytes that are no TLS",
            LoginHealth::WrongAnswer,
        ),
        (
            alert,
            "failed",
            "alert 80 (InternalError)",
            LoginHealth::WrongAnswer,
        ),
        (
            closing,
            "closed",
            "closes the connection",
            LoginHealth::TurnedAway,
        ),
        (
            resetting,
            "closed",
            "resets the connection",
            LoginHealth::TurnedAway,
        ),
    ] {
        detail(login, &[("rdp-tls", state)], says).await;
        assert_eq!(health(login).await, word, "{says}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(14),
        "{:?}",
        started.elapsed()
    );
    // With small packets, too, nothing comes: no black hole.
    let want = [("rdp-tls", "hang"), ("path-mtu", "not-attempted")];
    detail(silent, &want, "does not complete in").await;
}

/// RDSTLS and Entra are TLS, but no password gets in there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_redirected_client_speaks_is_named() {
    let Some(tls) = openssl([127, 62, 8, 30].into(), "300", &[]) else {
        return;
    };
    for (last, protocol, state, says) in [(31, 4, "rdstls", "RDSTLS"), (32, 16, "aad", "RDSAAD")] {
        let login = in_front_of(tls.login, [127, 62, 8, last], protocol).await;
        let want = [("rdp-negotiation", state), ("rdp-tls", "ok")];
        detail(login, &want, says).await;
    }
}

/// Services that wait for their client as RDP does are asked what they are.
#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_on_the_rdp_port_is_named() {
    let Some(python) = program("python3", "python3") else {
        return;
    };
    let address: IpAddr = [127, 62, 8, 40].into();
    let login = SocketAddr::new(address, free_port(address));
    let mut web = Command::new(python)
        .args(["-m", "http.server", &login.port().to_string(), "--bind"])
        .arg(address.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the web server", || support::listening(login));
    let wrong = [
        ("rdp-negotiation", "wrong-protocol"),
        ("rdp-tls", "not-attempted"),
    ];
    detail(login, &wrong, "HTTP answers here, not RDP").await;
    web.kill().unwrap();
    web.wait().unwrap();
    let Some(tls) = openssl(address, "300", &[]) else {
        return;
    };
    detail(tls.login, &wrong, "TLS answers here, not RDP").await;
    let Some(ssh) = support::sshd(address, None, "") else {
        return;
    };
    detail(ssh.login, &wrong, "SSH answers here, not RDP").await;
}
