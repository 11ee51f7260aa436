//! What stands in the blanks of a sentence: quotations, names, numbers, figures, words, lists.
//!
//! Must not live here: the sentence itself (the parent module).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MOST_SAVED_CHARS, Said, Speech};
use crate::domain::evidence::State;
use crate::domain::lang::Lang;
use crate::domain::text::sanitise;

/// What stands in a blank of a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arg {
    Raw(String),
    Name(String),
    Number(i64),
    Figure(Figure),
    Word(Word),
    Said(Box<Said>),
    All(List),
}

/// A quotation: shown as it is in each language.
#[derive(Debug, Clone)]
pub struct Raw(String);

/// A sentence that is handed over as a quotation would stay English.
fn is_no_sentence<T>() -> bool {
    !std::any::type_name::<T>().ends_with("::Said")
}

impl<T: fmt::Display> From<T> for Raw {
    fn from(value: T) -> Self {
        debug_assert!(is_no_sentence::<T>(), "a sentence as a quotation: {value}");
        Self(value.to_string())
    }
}

/// An id, an address, a path, a command: shown as it is in each language.
#[derive(Debug, Clone)]
pub struct Name(String);

impl<T: fmt::Display> From<T> for Name {
    fn from(value: T) -> Self {
        debug_assert!(is_no_sentence::<T>(), "a sentence as a name: {value}");
        Self(value.to_string())
    }
}

/// A whole number.
#[derive(Debug, Clone, Copy)]
pub struct Number(i64);

macro_rules! numbers {
    ($($kind:ty),+) => {
        $(impl From<$kind> for Number {
            fn from(value: $kind) -> Self {
                Self(i64::try_from(value).unwrap_or(i64::MAX))
            }
        })+
    };
}

numbers!(u8, u16, u32, u64, u128, usize, i32, i64);

/// A measured value: how many digits behind the point are shown, and its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    value: f64,
    #[serde(default)]
    decimals: u8,
    #[serde(default)]
    unit: Unit,
}

/// Unit of a figure; the names are those of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// The sentence names it.
    #[default]
    None,
    #[serde(rename = "%")]
    Percent,
    /// Per cent without a blank in each language: `1.6%`.
    #[serde(rename = "share")]
    Share,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "min")]
    Minutes,
    #[serde(rename = "h")]
    Hours,
    #[serde(rename = "d")]
    Days,
    #[serde(rename = "Mbit/s")]
    Mbps,
}

impl Unit {
    fn behind(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Self::None, _) => "",
            (Self::Share, Lang::En) => "%",
            (Self::Percent, Lang::En) => " %",
            (Self::Percent | Self::Share, _) => "%",
            (Self::Mbps, _) => " Mbit/s",
            (Self::Milliseconds, Lang::En) => " ms",
            (Self::Milliseconds, Lang::Ko) => "밀리초",
            (Self::Milliseconds, Lang::Zh) => " 毫秒",
            (Self::Seconds, Lang::En) => " s",
            (Self::Seconds, Lang::Ko) => "초",
            (Self::Seconds, Lang::Zh) => " 秒",
            (Self::Minutes, Lang::En) => " min",
            (Self::Minutes, Lang::Ko) => "분",
            (Self::Minutes, Lang::Zh) => " 分钟",
            (Self::Hours, Lang::En) => " h",
            (Self::Hours, Lang::Ko) => "시간",
            (Self::Hours, Lang::Zh) => " 小时",
            (Self::Days, Lang::En) => " d",
            (Self::Days, Lang::Ko) => "일",
            (Self::Days, Lang::Zh) => " 天",
        }
    }
}

impl Figure {
    /// A value with its unit, shown with so many digits behind the point.
    pub fn new(value: f64, decimals: u8, unit: Unit) -> Self {
        Self {
            value,
            decimals,
            unit,
        }
    }

    /// A stretch of time as an operator reads it: `0.4 ms`, `120 ms`, `3.0 s`.
    pub fn time(duration: Duration) -> Self {
        let seconds = duration.as_secs_f64();
        let ms = seconds * 1000.0;
        if ms < 10.0 {
            Self::new(ms, 1, Unit::Milliseconds)
        } else if ms < 1000.0 {
            Self::new(ms, 0, Unit::Milliseconds)
        } else {
            Self::new(seconds, 1, Unit::Seconds)
        }
    }

    /// Value and unit in a language.
    pub fn text(self, lang: Lang) -> String {
        let behind = self.unit.behind(lang);
        format!("{:.*}{behind}", usize::from(self.decimals), self.value)
    }
}

/// A term of the product that the catalogues have a word for; its English is its id, where it has
/// none of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub table: Table,
    pub key: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    english: Option<String>,
}

/// Where a term is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// Evidence groups: `reach`.
    Evidence,
    /// States of evidence groups: `reach.silent`.
    State,
    Cause,
    Action,
    Parameter,
    /// `public`, `private`.
    Path,
    Os,
    /// States of instances: `RUNNING`.
    InstanceState,
    /// Login health: `answers`.
    Login,
    Risk,
    /// Why an evidence group has no state: `not-permitted`.
    Status,
    /// How far a login had come: `authentication`.
    Stage,
}

impl Word {
    pub fn new(table: Table, key: impl Into<Cow<'static, str>>) -> Self {
        Self {
            table,
            key: key.into(),
            english: None,
        }
    }

    /// A cause, with its title in English.
    pub fn cause(id: &str, title: &str) -> Self {
        Self {
            english: (!title.is_empty()).then(|| title.to_owned()),
            ..Self::new(Table::Cause, id.to_owned())
        }
    }

    /// A state of an evidence group, by its constant.
    pub fn of(state: State<'_>) -> Self {
        Self::state(state.group, state.id)
    }

    /// A state of an evidence group.
    pub fn state(group: &str, state: &str) -> Self {
        Self::new(Table::State, format!("{group}.{state}"))
    }

    /// A state of an evidence group, in English without its hyphens.
    pub fn spelled(group: &str, state: &str) -> Self {
        Self {
            english: Some(state.replace('-', " ")),
            ..Self::state(group, state)
        }
    }

    /// An evidence group.
    pub fn evidence(id: &str) -> Self {
        Self::new(Table::Evidence, id.to_owned())
    }

    fn english(&self) -> &str {
        if let Some(english) = &self.english {
            return english;
        }
        match (self.table, self.key.split_once('.')) {
            (Table::State, Some((_, state))) => state,
            _ => &self.key,
        }
    }
}

/// Several arguments in a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    joint: Joint,
    items: Vec<Arg>,
}

/// What stands between the members of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Joint {
    /// Names in a row: `a, b`, in Chinese `a、b`.
    Names,
    /// Parts of a sentence: `a, b`, in Chinese `a，b`.
    Commas,
    /// Sentences: `a; b`, in Chinese `a；b`.
    Semicolons,
    /// `a b`, in Chinese `ab`.
    Spaces,
}

impl Joint {
    /// The mark in a language.
    pub fn text(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Self::Names, Lang::Zh) => "、",
            (Self::Commas, Lang::Zh) => "，",
            (Self::Names | Self::Commas, _) => ", ",
            (Self::Semicolons, Lang::Zh) => "；",
            (Self::Semicolons, _) => "; ",
            (Self::Spaces, Lang::Zh) => "",
            (Self::Spaces, _) => " ",
        }
    }
}

impl List {
    /// Names in a row.
    pub fn names<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> Self {
        Self::of(
            Joint::Names,
            items.into_iter().map(|i| Arg::Name(i.to_string())),
        )
    }

    /// Terms in a row.
    pub fn words(items: impl IntoIterator<Item = Word>) -> Self {
        Self::of(Joint::Names, items.into_iter().map(Arg::Word))
    }

    /// Sentences, or parts of one, in a row.
    pub fn said(joint: Joint, items: impl IntoIterator<Item = Said>) -> Self {
        Self::of(joint, items.into_iter().map(Arg::from))
    }

    /// The row in a language.
    pub fn in_words(&self, speech: &dyn Speech) -> String {
        let items = self.items.iter().map(|item| item.in_words(speech));
        let items: Vec<Cow<'_, str>> = items.collect();
        items.join(self.joint.text(speech.lang()))
    }

    /// Anything in a row.
    pub fn of(joint: Joint, items: impl IntoIterator<Item = Arg>) -> Self {
        let items = items.into_iter().collect();
        Self { joint, items }
    }
}

impl From<Raw> for Arg {
    fn from(value: Raw) -> Self {
        Self::Raw(value.0)
    }
}

impl From<Name> for Arg {
    fn from(value: Name) -> Self {
        Self::Name(value.0)
    }
}

impl From<Number> for Arg {
    fn from(value: Number) -> Self {
        Self::Number(value.0)
    }
}

impl From<Figure> for Arg {
    fn from(value: Figure) -> Self {
        Self::Figure(value)
    }
}

impl From<Word> for Arg {
    fn from(value: Word) -> Self {
        Self::Word(value)
    }
}

impl From<Said> for Arg {
    fn from(value: Said) -> Self {
        Self::Said(Box::new(value))
    }
}

impl From<List> for Arg {
    fn from(value: List) -> Self {
        Self::All(value)
    }
}

impl Arg {
    pub(super) fn english(&self) -> Cow<'_, str> {
        match self {
            Self::Raw(text) | Self::Name(text) => Cow::Borrowed(text),
            Self::Number(n) => Cow::Owned(n.to_string()),
            Self::Figure(figure) => Cow::Owned(figure.text(Lang::En)),
            Self::Word(word) => Cow::Borrowed(word.english()),
            Self::Said(said) => Cow::Borrowed(said.as_str()),
            Self::All(list) => {
                let items: Vec<Cow<'_, str>> = list.items.iter().map(Self::english).collect();
                Cow::Owned(items.join(list.joint.text(Lang::En)))
            }
        }
    }

    pub(super) fn in_words(&self, speech: &dyn Speech) -> Cow<'_, str> {
        match self {
            Self::Raw(_) | Self::Name(_) | Self::Number(_) => self.english(),
            Self::Figure(figure) => Cow::Owned(figure.text(speech.lang())),
            Self::Word(word) => {
                let found = speech.word(word).unwrap_or(word.english());
                Cow::Owned(found.to_owned())
            }
            Self::Said(said) => Cow::Owned(said.in_words(speech)),
            Self::All(list) => Cow::Owned(list.in_words(speech)),
        }
    }

    pub(super) fn mapped(self, text: &mut dyn FnMut(&str) -> String) -> Self {
        match self {
            Self::Raw(raw) => Self::Raw(text(&raw)),
            Self::Name(name) => Self::Name(text(&name)),
            Self::Said(said) => Self::from(said.mapped(text)),
            Self::All(list) => Self::All(List {
                joint: list.joint,
                items: list.items.into_iter().map(|it| it.mapped(text)).collect(),
            }),
            Self::Word(_) | Self::Number(_) | Self::Figure(_) => self,
        }
    }

    pub(super) fn clean(self) -> Self {
        let text = |text: &str| sanitise(text, MOST_SAVED_CHARS);
        match self {
            Self::Raw(raw) => Self::Raw(text(&raw)),
            Self::Name(name) => Self::Name(text(&name)),
            Self::Word(word) => Self::Word(Word {
                english: word.english.as_deref().map(text),
                ..Word::new(word.table, text(&word.key))
            }),
            Self::Said(said) => Self::from(Said::saved(
                said.as_str(),
                Some(said.tagged().unwrap_or_default()),
            )),
            Self::All(list) => Self::All(List {
                joint: list.joint,
                items: list.items.into_iter().map(Self::clean).collect(),
            }),
            Self::Number(_) | Self::Figure(_) => self,
        }
    }
}
