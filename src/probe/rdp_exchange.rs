//! The part of an RDP conversation that needs no credentials.
//!
//! Lives here: the X.224 exchange over an open stream and the TLS handshake after it, bounded in
//! time and bytes. Must not live here: parsing of X.224 (`rdp`) or judgement.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::outcome::{CertificateSummary, Negotiation, Tls};
use super::rdp::{self, Answer};
use super::ssh_exchange::{is_reset, printable};
use super::tcp;
use crate::domain::text::sanitise;

/// Largest certificate that is looked at.
const MAX_CERTIFICATE: usize = 64 * 1024;

/// Sends a connection request and reads the answer.
pub async fn negotiate(stream: &mut TcpStream, limit: Duration) -> Negotiation {
    let started = Instant::now();
    let deadline = started + limit;
    if let Err(error) = stream.write_all(&rdp::CONNECTION_REQUEST).await {
        return if is_reset(&error) {
            Negotiation::Reset {
                after: started.elapsed(),
            }
        } else {
            Negotiation::Own(tcp::own_failure(&error))
        };
    }
    let mut buffer = Vec::with_capacity(64);
    let mut chunk = [0u8; 128];
    loop {
        let after = started.elapsed();
        match rdp::parse_answer(&buffer) {
            Answer::Selected(security) => return Negotiation::Selected { security, after },
            Answer::Failed(failure) => return Negotiation::Failed { failure, after },
            Answer::NotRdp => {
                return Negotiation::WrongProtocol {
                    sample: printable(&buffer[..buffer.len().min(64)]),
                };
            }
            Answer::Incomplete => {}
        }
        match tokio::time::timeout_at(deadline, stream.read(&mut chunk)).await {
            Err(_) => {
                return Negotiation::Silent {
                    waited: limit,
                    bytes: buffer.len(),
                };
            }
            Ok(Ok(0)) => {
                return Negotiation::Closed {
                    after: started.elapsed(),
                };
            }
            Ok(Ok(n)) => buffer.extend_from_slice(&chunk[..n]),
            Ok(Err(error)) if is_reset(&error) => {
                return Negotiation::Reset {
                    after: started.elapsed(),
                };
            }
            Ok(Err(error)) => return Negotiation::Own(tcp::own_failure(&error)),
        }
    }
}

/// Does a TLS handshake on the stream after a confirm that selected TLS or CredSSP, and reads the
/// dates of the server's certificate.
pub async fn certificate(stream: TcpStream, limit: Duration) -> Tls {
    let Ok(address) = stream.peer_addr() else {
        return Tls::Failed("the connection is gone".into());
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = match ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
    {
        Ok(builder) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth(),
        Err(error) => return Tls::Failed(sanitise(&error.to_string(), 120)),
    };
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::IpAddress(address.ip().into());
    match tokio::time::timeout(limit, connector.connect(name, stream)).await {
        Err(_) => Tls::Hang(limit),
        Ok(Err(error)) => Tls::Failed(sanitise(&error.to_string(), 120)),
        Ok(Ok(mut stream)) => {
            let end = stream
                .get_ref()
                .1
                .peer_certificates()
                .and_then(<[_]>::first)
                .map_or(Tls::Unreadable, |der| {
                    summarise(der).map_or(Tls::Unreadable, Tls::Certificate)
                });
            let _ = tokio::time::timeout(Duration::from_millis(200), stream.shutdown()).await;
            end
        }
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

/// Accepts every certificate: the probe wants to read it, and nothing secret is ever sent.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
