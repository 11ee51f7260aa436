//! Rule files of PAM modules: `access.conf(5)` and `time.conf(5)`.
//!
//! `None` is "cannot be told": a name that would have to be looked up, a list that was cut.
//! Must not live here: the stack that uses them (`guest::pam`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::GuestQuestion;
use super::answer::Answer;

/// Does `pam_access` refuse? The first rule that names user and origin decides; none allows.
pub fn access_refuses(a: &Answer, q: &GuestQuestion) -> Option<bool> {
    if !a.has("pam", "access-read") || a.all("pam", "cut").iter().any(|k| k == "access") {
        return None;
    }
    let groups: Vec<&str> = a
        .all("account", "group")
        .iter()
        .map(String::as_str)
        .collect();
    let host = a.first("policy", "host").unwrap_or("");
    for line in a.all("pam", "access") {
        let mut fields = line.splitn(3, ':').map(str::trim);
        let (Some(verdict), Some(users), Some(origins)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let user = list(users, &|token| user_token(token, &q.user, &groups));
        let origin = list(origins, &|token| origin_token(token, q.source, host));
        match (user, origin) {
            (Some(false), _) | (_, Some(false)) => {}
            (Some(true), Some(true)) => return Some(verdict.starts_with('-')),
            _ => return None,
        }
    }
    Some(false)
}

/// A list with `EXCEPT`, the exceptions being such a list themselves.
fn list(text: &str, hit: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    let words: Vec<&str> = text
        .split([',', ' ', '\t'])
        .filter(|w| !w.is_empty())
        .collect();
    listed(&words, hit)
}

fn listed(words: &[&str], hit: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    let end = words.iter().position(|w| w.eq_ignore_ascii_case("EXCEPT"));
    let (names, exceptions) = words.split_at(end.unwrap_or(words.len()));
    let answers: Vec<Option<bool>> = names.iter().map(|w| hit(w)).collect();
    let named = any(&answers)?;
    if !named || exceptions.len() < 2 {
        return Some(named);
    }
    listed(exceptions.get(1..)?, hit).map(|excepted| !excepted)
}

/// True if one is, false if none is, `None` if an unknown one could be.
fn any(answers: &[Option<bool>]) -> Option<bool> {
    if answers.contains(&Some(true)) {
        Some(true)
    } else if answers.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn user_token(token: &str, user: &str, groups: &[&str]) -> Option<bool> {
    if let Some(group) = token.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        return Some(groups.contains(&group));
    }
    if token.eq_ignore_ascii_case("ALL") || token.eq_ignore_ascii_case(user) {
        return Some(true);
    }
    // A netgroup, or a user of one host: nobody looked that up.
    if token.contains('@') {
        return None;
    }
    Some(groups.contains(&token))
}

fn origin_token(token: &str, source: Option<IpAddr>, host: &str) -> Option<bool> {
    if token.eq_ignore_ascii_case("ALL") {
        return Some(true);
    }
    // Terminals and services are no origins of a login over the network.
    let terminal =
        token.starts_with(':') || token.starts_with("tty") || token == "cron" || token == "crond";
    if terminal || token.eq_ignore_ascii_case("LOCAL") || token.eq_ignore_ascii_case("NONE") {
        return Some(false);
    }
    let source = source?;
    let text = source.to_string();
    if let Some(prefix) = token.strip_suffix('.') {
        return Some(text.starts_with(&format!("{prefix}.")));
    }
    if let Some((net, mask)) = token.split_once('/') {
        let net: IpAddr = net.parse().ok()?;
        let net = match mask.parse::<u8>() {
            Ok(length) => IpNet::new(net, length).ok()?,
            Err(_) => IpNet::with_netmask(net, mask.parse().ok()?).ok()?,
        };
        return Some(net.contains(&source));
    }
    if let Ok(address) = token.parse::<IpAddr>() {
        return Some(address == source);
    }
    if token.starts_with('.') {
        // Only a name can end in a domain; an address never does.
        return Some(host.parse::<IpAddr>().is_err() && host.ends_with(token));
    }
    if host == token {
        return Some(true);
    }
    None
}

/// Does `pam_time` refuse now? Every rule for this service, terminal and user must hold.
pub fn time_refuses(a: &Answer, q: &GuestQuestion) -> Option<bool> {
    if a.all("pam", "cut").iter().any(|k| k == "time") {
        return None;
    }
    let (day, minute) = a.first("pam", "clock")?.split_once(' ')?;
    let now = (
        1_u8 << day.parse::<u8>().ok().filter(|d| *d < 7)?,
        minute.parse::<u32>().ok()?,
    );
    for line in a.all("pam", "time") {
        let fields: Vec<&str> = line.split(';').map(str::trim).collect();
        let [services, terminals, users, times] = fields.as_slice() else {
            return None;
        };
        if users.contains('@') {
            return None;
        }
        let text =
            |name: &'static str| move |token: &str| super::ssh_patterns::matches(token, name);
        let good = logic(services, &text("sshd"))
            && logic(terminals, &text("ssh"))
            && logic(users, &|token| super::ssh_patterns::matches(token, &q.user));
        if good && !logic(times, &|token| in_time(token, now)) {
            return Some(true);
        }
    }
    Some(false)
}

/// `a & !b | c`, from left to right.
fn logic(text: &str, hit: &dyn Fn(&str) -> bool) -> bool {
    let mut value = true;
    let mut or = false;
    let mut rest: &str = text;
    loop {
        let end = rest.find(['&', '|']);
        let token = rest.get(..end.unwrap_or(rest.len())).unwrap_or("").trim();
        let (negated, token) = token
            .strip_prefix('!')
            .map_or((false, token), |t| (true, t.trim()));
        let this = hit(token) != negated;
        value = if or { value || this } else { value && this };
        let Some(end) = end else {
            return value;
        };
        or = rest.as_bytes().get(end) == Some(&b'|');
        rest = rest.get(end + 1..).unwrap_or("");
    }
}

/// `MoTuWk0800-1800`: days (named twice is unset), then a range that may pass midnight.
fn in_time(token: &str, (day, minute): (u8, u32)) -> bool {
    const DAYS: [(&str, u8); 10] = [
        ("su", 1),
        ("mo", 2),
        ("tu", 4),
        ("we", 8),
        ("th", 16),
        ("fr", 32),
        ("sa", 64),
        ("wk", 62),
        ("wd", 65),
        ("al", 127),
    ];
    let lower = token.to_ascii_lowercase();
    let mut rest = lower.as_str();
    let mut marked = 0_u8;
    while let Some((_, bits)) = DAYS.iter().find(|(name, _)| rest.starts_with(name)) {
        marked ^= bits;
        rest = rest.get(2..).unwrap_or("");
    }
    let Some((start, end)) = rest
        .split_once('-')
        .and_then(|(s, e)| Some((s.parse::<u32>().ok()?, e.parse::<u32>().ok()?)))
    else {
        return false;
    };
    if start < end {
        return marked & day != 0 && minute >= start && minute < end;
    }
    let day_before = if day == 1 { 64 } else { day >> 1 };
    (marked & day != 0 && minute >= start) || (marked & day_before != 0 && minute <= end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_manual_has_them() {
        let monday = 2;
        assert!(in_time("Al0000-2400", (monday, 300)));
        assert!(in_time("Wk0800-1800", (monday, 800)));
        assert!(!in_time("Wk0800-1800", (monday, 1800)));
        assert!(!in_time("Wd0000-2400", (monday, 900)));
        assert!(in_time("MoTu2200-0600", (monday, 2300)));
        assert!(in_time("Su2200-0600", (monday, 500)));
        assert!(!logic("!Al0000-2400", &|t| in_time(t, (monday, 300))));
    }
}
