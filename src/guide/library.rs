//! All guides in all languages: the shipped ones, and those that an operator adds or overrides.
//!
//! Lives here: front matter, the table of shipped files, lint. Must not live here: reading files
//! (the texts come in), and which guide fits a case (`matcher`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde::Deserialize;

use super::markdown::{self, Document, Problem};
use super::said;
use super::words::Index;
use crate::client_text;
use crate::domain::instance::Os;
pub use crate::domain::lang::Lang;
use crate::domain::said::Said;
use crate::domain::text::sanitise;

/// Bytes of a guide that are read; a longer file is refused.
pub const MAX_GUIDE: usize = 256 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    slug: String,
    title: String,
    os: GuideOs,
    causes: Vec<String>,
    /// Kinds of message (`class` of `client-errors.toml`) that this guide is the first for.
    #[serde(default)]
    errors: Vec<String>,
    /// Kinds of message that it also helps with.
    #[serde(default)]
    related_errors: Vec<String>,
    symptoms: Vec<String>,
    /// Documents on the subject: addresses of the web, or names of one's own.
    #[serde(default)]
    documents: Vec<String>,
    reviewed: String,
}

/// Systems that a guide is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuideOs {
    Both,
    Linux,
    Windows,
}

impl GuideOs {
    /// Whether the guide may fit an instance of this system.
    pub fn fits(self, os: Os) -> bool {
        matches!(
            (self, os),
            (Self::Both, _)
                | (_, Os::Unknown)
                | (Self::Linux, Os::Linux)
                | (Self::Windows, Os::Windows)
        )
    }

    /// The word used in front matter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}

/// What a guide says in one language.
#[derive(Debug, Clone)]
pub struct GuideText {
    pub title: String,
    /// What a user would say or see.
    pub symptoms: Vec<String>,
    pub document: Document,
}

/// One guide in every language it is written in.
#[derive(Debug, Clone)]
pub struct Guide {
    pub slug: String,
    pub os: GuideOs,
    /// Causes it treats, the chief one first.
    pub causes: Vec<String>,
    pub errors: Vec<String>,
    pub related_errors: Vec<String>,
    pub documents: Vec<String>,
    /// Date of the last review, `2026-11-23`.
    pub reviewed: String,
    /// True when an operator's own file stands for or beside the shipped one.
    pub is_own: bool,
    pub texts: BTreeMap<Lang, GuideText>,
}

impl Guide {
    /// The text in that language, or the best there is.
    pub fn text(&self, lang: Lang) -> &GuideText {
        self.texts
            .get(&lang)
            .or_else(|| self.texts.get(&Lang::En))
            .or_else(|| self.texts.values().next())
            .expect("a guide is made with its first text")
    }
}

/// A file of the operator's guide folder: where it is, its language, what is in it.
#[derive(Debug, Clone)]
pub struct OwnFile {
    /// As shown in messages.
    pub path: String,
    pub lang: Lang,
    pub text: String,
}

/// A mistake in a guide, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct LintError {
    pub path: String,
    pub line: usize,
    pub fault: Said,
}

impl LintError {
    /// The sentence.
    pub fn said(&self) -> Said {
        said::lint_at(&self.path, self.line, &self.fault)
    }
}

/// All guides, in the order of the index.
#[derive(Default)]
pub struct Library {
    guides: Vec<Guide>,
    index: OnceLock<Index>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slugs = self.guides.iter().map(|g| &g.slug);
        f.debug_list().entries(slugs).finish()
    }
}

macro_rules! shipped {
    ($($slug:literal),+ $(,)?) => {
        /// Every shipped guide: slug and its texts in English, Korean and Chinese.
        const SHIPPED: &[(&str, [&str; 3])] = &[$((
            $slug,
            [
                include_str!(concat!("../../assets/guides/en/", $slug, ".md")),
                include_str!(concat!("../../assets/guides/ko/", $slug, ".md")),
                include_str!(concat!("../../assets/guides/zh/", $slug, ".md")),
            ],
        )),+];
    };
}

shipped!(
    "login-failure-overview",
    "windows-login-failure",
    "linux-login-failure",
    "linux-ssh-failure",
    "windows-rdp-no-permission",
    "windows-mac-rdp",
    "windows-auth-error",
    "windows-nla-required",
    "windows-cannot-connect",
    "windows-credentials",
    "windows-license",
    "windows-port-issue",
    "windows-3389-abnormal",
    "windows-high-cpu-mem",
    "windows-password-reset",
    "windows-agent-check",
    "linux-high-cpu-mem",
    "linux-port-issue",
    "linux-sshd-permissions",
    "linux-pam-module-unknown",
    "linux-accepted-then-refused",
    "linux-account-locked",
    "linux-btmp-oversized",
    "linux-nofile-limits",
    "linux-profile-loop",
    "linux-fstab",
    "linux-vnc-rescue",
    "linux-missing-links",
    "linux-memory",
    "linux-disk",
    "linux-malware",
    "bandwidth-high",
    "security-group",
    "isolated",
    "ddos-blocked",
    "arrears",
    "ping-failure",
    "packet-loss",
    "restart-instance",
    "shutdown-restart-failure",
    "platform-maintenance",
    "change-login-port",
);

/// The guides in force, once somebody has asked for them or put others in force.
static IN_FORCE: OnceLock<Library> = OnceLock::new();

/// The guides in force: the shipped ones, unless others were put in force at the start.
pub fn library() -> &'static Library {
    IN_FORCE.get_or_init(|| Library::shipped().0)
}

/// Puts a library in force for the whole run. False when one is in use already.
pub fn put_in_force(library: Library) -> bool {
    IN_FORCE.set(library).is_ok()
}

impl Library {
    /// The shipped guides and what is wrong with them (nothing: a test reads it).
    pub fn shipped() -> (Self, Vec<LintError>) {
        let mut library = Self::default();
        let mut errors = Vec::new();
        for (slug, texts) in SHIPPED {
            for (lang, text) in Lang::ALL.into_iter().zip(texts) {
                let path = format!("assets/guides/{}/{slug}.md", lang.as_str());
                library.add(&path, lang, text, false, &mut errors);
            }
        }
        library.check_links(&mut errors);
        (library, errors)
    }

    /// The shipped guides with an operator's own beside or over them.
    ///
    /// A file that cannot be read as a guide is left out and named; smaller mistakes are named
    /// and the guide is used. `is_cause` tells which causes the knowledge in force has.
    pub fn with_own(files: &[OwnFile], is_cause: &dyn Fn(&str) -> bool) -> (Self, Vec<LintError>) {
        let (mut library, mut errors) = Self::shipped();
        for file in files {
            let slug = library.add(&file.path, file.lang, &file.text, true, &mut errors);
            if let Some(guide) = slug.and_then(|slug| library.get(&slug)) {
                let line = line_of(&file.text, "causes");
                for cause in guide.causes.iter().filter(|cause| !is_cause(cause)) {
                    errors.push(LintError {
                        path: file.path.clone(),
                        line,
                        fault: said::lint_cause(sanitise(cause, 60)),
                    });
                }
            }
        }
        library.check_links(&mut errors);
        (library, errors)
    }

    /// All guides in the order of the index.
    pub fn guides(&self) -> &[Guide] {
        &self.guides
    }

    /// The guide of that slug.
    pub fn get(&self, slug: &str) -> Option<&Guide> {
        self.guides.iter().find(|guide| guide.slug == slug)
    }

    /// The word index, made when first needed.
    pub(super) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.guides))
    }

    /// Adds one text; the slug of its guide, or nothing when it could not be read.
    fn add(
        &mut self,
        path: &str,
        lang: Lang,
        text: &str,
        own: bool,
        errors: &mut Vec<LintError>,
    ) -> Option<String> {
        let at = |problem: Problem| LintError {
            path: path.to_owned(),
            line: problem.line,
            fault: problem.fault,
        };
        let (front, body, body_line) = match split(text) {
            Ok(parts) => parts,
            Err(problem) => {
                errors.push(at(problem));
                return None;
            }
        };
        let (document, problems) = markdown::parse(body);
        errors.extend(problems.into_iter().map(|problem| {
            at(Problem {
                line: problem.line + body_line,
                ..problem
            })
        }));
        errors.extend(lint_front(&front, text).into_iter().map(at));
        let guide_text = GuideText {
            title: sanitise(&front.title, 120),
            symptoms: front.symptoms.iter().map(|s| sanitise(s, 200)).collect(),
            document,
        };
        let slug = front.slug.clone();
        match self.guides.iter_mut().find(|g| g.slug == slug) {
            Some(guide) if own => {
                // The first own file of a slug replaces what was shipped, in every language.
                if !guide.is_own {
                    *guide = new_guide(front, true);
                }
                guide.texts.insert(lang, guide_text);
            }
            Some(guide) => {
                if !same_facts(guide, &front) {
                    errors.push(at(Problem {
                        line: 1,
                        fault: said::lint_differs(),
                    }));
                }
                guide.texts.insert(lang, guide_text);
            }
            None => {
                let mut guide = new_guide(front, own);
                guide.texts.insert(lang, guide_text);
                self.guides.push(guide);
            }
        }
        Some(slug)
    }

    fn check_links(&self, errors: &mut Vec<LintError>) {
        for guide in &self.guides {
            for (lang, text) in &guide.texts {
                for slug in text.document.links() {
                    if self.get(slug).is_none() {
                        errors.push(LintError {
                            path: format!("{}/{}.md", lang.as_str(), guide.slug),
                            line: 1,
                            fault: said::lint_link(slug),
                        });
                    }
                }
            }
        }
    }
}

/// Addresses and names of documents, fit to be shown.
fn clean(documents: &[String]) -> Vec<String> {
    documents.iter().map(|one| sanitise(one, 500)).collect()
}

fn new_guide(front: FrontMatter, is_own: bool) -> Guide {
    Guide {
        slug: front.slug,
        os: front.os,
        causes: front.causes,
        errors: front.errors,
        related_errors: front.related_errors,
        documents: clean(&front.documents),
        reviewed: front.reviewed,
        is_own,
        texts: BTreeMap::new(),
    }
}

fn same_facts(guide: &Guide, front: &FrontMatter) -> bool {
    guide.os == front.os
        && guide.causes == front.causes
        && guide.errors == front.errors
        && guide.related_errors == front.related_errors
        && guide.documents == clean(&front.documents)
        && guide.reviewed == front.reviewed
}

/// What is wrong with the text of one guide, looked at alone.
pub fn check(text: &str) -> Vec<Problem> {
    match split(text) {
        Ok((front, body, _)) => {
            let mut problems = lint_front(&front, text);
            problems.extend(markdown::parse(body).1);
            problems
        }
        Err(problem) => vec![problem],
    }
}

/// Front matter between two lines `+++`, the body, and the lines before the body.
fn split(text: &str) -> Result<(FrontMatter, &str, usize), Problem> {
    let first = |fault| Problem { line: 1, fault };
    if text.len() > MAX_GUIDE {
        return Err(first(said::lint_long()));
    }
    let rest = text
        .strip_prefix("+++\n")
        .or_else(|| text.strip_prefix("+++\r\n"))
        .ok_or_else(|| first(said::lint_no_front()))?;
    let end = rest
        .find("\n+++")
        .ok_or_else(|| first(said::lint_no_end()))?;
    let head = &rest[..=end];
    let front: FrontMatter = toml::from_str(head).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(head.len()));
        Problem {
            line: head[..at].matches('\n').count() + 2,
            fault: said::lint_front(sanitise(error.message(), 200)),
        }
    })?;
    let body_at = rest[end + 1..]
        .find('\n')
        .map_or(rest.len(), |i| end + i + 2);
    let before = text.len() - rest.len() + body_at;
    Ok((
        front,
        &rest[body_at..],
        text[..before].matches('\n').count(),
    ))
}

fn line_of(text: &str, key: &str) -> usize {
    text.lines()
        .position(|line| line.starts_with(key))
        .map_or(1, |index| index + 1)
}

fn lint_front(front: &FrontMatter, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |key: &str, fault: Said| {
        problems.push(Problem {
            line: line_of(text, key),
            fault,
        });
    };
    let is_slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if front.slug.is_empty() || !front.slug.chars().all(is_slug) {
        say("slug", said::lint_slug());
    }
    if front.title.trim().is_empty() {
        say("title", said::lint_title());
    }
    if front.symptoms.is_empty() {
        say("symptoms", said::lint_symptoms());
    }
    if front.reviewed.parse::<jiff::civil::Date>().is_err() {
        say(
            "reviewed",
            said::lint_reviewed(sanitise(&front.reviewed, 20)),
        );
    }
    for (key, list) in [
        ("errors", &front.errors),
        ("related_errors", &front.related_errors),
    ] {
        for class in list {
            if !client_text::classes().any(|known| known == class) {
                say(key, said::lint_class(sanitise(class, 60)));
            }
        }
    }
    problems
}
