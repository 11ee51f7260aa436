//! Nothing enters a script as text: hostile values in real shells run nothing, and names that
//! systems do have arrive as they are.

use std::process::{Command, Stdio};

use cvmtop::action::context::Fact;
use cvmtop::action::{Parameters, PlanContext, plan};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::domain::script_data;
use cvmtop::guest::{GuestQuestion, check, script};

/// Values that would run `touch MARK`, or become an option, if they were text.
const HOSTILE: &[&str] = &[
    "'; touch MARK; '",
    "\"; touch MARK; \"",
    "$(touch MARK)",
    "`touch MARK`",
    "a\ntouch MARK",
    "a\r\ntouch MARK\r\n",
    "' $(touch MARK) '",
    "\\'; touch MARK #",
    "x; touch MARK",
    "x && touch MARK",
    "x | touch MARK",
    "\u{2019}; touch MARK; \u{2019}",
    "\u{201c}; touch MARK; \u{201d}",
    "-d",
    "--help",
    "root:x",
    "a,addr=1.2.3.4",
    "%n%n%s",
    "\\047; touch MARK; \\047",
    "~root",
    "a*",
    "",
    " ",
    "\0",
];

const FAIR: &[&str] = &[
    "root",
    "user.name",
    "svc+1",
    "DOMAIN\\user",
    "u@corp.example",
    "\u{ae40}\u{cca0}\u{c218}",
    "w-x_9",
];

fn shells() -> Vec<Vec<&'static str>> {
    let all: [&[&str]; 5] = [
        &["dash"],
        &["bash"],
        &["busybox", "sh"],
        &["mksh"],
        &["yash"],
    ];
    let (here, gone): (Vec<&[&str]>, Vec<&[&str]>) = all.into_iter().partition(|s| {
        Command::new(s[0])
            .args(&s[1..])
            .args(["-c", ":"])
            .output()
            .is_ok_and(|o| o.status.success())
    });
    assert!(
        gone.is_empty() || std::env::var_os("CI").is_none(),
        "missing: {gone:?}"
    );
    here.into_iter().map(<[&str]>::to_vec).collect()
}

fn question(user: &str) -> GuestQuestion {
    GuestQuestion {
        user: user.to_owned(),
        source: "203.0.113.7".parse().ok(),
        port: 22,
        private_address: None,
        uses_key: None,
        asked_at: None,
    }
}

#[test]
fn hostile_values_are_refused_and_run_nothing_in_any_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let shells = shells();
    let mut runs = 0;
    for value in HOSTILE {
        let value = value.replace("MARK", &mark.display().to_string());
        for os in [Os::Linux, Os::Windows] {
            let error = check(os, &question(&value));
            assert!(
                error.is_err() || (os == Os::Windows && value == " "),
                "{value:?} passes"
            );
            assert!(
                value.trim().len() < 3 || !script(os, &question(&value)).contains(&value),
                "{value:?} is text"
            );
        }
        // Even if it were sent, it runs nothing, and the script says what it refuses.
        let text = script(Os::Linux, &question(&value));
        let file = folder.path().join("check.sh");
        std::fs::write(&file, text).expect("written");
        for shell in &shells {
            let out = Command::new(shell[0])
                .args(&shell[1..])
                .arg(&file)
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .output()
                .expect("the shell runs");
            let said = String::from_utf8_lossy(&out.stdout);
            assert!(!mark.exists(), "{shell:?} ran {value:?}");
            // An empty value is the default user.
            if !value.is_empty() && value != "\0" {
                assert!(
                    said.starts_with("check\trefused\tthe user name"),
                    "{shell:?} {value:?}: {said}"
                );
            }
            runs += 1;
            if value.is_empty() || value == "\0" {
                break;
            }
        }
    }
    println!(
        "injection: {runs} runs of {} values in {} shells, none ran",
        HOSTILE.len(),
        shells.len()
    );
}

#[test]
fn names_that_systems_have_arrive_as_they_are() {
    for value in FAIR {
        assert_eq!(check(Os::Linux, &question(value)), Ok(()));
        for shell in shells() {
            let text = format!("V={}\nprintf '%s' \"$V\"\n", script_data::shell(value));
            let out = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", &text])
                .output()
                .expect("runs");
            assert_eq!(String::from_utf8_lossy(&out.stdout), *value, "{shell:?}");
        }
    }
}

#[test]
fn a_repair_of_a_hostile_account_is_refused_with_a_reason() {
    for value in HOSTILE {
        let context = PlanContext {
            entry: "e1".to_owned(),
            instance: Instance {
                id: "ins-1".to_owned(),
                state: "RUNNING".to_owned(),
                os: Os::Linux,
                // As the API gave it: a field of the cloud, not of the operator.
                default_login_user: (*value).to_owned(),
                ..Instance::default()
            },
            agent: Fact::Known("Online".to_owned()),
            ..PlanContext::default()
        };
        let action = ActionId::GuestUnlockAccount;
        let parameters = Parameters::from_words::<&str>(action, &[]).expect("no parameters");
        match plan(action, &parameters, &context) {
            Err(error) => assert!(
                error.to_string().contains("cannot be an account name"),
                "{error}"
            ),
            Ok(_) => assert!(value.is_empty(), "{value:?} was planned"),
        }
    }
}
