//! Questions to security groups and network ACLs with the answers that the vendor's documents give
//! (213/12452, 215/20089, 215/15807, 213/10145; 215/31850).

use std::net::IpAddr;

use cvmtop::cloud::wire::{self, NetworkAclItem, QuintupleEntry};
use cvmtop::domain::network_acl;
use cvmtop::domain::ports::Transport;
use cvmtop::domain::security_group::{self, References};
use serde_json::Value;

fn groups(question: &Value) -> String {
    let sets = question["sets"].as_array().unwrap();
    let groups: Option<Vec<_>> = sets
        .iter()
        .enumerate()
        .map(|(n, set)| wire::security_group(&format!("sg-{n}"), "", set))
        .collect();
    let groups = groups.expect("readable rules");
    let references: References = serde_json::from_value(question["references"].clone()).unwrap();
    let transport: Transport = serde_json::from_value(question["transport"].clone()).unwrap();
    let port = u16::try_from(question["port"].as_u64().unwrap()).unwrap();
    let decision = match question["source"].as_str() {
        Some(source) => {
            let source: IpAddr = source.parse().unwrap();
            security_group::evaluate(&groups, &references, source, transport, port)
        }
        None => {
            let v6 = question["v6"] == true;
            security_group::evaluate_unknown(&groups, &references, v6, transport, port)
        }
    };
    decision.verdict.as_str().to_owned()
}

fn acl(question: &Value) -> String {
    let item: NetworkAclItem = serde_json::from_value(question["acl"].clone()).unwrap();
    let mut acl = item.into_domain();
    if let Some(entries) = question["quint"].as_array() {
        for (place, entry) in entries.iter().enumerate() {
            let entry: QuintupleEntry = serde_json::from_value(entry.clone()).unwrap();
            let side = if entry.is_inbound() {
                &mut acl.ingress
            } else {
                &mut acl.egress
            };
            side.push(entry.into_domain(place));
        }
    }
    let address = |field: &str| question[field].as_str().map(|text| text.parse().unwrap());
    let port = |field: &str| question[field].as_u64().map(|n| u16::try_from(n).unwrap());
    let source: IpAddr = address("source").unwrap();
    let (port, client) = (port("port").unwrap(), port("sport"));
    let decision = network_acl::evaluate(&acl, source, address("local"), port, client);
    decision.verdict.state().id.to_owned()
}

#[test]
fn rules_are_judged_as_the_vendor_documents_them() {
    let cases: Value =
        serde_json::from_str(include_str!("../../data/published-rules.json")).unwrap();
    let cases = cases.as_array().unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let question = &case["question"];
            let said = match case["kind"].as_str() {
                Some("security-group") => groups(question),
                _ => acl(question),
            };
            (case["right"] != said.as_str())
                .then(|| format!("{}: {said}, not {}", case["name"], case["right"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases.len() >= 59);
}
