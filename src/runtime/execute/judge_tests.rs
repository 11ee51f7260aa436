//! Tests of what the looks before and after an action come to.

use super::*;
use crate::action::context::PlanContext;
use crate::action::{Parameters, plan};
use crate::diagnosis::Knowledge;
use crate::domain::evidence::{Family, Path, Reading, Source, State};
use crate::domain::instance::Instance;
use crate::domain::report::Vantage;
use crate::runtime::execute::verify::{LayerState, broken_before};

fn plan_of(action: ActionId) -> Plan {
    let context = PlanContext {
        instance: Instance {
            id: "ins-1".to_owned(),
            state: "RUNNING".to_owned(),
            ..Instance::default()
        },
        ..PlanContext::default()
    };
    plan(action, &Parameters::none(), &context).expect("a plan")
}

fn look(path: Path, layers: &[(Layer, &'static str)], rank: u8) -> LoginLook {
    LoginLook {
        path,
        address: match path.address_side() {
            Path::Private => [127, 0, 0, 9].into(),
            _ => [203, 0, 113, 9].into(),
        },
        port: 22,
        health: "answers",
        detail: Said::raw(""),
        layers: layers
            .iter()
            .map(|&(layer, state)| LayerState { layer, state })
            .collect(),
        rank: Some(rank),
    }
}

fn silent() -> LoginLook {
    look(Path::Public, &[(Layer::Reach, "all-silent")], 0)
}

fn refused() -> LoginLook {
    look(Path::Public, &[(Layer::Reach, "refused")], 1)
}

fn mute() -> LoginLook {
    let layers = [(Layer::Reach, "open"), (Layer::Greeting, "silent")];
    look(Path::Public, &layers, 2)
}

fn answers() -> LoginLook {
    let layers = [
        (Layer::Reach, "open"),
        (Layer::Greeting, "fast"),
        (Layer::KeyExchange, "common"),
    ];
    look(Path::Public, &layers, 4)
}

fn broken(layer: Layer, state: &str) -> BrokenLayer {
    let path = !matches!(layer, Layer::Methods | Layer::Login);
    BrokenLayer {
        layer,
        path: path.then_some(Path::Public),
        family: Family::Ipv4,
        group: String::new(),
        state: state.to_owned(),
    }
}

fn judge_of(
    was: &LoginLook,
    is: &LoginLook,
    broken: &[BrokenLayer],
    admission: Option<&Admission>,
) -> Judgement {
    judge(&Looks {
        plan: &plan_of(ActionId::Restart),
        broken,
        before: std::slice::from_ref(was),
        after: std::slice::from_ref(is),
        again: &[],
        admission,
        faulty: false,
        took: Duration::from_secs(3),
        detail: &Said::raw("done"),
    })
}

#[test]
fn login_is_back_when_every_broken_layer_is_good_again() {
    let layers = [
        broken(Layer::Reach, "refused"),
        broken(Layer::Greeting, "silent"),
    ];
    let back = judge_of(&refused(), &answers(), &layers, None);
    assert_eq!(
        (back.outcome, back.login),
        (Outcome::Restored, LoginNow::Back)
    );
    assert!(
        back.detail.contains("again from this host"),
        "{}",
        back.detail
    );
}

#[test]
fn a_layer_that_was_not_read_again_is_named_and_nothing_is_claimed() {
    let mut greets = answers();
    greets.layers.pop();
    let layers = [broken(Layer::KeyExchange, "none")];
    let untold = judge_of(&answers(), &greets, &layers, None);
    assert_eq!(
        (untold.outcome, untold.login),
        (Outcome::Done, LoginNow::Untold)
    );
    let told = &untold.detail;
    assert!(
        told.contains("the key exchange was not looked at again"),
        "{told}"
    );
    let layers = [broken(Layer::Login, "auth-rejected")];
    let untold = judge_of(&answers(), &answers(), &layers, None);
    assert_eq!(
        (untold.outcome, untold.login),
        (Outcome::Done, LoginNow::Untold)
    );
    assert!(
        untold.detail.contains("no login was tried again"),
        "{}",
        untold.detail
    );
}

#[test]
fn an_answer_as_before_is_no_cure_of_what_does_not_show_from_here() {
    let admission = Admission {
        source: "198.51.100.3/32".parse().expect("a network"),
        verdict: Verdict::LetIn { acl_unread: None },
        keeps_us_out: Vec::new(),
    };
    let as_before = |faulty, admission, plan: &Plan| {
        judge(&Looks {
            plan,
            broken: &[],
            before: &[answers()],
            after: &[answers()],
            again: &[],
            admission,
            faulty,
            took: Duration::from_secs(3),
            detail: &Said::raw("done"),
        })
    };
    let plan = plan_of(ActionId::Restart);
    let untold = as_before(true, None, &plan);
    assert_eq!(
        (untold.outcome, untold.login),
        (Outcome::Done, LoginNow::Untold)
    );
    let told = &untold.detail;
    assert!(
        told.contains("what failed does not show from here"),
        "{told}"
    );
    // Where nothing was called broken, and where the rules tell of the user, it is enough.
    for (faulty, admission) in [(false, None), (true, Some(&admission))] {
        let back = as_before(faulty, admission, &plan);
        assert_eq!((back.outcome, back.login), (Outcome::Done, LoginNow::Back));
    }
    let undo = Plan {
        reverses: Some("1".to_owned()),
        ..plan
    };
    assert_eq!(as_before(true, None, &undo).login, LoginNow::Back);
}

#[test]
fn one_that_is_still_broken_is_named_though_the_port_answers() {
    let mut no_kex = answers();
    no_kex.layers[2].state = "none";
    let layers = [broken(Layer::KeyExchange, "none")];
    let still = judge_of(&no_kex, &no_kex, &layers, None);
    assert_eq!(
        (still.outcome, still.login),
        (Outcome::Unchanged, LoginNow::Broken)
    );
    assert!(
        still.detail.contains("the key exchange still fails"),
        "{}",
        still.detail
    );
    let layers = [broken(Layer::Reach, "all-silent"), layers[0].clone()];
    let further = judge_of(&silent(), &no_kex, &layers, None);
    assert_eq!(
        (further.outcome, further.login),
        (Outcome::Improved, LoginNow::Broken)
    );
}

#[test]
fn getting_further_is_no_cure_and_says_how_far() {
    for (was, is, told) in [
        (
            silent(),
            refused(),
            "the port is open now, the service does not run",
        ),
        (
            refused(),
            mute(),
            "the port answers now, but the service does not greet",
        ),
    ] {
        let layers = [broken(Layer::Reach, was.layers[0].state)];
        let further = judge_of(&was, &is, &layers, None);
        assert_eq!(
            (further.outcome, further.login),
            (Outcome::Improved, LoginNow::Broken)
        );
        assert!(further.detail.contains(told), "{}", further.detail);
    }
}

#[test]
fn the_users_source_decides_not_this_host() {
    let admission = |verdict| Admission {
        source: "198.51.100.3/32".parse().expect("a network"),
        verdict,
        keeps_us_out: vec![Path::Public],
    };
    let kept_out = admission(Verdict::KeptOut(Said::raw("sg-1 #0")));
    let layers = [broken(Layer::Reach, "refused")];
    let out = judge_of(&refused(), &answers(), &layers, Some(&kept_out));
    assert_eq!(
        (out.outcome, out.login),
        (Outcome::Improved, LoginNow::Broken)
    );
    let told = &out.detail;
    assert!(
        told.contains("from this host") && !told.contains("again"),
        "{told}"
    );
    assert!(
        told.contains("do not let 198.51.100.3 in: sg-1 #0"),
        "{told}"
    );
    // As it was before, too.
    let out = judge_of(&answers(), &answers(), &[], Some(&kept_out));
    assert_eq!(
        (out.outcome, out.login),
        (Outcome::Unchanged, LoginNow::Broken)
    );
    let let_in = admission(Verdict::LetIn { acl_unread: None });
    let back = judge_of(&refused(), &answers(), &layers, Some(&let_in));
    assert_eq!(
        (back.outcome, back.login),
        (Outcome::Restored, LoginNow::Back)
    );
    assert!(
        back.detail.contains("the rules let 198.51.100.3 in"),
        "{}",
        back.detail
    );
    // Where the rules keep this host out, its silence says nothing of the user.
    let silence = judge_of(&silent(), &silent(), &layers, Some(&let_in));
    assert_eq!(
        (silence.outcome, silence.login),
        (Outcome::Done, LoginNow::Untold)
    );
    let unread = admission(Verdict::Untold(Said::raw("not permitted")));
    let untold = judge_of(&refused(), &answers(), &layers, Some(&unread));
    assert_eq!(
        (untold.outcome, untold.login),
        (Outcome::Done, LoginNow::Untold)
    );
}

#[test]
fn what_was_broken_comes_from_the_diagnosis_and_from_a_look_of_just_now() {
    let knowledge = Knowledge::shipped();
    let readings = [
        Reading::observed(State::new("reach", "open"), Source::Probe, Said::raw(""))
            .on_path(Path::Public),
        Reading::observed(State::new("kex", "none"), Source::Probe, Said::raw(""))
            .on_path(Path::Public),
        Reading::observed(
            State::new("reach", "all-silent"),
            Source::Probe,
            Said::raw(""),
        )
        .on_path(Path::Private),
        Reading::observed(
            State::new("login-attempt", "auth-rejected"),
            Source::Probe,
            Said::raw(""),
        ),
    ];
    let case = |way| crate::diagnosis::Case {
        instance: crate::domain::report::InstanceSummary::default(),
        vantage: Vantage {
            paths: vec![Path::Public, Path::Private],
            user_way: way,
            ..Vantage::default()
        },
        readings: &readings,
        tried: &[],
        spent: &[],
        recent_cause: None,
    };
    let plan = plan_of(ActionId::Restart);
    let layers = |way, before: &[LoginLook]| -> Vec<(Option<Path>, Layer)> {
        let report = crate::diagnosis::diagnose(knowledge, &case(way));
        let broken = broken_before(&plan, Some(&report), before);
        broken
            .iter()
            .map(|broken| (broken.path, broken.layer))
            .collect()
    };
    let (public, private) = (Some(Path::Public), Some(Path::Private));
    assert_eq!(
        layers(None, &[refused()]),
        [
            (None, Layer::Login),
            (public, Layer::Reach),
            (public, Layer::KeyExchange),
            (private, Layer::Reach),
        ]
    );
    // The users come by the public way: the private one is not theirs. A look of just now
    // knows better than the diagnosis.
    assert_eq!(layers(public, &[answers()]), [(None, Layer::Login)]);
}

#[test]
fn every_layer_is_a_group_and_its_states_are_of_the_vocabulary() {
    for layer in [
        Layer::Reach,
        Layer::Greeting,
        Layer::KeyExchange,
        Layer::Negotiation,
        Layer::Tls,
        Layer::Methods,
        Layer::Login,
    ] {
        let group = Knowledge::shipped().group(layer.group()).expect("a group");
        let broken: Vec<_> = group.states.iter().filter(|s| layer.is_broken(s)).collect();
        assert!(!broken.is_empty(), "{layer:?}");
        assert_eq!(
            broken.len(),
            layer.broken_states().len(),
            "{layer:?}: {broken:?}"
        );
    }
}
