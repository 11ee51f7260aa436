//! What a bundle must not say where that is asked for: addresses and names.
//!
//! Must not live here: what a bundle says (`report`), secrets, which it never says (`secrets`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::Material;

/// What is replaced by what. The same value gets the same placeholder in every file.
#[derive(Debug, Default)]
pub(super) struct Masks {
    known: BTreeMap<String, String>,
    seen: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Masks {
    pub(super) fn of(material: &Material<'_>) -> Self {
        let mut masks = Self::default();
        let instance = &material.report.instance;
        masks.add(&instance.id, "instance-1");
        masks.add(&instance.name, "name-1");
        masks.add(&material.report.vantage.host, "host-1");
        let mut names = 1;
        let mut name = |masks: &mut Self, value: &str| {
            names += 1;
            masks.add(value, &format!("name-{names}"));
        };
        for entry in material.journal {
            masks.add(&entry.author.user, "user-1");
            masks.add(&entry.author.host, "host-1");
            // Others that an action touches are named as `name (id)`.
            for other in &entry.plan.affected.names {
                name(&mut masks, other.split(" (").next().unwrap_or_default());
            }
            // It may have had another name by then.
            name(&mut masks, &entry.plan.target.name);
            masks.add(&entry.place.account, "account-1");
            let account = entry.plan.parameters.get("user").and_then(Value::as_str);
            let account = account.unwrap_or_default();
            if !EVERYWHERE.contains(&account.to_ascii_lowercase().as_str()) {
                name(&mut masks, account);
            }
            // What was sent, and what was answered to it.
            let mut named = Vec::new();
            names_in("", Some(&json!(entry)), &mut named);
            for value in named {
                name(&mut masks, &value);
            }
            for rules in entry.plan.rules.iter().chain(&entry.plan.tables) {
                name(&mut masks, &rules.group_name);
            }
        }
        let mut named = Vec::new();
        for answer in material.raw {
            names_in("", answer.value().as_ref(), &mut named);
        }
        for value in named {
            name(&mut masks, &value);
        }
        for step in &material.report.guide_steps {
            let (user, host) = step.by.split_once('@').unwrap_or((&step.by, ""));
            masks.add(user, "user-1");
            masks.add(host, "host-1");
        }
        masks
    }

    /// For what speaks of one instance alone.
    pub(super) fn of_instance(id: &str, name: &str) -> Self {
        let mut masks = Self::default();
        masks.add(id, "instance-1");
        masks.add(name, "name-1");
        masks
    }

    fn add(&mut self, value: &str, placeholder: &str) {
        // Very short values would tear other words apart.
        let least = if value.contains(has_no_spaces) { 2 } else { 3 };
        if value.chars().count() >= least && !self.known.contains_key(value) {
            self.known.insert(value.to_owned(), placeholder.to_owned());
        }
    }

    pub(super) fn apply(&mut self, text: &str) -> String {
        let mut known: Vec<_> = self.known.iter().collect();
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let mut text = text.to_owned();
        for (value, placeholder) in known {
            text = replace_word(&text, value, placeholder);
        }
        self.words(&text)
    }

    /// The same for every text of a value.
    pub(super) fn apply_in(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.apply(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.apply_in(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (self.apply(&name), self.apply_in(value)))
                .collect(),
            other => other,
        }
    }

    /// Replaces addresses and resource ids, each by a numbered placeholder.
    fn words(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
        let mut rest = text;
        while let Some(start) = rest.find(is_part) {
            out.push_str(&rest[..start]);
            let after = &rest[start..];
            let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
            self.word(&after[..end], &mut out);
            rest = &after[end..];
        }
        out.push_str(rest);
        out
    }

    fn word(&mut self, word: &str, out: &mut String) {
        const IDS: [&str; 15] = [
            "ins-", "sg-", "vpc-", "subnet-", "eip-", "acl-", "rtb-", "eni-", "skey-", "disk-",
            "snap-", "img-", "vpngw-", "nat-", "ccn-",
        ];
        // A port may follow an address, and a sentence may end with one.
        let trimmed = word.trim_end_matches(['.', ':', '-']);
        let (core, port) = match trimmed.rsplit_once(':') {
            Some((head, port))
                if head.parse::<std::net::Ipv4Addr>().is_ok()
                    && port.chars().all(|c| c.is_ascii_digit()) =>
            {
                (head, &word[head.len()..])
            }
            _ => (trimmed, &word[trimmed.len()..]),
        };
        let kind = if core.parse::<IpAddr>().is_ok() {
            "address"
        } else if IDS
            .iter()
            .any(|id| core.strip_prefix(id).is_some_and(|tail| tail.len() >= 4))
        {
            "id"
        } else {
            // An address may hang on a name or a sign: `host-10.0.0.7`, `:-10.0.0.7`.
            match word.find(['-', '_']) {
                Some(at) => {
                    out.push_str(&word[..=at]);
                    self.word(&word[at + 1..], out);
                }
                None => out.push_str(word),
            }
            return;
        };
        let counts = &mut self.counts;
        let placeholder = self.seen.entry(core.to_owned()).or_insert_with(|| {
            let count = counts.entry(kind).or_default();
            *count += 1;
            format!("{kind}-{count}")
        });
        out.push_str(placeholder);
        out.push_str(port);
    }
}

/// Fields of answers that name people, machines and accounts.
const NAMED: [&str; 20] = [
    "InstanceName",
    "SecurityGroupName",
    "GroupName",
    "VpcName",
    "SubnetName",
    "UserName",
    "AddressName",
    "KeyName",
    "HostName",
    "RouteTableName",
    "NetworkAclName",
    "DomainName",
    "PolicyDescription",
    "TagValue",
    "Value",
    "Uuid",
    "MacAddress",
    "AccountId",
    "Uin",
    "AppId",
];

fn names_in(field: &str, value: Option<&Value>, found: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) if NAMED.contains(&field) => found.push(text.clone()),
        Some(Value::Array(items)) => {
            for item in items {
                names_in(field, Some(item), found);
            }
        }
        Some(Value::Object(fields)) => {
            for (field, value) in fields {
                names_in(field, Some(value), found);
            }
        }
        _ => {}
    }
}

/// Accounts that every machine has, which tell nobody's name.
const EVERYWHERE: [&str; 3] = ["root", "administrator", "ubuntu"];

/// Letters that stand beside others without a space: Korean particles behind a name, all of Chinese.
fn has_no_spaces(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Replaces `value` where it is not a part of a longer word.
fn replace_word(text: &str, value: &str, placeholder: &str) -> String {
    let is_part = |c: char| (c.is_alphanumeric() || c == '_') && !has_no_spaces(c);
    let begins = value.chars().next().is_some_and(is_part);
    let ends = value.chars().next_back().is_some_and(is_part);
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for (at, _) in text.match_indices(value) {
        let end = at + value.len();
        let before = begins && text[..at].chars().next_back().is_some_and(is_part);
        let behind = ends && text[end..].chars().next().is_some_and(is_part);
        if before || behind {
            continue;
        }
        out.push_str(&text[last..at]);
        out.push_str(placeholder);
        last = end;
    }
    out.push_str(&text[last..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_takes_addresses_and_ids_and_leaves_the_rest() {
        let mut masks = Masks::default();
        let text = "10.0.0.7:22 refused; sg-abcd1234 rule 0; 10.0.0.7. fe80::1 at 12:30:05, v1.2.3, ins-abcd1234";
        assert_eq!(
            masks.apply(text),
            "address-1:22 refused; id-1 rule 0; address-1. address-2 at 12:30:05, v1.2.3, id-2"
        );
        assert_eq!(masks.apply("fe80::1, 10.0.0.8"), "address-2, address-3");
        assert_eq!(
            masks.apply("a_10.0.0.8 ${S:-10.0.0.7} non-word"),
            "a_address-3 ${S:-address-1} non-word"
        );
    }

    #[test]
    fn a_name_is_masked_as_a_word_only() {
        let mut masks = Masks::default();
        masks.add("ssh", "name-1");
        assert_eq!(masks.apply("ssh to sshd, ssh."), "name-1 to sshd, name-1.");
    }

    #[test]
    fn a_name_is_masked_beside_letters_that_take_no_space() {
        let mut masks = Masks::default();
        masks.add("web-1", "name-1");
        masks.add("김철수", "name-2");
        masks.add("生产", "name-3");
        assert_eq!(
            masks.apply("web-1을 김철수가, 在web-1上 重启生产库, web-10 myweb-1"),
            "name-1을 name-2가, 在name-1上 重启name-3库, web-10 myweb-1"
        );
    }
}
