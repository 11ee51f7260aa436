//! A ClientHello for TLS 1.0 to 1.2 and the answer to it, in clear.
//!
//! This program's own TLS begins at 1.2 with suites of today. Where it fails, this tells an old
//! server from a broken one: how far the server goes with what clients of ten years ago offered.
//! Pure, bounded and total after RFC 2246, 4346 and 5246. Must not live here: sockets, judgement.

/// Most bytes of an answer that are looked at.
pub const MAX_ANSWER: usize = 96 * 1024;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;

/// From ECDHE with AES-GCM down to RSA with 3DES and RC4, and the renegotiation signal (RFC 5746).
const SUITES: [u16; 27] = [
    0xc02f, 0xc030, 0xc02b, 0xc02c, 0xc027, 0xc028, 0xc023, 0xc024, 0xc013, 0xc014, 0xc009, 0xc00a,
    0x009e, 0x009f, 0x0067, 0x006b, 0x0033, 0x0039, 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035,
    0x000a, 0x0005, 0x00ff,
];
/// 3DES and RC4, which current clients have switched off or dropped.
const OUTDATED: [u16; 3] = [0x000a, 0x0005, 0x0004];
/// `signature_algorithms` with SHA-256 to SHA-512 and SHA-1, RSA and ECDSA (RFC 5246 section 7.4.1.4.1).
const SIGNATURES: [u8; 16] = [4, 1, 5, 1, 6, 1, 2, 1, 4, 3, 5, 3, 6, 3, 2, 3];
/// X25519 and the NIST curves.
const GROUPS: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];

/// One record with a ClientHello.
pub fn client_hello(random: [u8; 32]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&random);
    body.push(0);
    let suites: Vec<u8> = SUITES.iter().flat_map(|s| s.to_be_bytes()).collect();
    with_length(&mut body, &suites);
    body.extend_from_slice(&[1, 0]);
    let groups: Vec<u8> = GROUPS.iter().flat_map(|g| g.to_be_bytes()).collect();
    let mut extensions = Vec::new();
    for (kind, content) in [
        (10u16, listed(&groups)),
        (11, vec![1, 0]),
        (13, listed(&SIGNATURES)),
    ] {
        extensions.extend_from_slice(&kind.to_be_bytes());
        with_length(&mut extensions, &content);
    }
    with_length(&mut body, &extensions);
    let mut record = vec![HANDSHAKE, 3, 1];
    let mut message = vec![1, 0];
    with_length(&mut message, &body);
    with_length(&mut record, &message);
    record
}

fn with_length(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(&(content.len() as u16).to_be_bytes());
    out.extend_from_slice(content);
}

fn listed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    with_length(&mut out, content);
    out
}

/// What a server answered, as far as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// More bytes are needed.
    Incomplete,
    /// A whole flight up to ServerHelloDone: the server waits for the client.
    WentOn {
        /// 0x0301 to 0x0303.
        version: u16,
        suite: u16,
        /// The first certificate in DER, if one was shown.
        certificate: Option<Vec<u8>>,
    },
    /// An alert (RFC 5246 section 7.2).
    Alert(u8),
    /// No TLS record.
    NotTls,
}

/// True for versions and suites that current clients do not offer any more.
pub fn outdated(version: u16, suite: u16) -> bool {
    version < 0x0303 || OUTDATED.contains(&suite)
}

/// `TLS 1.0` to `TLS 1.2`; `None` for others.
pub fn version_name(version: u16) -> Option<&'static str> {
    Some(match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        _ => return None,
    })
}

/// True when the first bytes can be a TLS record of an answer.
pub fn is_record(bytes: &[u8]) -> bool {
    matches!(bytes, [ALERT | HANDSHAKE, 3, 0..=4, ..])
}

/// True when more bytes could make these a TLS record.
fn may_begin_record(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [kind] => matches!(*kind, ALERT | HANDSHAKE),
        [kind, major] => matches!(*kind, ALERT | HANDSHAKE) && *major == 3,
        _ => is_record(bytes),
    }
}

/// Reads the answer to [`client_hello`].
pub fn parse_answer(bytes: &[u8]) -> Answer {
    let mut handshake = Vec::new();
    let mut rest = bytes;
    while let Some(head) = rest.first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if !is_record(rest) || length > 0x4800 {
            return Answer::NotTls;
        }
        let Some(content) = rest.get(5..5 + length) else {
            break;
        };
        match (head[0], content) {
            (ALERT, [_, code, ..]) => return Answer::Alert(*code),
            (ALERT, _) => return Answer::NotTls,
            _ => handshake.extend_from_slice(content),
        }
        rest = &rest[5 + length..];
    }
    if !may_begin_record(rest) {
        return Answer::NotTls;
    }
    flight(&handshake)
}

/// ServerHello to ServerHelloDone.
fn flight(mut rest: &[u8]) -> Answer {
    let (mut chosen, mut certificate) = (None, None);
    while let Some(head) = rest.first_chunk::<4>() {
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let Some(body) = rest.get(4..4 + length) else {
            return Answer::Incomplete;
        };
        match head[0] {
            SERVER_HELLO => {
                chosen = hello(body);
                if chosen.is_none() {
                    return Answer::NotTls;
                }
            }
            CERTIFICATE => certificate = first_certificate(body),
            SERVER_HELLO_DONE => {
                return chosen.map_or(Answer::NotTls, |(version, suite)| Answer::WentOn {
                    version,
                    suite,
                    certificate,
                });
            }
            _ => {}
        }
        rest = &rest[4 + length..];
    }
    Answer::Incomplete
}

/// Version and suite.
fn hello(body: &[u8]) -> Option<(u16, u16)> {
    let version = u16::from_be_bytes(*body.first_chunk::<2>()?);
    let session = usize::from(*body.get(34)?);
    let suite = body.get(35 + session..37 + session)?;
    Some((version, u16::from_be_bytes([suite[0], suite[1]])))
}

fn first_certificate(body: &[u8]) -> Option<Vec<u8>> {
    let length = body.get(3..6)?;
    let length = u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
    body.get(6..6 + length).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![kind, 3, 1];
        with_length(&mut out, content);
        out
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind, 0];
        with_length(&mut out, body);
        out
    }

    fn flight_of(version: u8) -> Vec<u8> {
        let mut hello = vec![3, version];
        hello.extend_from_slice(&[7; 32]);
        hello.extend_from_slice(&[0, 0, 0x2f, 0]);
        let certificate = [&[0, 0, 5, 0, 0, 2][..], b"ab"].concat();
        [
            message(SERVER_HELLO, &hello),
            message(CERTIFICATE, &certificate),
            message(SERVER_HELLO_DONE, &[]),
        ]
        .concat()
    }

    #[test]
    fn a_flight_is_read_whole_or_in_pieces() {
        let flight = flight_of(1);
        let whole = record(HANDSHAKE, &flight);
        let split = [
            record(HANDSHAKE, &flight[..20]),
            record(HANDSHAKE, &flight[20..]),
        ]
        .concat();
        let want = Answer::WentOn {
            version: 0x0301,
            suite: 0x002f,
            certificate: Some(b"ab".to_vec()),
        };
        for bytes in [whole, split] {
            assert_eq!(parse_answer(&bytes), want);
            for end in 0..bytes.len() {
                assert_eq!(parse_answer(&bytes[..end]), Answer::Incomplete, "{end}");
            }
        }
    }

    #[test]
    fn alerts_and_other_protocols() {
        assert_eq!(parse_answer(&record(ALERT, &[2, 70])), Answer::Alert(70));
        for bytes in [b"HTTP/1.1 400".as_slice(), b"SSH", &[3, 0, 0, 19]] {
            assert_eq!(parse_answer(bytes), Answer::NotTls, "{bytes:?}");
        }
        assert!(outdated(0x0301, 0x002f));
        assert!(outdated(0x0303, 0x000a));
        assert!(!outdated(0x0303, 0xc027));
    }

    proptest! {
        #[test]
        fn the_parser_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse_answer(&bytes);
            let _ = parse_answer(&record(HANDSHAKE, &bytes));
        }
    }
}
