//! What `--help` and the man pages say beyond the options: exit statuses, examples, files, variables,
//! and the actions with their parameters.
//!
//! The texts are data (`assets/manual.toml`), or stand beside what they are about (settings, actions).
//! Must not live here: how a page is set (`man`), or an option and its help (`args`).

use std::fmt::Write as _;
use std::sync::OnceLock;

use serde::Deserialize;

use super::said;
use crate::action::catalog::{CATALOG, CatalogRow, Kind};
use crate::app::locale::Texts;
use crate::domain::action::ActionId;
use crate::domain::said::{Said, Table, Word};

const SHIPPED: &str = include_str!("../../assets/manual.toml");

/// The whole of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    /// Day of the release.
    pub date: String,
    /// Statuses of every page that has any.
    exits: Vec<(u8, String)>,
    #[serde(rename = "page")]
    pub pages: Vec<Page>,
    #[serde(rename = "file")]
    pub files: Vec<Place>,
    #[serde(rename = "variable")]
    pub variables: Vec<Variable>,
}

/// What one command has of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Empty for the console.
    #[serde(default)]
    pub name: String,
    pub about: Option<String>,
    exits: Vec<(u8, String)>,
    #[serde(rename = "example")]
    pub examples: Vec<Example>,
}

/// A command line that can be typed as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    pub run: String,
    pub says: String,
    /// What it ends with, where it may be run anywhere.
    pub status: Option<u8>,
}

/// A file, or a folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub path: String,
    pub says: String,
    #[serde(default)]
    pub of: Vec<String>,
}

/// A variable of the environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    pub name: String,
    pub says: String,
    #[serde(default)]
    pub of: Vec<String>,
}

impl Manual {
    /// The shipped one.
    pub fn shipped() -> &'static Self {
        static SHIPPED_ONCE: OnceLock<Manual> = OnceLock::new();
        SHIPPED_ONCE
            .get_or_init(|| toml::from_str(SHIPPED).expect("a test reads the shipped manual"))
    }

    /// The page of a command.
    pub fn page(&self, name: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.name == name)
    }

    /// Exit statuses of a page, in their order.
    pub fn exits<'a>(&'a self, page: &'a Page) -> Vec<(u8, &'a str)> {
        let all = page.exits.iter().chain(&self.exits);
        let mut all: Vec<_> = all.map(|(status, when)| (*status, when.as_str())).collect();
        all.sort_unstable();
        all
    }

    /// Every text in English.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let of_pages = self.pages.iter().flat_map(|page| {
            let exits = page.exits.iter().map(|(_, when)| when.as_str());
            let examples = page.examples.iter().map(|example| example.says.as_str());
            page.about
                .as_deref()
                .into_iter()
                .chain(exits)
                .chain(examples)
        });
        of_pages
            .chain(self.exits.iter().map(|(_, when)| when.as_str()))
            .chain(self.files.iter().map(|file| file.says.as_str()))
            .chain(self.variables.iter().map(|variable| variable.says.as_str()))
    }
}

/// What stands below the options of a command's `--help`.
pub fn help(name: &str, texts: &Texts) -> Option<String> {
    let manual = Manual::shipped();
    let page = manual.page(name)?;
    let mut out = String::new();
    let head = |out: &mut String, heading: Said| {
        let heading = texts.said(&said::section(heading));
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}{heading}");
    };
    if let Some(about) = &page.about {
        let _ = writeln!(out, "{}", texts.known(about));
    }
    if name == "act" {
        head(&mut out, said::heading_actions());
        for row in actions() {
            let _ = writeln!(out, "  {}  {}", row.id, texts.said(&told(row)));
            for (given, help) in parameters(row) {
                let _ = writeln!(out, "      {given}  {}", texts.said(&help));
            }
        }
    }
    head(&mut out, said::heading_exit_status());
    for (status, when) in manual.exits(page) {
        let _ = writeln!(out, "  {status}  {}", texts.known(when));
    }
    head(&mut out, said::heading_examples());
    for example in &page.examples {
        let _ = writeln!(out, "  {}", texts.known(&example.says));
        let _ = writeln!(out, "      {}", example.run);
    }
    out.truncate(out.trim_end().len());
    Some(out)
}

/// What `act` takes: the rest of the catalogue leads elsewhere.
pub fn actions() -> impl Iterator<Item = &'static CatalogRow> {
    let elsewhere = [ActionId::Ticket, ActionId::Advice, ActionId::ProviderProbe];
    CATALOG
        .iter()
        .filter(move |row| !elsewhere.contains(&row.id))
}

/// What an action does, where, and its risk.
pub fn told(row: &CatalogRow) -> Said {
    let risk = Word::new(Table::Risk, row.risk.as_str());
    match row.only_on {
        None => said::an_action((row.title)(), risk),
        Some(os) => {
            let os = Word::new(Table::Os, os.as_str());
            said::an_action_on((row.title)(), os, risk)
        }
    }
}

/// Each parameter of an action as it is given, and what it means.
pub fn parameters(row: &CatalogRow) -> impl Iterator<Item = (String, Said)> {
    row.parameters.iter().map(|one| {
        let help = if one.required {
            said::required((one.help)())
        } else {
            (one.help)()
        };
        (format!("{}={}", one.name, shape(one.kind)), help)
    })
}

/// What a value looks like.
fn shape(kind: Kind) -> String {
    match kind {
        Kind::Port => "PORT".to_owned(),
        Kind::Number(least, most) => format!("{least}..{most}"),
        Kind::Choice(words) => words.join("|"),
        Kind::Source => "user|here|any|ADDR|NET".to_owned(),
        Kind::Address => "ADDR".to_owned(),
        Kind::User => "USER".to_owned(),
        Kind::Id(prefixes) => {
            let ids = prefixes.iter().map(|prefix| format!("{prefix}ID"));
            ids.collect::<Vec<_>>().join("|")
        }
    }
}
