//! Mistakes that a diagnosis of logins invites, each with the behaviour that avoids it.
//! What belongs to probes or to the cloud (empty pages, rule order, shared budgets) is tested there.

use cvmtop::diagnosis::{Case, Knowledge, asks_for_way, diagnose};
use cvmtop::domain::evidence::{Path, Reading, Source, State, Status};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::{InstanceSummary, Report, Verdict};
use cvmtop::domain::said::Said;

const CLEAR: &str = "instance-state=running restriction=normal account-balance=positive public-address=present \
     public-bandwidth=nonzero ddos-block=none network-acl=none route=ok";

/// `id=state`, `id/public=state` or `id/private=state`; `id=!status` has no state.
fn readings(text: &str) -> Vec<Reading> {
    text.split_whitespace()
        .map(|word| {
            let (key, state) = word.split_once('=').unwrap();
            let (id, path) = match key.split_once('/') {
                Some((id, "public")) => (id, Some(Path::Public)),
                Some((id, _)) => (id, Some(Path::Private)),
                None => (key, None),
            };
            let reading = match state.strip_prefix('!') {
                None => Reading::observed(State::new(id, state), Source::Probe, Said::raw("")),
                Some(status) => Reading {
                    status: serde_json::from_value(status.into()).unwrap(),
                    state: None,
                    ..Reading::observed(State::new(id, ""), Source::Probe, Said::raw(""))
                },
            };
            match path {
                Some(path) => reading.on_path(path),
                None => reading,
            }
        })
        .collect()
}

fn weigh_from(os: Os, source: Option<&str>, tried: &[String], text: &str) -> Report {
    let readings = readings(text);
    let mut case = Case {
        instance: InstanceSummary {
            os,
            login_port: os.default_login_port(),
            ..Default::default()
        },
        readings: &readings,
        tried,
        ..Case::default()
    };
    case.vantage.user_source = source.map(str::to_owned);
    diagnose(Knowledge::shipped(), &case)
}

/// As from a host on the private path, whose users come by `way`.
fn by_way(way: Option<Path>, text: &str) -> Report {
    let readings = readings(text);
    let mut case = Case {
        instance: InstanceSummary {
            os: Os::Linux,
            login_port: 22,
            ..Default::default()
        },
        readings: &readings,
        ..Case::default()
    };
    case.vantage.paths = vec![Path::Private];
    case.vantage.user_way = way;
    diagnose(Knowledge::shipped(), &case)
}

fn linux(text: &str) -> Report {
    weigh_from(Os::Linux, None, &[], text)
}

fn p(report: &Report, id: &str) -> f64 {
    report
        .causes
        .iter()
        .find(|c| c.id == id)
        .map_or(0.0, |c| c.probability)
}

fn lead(report: &Report) -> (&str, f64) {
    (&report.causes[0].id, report.causes[0].probability)
}

fn show(report: &Report) -> String {
    report
        .causes
        .iter()
        .take(4)
        .map(|c| format!("{} {:.3}", c.id, c.probability))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn p01_a_repeated_silence_is_one_reading() {
    let once = linux("reach/public=all-silent");
    let text = "reach/public=all-silent ".repeat(3);
    let thrice = linux(&text);
    assert_eq!(show(&once), show(&thrice));
    // The user's own time-out repeats what the probe saw: it adds next to nothing.
    let told = linux("reach/public=all-silent pasted-error=connect-timeout");
    for cause in once.causes.iter().filter(|c| c.probability > 0.05) {
        let (a, b) = (cause.probability, p(&told, &cause.id));
        assert!((a - b).abs() < 0.08, "{}: {a:.3} {b:.3}", cause.id);
    }
}

#[test]
fn p02_one_silent_reporter_explains_every_gap() {
    let offline = linux(&format!(
        "reach/public=all-silent agent=offline-recent {CLEAR}"
    ));
    let gaps = linux(&format!(
        "reach/public=all-silent agent=offline-recent memory=no-data disk=no-data {CLEAR}"
    ));
    // Gaps beside an agent that is gone may sharpen the answer, not multiply it.
    for id in ["boot-failure", "guest-network-misconfigured"] {
        let odds = |r: &Report| p(r, id) / (1.0 - p(r, id));
        assert!(odds(&gaps) < 4.0 * odds(&offline), "{id}: {}", show(&gaps));
    }
    // An agent that has been gone for long does not decide about a port that answers with RST.
    let refused = linux(&format!(
        "reach/public=refused agent=offline-long memory=no-data disk=no-data {CLEAR}"
    ));
    assert!(lead(&refused).1 < 0.5, "{}", show(&refused));
    assert!(
        p(&refused, "login-service-down") > 0.15,
        "{}",
        show(&refused)
    );
}

#[test]
fn p03_and_p05_an_unknown_is_not_a_no() {
    let base = "reach/public=all-silent cpu=normal";
    let before = linux(base);
    for status in [
        "not-permitted",
        "probe-failed",
        "not-attempted",
        "stale",
        "void",
    ] {
        let after = linux(&format!(
            "{base} security-group=!{status} reach/private=!{status}"
        ));
        assert_eq!(show(&before), show(&after), "{status}");
    }
    let refused = linux(&format!("{base} security-group=!not-permitted"));
    assert!(
        !refused
            .next_evidence
            .iter()
            .any(|n| n.id == "security-group"),
        "what is not permitted cannot be asked for"
    );
    assert_eq!(
        linux("security-group=!not-permitted").verdict,
        Verdict::Inconclusive
    );
}

#[test]
fn p04_an_unanswered_ping_says_little() {
    // `open-login-only` is a login port that answers where ICMP and all else are filtered.
    let quiet = linux("reach/public=open-login-only banner/public=fast kex/public=common");
    assert_eq!(lead(&quiet).0, "no-fault-found", "{}", show(&quiet));
    // An answered ping is strong evidence of power.
    let silent = linux("reach/public=all-silent");
    let icmp = linux("reach/public=silent-icmp-only");
    assert!(p(&icmp, "instance-not-running") < 0.2 * p(&silent, "instance-not-running"));
}

#[test]
fn p06_the_private_path_says_nothing_about_the_public_one() {
    let r = linux("reach/private=open banner/private=fast kex/private=common");
    let alone = linux("reach/private=open");
    for id in ["ddos-blocked", "public-bandwidth-zero", "no-public-ip"] {
        assert!(p(&r, id) > 0.5 * p(&alone, id), "{id} {}", show(&r));
    }
    // A user who comes by a private address is not stopped by what the public side shows.
    let private_user = weigh_from(
        Os::Linux,
        Some("10.0.3.7"),
        &[],
        "reach/public=all-silent reach/private=refused public-address=none guest-listener=none guest-service=stopped",
    );
    assert_eq!(
        lead(&private_user).0,
        "login-service-down",
        "{}",
        show(&private_user)
    );
}

#[test]
fn p06_a_rule_that_lets_this_host_in_may_shut_the_user_out() {
    let r = linux(
        "reach/public=open banner/public=fast kex/public=common security-group-here/public=allow \
         security-group=allow-other-source-only scope=one-network user-path=worse",
    );
    assert_eq!(lead(&r).0, "security-group-blocks-port", "{}", show(&r));
}

#[test]
fn p09_an_unresolved_rule_decides_nothing() {
    let r = linux("reach/public=silent-icmp-only security-group=unresolved");
    assert!(lead(&r).1 < 0.8, "{}", show(&r));
    let denied = linux("reach/public=silent-icmp-only security-group=deny-default");
    assert!(p(&denied, "security-group-blocks-port") > p(&r, "security-group-blocks-port"));
}

#[test]
fn p10_the_return_direction_of_an_acl_counts() {
    let r = linux(&format!(
        "reach/public=all-silent security-group=allow {}",
        CLEAR.replace("network-acl=none", "network-acl=deny-return")
    ));
    assert_eq!(lead(&r).0, "network-acl-blocks-port", "{}", show(&r));
}

#[test]
fn p12_a_busy_cpu_is_a_cause_of_open_then_nothing_only() {
    let silent = linux(&format!("reach/public=all-silent cpu=pegged {CLEAR}"));
    assert!(p(&silent, "cpu-overload") < 0.2, "{}", show(&silent));
    let open = linux(&format!(
        "reach/public=open banner/public=silent cpu=pegged {CLEAR}"
    ));
    assert_eq!(lead(&open).0, "cpu-overload", "{}", show(&open));
}

#[test]
fn p13_a_consequence_does_not_lead_over_its_cause() {
    let isolated = linux(
        "reach/public=all-silent reach/private=open-login-only restriction=isolated cpu=pegged \
         guest-load=cpu guest-malware=suspicious",
    );
    assert_eq!(
        lead(&isolated).0,
        "security-isolated",
        "{}",
        show(&isolated)
    );
    let flooded = linux(
        "reach/public=all-silent reach/private=open ddos-block=blocked bandwidth-use=saturated \
         instance-state=running public-address=present",
    );
    assert_eq!(lead(&flooded).0, "ddos-blocked", "{}", show(&flooded));
    let killed = linux(
        "reach/public=refused guest-service=failed guest-listener=none guest-load=oom-killed memory=exhausted",
    );
    assert_eq!(lead(&killed).0, "memory-exhausted", "{}", show(&killed));
}

#[test]
fn p14_an_open_port_may_be_the_kernel_answering_for_a_dead_process() {
    let open = linux(&format!("reach/public=open {CLEAR}"));
    let silent = linux(&format!("reach/public=open banner/public=silent {CLEAR}"));
    let greeted = linux(&format!("reach/public=open banner/public=fast {CLEAR}"));
    assert!(p(&silent, "no-fault-found") < 0.05, "{}", show(&silent));
    assert!(p(&greeted, "no-fault-found") > p(&open, "no-fault-found"));
}

#[test]
fn p15_and_p16_mixed_answers_are_a_limit_not_a_ban() {
    let mixed = linux("reach/public=open banner/public=mixed cpu=normal memory=normal");
    assert_eq!(
        lead(&mixed).0,
        "ssh-connections-throttled",
        "{}",
        show(&mixed)
    );
    let notice = linux("reach/public=open banner/public=throttle-notice");
    assert_eq!(
        lead(&notice).0,
        "ssh-connections-throttled",
        "{}",
        show(&notice)
    );
    // One success does not clear it.
    let once = linux("reach/public=open banner/public=mixed login-attempt=accepted");
    assert!(
        p(&once, "ssh-connections-throttled") > 0.3,
        "{}",
        show(&once)
    );
}

#[test]
fn p17_a_ban_takes_many_shapes() {
    for shape in [
        "reach/public=open banner/public=reset",
        "reach/public=open banner/public=closed",
        "reach/public=refused",
        "reach/public=silent-icmp-only",
    ] {
        let r = linux(&format!("{shape} guest-source-block=blocked"));
        assert_eq!(lead(&r).0, "ssh-source-denied", "{shape}: {}", show(&r));
    }
    // A ban names one address: over the private path this host has another.
    let one_path = linux(
        "reach/public=open banner/public=reset reach/private=open banner/private=fast guest-source-block=blocked",
    );
    assert_eq!(
        lead(&one_path).0,
        "ssh-source-denied",
        "{}",
        show(&one_path)
    );
}

#[test]
fn p18_who_is_affected_matters() {
    let base =
        "reach/public=open banner/public=fast kex/public=common pasted-error=connect-timeout";
    let one = linux(&format!("{base} scope=one-network user-path=worse"));
    let all = linux(&format!("{base} scope=everyone user-path=same"));
    assert!(p(&one, "client-network-fault") > 3.0 * p(&all, "client-network-fault"));
}

#[test]
fn p19_a_change_after_the_onset_is_no_cause() {
    let base = "reach/public=silent-icmp-only security-group=deny-default";
    let before = linux(&format!("{base} recent-change=relevant-before-onset"));
    let none = linux(base);
    let after = linux(&format!("{base} recent-change=after-onset"));
    let id = "security-group-blocks-port";
    assert!(p(&before, id) > p(&none, id));
    assert!(p(&after, id) <= p(&none, id) + 1e-9);
}

#[test]
fn p20_readings_of_before_a_repair_do_not_weigh() {
    let r = linux("reach/public=!void security-group=!void");
    assert_eq!(show(&r), show(&linux("")));
    assert_eq!(r.verdict, Verdict::Inconclusive);
    assert!(r.evidence.iter().all(|e| e.status == Status::Void));
}

#[test]
fn p22_the_share_of_the_prior_is_shown() {
    let r = linux("reach/public=refused");
    for cause in &r.causes {
        assert_eq!(cause.contributions[0].evidence, "prior", "{}", cause.id);
    }
}

#[test]
fn p23_a_sound_path_is_healthy_without_a_list_of_warnings() {
    let r = linux(&format!(
        "reach/public=open banner/public=fast kex/public=common auth-methods=password-and-key \
         login-attempt=accepted security-group=allow cpu=normal memory=normal disk=normal {CLEAR}"
    ));
    assert_eq!(r.verdict, Verdict::Healthy, "{}", show(&r));
    let healthy_or_user = p(&r, "no-fault-found") + p(&r, "client-network-fault");
    assert!(healthy_or_user > 0.8, "{}", show(&r));
    assert!(r.also_broken.is_empty());
    assert!(r.causes[1].probability < 0.1, "{}", show(&r));
}

#[test]
fn a_sound_path_that_the_user_does_not_take_is_not_called_healthy() {
    let sound = format!(
        "reach/public=open banner/public=fast kex/public=common auth-methods=password-and-key \
         security-group=allow cpu=normal memory=normal disk=normal {CLEAR}"
    );
    assert_eq!(linux(&sound).verdict, Verdict::Healthy);
    let told = |what: &str| linux(&format!("{sound} {what}"));
    assert_eq!(told("text-target=same").verdict, Verdict::Healthy);
    for elsewhere in [
        "text-target=other-port",
        "text-target=own-machine",
        "name-resolution=other-address",
        "name-resolution=failed",
    ] {
        let r = told(elsewhere);
        assert_ne!(r.verdict, Verdict::Healthy, "{elsewhere}: {}", show(&r));
    }
    // A login that went through is one, by whatever way it came.
    let through = told("text-target=local-proxy pasted-error=login-works");
    assert_eq!(through.verdict, Verdict::Healthy, "{}", show(&through));
}

#[test]
fn p24_a_failed_repair_lowers_its_cause_and_does_not_clear_it() {
    let text = "reach/public=refused guest-service=stopped guest-listener=none";
    let before = linux(text);
    let tried = ["guest-restart-login-service".to_owned()];
    let after = weigh_from(Os::Linux, None, &tried, text);
    let id = "login-service-down";
    assert!(p(&after, id) < p(&before, id), "{}", show(&after));
    assert!(p(&after, id) > 0.1, "{}", show(&after));
}

#[test]
fn a_restart_is_first_only_where_it_really_cures() {
    let silent = linux("reach/public=all-silent");
    assert_ne!(silent.actions[0].id, "restart");
    let overload = linux(&format!(
        "reach/public=open banner/public=silent cpu=pegged guest-load=cpu agent=online {CLEAR}"
    ));
    let cured: f64 = [
        "cpu-overload",
        "memory-exhausted",
        "login-service-hung",
        "kernel-hang-or-panic",
        "disk-io-saturated",
    ]
    .iter()
    .map(|id| p(&overload, id))
    .sum();
    if overload.actions[0].id == "restart" {
        assert!(cured > 0.6, "{}", show(&overload));
    }
    // What is listed as a price includes the check after it, and the order follows it.
    for pair in silent
        .actions
        .windows(2)
        .filter(|pair| pair[1].id != "ticket")
    {
        let ratio = |a: &cvmtop::domain::report::RankedAction| a.probability_cures / a.cost;
        assert!(
            ratio(&pair[0]) >= ratio(&pair[1]) - 1e-12
                || pair[1].risk >= cvmtop::domain::action::Risk::Medium,
            "{} before {}",
            pair[0].id,
            pair[1].id
        );
    }
    assert_eq!(silent.actions.last().unwrap().id, "ticket");
}

#[test]
fn nothing_more_is_asked_for_once_it_cannot_change_the_next_step() {
    let decided = linux(&format!(
        "reach/public=all-silent security-group=deny-default security-group-here/public=deny-default {CLEAR}"
    ));
    assert_eq!(lead(&decided).0, "security-group-blocks-port");
    assert!(decided.next_evidence.is_empty(), "{}", show(&decided));
    let open = linux("reach/public=all-silent");
    assert!(!open.next_evidence.is_empty());
    // Consent and intrusion have a price: what is free comes first.
    assert!(!open.next_evidence[0].needs.contains("consent"));
}

#[test]
fn a_path_that_is_not_named_is_the_only_one_there_is() {
    let readings = readings("reach=refused");
    let mut case = Case {
        instance: InstanceSummary {
            os: Os::Linux,
            login_port: 22,
            ..Default::default()
        },
        readings: &readings,
        ..Case::default()
    };
    case.vantage.paths = vec![Path::Private];
    let named = linux("reach/private=refused");
    assert_eq!(show(&diagnose(Knowledge::shipped(), &case)), show(&named));
}

#[test]
fn an_instance_that_is_private_by_design_is_not_broken() {
    let private = "instance-state=running restriction=normal account-balance=positive public-address=none \
        network-acl=none route=ok security-group=allow security-group-here/private=allow \
        cpu=normal memory=normal disk=normal agent=online platform-event=none reach/private=open \
        banner/private=fast kex/private=common";
    let unknown = by_way(None, private);
    assert_eq!(
        unknown.verdict,
        Verdict::Inconclusive,
        "{:?}",
        lead(&unknown)
    );
    assert!(asks_for_way(&unknown));
    let told = by_way(Some(Path::Private), private);
    assert_eq!(told.verdict, Verdict::Healthy, "{:?}", lead(&told));
    assert!(p(&told, "no-public-ip") < 0.01);
    assert!(!asks_for_way(&told));
    let public = by_way(Some(Path::Public), private);
    assert_eq!(
        (public.verdict, lead(&public).0),
        (Verdict::Faulty, "no-public-ip")
    );
    // Silence on the private path is a fault, whatever the users' way.
    let silent = private.replace("reach/private=open", "reach/private=all-silent");
    let silent = silent.replace("banner/private=fast kex/private=common", "");
    for way in [None, Some(Path::Private)] {
        let report = by_way(way, &silent);
        assert_ne!(report.verdict, Verdict::Healthy, "{:?}", lead(&report));
        assert!(!asks_for_way(&report));
    }
}

/// `evidence.md`: a configuration that is not valid leads over the service that is down with it, and
/// a restart that its own check would stop is not offered before the repair, whatever else was read.
#[test]
fn a_configuration_of_any_invalid_kind_leads_over_the_service_that_is_down() {
    let mut looked = 0;
    for config in ["invalid", "permissions", "host-keys-missing"] {
        for reach in [
            "",
            "refused",
            "open",
            "silent-host-alive",
            "silent-icmp-only",
            "all-silent",
        ] {
            for service in ["", "stopped", "failed", "running"] {
                for more in [
                    "",
                    "guest-listener=none",
                    "guest-boot=failed-units",
                    "guest-listener=none guest-boot=failed-units",
                    "guest-listener=none guest-boot=ok agent=online guest-filesystem=ok",
                    "pasted-error=connect-refused",
                ] {
                    let mut text = format!("guest-sshd-config={config} {more}");
                    for (id, state) in [("reach/public", reach), ("guest-service", service)] {
                        if !state.is_empty() {
                            text.push_str(&format!(" {id}={state}"));
                        }
                    }
                    for around in ["", CLEAR] {
                        let report = linux(&format!("{around} {text}"));
                        let (file, down) = (
                            p(&report, "ssh-config-or-permissions"),
                            p(&report, "login-service-down"),
                        );
                        assert!(file > down, "{text}: {}", show(&report));
                        let place = |id: &str| report.actions.iter().position(|a| a.id == id);
                        if let Some(restart) = place("guest-restart-login-service") {
                            let repair = place("guest-repair-sshd");
                            assert!(
                                repair.is_some_and(|repair| repair < restart),
                                "{text}: {:?}",
                                report.actions.iter().map(|a| &a.id).collect::<Vec<_>>()
                            );
                        }
                        looked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(looked, 3 * 6 * 4 * 6 * 2);
}
