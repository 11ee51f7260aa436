//! What a rule of nftables does to a packet.
//!
//! Must not live here: the listing's syntax (`nft_text`, `nft_rule`) and the fields (`nft_field`).

use super::nft_field::{self, Kind};
use super::nft_rule;
use super::nft_set::{Found, among, find, member};
use super::said;
use super::value::{Pattern, Tri, Value};
use super::walk::{Table, Told, Verdict, Walk};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// A constant as written; what it means depends on the field that it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constant {
    Word(String),
    Range(String, String),
    /// Alternatives or bits: `established,related`, `(fin|syn)`.
    Flags(Vec<String>),
}

/// A field and what is done to its bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub steps: Vec<(String, Constant)>,
}

/// One field, or several put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    pub parts: Vec<Part>,
}

impl Expression {
    pub fn named(name: String) -> Self {
        Self {
            parts: vec![Part {
                name,
                steps: Vec::new(),
            }],
        }
    }

    fn names_source(&self) -> bool {
        self.parts
            .iter()
            .any(|p| matches!(p.name.as_str(), "ip saddr" | "ip6 saddr"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal; for bits: any of them.
    Implied,
    Equal,
    Unequal,
    NoneOf,
    Less,
    More,
    AtMost,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Right {
    Constants(Vec<Constant>),
    /// `syn / fin,syn`.
    Masked {
        value: Constant,
        mask: Constant,
    },
    Set(Vec<Element>),
    Named(String),
}

/// A member of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub key: Vec<Constant>,
    pub data: Option<Vec<Constant>>,
    pub verdict: Option<Verdict>,
    /// True if the member has a rate of its own, which may let it not match.
    pub limited: bool,
}

/// What the guest said of one member of a set that is too long to send: the key, and the member
/// that holds it.
pub type Asked = (Vec<Constant>, Option<Vec<Element>>);

/// A named set, map, limit or quota.
#[derive(Debug, Clone, Default)]
pub struct Set {
    pub is_map: bool,
    pub elements: Vec<Element>,
    pub left_out: bool,
    pub asked: Vec<Asked>,
    /// For a limit or quota: does the first packet match?
    pub object: Option<Tri>,
}

impl Set {
    /// A named limit or quota by its text.
    pub fn object(text: &str) -> Self {
        let over = text.split_whitespace().any(|w| w == "over");
        let answer = if text.contains("bytes") && !text.contains("rate") {
            nft_rule::quota(text)
        } else {
            (!over).into()
        };
        Self {
            object: Some(answer),
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    Match {
        left: Expression,
        operator: Operator,
        right: Right,
        text: String,
    },
    VerdictMap {
        key: Expression,
        map: Right,
    },
    /// An answer that does not depend on the packet.
    Fixed(Tri),
    /// A named limit or quota.
    Object(String),
    Untrack,
    Assign {
        name: String,
        /// `None` if the value is not followed.
        value: Option<Result<Expression, Constant>>,
    },
    /// `meta mark set tcp dport map { ... }`.
    AssignBy {
        name: String,
        key: Expression,
        map: Right,
    },
    Add {
        set: String,
        adds: bool,
        key: Option<Expression>,
        passes: Tri,
    },
    Translate {
        redirects: bool,
        target: String,
    },
    TranslateBy {
        redirects: bool,
        only_port: bool,
        key: Expression,
        map: Right,
    },
    Verdict(Verdict),
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub statements: Vec<Statement>,
    pub text: String,
}

impl Rule {
    /// True for a rule about connections or translation; words in quotes are a person's.
    pub fn tracks(&self) -> bool {
        let unquoted = self.text.split('"').step_by(2);
        unquoted.flat_map(str::split_whitespace).any(|word| {
            let needs = ["ct", "dnat", "snat", "masquerade", "redirect", "synproxy"];
            needs.contains(&word)
        })
    }

    /// Asks the rule about the packet of a walk and lets it change what it rewrites.
    pub fn ask(&self, walk: &mut Walk<'_, '_>, table: &Table) -> Told {
        let mut said = Told {
            matched: Tri::Yes,
            verdict: Verdict::None,
            names_source: false,
        };
        for statement in &self.statements {
            let Some(test) = step(statement, walk, table, &mut said) else {
                return said;
            };
            said.matched = said.matched.and(test);
            if said.matched == Tri::No {
                return said;
            }
        }
        said
    }
}

/// One statement: does the packet go on in the rule? `None` where the rule ends with its verdict.
fn step(
    statement: &Statement,
    walk: &mut Walk<'_, '_>,
    table: &Table,
    said: &mut Told,
) -> Option<Tri> {
    Some(match statement {
        Statement::Match {
            left,
            operator,
            right,
            text,
        } => {
            let names = left.names_source()
                && !walk.flow.answer
                && !matches!(operator, Operator::Unequal | Operator::NoneOf);
            said.names_source |= names;
            explain(compare(walk, table, left, *operator, right), text)
        }
        Statement::VerdictMap { key, map } => {
            said.names_source |= key.names_source() && !walk.flow.answer;
            match look_up(walk, table, key, map) {
                Found::Nothing => return Some(Tri::No),
                Found::One(element) => said.verdict = element.verdict.unwrap_or(Verdict::None),
                Found::Unclear(what) => {
                    said.matched = said.matched.clone().and(Tri::maybe(&what));
                    said.verdict = Verdict::Unclear(what);
                }
            }
            return None;
        }
        Statement::Fixed(answer) => answer.clone(),
        Statement::Object(name) => {
            let object = table.sets.get(name).and_then(|s| s.object.clone());
            object.unwrap_or_else(|| Tri::maybe(said::part(name)))
        }
        Statement::Untrack => {
            walk.untrack(&said.matched);
            Tri::Yes
        }
        Statement::Assign { name, value } => {
            assign(walk, name, value.as_ref(), &said.matched);
            Tri::Yes
        }
        Statement::AssignBy { name, key, map } => {
            return Some(assign_found(
                walk,
                name,
                look_up(walk, table, key, map),
                said,
            ));
        }
        Statement::Add {
            set,
            adds,
            key,
            passes,
        } => {
            let lacks = |p: &Part| evaluate(walk, p).0 == Value::Absent;
            if key.iter().flat_map(|k| &k.parts).any(lacks) {
                return Some(Tri::No);
            }
            if *adds && (*passes != Tri::No || key.is_some()) {
                walk.add_to(set, &said.matched);
            }
            passes.clone()
        }
        Statement::Translate { redirects, target } => {
            translate(walk, *redirects, target, &said.matched);
            said.verdict = Verdict::Accept;
            return None;
        }
        Statement::TranslateBy {
            redirects,
            only_port,
            key,
            map,
        } => {
            let found = look_up(walk, table, key, map);
            return translate_found(walk, *redirects || *only_port, found, said);
        }
        Statement::Verdict(verdict) => {
            said.verdict = verdict.clone();
            return None;
        }
    })
}

/// `meta mark set KEY map ...`: what the map says.
fn assign_found(walk: &mut Walk<'_, '_>, name: &str, found: Found, said: &Told) -> Tri {
    let value = match found {
        Found::Nothing => return Tri::No,
        Found::One(element) => element.data.and_then(|d| d.into_iter().next()).map(Err),
        Found::Unclear(_) => None,
    };
    assign(walk, name, value.as_ref(), &said.matched);
    Tri::Yes
}

/// `dnat to KEY map ...`: the rule ends here unless the map has nothing for the packet.
fn translate_found(
    walk: &mut Walk<'_, '_>,
    redirects: bool,
    found: Found,
    said: &mut Told,
) -> Option<Tri> {
    match found {
        Found::Nothing => return Some(Tri::No),
        Found::One(element) => translate_by(walk, redirects, &element, &said.matched),
        Found::Unclear(what) => {
            let unknown = Value::Unknown(what.clone());
            walk.translate(Some(unknown.clone()), Some(unknown), &Tri::maybe(what));
        }
    }
    said.verdict = Verdict::Accept;
    None
}

/// Names the match that could not be told.
fn explain(answer: Tri, text: &str) -> Tri {
    match answer {
        Tri::Maybe(what) => Tri::Maybe(said::part_because(sanitise(text, 200), what)),
        certain => certain,
    }
}

fn evaluate(walk: &Walk<'_, '_>, part: &Part) -> (Value, Kind) {
    let (mut value, kind) = nft_field::field(&walk.flow, &part.name);
    for (operator, constant) in &part.steps {
        let by = nft_field::number(constant, kind, walk.flow.v6);
        value = match (operator.as_str(), by, value) {
            (_, _, Value::Absent) => Value::Absent,
            ("&", Some(by), value) => value.masked(by),
            ("|", Some(by), value) => match value.exact() {
                Some(number) => Value::number(number | by, 128),
                None => Value::Unknown(Said::raw(&part.name)),
            },
            _ => Value::Unknown(Said::raw(&part.name)),
        };
    }
    (value, kind)
}

fn compare(
    walk: &Walk<'_, '_>,
    table: &Table,
    left: &Expression,
    operator: Operator,
    right: &Right,
) -> Tri {
    let values: Vec<(Value, Kind)> = left.parts.iter().map(|p| evaluate(walk, p)).collect();
    if values.iter().any(|(v, _)| *v == Value::Absent) {
        return Tri::No;
    }
    let negated = matches!(operator, Operator::Unequal | Operator::NoneOf);
    match right {
        Right::Set(elements) => member(&values, elements, walk.flow.v6).not_if(negated),
        Right::Named(name) => {
            let found = match find(walk, table, &values, name) {
                Found::One(_) => Tri::Yes,
                Found::Nothing => Tri::No,
                Found::Unclear(what) => Tri::Maybe(what),
            };
            let added = walk.flow.has_added(name).unwrap_or(Tri::No);
            found.or(added).not_if(negated)
        }
        Right::Masked { value, mask } => {
            let (field, kind) = &values[0];
            let v6 = walk.flow.v6;
            match (
                nft_field::number(value, *kind, v6),
                nft_field::number(mask, *kind, v6),
            ) {
                (Some(value), Some(mask)) => {
                    Pattern::Bits { value, mask }.matches(field).not_if(negated)
                }
                _ => Tri::maybe(said::a_constant()),
            }
        }
        Right::Constants(constants) if constants.len() == values.len() => {
            let ordered = matches!(
                operator,
                Operator::Less | Operator::More | Operator::AtMost | Operator::AtLeast
            );
            let v6 = walk.flow.v6;
            if let ([constant], [(value, kind)], true) =
                (constants.as_slice(), values.as_slice(), ordered)
            {
                return match nft_field::number(constant, *kind, v6) {
                    Some(limit) => nft_field::ordered(value, operator, limit),
                    None => Tri::maybe(said::a_constant()),
                };
            }
            let masked = left.parts.iter().any(|p| !p.steps.is_empty());
            values
                .iter()
                .zip(constants)
                .fold(Tri::Yes, |sum, ((value, kind), constant)| {
                    let bits = kind.is_bits()
                        && !masked
                        && matches!(operator, Operator::Implied | Operator::NoneOf);
                    sum.and(if bits {
                        any_bit(value, constant, *kind, v6)
                    } else {
                        equal(value, constant, *kind, v6)
                    })
                })
                .not_if(negated)
        }
        Right::Constants(_) => Tri::maybe(said::a_constant()),
    }
}

pub(super) fn equal(value: &Value, constant: &Constant, kind: Kind, v6: bool) -> Tri {
    nft_field::pattern(constant, kind, v6).matches(value)
}

/// Is any of these bits set?
fn any_bit(value: &Value, constant: &Constant, kind: Kind, v6: bool) -> Tri {
    let Some(bits) = nft_field::number(constant, kind, v6) else {
        return Tri::maybe(said::a_constant());
    };
    match value {
        Value::Bits { value, known, .. } => {
            if value & known & bits != 0 {
                Tri::Yes
            } else if known & bits == bits {
                Tri::No
            } else {
                Tri::maybe(said::bits_unknown())
            }
        }
        Value::Unknown(what) => Tri::maybe(what),
        _ => Tri::maybe(said::bits_unknown()),
    }
}

fn look_up(walk: &Walk<'_, '_>, table: &Table, key: &Expression, map: &Right) -> Found {
    let values: Vec<(Value, Kind)> = key.parts.iter().map(|p| evaluate(walk, p)).collect();
    if values.iter().any(|(v, _)| *v == Value::Absent) {
        return Found::Nothing;
    }
    match map {
        Right::Set(elements) => among(&values, elements, walk.flow.v6),
        Right::Named(name) => find(walk, table, &values, name),
        _ => Found::Unclear(said::map_shape()),
    }
}

fn assign(
    walk: &mut Walk<'_, '_>,
    name: &str,
    value: Option<&Result<Expression, Constant>>,
    matched: &Tri,
) {
    let unknown = || Value::Unknown(said::as_set(name));
    let value = match value {
        Some(Ok(expression)) if expression.parts.len() == 1 => {
            evaluate(walk, &expression.parts[0]).0
        }
        Some(Err(constant)) => nft_field::number(constant, Kind::Number, false)
            .map_or_else(unknown, |n| Value::number(n, 32)),
        _ => unknown(),
    };
    match name {
        "meta mark" => walk.set_mark(false, value, matched),
        "ct mark" => walk.set_mark(true, value, matched),
        "tcp dport" | "th dport" | "tcp sport" | "th sport" => {
            walk.translate(
                None,
                Some(unknown()),
                &Tri::maybe(said::part(format!("{name} set"))),
            );
        }
        "ip daddr" | "ip6 daddr" | "ip saddr" | "ip6 saddr" => {
            walk.translate(
                Some(unknown()),
                None,
                &Tri::maybe(said::part(format!("{name} set"))),
            );
        }
        _ => {}
    }
}

/// `:22`, `10.0.0.1`, `10.0.0.1:22`, `[2001:db8::1]:22`.
pub fn target(text: &str) -> (Option<Value>, Option<Value>) {
    let number = |text: &str| {
        let first = text.split('-').next().unwrap_or("");
        first.parse::<u16>().map_or_else(
            |_| Value::Unknown(said::the_port(text)),
            |port| {
                if text.contains('-') {
                    Value::Unknown(said::one_of_ports(text))
                } else {
                    Value::number(port.into(), 16)
                }
            },
        )
    };
    let address = |text: &str| {
        text.trim_matches(['[', ']'])
            .parse()
            .map_or_else(|_| Value::Unknown(said::the_address(text)), Value::address)
    };
    if text.is_empty() {
        return (None, None);
    }
    if let Some(port) = text.strip_prefix(':') {
        return (None, Some(number(port)));
    }
    if let Some((inner, port)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        let port = port.strip_prefix(':').map(number);
        return (Some(address(inner)), port);
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (Some(address(host)), Some(number(port))),
        _ => (Some(address(text)), None),
    }
}

fn translate(walk: &mut Walk<'_, '_>, redirects: bool, text: &str, matched: &Tri) {
    let (address, port) = target(text);
    let address = if redirects {
        Some(walk.flow.redirect_address())
    } else {
        address
    };
    walk.translate(address, port, matched);
}

fn translate_by(walk: &mut Walk<'_, '_>, redirects: bool, element: &Element, matched: &Tri) {
    let words: Vec<String> = element
        .data
        .iter()
        .flatten()
        .map(|c| match c {
            Constant::Word(word) => word.clone(),
            Constant::Range(low, high) => format!("{low}-{high}"),
            Constant::Flags(words) => words.join(","),
        })
        .collect();
    let text = match words.as_slice() {
        [port] if redirects => format!(":{port}"),
        [address] => address.clone(),
        [address, port] if address.contains(':') => format!("[{address}]:{port}"),
        [address, port] => format!("{address}:{port}"),
        _ => String::new(),
    };
    translate(walk, redirects, &text, matched);
}
