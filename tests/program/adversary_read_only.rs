//! Read-only attacked from outside: profiles that the credentials name, values that are not
//! understood, files that change while the console runs, and commands that change something without
//! looking like it. What must never happen is a call that changes anything.

use crate::support::lab;
use crate::support::terminal;
use std::path::PathBuf;
use std::process::Output;

use lab::Lab;
use terminal::Terminal;

const OPEN: &[&str] = &[
    "act",
    "shop-api-01",
    "open-port",
    "--set",
    "source=203.0.113.9",
    "--yes",
];

/// Writes the config where the program looks for it by itself.
fn configure(lab: &Lab, text: &str) -> PathBuf {
    let folder = lab.state.path().join(".config/cvmtop");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// The keys as a profile of the official command line, and none in the environment.
fn profile(lab: &Lab, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = lab.state.path().join(".tccli");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.credential"));
    let keys =
        serde_json::json!({"secretId": lab.demo.secret_id, "secretKey": lab.demo.secret_key});
    std::fs::write(&file, keys.to_string()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs by the profile alone.
fn by_profile(lab: &Lab, variables: &[(&str, &str)], words: &[&str]) -> Output {
    lab.command(words)
        .env_remove("TENCENTCLOUD_SECRET_ID")
        .env_remove("TENCENTCLOUD_SECRET_KEY")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Refused before anything was sent, with the reason.
fn refused(output: &Output, because: &str) {
    let told = told(output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(
        told.contains("read-only") && told.contains(because) && told.contains("nothing was sent"),
        "`{because}` is not in: {told}"
    );
}

#[test]
fn the_profile_that_the_credentials_are_found_under_is_the_one_that_is_judged() {
    let lab = Lab::new();
    for name in ["prod", "dev", "default"] {
        profile(&lab, name);
    }
    let prod = "read_only_profiles = [\"prod\"]\ncvm_role = false\n";
    configure(&lab, &format!("[cloud]\n{prod}"));
    let by_tccli = [("TCCLI_PROFILE", "prod")];
    refused(&by_profile(&lab, &by_tccli, OPEN), "profile prod");
    // What the config names is beaten by the variable, for the keys and so for the judgement.
    configure(&lab, &format!("[cloud]\nprofile = \"dev\"\n{prod}"));
    refused(&by_profile(&lab, &by_tccli, OPEN), "profile prod");
    let by_ours = [("CVMTOP_PROFILE", "prod"), ("TCCLI_PROFILE", "dev")];
    refused(&by_profile(&lab, &by_ours, OPEN), "profile prod");
    // Nothing named: the default profile is what is used.
    configure(
        &lab,
        "[cloud]\nread_only_profiles = [\"default\"]\ncvm_role = false\n",
    );
    refused(&by_profile(&lab, &[], OPEN), "profile default");
    refused(
        &by_profile(&lab, &[("TCCLI_PROFILE", " ")], OPEN),
        "profile default",
    );
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    // Another profile may act, so that the refusals above mean something.
    let output = by_profile(&lab, &[("TCCLI_PROFILE", "dev")], OPEN);
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(lab.gateway.writes(), ["CreateSecurityGroupPolicies"]);
}

#[test]
fn what_is_not_understood_may_have_asked_for_read_only() {
    let lab = Lab::new();
    for (config, because) in [
        ("read_only = yes\n", "config.toml:1"),
        ("read_only = \"perhaps\"\n", "config.toml:1"),
        ("read_only = 1\n", "config.toml:1"),
        ("readonly = true\n", "config.toml:1"),
        ("read-only = true\n", "config.toml:1"),
        ("[cloud]\nread_only = true\n", "config.toml:2"),
        ("[ui]\nReadOnly = true\n", "config.toml:2"),
        ("[cloud]\nread_only_profile = [\"prod\"]\n", "config.toml:2"),
        ("[cloud]\nread_only_profiles = 7\n", "config.toml:2"),
        ("[ui\nlang = \"en\"\n", "config.toml:1"),
        ("[cloud]\nread_only_profiles = [\"prod\"\n", "config.toml:"),
        ("read_only = true\n", "read_only in"),
    ] {
        configure(&lab, config);
        let output = lab.run(OPEN);
        refused(&output, because);
    }
    configure(&lab, "");
    let output = lab.command(OPEN).env("CVMTOP_READ_ONLY", "ja").output();
    refused(&output.unwrap(), "CVMTOP_READ_ONLY");
    let output = lab.command(OPEN).env("CVMTOP_READ_ONLY", "1").output();
    refused(&output.unwrap(), "(CVMTOP_READ_ONLY)");
    let words = [&["--read-only"], OPEN].concat();
    refused(&lab.run(&words), "(--read-only)");
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    // A file with nothing wrong about it lets the same action through.
    configure(
        &lab,
        "read_only = false\n[cloud]\nread_only_profiles = [\"x\"]\n",
    );
    lab.ok(OPEN);
}

#[test]
fn a_change_that_would_stay_for_good_is_not_kept_and_nothing_runs_in_the_guest() {
    let lab = Lab::new();
    lab.ok(&[OPEN, &["--set", "minutes=30"]].concat());
    let entry = lab.entries()[0].clone();
    let id = entry["id"].as_str().unwrap();
    let before = lab.journal_lines();
    let output = lab.run(&["--read-only", "journal", "--keep", id]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("(--read-only)"), "{}", told(&output));
    assert_eq!(lab.journal_lines(), before, "the time box stands");

    let runs = |lab: &Lab| {
        lab.gateway
            .seen()
            .iter()
            .filter(|a| *a == "RunCommand")
            .count()
    };
    let deep = ["--read-only", "diagnose", "shop-web-01", "--deep"];
    let output = lab.run(&deep);
    let said = told(&output);
    assert!(
        said.contains("nothing is run inside the guest") && said.contains("read_only_deep"),
        "{said}"
    );
    assert_eq!(runs(&lab), 0);
    // Whoever wants it says so in words.
    configure(&lab, "read_only_deep = true\n");
    lab.run(&deep);
    assert_eq!(runs(&lab), 1);
    // What is not understood allows nothing.
    configure(&lab, "read_only_deep = \"perhaps\"\n");
    lab.run(&deep);
    assert_eq!(runs(&lab), 1);
}

/// The console on the lab, with a config of its own: named, or found where it belongs.
fn console(lab: &Lab, file: Option<&std::path::Path>) -> Terminal {
    let state = lab.state.path().join("state");
    let config = file.map(|file| file.display().to_string());
    let named = config.iter().flat_map(|config| ["--config", config]);
    let words: Vec<&str> = ["--region", "all"].into_iter().chain(named).collect();
    let terminal = Terminal::start(
        &[&words[..], &["shop-api-01"]].concat(),
        140,
        50,
        &[
            ("HOME", &lab.state.path().display().to_string()),
            ("CVMTOP_STATE_DIR", &state.display().to_string()),
            ("CVMTOP_ENDPOINT", &lab.gateway.endpoint),
            ("TENCENTCLOUD_SECRET_ID", &lab.demo.secret_id),
            ("TENCENTCLOUD_SECRET_KEY", &lab.demo.secret_key),
        ],
    );
    terminal.wait("the instance", |screen| screen.contains("shop-api-01"));
    terminal
}

/// Tries to stop the instance with everything that confirms.
fn try_to_act(terminal: &mut Terminal, lab: &Lab) {
    terminal.keys("x");
    terminal.wait_for("Any action on");
    terminal.keys("stop\r");
    terminal.wait_for("Parameters, as name=value");
    terminal.keys("\r");
    terminal.wait_for("Preview: nothing has been sent yet");
    terminal.keys("Y");
    terminal.keys("shop-api-01\r");
    // The rest of the sentence names the place, and is broken where it is long.
    terminal.wait_for("read-only (");
    terminal.keys("\u{1b}");
    terminal.wait("the list", |screen| !screen.contains("Preview: nothing"));
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
}

#[test]
fn a_console_that_was_shut_is_opened_by_no_file() {
    let lab = Lab::new();
    let shut = "read_only = true\n[ui]\nlang = \"en\"\n";
    let file = configure(&lab, shut);
    let mut terminal = console(&lab, Some(&file));
    terminal.wait("read-only", |screen| screen.contains("READ-ONLY"));
    // Emptied, opened, broken, a word that is not TOML, gone.
    for (text, marker) in [
        (Some(""), "is empty or gone"),
        (
            Some("read_only = false\n[filters]\na = \"x\"\n"),
            "stays until a new start",
        ),
        (Some("[ui\n"), "TOML"),
        (Some("read_only = yes\n"), "TOML"),
        (None, "No such file"),
    ] {
        become_this(&file, text);
        terminal.wait(marker, |screen| screen.contains(marker));
        try_to_act(&mut terminal, &lab);
        terminal.wait("read-only still", |screen| screen.contains("READ-ONLY"));
        std::fs::write(&file, shut).unwrap();
        terminal.wait("the file read again", |screen| {
            screen.contains("Reloaded") && !screen.contains(marker)
        });
    }
    terminal.keys("q");
    assert_eq!(terminal.wait_exit().exit_code(), 0);
    assert_eq!(lab.gateway.writes(), Vec::<String>::new());
}

#[test]
fn a_console_that_a_profile_shut_is_opened_by_no_loss_of_the_file_where_it_belongs() {
    for text in [Some(""), None] {
        let lab = Lab::new();
        profile(&lab, "prod");
        let shut = "[cloud]\nprofile = \"prod\"\nread_only_profiles = [\"prod\"]\n";
        let file = configure(&lab, shut);
        let mut terminal = console(&lab, None);
        terminal.wait_for("READ-ONLY");
        become_this(&file, text);
        terminal.wait_for("is empty or gone");
        try_to_act(&mut terminal, &lab);
        terminal.keys("q");
        assert_eq!(terminal.wait_exit().exit_code(), 0);
        assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    }
}

/// Writes the file, or takes it away.
fn become_this(file: &std::path::Path, text: Option<&str>) {
    match text {
        Some(text) => std::fs::write(file, text).unwrap(),
        None => std::fs::remove_file(file).unwrap(),
    }
}

/// A console that was open, and is shut by what becomes of its file.
fn shut_by(text: Option<&str>, is_named: bool, marker: &str) -> (Lab, PathBuf, Terminal) {
    let lab = Lab::new();
    let file = configure(&lab, WHOLE);
    let mut terminal = console(&lab, is_named.then_some(&*file));
    assert!(!terminal.text().contains("READ-ONLY"));
    become_this(&file, text);
    terminal.wait(marker, |screen| {
        screen.contains(marker) && screen.contains("READ-ONLY")
    });
    try_to_act(&mut terminal, &lab);
    // The key that switches it does not get round what was set from outside.
    terminal.keys(":read-only\r");
    try_to_act(&mut terminal, &lab);
    (lab, file, terminal)
}

/// A file that asks for nothing.
const WHOLE: &str = "[ui]\nlang = \"en\"\n";

#[test]
fn a_console_that_is_open_is_shut_by_a_file_that_is_lost_or_broken_until_it_is_whole_again() {
    for (text, is_named) in [
        (Some("[ui\n"), true),
        (Some("read_only = yes\n"), true),
        (Some(""), true),
        (Some("\n"), false),
        (None, true),
        (None, false),
    ] {
        let (lab, file, mut terminal) = shut_by(text, is_named, "Read-only until");
        std::fs::write(&file, WHOLE).unwrap();
        terminal.wait("open again", |screen| {
            screen.contains("does not ask for read-only") && !screen.contains("READ-ONLY")
        });
        terminal.keys("q");
        assert_eq!(terminal.wait_exit().exit_code(), 0);
        assert_eq!(lab.gateway.writes(), Vec::<String>::new());
    }
}

#[test]
fn a_console_that_a_file_asked_to_be_read_only_stays_so() {
    let asked = Some("read_only = true\n");
    let (lab, file, mut terminal) = shut_by(asked, true, "Read-only from now on");
    std::fs::write(&file, WHOLE).unwrap();
    terminal.wait_for("stays until a new start");
    // Nor is it opened by a loss that is mended.
    std::fs::write(&file, "").unwrap();
    terminal.wait_for("is empty or gone");
    std::fs::write(&file, WHOLE).unwrap();
    terminal.wait("the file read again", |screen| {
        screen.contains("stays until a new start") && !screen.contains("is empty or gone")
    });
    try_to_act(&mut terminal, &lab);
    // A doubt that proves right is one that stays.
    let (_lab, file, terminal) = shut_by(Some(""), true, "Read-only until");
    std::fs::write(&file, "read_only = true\n").unwrap();
    terminal.wait_for("Read-only from now on");
    std::fs::write(&file, WHOLE).unwrap();
    terminal.wait("locked", |screen| {
        screen.contains("stays until a new start") && screen.contains("READ-ONLY")
    });
}
