//! RDP bytes: the X.224 connection request and its answer.
//!
//! Lives here: the request and a pure, total parser after MS-RDPBCGR 2.2.1.1 to 2.2.1.2.2 (TPKT of
//! RFC 1006). Must not live here: sockets, TLS, time.

use super::outcome::{RdpFailure, RdpSecurity};

/// Largest answer that is read: a TPKT with a confirm is 19 bytes, some servers add a little.
pub const MAX_ANSWER: usize = 512;

/// X.224 connection request that offers TLS, CredSSP and CredSSP with early authorisation
/// (requestedProtocols 0x0b), without a routing cookie.
pub const CONNECTION_REQUEST: [u8; 19] = [
    0x03, 0x00, 0x00, 0x13, // TPKT version 3, length 19
    0x0e, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, // X.224 CR TPDU
    0x01, 0x00, 0x08, 0x00, 0x0b, 0x00, 0x00, 0x00, // RDP_NEG_REQ
];

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// More bytes are needed.
    Incomplete,
    /// A confirm that selects a protocol, or one without a negotiation block.
    Selected(RdpSecurity),
    /// A negotiation failure.
    Failed(RdpFailure),
    /// Not an X.224 confirm.
    NotRdp,
}

/// Reads the answer to [`CONNECTION_REQUEST`].
pub fn parse_answer(bytes: &[u8]) -> Answer {
    for (got, want) in bytes.iter().zip([0x03, 0x00]) {
        if *got != want {
            return Answer::NotRdp;
        }
    }
    let Some(head) = bytes.first_chunk::<4>() else {
        return Answer::Incomplete;
    };
    let length = u16::from_be_bytes([head[2], head[3]]) as usize;
    if !(11..=MAX_ANSWER).contains(&length) {
        return Answer::NotRdp;
    }
    let Some(body) = bytes.get(4..length) else {
        return Answer::Incomplete;
    };
    // Length indicator, then the TPDU code in the upper half of the next byte (0xD: confirm).
    let indicator = body[0] as usize;
    if body[1] & 0xf0 != 0xd0 || indicator < 6 || indicator + 1 > body.len() {
        return Answer::NotRdp;
    }
    let Some(block) = body.get(7..15) else {
        return if body.len() == 7 {
            Answer::Selected(RdpSecurity::Legacy)
        } else {
            Answer::NotRdp
        };
    };
    let value = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
    match (block[0], value) {
        (0x02, 0) => Answer::Selected(RdpSecurity::Legacy),
        (0x02, 1) => Answer::Selected(RdpSecurity::Tls),
        (0x02, 2 | 8) => Answer::Selected(RdpSecurity::Nla),
        (0x02, 4) => Answer::Selected(RdpSecurity::Rdstls),
        (0x02, 0x10) => Answer::Selected(RdpSecurity::Aad),
        (0x03, code) => RdpFailure::from_code(code).map_or(Answer::NotRdp, Answer::Failed),
        _ => Answer::NotRdp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn confirm(kind: u8, value: u8) -> Vec<u8> {
        vec![
            3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, kind, 0, 8, 0, value, 0, 0, 0,
        ]
    }

    #[test]
    fn selections() {
        for (value, want) in [
            (0, RdpSecurity::Legacy),
            (1, RdpSecurity::Tls),
            (2, RdpSecurity::Nla),
            (4, RdpSecurity::Rdstls),
            (8, RdpSecurity::Nla),
            (0x10, RdpSecurity::Aad),
        ] {
            assert_eq!(parse_answer(&confirm(2, value)), Answer::Selected(want));
        }
        assert_eq!(
            parse_answer(&[3, 0, 0, 11, 6, 0xd0, 0, 0, 0, 0, 0]),
            Answer::Selected(RdpSecurity::Legacy)
        );
    }

    #[test]
    fn every_failure_code_and_no_other() {
        for code in 0..=255u8 {
            let want =
                RdpFailure::from_code(u32::from(code)).map_or(Answer::NotRdp, Answer::Failed);
            assert_eq!(parse_answer(&confirm(3, code)), want);
        }
        assert_eq!(RdpFailure::from_code(3).unwrap().state().id, "failure-3");
    }

    #[test]
    fn every_prefix_is_incomplete_and_other_protocols_are_not_rdp() {
        let whole = confirm(2, 1);
        for end in 0..whole.len() {
            assert_eq!(parse_answer(&whole[..end]), Answer::Incomplete);
        }
        assert_eq!(parse_answer(b"SSH-2.0-x"), Answer::NotRdp);
        assert_eq!(parse_answer(b"HTTP/1.1"), Answer::NotRdp);
        assert_eq!(parse_answer(&[3, 0, 0xff, 0xff]), Answer::NotRdp);
    }

    proptest! {
        #[test]
        fn the_parser_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse_answer(&bytes);
            let mut framed = vec![3, 0, 0, 19];
            framed.extend_from_slice(&bytes);
            let _ = parse_answer(&framed);
        }
    }
}
