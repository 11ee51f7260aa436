//! Reads `nft list ruleset`: tables, sets and chains with their rules.
//!
//! The text is read and not `nft -j`: up to nftables 1.0.6 at least, the JSON lacks the device of
//! ingress chains, dormant tables and chains without a name.
//! Must not live here: what a rule does to a packet.

use super::nft::{Element, Rule, Set};
use super::packet::Hook;
use super::said;
use super::walk::{Base, Chain, Family, Rule as AnyRule, Table};
use super::{nft_expression, nft_rule};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// A word of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub quoted: bool,
    at: usize,
}

/// Splits a listing: braces, parentheses and commas stand alone, `;` ends a line.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut fresh_line = true;
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        let mut push = |from: usize, to: usize, quoted: bool| {
            all.push(Token {
                text: &text[from..to],
                quoted,
                at: start,
            });
        };
        match byte {
            b'\n' | b';' => {
                push(at, at + 1, false);
                at += 1;
                fresh_line = true;
                continue;
            }
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            b'#' if fresh_line => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            b'{' | b'}' | b'(' | b')' | b',' => {
                push(at, at + 1, false);
                at += 1;
            }
            b'"' => {
                let end = text[at + 1..].find('"').map_or(text.len(), |e| at + 1 + e);
                push(at + 1, end, true);
                at = (end + 1).min(text.len());
            }
            _ => {
                let end = text[at..]
                    .find(|c: char| c.is_whitespace() || "{}(),;\"".contains(c))
                    .map_or(text.len(), |e| at + e);
                push(at, end, false);
                at = end;
            }
        }
        fresh_line = false;
    }
    all
}

/// A place in the listing.
#[derive(Debug)]
pub struct Reader<'a> {
    source: &'a str,
    tokens: &'a [Token<'a>],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a str, tokens: &'a [Token<'a>]) -> Self {
        Self {
            source,
            tokens,
            at: 0,
        }
    }

    pub fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at)
    }

    /// The word `ahead` of the present one, if it is not quoted.
    pub fn word(&self, ahead: usize) -> &'a str {
        match self.tokens.get(self.at + ahead) {
            Some(token) if !token.quoted => token.text,
            _ => "",
        }
    }

    pub fn next(&mut self) -> Option<&'a Token<'a>> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    pub fn take(&mut self, word: &str) -> bool {
        let fits = self.word(0) == word;
        self.at += usize::from(fits);
        fits
    }

    pub fn line_ends(&self) -> bool {
        self.peek().is_none() || matches!(self.word(0), "\n" | ";" | "}")
    }

    pub fn mark(&self) -> usize {
        self.at
    }

    pub fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    /// The text between a mark and here, with blanks run together.
    pub fn since(&self, mark: usize) -> String {
        let from = self.tokens.get(mark).map_or(self.source.len(), |t| t.at);
        let to = self.tokens.get(self.at).map_or(self.source.len(), |t| t.at);
        let text = self.source.get(from..to).unwrap_or("");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn skip_line(&mut self) {
        while !self.line_ends() {
            if self.word(0) == "{" {
                self.skip_block();
            } else {
                self.at += 1;
            }
        }
    }

    /// Passes over `{ ... }`, wherever it starts on this line.
    fn skip_block(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.next() {
            match (token.quoted, token.text) {
                (false, "{") => depth += 1,
                (false, "}") => {
                    depth -= 1;
                    if depth <= 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn skip_newlines(&mut self) {
        while matches!(self.word(0), "\n" | ";") && self.peek().is_some() {
            self.at += 1;
        }
    }
}

/// All tables of a listing; `Err` names what is not there or cannot be read.
pub fn tables(text: &str) -> Result<Vec<Table>, Said> {
    let all = tokens(text);
    let mut reader = Reader::new(text, &all);
    let mut tables = Vec::new();
    loop {
        reader.skip_newlines();
        if reader.peek().is_none() {
            return Ok(tables);
        }
        if !reader.take("table") {
            return Err(said::nft_holds(sanitise(reader.word(0), 80)));
        }
        let family = match reader.word(0) {
            "ip" => Some(Family::Ip),
            "ip6" => Some(Family::Ip6),
            "inet" => Some(Family::Inet),
            "netdev" => Some(Family::Netdev),
            "bridge" => Some(Family::Bridge),
            _ => None,
        };
        let title = format!("nft {} {}", reader.word(0), reader.word(1));
        reader.next();
        reader.next();
        if !reader.take("{") {
            return Err(said::nft_cut());
        }
        let mut table = Table {
            family: family.unwrap_or(Family::Bridge),
            title,
            dormant: false,
            chains: std::collections::BTreeMap::new(),
            sets: std::collections::BTreeMap::new(),
        };
        read_table(&mut reader, &mut table)?;
        tables.push(table);
    }
}

fn read_table(reader: &mut Reader<'_>, table: &mut Table) -> Result<(), Said> {
    loop {
        reader.skip_newlines();
        let Some(token) = reader.next() else {
            return Err(said::nft_cut());
        };
        match token.text {
            "}" => return Ok(()),
            "flags" => {
                while !reader.line_ends() {
                    table.dormant |= reader.word(0) == "dormant";
                    reader.next();
                }
            }
            kind @ ("set" | "map" | "meter") => {
                let name = reader.word(0).to_owned();
                reader.next();
                reader.take("{");
                let set = read_set(reader, kind == "map")?;
                table.sets.insert(name, set);
            }
            "chain" => {
                let name = reader.word(0).to_owned();
                reader.next();
                reader.take("{");
                let chain = read_chain(reader, table, &name)?;
                table.chains.insert(name, chain);
            }
            kind @ ("limit" | "quota") => {
                let name = format!("{kind} {}", reader.word(0));
                let mark = reader.mark();
                reader.skip_block();
                let text = reader.since(mark);
                table.sets.insert(name, Set::object(&text));
            }
            _ => reader.skip_line(),
        }
    }
}

/// The members of `{ a, b : c }`, the brace already taken.
pub fn elements(reader: &mut Reader<'_>) -> Result<Vec<Element>, Said> {
    let mut all = Vec::new();
    loop {
        reader.skip_newlines();
        if reader.take("}") {
            return Ok(all);
        }
        if reader.take(",") {
            continue;
        }
        if reader.peek().is_none() {
            return Err(said::nft_cut_set());
        }
        let key = nft_expression::operand(reader);
        let mut element = Element {
            key,
            data: None,
            verdict: None,
            limited: false,
        };
        while !matches!(reader.word(0), "," | "}" | ":") {
            let Some(token) = reader.next() else {
                return Err(said::nft_cut_set());
            };
            element.limited |= !token.quoted && matches!(token.text, "limit" | "quota" | "ct");
        }
        if reader.take(":") {
            match nft_rule::verdict(reader) {
                Some(verdict) => element.verdict = Some(verdict),
                None => element.data = Some(nft_expression::operand(reader)),
            }
            while !matches!(reader.word(0), "," | "}") && reader.peek().is_some() {
                reader.next();
            }
        }
        all.push(element);
    }
}

/// The body of a set or map, its brace already taken.
pub fn read_set(reader: &mut Reader<'_>, is_map: bool) -> Result<Set, Said> {
    let mut set = Set {
        is_map,
        ..Set::default()
    };
    loop {
        reader.skip_newlines();
        let Some(token) = reader.next() else {
            return Err(said::nft_cut_set());
        };
        match token.text {
            "}" => return Ok(set),
            "elements" => {
                reader.take("=");
                if reader.take("left-out") {
                    set.left_out = true;
                } else if reader.take("{") {
                    set.elements = elements(reader)?;
                }
            }
            _ => reader.skip_line(),
        }
    }
}

/// The body of a chain, its brace already taken.
pub fn read_chain(reader: &mut Reader<'_>, table: &mut Table, name: &str) -> Result<Chain, Said> {
    let mut chain = Chain::default();
    loop {
        reader.skip_newlines();
        match reader.word(0) {
            "}" => {
                reader.next();
                return Ok(chain);
            }
            "" if reader.peek().is_none() => {
                return Err(said::nft_cut_chain(name));
            }
            "type" if reader.word(2) == "hook" => chain.base = read_base(reader),
            "policy" => {
                if let Some(base) = &mut chain.base {
                    base.drops = reader.word(1) == "drop";
                }
                reader.skip_line();
            }
            "comment" | "flags" if chain.rules.is_empty() => reader.skip_line(),
            _ => {
                let mark = reader.mark();
                let statements = nft_rule::statements(reader, table, name)?;
                chain.rules.push(AnyRule::Nft(Rule {
                    statements,
                    text: reader.since(mark),
                }));
            }
        }
    }
}

fn read_base(reader: &mut Reader<'_>) -> Option<Base> {
    reader.next();
    let nat = reader.word(0) == "nat";
    reader.next();
    reader.next();
    let hook = Hook::parse(reader.word(0));
    let mut base = Base {
        hook: Hook::Forward,
        priority: 0,
        nat,
        drops: false,
        devices: Vec::new(),
    };
    while !reader.line_ends() {
        match reader.word(0) {
            "device" => {
                reader.next();
                base.devices
                    .extend(reader.peek().map(|t| t.text.to_owned()));
            }
            "devices" => {
                reader.next();
                reader.next();
                while !reader.take("}") && reader.peek().is_some() {
                    if let Some(token) = reader.next().filter(|t| !matches!(t.text, "{" | ",")) {
                        base.devices.push(token.text.to_owned());
                    }
                }
                continue;
            }
            "priority" => {
                reader.next();
                base.priority = priority(reader);
                continue;
            }
            _ => {}
        }
        reader.next();
    }
    base.hook = hook?;
    Some(base)
}

/// A number, or a name with an offset: `filter + 10` (nft(8), standard priority names).
fn priority(reader: &mut Reader<'_>) -> i32 {
    let word = reader.word(0);
    let mut base = match word {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => -100,
        "filter" => 0,
        "security" => 50,
        "srcnat" | "out" => 100,
        number => number.parse().unwrap_or(0),
    };
    reader.next();
    while !reader.line_ends() {
        let word = reader.word(0);
        let sign = if word.starts_with('-') { -1 } else { 1 };
        let digits = word.trim_start_matches(['+', '-']);
        match digits.parse::<i32>() {
            Ok(offset) => base += sign * offset,
            Err(_) if digits.is_empty() => {
                base += sign * reader.word(1).parse::<i32>().unwrap_or(0);
                reader.next();
            }
            Err(_) => break,
        }
        reader.next();
    }
    base
}
