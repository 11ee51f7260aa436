//! What users' clients printed where the cause became known: recognised, weighed on top of a demo
//! instance, and matched with guides. The figures of the table are gates.
//!
//! `CVMTOP_CLIENT_TEXTS` names another file of the same shape to be measured, without gates, and
//! `CVMTOP_KNOWLEDGE` a folder of knowledge to measure with.

use std::collections::BTreeMap;

use cvmtop::client_text;
use cvmtop::diagnosis::Knowledge;
use cvmtop::diagnosis::knowledge::Text;
use cvmtop::diagnosis::replay::SavedCase;
use cvmtop::domain::evidence::{Path, Reading, Source, State, Status};
use cvmtop::domain::report::{Report, Verdict};
use cvmtop::domain::said::Said;
use cvmtop::domain::statement::{SCOPE, USER_PATH};
use cvmtop::guide::{Lang, MatchInput, library, match_guides};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    instance: Vec<Instance>,
    case: Vec<Case>,
    /// Written from the programs' sources after the table was; never tuned for.
    #[serde(default)]
    held: Vec<Case>,
}

/// An instance of the demo fleet and what it shows.
#[derive(Deserialize)]
struct Instance {
    name: String,
    os: String,
    port: u16,
    readings: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    /// Instance of the demo fleet that the text is about.
    target: String,
    /// Causes that count as right.
    accept: Vec<String>,
    #[serde(default)]
    guides: Vec<String>,
    #[serde(default)]
    flags: Vec<String>,
    /// Readings in place of the demo's; `!status` for one without a value.
    #[serde(default)]
    evidence: BTreeMap<String, String>,
    /// The login works.
    #[serde(default)]
    works: bool,
    text: String,
}

/// Every case of one file, on top of these instances.
type Instances = BTreeMap<String, SavedCase>;

fn instances(file: &[Instance]) -> Instances {
    let saved = file.iter().map(|instance| {
        let json = serde_json::json!({
            "instance": {"id": "ins-1", "name": instance.name, "os": instance.os,
                "login_port": instance.port, "public_addresses": ["127.70.1.11"],
                "private_addresses": ["127.81.1.11"]},
            "vantage": {"host": "jump", "paths": ["public", "private"]},
            "evidence": [],
        });
        let mut saved = SavedCase::from_json(&json).unwrap();
        for (key, state) in &instance.readings {
            set(&mut saved, key, state);
        }
        (instance.name.clone(), saved)
    });
    saved.collect()
}

/// What is shipped, or the files of a folder that is being worked on.
fn knowledge() -> Knowledge {
    let Ok(folder) = std::env::var("CVMTOP_KNOWLEDGE") else {
        return Knowledge::shipped().clone();
    };
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !["client-errors.toml", "concepts.toml", "guide-signs.toml"].contains(&name.as_str()) {
            texts.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    texts.sort();
    let texts: Vec<Text<'_>> = texts
        .iter()
        .map(|(name, body)| Text { name, body })
        .collect();
    Knowledge::from_texts(&texts).unwrap()
}

fn set(case: &mut SavedCase, key: &str, state: &str) {
    let (id, path) = match key.split_once('/') {
        Some((id, "public")) => (id, Some(Path::Public)),
        Some((id, _)) => (id, Some(Path::Private)),
        None => (key, None),
    };
    case.readings.retain(|r| r.id != id || r.path != path);
    let mut reading = match state.strip_prefix('!') {
        Some(_) => Reading::without_state(id, Source::Probe, Status::NotAttempted, Said::raw("")),
        None => Reading::observed(State::new(id, state), Source::Probe, Said::raw("")),
    };
    reading.path = path;
    case.readings.push(reading);
}

struct Told {
    readings: Vec<Reading>,
    report: Report,
    /// By the text alone, as `guide --error` does, and by the whole diagnosis.
    guides: [Vec<String>; 2],
}

fn tell(case: &Case, instances: &Instances, knowledge: &Knowledge) -> Told {
    let mut saved = instances[&case.target].clone();
    let readings = client_text::evidence(&case.text, &saved.instance);
    for reading in &readings {
        let same = |old: &Reading| old.key() == reading.key() && reading.id != "pasted-error";
        saved.readings.retain(|old| !same(old));
        saved.readings.push(reading.clone());
    }
    for pair in case.flags.chunks(2) {
        let group = if pair[0] == "--scope" {
            SCOPE
        } else {
            USER_PATH
        };
        set(&mut saved, group, &pair[1]);
    }
    for (key, state) in &case.evidence {
        set(&mut saved, key, state);
    }
    let report = saved.diagnose(knowledge);
    let by_text = MatchInput {
        os: saved.instance.os,
        pasted: case.text.clone(),
        ..MatchInput::default()
    };
    let by_report = MatchInput {
        pasted: case.text.clone(),
        ..MatchInput::from_report(&report)
    };
    let guides = [by_text, by_report].map(|input| {
        let found = match_guides(library(), &input, Lang::En);
        found.into_iter().map(|found| found.slug).collect()
    });
    Told {
        readings,
        report,
        guides,
    }
}

#[derive(Default)]
struct Score {
    cases: usize,
    recognised: usize,
    first: usize,
    three: usize,
    misled: usize,
    with_guides: usize,
    guide: [usize; 2],
    /// Leads by how sure they are, in tenths: how often right, how many.
    leads: [[usize; 2]; 10],
    misses: Vec<String>,
}

impl Score {
    fn of(cases: &[Case], instances: &Instances, knowledge: &Knowledge) -> Self {
        let mut score = Self::default();
        for case in cases {
            score.add(case, &tell(case, instances, knowledge), knowledge);
        }
        score
    }

    fn add(&mut self, case: &Case, told: &Told, knowledge: &Knowledge) {
        // A cause that the catalogue does not have is not asked for.
        let known = |id: &&String| knowledge.cause(id).is_some();
        let accept: Vec<&String> = case.accept.iter().filter(known).collect();
        let causes: Vec<(&str, f64)> = told
            .report
            .causes
            .iter()
            .map(|cause| (cause.id.as_str(), cause.probability))
            .collect();
        let is_right = |id: &str| {
            (case.works && id == "no-fault-found") || accept.iter().any(|own| *own == id)
        };
        let recognised = told
            .readings
            .iter()
            .any(|r| r.state.as_deref() != Some(client_text::UNRECOGNISED));
        let first =
            is_right(causes[0].0) && (!case.works || told.report.verdict == Verdict::Healthy);
        let misled = !is_right(causes[0].0) && causes[0].1 >= 0.5;
        let three = causes.iter().take(3).any(|(id, _)| is_right(id)) && !misled;
        self.cases += 1;
        self.recognised += usize::from(recognised);
        self.first += usize::from(first);
        let lead = &mut self.leads[((causes[0].1 * 10.0) as usize).min(9)];
        lead[0] += usize::from(first);
        lead[1] += 1;
        self.three += usize::from(three);
        self.misled += usize::from(misled);
        let mut guides = [true, true];
        if !case.guides.is_empty() {
            self.with_guides += 1;
            for (way, found) in told.guides.iter().enumerate() {
                guides[way] = found.first().is_some_and(|slug| case.guides.contains(slug));
                self.guide[way] += usize::from(guides[way]);
            }
        }
        if !(recognised && first && three && guides == [true, true]) {
            let states = told.readings.iter().filter_map(|r| r.state.as_deref());
            let states: Vec<&str> = states.collect();
            let top: Vec<String> = causes
                .iter()
                .take(4)
                .map(|(id, p)| format!("{id} {p:.2}"))
                .collect();
            let said = |is: bool, word: &str| if is { String::new() } else { word.to_owned() };
            let marks = [
                said(recognised, "unrecognised "),
                said(first, "first "),
                said(three, "three "),
                said(!misled, "misled "),
                said(guides[0], "guide-text "),
                said(guides[1], "guide-report "),
            ];
            self.misses.push(format!(
                "{} [{}] {states:?}\n    wants {:?}; got {}\n    guides {:?}: {:?} / {:?}",
                case.id,
                marks.concat().trim(),
                case.accept,
                top.join(", "),
                case.guides,
                told.guides[0].first(),
                told.guides[1].first(),
            ));
        }
    }

    fn share(&self, n: usize) -> f64 {
        n as f64 / self.cases.max(1) as f64
    }

    fn guide_share(&self, way: usize) -> f64 {
        self.guide[way] as f64 / self.with_guides.max(1) as f64
    }

    fn row(&self, name: &str) -> String {
        format!(
            "{name:<28} {:>5} {:>11.3} {:>7.3} {:>12.3} {:>7.3} {:>12.3} {:>12.3}",
            self.cases,
            self.share(self.recognised),
            self.share(self.first),
            self.share(self.three),
            self.share(self.misled),
            self.guide_share(0),
            self.guide_share(1),
        )
    }

    /// How often a lead of so much is right.
    fn leads(&self) -> String {
        let said = self.leads.iter().enumerate().filter(|(_, l)| l[1] > 0);
        let said: Vec<String> = said
            .map(|(n, [right, all])| format!("0.{n}: {right} of {all}"))
            .collect();
        said.join(", ")
    }
}

const HEAD: &str = "texts                        cases  recognised   first  three+honest  misled  guide (text) guide (all)";

#[test]
fn pasted_texts_lead_to_the_causes_that_they_had() {
    let other = std::env::var("CVMTOP_CLIENT_TEXTS").ok();
    let text = match &other {
        Some(path) => std::fs::read_to_string(path).unwrap(),
        None => include_str!("../data/client_texts.toml").to_owned(),
    };
    let file: File = toml::from_str(&text).unwrap();
    let own: File = toml::from_str(include_str!("../data/client_texts.toml")).unwrap();
    let instances = instances(&own.instance);
    let knowledge = knowledge();
    let tuned = Score::of(&file.case, &instances, &knowledge);
    let held = Score::of(&file.held, &instances, &knowledge);
    println!(
        "{HEAD}\n{}\n{}",
        tuned.row("of the field"),
        held.row("not tuned for")
    );
    println!("leads of the field: {}", tuned.leads());
    println!("leads not tuned for: {}", held.leads());
    println!("{}", tuned.misses.join("\n"));
    println!("--- not tuned for\n{}", held.misses.join("\n"));
    if other.is_some() {
        return;
    }
    assert!(held.cases >= 60, "{} held cases", held.cases);
    for (name, has, least) in [
        ("recognised", tuned.share(tuned.recognised), 0.97),
        ("first three and not misled", tuned.share(tuned.three), 0.95),
        ("first", tuned.share(tuned.first), 0.80),
        ("guide by the text", tuned.guide_share(0), 0.85),
        ("guide by the diagnosis", tuned.guide_share(1), 0.85),
    ] {
        assert!(has >= least, "{name}: {has:.3}, at least {least}");
    }
}
