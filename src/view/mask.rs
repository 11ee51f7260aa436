//! Addresses and ids hidden from a screen that others see, in place and at the same width.
//!
//! Must not live here: what is copied or kept, which is never masked.

use std::net::{IpAddr, Ipv4Addr};

/// Beginnings of the cloud's ids; what follows the dash is hidden.
const IDS: &[&str] = &[
    "ins", "lhins", "sg", "eip", "eni", "vpc", "subnet", "acl", "rtb", "disk", "snap", "img",
    "skey", "cmd", "inv", "invt", "bwp", "havip",
];
/// Digits from which a number is taken for an account.
const ACCOUNT_DIGITS: usize = 9;

/// `text` with its addresses and ids masked.
pub fn mask(text: &str) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        let end = rest[start..]
            .find(|c| !part(c))
            .map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        word(&rest[start..end], &mut out);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn word(word: &str, out: &mut String) {
    let bare = word.trim_end_matches(['.', ':', '-']);
    let (address, port) = match bare.rsplit_once(':') {
        Some((left, right)) if left.parse::<Ipv4Addr>().is_ok() => (left, right),
        _ => (bare, ""),
    };
    if address.parse::<IpAddr>().is_ok() {
        out.extend(
            address
                .chars()
                .map(|c| if c.is_ascii_hexdigit() { '*' } else { c }),
        );
        if !port.is_empty() {
            out.push(':');
            out.push_str(port);
        }
    } else if let Some((kind, id)) = bare.split_once('-').filter(|(kind, _)| IDS.contains(kind)) {
        out.push_str(kind);
        out.push('-');
        out.extend(id.chars().map(|_| '*'));
    } else if bare.len() >= ACCOUNT_DIGITS && bare.bytes().all(|b| b.is_ascii_digit()) {
        out.extend(bare.chars().map(|_| '*'));
    } else {
        out.push_str(bare);
    }
    out.push_str(&word[bare.len()..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::text::width;
    use proptest::prelude::*;

    #[test]
    fn addresses_and_ids_are_hidden_and_nothing_else() {
        for (text, masked) in [
            ("to 203.0.113.7:22, refused.", "to ***.*.***.*:22, refused."),
            ("from 198.51.100.4/32", "from ***.**.***.*/32"),
            ("2001:db8::7 answers", "****:***::* answers"),
            ("sg-1a2b3c (ins-shop).", "sg-****** (ins-****)."),
            ("account 100012345678", "account ************"),
            (
                "at 14:02:11Z, OpenSSH_9.6, 5 Mbit/s",
                "at 14:02:11Z, OpenSSH_9.6, 5 Mbit/s",
            ),
            (
                "web-frontend-01 on ap-seoul-1",
                "web-frontend-01 on ap-seoul-1",
            ),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    proptest! {
        #[test]
        fn the_width_stays(text in "\\PC{0,60}") {
            prop_assert_eq!(width(&mask(&text)), width(&text));
        }
    }
}
