//! What else may answer on a login port.
//!
//! Lives here: naming a protocol by its first bytes, a sample of them that is safe to show, and
//! asking a port that waits for its client. Must not live here: SSH or RDP themselves.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::budget::Ledger;
use super::rdp_exchange::exchange_hello;
use super::ssh_exchange::leave;
use super::{tcp, tls_hello};
use crate::domain::text::sanitise;

/// First bytes and the protocol that begins so.
const STARTS: &[(&[u8], &str)] = &[
    (b"SSH-1.", "SSH version 1"),
    (b"SSH-", "SSH"),
    (b"HTTP/", "HTTP"),
    (b"<!DOCTYPE", "HTTP"),
    (b"<html", "HTTP"),
    (b"<HTML", "HTTP"),
    (b"RFB ", "VNC"),
    (b"+OK", "POP3"),
    (b"* OK", "IMAP"),
    (b"-ERR", "Redis"),
    (b"+PONG", "Redis"),
    (b"\xff\xfb", "Telnet"),
    (b"\xff\xfd", "Telnet"),
    (b"\x03\x00\x00", "RDP"),
];

/// The protocol that these bytes begin, where they tell.
pub fn name(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(name);
    }
    if tls_hello::is_record(bytes) {
        return Some("TLS");
    }
    // Both greet with 220; only FTP says so, or does not say SMTP.
    if bytes.starts_with(b"220") {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).to_ascii_uppercase();
        return Some(if text.contains("SMTP") { "SMTP" } else { "FTP" });
    }
    // A packet with its length in three bytes, number 0, then version 10 of the protocol.
    if matches!(bytes, [_, 0, 0, 0, 10, b'0'..=b'9', ..]) {
        return Some("MySQL");
    }
    None
}

/// A few bytes as text that is safe to show; mostly binary ones in hexadecimal.
pub fn sample(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(64)];
    // A line of text says more than the binary that follows it in the same segment.
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or(bytes);
    let bad = |part: &[u8]| {
        let bad = part
            .iter()
            .filter(|b| !b.is_ascii_graphic() && !b.is_ascii_whitespace());
        bad.count()
    };
    let text = [(bytes, 0), (line, 0), (bytes, bytes.len() / 4)]
        .into_iter()
        .find(|(part, most)| part.len() > 3 && bad(part) <= *most);
    match text {
        Some((part, _)) => sanitise(&String::from_utf8_lossy(part), 60),
        None => {
            let hex: Vec<String> = bytes.iter().take(12).map(|b| format!("{b:02x}")).collect();
            format!("bytes {}", hex.join(" "))
        }
    }
}

/// Looks for a service that waits for its client to speak, as HTTP and TLS do: on connections of
/// their own, both at once. `None` where nothing of the kind answers until then.
pub async fn waiting_service(login: SocketAddr, until: Instant) -> Option<&'static str> {
    let (http, tls) = tokio::join!(speaks_http(login, until), speaks_tls(login, until));
    if tls {
        return Some("TLS");
    }
    http
}

async fn open(login: SocketAddr, until: Instant) -> Option<tokio::net::TcpStream> {
    let limit = until.saturating_duration_since(Instant::now());
    let (_, stream) = tcp::connect(login, limit.min(Duration::from_secs(3))).await;
    Ledger::shared().opened(login);
    stream
}

async fn speaks_http(login: SocketAddr, until: Instant) -> Option<&'static str> {
    let mut stream = open(login, until).await?;
    stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n").await.ok()?;
    let mut first = [0; 64];
    let read = tokio::time::timeout_at(until, stream.read(&mut first)).await;
    leave(stream);
    let Ok(Ok(n @ 1..)) = read else { return None };
    name(&first[..n]).filter(|name| *name != "RDP")
}

async fn speaks_tls(login: SocketAddr, until: Instant) -> bool {
    let Some(mut stream) = open(login, until).await else {
        return false;
    };
    let answer = exchange_hello(&mut stream, until).await;
    leave(stream);
    matches!(
        answer,
        tls_hello::Answer::WentOn { .. } | tls_hello::Answer::Alert(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_named_by_their_first_bytes() {
        for (bytes, want) in [
            (b"SSH-2.0-OpenSSH_9.2p1\r\n".as_slice(), Some("SSH")),
            (b"SSH-1.5-Cisco-1.25\r\n", Some("SSH version 1")),
            (b"HTTP/1.1 400 Bad Request\r\n", Some("HTTP")),
            (b"220 mail ESMTP Postfix\r\n", Some("SMTP")),
            (b"220 (vsFTPd 3.0.3)\r\n", Some("FTP")),
            (b"RFB 003.008\n", Some("VNC")),
            (b"J\0\0\0\x0a8.0.36\0", Some("MySQL")),
            (b"\x15\x03\x01\x00\x02\x02\x46", Some("TLS")),
            (b"whatever", None),
            (b"", None),
        ] {
            assert_eq!(name(bytes), want, "{bytes:?}");
        }
    }

    #[test]
    fn a_line_is_shown_even_where_binary_follows_it() {
        let bytes = [b"SSH-1.5-Cisco-1.25\r\n".as_slice(), &[0, 1, 2, 3, 200]].concat();
        assert_eq!(sample(&bytes), "SSH-1.5-Cisco-1.25");
        let long = [b"SSH-1.5-x\n".as_slice(), &[0x14; 54]].concat();
        assert_eq!(sample(&long), "SSH-1.5-x");
        assert_eq!(sample(&[0xfe, 0, 0x1b]), "bytes fe 00 1b");
    }
}
