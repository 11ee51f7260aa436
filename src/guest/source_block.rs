//! Is one source shut out by TCP wrappers: `hosts_access(5)` and `hosts_options(5)`.
//!
//! `hosts.allow` is read first, then `hosts.deny`; the first line that matches decides, unless an
//! option of the line decides otherwise; no match allows. What would have to be looked up and was
//! not (netgroups, names of the server, the client's user) is neither a match nor none.
//!
//! Must not live here: rules that hold for everyone (`guest::firewall`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::GuestQuestion;
use super::answer::Answer;
use super::ssh_patterns;
use crate::domain::text::sanitise;

/// The name under which sshd asks: its own program name, and no other.
const DAEMON: &str = "sshd";

/// The name of the client as libwrap looks it up: reverse, then forward again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Known(String),
    /// The address has no name (`UNKNOWN`).
    Unknown,
    /// The name does not lead back to the address (`PARANOID`).
    Paranoid,
    /// Nobody looked.
    NotTold,
}

/// Who connects, and to which address.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: IpAddr,
    pub name: Name,
    pub server: Option<IpAddr>,
}

impl Client {
    /// The client of a question, with the name that the guest looked up.
    pub fn of(a: &Answer, q: &GuestQuestion, address: IpAddr) -> Self {
        let name = match a.first("source", "name") {
            Some("unknown") => Name::Unknown,
            Some("paranoid") => Name::Paranoid,
            Some(told) => told
                .strip_prefix("known ")
                .map_or(Name::NotTold, |name| Name::Known(name.to_owned())),
            None => Name::NotTold,
        };
        Self {
            address,
            name,
            server: q.private_address,
        }
    }
}

/// The two tables, and the files of patterns that they name.
#[derive(Debug, Default, Clone)]
pub struct Wrappers {
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    /// Words of a file; `None` in the second place when it could not be read.
    pub files: Vec<(String, Option<Vec<String>>)>,
    /// A table was longer than what was read.
    pub cut: bool,
}

/// What the tables say about a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Open,
    /// Shut out, and by which line of which file.
    Shut(String),
    /// A pattern that nobody looked up, or lines that were not read, decide.
    Unclear,
}

/// What a line does once it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The table decides.
    Table,
    Allow,
    Deny,
    Unclear,
}

impl Wrappers {
    /// The tables as the guest told them.
    pub fn of(a: &Answer) -> Self {
        let mut files: Vec<(String, Option<Vec<String>>)> = Vec::new();
        for line in a.all("source", "pattern-file") {
            let (file, rest) = line.split_once(' ').unwrap_or((line, ""));
            let at = files
                .iter()
                .position(|(f, _)| f == file)
                .unwrap_or_else(|| {
                    files.push((file.to_owned(), Some(Vec::new())));
                    files.len() - 1
                });
            if let (Some(word), Some((_, Some(words)))) =
                (rest.strip_prefix("word "), files.get_mut(at))
            {
                words.push(word.to_owned());
            }
        }
        let complete = |file: &str| {
            a.all("source", "pattern-file").iter().any(|l| {
                l.strip_prefix(file)
                    .is_some_and(|r| r == " read" || r == " absent")
            })
        };
        for (file, words) in &mut files {
            if !complete(file) {
                *words = None;
            }
        }
        Self {
            allow: a.all("source", "hosts.allow").to_vec(),
            deny: a.all("source", "hosts.deny").to_vec(),
            files,
            cut: a.has("source", "cut"),
        }
    }

    /// May the client connect?
    pub fn decide(&self, client: &Client) -> Verdict {
        // Lines that were left off could decide before or after those that are there.
        if self.cut {
            return Verdict::Unclear;
        }
        // Where each way leads that is not excluded: lines that may match, then the certain one.
        let mut ways: Vec<Verdict> = Vec::new();
        let tables = [
            ("hosts.allow", &self.allow, false),
            ("hosts.deny", &self.deny, true),
        ];
        for (table, lines, denies) in tables {
            for line in lines {
                let Some((matched, option)) = self.line(line, client) else {
                    continue;
                };
                let way = match option {
                    Effect::Table if !denies => Verdict::Open,
                    Effect::Allow => Verdict::Open,
                    Effect::Table | Effect::Deny => {
                        Verdict::Shut(format!("{table}: {}", sanitise(line, 200)))
                    }
                    Effect::Unclear => Verdict::Unclear,
                };
                match matched {
                    Some(false) => {}
                    Some(true) => {
                        ways.push(way);
                        return agreed(ways);
                    }
                    None => ways.push(way),
                }
            }
        }
        ways.push(Verdict::Open);
        agreed(ways)
    }

    /// Whether a line matches, and what it then does; `None` for one that libwrap passes over.
    fn line(&self, line: &str, client: &Client) -> Option<(Option<bool>, Effect)> {
        let fields = fields(line);
        let (daemons, clients) = (fields.first()?, fields.get(1)?);
        let daemon = listed(&words(daemons), &|token| server_matches(token, client));
        let who = listed(&words(clients), &|token| {
            self.client_matches(token, client, 0)
        });
        let matched = match (daemon, who) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        Some((matched, options(fields.get(2..).unwrap_or(&[]))))
    }

    fn client_matches(&self, token: &str, client: &Client, depth: u32) -> Option<bool> {
        if let Some((user, host)) = token.get(1..).and_then(|t| t.split_once('@')) {
            let user = format!("{}{user}", token.get(..1).unwrap_or(""));
            let host = self.host_matches(host, client, depth)?;
            // Who the client is would have to be asked of its own machine.
            return match (host, user.eq_ignore_ascii_case("ALL")) {
                (false, _) => Some(false),
                (true, true) => Some(true),
                (true, false) => None,
            };
        }
        self.host_matches(token, client, depth)
    }

    fn host_matches(&self, token: &str, client: &Client, depth: u32) -> Option<bool> {
        if token.starts_with('@') {
            return None;
        }
        if token.starts_with('/') {
            if depth > 2 {
                return None;
            }
            let (_, words) = self.files.iter().find(|(file, _)| file == token)?;
            let hits: Vec<_> = words
                .as_ref()?
                .iter()
                .map(|word| self.host_matches(word, client, depth + 1))
                .collect();
            return any(&hits);
        }
        host_matches(token, client)
    }
}

/// The verdict that all ways lead to.
fn agreed(mut ways: Vec<Verdict>) -> Verdict {
    let open = ways.iter().all(|w| *w == Verdict::Open);
    let shut = ways.iter().all(|w| matches!(w, Verdict::Shut(_)));
    match ways.pop() {
        Some(last) if open || shut => last,
        _ => Verdict::Unclear,
    }
}

fn any(hits: &[Option<bool>]) -> Option<bool> {
    if hits.contains(&Some(true)) {
        Some(true)
    } else if hits.contains(&None) {
        None
    } else {
        Some(false)
    }
}

/// Fields of a line, parted by colons outside brackets; `\:` is a colon of an option.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut depth = 0_u32;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            // Brackets hold addresses, which stand in the first two fields only.
            '[' if last < 2 => depth += 1,
            ']' if last < 2 => depth = depth.saturating_sub(1),
            '\\' if last >= 2 && chars.peek() == Some(&':') => {
                chars.next();
                if let Some(field) = fields.last_mut() {
                    field.push(':');
                }
                continue;
            }
            ':' if depth == 0 => {
                fields.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(field) = fields.last_mut() {
            field.push(c);
        }
    }
    fields
}

fn words(field: &str) -> Vec<&str> {
    field
        .split([',', ' ', '\t', '\r', '\n'])
        .filter(|w| !w.is_empty())
        .collect()
}

/// A list up to its `EXCEPT`, whose own list is of the same kind.
fn listed(words: &[&str], hit: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    let end = words.iter().position(|w| w.eq_ignore_ascii_case("EXCEPT"));
    let (names, exceptions) = words.split_at(end.unwrap_or(words.len()));
    let hits: Vec<_> = names.iter().map(|w| hit(w)).collect();
    let named = any(&hits)?;
    if !named || end.is_none() {
        return Some(named);
    }
    listed(exceptions.get(1..).unwrap_or(&[]), hit).map(|excepted| !excepted)
}

fn server_matches(token: &str, client: &Client) -> Option<bool> {
    if let Some((daemon, host)) = token.get(1..).and_then(|t| t.split_once('@')) {
        let daemon = format!("{}{daemon}", token.get(..1).unwrap_or(""));
        if !text_matches(&daemon, DAEMON) {
            return Some(false);
        }
        let server = Client {
            address: client.server?,
            name: Name::NotTold,
            server: None,
        };
        return host_matches(host, &server);
    }
    Some(text_matches(token, DAEMON))
}

/// A pattern for a text: wildcards, `.suffix`, `ALL`, `KNOWN`, `prefix.`, the text itself.
fn text_matches(token: &str, text: &str) -> bool {
    let (token, text) = (token.to_ascii_lowercase(), text.to_ascii_lowercase());
    if token.contains(['*', '?']) {
        return ssh_patterns::matches(&token, &text);
    }
    if token.starts_with('.') {
        return text.len() > token.len() && text.ends_with(&token);
    }
    match token.as_str() {
        "all" => true,
        "known" => text != "unknown",
        _ if token.ends_with('.') => text.starts_with(&token),
        _ => token == text,
    }
}

fn host_matches(token: &str, client: &Client) -> Option<bool> {
    let address = client.address.to_string();
    match token.to_ascii_uppercase().as_str() {
        "KNOWN" => {
            return match client.name {
                Name::Known(_) => Some(true),
                Name::Unknown | Name::Paranoid => Some(false),
                Name::NotTold => None,
            };
        }
        "LOCAL" => {
            return match &client.name {
                Name::Known(name) => Some(!name.contains('.')),
                Name::Unknown | Name::Paranoid => Some(false),
                Name::NotTold => None,
            };
        }
        _ => {}
    }
    if let Some(inside) = token.strip_prefix('[') {
        return Some(bracketed(inside, client.address));
    }
    if let Some((net, mask)) = token.split_once('/') {
        return Some(masked(net, mask, client.address));
    }
    if text_matches(token, &address) {
        return Some(true);
    }
    // Digits, dots and slashes can only be an address.
    if token
        .chars()
        .all(|c| c.is_ascii_digit() || c == '.' || c == '/')
    {
        return Some(false);
    }
    match &client.name {
        Name::Known(name) => Some(text_matches(token, name)),
        Name::Unknown => Some(text_matches(token, "unknown")),
        Name::Paranoid => Some(text_matches(token, "paranoid")),
        Name::NotTold => None,
    }
}

/// `[ADDRESS]` and `[NET]/LENGTH`; unlike with IPv4, bits behind the length do not matter.
fn bracketed(inside: &str, address: IpAddr) -> bool {
    let Some((net, rest)) = inside.split_once(']') else {
        return false;
    };
    let (Ok(net), IpAddr::V6(address)) = (net.parse::<Ipv6Addr>(), address) else {
        return false;
    };
    let Some(length) = rest.strip_prefix('/') else {
        return rest.is_empty() && net == address;
    };
    match length.parse::<u32>() {
        Ok(0) => true,
        Ok(length @ 1..=128) => {
            let mask = u128::MAX << (128 - length);
            u128::from(address) & mask == u128::from(net) & mask
        }
        _ => false,
    }
}

/// `NET/MASK` and `NET/LENGTH` of IPv4. A net with bits behind its mask matches nothing, and a
/// length of 0 is no mask.
fn masked(net: &str, mask: &str, address: IpAddr) -> bool {
    let (Ok(net), IpAddr::V4(address)) = (net.parse::<Ipv4Addr>(), address) else {
        return false;
    };
    let mask = match (mask.parse::<Ipv4Addr>(), mask.parse::<u32>()) {
        (Ok(mask), _) => u32::from(mask),
        (_, Ok(length @ 1..=32)) => u32::MAX << (32 - length),
        _ => return false,
    };
    u32::from(address) & mask == u32::from(net)
}

/// What the options of a line come to: `allow`, `deny` and `twist` decide, a wrong one refuses,
/// the others let the table decide.
fn options(fields: &[String]) -> Effect {
    let count = fields.len();
    for (at, field) in fields.iter().enumerate() {
        let field = field.trim();
        let end = field
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(field.len());
        let (name, rest) = field.split_at(end);
        let value = rest.trim_start();
        let value = value.strip_prefix('=').unwrap_or(value).trim();
        let last = at + 1 == count;
        match (name.to_ascii_lowercase().as_str(), value.is_empty(), last) {
            ("allow", true, true) => return Effect::Allow,
            ("deny", true, true) => return Effect::Deny,
            // The program takes the place of the session.
            ("twist", false, true) => return Effect::Deny,
            ("keepalive", true, _) | ("rfc931" | "nice", _, _) => {}
            ("spawn" | "setenv" | "banners" | "umask" | "linger", false, _) => {}
            ("severity" | "user" | "group" | "aclexec", false, _) => return Effect::Unclear,
            // A wrong option, or one in the wrong place: libwrap plays safe and refuses.
            _ => return Effect::Deny,
        }
    }
    Effect::Table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(allow: &[&str], deny: &[&str], source: &str) -> Option<bool> {
        let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let tables = Wrappers {
            allow: own(allow),
            deny: own(deny),
            ..Wrappers::default()
        };
        let client = Client {
            address: source.parse().expect("address"),
            name: Name::Known("client1".to_owned()),
            server: "10.0.0.10".parse().ok(),
        };
        match tables.decide(&client) {
            Verdict::Open => Some(false),
            Verdict::Shut(_) => Some(true),
            Verdict::Unclear => None,
        }
    }

    #[test]
    fn allow_is_read_before_deny() {
        let source = "203.0.113.7";
        assert_eq!(decided(&[], &["ALL: ALL"], source), Some(true));
        assert_eq!(
            decided(&["sshd: 203.0.113."], &["ALL: ALL"], source),
            Some(false)
        );
        assert_eq!(
            decided(&["sshd: 203.0.113.0/24 : deny"], &[], source),
            Some(true)
        );
        assert_eq!(
            decided(&[], &["in.sshd: ALL", "ssh: ALL"], source),
            Some(false)
        );
        assert_eq!(decided(&[], &["sshd: @trusted"], source), None);
        assert_eq!(decided(&["sshd: @trusted"], &[], source), Some(false));
        assert_eq!(
            decided(&["sshd: @trusted", "sshd: ALL"], &["ALL: ALL"], source),
            Some(false)
        );
    }

    #[test]
    fn nothing_that_was_cut_decides() {
        let tables = Wrappers {
            deny: vec!["ALL: ALL".to_owned()],
            cut: true,
            ..Wrappers::default()
        };
        let client = Client {
            address: "203.0.113.7".parse().expect("address"),
            name: Name::Unknown,
            server: None,
        };
        assert_eq!(tables.decide(&client), Verdict::Unclear);
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[\\[\\]:./@ ,a-zA-Z0-9*?\\\\]{0,60}") {
            decided(&[&line], &[&line], "2001:db8::5");
        }
    }
}
