//! What is offered looks at the facts and at what was done: nothing that makes no sense here, and
//! nothing twice.

use cvmtop::diagnosis::{Case, Knowledge, diagnose};
use cvmtop::domain::action::SpentAction;
use cvmtop::domain::evidence::{Path, Reading, Source, State};
use cvmtop::domain::instance::Os;
use cvmtop::domain::report::{InstanceSummary, RankedAction};
use cvmtop::domain::said::Said;
use serde_json::{Value, json};

/// A Linux instance with some readings: `group=state`, on the public path where `@` precedes it.
fn offers(port: u16, mbps: Option<u64>, words: &str, spent: &[SpentAction]) -> Vec<RankedAction> {
    let readings: Vec<Reading> = words
        .split_whitespace()
        .map(|word| {
            let (group, state) = word.trim_start_matches('@').split_once('=').unwrap();
            let state = State::new(group, state);
            let reading = Reading::observed(state, Source::Cloud, Said::raw(""));
            if word.starts_with('@') {
                reading.on_path(Path::Public)
            } else {
                reading
            }
        })
        .collect();
    let mut case = Case {
        instance: InstanceSummary {
            os: Os::Linux,
            login_port: port,
            bandwidth_mbps: mbps,
            ..InstanceSummary::default()
        },
        readings: &readings,
        spent,
        ..Case::default()
    };
    case.vantage.user_source = Some("203.0.113.7".to_owned());
    diagnose(Knowledge::shipped(), &case).actions
}

fn find<'a>(offers: &'a [RankedAction], id: &str) -> Option<&'a RankedAction> {
    offers.iter().find(|offer| offer.id == id)
}

fn spent(action: &str, parameters: Value) -> Vec<SpentAction> {
    vec![SpentAction {
        action: action.to_owned(),
        parameters: parameters.as_object().unwrap().clone(),
    }]
}

const BLOCKED: &str = "instance-state=running security-group=deny-default @reach=all-silent";

#[test]
fn what_was_done_to_no_avail_is_not_offered_again_and_for_another_source_it_is() {
    let first = offers(22, None, BLOCKED, &[]);
    assert_eq!(first[0].id, "open-port");
    let same = json!({"port": 22, "protocol": "tcp", "source": "203.0.113.7", "group": "sg-1"});
    let again = offers(22, None, BLOCKED, &spent("open-port", same));
    assert!(find(&again, "open-port").is_none());
    assert!(find(&again, "ticket").is_some());
    let other = json!({"port": "22", "protocol": "tcp", "source": "198.51.100.1/32"});
    let other = offers(22, None, BLOCKED, &spent("open-port", other));
    assert_eq!(other[0].id, "open-port");
}

#[test]
fn a_restart_does_not_lead_because_what_led_was_tried() {
    let down = "instance-state=running agent=online guest-service=stopped @reach=refused";
    assert_eq!(
        offers(22, None, down, &[])[0].id,
        "guest-restart-login-service"
    );
    let after = offers(
        22,
        None,
        down,
        &spent("guest-restart-login-service", json!({})),
    );
    assert!(find(&after, "guest-restart-login-service").is_none());
    let restart = find(&after, "restart").map(|offer| offer.probability_cures);
    assert!(
        after[0].id != "restart" || restart.unwrap() > 0.3,
        "{after:#?}"
    );
}

#[test]
fn the_common_ports_are_no_offer_where_login_is_on_another_one() {
    assert!(find(&offers(22, None, BLOCKED, &[]), "open-common-ports").is_some());
    assert!(find(&offers(2222, None, BLOCKED, &[]), "open-common-ports").is_none());
}

#[test]
fn a_cap_is_only_ever_raised() {
    let full = "instance-state=running bandwidth-use=saturated public-bandwidth=nonzero";
    let mbps = |offers: &[RankedAction]| {
        find(offers, "raise-bandwidth").unwrap().parameters["mbps"].clone()
    };
    assert_eq!(mbps(&offers(22, Some(10), full, &[])), json!(20));
    assert_eq!(mbps(&offers(22, Some(1), full, &[])), json!(5));
    // What is not known is asked for.
    assert_eq!(mbps(&offers(22, None, full, &[])), Value::Null);
    let zero = "instance-state=running public-bandwidth=zero @reach=all-silent";
    assert_eq!(mbps(&offers(22, None, zero, &[])), json!(5));
}

#[test]
fn a_kernel_that_ended_is_not_asked_to_shut_down() {
    let silent = "instance-state=running agent=offline-recent @reach=all-silent";
    for (facts, mode) in [
        ("console=panic", "hard"),
        ("platform-event=guest-crash", "hard"),
        ("console=login-prompt cpu=pegged", "soft-first"),
    ] {
        let offered = offers(22, None, &format!("{silent} {facts}"), &[]);
        let modes: Vec<_> = offered
            .iter()
            .filter(|offer| offer.id == "restart")
            .map(|offer| offer.parameters["mode"].as_str().unwrap())
            .collect();
        assert!(
            modes.iter().all(|found| *found == mode),
            "{facts}: {modes:?}"
        );
        assert!(mode.starts_with("soft") || !modes.is_empty(), "{facts}");
    }
}

#[test]
fn what_the_program_can_do_comes_before_advice_where_it_cures() {
    let starving = "instance-state=running cpu=pegged @reach=open @banner=silent agent=offline-recent guest-load=cpu";
    let offered = offers(22, None, starving, &[]);
    let place = |wanted: &dyn Fn(&RankedAction) -> bool| offered.iter().position(wanted);
    let restart = place(&|offer| offer.id == "restart").unwrap();
    let reduce = place(&|offer| offer.id == "advice" && offer.cures[0] == "cpu-overload");
    assert!(reduce.is_none_or(|reduce| restart < reduce), "{offered:#?}");
}
