//! Links that the terminal follows (OSC 8), so that a page opens on the operator's own machine.
//!
//! The sequence: `ESC ] 8 ; ; ADDRESS ESC \` before the text, the same without an address after
//! it. Terminals that do not know it, and tmux on the way to one, leave it out. Must not live here:
//! what is a link (`view`), whether this terminal gets them (`terminal::capability`).

/// Longest address that common terminals take (VTE: 2083 bytes).
const MAX_ADDRESS: usize = 2_083;
/// Ends a link.
pub const CLOSE: &[u8] = b"\x1b]8;;\x1b\\";

/// The bytes that begin a link; `None` for what is no address in plain characters, which could end
/// the sequence early.
pub fn open(address: &str) -> Option<Vec<u8>> {
    let is_plain = address.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    let fits = is_plain && address.starts_with("https://") && address.len() <= MAX_ADDRESS;
    fits.then(|| format!("\x1b]8;;{address}\x1b\\").into_bytes())
}

/// The text with every `https://` address in it made a link, for a line that is printed.
pub fn with_links(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("https://") {
        let (before, from) = rest.split_at(at);
        let end = from
            .find(|c: char| !c.is_ascii_graphic() || matches!(c, '<' | '>' | '"' | '`' | '|'))
            .unwrap_or(from.len());
        // What ends a sentence does not belong to the address.
        let address = from[..end].trim_end_matches(['.', ',', ';', ':', ')', '\'']);
        out.push_str(before);
        match open(address) {
            Some(begin) => {
                out.push_str(&String::from_utf8_lossy(&begin));
                out.push_str(address);
                out.push_str(&String::from_utf8_lossy(CLOSE));
            }
            None => out.push_str(address),
        }
        rest = &from[address.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_could_end_the_sequence_is_no_link() {
        assert_eq!(
            open("https://example.com/a?b=1").unwrap(),
            b"\x1b]8;;https://example.com/a?b=1\x1b\\"
        );
        for bad in [
            "https://example.com/\x1b\\",
            "https://example.com/\x07",
            "https://example.com/a b",
            "https://예.example",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(open(bad), None, "{bad:?}");
        }
        assert_eq!(open(&format!("https://{}", "a".repeat(3_000))), None);
    }

    #[test]
    fn addresses_in_a_line_become_links_and_nothing_else_changes() {
        let line = "see <https://example.com/a>, https://example.com/b. End";
        let linked = with_links(line);
        assert_eq!(crate::domain::text::sanitise(&linked, 200), line);
        assert!(
            linked.contains("\x1b]8;;https://example.com/b\x1b\\https://example.com/b\x1b]8;;")
        );
        assert_eq!(with_links("no address: http://x"), "no address: http://x");
    }
}
