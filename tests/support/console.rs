//! A console on a small fleet, moved only by messages, as the tests of state and looks use it.
use std::sync::Arc;

use cvmtop::app::case::RunId;
use cvmtop::app::effect::{Effect, Observe};
use cvmtop::app::health::Login;
use cvmtop::app::locale::Lang;
use cvmtop::app::message::{Found, Listing, Look, Message, TriageEnded};
use cvmtop::app::state::State;
use cvmtop::app::update::{start, update};
use cvmtop::cloud::said;
use cvmtop::diagnosis::Knowledge;
use cvmtop::domain::evidence::table::LoginWord;
use cvmtop::domain::evidence::{self, Path, Reading, Source, Status};
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::domain::said::{List, Said, Table, Word};
use cvmtop::domain::security_group::said::matches_none;
use cvmtop::input::chord::Chord;
use jiff::Timestamp;

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("in range")
}

pub fn instance(id: &str, name: &str, last: u8) -> Instance {
    Instance {
        id: id.into(),
        name: name.into(),
        region: "ap-seoul".into(),
        zone: "ap-seoul-1".into(),
        os: Os::Linux,
        state: "RUNNING".into(),
        restrict_state: "NORMAL".into(),
        public_addresses: vec![std::net::IpAddr::from([203, 0, 113, last])],
        private_addresses: vec![std::net::IpAddr::from([10, 0, 1, last])],
        security_group_ids: vec!["sg-1".into()],
        ..Instance::default()
    }
}

fn windows(id: &str, name: &str, last: u8) -> Instance {
    Instance {
        os: Os::Windows,
        ..instance(id, name, last)
    }
}

/// Applies a message and gives the effects.
pub fn send(state: &mut State, message: Message) -> Vec<Effect> {
    update(state, message).1
}

/// Presses keys, spelled as in key files and separated by spaces.
pub fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    keys.split_whitespace()
        .flat_map(|key| {
            let chord = Chord::parse(key).expect("a key of the test");
            send(state, Message::Key(chord))
        })
        .collect()
}

/// A console that has not heard from the world yet.
pub fn fresh(lang: Lang, size: (u16, u16)) -> State {
    let mut state = State::new(at(0), lang);
    state.size = size;
    start(&mut state);
    state
}

/// A console with a listed fleet and checked logins; `shop-api-01` fails.
pub fn listed(lang: Lang, size: (u16, u16)) -> State {
    let mut state = fresh(lang, size);
    list(&mut state);
    state
}

/// Lists the fleet and checks its logins.
pub fn list(state: &mut State) {
    send(
        state,
        Message::Opened {
            place: Said::raw("default ap-seoul"),
            host: "jump-1".into(),
            knowledge: Arc::new(Knowledge::shipped().clone()),
        },
    );
    let mut stopped = instance("ins-stop", "nightly-01", 4);
    stopped.state = "STOPPED".into();
    let fleet = vec![
        instance("ins-shop", "shop-api-01", 7),
        instance("ins-web", "web-frontend-01", 2),
        windows("ins-win", "한국-재무-서버", 3),
        stopped,
        instance("ins-db", "数据库-主库-01", 5),
    ];
    let generation = state.fleet.generation;
    for event in [
        Listing::Regions(1),
        Listing::Expected(5),
        Listing::Page(fleet.into_iter().map(Into::into).collect()),
        Listing::RegionDone,
        Listing::End,
    ] {
        send(state, Message::Found(Found::Listed { generation, event }));
    }
    let run = state.sweep.expect("a sweep follows the listing").run;
    for (id, word) in [
        ("ins-shop", LoginWord::Silent),
        ("ins-web", LoginWord::Greets),
        ("ins-win", LoginWord::Refused),
        ("ins-db", LoginWord::Slow),
    ] {
        let look = Look {
            path: Path::Public,
            login: Some(Login::of(word)),
            ms: Some(12),
        };
        send(
            state,
            Message::Found(Found::LoginChecked {
                run,
                instance: id.into(),
                look,
                at: at(0),
            }),
        );
    }
    send(state, Message::Found(Found::SweepEnded { run }));
    state.fleet.select_target("ins-shop");
    state.settle();
}

/// Readings of an instance whose security group lets nobody in.
pub fn blocked_readings() -> Vec<Reading> {
    let probe = |id: &str, state: &str, detail: &str| {
        Reading::observed(
            evidence::State::new(id, state),
            Source::Probe,
            Said::raw(detail),
        )
        .at(at(1), 3_010)
    };
    let cloud = |id: &str, state: &str, detail: Said| {
        Reading::observed(evidence::State::new(id, state), Source::Cloud, detail).at(at(1), 120)
    };
    let not_reached = |id: &str| {
        Reading::without_state(id, Source::Probe, Status::NotAttempted, Said::raw(""))
            .on_path(Path::Public)
    };
    vec![
        probe(
            "reach",
            "silent-icmp-only",
            "203.0.113.7:22 stayed silent, ping answers",
        )
        .on_path(Path::Public),
        probe("reach", "open", "10.0.1.7:22 answered in 2 ms").on_path(Path::Private),
        probe("banner", "fast", "OpenSSH_9.6 after 4 ms").on_path(Path::Private),
        probe("kex", "common", "curve25519-sha256").on_path(Path::Private),
        not_reached("banner"),
        cloud(
            "instance-state",
            "running",
            said::instance_is(Word::new(Table::InstanceState, "RUNNING")),
        ),
        cloud("restriction", "normal", said::restrictstate_normal()),
        cloud(
            "public-address",
            "present",
            said::public_address(List::names(["203.0.113.7"])),
        ),
        cloud(
            "public-bandwidth",
            "nonzero",
            Said::raw("the outbound cap is 5 Mbit/s"),
        ),
        cloud(
            "security-group",
            "deny-default",
            matches_none(said::tcp("198.51.100.4", 22)),
        ),
        cloud("network-acl", "none", said::no_network_acl()),
        Reading::without_state(
            "account-balance",
            Source::Cloud,
            Status::NotPermitted,
            Said::raw("UnauthorizedOperation"),
        )
        .needing(Said::raw("billing:DescribeAccountBalance")),
    ]
}

/// The run of the first triage among effects.
pub fn triage_run(effects: &[Effect]) -> RunId {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Observe(Observe::Triage(triage)) => Some(triage.run),
            _ => None,
        })
        .expect("a triage was asked for")
}

/// The listed console after a diagnosis of `shop-api-01`.
pub fn diagnosed(lang: Lang, size: (u16, u16)) -> State {
    let mut state = listed(lang, size);
    state.user_source = Some("198.51.100.4".parse().expect("an address"));
    let run = triage_run(&press(&mut state, "enter"));
    for reading in blocked_readings() {
        send(
            &mut state,
            Message::Found(Found::Read {
                run,
                instance: "ins-shop".into(),
                reading: Box::new(reading),
            }),
        );
    }
    send(&mut state, Message::Tick(at(13)));
    end_triage(&mut state, run);
    state
}

/// Ends the triage of `shop-api-01`.
pub fn end_triage(state: &mut State, run: RunId) {
    end_triage_of(state, run, "ins-shop");
}

/// The same of any instance.
pub fn end_triage_of(state: &mut State, run: RunId, instance: &str) {
    send(
        state,
        Message::Found(Found::TriageEnded(Box::new(TriageEnded {
            run,
            instance: instance.into(),
            error: None,
            fresh: None,
            vantage: None,
            load: Vec::new(),
        }))),
    );
}

/// A self-diagnosis of an instance with a closed port; `full` memory beside it, or none.
pub fn checked(id: &str, full: bool) -> cvmtop::domain::check::CheckReport {
    use cvmtop::check::{Book, Input, judge};
    use cvmtop::domain::check::{CheckFacts, Course};
    use cvmtop::domain::evidence::State as Seen;

    let reading = |group: &'static str, state: &'static str, detail: &str| {
        Reading::observed(Seen::new(group, state), Source::Cloud, Said::raw(detail))
    };
    let readings = [
        reading(
            "security-group",
            "deny-default",
            "198.51.100.4 to TCP 22 matches no rule, so it is refused",
        ),
        reading("restriction", "normal", "RestrictState is NORMAL"),
        reading("instance-state", "running", "the instance is RUNNING"),
        reading("public-address", "present", "public address 203.0.113.7"),
        reading(
            "public-bandwidth",
            "nonzero",
            "the outbound cap is 5 Mbit/s",
        ),
        reading("ddos-block", "none", "no source names a block or attack"),
        reading("platform-event", "none", "no repair task is open"),
        reading("disk-io", "normal", "disk-1 3 % busy"),
    ];
    let level = if full { 98.0 } else { 40.0 };
    let course = |now: f64| {
        let points = (0..144).map(|n| (at(0).as_second() - 43_200 + n * 300, now));
        let course = Course {
            now: Some(now),
            points: points.collect(),
            period_s: 300,
        };
        vec![(String::new(), Ok(course))]
    };
    let facts = CheckFacts {
        courses: [
            ("MemUsage", level),
            ("CPUUsage", 12.0),
            ("BaseCpuUsage", 12.0),
            ("CvmDiskUsage", 41.0),
            ("WanOuttraffic", 0.6),
            ("WanIntraffic", 0.3),
            ("LanOuttraffic", 1.4),
            ("LanIntraffic", 1.4),
            ("TcpCurrEstab", 36.0),
        ]
        .map(|(metric, now)| (metric.to_owned(), course(now)))
        .into(),
        disks: Ok(vec![cvmtop::domain::check::Disk {
            id: "disk-1".into(),
            is_prepaid: Some(true),
            days_left: Some(3),
            renews: Some(false),
            ..cvmtop::domain::check::Disk::default()
        }]),
        events: Ok(Vec::new()),
        tasks: Vec::new(),
        public_out: Ok(5.0),
        public_in: Ok(10.0),
        private: Ok(1500.0),
    };
    let instance = instance(id, "shop-api-01", 7);
    judge(
        Book::shipped(),
        &Input {
            instance: &instance,
            readings: &readings,
            facts: Some(&facts),
            guest: None,
            deep: false,
            cut_short: false,
            user_source: Some("198.51.100.4"),
            site: None,
            at: at(if full { 0 } else { 900 }),
        },
    )
}

/// A port verification: the rules let everything in but SSH and the echo.
pub fn verified() -> cvmtop::domain::port_report::PortReport {
    use cvmtop::domain::port_check::{Answer, Judged, Part};
    use cvmtop::domain::port_report::{Opening, PortReport, Row, Seen, tuples};
    let asked = tuples(None, &["in udp 53 198.51.100.0/24".to_owned()]).expect("tuples");
    let rows = asked.into_iter().map(|tuple| {
        let (answer, why) = match tuple.service().as_str() {
            "TCP 22" | "ICMP" | "UDP 53" => {
                (Answer::Closed, "it matches no rule, so it is refused")
            }
            _ => (Answer::Open, "sg-1 rule 0 lets it in"),
        };
        let judged = Judged {
            groups: Part {
                answer,
                why: cvmtop::domain::said::Said::raw(why),
            },
            acl: None,
        };
        Row {
            opens: Opening::of(&tuple, &judged),
            seen: if answer == Answer::Open {
                Seen::Answers
            } else {
                Seen::Silent
            },
            guest: None,
            tuple,
            judged,
        }
    });
    PortReport {
        at: at(100),
        address: Some("203.0.113.7".parse().expect("an address")),
        route: None,
        rows: rows.collect(),
    }
}

#[allow(dead_code)] // each test file uses a part
/// The question whether two nodes of the provider may look at the selected instance.
pub fn provider_consent(state: &State) -> cvmtop::app::overlay::LookConsent {
    let target = state.selected_instance().expect("one is selected");
    let who = ["10103", "10215"];
    let named = List::names(who);
    let price = cvmtop::runtime::said::providers_price(2, 1, 16, 7);
    cvmtop::app::overlay::LookConsent {
        instance: target.id.clone(),
        question: cvmtop::runtime::said::providers_question(named, target.label(), price),
        scripts: "# cat:CreateProbeTasks".into(),
        chosen: cvmtop::app::effect::Lookers::Providers(who.map(String::from).into()),
    }
}

#[allow(dead_code)] // each test file uses a part
/// The question whether a neighbour of the selected instance may look at it.
pub fn neighbour_consent(state: &State) -> cvmtop::app::overlay::LookConsent {
    use cvmtop::kit::neighbour::Neighbour;
    let target = state.selected_instance().expect("one is selected").clone();
    let other = Instance {
        subnet_id: target.subnet_id.clone(),
        vpc_id: target.vpc_id.clone(),
        ..instance("ins-near", "near-01", 99)
    };
    let near = Neighbour::of(&target, &other).expect("it can look");
    let who = List::said(cvmtop::domain::said::Joint::Names, [near.who()]);
    let price = cvmtop::runtime::said::neighbours_price(1, 7, 8, 25);
    cvmtop::app::overlay::LookConsent {
        instance: target.id.clone(),
        question: cvmtop::runtime::said::neighbours_question(who, target.label(), price),
        scripts: near.script(&target),
        chosen: cvmtop::app::effect::Lookers::Neighbours(vec![near]),
    }
}
