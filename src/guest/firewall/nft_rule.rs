//! Reads one rule of `nft list ruleset` into its statements.
//!
//! Must not live here: what a statement does to a packet (`nft`), the fields and constants in it (`nft_expression`).

use super::nft::{Expression, Operator, Statement};
use super::nft_expression::{HEADERS, atom, expression, right};
use super::nft_text::{Reader, read_chain};
use super::said;
use super::value::Tri;
use super::walk::{Table, Verdict};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Statements up to the end of the line.
pub fn statements(
    reader: &mut Reader<'_>,
    table: &mut Table,
    chain: &str,
) -> Result<Vec<Statement>, Said> {
    let mut all = Vec::new();
    while !reader.line_ends() {
        let mark = reader.mark();
        match statement(reader, table, chain)? {
            Some(statement) => all.push(statement),
            None => {
                // Whatever the rest of the line does, it only may do.
                reader.reset(mark);
                let what = rest_of_line(reader);
                let verdicts = possible_verdicts(&what);
                let text = said::part(sanitise(&what.join(" "), 200));
                all.push(Statement::Fixed(Tri::Maybe(text.clone())));
                match verdicts.as_slice() {
                    [] => {}
                    [one] => all.push(Statement::Verdict(one.clone())),
                    _ => all.push(Statement::Verdict(Verdict::Unclear(text))),
                }
            }
        }
    }
    Ok(all)
}

fn rest_of_line<'a>(reader: &mut Reader<'a>) -> Vec<&'a str> {
    let mut words = Vec::new();
    let mut depth = 0;
    while let Some(token) = reader.peek() {
        if !token.quoted {
            match token.text {
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                "\n" | ";" if depth == 0 => break,
                _ => {}
            }
        }
        words.push(token.text);
        reader.next();
    }
    words
}

fn possible_verdicts(words: &[&str]) -> Vec<Verdict> {
    let mut all = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let to = || {
            words
                .get(at + 1)
                .map_or_else(String::new, |w| (*w).to_owned())
        };
        all.push(match *word {
            "accept" => Verdict::Accept,
            "drop" => Verdict::Drop,
            "reject" => Verdict::Reject,
            "return" => Verdict::Return,
            "jump" => Verdict::Jump(to()),
            "goto" => Verdict::Goto(to()),
            "queue" | "dnat" | "redirect" | "tproxy" | "synproxy" | "fwd" => {
                Verdict::Unclear(said::part(word))
            }
            _ => continue,
        });
    }
    all
}

/// A verdict that is a single word, or a jump to a named chain.
pub fn verdict(reader: &mut Reader<'_>) -> Option<Verdict> {
    let verdict = match reader.word(0) {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::None,
        "jump" | "goto" if !matches!(reader.word(1), "{" | "") => {
            let to = reader.word(1).to_owned();
            let jumps = reader.word(0) == "jump";
            reader.next();
            if jumps {
                Verdict::Jump(to)
            } else {
                Verdict::Goto(to)
            }
        }
        _ => return None,
    };
    reader.next();
    Some(verdict)
}

fn statement(
    reader: &mut Reader<'_>,
    table: &mut Table,
    chain: &str,
) -> Result<Option<Statement>, Said> {
    if let Some(verdict) = verdict(reader) {
        return Ok(Some(Statement::Verdict(verdict)));
    }
    let nothing = Ok(Some(Statement::Fixed(Tri::Yes)));
    match reader.word(0) {
        "jump" | "goto" if reader.word(1) == "{" => {
            let jumps = reader.word(0) == "jump";
            reader.next();
            reader.next();
            let name = format!("{chain}#{}", table.chains.len() + reader.mark());
            let inner = read_chain(reader, table, &name)?;
            table.chains.insert(name.clone(), inner);
            let verdict = if jumps {
                Verdict::Jump(name)
            } else {
                Verdict::Goto(name)
            };
            Ok(Some(Statement::Verdict(verdict)))
        }
        "reject" => {
            while !reader.line_ends() && reader.word(0) != "comment" {
                reader.next();
            }
            Ok(Some(Statement::Verdict(Verdict::Reject)))
        }
        "counter" | "last" | "comment" | "log" | "masquerade" | "snat" | "dup" | "flow" => {
            let ends = matches!(reader.word(0), "masquerade" | "snat");
            pass_over(reader);
            if ends {
                return Ok(Some(Statement::Verdict(Verdict::Accept)));
            }
            nothing
        }
        "limit" | "quota" => Ok(Some(rate(reader))),
        "ct" if reader.word(1) == "count" => Ok(Some(rate(reader))),
        "notrack" => {
            reader.next();
            Ok(Some(Statement::Untrack))
        }
        "redirect" | "dnat" => Ok(Some(translation(reader)?)),
        "queue" | "tproxy" | "synproxy" | "fwd" => {
            let what = reader.word(0).to_owned();
            rest_of_line(reader);
            Ok(Some(Statement::Verdict(Verdict::Unclear(said::part(what)))))
        }
        "add" | "update" | "delete" | "set" if reader.word(1).starts_with('@') => {
            Ok(Some(set_statement(reader)))
        }
        "meter" => {
            // meter NAME [size N] { KEY STATEMENT }
            while !reader.line_ends() && reader.word(0) != "{" {
                reader.next();
            }
            Ok(Some(filled(reader, String::new(), false)))
        }
        _ => comparison(reader),
    }
}

/// Passes over a statement that neither matches nor decides, with its options.
fn pass_over(reader: &mut Reader<'_>) {
    let kind = reader.word(0);
    reader.next();
    let options: &[&str] = match kind {
        "counter" => &["packets", "bytes", "name"],
        "last" => &["used", "never"],
        "comment" => &[],
        "log" => &[
            "prefix",
            "level",
            "group",
            "snaplen",
            "queue-threshold",
            "flags",
        ],
        _ => {
            // Translation of the source and copies: nothing else stands behind them but comments.
            while !reader.line_ends() && reader.word(0) != "comment" {
                reader.next();
            }
            return;
        }
    };
    if kind == "comment" {
        reader.next();
        return;
    }
    if kind == "counter" && reader.peek().is_some_and(|t| t.quoted) {
        reader.next();
        return;
    }
    while options.contains(&reader.word(0)) {
        let flags = reader.word(0) == "flags";
        if reader.word(0) != "never" {
            reader.next();
        }
        reader.next();
        // log flags tcp sequence,options / ip options / all
        while flags
            && matches!(
                reader.word(0),
                "," | "sequence" | "options" | "tcp" | "ip" | "skuid" | "ether"
            )
            && is_log_flag(reader)
        {
            reader.next();
        }
    }
}

/// `ip options` and `tcp sequence` belong to `log flags`; `ip saddr` is the next match.
fn is_log_flag(reader: &Reader<'_>) -> bool {
    match reader.word(0) {
        "ip" => reader.word(1) == "options",
        "tcp" => matches!(reader.word(1), "sequence" | "options"),
        _ => true,
    }
}

fn rest_of_block<'a>(reader: &mut Reader<'a>) -> Vec<&'a str> {
    let mut depth = 0;
    let mut words = Vec::new();
    while let Some(token) = reader.next() {
        match token.text {
            "{" if !token.quoted => depth += 1,
            "}" if !token.quoted => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            text => words.push(text),
        }
    }
    words
}

/// A rate that nobody has used up yet: the first packet is below it.
fn first_packet(words: &[&str]) -> Tri {
    let limited = words
        .iter()
        .any(|w| matches!(*w, "limit" | "quota" | "count"));
    (!(limited && words.contains(&"over"))).into()
}

fn rate(reader: &mut Reader<'_>) -> Statement {
    let mark = reader.mark();
    let kind = reader.word(0).to_owned();
    reader.next();
    if reader.take("name") {
        let name = reader.next().map_or("", |t| t.text);
        return Statement::Object(format!("{kind} {name}"));
    }
    let mut words: Vec<&str> = vec![if kind == "ct" { "count" } else { "limit" }];
    // limit rate [over] N/unit [burst N unit] | quota [over] N unit [used N unit] | ct count [over] N
    loop {
        match reader.word(0) {
            word @ ("rate" | "over" | "until" | "burst" | "used" | "count") => {
                words.push(word);
                reader.next();
            }
            number if number.starts_with(|c: char| c.is_ascii_digit()) => {
                words.push(number);
                reader.next();
                let unit = reader.word(0);
                if unit.starts_with("bytes")
                    || unit.starts_with("kbytes")
                    || unit.starts_with("mbytes")
                    || unit.starts_with("gbytes")
                    || unit == "packets"
                {
                    words.push(unit);
                    reader.next();
                }
            }
            _ => break,
        }
    }
    if kind == "quota" {
        return Statement::Fixed(quota(&reader.since(mark)));
    }
    Statement::Fixed(first_packet(&words))
}

/// `quota over 10 mbytes used 3 mbytes`: is it used up?
pub fn quota(text: &str) -> Tri {
    let words: Vec<&str> = text.split_whitespace().collect();
    let size = |at: usize| -> Option<f64> {
        let unit = match *words.get(at + 1)? {
            "bytes" => 1.0,
            "kbytes" => 1024.0,
            "mbytes" => 1_048_576.0,
            "gbytes" => 1_073_741_824.0,
            _ => return None,
        };
        Some(words.get(at)?.parse::<f64>().ok()? * unit)
    };
    let first = (0..words.len()).find_map(size);
    let used = words
        .iter()
        .position(|w| *w == "used")
        .and_then(|at| size(at + 1))
        .unwrap_or(0.0);
    let Some(whole) = first else {
        return Tri::maybe(said::a_quota());
    };
    ((used >= whole) == words.contains(&"over")).into()
}

/// `add @set { KEY [STATEMENT] [: DATA] }`.
fn set_statement(reader: &mut Reader<'_>) -> Statement {
    let adds = reader.word(0) != "delete";
    reader.next();
    if reader.word(0) == "update" || reader.word(0) == "add" {
        reader.next();
    }
    let set = reader.word(0).trim_start_matches('@').to_owned();
    reader.next();
    filled(reader, set, adds)
}

/// `{ KEY [STATEMENT] [: DATA] }` of a set or meter.
fn filled(reader: &mut Reader<'_>, set: String, adds: bool) -> Statement {
    let mark = reader.mark();
    reader.take("{");
    let key = expression(reader);
    reader.reset(mark);
    let block = rest_of_block(reader);
    Statement::Add {
        set,
        adds,
        key,
        passes: first_packet(&block),
    }
}

fn translation(reader: &mut Reader<'_>) -> Result<Statement, Said> {
    let redirects = reader.word(0) == "redirect";
    reader.next();
    while matches!(
        reader.word(0),
        "ip" | "ip6" | "prefix" | "interval" | "to" | "addr" | "port" | "."
    ) {
        let to = reader.word(0) == "to";
        let family = matches!(reader.word(0), "ip" | "ip6");
        if family && !matches!(reader.word(1), "to" | "prefix" | "addr" | "interval") {
            break;
        }
        reader.next();
        if to {
            break;
        }
    }
    let mark = reader.mark();
    if let Some(mut key) = translation_key(reader) {
        reader.take("map");
        let map = right(reader)?;
        key.only_port |= redirects;
        skip_nat_flags(reader);
        return Ok(Statement::TranslateBy {
            redirects,
            only_port: key.only_port,
            key: key.expression,
            map,
        });
    }
    reader.reset(mark);
    let target = match reader.word(0) {
        "" | "\n" | ";" | "}" | "comment" => String::new(),
        "random" | "fully-random" | "persistent" => String::new(),
        word => {
            let word = word.to_owned();
            reader.next();
            word
        }
    };
    skip_nat_flags(reader);
    Ok(Statement::Translate { redirects, target })
}

fn skip_nat_flags(reader: &mut Reader<'_>) {
    while matches!(
        reader.word(0),
        "random" | "fully-random" | "persistent" | ","
    ) {
        reader.next();
    }
}

struct Key {
    expression: Expression,
    only_port: bool,
}

/// The key of a map behind `to`: `tcp dport map ...`, or `:tcp dport map ...` for the port alone.
fn translation_key(reader: &mut Reader<'_>) -> Option<Key> {
    let word = reader.word(0);
    let only_port = word.starts_with(':');
    let expression = if let Some(header) = word.strip_prefix(':').filter(|h| HEADERS.contains(h)) {
        let name = format!("{header} {}", reader.word(1));
        reader.next();
        reader.next();
        Expression::named(name)
    } else {
        expression(reader)?
    };
    (reader.word(0) == "map").then_some(Key {
        expression,
        only_port,
    })
}

fn comparison(reader: &mut Reader<'_>) -> Result<Option<Statement>, Said> {
    let mark = reader.mark();
    let Some(left) = expression(reader) else {
        return Ok(None);
    };
    let operator = match reader.word(0) {
        "vmap" => {
            reader.next();
            let map = right(reader)?;
            return Ok(Some(Statement::VerdictMap { key: left, map }));
        }
        "set" => {
            reader.next();
            return Ok(Some(assignment(reader, &left)?));
        }
        "==" => Operator::Equal,
        "!=" => Operator::Unequal,
        "!" => Operator::NoneOf,
        "<" => Operator::Less,
        ">" => Operator::More,
        "<=" => Operator::AtMost,
        ">=" => Operator::AtLeast,
        _ => Operator::Implied,
    };
    if operator != Operator::Implied {
        reader.next();
    }
    if reader.line_ends() {
        return Ok(None);
    }
    let right = right(reader)?;
    let text = reader.since(mark);
    Ok(Some(Statement::Match {
        left,
        operator,
        right,
        text,
    }))
}

/// `meta mark set ...` and other rewriting.
fn assignment(reader: &mut Reader<'_>, left: &Expression) -> Result<Statement, Said> {
    let name = left
        .parts
        .first()
        .map_or("", |p| p.name.as_str())
        .to_owned();
    let mark = reader.mark();
    let value = expression(reader);
    let value = match value {
        Some(key) if reader.take("map") => {
            let map = right(reader)?;
            return Ok(Statement::AssignBy { name, key, map });
        }
        Some(value) => Some(Ok(value)),
        None => {
            reader.reset(mark);
            Some(Err(atom(reader)))
        }
    };
    // A map, or more arithmetic: the value is not followed.
    let simple = !matches!(reader.word(0), "map" | "&" | "|" | "^" | "." | "mod");
    if !simple {
        while !reader.line_ends() && !is_verdict_word(reader.word(0)) {
            if reader.word(0) == "{" {
                rest_of_block(reader);
            } else {
                reader.next();
            }
        }
    }
    Ok(Statement::Assign {
        name,
        value: value.filter(|_| simple),
    })
}

fn is_verdict_word(word: &str) -> bool {
    matches!(
        word,
        "accept"
            | "drop"
            | "reject"
            | "return"
            | "jump"
            | "goto"
            | "continue"
            | "counter"
            | "log"
            | "comment"
            | "ct"
            | "meta"
    )
}
