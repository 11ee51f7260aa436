//! The firewall part of the check's answer: unpacked, and taken apart into tables, sets and facts.
//!
//! A listing that is cut or failed is told as such and gives no tables.
//! Must not live here: what the rules do.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use super::host::Host;
use super::nft::Asked;
use super::nft_text::{Reader, read_set, tokens};
use super::said;
use super::walk::{Family, Sets, Table};
use super::{ipset, iptables, nft_expression, nft_text};
use crate::domain::said::Said;
use crate::domain::text::sanitise;
use crate::guest::answer::Answer;

/// Longest listing that is unpacked, in bytes: hundreds of thousands of rules.
const MAX_BYTES: u64 = 16 << 20;

/// What is known of the guest's packet filter.
#[derive(Debug, Default)]
pub struct Listing {
    pub host: Host,
    pub tables: Vec<Table>,
    pub sets: Sets,
}

/// One part: its title without the `@`, and its lines.
type Part<'a> = (&'a str, Vec<&'a str>);

impl Listing {
    /// Reads the answer of the check.
    ///
    /// # Errors
    /// What is missing, cut or not understood, as a sentence.
    pub fn read(answer: &Answer) -> Result<Self, Said> {
        let text = unpack(answer)?;
        let parts = parts(&text);
        let failed = |part: &Part<'_>| failure(part);
        if let Some(why) = parts.iter().find_map(failed) {
            return Err(why);
        }
        let mut listing = Self::default();
        for (title, lines) in &parts {
            listing.host.read(title, lines);
        }
        let lines_of = |title: &str| parts.iter().find(|(t, _)| *t == title).map(|(_, l)| l);
        let mut by_nft = Vec::new();
        for (program, v6) in [("iptables", false), ("ip6tables", true)] {
            for backend in ["legacy", "nft"] {
                if let Some(lines) = lines_of(&format!("{program} {backend}")) {
                    let tables = iptables::tables(lines, v6, backend)?;
                    if backend == "nft" {
                        by_nft.extend(tables.clone());
                    }
                    listing.tables.extend(tables);
                }
            }
            let names = lines_of(&format!("{program} tables"));
            if let Some(names) = names.filter(|_| lines_of(&format!("{program} legacy")).is_none())
            {
                return Err(said::legacy_unlisted(
                    format!("{program}-legacy"),
                    sanitise(&names.join(", "), 120),
                ));
            }
        }
        if let Some(lines) = lines_of("nft") {
            let mut tables = nft_text::tables(&lines.join("\n"))?;
            tables.retain(|table| !listed_already(table, &by_nft));
            for (title, lines) in &parts {
                if let Some(question) = title.strip_prefix("asked ") {
                    take_in(&mut tables, question, lines);
                }
            }
            listing.tables.extend(tables);
        } else if listing.host.firewalld.as_deref() == Some("running") && by_nft.is_empty() {
            return Err(said::firewalld_unlisted());
        } else if !parts.iter().any(|(t, _)| t.contains("tables ")) {
            return Err(said::no_lister());
        }
        if let Some(lines) = lines_of("ipset") {
            listing.sets = ipset::read(lines);
        }
        Ok(listing)
    }
}

/// The text of the listing, from packed or plain lines.
fn unpack(answer: &Answer) -> Result<String, Said> {
    if let Some(length) = answer.first("firewall", "too-long") {
        return Err(said::rules_too_long(length));
    }
    let packed = answer.all("firewall", "z").concat();
    let text = if packed.is_empty() {
        let mut text = String::new();
        for line in answer.all("firewall", "plain") {
            match line.split_at_checked(1) {
                Some(("+", rest)) => {
                    text.push('\n');
                    text.push_str(rest);
                }
                Some(("-", rest)) => text.push_str(rest),
                _ => {}
            }
        }
        text
    } else {
        let cut = said::listing_cut;
        let bytes = STANDARD.decode(&packed).map_err(|_| cut())?;
        let mut text = Vec::new();
        GzDecoder::new(bytes.as_slice())
            .take(MAX_BYTES)
            .read_to_end(&mut text)
            .map_err(|_| cut())?;
        String::from_utf8_lossy(&text).into_owned()
    };
    if text.is_empty() {
        return Err(said::no_rules());
    }
    if !text.lines().any(|line| line == "@end") {
        return Err(said::listing_cut());
    }
    Ok(text)
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix('@'), parts.last_mut()) {
            (Some(title), Some((_, lines))) if title.starts_with("failed ") => lines.push(line),
            (Some(title), _) => parts.push((title, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    parts
}

/// Why a listing failed; a kernel that does not have the framework has no rules of it.
fn failure((title, lines): &Part<'_>) -> Option<Said> {
    let line = lines.iter().find(|l| l.starts_with("@failed "))?;
    let without = [
        "not supported",
        "Function not implemented",
        "do you need to insmod",
        "Module ip_tables not found",
        "Module ip6_tables not found",
    ];
    if without.iter().any(|w| line.contains(w)) {
        return None;
    }
    let why = line.trim_start_matches("@failed ");
    let title = sanitise(title, 60);
    Some(match why.split_once(' ') {
        Some(("124" | "143", _)) => said::not_listed_in_time(title),
        Some((_, message)) if !message.is_empty() => {
            said::not_listed(title, sanitise(message, 200))
        }
        _ => said::not_listed(title, sanitise(why, 200)),
    })
}

/// Has `iptables-save` shown this table already? It reads the rules of its own better.
fn listed_already(table: &Table, by_nft: &[Table]) -> bool {
    let name = table.title.rsplit(' ').next().unwrap_or("");
    by_nft.iter().any(|listed| {
        listed.family == table.family
            && matches!(table.family, Family::Ip | Family::Ip6)
            && listed.title.split(' ').nth(1) == Some(name)
            && table
                .chains
                .iter()
                .filter(|(_, chain)| chain.base.is_some())
                .all(|(chain, _)| listed.chains.contains_key(chain))
    })
}

/// `@asked FAMILY TABLE SET KEY` with `absent`, `failed` or the member that was found.
fn take_in(tables: &mut [Table], question: &str, lines: &[&str]) {
    let mut words = question.splitn(4, ' ');
    let mut next = || words.next().unwrap_or("");
    let (title, set, key) = (format!("nft {} {}", next(), next()), next(), next());
    let table = tables.iter_mut().find(|t| t.title == title);
    let Some(set) = table.and_then(|t| t.sets.get_mut(set)) else {
        return;
    };
    let all = tokens(key);
    let key = nft_expression::operand(&mut Reader::new(key, &all));
    let text = lines.join("\n");
    let answer: Asked = match lines {
        [one] if *one == "absent" => (key, None),
        [] | ["failed"] => return,
        _ => {
            // table ... { set NAME { type ...; elements = { ... } } }: the set's own body.
            let Some(at) = text.find("\tset ").or_else(|| text.find("\tmap ")) else {
                return;
            };
            let body = text[at..].split_once('{').map_or("", |(_, body)| body);
            let all = tokens(body);
            match read_set(&mut Reader::new(body, &all), set.is_map) {
                Ok(found) if !found.elements.is_empty() => (key, Some(found.elements)),
                _ => return,
            }
        }
    };
    set.asked.push(answer);
}
