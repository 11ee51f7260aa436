//! The pages for whoever reads or extends the source: what they name is there, and the recipes for
//! what is data do what they say when they are followed on a copy.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cvmtop::diagnosis::{Case, Knowledge, diagnose};
use cvmtop::domain::evidence::{Reading, Source, State};
use cvmtop::domain::instance::Os;
use cvmtop::domain::lang::Lang;
use cvmtop::domain::report::{InstanceSummary, Report};
use cvmtop::domain::said::Said;
use cvmtop::guide::library::OwnFile;
use cvmtop::guide::{Library, MatchInput, match_guides};

const PAGES: [&str; 9] = [
    "README.md",
    "assets/docs/README.ko.md",
    "assets/docs/README.zh.md",
    "assets/docs/USE.md",
    "assets/docs/USE.ko.md",
    "assets/docs/USE.zh.md",
    ".github/ARCHITECTURE.md",
    ".github/CONTRIBUTING.md",
    "tests/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between backticks, outside fences.
fn quoted(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut all = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            all.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    all
}

/// `a/{b,c}.d` in full.
fn spelled_out(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (choices, after) = rest.split_once('}').expect("a brace is closed");
    let each = choices.split(',');
    each.flat_map(|choice| spelled_out(&format!("{before}{choice}{after}")))
        .collect()
}

/// Whether a path is there; `*` is any part of its last name, a capital word any name.
fn is_there(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let Some((folder, name)) = path.rsplit_once('/').filter(|(_, name)| {
        name.contains('*') || name.split('.').next().is_some_and(is_placeholder)
    }) else {
        let full = root().join(path);
        return full.exists() || path.split('/').any(is_placeholder);
    };
    let shape: Vec<&str> = if name.contains('*') {
        name.split('*').collect()
    } else {
        vec!["", name.split_once('.').map_or("", |(_, end)| end)]
    };
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(shape[0]) && name.ends_with(shape[shape.len() - 1])
    })
}

fn is_placeholder(word: &str) -> bool {
    word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase()) && word != "LICENSE"
}

const FOLDERS: [&str; 6] = ["src/", "assets/", "tests/", "themes/", ".ci/", ".github/"];

#[test]
fn every_file_that_the_pages_name_is_there() {
    let mut missing = BTreeSet::new();
    let mut named = 0;
    for name in PAGES {
        for text in quoted(&page(name)) {
            for word in text.split([' ', '(', ')', ';']) {
                let word = word.trim_end_matches([',', ':', '.']);
                if !FOLDERS.iter().any(|folder| word.starts_with(folder)) || word.contains("::") {
                    continue;
                }
                for path in spelled_out(word) {
                    named += 1;
                    if !is_there(&path) {
                        missing.insert(format!("{name}: {path}"));
                    }
                }
            }
        }
    }
    assert!(named > 80, "{named}");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let mut broken = Vec::new();
    for name in PAGES {
        let text = page(name);
        let folder = root().join(name).parent().expect("a folder").to_owned();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.starts_with("http") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if path.is_empty() {
                folder.join(Path::new(name).file_name().expect("a page is a file"))
            } else {
                folder.join(path)
            };
            let there = match heading {
                "" => file.exists(),
                _ => {
                    let text = fs::read_to_string(&file).unwrap_or_default();
                    let anchor = |line: &str| {
                        let title = line.trim_start_matches('#').trim().to_lowercase();
                        // Punctuation is left out of an anchor.
                        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
                        title
                            .chars()
                            .filter(kept)
                            .collect::<String>()
                            .replace(' ', "-")
                    };
                    let mut titles = text.lines().filter(|line| line.starts_with('#'));
                    titles.any(|line| anchor(line) == heading)
                }
            };
            if !there {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// All sources of the program, of a room or of a file.
fn sources(below: &Path) -> String {
    if below.is_file() {
        return fs::read_to_string(below).unwrap_or_default();
    }
    let entries = fs::read_dir(below).into_iter().flatten().flatten();
    entries.map(|entry| sources(&entry.path())).collect()
}

/// `room::symbol` and `Type::Part` as the pages write them.
#[test]
fn every_symbol_that_the_pages_name_is_there() {
    let all = sources(&root().join("src"));
    let tests = sources(&root().join("tests"));
    let mut missing = BTreeSet::new();
    let mut named = 0;
    for name in [".github/ARCHITECTURE.md", ".github/CONTRIBUTING.md"] {
        for text in quoted(&page(name)) {
            let word = text.split('(').next().unwrap_or_default();
            let parts: Vec<&str> = word.split("::").collect();
            let is_symbol = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let whole = parts.iter().all(|part| part.chars().all(is_symbol));
            if parts.len() < 2 || !whole {
                continue;
            }
            named += 1;
            let room = root().join("src").join(parts[0]);
            let file = root().join(format!("src/{}.rs", parts[0]));
            let inside = match (room.is_dir(), file.is_file()) {
                (false, false) => all.clone(),
                _ => sources(&room) + &sources(&file),
            };
            let last = parts[parts.len() - 1];
            if !inside.contains(last) && !tests.contains(last) {
                missing.insert(format!("{name}: {text}"));
            }
        }
    }
    assert!(named > 10, "{named}");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A Linux instance with some readings, weighed by a knowledge.
fn weighed(knowledge: &Knowledge, words: &str) -> Report {
    let readings: Vec<Reading> = words
        .split_whitespace()
        .map(|word| {
            let (group, state) = word.split_once('=').expect("group=state");
            Reading::observed(State::new(group, state), Source::Guest, Said::raw(""))
        })
        .collect();
    let case = Case {
        instance: InstanceSummary {
            os: Os::Linux,
            login_port: 22,
            ..InstanceSummary::default()
        },
        readings: &readings,
        ..Case::default()
    };
    diagnose(knowledge, &case)
}

/// "Add a cause", steps 1 to 3, in a file of one's own laid over the shipped ones.
#[test]
fn a_cause_that_follows_the_recipe_leads_and_brings_its_advice() {
    let recipe = r#"
[[cause]]
id = "moon-gate-closed"
title = "The moon gate is closed"
stage = 96
os = ["linux"]
prior = 0.02
source = "judgement"

[[rows]]
cause = "moon-gate-closed"
on = "guest-profile"
p = { loop = 0.95 }
ess = 20
why = "the gate is a script that never ends"
source = "judgement"

[[rows]]
cause = "moon-gate-closed"
on = "pasted-error"
p = { closed-after-auth = 0.3 }
ess = 4
why = "the session ends before a prompt"
source = "judgement"

[[action]]
id = "advice"
key = "open-the-gate"
title = "Open the moon gate"
cures = { moon-gate-closed = 0.9 }
cost = 2.0
risk = "low"
reversible = true
parameters = { text = "Ask the gatekeeper." }
"#;
    let seen = "guest-profile=loop";
    let before = weighed(Knowledge::shipped(), seen);
    assert!(
        before
            .causes
            .iter()
            .all(|cause| cause.id != "moon-gate-closed")
    );
    let knowledge = Knowledge::parse("recipe.toml", recipe).expect("the recipe is sound");
    let after = weighed(&knowledge, seen);
    let place = |report: &Report, id: &str| report.causes.iter().position(|c| c.id == id);
    assert!(
        place(&after, "moon-gate-closed").is_some_and(|place| place < 3),
        "{:?}",
        after
            .causes
            .iter()
            .take(4)
            .map(|c| (&c.id, c.probability))
            .collect::<Vec<_>>()
    );
    let without = weighed(&knowledge, "guest-profile=ok");
    let share = |report: &Report| {
        let mut causes = report.causes.iter();
        causes
            .find(|c| c.id == "moon-gate-closed")
            .expect("there")
            .probability
    };
    assert!(share(&after) > 5.0 * share(&without));
    let advice = after
        .actions
        .iter()
        .find(|offer| offer.cures == ["moon-gate-closed"]);
    assert_eq!(
        advice.expect("an offer").title.as_str(),
        "Open the moon gate"
    );
    // What the recipe asks for is missed where it is left out.
    let unfounded = recipe.replacen("why = \"the gate is a script that never ends\"\n", "", 1);
    assert!(Knowledge::parse("recipe.toml", &unfounded).is_err());
}

/// "Add a guide", steps 1 and 2: its text in each language, and what people say leads to it.
#[test]
fn a_guide_that_follows_the_recipe_comes_first_in_its_languages() {
    let text = |title: &str, symptom: &str| {
        format!(
            "+++\nslug = \"moon-gate\"\ntitle = \"{title}\"\nos = \"linux\"\n\
             causes = [\"client-network-fault\"]\nsymptoms = [\"{symptom}\"]\n\
             reviewed = \"2026-11-01\"\n+++\n\n## Steps {{#steps}}\n\n1. `user` Knock twice.\n\n\
             ## Works {{#check}}\n\nYes.\n\n## Back {{#undo}}\n\nNo.\n"
        )
    };
    let said = [
        (
            Lang::En,
            "The moon gate is closed",
            "moon gate stays closed",
        ),
        (Lang::Ko, "달문이 닫힘", "달문이 열리지 않음"),
        (Lang::Zh, "月门关闭", "月门打不开"),
    ];
    let files: Vec<OwnFile> = said
        .iter()
        .map(|(lang, title, symptom)| OwnFile {
            path: format!("{}/moon-gate.md", lang.as_str()),
            lang: *lang,
            text: text(title, symptom),
        })
        .collect();
    let (library, errors) = Library::with_own(&files, &|_| true);
    assert!(errors.is_empty(), "{errors:?}");
    for (lang, title, symptom) in said {
        let input = MatchInput {
            words: symptom.to_owned(),
            ..MatchInput::default()
        };
        let found = match_guides(&library, &input, lang);
        assert_eq!(found[0].slug, "moon-gate", "{lang:?}: {found:?}");
        assert_eq!(found[0].title, title);
    }
}

/// "Add a language", step 1: the catalogues have the same names, so a copy is a start.
#[test]
fn a_copy_of_a_catalogue_has_every_name_that_another_has() {
    fn names(at: &str, value: &toml::Value, into: &mut BTreeSet<String>) {
        match value.as_table() {
            Some(table) => table
                .iter()
                .for_each(|(key, value)| names(&format!("{at}.{key}"), value, into)),
            None => {
                into.insert(at.to_owned());
            }
        }
    }
    let of = |file: &str| {
        let text = page(file);
        let mut all = BTreeSet::new();
        names("", &toml::from_str(&text).expect("TOML"), &mut all);
        all
    };
    for lang in ["ko", "zh"] {
        assert_eq!(
            of("assets/locales/en.toml"),
            of(&format!("assets/locales/{lang}.toml"))
        );
    }
    let rooms = fs::read_dir(root().join("assets/locales/said")).expect("rooms");
    for room in rooms.flatten() {
        let name = room.file_name().to_string_lossy().into_owned();
        if let Some(room) = name.strip_suffix(".ko.toml") {
            let file = |lang: &str| format!("assets/locales/said/{room}.{lang}.toml");
            assert_eq!(of(&file("ko")), of(&file("zh")), "{room}");
        }
    }
}
