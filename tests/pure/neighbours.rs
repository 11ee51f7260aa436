//! Which instances could look at another one, in which order, and what their answers can say.

use cvmtop::config::Settings;
use cvmtop::domain::evidence::{Path, Status};
use cvmtop::domain::instance::{Instance, Os};
use cvmtop::kit::neighbour::{Neighbour, best, ranked};

fn instance(name: &str, subnet: &str) -> Instance {
    Instance {
        id: format!("ins-{name}"),
        name: name.into(),
        os: Os::Linux,
        state: "RUNNING".into(),
        vpc_id: "vpc-1".into(),
        subnet_id: subnet.into(),
        private_addresses: vec!["10.0.0.9".parse().unwrap()],
        default_login_port: Some(22),
        ..Instance::default()
    }
}

fn target() -> Instance {
    Instance {
        private_addresses: vec!["10.0.0.5".parse().unwrap()],
        public_addresses: vec!["203.0.113.5".parse().unwrap()],
        security_group_ids: vec!["sg-1".into()],
        ..instance("web", "subnet-1")
    }
}

fn production() -> Vec<String> {
    Settings::default().probe.production_tags
}

fn names(chosen: &[Neighbour]) -> Vec<&str> {
    chosen.iter().map(|it| it.instance.name.as_str()).collect()
}

#[test]
fn whom_the_rules_let_in_looks_first_and_production_last() {
    let with = |name: &str, tag: &str, group: &str| Instance {
        tags: [("env".to_owned(), tag.to_owned())].into(),
        security_group_ids: vec![group.into()],
        ..instance(name, "subnet-1")
    };
    let others = [
        with("live", "Production", "sg-2"),
        with("kept-out", "dev", "sg-2"),
        with("same-group", "dev", "sg-1"),
        with("other-group", "dev", "sg-2"),
        instance("far", "subnet-2"),
        Instance {
            os: Os::Windows,
            ..instance("windows", "subnet-1")
        },
        Instance {
            state: "STOPPED".into(),
            ..instance("off", "subnet-1")
        },
        Instance {
            restrict_state: "EXPIRED".into(),
            ..instance("expired", "subnet-1")
        },
    ];
    let let_in = |it: &Neighbour| Some(it.instance.name != "kept-out");
    let ranked = ranked(&target(), &others, &production(), let_in);
    assert_eq!(
        names(&ranked),
        ["other-group", "same-group", "live", "kept-out", "far"]
    );
    // One on each path, two at most.
    let chosen = best(&target(), ranked);
    assert_eq!(names(&chosen), ["other-group", "far"]);
    assert_eq!(
        chosen.iter().map(|it| it.path).collect::<Vec<_>>(),
        [Path::Subnet, Path::Vpc]
    );
    assert!(chosen.iter().all(|it| !it.public), "none has a way out");
}

#[test]
fn the_public_address_is_looked_at_from_the_farthest_that_has_one() {
    let public = |name: &str, vpc: &str, subnet: &str| Instance {
        vpc_id: vpc.into(),
        public_addresses: vec!["203.0.113.9".parse().unwrap()],
        ..instance(name, subnet)
    };
    let others = [
        public("near", "vpc-1", "subnet-1"),
        public("abroad", "vpc-2", "subnet-9"),
    ];
    let chosen = best(
        &target(),
        ranked(&target(), &others, &production(), |_| None),
    );
    let paths: Vec<_> = chosen.iter().map(|it| (it.path, it.public)).collect();
    assert_eq!(paths, [(Path::Subnet, false), (Path::Elsewhere, true)]);
    // From another network nobody comes to a private address.
    let script = chosen[1].script(&target());
    assert!(script.contains("L='203.0.113.5'"), "{script}");
    assert!(chosen[0].script(&target()).contains("L='10.0.0.5'"));
    let alone = best(
        &target(),
        ranked(&target(), &others[..1], &production(), |_| None),
    );
    assert!(alone[0].public);
    assert!(
        alone[0]
            .script(&target())
            .contains("L='10.0.0.5 203.0.113.5'")
    );
}

#[test]
fn another_region_looks_before_this_one_and_the_words_of_production_are_a_setting() {
    let public = |name: &str, region: &str, tag: &str| Instance {
        region: region.into(),
        vpc_id: "vpc-2".into(),
        public_addresses: vec!["203.0.113.9".parse().unwrap()],
        tags: [("env".to_owned(), tag.to_owned())].into(),
        ..instance(name, "subnet-9")
    };
    let others = [
        public("a-here", "ap-seoul", ""),
        public("b-shop", "ap-tokyo", " LIVRAISON"),
        public("c-prod", "ap-tokyo", "prod"),
        public("d-kept-out", "ap-tokyo", ""),
    ];
    let target = Instance {
        region: "ap-seoul".into(),
        ..target()
    };
    let let_in = |it: &Neighbour| Some(it.instance.name != "d-kept-out");
    let shipped = ranked(&target, &others, &production(), let_in);
    assert_eq!(
        names(&shipped),
        ["b-shop", "c-prod", "a-here", "d-kept-out"]
    );
    let own = ranked(&target, &others, &["livraison".to_owned()], let_in);
    assert_eq!(names(&own), ["c-prod", "b-shop", "a-here", "d-kept-out"]);
}

#[test]
fn what_is_not_a_whole_answer_about_this_instance_is_no_reading() {
    let near = Neighbour::of(&target(), &instance("near", "subnet-1")).unwrap();
    let block = |body: &str, sum: &str| format!("cvmtop-kit 1;\n{body}\ncvmtop-kit end {sum};\n");
    let good = "id=ins-web;to=10.0.0.5;port=22;kind=ssh;tcp=open;hello=SSH-2.0-x;hms=5;";
    for text in [
        String::new(),
        "\u{1b}]0;x\u{7}".repeat(9000),
        block(good, "1-1"),
        block("id=ins-web;to=10.0.0.6;tcp=open;", "1-1"),
        "cvmtop-kit 1;".repeat(5000),
    ] {
        let readings = near.read(&target(), &text);
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].status, Status::ProbeFailed, "{:?}", readings[0]);
        assert!(readings[0].detail.contains("near in the same subnet"));
    }
}

#[test]
fn nothing_of_an_instance_but_plain_words_gets_into_the_script() {
    let odd = Instance {
        id: "ins-1'; reboot #".into(),
        ..target()
    };
    let near = Neighbour::of(&odd, &instance("near", "subnet-1")).unwrap();
    let script = near.script(&odd);
    assert!(
        !script.contains("reboot #") && !script.contains("{{"),
        "{script}"
    );
    // TAT takes 64 KB of base64.
    assert!(script.len() < 48 * 1024);
}
