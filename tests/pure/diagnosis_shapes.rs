//! Typical situations and the shape that an honest answer has: who leads, who must not, and when
//! nobody may. Figures are bounds, not copies of an answer.

use cvmtop::diagnosis::{Case, Knowledge, diagnose};
use cvmtop::domain::evidence::{Path, Reading, Source, State};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::{InstanceSummary, Report, Verdict};
use cvmtop::domain::said::Said;

/// `id=state`, `id/public=state` or `id/private=state`, blank-separated.
fn readings(text: &str) -> Vec<Reading> {
    text.split_whitespace()
        .map(|word| {
            let (key, state) = word.split_once('=').unwrap();
            let (id, path) = match key.split_once('/') {
                Some((id, "public")) => (id, Some(Path::Public)),
                Some((id, "private")) => (id, Some(Path::Private)),
                Some(_) => panic!("{word}"),
                None => (key, None),
            };
            let reading = Reading::observed(State::new(id, state), Source::Probe, Said::raw(""));
            path.map_or(reading.clone(), |p| reading.on_path(p))
        })
        .collect()
}

fn weigh(os: Os, text: &str) -> Report {
    let readings = readings(text);
    let case = Case {
        instance: InstanceSummary {
            os,
            login_port: os.default_login_port(),
            ..Default::default()
        },
        readings: &readings,
        ..Case::default()
    };
    let report = diagnose(Knowledge::shipped(), &case);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    report
}

fn linux(text: &str) -> Report {
    weigh(Os::Linux, text)
}

fn p(report: &Report, id: &str) -> f64 {
    report
        .causes
        .iter()
        .find(|c| c.id == id)
        .unwrap()
        .probability
}

fn lead(report: &Report) -> &str {
    &report.causes[0].id
}

fn show(report: &Report) -> String {
    let top: Vec<String> = report
        .causes
        .iter()
        .take(8)
        .map(|c| format!("{} {:.3}", c.id, c.probability))
        .collect();
    top.join(", ")
}

const CLOUD_CLEAR: &str = "instance-state=running restriction=normal account-balance=positive \
    public-address=present public-bandwidth=nonzero ddos-block=none route=ok";

#[test]
fn silence_alone_stays_undecided() {
    let r = linux("reach/public=all-silent");
    println!("A {}", show(&r));
    assert_eq!(lead(&r), "security-group-blocks-port");
    assert!(r.causes[0].probability < 0.4, "{}", show(&r));
    assert_eq!(r.verdict, Verdict::Inconclusive);
    assert!(!r.next_evidence.is_empty());
}

#[test]
fn a_mechanism_with_its_symptom_and_the_alternatives_cleared_is_decided() {
    let r = linux(&format!(
        "reach/public=all-silent security-group=deny-default network-acl=none {CLOUD_CLEAR}"
    ));
    println!("B {}", show(&r));
    assert_eq!(lead(&r), "security-group-blocks-port");
    assert!(r.causes[0].probability > 0.88, "{}", show(&r));
    assert_eq!(r.actions[0].id, "open-port");
}

/// What decided comes first in the reasons, also where everything else agrees with it.
#[test]
fn the_rule_that_denies_is_the_first_reason_and_silence_speaks_for_it() {
    let report = linux(
        "reach/public=all-silent reach/private=all-silent security-group=deny-default \
         security-group-here/public=deny-default instance-state=running restriction=normal \
         public-address=present public-bandwidth=nonzero ddos-block=none network-acl=allow \
         agent=online cpu=normal memory=normal disk=normal platform-event=none route=ok",
    );
    assert_eq!(
        lead(&report),
        "security-group-blocks-port",
        "{}",
        show(&report)
    );
    let terms = &report.causes[0].contributions;
    let weight = |id: &str| {
        let found = terms.iter().find(|t| t.evidence == id);
        found.map_or(0.0, |t| t.weight_db)
    };
    assert_eq!(terms[1].evidence, "security-group", "{terms:?}");
    assert!(weight("reach") > 2.0, "{terms:?}");
    assert!(
        weight("public-bandwidth") < weight("security-group"),
        "{terms:?}"
    );
}

#[test]
fn a_windows_instance_is_not_asked_for_its_ssh() {
    let asked = |text: &str| {
        let report = weigh(Os::Windows, text);
        let asked = report.next_evidence.iter().map(|n| n.id.clone());
        asked.collect::<Vec<_>>()
    };
    let slow = "reach/public=open rdp-negotiation/public=slow cpu=pegged agent=online";
    assert!(asked(slow).iter().any(|id| id.starts_with("guest-")));
    assert!(
        !asked(slow)
            .iter()
            .any(|id| id == "kex" || id == "auth-delay")
    );
    let rescue = "reach/public=open banner/public=fast instance-state=running";
    assert!(
        asked(rescue).iter().any(|id| id == "kex"),
        "{:?}",
        asked(rescue)
    );
}

#[test]
fn a_busy_cpu_is_not_the_cause_of_a_silent_port() {
    let r = linux(
        "reach/public=silent-icmp-only security-group=deny-default cpu=high instance-state=running",
    );
    println!("C {}", show(&r));
    assert_eq!(lead(&r), "security-group-blocks-port");
    assert!(r.causes[0].probability > 0.8, "{}", show(&r));
    assert!(p(&r, "cpu-overload") < 0.05, "{}", show(&r));
}

#[test]
fn with_rules_that_allow_nobody_leads_clearly() {
    let r = linux(
        "reach/public=silent-icmp-only security-group=allow network-acl=allow agent=online cpu=high instance-state=running",
    );
    println!("D {}", show(&r));
    assert_ne!(lead(&r), "cpu-overload");
    assert!(p(&r, "cpu-overload") < 0.25, "{}", show(&r));
    let asked: Vec<&str> = r.next_evidence.iter().map(|n| n.id.as_str()).collect();
    assert!(asked.contains(&"guest-firewall"), "{asked:?}");
}

#[test]
fn a_prompt_greeting_speaks_against_overload() {
    let r = linux("reach/public=open banner/public=fast cpu=high");
    println!("E {}", show(&r));
    assert!(p(&r, "cpu-overload") < 0.2, "{}", show(&r));
    assert_ne!(lead(&r), "cpu-overload");
}

#[test]
fn silence_after_the_handshake_with_a_pegged_cpu_is_overload() {
    let r = linux("reach/public=open banner/public=silent cpu=pegged");
    println!("F {}", show(&r));
    assert_eq!(lead(&r), "cpu-overload");
    assert!(r.causes[0].probability > 0.6, "{}", show(&r));
}

#[test]
fn the_same_silence_with_normal_metrics_is_a_hung_service() {
    let r = linux("reach/public=open banner/public=silent cpu=normal memory=normal disk-io=normal");
    println!("G {}", show(&r));
    assert_eq!(lead(&r), "login-service-hung");
    assert!(p(&r, "cpu-overload") < 0.1, "{}", show(&r));
}

#[test]
fn a_reset_before_the_greeting_asks_for_a_second_look() {
    let r = linux("reach/public=open banner/public=reset cpu=normal memory=normal");
    println!("H {}", show(&r));
    assert_eq!(lead(&r), "ssh-source-denied");
    assert!(r.causes[0].probability < 0.8, "{}", show(&r));
    assert!(p(&r, "ssh-config-or-permissions") > 0.1, "{}", show(&r));
}

#[test]
fn refused_with_a_running_agent_is_the_service_or_its_port() {
    let r = linux("reach/public=refused agent=online security-group=allow");
    println!("I {}", show(&r));
    assert_eq!(lead(&r), "login-service-down");
    assert!(p(&r, "login-port-changed") > 0.1, "{}", show(&r));
    let asked: Vec<&str> = r.next_evidence.iter().map(|n| n.id.as_str()).collect();
    assert!(
        asked.contains(&"other-login-port") || asked.contains(&"guest-listener"),
        "{asked:?}"
    );
}

#[test]
fn isolation_leads_over_the_load_that_brought_it_about() {
    let r = linux(
        "reach/public=all-silent reach/private=open-login-only restriction=isolated cpu=pegged",
    );
    println!("J {}", show(&r));
    assert_eq!(lead(&r), "security-isolated");
    assert!(r.causes[0].probability > 0.95, "{}", show(&r));
}

#[test]
fn without_the_cloud_a_tie_is_the_right_answer() {
    let r = linux("reach/public=all-silent reach/private=open banner/private=fast");
    println!("K {}", show(&r));
    assert!(r.causes[0].probability < 0.4, "{}", show(&r));
    assert_eq!(r.verdict, Verdict::Inconclusive);
    for id in [
        "public-bandwidth-zero",
        "no-public-ip",
        "ddos-blocked",
        "security-group-blocks-port",
    ] {
        assert!(p(&r, id) > 0.08, "{id}: {}", show(&r));
    }
}

#[test]
fn both_paths_silent_and_a_clear_cloud_point_into_the_machine() {
    let r = linux(&format!(
        "reach/public=all-silent reach/private=all-silent agent=offline-recent security-group=allow network-acl=none {CLOUD_CLEAR}"
    ));
    println!("L {}", show(&r));
    assert_eq!(lead(&r), "boot-failure");
    assert!(r.causes[0].probability > 0.3, "{}", show(&r));
    assert!(r.next_evidence.iter().any(|n| n.id == "console"));
}

#[test]
fn a_denial_beside_an_open_port_is_flagged() {
    let r =
        linux("security-group=deny-default reach/public=open banner/public=fast kex/public=common");
    println!("M {} {:?}", show(&r), r.conflict);
    assert!(p(&r, "security-group-blocks-port") < 0.5, "{}", show(&r));
    assert!(r.conflict.is_some());
}

#[test]
fn a_sound_path_is_healthy() {
    let r = linux(&format!(
        "reach/public=open banner/public=fast kex/public=common path-quality/public=clean \
         security-group=allow network-acl=none agent=online cpu=normal memory=normal disk=normal {CLOUD_CLEAR}"
    ));
    println!("healthy {}", show(&r));
    assert_eq!(r.verdict, Verdict::Healthy);
    let r = weigh(
        Os::Windows,
        &format!(
            "reach/public=open rdp-negotiation/public=nla rdp-certificate=valid security-group=allow network-acl=none agent=online cpu=normal memory=normal {CLOUD_CLEAR}"
        ),
    );
    println!("healthy windows {}", show(&r));
    assert_eq!(r.verdict, Verdict::Healthy);
}
