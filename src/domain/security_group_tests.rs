//! Tables and properties of the evaluator.

use crate::domain::said::Said;
use proptest::prelude::*;

use super::*;

fn rule(index: i64, line: &str) -> Rule {
    let words: Vec<&str> = line.split_whitespace().collect();
    let peer = words[3];
    Rule {
        index,
        action: match words[0] {
            "ACCEPT" => Some(RuleAction::Accept),
            "DROP" => Some(RuleAction::Drop),
            _ => None,
        },
        service: if words[1].starts_with("ppm") {
            Service::Template(words[1].to_owned())
        } else {
            Service::Plain {
                protocol: words[1].to_owned(),
                port: words[2].trim_start_matches('-').to_owned(),
            }
        },
        peer: if peer.starts_with("sg-") {
            Peer::Group(peer.to_owned())
        } else if peer.starts_with("ipm") {
            Peer::Template(peer.to_owned())
        } else {
            Peer::Network(peer.to_owned())
        },
        description: String::new(),
    }
}

fn group(id: &str, lines: &[&str]) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        ingress: lines
            .iter()
            .enumerate()
            .map(|(i, line)| rule(i as i64, line))
            .collect(),
        ..SecurityGroup::default()
    }
}

fn judge(groups: &[SecurityGroup], source: &str, port: u16) -> Decision {
    evaluate(
        groups,
        &References::default(),
        source.parse().unwrap(),
        Transport::Tcp,
        port,
    )
}

#[test]
fn the_first_match_from_the_top_decides() {
    let cases: &[(&[&str], &str, Verdict)] = &[
        (&["ACCEPT TCP 22 0.0.0.0/0"], "203.0.113.7", Verdict::Allow),
        (
            &["accept? TCP 80 0.0.0.0/0"],
            "203.0.113.7",
            Verdict::DenyDefault,
        ),
        (
            &["DROP TCP 22 203.0.113.0/24", "ACCEPT ALL ALL 0.0.0.0/0"],
            "203.0.113.7",
            Verdict::DenyExplicit,
        ),
        (
            &["ACCEPT ALL ALL 0.0.0.0/0", "DROP TCP 22 0.0.0.0/0"],
            "203.0.113.7",
            Verdict::Allow,
        ),
        (
            &["ACCEPT tcp 20-30 203.0.113.7"],
            "203.0.113.7",
            Verdict::Allow,
        ),
        (
            &["ACCEPT tcp 80,22 203.0.113.7"],
            "203.0.113.7",
            Verdict::Allow,
        ),
        (
            &["ACCEPT UDP 22 0.0.0.0/0", "ACCEPT ICMP - 0.0.0.0/0"],
            "203.0.113.7",
            Verdict::DenyDefault,
        ),
        (
            &["ACCEPT TCP 22 10.0.0.0/8"],
            "203.0.113.7",
            Verdict::AllowOtherSourceOnly,
        ),
        (
            &["ACCEPT TCP 22 10.0.0.0/8", "DROP ALL ALL 0.0.0.0/0"],
            "203.0.113.7",
            Verdict::DenyExplicit,
        ),
        (
            &["ACCEPT TCP 22 0.0.0.0/0"],
            "2001:db8::7",
            Verdict::AllowOtherSourceOnly,
        ),
        (&["ACCEPT TCP 22 ::/0"], "2001:db8::7", Verdict::Allow),
        (&[], "203.0.113.7", Verdict::DenyDefault),
    ];
    for (lines, source, want) in cases {
        assert_eq!(
            judge(&[group("sg-1", lines)], source, 22).verdict,
            *want,
            "{lines:?}"
        );
    }
    assert_eq!(judge(&[], "203.0.113.7", 22).verdict, Verdict::DenyDefault);
}

#[test]
fn groups_are_tried_in_binding_order_and_the_rule_is_named() {
    let first = group("sg-a", &["DROP TCP 22 0.0.0.0/0"]);
    let second = group("sg-b", &["ACCEPT TCP 22 0.0.0.0/0"]);
    let decision = judge(&[first.clone(), second.clone()], "203.0.113.7", 22);
    assert_eq!(decision.verdict, Verdict::DenyExplicit);
    assert_eq!(decision.rule.as_ref().expect("rule").group_id, "sg-a");
    assert!(
        decision
            .sentence(Said::raw("203.0.113.7 to TCP 22"))
            .contains("sg-a rule 0 (DROP TCP 22 from 0.0.0.0/0)")
    );
    assert_eq!(
        judge(&[second, first], "203.0.113.7", 22).verdict,
        Verdict::Allow
    );
}

#[test]
fn the_index_orders_not_the_place_in_the_answer() {
    let mut group = group(
        "sg-1",
        &["ACCEPT TCP 22 0.0.0.0/0", "DROP TCP 22 0.0.0.0/0"],
    );
    group.ingress[0].index = 5;
    assert_eq!(
        judge(&[group], "203.0.113.7", 22).verdict,
        Verdict::DenyExplicit
    );
}

#[test]
fn icmp_needs_its_own_rule() {
    let groups = [group(
        "sg-1",
        &["ACCEPT TCP 22 0.0.0.0/0", "ACCEPT icmp - 10.0.0.0/8"],
    )];
    let ask = |source: &str, transport| {
        evaluate(
            &groups,
            &References::default(),
            source.parse().unwrap(),
            transport,
            0,
        )
        .verdict
    };
    assert_eq!(ask("10.0.0.1", Transport::Icmp), Verdict::Allow);
    assert_eq!(
        ask("203.0.113.7", Transport::Icmp),
        Verdict::AllowOtherSourceOnly
    );
    assert_eq!(ask("2001:db8::1", Transport::Icmpv6), Verdict::DenyDefault);
}

#[test]
fn a_group_as_source_means_private_addresses_of_its_members() {
    let groups = [group("sg-1", &["ACCEPT TCP 22 sg-peer"])];
    let mut references = References::default();
    let ask = |references: &References, source: &str| {
        evaluate(
            &groups,
            references,
            source.parse().unwrap(),
            Transport::Tcp,
            22,
        )
        .verdict
    };
    assert_eq!(ask(&references, "10.0.0.4"), Verdict::Unresolved);
    assert_eq!(
        ask(&references, "203.0.113.7"),
        Verdict::AllowOtherSourceOnly
    );
    references
        .members
        .insert("sg-peer".into(), vec!["10.0.0.4".parse().unwrap()]);
    assert_eq!(ask(&references, "10.0.0.4"), Verdict::Allow);
    assert_eq!(ask(&references, "10.0.0.5"), Verdict::AllowOtherSourceOnly);
}

#[test]
fn templates_count_when_their_bodies_are_known() {
    let groups = [group("sg-1", &["ACCEPT ppm-1 - ipmg-1"])];
    let mut references = References::default();
    let ask = |references: &References, source: &str, port| {
        evaluate(
            &groups,
            references,
            source.parse().unwrap(),
            Transport::Tcp,
            port,
        )
        .verdict
    };
    assert_eq!(ask(&references, "203.0.113.7", 22), Verdict::Unresolved);
    references
        .services
        .insert("ppm-1".into(), vec!["udp:53".into(), "tcp:22,443".into()]);
    assert_eq!(ask(&references, "203.0.113.7", 80), Verdict::DenyDefault);
    assert_eq!(ask(&references, "203.0.113.7", 22), Verdict::Unresolved);
    references
        .addresses
        .insert("ipmg-1".into(), vec!["203.0.113.1-203.0.113.9".into()]);
    assert_eq!(ask(&references, "203.0.113.7", 22), Verdict::Allow);
    assert_eq!(
        ask(&references, "203.0.113.77", 22),
        Verdict::AllowOtherSourceOnly
    );
}

#[test]
fn an_unreadable_rule_only_counts_if_it_could_have_changed_the_answer() {
    let verdict = |lines: &[&str]| judge(&[group("sg-1", lines)], "203.0.113.7", 22).verdict;
    assert_eq!(
        verdict(&["ACCEPT TCP 22 ipm-1", "ACCEPT TCP 22 0.0.0.0/0"]),
        Verdict::Allow
    );
    assert_eq!(
        verdict(&["DROP TCP 22 ipm-1", "ACCEPT TCP 22 0.0.0.0/0"]),
        Verdict::Unresolved
    );
    assert_eq!(verdict(&["DROP TCP 22 ipm-1"]), Verdict::DenyDefault);
    assert_eq!(
        verdict(&["ACCEPT TCP 22 0.0.0.0/0", "DROP TCP 22 ipm-1"]),
        Verdict::Allow
    );
    assert_eq!(verdict(&["ACCEPT TCP 80 ipm-1"]), Verdict::DenyDefault);
    assert_eq!(verdict(&["ACCEPT TCP ssh 0.0.0.0/0"]), Verdict::Unresolved);
}

#[test]
fn an_unknown_source_is_judged_only_where_no_rule_singles_out_a_public_network() {
    let verdict = |lines: &[&str]| {
        evaluate_unknown(
            &[group("sg-1", lines)],
            &References::default(),
            false,
            Transport::Tcp,
            22,
        )
        .verdict
    };
    assert_eq!(verdict(&["ACCEPT TCP 22 0.0.0.0/0"]), Verdict::Allow);
    assert_eq!(
        verdict(&["ACCEPT TCP 22 10.0.0.0/8"]),
        Verdict::AllowOtherSourceOnly
    );
    assert_eq!(verdict(&["ACCEPT TCP 80 0.0.0.0/0"]), Verdict::DenyDefault);
    assert_eq!(verdict(&["DROP TCP 22 0.0.0.0/0"]), Verdict::DenyExplicit);
    assert_eq!(
        verdict(&["ACCEPT TCP 22 203.0.113.0/24"]),
        Verdict::Unresolved
    );
    assert_eq!(
        verdict(&["DROP TCP 22 203.0.113.0/24", "ACCEPT ALL ALL 0.0.0.0/0"]),
        Verdict::Unresolved
    );
    assert_eq!(
        verdict(&["ACCEPT ALL ALL 0.0.0.0/0", "DROP TCP 22 203.0.113.0/24"]),
        Verdict::Allow
    );
    assert_eq!(
        verdict(&["ACCEPT TCP 22 2001:db8::/32"]),
        Verdict::AllowOtherSourceOnly
    );
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let protocol = prop::sample::select(vec!["TCP", "udp", "ALL", "icmp", "tcp"]);
    let port = prop::sample::select(vec!["22", "80,443", "20-30", "ALL", "all", "3389"]);
    let peer = prop::sample::select(vec![
        "0.0.0.0/0",
        "203.0.113.0/24",
        "10.0.0.0/8",
        "::/0",
        "203.0.113.7",
        "sg-x",
        "ipm-x",
    ]);
    let action = prop::sample::select(vec!["ACCEPT", "DROP"]);
    (0i64..50, action, protocol, port, peer).prop_map(|(index, action, protocol, port, peer)| {
        rule(index, &format!("{action} {protocol} {port} {peer}"))
    })
}

proptest! {
    /// An accept rule for the source alone, put on top, always opens the port.
    #[test]
    fn a_narrow_rule_on_top_opens(rules in prop::collection::vec(any_rule(), 0..12)) {
        let mut group = SecurityGroup { id: "sg".into(), ingress: rules, ..SecurityGroup::default() };
        let mut top = rule(-1, "ACCEPT TCP 22 203.0.113.7/32");
        top.index = -1;
        group.ingress.push(top);
        prop_assert_eq!(judge(&[group], "203.0.113.7", 22).verdict, Verdict::Allow);
    }

    /// Rules below a match that decides for certain change nothing.
    #[test]
    fn rules_below_the_deciding_one_do_not_matter(
        rules in prop::collection::vec(any_rule(), 0..8),
        below in prop::collection::vec(any_rule(), 0..8),
    ) {
        let mut group = SecurityGroup { id: "sg".into(), ingress: rules, ..SecurityGroup::default() };
        let before = judge(std::slice::from_ref(&group), "203.0.113.7", 22);
        if let Some(deciding) = &before.rule {
            let mut after = below;
            for (i, rule) in after.iter_mut().enumerate() {
                rule.index = deciding.index + 100 + i as i64;
            }
            group.ingress.extend(after);
            prop_assert_eq!(judge(&[group], "203.0.113.7", 22), before);
        }
    }

    /// Splitting one group into two bound one after the other is the same as one group.
    #[test]
    fn binding_order_continues_the_list(rules in prop::collection::vec(any_rule(), 0..10), cut in 0usize..10) {
        let mut rules = rules;
        for (i, rule) in rules.iter_mut().enumerate() { rule.index = i as i64; }
        let cut = cut.min(rules.len());
        let whole = SecurityGroup { id: "sg".into(), ingress: rules.clone(), ..SecurityGroup::default() };
        let head = SecurityGroup { id: "sg".into(), ingress: rules[..cut].to_vec(), ..SecurityGroup::default() };
        let tail = SecurityGroup { id: "sg".into(), ingress: rules[cut..].to_vec(), ..SecurityGroup::default() };
        prop_assert_eq!(judge(&[head, tail], "203.0.113.7", 22), judge(&[whole], "203.0.113.7", 22));
    }
}
