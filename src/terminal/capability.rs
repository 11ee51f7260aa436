//! What this terminal can show, from the environment alone.
//!
//! No question is ever sent to the terminal: over a slow link the answer races the keys. Must
//! not live here: settings that overrule it (`runtime::console`).

use crate::view::theme::Depth;

/// Abilities of the terminal.
#[allow(clippy::struct_excessive_bools)] // each its own ability, not one state
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    pub depth: Depth,
    /// Private mode 2026 is understood or ignored; terminals that print it are left alone.
    pub sync_output: bool,
    /// Links (OSC 8) are followed or left out; terminals that print them are left alone.
    pub links: bool,
    pub utf8: bool,
    /// The terminal says that it draws East Asian "ambiguous" characters two cells wide.
    pub ambiguous_wide: bool,
    /// The session came over SSH.
    pub remote: bool,
    pub multiplexer: Multiplexer,
}

/// What stands between the program and the real terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multiplexer {
    None,
    Tmux,
    Screen,
}

impl Capability {
    /// Reads the variables that terminals and shells set.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).unwrap_or_default();
        let term = get("TERM");
        let plain = matches!(term.as_str(), "" | "dumb");
        let multiplexer = if !get("TMUX").is_empty() {
            Multiplexer::Tmux
        } else if term.starts_with("screen") || !get("STY").is_empty() {
            Multiplexer::Screen
        } else {
            Multiplexer::None
        };
        Self {
            depth: depth(&term, &get("COLORTERM"), &get("NO_COLOR"), plain),
            sync_output: !plain && term != "linux",
            links: !plain
                && term != "linux"
                && !term.starts_with("vt")
                && multiplexer != Multiplexer::Screen,
            utf8: utf8(&get) && term != "linux" && !plain,
            ambiguous_wide: matches!(get("VTE_CJK_WIDTH").as_str(), "wide" | "2"),
            remote: !get("SSH_TTY").is_empty() || !get("SSH_CONNECTION").is_empty(),
            multiplexer,
        }
    }
}

/// `NO_COLOR` counts when it is set to anything but the empty text (no-color.org).
fn depth(term: &str, colorterm: &str, no_color: &str, plain: bool) -> Depth {
    if !no_color.is_empty() || plain || term.starts_with("vt") {
        Depth::Mono
    } else if matches!(colorterm, "truecolor" | "24bit") || term.ends_with("-direct") {
        Depth::True
    } else if term.contains("256color") {
        Depth::Indexed256
    } else {
        Depth::Ansi16
    }
}

/// The first of the locale variables that is set decides; with none, UTF-8 is the better guess.
fn utf8(get: &impl Fn(&str) -> String) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .map(get)
        .find(|value| !value.is_empty())
        .is_none_or(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Capability {
        Capability::from_environment(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colours_follow_the_environment() {
        assert_eq!(of(&[("TERM", "xterm-256color")]).depth, Depth::Indexed256);
        assert_eq!(of(&[("TERM", "xterm")]).depth, Depth::Ansi16);
        assert_eq!(
            of(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]).depth,
            Depth::True
        );
        let quiet = of(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]);
        assert_eq!(quiet.depth, Depth::Mono);
        assert_eq!(of(&[("TERM", "dumb")]).depth, Depth::Mono);
        assert!(!of(&[("TERM", "dumb")]).sync_output);
    }

    #[test]
    fn links_are_kept_from_terminals_that_would_print_them() {
        assert!(of(&[("TERM", "xterm-256color")]).links);
        assert!(of(&[("TERM", "screen-256color"), ("TMUX", "/tmp/x,1,0")]).links);
        for term in ["dumb", "", "linux", "vt220", "screen"] {
            assert!(!of(&[("TERM", term)]).links, "{term}");
        }
    }

    #[test]
    fn signs_follow_the_locale() {
        assert!(of(&[("TERM", "xterm"), ("LANG", "ko_KR.UTF-8")]).utf8);
        assert!(!of(&[("TERM", "xterm"), ("LC_ALL", "C"), ("LANG", "ko_KR.UTF-8")]).utf8);
        assert!(!of(&[("TERM", "linux"), ("LANG", "en_US.UTF-8")]).utf8);
    }

    #[test]
    fn multiplexers_are_told_apart() {
        let tmux = of(&[("TERM", "screen-256color"), ("TMUX", "/tmp/x,1,0")]);
        assert_eq!(tmux.multiplexer, Multiplexer::Tmux);
        assert_eq!(of(&[("TERM", "screen")]).multiplexer, Multiplexer::Screen);
    }
}
