//! The server's side of the RDP negotiation (MS-RDPBCGR 2.2.1.1 and 2.2.1.2) with its failures.
//!
//! Lives here: X.224 connection confirm, negotiation block, TLS with chosen certificates.
//! Must not live here: anything after the TLS handshake; no session is ever started.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::endpoint::reset;
use super::ssh::{close, hold};
use crate::demo::DemoError;
use crate::demo::world::Face;

const SSL: u32 = 1;
const HYBRID: u32 = 2;
const HYBRID_EX: u32 = 8;

/// TLS settings for a certificate in order and for two that are out of their time.
pub(in crate::demo) struct Certificates {
    valid: TlsAcceptor,
    expired: TlsAcceptor,
    future: TlsAcceptor,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl Certificates {
    /// Self-signed certificates as a Windows server makes them (half a year).
    pub fn generate() -> Result<Self, DemoError> {
        Ok(Self {
            valid: acceptor(-30, 152)?,
            expired: acceptor(-200, -18)?,
            future: acceptor(40, 222)?,
        })
    }
}

/// An acceptor whose certificate is valid between two days, counted from today.
fn acceptor(from: i64, until: i64) -> Result<TlsAcceptor, DemoError> {
    let failed = |error: &dyn std::fmt::Display| DemoError::Certificate(error.to_string());
    let day = |offset: i64| {
        let at = Timestamp::now() + SignedDuration::from_hours(24 * offset);
        let date = at.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(i32::from(date.year()), date.month() as u8, date.day() as u8)
    };
    let mut parameters = rcgen::CertificateParams::new(vec!["demo-windows".to_owned()])
        .map_err(|error| failed(&error))?;
    parameters.not_before = day(from);
    parameters.not_after = day(until);
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "demo-windows");
    let key = rcgen::KeyPair::generate().map_err(|error| failed(&error))?;
    let certificate = parameters
        .self_signed(&key)
        .map_err(|error| failed(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .map_err(|error| failed(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Speaks on one connection what `face` says.
pub(super) async fn talk(
    mut stream: TcpStream,
    face: Face,
    number: u64,
    certificates: &Certificates,
) -> io::Result<()> {
    match face {
        Face::RdpSilent => return hold(&mut stream).await,
        Face::RdpClosed => return close(stream).await,
        Face::RdpMixed if number.is_multiple_of(2) => return close(stream).await,
        Face::RdpReset => {
            tokio::time::sleep(Duration::from_millis(40)).await;
            reset(stream);
            return Ok(());
        }
        _ => {}
    }
    let requested = read_request(&mut stream).await?;
    if face == Face::RdpSlow {
        tokio::time::sleep(super::SLOW).await;
    }
    let acceptor = match face {
        Face::RdpExpired => &certificates.expired,
        Face::RdpNotYetValid => &certificates.future,
        _ => &certificates.valid,
    };
    let answer = answer(face, requested);
    stream.write_all(&confirm(answer)).await?;
    match answer {
        Answer::Selected(SSL | HYBRID | HYBRID_EX) => {
            let mut tls = acceptor.accept(stream).await?;
            let mut buffer = [0; 512];
            while tls.read(&mut buffer).await? > 0 {}
            Ok(())
        }
        Answer::Failure(_) => close(stream).await,
        Answer::Selected(_) | Answer::NoBlock => hold(&mut stream).await,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Selected(u32),
    Failure(u32),
    /// A confirm without a negotiation block: standard RDP security of old servers.
    NoBlock,
}

fn answer(face: Face, requested: u32) -> Answer {
    match face {
        Face::RdpFailure2 => Answer::Failure(2),
        Face::RdpFailure3 => Answer::Failure(3),
        Face::RdpFailure4 => Answer::Failure(4),
        Face::RdpFailure5 => Answer::Failure(5),
        Face::RdpFailure6 => Answer::Failure(6),
        Face::RdpLegacy => Answer::NoBlock,
        Face::RdpTls if requested & SSL != 0 => Answer::Selected(SSL),
        Face::RdpFailure1 | Face::RdpTls => Answer::Failure(1),
        _ if requested & HYBRID_EX != 0 => Answer::Selected(HYBRID_EX),
        _ if requested & HYBRID != 0 => Answer::Selected(HYBRID),
        // Network level authentication is required and the client does not offer it.
        _ => Answer::Failure(5),
    }
}

/// Reads the X.224 connection request and returns `requestedProtocols` (0 without a block).
async fn read_request(stream: &mut TcpStream) -> io::Result<u32> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] != 3 || !(11..=1024).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a TPKT"));
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    if body[1] & 0xf0 != 0xe0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a connection request",
        ));
    }
    // The block, if any, is the last eight bytes: type 1, flags, length 8, protocols.
    let block = body.len().checked_sub(8).map(|at| &body[at..]);
    Ok(match block {
        Some([1, _, 8, 0, a, b, c, d]) if body.len() >= 15 => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    })
}

/// TPKT with an X.224 connection confirm and the negotiation block.
fn confirm(answer: Answer) -> Vec<u8> {
    let block = match answer {
        Answer::Selected(protocol) => Some((2_u8, 0x1f_u8, protocol)),
        Answer::Failure(code) => Some((3, 0, code)),
        Answer::NoBlock => None,
    };
    let length = if block.is_some() { 19_u8 } else { 11 };
    let mut bytes = vec![3, 0, 0, length, length - 5, 0xd0, 0, 0, 0x12, 0x34, 0];
    if let Some((kind, flags, value)) = block {
        bytes.extend([kind, flags, 8, 0]);
        bytes.extend(value.to_le_bytes());
    }
    bytes
}
