//! The manual: every command has a page, every name on a page exists, every example is understood by
//! the program's own parser and ends as it says, and the tools that show pages find nothing wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use cvmtop::app::locale::Lang;
use cvmtop::cli::args::Cli;
use cvmtop::cli::manual::{Example, Manual};
use cvmtop::cli::{help, man};

use crate::support::not_run;

const LANGS: [Lang; 3] = [Lang::En, Lang::Ko, Lang::Zh];

fn commands() -> Vec<String> {
    let all = Cli::command();
    let names = all.get_subcommands().map(|one| one.get_name().to_owned());
    names.collect()
}

fn examples() -> impl Iterator<Item = (&'static str, &'static Example)> {
    let pages = Manual::shipped().pages.iter();
    pages.flat_map(|page| page.examples.iter().map(|one| (page.name.as_str(), one)))
}

/// The words of a line, as a shell without variables takes them.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let parts = parts.flat_map(|(at, part)| match at % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    parts.collect()
}

#[test]
fn every_command_has_a_page_with_statuses_and_examples() {
    let manual = Manual::shipped();
    let mut named: BTreeSet<_> = manual.pages.iter().map(|page| page.name.clone()).collect();
    assert!(named.remove(""), "the console has a page");
    assert_eq!(named, commands().into_iter().collect());
    for page in &manual.pages {
        let exits: Vec<_> = manual.exits(page).into_iter().map(|(at, _)| at).collect();
        let mut distinct = exits.clone();
        distinct.dedup();
        assert!(
            exits.contains(&0) && exits == distinct,
            "{}: {exits:?}",
            page.name
        );
        assert!(!page.examples.is_empty(), "{} has no example", page.name);
    }
    for lang in LANGS {
        let pages: BTreeSet<_> = man::pages(lang).into_iter().map(|(name, _)| name).collect();
        let wanted = commands().into_iter().map(|name| format!("cvmtop-{name}"));
        let wanted = wanted.chain(["cvmtop".to_owned()]);
        assert_eq!(pages, wanted.collect(), "{lang:?}");
    }
}

/// A page without the marks that set it.
fn plain(page: &str) -> String {
    let mut text = page
        .replace("\\-", "-")
        .replace("\\:", "")
        .replace("\\&", "");
    for (mark, sign) in [
        ("\\fB", ""),
        ("\\fI", ""),
        ("\\fR", ""),
        ("\\(ti", "~"),
        ("\\(aq", "'"),
    ] {
        text = text.replace(mark, sign);
    }
    text
}

/// What begins with a mark, to the first character that no such name has.
fn names<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let starts = text.match_indices(mark).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        !before.is_some_and(is_of_name)
    });
    let whole = starts.map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches('-')
    });
    whole.filter(|name| name.len() > mark.len()).collect()
}

#[test]
fn every_name_on_a_page_exists() {
    let mut options = BTreeSet::new();
    let mut command = Cli::command();
    command.build();
    for one in command.get_subcommands().chain([&command]) {
        options.extend(
            one.get_arguments()
                .filter_map(|arg| Some(format!("--{}", arg.get_long()?))),
        );
    }
    let variables: BTreeSet<_> = cvmtop::config::variables().map(|(name, ..)| name).collect();
    let of_manual = ["CVMTOP_CONFIG", "CVMTOP_STATE_DIR"];
    let keys: BTreeSet<_> = cvmtop::config::variables().map(|(_, key, _)| key).collect();
    let manual = Manual::shipped();
    let named = manual.files.iter().flat_map(|file| &file.of);
    for page in named.chain(manual.variables.iter().flat_map(|variable| &variable.of)) {
        assert!(manual.page(page).is_some(), "there is no page {page}");
    }
    for lang in LANGS {
        let pages = man::pages(lang);
        for (name, page) in &pages {
            let page = plain(page);
            for other in names(&page, "cvmtop-") {
                assert!(
                    pages.iter().any(|(name, _)| name == other),
                    "{name}: {other}"
                );
            }
            for option in names(&page, "--") {
                assert!(options.contains(option), "{lang:?} {name}: {option}");
            }
            for variable in names(&page, "CVMTOP_") {
                let known = variables.contains(variable) || of_manual.contains(&variable);
                assert!(known, "{lang:?} {name}: {variable}");
            }
            for scope in ["ui.", "cloud.", "probe.", "log."] {
                for (at, _) in page.match_indices(&format!(" {scope}")) {
                    let word = page[at + 1..]
                        .split(|c: char| !c.is_ascii_lowercase() && !"._".contains(c));
                    let key = word
                        .into_iter()
                        .next()
                        .unwrap_or_default()
                        .trim_end_matches('.');
                    assert!(keys.contains(key), "{lang:?} {name}: {key}");
                }
            }
        }
    }
}

#[test]
fn every_example_is_understood() {
    for (page, example) in examples() {
        let words = words(&example.run);
        let parsed = Cli::command().try_get_matches_from(&words);
        let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", example.run));
        assert_eq!(
            parsed.subcommand_name().unwrap_or_default(),
            page,
            "{}",
            example.run
        );
    }
    for lang in LANGS {
        let all = help::command(lang);
        for command in all.get_subcommands().chain([&all]) {
            let name = command.get_name();
            let name = if name == "cvmtop" { "" } else { name };
            if name == "help" {
                continue;
            }
            let text = command.clone().render_long_help().to_string();
            let shown = text
                .lines()
                .filter(|line| line.trim_start().starts_with("cvmtop "));
            let shown = shown.filter(|line| line.starts_with("      ")).count();
            let wanted = examples().filter(|(page, _)| *page == name).count();
            assert_eq!(shown, wanted, "{lang:?} {name}: examples in --help");
        }
    }
}

/// Runs an example as it is typed, in a home of its own.
fn ends_with(example: &Example) -> (Option<i32>, String) {
    let home = tempfile::tempdir().expect("a home");
    let words = words(&example.run);
    let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(&words[1..])
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn every_harmless_example_ends_as_its_page_says() {
    let manual = Manual::shipped();
    let harmless = examples().filter(|(_, example)| example.status.is_some());
    let harmless: Vec<_> = harmless.collect();
    assert!(harmless.len() >= 25, "{}", harmless.len());
    // A few at once: each has a demo cloud of its own.
    let next = std::sync::Mutex::new(harmless.iter());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some((page, example)) = next.lock().expect("no panic").next() else {
                        return;
                    };
                    let status = example.status.expect("filtered");
                    let page = manual.page(page).expect("a page");
                    let told = manual.exits(page).iter().any(|(exit, _)| *exit == status);
                    assert!(told, "{}: {status} is not told", example.run);
                    let (ended, stderr) = ends_with(example);
                    assert_eq!(ended, Some(status.into()), "{}\n{stderr}", example.run);
                }
            });
        }
    });
}

#[test]
fn act_names_every_action_with_its_parameters() {
    let all = help::command(Lang::En);
    let act = all.find_subcommand("act").expect("act");
    let text = act.clone().render_long_help().to_string();
    for row in cvmtop::cli::manual::actions() {
        let id = row.id.to_string();
        let from = text
            .find(&format!("\n  {id}  "))
            .unwrap_or_else(|| panic!("{id} is not named"));
        let own = &text[from + 3..];
        let own = &own[..own
            .find("\n  g")
            .or_else(|| own.find("\n\n"))
            .unwrap_or(own.len())];
        for parameter in row.parameters {
            assert!(
                own.contains(&format!("      {}=", parameter.name)),
                "{id}: {}",
                parameter.name
            );
        }
        // What the page names is what `act` takes: it fails only for the instance.
        let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
            .args([
                "act",
                "nowhere",
                &id,
                "--set",
                "no-such-parameter=1",
                "--dry-run",
            ])
            .env_clear()
            .env("HOME", "/nonexistent")
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("there is no action"), "{id}: {said}");
    }
}

fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

/// What a tool complains about in a page.
fn complaints(tool: &str, arguments: &[&str], page: &Path) -> String {
    let output = Command::new(tool)
        .args(arguments)
        .arg(page)
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "80")
        .stdin(Stdio::null())
        .output()
        .expect("the tool runs");
    // What `mandoc -Tlint` finds is its result; elsewhere that is the page.
    let said = if tool == "mandoc" {
        output.stdout
    } else {
        output.stderr
    };
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn the_tools_that_show_pages_find_nothing_wrong() {
    let missing: Vec<_> = ["mandoc", "man", "groff"]
        .into_iter()
        .filter(|tool| !has(tool))
        .collect();
    if !missing.is_empty() {
        not_run(&format!("missing are {missing:?}"));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.1");
    std::fs::write(&broken, ".TH BROKEN 1\n.NOSUCH\n\\fBtext\n").expect("written");
    let lint: &[&str] = &["-T", "lint"];
    // In other languages a line of 80 bytes is short, so style is left out.
    let warnings: &[&str] = &["-T", "lint", "-W", "warning"];
    let shown: &[&str] = &["--warnings", "-E", "UTF-8", "-l"];
    assert_ne!(complaints("mandoc", warnings, &broken), "");
    assert_ne!(complaints("man", shown, &broken), "");
    for lang in LANGS {
        for (name, text) in man::pages(lang) {
            let page = folder.path().join(format!("{name}.1"));
            std::fs::write(&page, text).expect("written");
            let of_mandoc = if lang == Lang::En { lint } else { warnings };
            assert_eq!(
                complaints("mandoc", of_mandoc, &page),
                "",
                "{lang:?} {name}"
            );
            assert_eq!(complaints("man", shown, &page), "", "{lang:?} {name}");
        }
    }
}

#[test]
fn the_release_is_the_one_of_the_changes() {
    let changes = include_str!("../../.github/CHANGELOG.md");
    let first = changes.lines().find_map(|line| line.strip_prefix("## "));
    let release = format!("{} ({})", env!("CARGO_PKG_VERSION"), Manual::shipped().date);
    assert_eq!(first, Some(release.as_str()));
}
