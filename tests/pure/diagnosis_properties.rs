//! Laws that every answer of the inference engine keeps, whatever the evidence.

use cvmtop::diagnosis::{Case, Knowledge, diagnose, explain, why_not};
use cvmtop::domain::evidence::{Path, Reading, Source, State, Status};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::{InstanceSummary, Report};
use cvmtop::domain::said::Said;
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
        let reading = Reading::observed(State::new(&group.id, state), Source::Probe, Said::raw(""));
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

/// The shipped knowledge with single causes only, for laws that hold of each by itself.
fn without_pairs() -> Knowledge {
    let mut settings = Knowledge::shipped().settings.clone();
    settings.pair_share = 0.0;
    Knowledge::shipped().with_settings(settings)
}

/// Every state that one cause shows more often than every other, in each of its variants: group,
/// path, state, cause. Told by the answers themselves, from that one reading alone. Groups of
/// clusters are left out: a second reading of one origin takes weight from the first.
fn typical_states(os: Os) -> Vec<(String, Option<Path>, String, String)> {
    let knowledge = Knowledge::shipped();
    let mut found = Vec::new();
    for group in knowledge
        .evidence
        .iter()
        .filter(|g| os == Os::Unknown || g.os.contains(&os))
    {
        if knowledge
            .clusters
            .iter()
            .any(|c| c.members.contains_key(&group.id))
            || group.id == "pasted-error"
        {
            continue;
        }
        for row in knowledge.rows.iter().filter(|r| {
            r.on == group.id && r.variant.is_none() && r.path.is_none() && r.os.is_none()
        }) {
            let [cause] = row.cause.as_slice() else {
                continue;
            };
            let Some((state, best)) = row.p.iter().max_by(|a, b| a.1.total_cmp(b.1)) else {
                continue;
            };
            let rival = knowledge
                .rows
                .iter()
                .filter(|o| o.on == group.id && !std::ptr::eq(*o, row))
                .map(|o| {
                    let rest = (1.0 - o.p.values().sum::<f64>())
                        / (group.states.len() - o.p.len()).max(1) as f64;
                    o.p.get(state).copied().unwrap_or(rest)
                })
                .chain([group.default.get(state).copied().unwrap_or(0.05)])
                .chain(
                    group
                        .default_private
                        .iter()
                        .map(|d| d.get(state).copied().unwrap_or(0.05)),
                )
                .fold(0.0, f64::max);
            let own_rows = knowledge
                .rows
                .iter()
                .filter(|o| o.on == group.id && o.cause.as_slice().contains(cause))
                .count();
            if *best > rival + 0.02
                && own_rows == 1
                && knowledge.cause(cause).unwrap().applies_to(os)
                && os != Os::Unknown
            {
                let paths: &[Option<Path>] = if group.paths {
                    &[Some(Path::Public), Some(Path::Private)]
                } else {
                    &[None]
                };
                found.extend(
                    paths
                        .iter()
                        .map(|path| (group.id.clone(), *path, state.clone(), cause.clone())),
                );
            }
        }
    }
    if found.is_empty() {
        found.push((
            "guest-network".to_owned(),
            None,
            "misconfigured".to_owned(),
            "guest-network-misconfigured".to_owned(),
        ));
    }
    found
}

#[test]
fn many_states_are_typical() {
    assert!(
        typical_states(Os::Linux).len() > 12,
        "{:?}",
        typical_states(Os::Linux)
    );
    assert!(
        typical_states(Os::Windows).len() > 8,
        "{:?}",
        typical_states(Os::Windows)
    );
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
    fn the_prior_of_the_terms_is_that_of_no_readings(os in system(), readings in evidence()) {
        let (report, nothing) = (weigh(os, &readings), weigh(os, &[]));
        // Below that, log-odds end where probabilities are kept off 0.
        for cause in report.causes.iter().filter(|c| c.probability > 1e-9) {
            let p = p(&nothing, &cause.id);
            let prior = 10.0 * (p / (1.0 - p)).log10();
            let term = &cause.contributions[0];
            prop_assert_eq!(&term.evidence, "prior");
            prop_assert!((term.weight_db - prior).abs() < 0.1, "{}: {} and {}", cause.id, term.weight_db, prior);
        }
    }

    #[test]
    fn a_typical_state_never_lowers_its_cause(os in system(), readings in evidence(), pick in any::<prop::sample::Index>()) {
        let typical = typical_states(os);
        let (group, path, state, cause) = &typical[pick.index(typical.len())];
        let mut before = readings;
        before.retain(|r| &r.id != group);
        let mut after = before.clone();
        let mut reading = Reading::observed(State::new(group, state), Source::Guest, Said::raw(""));
        reading.path = *path;
        after.push(reading);
        let singles = without_pairs();
        let (b, a) = (weigh_with(&singles, os, 22, &before), weigh_with(&singles, os, 22, &after));
        prop_assert!(p(&a, cause) >= p(&b, cause) * (1.0 - 1e-9),
            "{}={}: {} from {} to {}", group, state, cause, p(&b, cause), p(&a, cause));
    }

    #[test]
    fn a_private_reading_leaves_public_causes_in_proportion(readings in evidence()) {
        // With nothing but singles the law is exact; pairs add private-side partners.
        let singles = without_pairs();
        let mut before = readings;
        before.retain(|r| r.id != "reach" && r.id != "banner");
        let mut after = before.clone();
        after.push(Reading::observed(State::new("reach", "open"), Source::Probe, Said::raw("")).on_path(Path::Private));
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
    let base = vec![Reading::observed(
        State::new("cpu", "pegged"),
        Source::Cloud,
        Said::raw(""),
    )];
    let mut more = base.clone();
    more.push(Reading::observed(
        State::new("weather", "rain"),
        Source::Cloud,
        Said::raw(""),
    ));
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
    let pegged = vec![Reading::observed(
        State::new("cpu", "pegged"),
        Source::Cloud,
        Said::raw(""),
    )];
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
        Reading::observed(
            State::new("reach", "all-silent"),
            Source::Probe,
            Said::raw(""),
        )
        .on_path(Path::Public),
        Reading::observed(
            State::new("security-group", "deny-default"),
            Source::Cloud,
            Said::raw(""),
        ),
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
        Reading::observed(State::new("reach", "open"), Source::Probe, Said::raw(""))
            .on_path(Path::Public),
        Reading::observed(
            State::new("reach", "all-silent"),
            Source::Probe,
            Said::raw(""),
        )
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

/// Readings that contradict each other everywhere still give figures.
#[test]
fn nothing_is_lost_at_the_floors() {
    for os in [Os::Linux, Os::Windows, Os::Unknown] {
        for pick in 0..16 {
            let mut readings = Vec::new();
            for group in &Knowledge::shipped().evidence {
                let state = &group.states[(pick + group.id.len()) % group.states.len()];
                let reading =
                    Reading::observed(State::new(&group.id, state), Source::Probe, Said::raw(""));
                if group.paths {
                    readings.push(reading.clone().on_path(Path::Public));
                    readings.push(reading.on_path(Path::Private));
                } else {
                    readings.push(reading);
                }
            }
            let report = weigh(os, &readings);
            let sum: f64 = report.causes.iter().map(|c| c.probability).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
            for cause in &report.causes {
                assert!(cause.probability > 0.0 && cause.probability < 1.0);
                assert!(cause.contributions.iter().all(|c| c.weight_db.is_finite()));
            }
            assert!(report.coverage > 0.99, "{}", report.coverage);
            assert!(report.conflict.is_some());
        }
    }
}

/// What operators confirm moves a prior, by so much and not more, and is told.
#[test]
fn outcomes_move_priors_and_say_so() {
    use cvmtop::diagnosis::learn::{Confirmation, Outcome, apply, priors};
    let outcome = |cause: &str, confirmation, age_days| Outcome {
        cause: cause.to_owned(),
        confirmation,
        age_days,
    };
    let shipped = Knowledge::shipped();
    let seven: Vec<_> = (0..7)
        .map(|_| outcome("disk-full", Confirmation::Verified, 1.0))
        .collect();
    let learnt = apply(shipped, &seven);
    assert!(
        p(&weigh_with(&learnt, Os::Linux, 22, &[]), "disk-full")
            > 4.0 * p(&weigh(Os::Linux, &[]), "disk-full")
    );
    let report = weigh_with(&learnt, Os::Linux, 22, &[]);
    assert!(
        report
            .learnt
            .iter()
            .any(|n| n.starts_with("disk-full") && n.contains("7 confirmed cases")),
        "{:?}",
        report.learnt
    );
    assert_ne!(report.knowledge, shipped.hash());
    // Its own opinion teaches nothing; old cases count little; rare causes stay findable.
    let own = apply(
        shipped,
        &[outcome("disk-full", Confirmation::Unverified, 1.0)],
    );
    assert_eq!(
        bits(&weigh_with(&own, Os::Linux, 22, &[])),
        bits(&weigh(Os::Linux, &[]))
    );
    let weight = |age| {
        priors(
            shipped,
            &[outcome("disk-full", Confirmation::Verified, age)],
        )
        .iter()
        .find(|p| p.cause == "disk-full")
        .unwrap()
        .learnt
    };
    assert!(weight(360.0) < weight(1.0));
    let flood: Vec<_> = (0..5000)
        .map(|_| outcome("disk-full", Confirmation::Verified, 1.0))
        .collect();
    for prior in priors(shipped, &flood) {
        assert!(prior.learnt >= 0.299 * prior.shipped, "{prior:?}");
    }
    // An unresolved case counts for what is not listed.
    let unresolved = priors(
        shipped,
        &[outcome("disk-full", Confirmation::Unresolved, 1.0)],
    );
    let cases = |id: &str| unresolved.iter().find(|p| p.cause == id).unwrap().cases;
    assert_eq!((cases("disk-full"), cases("other-unlisted")), (0, 1));
}

/// "Why not" names what was seen instead, and what would show the cause.
#[test]
fn why_not_says_what_would_have_to_be_true() {
    let readings = [
        Reading::observed(State::new("reach", "refused"), Source::Probe, Said::raw(""))
            .on_path(Path::Public),
        Reading::observed(
            State::new("guest-service", "stopped"),
            Source::Guest,
            Said::raw(""),
        ),
        Reading {
            needs: Some(Said::raw("cvm:DescribeInstances")),
            ..Reading::observed(State::new("restriction", ""), Source::Cloud, Said::raw(""))
        },
    ];
    let mut readings = readings.to_vec();
    readings[2].status = Status::NotPermitted;
    readings[2].state = None;
    let report = weigh(Os::Linux, &readings);
    let why = why_not(Knowledge::shipped(), &report, "security-isolated").unwrap();
    assert!(why.leader.is_some());
    assert!(
        why.would_have_to_be
            .iter()
            .any(|c| c.evidence == "reach" && c.state == "refused" && c.needed == "all-silent"),
        "{why:?}"
    );
    assert!(
        why.not_permitted.iter().any(|n| n.evidence == "restriction"
            && n.state == "isolated"
            && n.needs == "cvm:DescribeInstances"),
        "{why:?}"
    );
    assert!(why.would_need.iter().all(|n| n.evidence != "restriction"));
    let leads = why_not(Knowledge::shipped(), &report, "login-service-down").unwrap();
    assert!(leads.leader.is_none());
    for cause in &report.causes {
        let why = why_not(Knowledge::shipped(), &report, &cause.id).unwrap();
        assert!(why.lines()[0].contains(&cause.title));
        // Only what is possible is asked for: no greeting from a port that refuses.
        assert!(
            why.would_need
                .iter()
                .all(|n| n.evidence != "banner" || n.path != Some(Path::Public)),
            "{}",
            cause.id
        );
    }
    assert!(why_not(Knowledge::shipped(), &report, "nonsense").is_none());
}
