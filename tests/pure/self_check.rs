//! The self-diagnosis: its list against what the vendor publishes, and what each item comes to from
//! values alone.

use std::collections::{BTreeMap, BTreeSet};

use cvmtop::action::catalog::row_of;
use cvmtop::check::{Book, Input, States, judge};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::check::{
    CheckFacts, CheckItem, CheckReport, Course, Disk, Event, GuestCounts, LOOK_BACK_HOURS, Unread,
    Verdict,
};
use cvmtop::domain::evidence::{Reading, Source, State, Status, table};
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::domain::said::Said;
use cvmtop::guide::library::library;
use jiff::Timestamp;
use toml::Value;

const PUBLISHED: &str = include_str!("../data/self_check.toml");

fn published() -> Value {
    toml::from_str(PUBLISHED).expect("the transcript is TOML")
}

/// The items that say they are this line of the vendor's, with the level that they give it.
fn items_of<'b>(book: &'b Book, line: &str) -> Vec<(&'b str, &'b str)> {
    let named = book.items.iter().flat_map(|item| {
        let vendor = item.vendor.iter();
        vendor.map(move |name| (item.id.as_str(), name.as_str()))
    });
    named
        .filter_map(|(id, name)| {
            let (name, level) = name.rsplit_once(": ")?;
            (name == line).then_some((id, level))
        })
        .collect()
}

#[test]
fn every_line_of_the_vendor_is_on_the_list_with_its_level() {
    let (book, published) = (Book::shipped(), published());
    let mut missing = Vec::new();
    for line in published["seven"].as_array().unwrap() {
        let line = line.as_str().unwrap();
        let items = items_of(book, line);
        if items.is_empty() || items.iter().any(|(_, level)| *level != "verdict") {
            missing.push(format!("{line}: {items:?}"));
        }
        for (id, _) in items {
            let item = book.items.iter().find(|item| item.id == id).unwrap();
            assert!(item.seven, "{id} is one of the seven");
        }
    }
    for (line, row) in published["item"].as_table().unwrap() {
        let items = items_of(book, line);
        let level = row["level"].as_str().unwrap();
        if items.is_empty() || items.iter().any(|(_, given)| *given != level) {
            missing.push(format!("{line} ({level}): {items:?}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    // Nothing is said to be the vendor's that its pages do not have.
    let seven = published["seven"].as_array().unwrap();
    let known: BTreeSet<&str> = seven
        .iter()
        .filter_map(Value::as_str)
        .chain(
            published["item"]
                .as_table()
                .unwrap()
                .keys()
                .map(String::as_str),
        )
        // The issue's own: events that the platform names.
        .chain(["memory event"])
        .collect();
    for item in &book.items {
        for name in &item.vendor {
            let (name, _) = name.rsplit_once(": ").expect("a level");
            assert!(known.contains(name), "{}: {name}", item.id);
        }
    }
}

#[test]
fn the_published_numbers_are_the_thresholds() {
    let (book, published) = (Book::shipped(), published());
    let item = |id: &str| book.items.iter().find(|item| item.id == id).unwrap();
    let row = |line: &str| published["item"][line].clone();
    let number = |row: &Value, key: &str| row[key].as_integer().map(|n| n as f64);
    assert_eq!(item("latency").risk, number(&row("latency"), "over"));
    assert_eq!(item("latency").fault, number(&row("latency"), "timeout"));
    assert_eq!(item("memory").risk, number(&row("memory"), "over"));
    assert_eq!(
        published["look_back_hours"].as_integer(),
        Some(LOOK_BACK_HOURS)
    );
    // Where we warn before the published number, the fault is not beyond it.
    for (id, line) in [
        ("disk-space", "system disk space"),
        ("disk-busy", "partition I/O"),
    ] {
        let most = number(&row(line), "percent").unwrap();
        let item = item(id);
        assert!(item.risk.unwrap() <= most, "{id}");
        assert!(item.fault.is_none_or(|fault| fault <= most), "{id}");
    }
    // A number that nobody published says so.
    for item in &book.items {
        if item.risk.is_some() || item.fault.is_some() {
            let told = ["own:", "published:"];
            assert!(
                told.iter().any(|word| item.threshold.starts_with(word)),
                "{}: {:?}",
                item.id,
                item.threshold
            );
        }
    }
}

#[test]
fn the_list_names_what_there_is() {
    let book = Book::shipped();
    let mut ids = BTreeSet::new();
    for item in &book.items {
        assert!(ids.insert(&item.id), "{} twice", item.id);
        assert!(!book.group(&item.group).is_empty(), "{}", item.id);
        let ways = [
            item.states.is_some(),
            item.metric.is_some(),
            item.own.is_some(),
        ];
        let ways = ways.iter().filter(|way| **way).count();
        assert_eq!(ways, 1, "{} is judged in one way", item.id);
        for named in item.states.iter().flat_map(States::all) {
            let (group, state) = named.split_once('.').expect("group.state");
            let known = table::Group::of(group).map(|group| group.states);
            assert!(
                known.is_some_and(|states| states.iter().any(|row| row.id == state)),
                "{}: {named}",
                item.id
            );
        }
        for slug in item.guide.iter().chain(&item.guide_windows) {
            assert!(library().get(slug).is_some(), "{slug}");
        }
        if let Some(action) = &item.action {
            let id = ActionId::parse(action).unwrap_or_else(|| panic!("{action}"));
            let known: Vec<&str> = row_of(id).parameters.iter().map(|p| p.name).collect();
            for name in item.set.keys() {
                assert!(known.contains(&name.as_str()), "{action} takes no {name}");
            }
        } else {
            assert!(item.set.is_empty(), "{}", item.id);
        }
        let leads = item.action.is_some() || item.guide.is_some() || item.console.is_some();
        let told = ["jitter", "local-bandwidth"].contains(&item.id.as_str());
        assert!(leads || told, "{} leads nowhere", item.id);
    }
}

// ---- judging ----------------------------------------------------------------------------------------

const NOW: i64 = 1_790_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn unread(status: Status) -> Box<Unread> {
    Box::new(Unread {
        status,
        why: Said::raw("because"),
        needs: Some(Said::raw("monitor:GetMonitorData")),
    })
}

/// The last 12 hours at one level, with another in half an hour of it.
fn course(now: Option<f64>, level: f64, peak: f64) -> Course {
    let points = (0..144).map(|n| {
        let value = if (60..66).contains(&n) { peak } else { level };
        (NOW - 43_200 + n * 300, value)
    });
    Course {
        now,
        points: points.collect(),
        period_s: 300,
    }
}

fn facts() -> CheckFacts {
    let quiet = |level: f64| vec![(String::new(), Ok(course(Some(level), level, level)))];
    let disk = |level: f64| vec![("disk-1".to_owned(), Ok(course(Some(level), level, level)))];
    CheckFacts {
        courses: BTreeMap::from([
            ("BaseCpuUsage".to_owned(), quiet(10.0)),
            ("CPUUsage".to_owned(), quiet(10.0)),
            ("MemUsage".to_owned(), quiet(40.0)),
            ("CvmDiskUsage".to_owned(), quiet(50.0)),
            ("WanOuttraffic".to_owned(), quiet(1.0)),
            ("WanIntraffic".to_owned(), quiet(1.0)),
            ("LanOuttraffic".to_owned(), quiet(10.0)),
            ("LanIntraffic".to_owned(), quiet(10.0)),
            ("TcpCurrEstab".to_owned(), quiet(20.0)),
            ("DiskUtil".to_owned(), disk(3.0)),
            ("DiskSvctm".to_owned(), disk(1.0)),
        ]),
        disks: Ok(vec![Disk {
            id: "disk-1".into(),
            is_system: true,
            is_prepaid: Some(false),
            state: "ATTACHED".into(),
            ..Disk::default()
        }]),
        events: Ok(Vec::new()),
        tasks: Vec::new(),
        public_out: Ok(5.0),
        public_in: Ok(10.0),
        private: Ok(1500.0),
    }
}

fn instance() -> Instance {
    Instance {
        id: "ins-1".into(),
        name: "web".into(),
        os: Os::Linux,
        state: "RUNNING".into(),
        ..Instance::default()
    }
}

fn reading(group: &'static str, state: &'static str) -> Reading {
    Reading::observed(
        State::new(group, state),
        Source::Cloud,
        Said::raw("as read"),
    )
}

/// Every decisive state in order.
fn readings() -> Vec<Reading> {
    [
        ("security-group", "allow"),
        ("restriction", "normal"),
        ("instance-state", "running"),
        ("public-address", "present"),
        ("public-bandwidth", "nonzero"),
        ("ddos-block", "none"),
        ("platform-event", "none"),
        ("disk-io", "normal"),
    ]
    .map(|(group, state)| reading(group, state))
    .to_vec()
}

struct Case {
    instance: Instance,
    readings: Vec<Reading>,
    facts: Option<CheckFacts>,
    guest: Option<GuestCounts>,
}

impl Case {
    fn in_order() -> Self {
        Self {
            instance: instance(),
            readings: readings(),
            facts: Some(facts()),
            guest: None,
        }
    }

    fn judged(&self) -> CheckReport {
        judge(
            Book::shipped(),
            &Input {
                instance: &self.instance,
                readings: &self.readings,
                facts: self.facts.as_ref(),
                guest: self.guest.as_ref(),
                deep: self.guest.is_some(),
                cut_short: false,
                user_source: Some("198.51.100.7"),
                site: None,
                at: now(),
            },
        )
    }

    fn facts(&mut self) -> &mut CheckFacts {
        self.facts.as_mut().unwrap()
    }

    fn measure(&mut self, metric: &str, course: Course) {
        let one = &mut self.facts().courses.get_mut(metric).unwrap()[0];
        one.1 = Ok(course);
    }
}

fn item<'r>(report: &'r CheckReport, id: &str) -> &'r CheckItem {
    let mut items = report.items.iter();
    items
        .find(|item| item.id == id)
        .unwrap_or_else(|| panic!("{id}"))
}

#[test]
fn an_instance_in_order_is_normal_and_what_nobody_saw_is_not_good() {
    let report = Case::in_order().judged();
    assert_eq!(report.verdict, Verdict::Normal);
    assert_eq!(
        report.count(Verdict::Fault) + report.count(Verdict::Risk),
        0
    );
    for id in [
        "softirq-loss",
        "udp-buffer",
        "accept-queue",
        "inodes",
        "read-only",
    ] {
        let item = item(&report, id);
        assert_eq!(item.verdict, Verdict::NotSeen, "{id}");
        assert_eq!(item.status, Some(Status::NotAttempted), "{id}");
        assert!(item.detail.as_str().contains("--deep"), "{id}");
    }
    for id in ["tcp-throttling", "udp-throttling", "connections"] {
        let item = item(&report, id);
        assert_eq!(item.verdict, Verdict::NotSeen, "{id}");
        assert!(item.detail.as_str().contains("the API"), "{id}");
    }
    assert!(report.items.iter().all(|item| item.mend.is_none()));
}

#[test]
fn each_threshold_holds_from_its_figure_on_and_hours_ago_is_a_risk() {
    use Verdict::{Fault, Normal, NotSeen, Risk};
    let cases = [
        ("MemUsage", "memory", course(Some(89.9), 50.0, 50.0), Normal),
        ("MemUsage", "memory", course(Some(90.0), 50.0, 50.0), Risk),
        ("MemUsage", "memory", course(Some(97.0), 50.0, 50.0), Fault),
        ("MemUsage", "memory", course(Some(40.0), 40.0, 99.0), Risk),
        // It was well, and nobody knows how it is: that is neither.
        ("MemUsage", "memory", course(None, 40.0, 40.0), NotSeen),
        ("MemUsage", "memory", course(None, 40.0, 99.0), Risk),
        (
            "BaseCpuUsage",
            "base-cpu",
            course(Some(95.0), 1.0, 1.0),
            Fault,
        ),
        // Per cent of what it may have: 5 Mbit/s out, 10 in, 1,500 on the private network.
        (
            "WanOuttraffic",
            "bandwidth-out",
            course(Some(3.4), 1.0, 1.0),
            Normal,
        ),
        (
            "WanOuttraffic",
            "bandwidth-out",
            course(Some(3.5), 1.0, 1.0),
            Risk,
        ),
        (
            "WanOuttraffic",
            "bandwidth-out",
            course(Some(4.75), 1.0, 1.0),
            Fault,
        ),
        (
            "WanIntraffic",
            "bandwidth-in",
            course(Some(4.75), 1.0, 1.0),
            Normal,
        ),
        (
            "LanIntraffic",
            "private-in",
            course(Some(10.0), 10.0, 1049.0),
            Normal,
        ),
        (
            "LanIntraffic",
            "private-in",
            course(Some(10.0), 10.0, 1050.0),
            Risk,
        ),
        ("DiskUtil", "disk-busy", course(Some(100.0), 3.0, 3.0), Risk),
    ];
    for (metric, id, course, wanted) in cases {
        let mut case = Case::in_order();
        case.measure(metric, course.clone());
        let report = case.judged();
        assert_eq!(item(&report, id).verdict, wanted, "{id} {:?}", course.now);
    }
    let mut case = Case::in_order();
    case.measure("MemUsage", course(Some(40.0), 40.0, 99.0));
    let report = case.judged();
    let measured = item(&report, "memory").measured.clone().unwrap();
    assert_eq!((measured.now, measured.peak), (Some(40.0), Some(99.0)));
    let peak = measured.peak_at.unwrap().as_second();
    assert_eq!(peak, NOW - 43_200 + 65 * 300, "the newest of equal ones");
}

#[test]
fn a_ceiling_that_is_not_known_leaves_the_item_not_seen_with_its_figures() {
    let mut case = Case::in_order();
    case.facts().private = Err(unread(Status::NotPermitted));
    let report = case.judged();
    let out = item(&report, "private-out");
    assert_eq!(out.verdict, Verdict::NotSeen);
    assert_eq!(out.measured.as_ref().unwrap().now, Some(10.0));
    assert!(
        out.detail.as_str().contains("because"),
        "{}",
        out.detail.as_str()
    );
    // The whole is decided without it.
    assert_eq!(report.verdict, Verdict::Normal);
    let mut case = Case::in_order();
    case.facts().public_out = Err(unread(Status::NotApplicable));
    let report = case.judged();
    let out = item(&report, "bandwidth-out");
    assert!(!out.lacks(), "an instance without the thing lacks nothing");
}

#[test]
fn what_decides_and_was_not_seen_decides_nothing_unless_something_is_at_fault() {
    let mut case = Case::in_order();
    case.readings.retain(|reading| reading.id != "ddos-block");
    let status = Status::NotPermitted;
    let refused = Reading::without_state("ddos-block", Source::Cloud, status, Said::raw("no"));
    case.readings.push(refused.needing(Said::raw("antiddos:X")));
    let report = case.judged();
    assert_eq!(report.verdict, Verdict::NotSeen);
    assert!(report.is_undecided());
    let ddos = item(&report, "ddos-block");
    assert_eq!(ddos.status, Some(status));
    assert_eq!(ddos.needs.as_ref().map(Said::as_str), Some("antiddos:X"));
    case.readings.push(reading("public-bandwidth", "zero"));
    assert_eq!(case.judged().verdict, Verdict::Fault);
}

#[test]
fn what_is_wrong_is_told_at_its_own_item_alone() {
    let mut case = Case::in_order();
    case.readings.retain(|reading| reading.id != "restriction");
    case.readings.push(reading("restriction", "arrears"));
    let report = case.judged();
    assert_eq!(item(&report, "account-arrears").verdict, Verdict::Fault);
    for id in ["instance-expired", "isolation"] {
        let other = item(&report, id);
        assert_eq!(other.verdict, Verdict::Normal, "{id}");
        let told = other.detail.as_str();
        assert!(told.starts_with("not this"), "{id}: {told}");
    }
}

#[test]
fn disks_are_judged_by_how_they_are_paid() {
    use Verdict::{Fault, Normal, NotSeen, Risk};
    let prepaid = |days: i64, renews: bool| Disk {
        is_prepaid: Some(true),
        days_left: Some(days),
        renews: Some(renews),
        state: "ATTACHED".into(),
        id: "disk-9".into(),
        ..Disk::default()
    };
    let judged = |disk: Disk| {
        let mut case = Case::in_order();
        case.facts().disks = Ok(vec![disk]);
        let report = case.judged();
        (
            item(&report, "disk-expired").verdict,
            item(&report, "disk-renewal").verdict,
        )
    };
    assert_eq!(judged(prepaid(30, false)), (Normal, Normal));
    assert_eq!(judged(prepaid(7, false)), (Normal, Risk));
    assert_eq!(judged(prepaid(7, true)), (Normal, Normal));
    // What has ended already is told once.
    assert_eq!(judged(prepaid(-1, false)), (Fault, Normal));
    let ends_first = Disk {
        ends_first: true,
        ..prepaid(90, false)
    };
    assert_eq!(judged(ends_first), (Normal, Risk));
    let in_bin = Disk {
        state: "TORECYCLE".into(),
        ..prepaid(3, true)
    };
    assert_eq!(judged(in_bin).0, Fault);
    let untold = Disk {
        is_prepaid: None,
        days_left: None,
        ..prepaid(0, false)
    };
    assert_eq!(judged(untold), (Normal, NotSeen));
    let mut case = Case::in_order();
    case.facts().disks = Err(unread(Status::NotPermitted));
    let report = case.judged();
    assert_eq!(
        item(&report, "disk-expired").status,
        Some(Status::NotPermitted)
    );
}

#[test]
fn events_of_the_platform_are_told_with_their_time() {
    for (name, id, wanted) in [
        ("guestreboot", "restarted", Verdict::Risk),
        ("guestcoreerror", "kernel", Verdict::Fault),
        ("guestoom", "out-of-memory", Verdict::Fault),
        (
            "packetdroppedbyqoswanoutbandwidth",
            "tcp-throttling",
            Verdict::Risk,
        ),
        (
            "packetdroppedbyqoswanoutbandwidth",
            "udp-throttling",
            Verdict::Risk,
        ),
        // As the vendor's specification spells it in an example.
        (
            "cvmpacketdropedbyqosconnectionsession",
            "connections",
            Verdict::Fault,
        ),
    ] {
        let mut case = Case::in_order();
        case.facts().events = Ok(vec![Event {
            name: name.into(),
            at: now(),
        }]);
        let report = case.judged();
        let found = item(&report, id);
        assert_eq!(found.verdict, wanted, "{id}");
        let time = now().strftime("%H:%M UTC").to_string();
        assert!(
            found.detail.as_str().contains(&time),
            "{}",
            found.detail.as_str()
        );
    }
    let mut case = Case::in_order();
    case.facts().events = Err(unread(Status::ProbeFailed));
    let report = case.judged();
    for id in [
        "restarted",
        "kernel",
        "out-of-memory",
        "tcp-throttling",
        "connections",
    ] {
        assert_eq!(item(&report, id).verdict, Verdict::NotSeen, "{id}");
    }
}

#[test]
fn the_guests_counters_are_a_risk_while_they_grow() {
    let counts = GuestCounts {
        softnet_dropped: Some([5, 9]),
        udp_buffers: Some([3, 3]),
        accept_overflows: Some([0, 0]),
        request_drops: None,
        uptime_s: Some(3_600),
        log_read: true,
        stalls: vec![
            (Some(50_000), "old: soft lockup".into()),
            (Some(120), "task x blocked for more than 120 seconds".into()),
        ],
    };
    let mut case = Case::in_order();
    case.guest = Some(counts);
    let report = case.judged();
    for (id, wanted) in [
        ("softirq-loss", Verdict::Risk),
        ("udp-buffer", Verdict::Normal),
        ("accept-queue", Verdict::Normal),
        ("request-overflow", Verdict::NotSeen),
        ("restarted", Verdict::Risk),
        ("kernel", Verdict::Fault),
    ] {
        assert_eq!(item(&report, id).verdict, wanted, "{id}");
    }
    let kernel = item(&report, "kernel").detail.as_str();
    assert!(kernel.contains("blocked for more than"), "{kernel}");
    // Longer ago than the look-back it says nothing any more.
    case.guest.as_mut().unwrap().stalls.truncate(1);
    assert_eq!(item(&case.judged(), "kernel").verdict, Verdict::Normal);
    // A full queue of the login port lets nobody in, whatever the counter says.
    case.readings
        .push(reading("guest-connections", "queue-overflow"));
    assert_eq!(item(&case.judged(), "accept-queue").verdict, Verdict::Fault);
}

#[test]
fn a_mend_names_the_action_with_what_is_known() {
    let mut case = Case::in_order();
    case.readings
        .retain(|reading| reading.id != "security-group");
    case.readings
        .push(reading("security-group", "deny-default"));
    let report = case.judged();
    let mend = item(&report, "login-port").mend.clone().unwrap();
    assert_eq!(
        mend.command("web").as_deref(),
        Some("cvmtop act web open-port --set port=22 --set source=198.51.100.7")
    );
    case.instance.os = Os::Windows;
    case.measure("MemUsage", course(Some(99.0), 99.0, 99.0));
    case.measure("CvmDiskUsage", course(Some(100.0), 99.0, 100.0));
    let report = case.judged();
    let memory = item(&report, "memory").mend.clone().unwrap();
    assert_eq!(memory.guide.as_deref(), Some("windows-high-cpu-mem"));
    // No repair and no guide of the other system.
    let disk = item(&report, "disk-space").mend.clone().unwrap();
    assert_eq!((disk.action, disk.guide), (None, None));
    assert!(report.items.iter().all(|item| item.id != "inodes"));
}

#[test]
fn without_a_cloud_nothing_is_good_and_nothing_is_lacking() {
    let mut case = Case::in_order();
    case.facts = None;
    case.readings.clear();
    case.instance.is_static = true;
    let report = case.judged();
    assert_eq!(report.count(Verdict::Normal), 0);
    assert!(!report.is_undecided());
    case.instance.is_static = false;
    let report = case.judged();
    assert!(report.is_undecided());
    assert_eq!(report.verdict, Verdict::NotSeen);
}
