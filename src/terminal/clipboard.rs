//! Copying through the terminal (OSC 52), which reaches the operator's own machine over SSH.
//!
//! Must not live here: what is copied.

use base64::Engine;

use super::capability::Multiplexer;

/// Longest encoded text that common terminals take.
const MAX_ENCODED: usize = 74_994;
/// Longest piece that screen passes on.
const SCREEN_PIECE: usize = 76;

/// The bytes that put `text` on the clipboard; `None` when it is too long for a terminal.
pub fn copy_sequence(text: &str, multiplexer: Multiplexer) -> Option<Vec<u8>> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    if encoded.len() > MAX_ENCODED {
        return None;
    }
    let plain = format!("\x1b]52;c;{encoded}\x07");
    Some(match multiplexer {
        Multiplexer::None => plain.into_bytes(),
        // Which of the two tmux takes is a matter of its options: the plain one with
        // `set-clipboard on`, which also makes it a buffer of tmux, the one passed through to the
        // outer terminal (every ESC doubled) with `allow-passthrough on`. The other is ignored.
        Multiplexer::Tmux => {
            let through = plain.replace('\x1b', "\x1b\x1b");
            format!("{plain}\x1bPtmux;{through}\x1b\\").into_bytes()
        }
        // Screen limits the length of one device control string.
        Multiplexer::Screen => {
            let mut out = Vec::new();
            for piece in plain.as_bytes().chunks(SCREEN_PIECE) {
                out.extend_from_slice(b"\x1bP");
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\x1b\\");
            }
            out
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_wrapped_for_each_multiplexer() {
        let plain = copy_sequence("hi", Multiplexer::None).unwrap();
        assert_eq!(plain, b"\x1b]52;c;aGk=\x07");
        let tmux = copy_sequence("hi", Multiplexer::Tmux).unwrap();
        assert_eq!(
            tmux,
            b"\x1b]52;c;aGk=\x07\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\"
        );
        let screen = copy_sequence(&"x".repeat(200), Multiplexer::Screen).unwrap();
        assert!(screen.split(|b| *b == b'\\').all(|part| part.len() <= 80));
    }

    #[test]
    fn a_text_too_long_for_terminals_is_refused() {
        assert!(copy_sequence(&"x".repeat(60_000), Multiplexer::None).is_none());
    }
}
