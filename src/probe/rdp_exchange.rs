//! The part of an RDP conversation that needs no credentials.
//!
//! Lives here: the X.224 exchange over an open stream and what follows it, bounded in time and
//! bytes. Must not live here: parsing of X.224 (`rdp`), the TLS handshake (`tls`) or judgement.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::budget::Ledger;
use super::foreign;
use super::outcome::{Negotiation, Tls};
use super::rdp::{self, Answer};
use super::ssh_exchange::{cookie, is_reset, leave};
use super::{tcp, tls, tls_hello};

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
                    sample: foreign::sample(&buffer),
                    protocol: foreign::name(&buffer),
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

/// Carries TLS through on the stream after a confirm that selected it. Where that fails in a way in
/// which an old server would, a second connection asks with an old ClientHello.
pub async fn secure(stream: TcpStream, limit: Duration, until: Instant) -> Tls {
    let login = stream.peer_addr();
    let end = tls::handshake(stream, limit).await;
    let Ok(login) = login else { return end };
    if !end.may_be_old() || Instant::now() >= until {
        return end;
    }
    match old_hello(login, until).await {
        tls_hello::Answer::WentOn {
            version,
            suite,
            certificate,
        } if went_on_for_age(&end, version) => Tls::WentOn {
            version,
            suite,
            certificate: certificate.as_deref().and_then(tls::summarise),
        },
        _ => end,
    }
}

/// True when the end of the first handshake fits a server that is only old. One that names another
/// reason and then shows a certificate in a current version has that other reason.
fn went_on_for_age(end: &Tls, version: u16) -> bool {
    match end {
        // handshake_failure, illegal_parameter, protocol_version, insufficient_security
        Tls::Alert { code, .. } => version < 0x0303 || matches!(code, 40 | 47 | 70 | 71),
        _ => true,
    }
}

/// What the server answers to a ClientHello of TLS 1.0 to 1.2 on a connection of its own.
async fn old_hello(login: SocketAddr, until: Instant) -> tls_hello::Answer {
    let nothing = tls_hello::Answer::Incomplete;
    let limit = until.saturating_duration_since(Instant::now());
    let (outcome, stream) = tcp::connect(login, limit).await;
    let Some(mut stream) = stream.filter(|_| outcome.is_open()) else {
        return nothing;
    };
    Ledger::shared().opened(login);
    let limit = until.saturating_duration_since(Instant::now());
    if !matches!(
        negotiate(&mut stream, limit).await,
        Negotiation::Selected { .. }
    ) {
        return nothing;
    }
    let answer = exchange_hello(&mut stream, until).await;
    leave(stream);
    answer
}

/// Sends a ClientHello of TLS 1.0 to 1.2 and reads the whole answer.
pub(super) async fn exchange_hello(stream: &mut TcpStream, until: Instant) -> tls_hello::Answer {
    let mut random = [0; 32];
    random[..16].copy_from_slice(&cookie());
    random[16..].copy_from_slice(&cookie());
    let hello = tls_hello::client_hello(random);
    let mut buffer = Vec::new();
    let mut chunk = [0u8; 2048];
    if stream.write_all(&hello).await.is_err() {
        return tls_hello::Answer::Incomplete;
    }
    loop {
        let read = tokio::time::timeout_at(until, stream.read(&mut chunk)).await;
        let Ok(Ok(n @ 1..)) = read else {
            return tls_hello::Answer::Incomplete;
        };
        buffer.extend_from_slice(&chunk[..n]);
        let answer = tls_hello::parse_answer(&buffer);
        if answer != tls_hello::Answer::Incomplete || buffer.len() > tls_hello::MAX_ANSWER {
            return answer;
        }
    }
}
