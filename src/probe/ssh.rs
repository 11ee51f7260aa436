//! SSH bytes: identification strings and key-exchange packets.
//!
//! Lives here: pure parsers and builders after RFC 4253 (sections 4.2, 6, 7.1, 11.1), bounded and
//! total on any input. Must not live here: sockets, time, or judgement about the lists.

use super::algorithms::{KexInit, Profile};
use super::outcome::ThrottleNotice;
use crate::domain::text::sanitise;

/// What this program calls itself to a server.
pub const OUR_IDENTIFICATION: &str = "SSH-2.0-cvmtop";
/// Longest identification line, CR LF included. RFC 4253 section 4.2 allows 255 bytes; OpenSSH's client
/// goes on up to this many, so a user gets in.
pub const MAX_LINE: usize = 8 * 1024;
/// Most bytes that are read while waiting for an identification. OpenSSH's client takes 1024 lines of
/// 8 KiB; no server is known to say a hundredth of that.
pub const MAX_BEFORE_IDENTIFICATION: usize = 32 * 1024;
/// Largest packet that a server may send (RFC 4253 section 6.1).
pub const MAX_PACKET: usize = 35_000;

const MSG_DISCONNECT: u8 = 1;
const MSG_IGNORE: u8 = 2;
const MSG_DEBUG: u8 = 4;
const MSG_KEXINIT: u8 = 20;

/// What the bytes so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identification {
    /// No decision yet: more bytes are needed.
    Incomplete,
    /// A valid identification; `consumed` counts all bytes up to and with its line end.
    Found { line: String, consumed: usize },
    /// These bytes cannot become SSH any more.
    NotSsh,
}

/// Reads an identification string; lines before it are skipped (RFC 4253 section 4.2).
pub fn parse_identification(bytes: &[u8]) -> Identification {
    let mut start = 0;
    loop {
        let rest = &bytes[start..];
        let end = rest.iter().position(|&b| b == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        let is_ssh = line.starts_with(b"SSH-");
        if is_ssh && end.map_or(line.len() >= MAX_LINE, |e| e >= MAX_LINE) {
            return Identification::NotSsh;
        }
        let Some(end) = end else { break };
        if is_ssh {
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            return if speaks_version_two(text) {
                Identification::Found {
                    line: String::from_utf8_lossy(text).into_owned(),
                    consumed: start + end + 1,
                }
            } else {
                Identification::NotSsh
            };
        }
        start += end + 1;
    }
    if bytes.len() >= MAX_BEFORE_IDENTIFICATION || looks_foreign(bytes) {
        return Identification::NotSsh;
    }
    Identification::Incomplete
}

/// `SSH-2.0-software` or the compatibility form `SSH-1.99-software` (RFC 4253 section 5.1).
fn speaks_version_two(line: &[u8]) -> bool {
    [b"SSH-2.0-".as_slice(), b"SSH-1.99-"]
        .iter()
        .any(|prefix| line.len() > prefix.len() && line.starts_with(prefix))
        && line.iter().all(|&b| b >= b' ' && b != 0x7f)
}

/// True for bytes that another known protocol starts with, or that no text line holds.
fn looks_foreign(bytes: &[u8]) -> bool {
    const STARTS: &[&[u8]] = &[
        b"HTTP/", b"220 ", b"220-", b"+OK", b"* OK", b"-ERR", b"RFB ", b"<", b"{",
    ];
    STARTS.iter().any(|start| bytes.starts_with(start))
        || bytes
            .iter()
            .any(|&b| (b < b' ' && !matches!(b, b'\t' | b'\r' | b'\n' | 0x1b | 0x07)) || b == 0x7f)
}

/// Recognises a refusal that a server prints in place of an identification.
pub fn throttle_notice(bytes: &[u8]) -> Option<ThrottleNotice> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    if text.contains("exceeded maxstartups") {
        Some(ThrottleNotice::MaxStartups)
    } else if text.contains("not allowed at this time") {
        Some(ThrottleNotice::SourcePenalty)
    } else if [
        "too many connections",
        "try again later",
        "connection limit",
    ]
    .iter()
    .any(|words| text.contains(words))
    {
        Some(ThrottleNotice::Other)
    } else {
        None
    }
}

/// True when text before a close reads like a refusal by the login service or a wrapper of it,
/// rather than like another protocol.
pub fn reads_like_refusal(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    [
        "refused",
        "denied",
        "not allowed",
        "blocked",
        "banned",
        "maintenance",
        "rejected",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// One binary packet before encryption (RFC 4253 section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// More bytes are needed.
    Incomplete,
    /// The payload, and the bytes that the packet took.
    Payload { payload: &'a [u8], consumed: usize },
    /// No valid packet can start with these bytes.
    Malformed,
}

/// Splits one packet off the front.
pub fn parse_packet(bytes: &[u8]) -> Packet<'_> {
    let Some(head) = bytes.first_chunk::<4>() else {
        return Packet::Incomplete;
    };
    let length = u32::from_be_bytes(*head) as usize;
    if !(2..=MAX_PACKET).contains(&length) {
        return Packet::Malformed;
    }
    let Some(body) = bytes.get(4..4 + length) else {
        return Packet::Incomplete;
    };
    let padding = body[0] as usize;
    match length.checked_sub(1 + padding) {
        Some(payload) if payload > 0 => Packet::Payload {
            payload: &body[1..=payload],
            consumed: 4 + length,
        },
        _ => Packet::Malformed,
    }
}

/// What a payload says before keys exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    KexInit(Box<KexInit>),
    Disconnect {
        reason: u32,
        text: String,
    },
    /// `SSH_MSG_IGNORE` or `SSH_MSG_DEBUG`, which may come at any time.
    Skippable,
    Other,
}

/// Reads a payload. Anything that breaks its own lengths is `Other`.
pub fn parse_message(payload: &[u8]) -> Message {
    match payload.first() {
        Some(&MSG_KEXINIT) => {
            parse_kexinit(payload).map_or(Message::Other, |lists| Message::KexInit(Box::new(lists)))
        }
        Some(&MSG_DISCONNECT) => {
            parse_disconnect(payload).map_or(Message::Other, |(reason, text)| Message::Disconnect {
                reason,
                text,
            })
        }
        Some(&(MSG_IGNORE | MSG_DEBUG)) => Message::Skippable,
        _ => Message::Other,
    }
}

/// True for names in a list of key exchanges that only mark what a side can do (RFC 8308 section 2.1;
/// OpenSSH's PROTOCOL, 1.9).
fn is_marker(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}

/// Reads `SSH_MSG_KEXINIT` (RFC 4253 section 7.1); `None` when a length does not fit.
pub fn parse_kexinit(payload: &[u8]) -> Option<KexInit> {
    let mut rest = payload.strip_prefix(&[MSG_KEXINIT])?.get(16..)?;
    let mut next = || -> Option<Vec<String>> {
        let list = take_string(&mut rest)?;
        let text = std::str::from_utf8(list).ok()?;
        text.is_ascii().then(|| {
            text.split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        })
    };
    let mut kex = next()?;
    kex.retain(|name| !is_marker(name));
    let lists = KexInit {
        kex,
        host_key: next()?,
        cipher_to_server: next()?,
        cipher_to_client: next()?,
        mac_to_server: next()?,
        mac_to_client: next()?,
    };
    // Compression and languages, both ways: only their shape matters.
    for _ in 0..4 {
        next()?;
    }
    // first_kex_packet_follows and the reserved word.
    (rest.len() >= 5).then_some(lists)
}

fn parse_disconnect(payload: &[u8]) -> Option<(u32, String)> {
    let body = payload.get(1..)?;
    let reason = u32::from_be_bytes(*body.first_chunk::<4>()?);
    let mut rest = &body[4..];
    let text = take_string(&mut rest)?;
    Some((reason, sanitise(&String::from_utf8_lossy(text), 120)))
}

/// Takes a length-prefixed string off the front (RFC 4251 section 5).
fn take_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(*rest.first_chunk::<4>()?) as usize;
    let value = rest.get(4..4usize.checked_add(length)?)?;
    *rest = &rest[4 + length..];
    Some(value)
}

/// Our own `SSH_MSG_KEXINIT` as a packet. It offers everything known, so that the server need not
/// complain, and is padded with names of ours up to about `at_least` bytes (for the MTU test).
pub fn build_kexinit(cookie: [u8; 16], at_least: usize) -> Vec<u8> {
    let all = Profile::everything();
    let mut kex = all.kex.join(",");
    let known = kex.len() + all.host_key.join(",").len();
    let mut filler = 0;
    while known + kex.len() < at_least {
        kex.push_str(",filler-");
        kex.push_str(&filler.to_string());
        kex.push_str("-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@cvmtop.invalid");
        filler += 1;
    }
    let cipher = all.cipher.join(",");
    let mac = all.mac.join(",");
    let mut payload = vec![MSG_KEXINIT];
    payload.extend_from_slice(&cookie);
    for list in [
        kex.as_str(),
        &all.host_key.join(","),
        &cipher,
        &cipher,
        &mac,
        &mac,
        "none",
        "none",
        "",
        "",
    ] {
        payload.extend_from_slice(&(list.len() as u32).to_be_bytes());
        payload.extend_from_slice(list.as_bytes());
    }
    payload.extend_from_slice(&[0, 0, 0, 0, 0]);
    frame(&payload)
}

/// Wraps a payload as an unencrypted packet, padded to a multiple of eight (RFC 4253 section 6).
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut padding = 8 - (payload.len() + 5) % 8;
    if padding < 4 {
        padding += 8;
    }
    let mut packet = Vec::with_capacity(payload.len() + 5 + padding);
    packet.extend_from_slice(&((payload.len() + 1 + padding) as u32).to_be_bytes());
    packet.push(padding as u8);
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(bytes: &[u8]) -> Option<String> {
        match parse_identification(bytes) {
            Identification::Found { line, .. } => Some(line),
            _ => None,
        }
    }

    #[test]
    fn identifications_with_and_without_lines_before() {
        assert_eq!(
            found(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\nrest").as_deref(),
            Some("SSH-2.0-OpenSSH_9.2p1 Debian")
        );
        assert_eq!(
            found(b"welcome\r\nSSH-1.99-x\n").as_deref(),
            Some("SSH-1.99-x")
        );
        assert_eq!(
            parse_identification(b"SSH-2.0-Open"),
            Identification::Incomplete
        );
        assert_eq!(parse_identification(b""), Identification::Incomplete);
    }

    #[test]
    fn other_protocols_and_overlong_lines_are_not_ssh() {
        for bytes in [
            b"HTTP/1.1 400 Bad Request\r\n".as_slice(),
            b"\x03\x00\x00\x13\x0e\xd0",
            b"SSH-1.5-old\n",
            b"SSH-2.0-\n",
            &[b"SSH-2.0-".as_slice(), &[b'a'; MAX_LINE]].concat(),
            &b"x".repeat(MAX_BEFORE_IDENTIFICATION),
        ] {
            assert_eq!(
                parse_identification(bytes),
                Identification::NotSsh,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn our_own_proposal_reads_back_and_pads() {
        for size in [0, 6000] {
            let packet = build_kexinit([7; 16], size);
            assert!(packet.len() >= size && packet.len().is_multiple_of(8));
            let Packet::Payload { payload, consumed } = parse_packet(&packet) else {
                panic!("no packet")
            };
            assert_eq!(consumed, packet.len());
            let lists = parse_kexinit(payload).unwrap();
            assert_eq!(
                super::super::algorithms::compare(&lists),
                super::super::algorithms::Meeting::Common
            );
        }
    }

    #[test]
    fn notices_are_told_apart() {
        assert_eq!(
            throttle_notice(b"Exceeded MaxStartups\r\n"),
            Some(ThrottleNotice::MaxStartups)
        );
        assert_eq!(
            throttle_notice(b"Not allowed at this time\r\n"),
            Some(ThrottleNotice::SourcePenalty)
        );
        assert_eq!(throttle_notice(b"hello\r\n"), None);
    }

    #[test]
    fn a_disconnect_keeps_its_reason_and_safe_text() {
        let mut payload = vec![1, 0, 0, 0, 11];
        payload.extend_from_slice(&[0, 0, 0, 5]);
        payload.extend_from_slice(b"a\x1b[1mb");
        payload.truncate(14);
        let message = parse_message(&payload);
        assert!(
            matches!(message, Message::Disconnect { reason: 11, .. }),
            "{message:?}"
        );
    }

    proptest! {
        #[test]
        fn parsers_are_total(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse_identification(&bytes);
            let _ = parse_packet(&bytes);
            let _ = parse_message(&bytes);
            let mut kexinit = vec![20];
            kexinit.extend_from_slice(&bytes);
            let _ = parse_message(&kexinit);
            let _ = throttle_notice(&bytes);
        }

        #[test]
        fn consumed_stays_within_the_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut text = bytes.clone();
            text.extend_from_slice(b"\nSSH-2.0-x\n");
            text.extend_from_slice(&bytes);
            if let Identification::Found { consumed, .. } = parse_identification(&text) {
                prop_assert!(consumed <= text.len());
            }
        }
    }
}
