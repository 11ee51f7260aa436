//! The guest check, run through the demo's automation agent, finds what the fleet says is wrong.

use crate::support;
use std::time::Duration;

use cvmtop::demo::{self, DemoOptions};
use cvmtop::domain::instance::Os;
use cvmtop::guest::{self, GuestQuestion};
use serde_json::json;

use support::api::Api;

/// States of a guest in order.
const IN_ORDER: &[&str] = &[
    "running",
    "expected-port",
    "valid",
    "ok",
    "allow",
    "none",
    "clean",
    "yes",
    "same",
    "nla-required",
    "free",
];

fn question(port: u16) -> GuestQuestion {
    GuestQuestion {
        user: "deploy".to_owned(),
        source: Some("203.0.113.7".parse().expect("an address")),
        port,
        private_address: None,
        uses_key: Some(false),
        asked_at: Some(jiff::Timestamp::now().as_second()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guest_check_finds_what_is_wrong_and_nothing_else() {
    let cloud = demo::start(DemoOptions {
        // The script is reached, for what it finds: whether it is on a real guest is open.
        profile_first: false,
        hosts: false,
        rate_limits: false,
        reboot: Duration::from_millis(200),
        ..DemoOptions::default()
    })
    .await
    .expect("the demo starts");
    let api = Api::new(&cloud.endpoint, &cloud.secret_id, &cloud.secret_key);
    let mut checked = 0;
    for (name, findings) in cloud.guest_findings() {
        let instance = api.instance(&name).await;
        let region = instance["Placement"]["Zone"].as_str().expect("a zone");
        let region = region.rsplit_once('-').expect("a region").0.to_owned();
        let agent = json!({"InstanceIds": [instance["InstanceId"]]});
        let agents = api
            .call("tat", &region, "DescribeAutomationAgentStatus", &agent)
            .await
            .expect("agents are listed");
        if agents["AutomationAgentSet"][0]["AgentStatus"] != "Online" {
            continue;
        }
        let os = Os::from_os_name(instance["OsName"].as_str().expect("an os"));
        let port = instance["DefaultLoginPort"].as_u64().expect("a port") as u16;
        let question = question(port);
        let text = guest::script(os, &question);
        let output = api
            .run_in_guest(&region, &instance["InstanceId"], os, &text)
            .await;
        for reading in guest::readings(os, &output, &question) {
            let Some(state) = reading.state.as_deref() else {
                // What another group already decides is left to it, by name.
                let deferred = findings
                    .keys()
                    .any(|id| *id != reading.id && reading.detail.contains(id.as_str()));
                assert!(
                    deferred,
                    "{name}: {} is not told: {}",
                    reading.id, reading.detail
                );
                continue;
            };
            match findings.get(&reading.id) {
                Some(wanted) => assert_eq!(state, wanted, "{name}: {}", reading.id),
                None => assert!(
                    IN_ORDER.contains(&state),
                    "{name}: {} is {state} ({})",
                    reading.id,
                    reading.detail
                ),
            }
        }
        checked += 1;
    }
    assert!(checked >= 40, "only {checked} guests could be asked");
}
