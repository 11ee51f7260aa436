//! A report as text for a person at a terminal: the verdict, why, what to do as commands to copy,
//! what would tell more, what was not seen; every fact where it is asked for.
//!
//! Must not live here: how anything in it is computed (`diagnosis`), where lines break (`page`).

use super::again;
use super::output::{said as in_words, texts};
use super::page::{Page, Tone};
use super::said;
use crate::app::locale::{Lang, fill};
use crate::diagnosis::said::no_such_cause;
use crate::diagnosis::{Knowledge, asks_for_way, display, why_not};
use crate::domain::evidence::table::{Group, Way};
use crate::domain::evidence::{Path, Reading, Status};
use crate::domain::report::{CauseProbability, NextEvidence, RankedAction, Report, Verdict};
use crate::domain::said::{List, Said, Table, Word};

mod reasons;

/// Causes that are shown, and the least that each must hold.
const MAX_CAUSES: usize = 3;
const MIN_SHOWN: f64 = 0.05;
/// Readings to get next, repairs, and guides.
const MAX_NEXT: usize = 2;
const MAX_ACTIONS: usize = 3;
const MAX_GUIDES: usize = 1;
/// An action that cures more seldom is listed with all of them only.
const WORTH_SHOWING: f64 = 0.05;
/// Share from which the first cause is named in the verdict.
const NAMED: f64 = 0.4;
/// How far a text below a heading is set in, and what belongs to it.
const IN: usize = 2;
const FURTHER: usize = 5;

/// How a report is shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The instance as the commands name it; empty where there is none to name.
    pub target: &'a str,
    /// The options of a further diagnosis that hold what was told to this one.
    pub told: &'a [String],
    /// Every fact, cause, reason, action and guide.
    pub all: bool,
}

/// The whole report.
pub fn text(page: &mut Page, report: &Report, shown: Shown<'_>) {
    page.gap();
    head(page, report, shown.all);
    reasons::causes(page, report, shown.all);
    doubts(page, report);
    actions(page, report, shown);
    next(page, report, shown);
    guides(page, report, shown.all);
    not_seen(page, report);
    if shown.all {
        facts(page, report);
    }
    notes(page, report);
    if !shown.all {
        let seen = of_status(report, |status| status == Status::Observed).count();
        page.gap();
        page.put(0, Tone::Dim, &in_words(&said::all_facts(seen)));
    }
}

/// Actions by their titles; in English by their ids, which is what a command takes.
pub(super) fn actions_by_id(ids: &[String]) -> List {
    List::words(ids.iter().map(|id| Word::new(Table::Action, id.clone())))
}

/// Why a cause does not lead; a sentence where the report does not hold it.
pub fn why_not_text(page: &mut Page, knowledge: &Knowledge, report: &Report, cause: &str) {
    page.gap();
    match why_not(knowledge, report, cause) {
        Some(why) => {
            for (row, text) in why.lines().iter().enumerate() {
                let (indent, tone) = if row == 0 {
                    (0, Tone::Strong)
                } else {
                    (IN, Tone::Plain)
                };
                page.put(indent, tone, &in_words(text));
            }
        }
        None => {
            let known = report.causes.iter().map(|c| c.id.as_str());
            let text = no_such_cause(cause, List::names(known));
            page.put(0, Tone::Plain, &in_words(&text));
        }
    }
}

/// Most ids that are named beside a wrong one.
const NEAR: usize = 5;

/// That there is no cause of an id, with the ids that are near; `None` where there is one.
pub fn unknown_cause(knowledge: &Knowledge, given: &str) -> Option<Said> {
    let given = crate::domain::text::sanitise(given, 60);
    let known: Vec<&str> = knowledge.causes.iter().map(|c| c.id.as_str()).collect();
    if known.contains(&given.as_str()) {
        return None;
    }
    // A part of an id is nearer than letters that happen to agree.
    let shared = |id: &str| {
        let parts = given.split('-').filter(|part| part.len() > 2);
        parts.filter(|part| id.contains(part)).count()
    };
    let distance = |id: &str| strsim::levenshtein(&given, id);
    let mut near = known;
    near.sort_by_key(|id| (std::cmp::Reverse(shared(id)), distance(id)));
    near.truncate(NEAR);
    Some(said::no_cause_of_that_id(given, List::names(near)))
}

/// English keeps the title of the knowledge in force, which an operator may have changed.
fn title(cause: &CauseProbability) -> &str {
    if texts().lang() == Lang::En {
        &cause.title
    } else {
        texts().cause(&cause.id, &cause.title)
    }
}

/// The verdict in one word.
pub(super) fn verdict(verdict: Verdict) -> Said {
    match verdict {
        Verdict::Healthy => said::healthy(),
        Verdict::Faulty => said::faulty(),
        Verdict::Inconclusive => said::inconclusive(),
    }
}

fn head(page: &mut Page, report: &Report, all: bool) {
    let i = &report.instance;
    let ui = &texts().ui;
    let name = [&i.name, &i.id].into_iter().find(|name| !name.is_empty());
    let name = name.cloned().unwrap_or_else(|| in_words(&said::a_case()));
    let first = report.causes.first().filter(|c| c.probability >= NAMED);
    let keys = display::unproven_keys(report);
    let (tone, text) = match (report.verdict, first) {
        (Verdict::Healthy, _) if keys.is_some() => (Tone::Good, ui.verdict_healthy_so_far.clone()),
        (Verdict::Healthy, _) => (Tone::Good, ui.verdict_healthy.clone()),
        (Verdict::Inconclusive, _) => (Tone::Warn, ui.verdict_inconclusive.clone()),
        (Verdict::Faulty, Some(cause)) => {
            let word = texts().likelihood(display::capped(report, cause));
            let values = [("cause", title(cause)), ("word", word)];
            (Tone::Bad, fill(&ui.verdict_faulty_cause, &values))
        }
        (Verdict::Faulty, None) => (Tone::Bad, ui.verdict_faulty.clone()),
    };
    let mark = texts().labelled(&name, "");
    page.hang(0, &mark, Tone::Strong, tone, &text);
    if let Some(keys) = &keys {
        let values = [
            ("keys", keys.as_str()),
            ("login", "--try-login"),
            ("paste", "--error-text"),
        ];
        page.put(IN, Tone::Warn, &fill(&ui.key_unproven, &values));
    }
    if let Some(vantages) = display::vantages(report) {
        page.put(IN, Tone::Plain, &in_words(&vantages));
    }
    let id = Some(i.id.clone()).filter(|id| !id.is_empty() && *id != name);
    let state = (!i.state.is_empty()).then(|| texts().instance_state(&i.state).to_owned());
    let port = format!("{} {}", ui.port, i.login_port);
    let share = format!("{:.0}%", (report.coverage * 100.0).clamp(0.0, 100.0));
    let about: Vec<String> = [
        id,
        Some(i.region.clone()).filter(|region| !region.is_empty()),
        Some(texts().os(i.os).to_owned()),
        state,
        Some(port),
        Some(fill(&ui.coverage, &[("share", &share)])),
        (all && !report.knowledge.is_empty())
            .then(|| in_words(&said::knowledge(&report.knowledge))),
    ]
    .into_iter()
    .flatten()
    .collect();
    page.put(0, Tone::Dim, &texts().listed(&about));
    if asks_for_way(report) {
        let text = fill(&ui.verdict_way_open, &[("key", "--user-way")]);
        page.put(0, Tone::Warn, &text);
    }
}

/// What speaks against the verdict as a whole.
fn doubts(page: &mut Page, report: &Report) {
    if let Some(conflict) = &report.conflict {
        let what = if conflict.surprising.is_empty() {
            said::disagrees()
        } else {
            let places = display::surprising(report).into_iter();
            let named = places.map(|(id, path)| texts().evidence_on(id, path));
            said::disagrees_at(List::names(named.collect::<Vec<_>>()))
        };
        page.put(IN, Tone::Warn, &in_words(&what));
    }
    if display::abstains(report) {
        page.put(IN, Tone::Warn, &in_words(&said::hand_over()));
    }
}

fn heading(page: &mut Page, title: &str) {
    page.gap();
    page.put(0, Tone::Strong, title);
}

/// Repairs with their odds and their commands.
fn actions(page: &mut Page, report: &Report, shown: Shown<'_>) {
    let healthy = report.verdict == Verdict::Healthy;
    let most = if shown.all { usize::MAX } else { MAX_ACTIONS };
    let mut offers = report.actions.iter().enumerate();
    // With nothing to cure the list holds what else could be tried.
    let wanted = |(place, offer): &(usize, &RankedAction)| {
        shown.all || !healthy && (*place == 0 || offer.probability_cures >= WORTH_SHOWING)
    };
    let offers: Vec<&RankedAction> = offers
        .by_ref()
        .filter(wanted)
        .map(|(_, offer)| offer)
        .take(most)
        .collect();
    if offers.is_empty() {
        return;
    }
    heading(page, &texts().ui.do_next);
    for (place, offer) in offers.into_iter().enumerate() {
        self::offer(page, Some(place + 1), offer, shown.target);
    }
}

/// One repair: what it is, its odds and risk, and the command that previews it.
pub(super) fn offer(page: &mut Page, place: Option<usize>, offer: &RankedAction, target: &str) {
    let ui = &texts().ui;
    // English keeps the title of the knowledge in force.
    let title = match texts().lang() {
        Lang::En => offer.title.to_string(),
        _ => texts().offer(offer),
    };
    let share = display::percent(offer.probability_cures.min(0.97));
    let mut notes = vec![fill(&ui.cures, &[("share", &share)])];
    if again::of_offer(target, offer).is_some() {
        notes.push(texts().risk(offer.risk).to_owned());
        if offer.reversible {
            notes.push(ui.reversible.clone());
        }
    }
    let text = texts().noted(&title, &texts().listed(&notes));
    let mark = place.map_or_else(|| "-  ".to_owned(), |place| format!("{place}. "));
    page.hang(IN, &mark, Tone::Strong, Tone::Plain, &text);
    match again::of_offer(target, offer) {
        _ if target.is_empty() => {}
        Some(command) => {
            page.command(FURTHER, &command);
            let open = again::to_choose(offer);
            if !open.is_empty() {
                let text = said::add_options(List::names(open));
                page.put(FURTHER, Tone::Warn, &in_words(&text));
            }
        }
        None => {
            let advice = offer.parameters.get("text").and_then(|text| text.as_str());
            let advice = texts().known(advice.unwrap_or_default());
            if advice != title {
                page.put(FURTHER, Tone::Plain, advice);
            }
        }
    }
}

/// The readings that would tell most, and how each is got.
fn next(page: &mut Page, report: &Report, shown: Shown<'_>) {
    let most = if shown.all { usize::MAX } else { MAX_NEXT };
    let wanted = report.next_evidence.iter().take(most);
    let mut ways: Vec<(Vec<&NextEvidence>, Got)> = Vec::new();
    for one in wanted {
        let got = got(report, one, shown);
        match ways.iter_mut().find(|(_, known)| *known == got) {
            Some((same, _)) => same.push(one),
            None => ways.push((vec![one], got)),
        }
    }
    if ways.is_empty() {
        return;
    }
    let ui = &texts().ui;
    heading(page, &ui.next_evidence);
    for (evidence, got) in ways {
        let names: Vec<String> = evidence
            .iter()
            .map(|one| texts().evidence_on(&one.id, one.path))
            .collect();
        let best = evidence.iter().map(|one| one.bits).fold(0.0, f64::max);
        let cost = evidence.iter().map(|one| one.cost_s).fold(0.0, f64::max);
        let price = texts().price(best, cost);
        let text = texts().noted(&texts().listed(&names), &price);
        page.hang(IN, "-  ", Tone::Strong, Tone::Plain, &text);
        if let Some(needs) = evidence.first().filter(|one| !one.needs.is_empty()) {
            let needs = in_words(&said::needs(&needs.needs));
            page.put(FURTHER, Tone::Dim, &needs);
        }
        match got {
            Got::Command(words) => page.command(FURTHER, &words),
            Got::Option(option, states) => {
                let text = if states.is_empty() {
                    said::tell_by(option)
                } else {
                    said::tell_with(option, List::names(states))
                };
                page.put(FURTHER, Tone::Plain, &in_words(&text));
            }
            Got::Nothing => {}
        }
    }
}

/// How a reading is got.
#[derive(Debug, PartialEq)]
enum Got {
    Command(Vec<String>),
    /// A person has to say which.
    Option(&'static str, Vec<String>),
    Nothing,
}

/// The words of the run without the options that are given anew, each with its value.
fn without<'a>(told: &'a [String], options: &[&str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    let mut words = told.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if word.starts_with("--") && options.contains(&word) {
            words.next_if(|value| !value.starts_with("--"));
        } else {
            kept.push(word);
        }
    }
    kept
}

fn got(report: &Report, wanted: &NextEvidence, shown: Shown<'_>) -> Got {
    let Some(group) = Group::of(&wanted.id) else {
        return Got::Nothing;
    };
    let again = |options: &[&str]| {
        if shown.target.is_empty() {
            return Got::Nothing;
        }
        let told = without(shown.told, options);
        let words = ["diagnose", shown.target].into_iter().chain(told);
        Got::Command(again::command(words.chain(options.iter().copied())))
    };
    let states = || {
        group
            .states
            .iter()
            .map(|state| state.id.to_owned())
            .collect()
    };
    let way = match wanted.path {
        Some(Path::User) => Way::Kit,
        Some(path) if path.is_neighbours() => return again(&["--from-neighbours"]),
        Some(Path::Provider) => return again(&["--from-providers"]),
        _ => group.way,
    };
    match way {
        Way::Kit if shown.target.is_empty() => Got::Nothing,
        Way::Kit => Got::Command(again::command(["kit", shown.target])),
        Way::Look => again(&[]),
        Way::Deep => again(&["--deep"]),
        Way::Paste => again(&["--error-text", "-"]),
        Way::Login => match &report.vantage.account {
            Some(account) => again(&["--try-login", account]),
            None => Got::Option("--try-login", Vec::new()),
        },
        Way::UserSource => Got::Option("--user-source", Vec::new()),
        Way::Tell => match group.id {
            "scope" => Got::Option("--scope", states()),
            "user-path" => Got::Option("--user-path", states()),
            "console" => Got::Option("--console", states()),
            _ => {
                let states = group.states.iter();
                let states = states.map(|state| format!("{}={}", group.id, state.id));
                Got::Option("--seen", states.collect())
            }
        },
    }
}

fn guides(page: &mut Page, report: &Report, all: bool) {
    let most = if all { usize::MAX } else { MAX_GUIDES };
    if report.guides.is_empty() || report.verdict == Verdict::Healthy && !all {
        return;
    }
    heading(page, &texts().ui.guides);
    for guide in report.guides.iter().take(most) {
        page.hang(IN, "-  ", Tone::Strong, Tone::Plain, &guide.title);
        page.command(
            FURTHER,
            &again::command_here(["guide", guide.slug.as_str()]),
        );
    }
}

fn of_status(report: &Report, wanted: impl Fn(Status) -> bool) -> impl Iterator<Item = &Reading> {
    report.evidence.iter().filter(move |r| wanted(r.status))
}

/// Readings under one sentence: those that say the same share it.
fn together<'r>(
    readings: impl Iterator<Item = &'r Reading>,
    sentence: impl Fn(&Reading) -> String,
) -> Vec<(Vec<&'r Reading>, String)> {
    let mut all: Vec<(Vec<&Reading>, String)> = Vec::new();
    for reading in readings {
        let text = sentence(reading);
        match all.iter_mut().find(|(_, known)| *known == text) {
            Some((same, _)) => same.push(reading),
            None => all.push((vec![reading], text)),
        }
    }
    all
}

/// The names of readings, each group once, with the paths where it has some.
fn names(readings: &[&Reading]) -> String {
    let mut groups: Vec<(&str, Vec<Path>)> = Vec::new();
    for reading in readings {
        match groups.iter_mut().find(|(id, _)| *id == reading.id) {
            Some((_, paths)) => paths.extend(reading.path),
            None => groups.push((&reading.id, reading.path.into_iter().collect())),
        }
    }
    for (_, paths) in &mut groups {
        paths.sort();
    }
    let names: Vec<String> = groups
        .iter()
        .map(|(id, paths)| group_on(id, paths))
        .collect();
    texts().listed(&names)
}

/// A group of evidence with the paths on which it was read.
fn group_on(id: &str, paths: &[Path]) -> String {
    let name = texts().evidence(id);
    if paths.is_empty() {
        return name.to_owned();
    }
    let paths: Vec<&str> = paths.iter().map(|path| texts().path(*path)).collect();
    texts().noted(name, &texts().listed(&paths))
}

/// What could not be read, and why.
fn not_seen(page: &mut Page, report: &Report) {
    let unknown = of_status(report, |status| {
        matches!(
            status,
            Status::NotPermitted | Status::ProbeFailed | Status::Stale
        )
    });
    let rows = together(unknown, |reading| {
        let detail = in_words(&reading.detail);
        let status = texts().status(reading.status).to_owned();
        let mut text = if detail.is_empty() { status } else { detail };
        // What is missing is mostly named by the reason already.
        if let Some(needs) = reading.needs.as_ref().map(in_words)
            && !text.contains(&needs)
        {
            let needs = in_words(&said::needs(Said::raw(needs)));
            text = texts().and_also(&text, &needs);
        }
        text
    });
    if rows.is_empty() {
        return;
    }
    heading(page, &in_words(&said::title_not_seen()));
    for (readings, text) in rows {
        let text = texts().labelled(&names(&readings), &text);
        page.hang(IN, "-  ", Tone::Strong, Tone::Plain, &text);
    }
}

/// Every reading with a state.
fn facts(page: &mut Page, report: &Report) {
    let seen = of_status(report, |status| status == Status::Observed);
    let rows = together(seen, |reading| {
        let state = reading.observed_state().unwrap_or_default();
        let state = texts().state(&reading.id, state).to_owned();
        match in_words(&reading.detail) {
            detail if detail.is_empty() => state,
            detail => texts().and_also(&state, &detail),
        }
    });
    if rows.is_empty() {
        return;
    }
    heading(page, &in_words(&said::title_seen()));
    for (readings, text) in rows {
        let text = texts().labelled(&names(&readings), &text);
        page.hang(IN, "-  ", Tone::Strong, Tone::Plain, &text);
    }
}

/// What earlier actions and cases add.
fn notes(page: &mut Page, report: &Report) {
    let tried = (!report.tried.is_empty()).then(|| said::counted(actions_by_id(&report.tried)));
    let learnt = report.learnt.iter().map(said::learnt);
    let warnings = report.warnings.iter().map(said::warning);
    let notes: Vec<Said> = tried.into_iter().chain(learnt).chain(warnings).collect();
    if !notes.is_empty() {
        page.gap();
    }
    for note in notes {
        page.put(0, Tone::Plain, &in_words(&note));
    }
}
