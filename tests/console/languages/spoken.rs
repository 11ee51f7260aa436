//! The real program in Korean and Chinese: what it prints for a person is in that language.
//!
//! Every command, right and wrong, with broken files, without credentials and with a cloud that
//! does not answer. What it quotes (ids, paths, commands, what others wrote) may be Latin.

use std::path::Path;
use std::process::Command;

use cvmtop::app::locale::{Lang, Texts};
use cvmtop::diagnosis::Knowledge;
use unicode_width::UnicodeWidthStr as _;

use super::TERMS;

/// Words that stand as they are beside those of every sentence: headings of tables, options.
const ALSO: &[&str] = &[
    "UTC", "dB", "bit", "Mbit", "ops", "uid", "doc", "cvm", "vpc", "tat",
];

/// Every run, a line each; `~` in front: only whole English sentences are looked for (pages of
/// options, texts of guides). `␣` stands for a blank inside an argument, `{name}` for a file.
const RUNS: &str = "
~--help
~list --help
~diagnose --help
~act --help
~guide --help
~replay --help
~ticket --help
~journal --help
~learned --help
~doctor --help
~debug --help
~config --help
~config check --help
~demo-cloud --help
~completions --help
~man
--bogus
act
diagnose x --port abc
list --format xml
journal --undo
nosuch-command x
nosuch-target
--demo list --no-probe --filter name:shop
--demo list --no-probe --filter colour:red
--demo --filter colour:red
--demo --filter web list
--demo diagnose shop-api-01
--demo diagnose shop-api-01 --why-not public-bandwidth-zero
--demo diagnose nosuch
--demo diagnose shop-api-01 --seen foo
--demo diagnose shop-api-01 --seen foo=bar
--demo diagnose shop-api-01 --seen console=bar
--demo act shop-api-01 open-port --dry-run
--demo act shop-api-01 open-common-ports --dry-run --set source=any
--demo act shop-api-01 restart --dry-run
--demo act shop-api-01 stop --dry-run
--demo act shop-api-01 reset-password --dry-run
--demo act shop-api-01 enter-rescue --dry-run
--demo act shop-api-01 vnc-url --dry-run
--demo act shop-api-01 associate-address --dry-run
--demo act dev-box-01 raise-bandwidth --dry-run --set mbps=9
--demo act shop-api-01 guest-allow-port --dry-run --user-source 127.0.0.1
--demo act shop-api-01 guest-enable-rdp --dry-run
--demo act shop-api-01 ticket
--demo act shop-api-01 fly
--demo act shop-api-01 restart --set mode=foo
--demo act shop-api-01 restart --set foo=bar
--demo act shop-api-01 raise-bandwidth
--demo act shop-api-01 start --yes
--demo act shop-api-01 restart --read-only --yes
--demo act shop-api-01 shop-web-01 restart --dry-run
--demo act shop-api-01 open-port --user-source 127.0.0.1 --yes --wait
--demo act shop-api-01 restart --dry-run
--demo journal
--demo journal --undo nosuch
--demo journal --keep nosuch
--demo learned
--demo learned --reset
--demo ticket shop-api-01 --output {tickets}
--demo ticket shop-api-01 --output /proc/nosuch
--demo doctor
journal
learned
~guide
~guide security-group
~guide windows-license
guide nosuch
guide --error Permission␣denied␣(publickey)
guide --error zzz
guide --error a --search b
replay /nosuch
replay {case}
config show
config check
--config {broken} config check
--config {themed} config check
--config {guided} config check
--config /nosuch.toml list
doctor --knowledge {knowledge}
doctor --knowledge /nosuch
doctor --policy fly
list
doctor
--profile nosuch list
--endpoint http://127.0.0.1:1 --region ap-seoul list
--endpoint http://example.invalid list
";

/// Without what stands between two marks.
fn without(text: &str, open: char, close: char) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            _ if inside && c == close => inside = false,
            _ if inside => {}
            _ if c == open => {
                inside = true;
                out.push(' ');
                out.push('¤');
            }
            _ => out.push(c),
        }
    }
    out
}

/// Words of plain prose in a row: nothing with a digit or a mark, no term, no capitals alone.
fn prose(line: &str) -> Vec<Vec<String>> {
    let mut line = line.to_owned();
    for (open, close) in [('`', '`'), ('"', '"'), ('“', '”'), ('<', '>'), ('[', ']')] {
        line = without(&line, open, close);
    }
    let mut rows: Vec<Vec<String>> = vec![Vec::new()];
    for part in
        line.split_inclusive(|c: char| c.is_whitespace() || "(),;:，；：（）、。".contains(c))
    {
        let word = part.trim_end_matches(|c: char| c.is_whitespace() || !c.is_alphanumeric());
        let is_plain = word.len() > 1
            && word.chars().all(|c| c.is_ascii_alphabetic())
            && !TERMS.contains(&word)
            && !ALSO.contains(&word)
            && word.chars().any(|c| c.is_ascii_lowercase());
        if is_plain {
            rows.last_mut().unwrap().push(word.to_owned());
        }
        // Names in a row are no sentence.
        let ends = !is_plain && !part.trim().is_empty() || !part.ends_with(' ');
        if ends {
            rows.push(Vec::new());
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

fn is_spoken(c: char) -> bool {
    ('가'..='힣').contains(&c) || ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// What is English in a line, if anything.
fn english(line: &str, loosely: bool) -> Option<String> {
    let trimmed = line.trim_start();
    // Parameters of a call, scripts, commands to type.
    let verbatim = ["{", "}", "[", "]", "\"", "|", ".", "cvmtop ", "$ "];
    if verbatim.iter().any(|mark| trimmed.starts_with(mark)) || line.starts_with("       ") {
        return None;
    }
    let rows = prose(line);
    let sentence = rows.iter().find(|row| row.len() >= 3);
    if let Some(row) = sentence {
        return Some(row.join(" "));
    }
    let silent = !loosely && !rows.is_empty() && !line.contains(is_spoken);
    silent.then(|| rows.concat().join(" "))
}

/// Prints of the program, with the home folder, its own name and the system's errors taken out.
fn printed(home: &Path, lang: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cvmtop"))
        .args(["--lang", lang])
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("CVMTOP_CVM_ROLE", "false")
        // Commands to copy stay on one line, so that they are known for what they are.
        .env("COLUMNS", "400")
        .env("CVMTOP_STATE_DIR", home.join(format!("state-{lang}")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    // What the system and the reader of TOML say is theirs.
    let theirs = [
        "No such file or directory",
        "Permission denied",
        "Connection refused",
        "os error",
        "invalid type: string",
        "expected a boolean",
        "expected a string",
        "unknown field",
        "missing field",
        "error trying to connect",
        "tcp connect error",
    ];
    theirs.iter().fold(
        text.replace(&*home.to_string_lossy(), "~"),
        |text, their| text.replace(their, "¤"),
    )
}

fn faults(home: &Path, lang: &str, arguments: &[&str], loosely: bool) -> Vec<String> {
    let text = printed(home, lang, arguments);
    assert!(!text.trim().is_empty(), "{lang} {arguments:?} says nothing");
    let lines = text.lines();
    let found = lines.filter_map(|line| {
        let line = line.strip_prefix("cvmtop: ").unwrap_or(line);
        let words = english(line, loosely)?;
        Some(format!(
            "{lang} {}: `{words}` in: {line}",
            arguments.join(" ")
        ))
    });
    found.collect()
}

fn write(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn every_command_speaks_korean_and_chinese() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let broken = write(
        home,
        "broken.toml",
        "read_only = \"yes\"\nlang = 3\n[ui]\ntheme = \"none\"\nlangg = \"ko\"\n[keys.global]\nnosuch = \"x\"\nquit = \"F99\"\n[cloud]\nsite = \"mars\"\n[probe]\nrate = 0\n[[host]]\nname = \"a\"\n",
    );
    let themed = write(home, "themed.toml", "[ui]\ntheme = \"mine\"\n");
    write(
        home,
        ".config/cvmtop/themes/mine.toml",
        "[roles]\ntext = { fg = \"not-a-colour\" }\n",
    );
    let knowledge = write(
        home,
        "knowledge.toml",
        "version = 1\n[[cause]]\nid = \"public-bandwidth-zero\"\nprior = 7.0\nexcludes = [\"nosuch\"]\n",
    );
    write(home, "guides/en/mine.md", "no front matter\n");
    let guided = write(
        home,
        "guided.toml",
        &format!("guides = \"{}\"\n", home.join("guides").display()),
    );
    let case = write(home, "case.json", "{\"instance\": {}, \"evidence\": 3}");
    let files = [
        (
            "{tickets}",
            home.join("tickets").to_string_lossy().into_owned(),
        ),
        ("{case}", case),
        ("{broken}", broken),
        ("{themed}", themed),
        ("{guided}", guided),
        ("{knowledge}", knowledge),
    ];
    let all = |lang: &str| {
        let mut wrong = Vec::new();
        for run in RUNS.trim().lines() {
            let (run, loosely) = run
                .strip_prefix('~')
                .map_or((run, false), |run| (run, true));
            let named = files.iter();
            let run = named.fold(run.to_owned(), |run, (name, path)| run.replace(name, path));
            let words: Vec<String> = run.split(' ').map(|word| word.replace('␣', " ")).collect();
            let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
            wrong.extend(faults(home, lang, &arguments, loosely));
        }
        wrong
    };
    let wrong = std::thread::scope(|scope| {
        let korean = scope.spawn(|| all("ko"));
        let mut wrong = all("zh");
        wrong.extend(korean.join().unwrap());
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The bundle's report and form are for the vendor's support and are read by the operator first.
#[test]
fn a_ticket_is_written_in_the_language() {
    for lang in ["ko", "zh"] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("tickets");
        let output = folder.to_string_lossy().into_owned();
        printed(
            home.path(),
            lang,
            &["--demo", "ticket", "docs-01", "--output", &output],
        );
        let bundle = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
        let mut wrong = Vec::new();
        for name in ["form.txt", "report.md"] {
            let text = std::fs::read_to_string(bundle.path().join(name)).unwrap();
            for line in text.lines() {
                let line = line.trim_start_matches(['|', ' ', '*', '-', '#']);
                wrong.extend(english(line, false).map(|words| format!("`{words}` in: {line}")));
            }
        }
        assert!(wrong.is_empty(), "{lang}: {}", wrong.join("\n"));
    }
}

/// A particle that stands fixed behind a word fits the word's last sound.
#[test]
fn every_fixed_particle_fits_its_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let mut files = vec![
        root.join("locales/ko.toml"),
        root.join("docs/README.ko.md"),
        root.join("docs/USE.ko.md"),
    ];
    for folder in ["locales/said", "guides/ko"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy();
            if name.ends_with(".ko.toml") || name.ends_with(".md") {
                files.push(path);
            }
        }
    }
    let closing = |c: char| {
        let code = u32::from(c);
        ('가'..='힣').contains(&c).then(|| (code - 0xac00) % 28)
    };
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let letters: Vec<char> = line.chars().collect();
            for (at, pair) in letters.windows(2).enumerate() {
                let next = letters.get(at + 2);
                if next.is_some_and(|c| ('가'..='힣').contains(c)) {
                    continue;
                }
                let fits = match (closing(pair[0]), pair[1]) {
                    (Some(end), '를') => end == 0,
                    (Some(end), '을') => end != 0,
                    _ => true,
                };
                if !fits {
                    wrong.push(format!(
                        "{}: {}{} in {line}",
                        path.display(),
                        pair[0],
                        pair[1]
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_states_of_one_group_never_share_a_word() {
    let knowledge = Knowledge::shipped();
    let mut wrong = Vec::new();
    for lang in Lang::ALL {
        let texts = Texts::of(lang);
        for group in &knowledge.evidence {
            let mut words: Vec<&str> = group
                .states
                .iter()
                .map(|state| texts.state(&group.id, state))
                .collect();
            for (state, word) in group.states.iter().zip(&words) {
                if lang != Lang::En && word == state {
                    wrong.push(format!("{lang:?} {} {state}: no word", group.id));
                }
            }
            words.sort_unstable();
            let pairs = words.windows(2).filter(|pair| pair[0] == pair[1]);
            wrong.extend(pairs.map(|pair| format!("{lang:?} {}: {} twice", group.id, pair[0])));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The list's column for it has ten cells and a blank.
#[test]
fn every_state_of_an_instance_fits_its_column() {
    const STATES: [&str; 12] = [
        "PENDING",
        "LAUNCH_FAILED",
        "RUNNING",
        "STOPPED",
        "STARTING",
        "STOPPING",
        "REBOOTING",
        "SHUTDOWN",
        "TERMINATING",
        "RESCUE_MODE",
        "ENTER_RESCUE_MODE",
        "EXIT_RESCUE_MODE",
    ];
    for lang in [Lang::Ko, Lang::Zh] {
        let texts = Texts::of(lang);
        for state in STATES {
            let word = texts.instance_state(state);
            assert!(word.width() <= 10, "{lang:?} {state}: {word}");
        }
    }
}
