//! Sentences as values: an id with typed arguments, its English beside the code that makes it,
//! Korean and Chinese by id in the catalogues (`assets/locales/said/<room>.<lang>.toml`).
//!
//! A sentence is written once, in the `said.rs` of its room:
//!
//! ```ignore
//! said! { "firewall":
//!     /// A rule of the guest decides about a port.
//!     rule_decides(port: Number, rule: Raw) = "TCP port {port}: {rule}";
//!     rules_cut(shown: Number, all: Number) = "{shown} of {all:rule} could be read";
//! }
//! ```
//!
//! and made by calling its function: `said::rule_decides(port, line)`. In place of
//! `format!("TCP port {port}: {line}")` stands a value that knows which of its stretches is a
//! quotation. Its Korean and Chinese stand under the function's name in
//! `assets/locales/said/firewall.ko.toml` and `firewall.zh.toml`:
//!
//! ```toml
//! rule_decides = "TCP 포트 {port}: {rule}"
//! rules_cut = "규칙 {all}개 중 {shown}개만 읽었습니다"
//! ```
//!
//! The type of an argument says how it may be treated:
//!
//! * [`Raw`]: what another program, a person or the cloud wrote. Never looked up, reordered, cut
//!   or translated.
//! * [`Name`]: an id, an address, a path, a command, a setting. Shown as it is, too.
//! * [`Number`]: a count, a port, a year. `{n:rule}` in English is `1 rule`, `2 rules`
//!   ([`counted`]); `{n:entry|entries}` names both forms.
//! * [`Figure`]: a measured value with digits and unit, also a stretch of time.
//! * [`Word`]: a term of the product (an evidence group, a state, a path), looked up.
//! * [`Said`]: a sentence in a sentence.
//! * [`List`]: several of these, joined as the language joins them.
//!
//! In Korean `{port:을}` is the value with the particle that fits it: 을/를, 이/가, 은/는, 과/와,
//! (으)로 and their kin, chosen by the last sound of what stands before.
//!
//! `Display` is the English: for logs, the journal and JSON, which do not depend on anybody's
//! language. JSON keeps the English (`detail`) and carries id and arguments beside it (`said`), so
//! that a saved file can be read in any language later.
//! Must not live here: the catalogues (`app::locale`), the sentences of rooms (their `said.rs`).

mod argument;
mod fields;
mod korean;
mod template;

pub use argument::{Arg, Figure, Joint, List, Name, Number, Raw, Table, Unit, Word};
pub use fields::*;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::lang::Lang;
use super::text::{counted, sanitise};
use template::Piece;

/// Longest text of an argument that is taken from a saved file, in characters.
const MOST_SAVED_CHARS: usize = 2_000;

/// One sentence. Two are equal when their English is: it holds every argument.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Said {
    /// Room and name, `firewall.rule_decides`; empty for a sentence that only has English.
    id: Cow<'static, str>,
    english: String,
    #[serde(default)]
    args: BTreeMap<Cow<'static, str>, Arg>,
}

/// What a language needs to say a sentence.
pub trait Speech {
    fn lang(&self) -> Lang;

    /// The text of a sentence by its id, with blanks.
    fn template(&self, id: &str) -> Option<&str>;

    /// The word for a term.
    fn word(&self, word: &Word) -> Option<&str>;

    /// A text of the knowledge files, looked up whole by its English.
    fn known(&self, english: &str) -> Option<&str>;
}

/// English, which needs no catalogue: it stands where the sentence is made.
#[derive(Debug, Clone, Copy)]
pub struct English;

impl Speech for English {
    fn lang(&self) -> Lang {
        Lang::En
    }

    fn template(&self, _: &str) -> Option<&str> {
        None
    }

    fn word(&self, _: &Word) -> Option<&str> {
        None
    }

    fn known(&self, _: &str) -> Option<&str> {
        None
    }
}

impl Said {
    /// For `said!`: a sentence by its id, its English with blanks, and what stands in them.
    pub fn new<const N: usize>(
        id: &'static str,
        english: &'static str,
        args: [(&'static str, Arg); N],
    ) -> Self {
        let args = args
            .into_iter()
            .map(|(name, arg)| (Cow::Borrowed(name), arg))
            .collect();
        Self {
            english: filled(english, &args, Lang::En, &|arg| arg.english()),
            id: Cow::Borrowed(id),
            args,
        }
    }

    /// A sentence of a room's table with the arguments that `value` makes of their types and
    /// places, for the test that says every sentence.
    pub fn of_row(row: &Row, value: impl Fn(&str, usize) -> Arg) -> Self {
        let args = row.args.iter().enumerate();
        let args = args
            .map(|(at, (name, kind))| (Cow::Borrowed(*name), value(kind, at)))
            .collect();
        Self {
            id: Cow::Borrowed(row.id),
            english: filled(row.english, &args, Lang::En, &|arg| arg.english()),
            args,
        }
    }

    /// A sentence that has no id: it is shown in English, whatever the language.
    pub fn plain(english: impl Into<String>) -> Self {
        Self {
            english: english.into(),
            ..Self::default()
        }
    }

    /// A title, an advice or a need from the knowledge files, which an operator may have written
    /// anew: what is said in another language is looked up by the whole of its English.
    pub fn known(english: impl Into<String>) -> Self {
        Self {
            id: Cow::Borrowed(own::KNOWN),
            english: english.into(),
            args: BTreeMap::new(),
        }
    }

    /// A quotation and nothing else: what another program or the cloud wrote.
    pub fn raw(text: impl Into<Raw>) -> Self {
        own::raw(text)
    }

    /// Sentences in a row. The row of none is empty, the row of one is that one.
    pub fn all(joint: Joint, items: impl IntoIterator<Item = Self>) -> Self {
        let mut items: Vec<Self> = items.into_iter().filter(|one| !one.is_empty()).collect();
        match items.len() {
            0 => Self::default(),
            1 => items.remove(0),
            _ => own::all(List::said(joint, items)),
        }
    }

    /// This sentence and another one: `a; b`.
    #[must_use]
    pub fn and(self, other: impl Into<Self>) -> Self {
        Self::all(Joint::Semicolons, [self, other.into()])
    }

    /// From a saved file: the English and, where it was saved, id and arguments. Nothing of it is
    /// trusted to be free of control characters.
    pub fn saved(english: &str, said: Option<Tagged>) -> Self {
        let Tagged { id, args } = said.unwrap_or_default();
        let args = args.into_iter().map(|(name, arg)| (name, arg.clean()));
        Self {
            id: Cow::Owned(sanitise(&id, 80)),
            english: sanitise(english, MOST_SAVED_CHARS),
            args: args.collect(),
        }
    }

    /// Without control characters in what it quotes: for a sentence about a file or an answer that
    /// is shown as it is.
    #[must_use]
    pub fn clean(self) -> Self {
        let args = self.args.into_iter().map(|(name, arg)| (name, arg.clean()));
        Self {
            english: sanitise(&self.english, MOST_SAVED_CHARS),
            args: args.collect(),
            ..self
        }
    }

    /// With another text for each that it quotes, and for its English as a whole.
    #[must_use]
    pub fn mapped(self, text: &mut dyn FnMut(&str) -> String) -> Self {
        let english = text(&self.english);
        let args = self.args.into_iter();
        Self {
            english,
            args: args.map(|(name, arg)| (name, arg.mapped(text))).collect(),
            id: self.id,
        }
    }

    /// Id and arguments, as they stand beside the English in JSON; `None` without an id.
    pub fn tagged(&self) -> Option<Tagged> {
        (!self.id.is_empty()).then(|| Tagged {
            id: self.id.clone(),
            args: self.args.clone(),
        })
    }

    /// Room and name; empty for a sentence that only has English.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The argument of that name.
    pub fn arg(&self, name: &str) -> Option<&Arg> {
        self.args.get(name)
    }

    /// The English.
    pub fn as_str(&self) -> &str {
        &self.english
    }

    pub fn is_empty(&self) -> bool {
        self.english.is_empty()
    }

    /// In a language; in English where the language has no such sentence.
    pub fn in_words(&self, speech: &dyn Speech) -> String {
        if speech.lang() == Lang::En {
            return self.english.clone();
        }
        if self.id == own::KNOWN {
            let text = speech.known(&self.english);
            return text.unwrap_or(&self.english).to_owned();
        }
        let template = if self.id == own::RAW || self.id == own::ALL {
            Some(if self.id == own::RAW {
                "{text}"
            } else {
                "{all}"
            })
        } else {
            speech.template(&self.id)
        };
        match template {
            Some(template) => filled(template, &self.args, speech.lang(), &|arg| {
                arg.in_words(speech)
            }),
            None => self.english.clone(),
        }
    }
}

/// The sentences that belong to no room.
mod own {
    use super::{List, Raw, Said};

    pub const RAW: &str = "raw";
    pub const ALL: &str = "all";
    pub const KNOWN: &str = "known";

    pub fn raw(text: impl Into<Raw>) -> Said {
        Said::new(RAW, "{text}", [("text", text.into().into())])
    }

    pub fn all(list: List) -> Said {
        Said::new(ALL, "{all}", [("all", list.into())])
    }
}

/// A template with its blanks filled. A blank without an argument stays as it is written.
fn filled(
    template: &str,
    args: &BTreeMap<Cow<'static, str>, Arg>,
    lang: Lang,
    value: &dyn for<'a> Fn(&'a Arg) -> Cow<'a, str>,
) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    for piece in template::pieces(template) {
        let (name, form) = match piece {
            Piece::Literal(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Blank { name, form } => (name, form),
        };
        let Some(arg) = args.get(name) else {
            out.push_str(&format!("{{{name}}}"));
            continue;
        };
        let text = value(arg);
        match (form, lang, arg) {
            (Some(form), Lang::En, Arg::Number(n)) => out.push_str(&in_number(*n, form)),
            (Some(form), Lang::Ko, _) => {
                out.push_str(&text);
                out.push_str(korean::particle(&text, form));
            }
            _ => out.push_str(&text),
        }
    }
    out
}

/// `1 rule`, `2 rules`; `1 entry`, `2 entries` from `entry|entries`.
fn in_number(n: i64, form: &str) -> String {
    match form.split_once('|') {
        Some((one, _)) if n == 1 => format!("1 {one}"),
        Some((_, many)) => format!("{n} {many}"),
        None => counted(usize::try_from(n).unwrap_or(usize::MAX), form),
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.english)
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.english, f)
    }
}

impl PartialEq for Said {
    fn eq(&self, other: &Self) -> bool {
        self.english == other.english
    }
}

impl Eq for Said {}

impl PartialEq<str> for Said {
    fn eq(&self, other: &str) -> bool {
        self.english == other
    }
}

impl PartialEq<&str> for Said {
    fn eq(&self, other: &&str) -> bool {
        self.english == *other
    }
}

/// The English, for code that asks what was said; what a person reads goes through
/// [`Said::in_words`].
impl std::ops::Deref for Said {
    type Target = str;

    fn deref(&self) -> &str {
        &self.english
    }
}

impl From<&Said> for Said {
    fn from(said: &Said) -> Self {
        said.clone()
    }
}

/// Id and arguments, as they are saved beside the English.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tagged {
    id: Cow<'static, str>,
    #[serde(default)]
    args: BTreeMap<Cow<'static, str>, Arg>,
}

/// One sentence of a room's table, for the test that says each of them in each language.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub id: &'static str,
    pub english: &'static str,
    /// Names of the arguments and their types (`Raw`, `Number`, ...).
    pub args: &'static [(&'static str, &'static str)],
}

/// Makes one function a sentence and a table of all of them; see the head of this module.
macro_rules! said {
    ($room:literal: $(
        $(#[$meta:meta])*
        $name:ident($($arg:ident: $kind:ident),* $(,)?) = $english:literal;
    )+) => {
        $(
            $(#[$meta])*
            #[doc = concat!("`", $english, "`")]
            #[must_use]
            pub fn $name(
                $($arg: impl Into<$crate::domain::said::$kind>),*
            ) -> $crate::domain::said::Said {
                $crate::domain::said::Said::new(
                    concat!($room, ".", stringify!($name)),
                    $english,
                    [$((
                        stringify!($arg),
                        $crate::domain::said::Arg::from(
                            Into::<$crate::domain::said::$kind>::into($arg),
                        ),
                    )),*],
                )
            }
        )+

        /// The sentences of this table.
        pub const SAID: &[$crate::domain::said::Row] = &[$(
            $crate::domain::said::Row {
                id: concat!($room, ".", stringify!($name)),
                english: $english,
                args: &[$((stringify!($arg), stringify!($kind))),*],
            }
        ),+];
    };
}

pub(crate) use said;

#[cfg(test)]
#[path = "said/tests.rs"]
mod tests;
