//! Operators on several hosts with one store: a real PostgreSQL server, and a state directory for
//! each host.

use crate::support::hosts::{House, lines, told};
use crate::support::lab::all_files;
use crate::support::postgres::PASSWORD;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cvmtop::action::plan::Plan;
use cvmtop::config::{self, Environment, Overrides, Paths};
use cvmtop::runtime::shared::Shared;
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn what_one_host_does_the_other_sees() {
    let Some(house) = House::new() else { return };
    house.ok("a", &["act", "sensor-01", "restart", "--yes"]);
    let seen = house.entries("b");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0]["author"]["user"], "op-a");
    assert_eq!(seen[0]["elsewhere"], true);
    assert_eq!(seen[0]["state"], "closed");
    let own = house.entries("a");
    assert_eq!((own.len(), own[0].get("elsewhere")), (1, None));
    let host = own[0]["author"]["host"].as_str().expect("a host");
    let listed = house.ok("b", &["journal"]);
    assert!(listed.contains("op-a") && listed.contains(host), "{listed}");
    let shown = house.ok("b", &["act", "sensor-01", "vnc-url", "--dry-run"]);
    assert!(
        shown.contains("op-a on") && shown.contains("did `restart`"),
        "{shown}"
    );
    // The hold went with the action.
    assert_eq!(house.server.sql("select count(*) from cvmtop_holds"), "0");
    house.is_passed_on("a");
    house.ok("b", &["act", "sensor-01", "vnc-url", "--yes"]);
    let both: Vec<Value> = house.entries("a");
    let by = |entry: &Value| entry["author"]["user"].as_str().map(str::to_owned);
    let by: Vec<_> = both.iter().filter_map(by).collect();
    assert_eq!(by, ["op-a", "op-b"]);
    house.is_passed_on("b");
}

#[test]
fn an_open_entry_is_settled_by_its_own_host_and_a_hold_ends_by_itself() {
    let Some(house) = House::new() else { return };
    let mut first = house
        .command("a", &["act", "stream-01", "restart", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let began = Instant::now();
    let seen = loop {
        let seen = house.entries("b");
        if !seen.is_empty() {
            break seen;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is seen");
    };
    assert_eq!(seen[0]["state"], "in-flight", "{seen:?}");
    first.kill().expect("it is at work");
    first.wait().expect("it ends");
    let before = lines(&house.state("a").join("journal.jsonl"));
    let preview = ["act", "stream-01", "vnc-url", "--dry-run"];
    let shown = house.ok("b", &preview);
    assert!(
        shown.contains("op-a on") && shown.contains("is carrying out `restart`"),
        "{shown}"
    );
    // The cloud has ended its part; the hold of the dead host still stands.
    let words = ["act", "stream-01", "restart", "--set", "mode=hard", "--yes"];
    let refused = loop {
        let (status, text) = house.run("b", &words);
        assert_ne!(status, Some(0), "{text}");
        if !text.contains("still under way") {
            break text;
        }
        assert!(began.elapsed() < Duration::from_secs(50), "{text}");
    };
    assert!(refused.contains("from another host"), "{refused}");
    assert!(refused.contains("op-a@"), "{refused}");
    assert_eq!(house.writes(), 1);
    // What changes nothing is not kept from anybody.
    house.ok("b", &["act", "stream-01", "vnc-url", "--yes"]);
    // The store's clock goes on by itself; here by hand.
    house
        .server
        .sql("update cvmtop_holds set until = clock_timestamp() - interval '1 second'");
    let shown = house.ok("b", &preview);
    assert!(!shown.contains("is carrying out"), "{shown}");
    assert!(shown.contains("op-a on"), "{shown}");
    // Nothing of the entry is done, asked or unasked.
    let id = seen[0]["id"].as_str().expect("an id").to_owned();
    for words in [
        &["journal", "--undo", &id, "--yes"][..],
        &["journal", "--close", &id, "--why", "it hangs"],
        &["journal", "--keep", &id],
    ] {
        let (status, told) = house.run("b", words);
        assert!(
            status != Some(0) && told.contains("another host"),
            "{words:?}: {told}"
        );
    }
    let of = |host: &str| {
        let entries = house.entries(host);
        let entry = entries.into_iter().find(|entry| entry["id"] == *id);
        entry.expect("the entry")
    };
    assert_eq!(of("b")["state"], "in-flight");
    assert_eq!(lines(&house.state("a").join("journal.jsonl")), before);
    for line in lines(&house.state("b").join("journal.jsonl")) {
        let record: Value = serde_json::from_str(&line).expect("JSON");
        assert_ne!(record["entry"], *id, "{line}");
    }
    let sent = house.writes();
    house.run("b", &words);
    assert_eq!(house.writes(), sent + 1, "the instance is free again");
    // The own start settles, and the other sees that, too.
    assert_eq!(of("a")["state"], "closed");
    assert_eq!(of("b")["state"], "closed");
}

#[test]
fn of_two_hosts_that_want_one_instance_exactly_one_gets_it() {
    let Some(house) = House::new() else { return };
    house.ok("a", &["act", "stream-01", "vnc-url", "--yes"]);
    let mut plan = house.entries("a")[0]["plan"].clone();
    plan["risk"] = "high".into();
    let plan: Plan = serde_json::from_value(plan).expect("a plan");
    let host = |name: &str| {
        let state = house.state(name);
        let environment = Environment::of(|_| None, Path::new("/nonexistent"));
        let paths = Paths::new(None, &environment).expect("a home is given");
        let text = format!("shared_store = \"{}\"", house.server.url());
        let mut loaded = config::load_text(&text, paths, &Overrides::default(), &environment);
        loaded.paths.state_dir = state;
        Shared::of(&loaded, None).expect("a store")
    };
    let (a, b) = (host("a"), host("b"));
    let mut won = [0, 0];
    for round in 0..20 {
        let of = |name: &str| Plan {
            entry: format!("race-{name}-{round}"),
            ..plan.clone()
        };
        let (of_a, of_b) = (of("a"), of("b"));
        house.lab.runtime.block_on(async {
            match tokio::join!(a.claim(&of_a), b.claim(&of_b)) {
                (Ok(hold), Err(_)) => {
                    won[0] += 1;
                    hold.release().await;
                }
                (Err(_), Ok(hold)) => {
                    won[1] += 1;
                    hold.release().await;
                }
                other => panic!("{other:?}"),
            }
        });
    }
    assert_eq!(won[0] + won[1], 20, "{won:?}");
    // The store answered each time: nobody went on because of its silence.
    assert!(a.take_news().is_empty() && b.take_news().is_empty());
}

#[test]
fn without_the_store_work_goes_on_is_told_once_and_follows_later() {
    let Some(mut house) = House::new() else {
        return;
    };
    house.ok("a", &["act", "stream-01", "vnc-url", "--yes"]);
    house.server.stop();
    let (status, text) = house.run("a", &["act", "sensor-01", "restart", "--yes"]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(text.matches("the shared store").count(), 1, "{text}");
    assert!(text.contains("cannot be used"), "{text}");
    let (_, doctor) = house.run("a", &["doctor"]);
    assert!(doctor.contains("shared store"), "{doctor}");
    house.server.run();
    house.ok("a", &["journal"]);
    house.is_passed_on("a");
    // An answer that is lost: the same lines go out again, and add nothing.
    let cursor = house.state("a").join("shared-store.json");
    let text = std::fs::read_to_string(&cursor).expect("a cursor");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    value["pushed"] = 0.into();
    std::fs::write(&cursor, value.to_string()).expect("writable");
    house.ok("a", &["journal"]);
    house.is_passed_on("a");
    assert_eq!(house.entries("b").len(), 2);
    // Slow is told like down, after two seconds.
    house.server.signal(Signal::STOP);
    let began = Instant::now();
    let (status, text) = house.run("b", &["journal"]);
    let took = began.elapsed();
    house.server.signal(Signal::CONT);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("within 2 s"), "{text}");
    assert!(
        text.contains("op-a"),
        "what was taken before is still there: {text}"
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    let (_, doctor) = house.run("a", &["doctor", "--all"]);
    assert!(doctor.contains("answers; other hosts see"), "{doctor}");
    house.server.sql("update cvmtop_schema set version = 99");
    let (status, text) = house.run("a", &["journal"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.contains("newer version of cvmtop (schema 99)"),
        "{text}"
    );
    assert_eq!(house.server.sql("select version from cvmtop_schema"), "99");
}

#[test]
fn what_the_store_holds_harms_nothing() {
    let Some(house) = House::new() else { return };
    house.ok("a", &["act", "stream-01", "vnc-url", "--yes"]);
    let line = lines(&house.state("a").join("journal.jsonl"))[0].clone();
    let mut evil: Value = serde_json::from_str(&line).expect("JSON");
    evil["entry"] = "evil-1".into();
    evil["author"]["user"] = "m\u{1b}]0;owned\u{7}al\u{202e}lory\r\n\u{1b}[2J".into();
    evil["author"]["host"] = "\u{9b}31mhost".into();
    let quote = |text: &str| text.replace('\'', "''");
    let insert = |entry: &str, line: &str| {
        let (entry, line) = (quote(entry), quote(line));
        house.server.sql(&format!(
            "insert into cvmtop_journal (host, entry, place, line) \
             values ('mallory', '{entry}', (select count(*) from cvmtop_journal), '{line}')"
        ));
    };
    insert("evil-1", &evil.to_string());
    insert("evil-2", "{\"v\": 1, \"at\":");
    insert("evil-3", "\u{1b}[2Jno JSON at all");
    let mut newer = evil.clone();
    newer["entry"] = "evil-4".into();
    newer["v"] = 99.into();
    insert("evil-4", &newer.to_string());
    let mut path = evil.clone();
    path["entry"] = "../../evil; rm -rf /".into();
    insert("evil-5", &path.to_string());
    // An entry of the own host, closed by somebody else.
    let own = house.entries("a")[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut forged = evil.clone();
    forged["entry"] = own.as_str().into();
    insert(&own, &forged.to_string());
    let huge = "insert into cvmtop_journal (host, entry, place, line) \
                values ('mallory', 'evil-6', 0, repeat('x', 50000000))";
    house.server.sql(huge);
    house.server.sql(
        "insert into cvmtop_journal (host, entry, place, line) \
         select 'mallory', 'evil-7', n, repeat('[', 100000) from generate_series(1, 300) as n",
    );
    let sent = house.writes();
    for host in ["a", "b"] {
        let (status, text) = house.run(host, &["journal"]);
        assert_eq!(status, Some(0), "{text}");
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(bad), "{text:?}");
        assert!(text.contains("evil-1") && text.contains("lory"), "{text}");
        assert!(!text.contains("rm -rf"), "{text}");
        let kept = house.state(host).join("colleagues.jsonl");
        let length = std::fs::metadata(kept).expect("a file").len();
        assert!(length < 200_000, "{length}");
    }
    let entries = house.entries("a");
    let own: Vec<_> = entries.iter().filter(|entry| entry["id"] == *own).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["author"]["user"], "op-a");
    assert_eq!(house.writes(), sent);
}

#[test]
fn a_password_is_no_part_of_the_config_and_is_shown_nowhere() {
    let Some(house) = House::new() else { return };
    let certificate = house.server.certificate();
    let by_tcp = |name: &str, words: &[&str]| {
        let mut command = house.command("a", words);
        command
            .env("CVMTOP_SHARED_STORE", house.server.tcp_url(name))
            .env("CVMTOP_CA_BUNDLE", &certificate);
        command
    };
    let check = |command: &mut Command| told(&command.output().expect("the binary runs")).1;
    let works = "answers; other hosts see";
    let doctor = ["doctor", "--all"];
    // TLS with a certificate that is trusted and bears the name, and a password from each place.
    let text = check(by_tcp("localhost", &doctor).env("PGPASSWORD", PASSWORD));
    assert!(text.contains(works) && !text.contains(PASSWORD), "{text}");
    let text = check(
        by_tcp("localhost", &doctor)
            .env("CVMTOP_SHARED_STORE_PASSWORD_ENV", "STORE_SECRET")
            .env("STORE_SECRET", PASSWORD),
    );
    assert!(text.contains(works) && !text.contains(PASSWORD), "{text}");
    let file = house.lab.state.path().join("pass");
    let line = format!("localhost:*:postgres:op:{PASSWORD}\n");
    std::fs::write(&file, line).expect("a file");
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(&file, mode(0o600)).expect("a mode");
    let text = check(by_tcp("localhost", &doctor).env("PGPASSFILE", &file));
    assert!(text.contains(works), "{text}");
    std::fs::set_permissions(&file, mode(0o644)).expect("a mode");
    let text = check(by_tcp("localhost", &doctor).env("PGPASSFILE", &file));
    assert!(!text.contains(works) && !text.contains(PASSWORD), "{text}");
    std::fs::remove_file(&file).expect("it is there");
    // A wrong password, a name that the certificate does not bear, and a certificate that nobody
    // vouches for.
    let text = check(by_tcp("localhost", &doctor).env("PGPASSWORD", "wrong-one"));
    assert!(text.contains("password authentication failed"), "{text}");
    assert!(!text.contains("wrong-one"), "{text}");
    let text = check(by_tcp("127.0.0.1", &doctor).env("PGPASSWORD", PASSWORD));
    assert!(
        text.contains("certificate") && !text.contains(works),
        "{text}"
    );
    let text = check(
        by_tcp("localhost", &doctor)
            .env("PGPASSWORD", PASSWORD)
            .env_remove("CVMTOP_CA_BUNDLE"),
    );
    assert!(
        text.contains("certificate") && !text.contains(works),
        "{text}"
    );
    // In the URL it is refused, in one sentence, and not repeated.
    let url = format!(
        "postgresql://op:{PASSWORD}@localhost:{}/postgres",
        house.server.port
    );
    for words in [&doctor[..], &["journal"], &["config", "show"], &["debug"]] {
        let text = check(house.command("a", words).env("CVMTOP_SHARED_STORE", &url));
        assert!(!text.contains(PASSWORD), "{words:?}: {text}");
        assert!(
            words != doctor || text.contains("take it out of the URL"),
            "{text}"
        );
    }
    let files = all_files(house.lab.state.path());
    assert!(!files.contains(PASSWORD), "a file holds the password");
}
