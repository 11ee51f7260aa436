//! Laws that every answer of the inference engine keeps, whatever the evidence.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

use cvmtop::diagnosis::{Case, Knowledge, diagnose, explain, why_not};
use cvmtop::domain::evidence::{Path, Reading, Source, Status};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::{InstanceSummary, Report};
use proptest::prelude::*;

fn weigh_with(knowledge: &Knowledge, os: Os, port: u16, readings: &[Reading]) -> Report {
    let case = Case {
        instance: InstanceSummary {
            os,
            login_port: port,
            ..Default::default()
        },
        readings,
        ..Case::default()
    };
    diagnose(knowledge, &case)
}

fn weigh(os: Os, readings: &[Reading]) -> Report {
    weigh_with(Knowledge::shipped(), os, 22, readings)
}

fn bits(report: &Report) -> Vec<(String, u64)> {
    report
        .causes
        .iter()
        .map(|c| (c.id.clone(), c.probability.to_bits()))
        .collect()
}

fn p(report: &Report, id: &str) -> f64 {
    report
        .causes
        .iter()
        .find(|c| c.id == id)
        .map_or(0.0, |c| c.probability)
}

/// Any reading of the vocabulary, observed.
fn reading() -> impl Strategy<Value = Reading> {
    let groups = Knowledge::shipped().evidence.len();
    (0..groups, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(group, state, private)| {
        let group = &Knowledge::shipped().evidence[group];
        let state = &group.states[state.index(group.states.len())];
        let reading = Reading::observed(&group.id, Source::Probe, state, "");
        if group.paths {
            reading.on_path(if private { Path::Private } else { Path::Public })
        } else {
            reading
        }
    })
}

/// Up to forty readings, one of each key.
fn evidence() -> impl Strategy<Value = Vec<Reading>> {
    prop::collection::vec(reading(), 0..40).prop_map(|mut readings| {
        let mut seen = std::collections::BTreeSet::new();
        readings.retain(|r| seen.insert((r.id.clone(), r.path)));
        for (number, reading) in readings.iter_mut().enumerate() {
            reading.observation = format!("o-{}", number + 1);
        }
        readings
    })
}

fn system() -> impl Strategy<Value = Os> {
    prop_oneof![Just(Os::Linux), Just(Os::Windows), Just(Os::Unknown)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_evidence_never_matters((os, readings, shuffled) in (system(), evidence())
        .prop_flat_map(|(os, r)| (Just(os), Just(r.clone()), Just(r).prop_shuffle())))
    {
        prop_assert_eq!(bits(&weigh(os, &readings)), bits(&weigh(os, &shuffled)));
    }

    #[test]
    fn repeating_a_reading_changes_nothing(os in system(), readings in evidence(), pick in any::<prop::sample::Index>()) {
        prop_assume!(!readings.is_empty());
        let mut twice = readings.clone();
        twice.push(readings[pick.index(readings.len())].clone());
        prop_assert_eq!(bits(&weigh(os, &readings)), bits(&weigh(os, &twice)));
    }

    #[test]
    fn what_was_not_seen_changes_nothing(os in system(), readings in evidence(), extra in reading(), which in 0..6_usize) {
        let status = [Status::NotPermitted, Status::NotAttempted, Status::ProbeFailed,
            Status::NotApplicable, Status::Stale, Status::Void][which];
        prop_assume!(!readings.iter().any(|r| r.key() == extra.key()));
        let mut more = readings.clone();
        more.push(Reading { status, ..extra });
        prop_assert_eq!(bits(&weigh(os, &readings)), bits(&weigh(os, &more)));
    }

    #[test]
    fn probabilities_are_finite_and_sum_to_one(os in system(), readings in evidence()) {
        let report = weigh(os, &readings);
        let sum: f64 = report.causes.iter().map(|c| c.probability).sum();
        prop_assert!((sum - 1.0).abs() < 1e-12, "{}", sum);
        for cause in &report.causes {
            prop_assert!(cause.probability.is_finite() && cause.probability > 0.0 && cause.probability < 1.0);
            let [low, high] = cause.range.unwrap();
            prop_assert!(low <= cause.probability && cause.probability <= high, "{:?}", cause.range);
        }
        prop_assert!((0.0..=1.0).contains(&report.coverage));
        prop_assert!(report.causes.windows(2).all(|w| w[0].probability >= w[1].probability));
    }

    #[test]
    fn contributions_sum_to_the_log_odds_and_cite_readings(os in system(), readings in evidence()) {
        let report = weigh(os, &readings);
        for cause in &report.causes {
            let sum: f64 = cause.contributions.iter().map(|c| c.weight_db).sum();
            let odds = 10.0 * (cause.probability / (1.0 - cause.probability)).log10();
            prop_assert!((sum - odds).abs() < 1e-6, "{}: {} and {}", cause.id, sum, odds);
            for term in cause.contributions.iter().filter(|c| c.evidence != "prior") {
                prop_assert!(report.evidence.iter().any(|r| r.observation == term.observation
                    && r.id == term.evidence && r.state.as_deref() == Some(&term.state)));
            }
            let explanation = explain(&report, &cause.id).unwrap();
            for reason in explanation.supporting.iter().chain(&explanation.opposing) {
                prop_assert!(report.evidence.iter().any(|r| r.observation == reason.observation));
            }
        }
    }

    #[test]
    fn a_typical_state_never_lowers_its_cause(readings in evidence()) {
        // States that one cause shows more often than every other, alone or in a pair.
        for (id, state, cause) in [
            ("guest-profile", "loop", "profile-script-loop"),
            ("guest-login-log", "oversized", "login-log-oversized"),
            ("restriction", "isolated", "security-isolated"),
            ("restriction", "expired", "instance-expired"),
            ("ddos-block", "blocked", "ddos-blocked"),
            ("guest-source-block", "blocked", "ssh-source-denied"),
            ("guest-throttle", "max-startups", "ssh-connections-throttled"),
        ] {
            let mut before = readings.clone();
            before.retain(|r| r.id != id);
            let mut after = before.clone();
            after.push(Reading::observed(id, Source::Guest, state, ""));
            let (b, a) = (weigh(Os::Linux, &before), weigh(Os::Linux, &after));
            let present = |r: &Report| p(r, cause);
            prop_assert!(present(&a) >= present(&b) * (1.0 - 1e-9), "{}={}: {} to {}", id, state, present(&b), present(&a));
        }
    }

    #[test]
    fn a_private_reading_leaves_public_causes_in_proportion(readings in evidence()) {
        // With nothing but singles the law is exact; pairs add private-side partners.
        let singles = {
            let mut settings = Knowledge::shipped().settings.clone();
            settings.pair_share = 0.0;
            Knowledge::shipped().with_settings(settings)
        };
        let mut before = readings;
        before.retain(|r| r.id != "reach" && r.id != "banner");
        let mut after = before.clone();
        after.push(Reading::observed("reach", Source::Probe, "open", "").on_path(Path::Private));
        let (b, a) = (weigh_with(&singles, Os::Linux, 22, &before), weigh_with(&singles, Os::Linux, 22, &after));
        for (x, y) in [("public-bandwidth-zero", "ddos-blocked"), ("no-public-ip", "public-bandwidth-zero")] {
            // The guard that keeps probabilities off zero blurs what is next to nothing.
            if p(&b, x) > 1e-6 && p(&b, y) > 1e-6 {
                let (before, after) = (p(&b, x) / p(&b, y), p(&a, x) / p(&a, y));
                prop_assert!((before / after - 1.0).abs() < 1e-4, "{} {}", before, after);
            }
        }
    }

    #[test]
    fn a_moved_port_that_is_known_leaves_the_answer(os in system(), readings in evidence(), port in 1_u16..) {
        let usual = weigh(os, &readings);
        let moved = weigh_with(Knowledge::shipped(), os, port, &readings);
        prop_assert_eq!(bits(&usual), bits(&moved));
    }

    #[test]
    fn every_cause_has_an_answer_to_why_not(readings in evidence()) {
        let report = weigh(Os::Linux, &readings);
        for cause in &report.causes {
            prop_assert!(why_not(Knowledge::shipped(), &report, &cause.id).is_some());
        }
    }

    #[test]
    fn open_port_is_never_for_everyone(readings in evidence()) {
        let report = weigh(Os::Linux, &readings);
        for action in report.actions.iter().filter(|a| a.id == "open-port") {
            prop_assert!(action.parameters["source"].is_null());
        }
        // Nothing that costs downtime or exposure comes first while it is held back.
        prop_assert_ne!(report.actions[0].id.as_str(), "open-common-ports");
    }
}

/// A group whose rows are equal for all causes changes nothing.
#[test]
fn a_group_that_tells_nothing_apart_changes_nothing() {
    let extra = "[[evidence]]\nid = \"weather\"\nkind = \"fact\"\nfloor = \"soft\"\ntemper = 1.0\ncost_s = 1\n\
        life_s = 60\nintrusive = 0\nneeds = \"a window\"\nstates = [\"sun\", \"rain\"]\ndefault = { sun = 0.5, rain = 0.5 }\n";
    let knowledge = Knowledge::parse("extra.toml", extra).unwrap();
    let base = vec![Reading::observed("cpu", Source::Cloud, "pegged", "")];
    let mut more = base.clone();
    more.push(Reading::observed("weather", Source::Cloud, "rain", ""));
    let (a, b) = (
        weigh_with(&knowledge, Os::Linux, 22, &base),
        weigh_with(&knowledge, Os::Linux, 22, &more),
    );
    for cause in &a.causes {
        assert!(
            (cause.probability - p(&b, &cause.id)).abs() < 1e-12,
            "{}",
            cause.id
        );
    }
}

/// An organisation's file replaces what it names and is refused where it breaks a rule.
#[test]
fn an_override_changes_what_it_names() {
    let file = "rows = [{ cause = \"cpu-overload\", on = \"cpu\", p = { normal = 0.9 }, ess = 5, why = \"x\", source = \"y\" }]\n\
        [[cause]]\nid = \"rdp-license\"\nprior = 0.5\n";
    let knowledge = Knowledge::parse("ours.toml", file).unwrap();
    assert_ne!(knowledge.hash(), Knowledge::shipped().hash());
    let pegged = vec![Reading::observed("cpu", Source::Cloud, "pegged", "")];
    let ours = weigh_with(&knowledge, Os::Linux, 22, &pegged);
    assert!(p(&ours, "cpu-overload") < p(&weigh(Os::Linux, &pegged), "cpu-overload"));
    let windows = weigh_with(&knowledge, Os::Windows, 3389, &[]);
    assert_eq!(windows.causes[0].id, "rdp-license");

    for (text, names) in [
        (
            "rows = [{ cause = \"nothing\", on = \"cpu\", p = { normal = 0.9 }, ess = 5, why = \"x\", source = \"y\" }]",
            "nothing",
        ),
        (
            "rows = [{ cause = \"cpu-overload\", on = \"cpu\", p = { normal = 1.9 }, ess = 5, why = \"x\", source = \"y\" }]",
            "1.9",
        ),
        (
            "rows = [{ cause = \"cpu-overload\", on = \"cpu\", p = { odd = 0.9 }, ess = 5, why = \"x\", source = \"y\" }]",
            "odd",
        ),
        (
            "rows = [{ cause = \"cpu-overload\", on = \"cpu\", p = { normal = 0.9 }, ess = 5, why = \"\", source = \"y\" }]",
            "why",
        ),
        ("nonsense = 3", "nonsense"),
    ] {
        let problems = cvmtop::diagnosis::check_file("ours.toml", text);
        assert!(
            problems.iter().any(|p| p.contains(names)),
            "{text}: {problems:?}"
        );
    }
}

/// A repair that did not help makes what it cures less likely, not impossible.
#[test]
fn a_failed_repair_lowers_what_it_cures() {
    let readings = [
        Reading::observed("reach", Source::Probe, "all-silent", "").on_path(Path::Public),
        Reading::observed("security-group", Source::Cloud, "deny-default", ""),
    ];
    let before = weigh(Os::Linux, &readings);
    let tried = ["open-port".to_owned()];
    let case = Case {
        instance: InstanceSummary {
            os: Os::Linux,
            login_port: 22,
            ..Default::default()
        },
        readings: &readings,
        tried: &tried,
        ..Case::default()
    };
    let after = diagnose(Knowledge::shipped(), &case);
    let id = "security-group-blocks-port";
    assert!(p(&after, id) < p(&before, id) && p(&after, id) > 0.0);
}

/// The address family of the failing user decides between two readings of one group.
#[test]
fn the_user_family_decides() {
    let readings = [
        Reading::observed("reach", Source::Probe, "open", "").on_path(Path::Public),
        Reading::observed("reach", Source::Probe, "all-silent", "")
            .on_path(Path::Public)
            .in_family(cvmtop::domain::evidence::Family::Ipv6),
    ];
    let with_source = |source: &str| {
        let mut case = Case {
            instance: InstanceSummary {
                os: Os::Linux,
                login_port: 22,
                ..Default::default()
            },
            readings: &readings,
            ..Case::default()
        };
        case.vantage.user_source = Some(source.to_owned());
        p(&diagnose(Knowledge::shipped(), &case), "no-fault-found")
    };
    assert!(with_source("203.0.113.7") > 5.0 * with_source("2001:db8::7"));
}
