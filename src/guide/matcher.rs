//! Which guides fit a case: by weighed causes, pasted messages, readings, system, and words.
//!
//! Lives here: scores and the reason for each. Must not live here: the weighing of causes
//! (`diagnosis`), the recognition of messages (`client_text`).

use super::concepts::Described;
use super::library::{Guide, GuideOs, Lang, Library};
use super::said;
use super::words::Fit;
use crate::client_text::{self, Recognised};
use crate::domain::evidence::{Source, Status};
use crate::domain::instance::Os;
use crate::domain::report::{GuideMatch, Report};
use crate::domain::said::{List, Said, Word};
use crate::domain::text::sanitise;

/// Guides that a case is shown.
const MAX_MATCHES: usize = 8;
/// Bytes of a text in which words are looked for; messages are found in all of it.
const MAX_WORDS: usize = 4_000;
/// Below this a guide is not shown.
const MIN_SCORE: f64 = 0.08;

/// A message that a guide is the first for.
const ERROR_FIRST: f64 = 0.92;
/// A message that a guide also helps with.
const ERROR_RELATED: f64 = 0.55;
/// The same through a reading, which does not tell messages of one state apart.
const READING_FIRST: f64 = 0.5;
const READING_RELATED: f64 = 0.2;
/// Words alone never outweigh a message.
const WORDS: f64 = 0.8;
/// A description beside a message that is known: what the client printed says more.
const BESIDE_MESSAGE: f64 = 0.4;
/// Where to start, when a message is none that is known.
const START: (&str, f64) = ("login-failure-overview", 0.12);
/// Guides for every failed login: their symptoms are part of most descriptions.
const GENERAL: &[&str] = &[START.0, "linux-login-failure", "windows-login-failure"];
/// A whole symptom, word for word.
const SYMPTOM: f64 = 0.85;

/// What a case offers for finding guides. Any part may be empty.
#[derive(Debug, Clone, Default)]
pub struct MatchInput {
    pub os: Os,
    /// Cause and probability.
    pub causes: Vec<(String, f64)>,
    /// Group and state of what was observed.
    pub readings: Vec<(String, String)>,
    /// What the user's client printed.
    pub pasted: String,
    /// What somebody said about the problem.
    pub words: String,
}

impl MatchInput {
    /// The weighed causes and observed readings of a diagnosis.
    pub fn from_report(report: &Report) -> Self {
        let readings = report
            .evidence
            .iter()
            .filter(|r| r.status == Status::Observed)
            .filter_map(|r| Some((r.id.clone(), r.state.clone()?)))
            .collect();
        // An operator's reading quotes the matched text, which tells more than its state.
        let quoted: Vec<&str> = report
            .evidence
            .iter()
            .filter(|r| r.status == Status::Observed && r.source == Source::Operator)
            .map(|r| r.detail.as_str())
            .collect();
        Self {
            pasted: quoted.join("\n\n"),
            os: report.instance.os,
            causes: report
                .causes
                .iter()
                .map(|cause| (cause.id.clone(), cause.probability))
                .collect(),
            readings,
            ..Self::default()
        }
    }
}

/// What speaks for a guide.
#[derive(Debug, Default)]
struct Score {
    /// Chance that nothing so far made the guide fit.
    miss: f64,
    /// The strongest reason and its worth.
    reason: (f64, Said),
}

impl Score {
    fn new() -> Self {
        Self {
            miss: 1.0,
            reason: (0.0, Said::default()),
        }
    }

    fn add(&mut self, worth: f64, reason: impl FnOnce() -> Said) {
        if worth <= 0.0 {
            return;
        }
        self.miss *= 1.0 - worth;
        if worth > self.reason.0 {
            self.reason = (worth, reason());
        }
    }

    fn total(&self) -> f64 {
        1.0 - self.miss
    }
}

/// The guides that fit, best first, with title and reason in or for that language.
pub fn match_guides(library: &Library, input: &MatchInput, lang: Lang) -> Vec<GuideMatch> {
    let messages = client_text::recognise(&input.pasted);
    let words = [&input.words, &input.pasted].map(|text| cut(text, MAX_WORDS));
    let words = words.join("\n");
    let fits = if words.trim().is_empty() {
        vec![Fit::default(); library.guides().len()]
    } else {
        library.index().fits(&words)
    };
    let described = Described::new(&words, input.os);
    // A message tells the system more surely than words do.
    let (hint, foreign) = match os_hint(&messages) {
        Os::Unknown => (described.os, 0.5),
        told => (told, 0.3),
    };
    let chief = chief_shares(library, input);
    let is_unknown = messages
        .iter()
        .any(|m| m.state == client_text::UNRECOGNISED);
    let is_known = messages.iter().any(|m| !m.class.is_empty());
    let beside = if is_known { BESIDE_MESSAGE } else { 1.0 };
    let mut found: Vec<(f64, f64, GuideMatch)> = Vec::new();
    for (guide, fit) in library.guides().iter().zip(&fits) {
        if !guide.os.fits(input.os) {
            continue;
        }
        let mut score = Score::new();
        by_messages(guide, &messages, &input.pasted, &mut score);
        by_readings(guide, &input.readings, &mut score);
        by_causes(guide, &input.causes, &chief, &mut score);
        by_words(
            fit,
            &input.words,
            GENERAL.contains(&guide.slug.as_str()),
            &mut score,
        );
        by_description(guide, &described, beside, &mut score);
        let mut total = score.total();
        if is_unknown && guide.slug == START.0 && total < START.1 {
            total = START.1;
            score.reason.1 = said::start();
        }
        if input.os == Os::Unknown && !guide.os.fits(hint) {
            total *= foreign;
        }
        if total >= MIN_SCORE {
            found.push((
                total,
                specificity(guide, input.os, hint),
                GuideMatch {
                    slug: guide.slug.clone(),
                    title: guide.text(lang).title.clone(),
                    score: (total * 1_000.0).round() / 1_000.0,
                    reason: score.reason.1,
                },
            ));
        }
    }
    // Equal scores: the guide that is about less comes first.
    found.sort_by(|a, b| {
        let by_score = b.2.score.total_cmp(&a.2.score);
        by_score.then_with(|| b.1.total_cmp(&a.1))
    });
    found.truncate(MAX_MATCHES);
    found.into_iter().map(|(_, _, found)| found).collect()
}

/// Guides for words of an operator, best first; an empty text lists all.
pub fn search(library: &Library, text: &str, lang: Lang) -> Vec<GuideMatch> {
    if text.trim().is_empty() {
        let all = library.guides().iter().map(|guide| GuideMatch {
            slug: guide.slug.clone(),
            title: guide.text(lang).title.clone(),
            score: 0.0,
            reason: Said::default(),
        });
        return all.collect();
    }
    // A slug, or the beginning of one, is the surest of words.
    let wanted = text.trim().to_ascii_lowercase();
    let input = MatchInput {
        words: text.to_owned(),
        pasted: text.to_owned(),
        ..MatchInput::default()
    };
    let mut found = match_guides(library, &input, lang);
    found.sort_by_key(|m| !m.slug.starts_with(&wanted));
    found
}

fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn by_messages(guide: &Guide, messages: &[Recognised], pasted: &str, score: &mut Score) {
    for message in messages {
        let worth = worth_of(guide, &message.class, ERROR_FIRST, ERROR_RELATED);
        let worth = if message.partial { worth * 0.8 } else { worth };
        score.add(worth, || {
            let part = pasted.get(message.span.clone()).unwrap_or_default();
            said::error_text(sanitise(part, 60))
        });
    }
}

fn worth_of(guide: &Guide, class: &str, first: f64, related: f64) -> f64 {
    if guide.errors.iter().any(|own| own == class) {
        first
    } else if guide.related_errors.iter().any(|own| own == class) {
        related
    } else {
        0.0
    }
}

fn by_readings(guide: &Guide, readings: &[(String, String)], score: &mut Score) {
    for (group, state) in readings {
        let worth = client_text::classes_of(group, state)
            .map(|class| worth_of(guide, class, READING_FIRST, READING_RELATED))
            .fold(0.0, f64::max);
        score.add(worth, || {
            said::evidence(Word::evidence(group), Word::state(group, state))
        });
    }
}

/// How much of a guide is about a cause: less the later it is named and the more others are.
fn share_of(guide: &Guide, cause: &str) -> f64 {
    let breadth = 1.0 + 0.05 * guide.causes.len().saturating_sub(1) as f64;
    let place = guide.causes.iter().position(|own| own == cause);
    place.map_or(0.0, |place| 1.0 / (1.0 + 0.3 * place as f64) / breadth)
}

/// The best share that any fitting guide has of each cause: that guide gets its whole
/// probability, the others their part of it.
fn chief_shares(library: &Library, input: &MatchInput) -> Vec<f64> {
    let share = |cause: &str| {
        let fitting = library.guides().iter().filter(|g| g.os.fits(input.os));
        fitting.map(|g| share_of(g, cause)).fold(0.0, f64::max)
    };
    input.causes.iter().map(|(cause, _)| share(cause)).collect()
}

fn by_causes(guide: &Guide, causes: &[(String, f64)], chief: &[f64], score: &mut Score) {
    let mut total = 0.0;
    let mut best = (0.0, "");
    for ((cause, probability), chief) in causes.iter().zip(chief) {
        let share = share_of(guide, cause);
        if share <= 0.0 {
            continue;
        }
        let worth = probability * share / chief;
        total += worth;
        if worth > best.0 {
            best = (worth, cause);
        }
    }
    score.add(total.min(0.99), || said::cause(Word::cause(best.1, "")));
}

fn by_words(fit: &Fit, asked: &str, is_general: bool, score: &mut Score) {
    let worth = if fit.symptom > 0 {
        // A longer symptom says more; one of a guide for every failed login, less than others.
        let general = if is_general { 0.5 } else { 1.0 };
        general * (SYMPTOM - 1.0 / (1.0 + fit.symptom as f64 / 2.0))
    } else {
        0.0
    };
    score.add(worth, said::symptom);
    // What a client printed is judged by its message first; its words only part equals.
    let scale = if asked.trim().is_empty() { 0.5 } else { 1.0 };
    score.add(WORDS * scale * fit.coverage, || {
        said::words(List::names(&fit.words))
    });
}

fn by_description(guide: &Guide, described: &Described, scale: f64, score: &mut Score) {
    score.add(scale * described.worth(&guide.slug), || {
        let parts = described.parts(&guide.slug);
        said::words(List::names(parts.iter().map(|part| sanitise(part, 40))))
    });
}

fn os_hint(messages: &[Recognised]) -> Os {
    let mut hint = Os::Unknown;
    for message in messages {
        if message.os != Os::Unknown && hint != Os::Unknown && hint != message.os {
            return Os::Unknown;
        }
        if message.os != Os::Unknown {
            hint = message.os;
        }
    }
    hint
}

/// More for a guide that is made for this system and treats few causes.
fn specificity(guide: &Guide, os: Os, hint: Os) -> f64 {
    let os = if os == Os::Unknown { hint } else { os };
    let own = if guide.os != GuideOs::Both && os != Os::Unknown {
        1.0
    } else {
        0.0
    };
    own + 1.0 / (1.0 + guide.causes.len() as f64)
}
