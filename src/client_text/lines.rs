//! Where the lines of a pasted text end, and whether a client or a server printed each.
//!
//! Must not live here: what a line says.

/// Shortest line that a terminal may have wrapped.
const NARROWEST: usize = 20;

/// The lines of a text. A carriage return ends one as well: terminals send it for the line ends
/// of a bracketed paste.
#[derive(Debug)]
pub(super) struct Lines {
    /// First byte of each line.
    starts: Vec<usize>,
    /// Per line: a server's own log printed it.
    logged: Vec<bool>,
    /// First bytes of lines that do not merely go on where the terminal wrapped the one before.
    ends: Vec<usize>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ranges = split(text);
        let length = |range: &(usize, usize)| text[range.0..range.1].chars().count();
        let lengths: Vec<usize> = ranges.iter().map(length).collect();
        let widest = lengths.iter().copied().max().unwrap_or(0);
        let full = lengths.iter().filter(|length| **length == widest).count();
        let goes_on = |line: usize| {
            let first = text[ranges[line].0..].chars().next();
            first.is_some_and(|c| c.is_ascii() && !c.is_ascii_uppercase())
        };
        // Of two lines alone the first is always as wide as any.
        let is_wrapped = |line: usize| {
            widest >= NARROWEST
                && lengths[line] == widest
                && (full >= 2 || ranges.len() == 2 && goes_on(line + 1))
        };
        let ends = (1..ranges.len())
            .filter(|line| !is_wrapped(line - 1))
            .map(|line| ranges[line].0);
        Self {
            ends: ends.collect(),
            logged: ranges.iter().map(|r| is_log(&text[r.0..r.1])).collect(),
            starts: ranges.iter().map(|range| range.0).collect(),
        }
    }

    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// The line in which a byte stands.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.starts
            .partition_point(|start| *start <= at)
            .saturating_sub(1)
    }

    /// Whether a server's log, not a client, printed the line.
    pub(super) fn is_logged(&self, line: usize) -> bool {
        self.logged.get(line).copied().unwrap_or(false)
    }
}

/// First byte and end of each line. Where a text has no line ends of its own, those that are
/// written out (`\\n`, as in JSON) count.
fn split(text: &str) -> Vec<(usize, usize)> {
    let plain = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    let mut ranges = Vec::new();
    let mut start = 0;
    for (at, piece) in text.match_indices(plain) {
        // The line feed after a carriage return ends nothing more.
        if piece != "\n" || at != start || !text[..at].ends_with('\r') {
            ranges.push((start, at));
        }
        start = at + piece.len();
    }
    if ranges.is_empty() {
        for (at, piece) in text.match_indices("\\n") {
            ranges.push((start, at));
            start = at + piece.len();
        }
    }
    ranges.push((start, text.len()));
    ranges
}

/// Marks of the logs of servers and of the system that they run on.
const LOGS: &[&str] = &[
    "sshd[",
    "sshd:",
    "sshd(",
    "sshd-session[",
    "sshd-auth[",
    "systemd[",
    "dropbear[",
    "kernel:",
    "xrdp[",
    "xrdp-sesman[",
    "[preauth]",
    "/var/log/",
    "auth.log",
    "sudo:",
    "audit[",
    "type=AVC",
];

fn is_log(line: &str) -> bool {
    LOGS.iter().any(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_parts_lines() {
        for text in [
            "one\rtwo\rthree",
            "one\r\ntwo\r\nthree",
            "one\ntwo\nthree",
            "one\\ntwo\\nthree",
        ] {
            let lines = Lines::of(text);
            assert_eq!(lines.line_of(0), 0, "{text:?}");
            let last = lines.line_of(text.len() - 1);
            assert_eq!(
                last - lines.line_of(text.find("two").expect("two")),
                lines.line_of(text.find("two").expect("two")),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_a_terminal_wrapped_goes_on() {
        let wrapped = "ssh: connect to host\n 203.0.113.7 port 22\n: Connection timed \nout";
        assert_eq!(Lines::of(wrapped).ends(), [wrapped.len() - 3].as_slice());
        assert_eq!(Lines::of("one\nthree").ends(), [4]);
    }

    #[test]
    fn a_servers_log_is_told_from_a_client() {
        let lines = Lines::of("Nov 23 21:02:11 web sshd[812]: x\nssh: connect to host h port 22");
        assert!(lines.is_logged(0) && !lines.is_logged(1));
    }
}
