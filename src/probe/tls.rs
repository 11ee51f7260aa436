//! The TLS handshake of a login port, carried through with this program's own TLS.
//!
//! Lives here: the handshake over an open stream, bounded in time, and its ends told apart; whether
//! the key that signed belongs to the certificate. Must not live here: X.224 (`rdp_exchange`), old
//! versions (`tls_hello`), or judgement about dates.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::outcome::{CertificateSummary, Tls};
use super::ssh_exchange::is_reset;
use crate::domain::text::sanitise;

/// Largest certificate that is looked at.
const MAX_CERTIFICATE: usize = 64 * 1024;
const FAREWELL: Duration = Duration::from_millis(200);

/// Does a whole handshake on the stream, accepting any certificate whose key signs.
pub async fn handshake(stream: TcpStream, limit: Duration) -> Tls {
    let Ok(address) = stream.peer_addr() else {
        return Tls::Closed { reset: true };
    };
    let verifier = Arc::new(Verifier::default());
    let connector = match connector(&verifier) {
        Ok(connector) => connector,
        Err(error) => return Tls::Failed(sanitise(&error.to_string(), 120)),
    };
    let name = ServerName::IpAddress(address.ip().into());
    match tokio::time::timeout(limit, connector.connect(name, stream)).await {
        Err(_) => Tls::Hang(limit),
        Ok(Err(error)) => ended(&error, &verifier),
        Ok(Ok(mut stream)) => {
            let _ = tokio::time::timeout(FAREWELL, stream.shutdown()).await;
            Tls::Complete(verifier.summary())
        }
    }
}

fn connector(verifier: &Arc<Verifier>) -> Result<TlsConnector, Error> {
    let config = ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Which end an error of the handshake stands for.
fn ended(error: &io::Error, verifier: &Verifier) -> Tls {
    if is_reset(error) {
        return Tls::Closed { reset: true };
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        None => Tls::Closed { reset: false },
        Some(Error::InvalidCertificate(_)) => Tls::KeyMismatch(verifier.summary()),
        Some(Error::AlertReceived(alert)) => Tls::Alert {
            code: u8::from(*alert),
            name: format!("{alert:?}"),
        },
        Some(Error::PeerIncompatible(_)) => Tls::Incompatible,
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => Tls::Garbage,
        Some(other) => Tls::Failed(sanitise(&other.to_string(), 120)),
    }
}

/// Dates and subject of a certificate in DER; `None` when it cannot be read (RFC 5280).
pub fn summarise(der: &[u8]) -> Option<CertificateSummary> {
    if der.len() > MAX_CERTIFICATE {
        return None;
    }
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
        .unwrap_or_default();
    Some(CertificateSummary {
        subject: sanitise(subject, 80),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

/// True for keys whose signatures this program can check: RSA of 2048 to 8192 bits, NIST P-256 and
/// P-384. Of any other key a failed check says nothing.
fn can_judge(certificate: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => (2048..=8192).contains(&key.key_size()),
        Ok(PublicKey::EC(point)) => matches!(point.key_size(), 256 | 384),
        _ => false,
    }
}

/// Accepts every certificate, for the probe wants to read it and sends nothing secret; but the
/// server must hold the key that belongs to it, as any client demands.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Vec<u8>>>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            seen: Mutex::default(),
        }
    }
}

impl Verifier {
    fn summary(&self) -> Option<CertificateSummary> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        summarise(seen.as_deref()?)
    }

    /// Only a signature that is surely of another key fails.
    fn judge(
        certificate: &CertificateDer<'_>,
        checked: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match checked {
            Err(Error::InvalidCertificate(
                reason @ (CertificateError::BadSignature
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                    ..
                }),
            )) if can_judge(certificate) => Err(Error::InvalidCertificate(reason)),
            _ => Ok(HandshakeSignatureValid::assertion()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        Self::judge(cert, verify_tls12_signature(message, cert, dss, known))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        Self::judge(cert, verify_tls13_signature(message, cert, dss, known))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
