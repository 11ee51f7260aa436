//! Which nodes of the provider could look at a login port, and what their results can say.

use cvmtop::domain::evidence::{Path, Status};
use cvmtop::kit::provider::{
    Node, NodeKind, best, named, names_any, nodes, reading, results, words,
};
use serde_json::{Value, json};

const TARGET: &str = "198.51.100.5:22";

fn row(code: &str, kind: u64, carrier: &str, district: &str, city: &str) -> Value {
    json!({
        "Name": "x", "Code": code, "Type": kind, "NetService": carrier, "District": district,
        "City": city, "IPType": 1, "Location": 1, "CodeType": "", "TaskTypes": [1, 4],
        "NodeDefineStatus": 1,
    })
}

fn set(rows: &[Value]) -> Value {
    json!({ "NodeSet": rows })
}

fn four() -> Vec<Node> {
    let all = set(&[
        row("1", 1, "中国电信", "北京", "北京市"),
        row("2", 2, "中国电信", "北京", "北京市"),
        row("3", 2, "中国联通", "广东", "深圳市"),
        row("4", 2, "中国移动", "广东", "广州市"),
        row("5", 1, "中国移动", "上海", "上海市"),
    ]);
    nodes([&all, &all, &set(&[row("3", 2, "", "", "")])])
}

fn codes(nodes: &[Node]) -> Vec<&str> {
    nodes.iter().map(|it| it.code.as_str()).collect()
}

#[test]
fn users_places_come_first_each_in_another_network_and_words_decide() {
    let all = four();
    assert_eq!(codes(&best(&all, &[])), ["2", "3", "4"]);
    assert_eq!(codes(&best(&all, &words("广东"))), ["3", "4"]);
    assert_eq!(codes(&best(&all, &words("上海, 移动"))), ["5"]);
    assert!(names_any(&all, &words("深圳")) && !names_any(&all, &words("首尔")));
    assert!(all[2].trial && !all[0].trial);
    let wanted = ["4", "1", "2", "99"].map(String::from);
    let (chosen, left_out) = named(&all, &wanted);
    assert_eq!(codes(&chosen), ["4", "1"]);
    // The same place twice, and no such node.
    assert_eq!(left_out.len(), 2, "{left_out:?}");
}

#[test]
fn what_takes_no_port_task_or_is_not_known_to_run_is_not_proposed() {
    let with = |code: &str, name: &str, value: Value| {
        let mut row = row(code, 2, "a", "b", code);
        row[name] = value;
        row
    };
    let able = set(&[
        with("1", "TaskTypes", json!([1, 5])),
        with("2", "IPType", json!(2)),
        with("3", "Type", json!(3)),
        with("x; reboot", "City", json!("c")),
        with("5", "TaskTypes", Value::Null),
        with("6", "City", json!("\u{1b}[2Jcity\u{202e}")),
        with("7", "City", json!("d")),
    ]);
    let known = set(&[
        with("5", "NodeDefineStatus", json!(1)),
        with("6", "NodeDefineStatus", json!(2)),
    ]);
    let all = nodes([&able, &known, &set(&[])]);
    assert_eq!(codes(&all), ["5", "6", "7"]);
    assert_eq!(all[1].runs, Some(false));
    assert_eq!(
        (all[1].city.as_str(), all[1].kind),
        ("city", NodeKind::LastMile)
    );
    assert_eq!(all[2].runs, None);
    assert_eq!(codes(&best(&all, &[])), ["5"]);
    // An answer of no shape at all names nobody.
    for odd in [
        json!(null),
        json!({"NodeSet": null}),
        json!({"NodeSet": [7, {}]}),
    ] {
        assert!(nodes([&odd, &odd, &odd]).is_empty());
    }
}

fn result(node: &Node, error: &Value) -> Value {
    let labels = [
        ("Operator", node.carrier.as_str()),
        ("District", node.district.as_str()),
        ("City", node.city.as_str()),
        ("TargetAddress", TARGET),
    ];
    let labels = labels.map(|(name, value)| json!({"ID": 0, "Name": name, "Value": value}));
    let fields = [json!({"ID": 0, "Name": "ErrorId", "Value": error})];
    json!({ "ProbeTime": 1, "Labels": labels, "Fields": fields })
}

fn state(errors: &[(usize, Value)]) -> (Option<String>, Status, String) {
    let all = four();
    let asked = [all[1].clone(), all[2].clone()];
    let rows = errors.iter().map(|(at, error)| result(&asked[*at], error));
    let answer = json!({ "DataSet": rows.collect::<Vec<_>>() });
    let seen = results(&answer, TARGET);
    let reading = reading(&asked, &seen, TARGET);
    assert_eq!(reading.path, Some(Path::Provider));
    (
        reading.observed_state().map(str::to_owned),
        reading.status,
        reading.detail.to_string(),
    )
}

#[test]
fn only_a_connection_and_its_lack_say_something_of_the_port() {
    let told = |errors: &[(usize, Value)]| state(errors).0;
    let (ok, out) = (json!(0), json!(601));
    assert_eq!(
        told(&[(0, ok.clone()), (1, ok.clone())]).as_deref(),
        Some("open")
    );
    assert_eq!(
        told(&[(0, out.clone()), (1, out.clone())]).as_deref(),
        Some("all-silent")
    );
    // One stranger who is let in shows that the port is open to strangers.
    let (mixed, _, detail) = state(&[(0, ok.clone()), (1, out.clone())]);
    assert_eq!(mixed.as_deref(), Some("open"));
    assert!(
        detail.contains("1 of 2 nodes") && detail.contains("601"),
        "{detail}"
    );
    assert_eq!(
        told(&[(0, ok.clone()), (0, out.clone())]).as_deref(),
        Some("flaky")
    );
    // Connected, and what came after it is another matter.
    for code in [603, 607] {
        assert_eq!(told(&[(0, json!(code))]).as_deref(), Some("open"), "{code}");
    }
    // A node's own fault, a task's, a code of no meaning, none at all, and what is no code.
    for odd in [
        json!(600),
        json!(602),
        json!(604),
        json!(608),
        json!(777),
        json!(-1),
        json!(0.5),
        json!(null),
        json!("0x"),
        json!([0]),
    ] {
        let (state, status, detail) = state(&[(0, odd.clone()), (1, odd.clone())]);
        assert_eq!(
            (state, status),
            (None, Status::ProbeFailed),
            "{odd}: {detail}"
        );
        // It takes nothing from what the other saw.
        assert_eq!(
            told(&[(0, odd), (1, out.clone())]).as_deref(),
            Some("all-silent")
        );
    }
}

#[test]
fn results_of_others_and_of_no_shape_are_none() {
    let all = four();
    let mut foreign = result(&all[1], &json!(0));
    foreign["Labels"][3]["Value"] = json!("198.51.100.6:22");
    for answer in [
        json!({"DataSet": [foreign]}),
        json!({"DataSet": null}),
        json!({"DataSet": "0"}),
        json!({"DataSet": [{"Labels": 3, "Fields": null}, 7, null]}),
        json!(null),
    ] {
        let seen = results(&answer, TARGET);
        let reading = reading(&all[1..3], &seen, TARGET);
        assert_eq!(reading.status, Status::ProbeFailed, "{answer}");
    }
    let many = json!({"DataSet": vec![result(&all[1], &json!(0)); 5_000]});
    assert!(results(&many, TARGET).len() <= 100);
}
