//! Readings that say nothing about the instance, because of where this machine stands.
//!
//! Must not live here: taking readings, or weighing them.

use std::net::IpAddr;

use jiff::Timestamp;

use super::said;
use crate::cloud::facts::CloudFacts;
use crate::domain::evidence::state::{other_login_port, reach, route};
use crate::domain::evidence::{Path, Reading, Source, State, Status, group};
use crate::domain::instance::Instance;
use crate::domain::private_way::PrivateWay;
use crate::domain::said::{Said, Word};
use crate::runtime::vantage::{is_own, own_source, shares_network};

/// Silence on a private address says nothing if there is no way from here into its network. Until
/// the cloud's routes are read this is a guess: the reading as it was is handed back, for
/// [`off_the_path`].
pub(super) fn unreachable(instance: &Instance, reading: &mut Reading) -> Option<Reading> {
    let silent = matches!(
        reading.seen(),
        Some(reach::ALL_SILENT | reach::SILENT_ICMP_ONLY | reach::ADMIN_PROHIBITED)
    );
    if !silent || reading.path != Some(Path::Private) || shares_private_network(instance) {
        return None;
    }
    let before = reading.clone();
    reading.put_aside(
        Status::NotAttempted,
        said::set_aside(said::not_in_network()),
    );
    Some(before)
}

fn shares_private_network(instance: &Instance) -> bool {
    let mut addresses = instance.private_addresses.iter();
    addresses.any(|&address| shares_network(own_source(address), address))
}

/// A host that is not on the private path has nothing to say of it: neither of the silence there
/// nor of rules and routes for the address that its default route gives it. One answer over the
/// path proves the way, whatever the table says. `held` is what was taken for such silence before
/// the routes were known. Gives the readings that were changed.
pub(super) fn off_the_path(
    instance: &Instance,
    facts: Option<&CloudFacts>,
    held: Vec<Reading>,
    readings: &mut [Reading],
) -> Vec<Reading> {
    if instance.private_addresses.is_empty() {
        return Vec::new();
    }
    let route_is_ours = facts.is_some_and(|facts| facts.route_is_ours);
    if readings.iter().any(|r| is_answer(r, Path::Private)) {
        return overrule_table(route_is_ours, readings);
    }
    let why = match facts.and_then(|facts| facts.private_way.as_ref()) {
        Some(PrivateWay::On) => return restore(held, readings),
        Some(PrivateWay::Off(why)) => why.clone(),
        None if shares_private_network(instance) => return Vec::new(),
        None => said::not_in_network(),
    };
    let speaks_of_path = |r: &Reading| {
        let of_path = r.path == Some(Path::Private) && r.source != Source::Operator;
        of_path || (r.id == group::ROUTE && r.source == Source::Cloud && route_is_ours)
    };
    let mut changed = Vec::new();
    for reading in readings.iter_mut().filter(|r| speaks_of_path(r)) {
        if reading.status == Status::Observed {
            reading.put_aside(Status::NotAttempted, said::set_aside(&why));
            changed.push(reading.clone());
        }
    }
    changed
}

/// The way back that a table lacks is there: an answer came along it.
fn overrule_table(route_is_ours: bool, readings: &mut [Reading]) -> Vec<Reading> {
    let found = readings.iter_mut().find(|r| {
        let bad = matches!(r.seen(), Some(route::MISSING | route::BLACKHOLE));
        r.source == Source::Cloud && route_is_ours && bad
    });
    let Some(found) = found else {
        return Vec::new();
    };
    found.state = Some(route::OK.id.to_owned());
    found.detail = said::answered_over_private().and(found.detail.clone());
    vec![found.clone()]
}

/// What was taken for the lack of a way is silence of the instance after all.
fn restore(held: Vec<Reading>, readings: &mut [Reading]) -> Vec<Reading> {
    let mut changed = Vec::new();
    for before in held {
        let now = readings.iter_mut().find(|r| r.key() == before.key());
        if let Some(now) = now.filter(|now| now.set_aside) {
            // Later than what was said of it in the meantime.
            let observed_at = Timestamp::now();
            *now = Reading {
                observed_at: Some(observed_at),
                ..before
            };
            changed.push(now.clone());
        }
    }
    changed
}

/// An address of this machine itself answers whatever the cloud does: nothing of the cloud lies on
/// the way to it. Where the cloud says that the way or the machine is shut, such an answer is no
/// sign of the opposite. Gives the readings that were changed.
pub(super) fn answered_by_this_machine(
    instance: &Instance,
    readings: &mut [Reading],
) -> Vec<Reading> {
    let answered = |path| readings.iter().any(|r| is_answer(r, path));
    let probed: Vec<Path> = [Path::Public, Path::Private]
        .into_iter()
        .filter(|path| answered(*path))
        .collect();
    let obstacle = |path: &Path| readings.iter().find(|r| is_obstacle(r, *path)).map(explain);
    let found: Vec<Option<Said>> = probed.iter().map(obstacle).collect();
    let any = found.iter().flatten().next().cloned();
    let mut changed = Vec::new();
    let mut aside = 0;
    for (&path, obstacle) in probed.iter().zip(found) {
        let addresses = instance.addresses_on(path);
        if !addresses.iter().all(|&address| is_own(address)) {
            continue;
        }
        // On loopback a refusal is all that a host that is not there can give.
        let loopback = addresses.iter().all(IpAddr::is_loopback);
        let refused = readings
            .iter()
            .any(|r| r.path == Some(path) && r.seen() == Some(reach::REFUSED));
        let from_elsewhere = any.clone().filter(|_| loopback && refused);
        let Some(why) = obstacle.or(from_elsewhere) else {
            continue;
        };
        aside += 1;
        let on_path = readings
            .iter_mut()
            .filter(|r| r.source == Source::Probe && r.path == Some(path));
        // Where a login service is found it is, whatever lies in front of it.
        let on_path = on_path
            .filter(|r| r.status == Status::Observed && r.seen() != Some(other_login_port::FOUND));
        for reading in on_path {
            reading.put_aside(Status::NotApplicable, said::set_aside(&why));
            changed.push(reading.clone());
        }
    }
    if !probed.is_empty() && aside == probed.len() {
        let without_path = readings.iter_mut().filter(|r| {
            let of_login = ![group::PEERS_SUBNET, group::PEERS_GROUP].contains(&r.id.as_str());
            r.source == Source::Probe && r.path.is_none() && of_login
        });
        for reading in without_path.filter(|r| r.status == Status::Observed) {
            let why = said::set_aside(said::past_the_cloud());
            reading.put_aside(Status::NotApplicable, why);
            changed.push(reading.clone());
        }
    }
    changed
}

fn is_answer(reading: &Reading, path: Path) -> bool {
    let answered = matches!(
        reading.seen(),
        Some(
            reach::OPEN
                | reach::OPEN_LOGIN_ONLY
                | reach::REFUSED
                | reach::FLAKY
                | reach::SILENT_HOST_ALIVE
        )
    );
    reading.path == Some(path) && answered
}

/// True if the reading says that nobody can come as far as the instance on this path.
fn is_obstacle(reading: &Reading, path: Path) -> bool {
    if reading.source != Source::Cloud {
        return false;
    }
    let of_path = reading.path.is_none_or(|it| it == path);
    of_path && reading.seen().is_some_and(|state| state.shuts(path))
}

fn explain(obstacle: &Reading) -> Said {
    let state = State::new(&obstacle.id, obstacle.observed_state().unwrap_or_default());
    said::own_address(Word::evidence(state.group), Word::of(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::state::{auth_methods, peers_subnet};

    fn reach(path: Path, state: &str) -> Reading {
        Reading::observed(State::new("reach", state), Source::Probe, Said::raw("")).on_path(path)
    }

    fn cloud(id: &str, state: &str) -> Reading {
        Reading::observed(State::new(id, state), Source::Cloud, Said::raw(""))
    }

    fn on(public: &str, private: &str) -> Instance {
        Instance {
            public_addresses: vec![public.parse().expect("address")],
            private_addresses: vec![private.parse().expect("address")],
            ..Instance::default()
        }
    }

    #[test]
    fn silence_from_outside_the_network_is_no_finding() {
        let instance = on("203.0.113.4", "203.0.113.5");
        let mut silent = reach(Path::Private, "all-silent");
        unreachable(&instance, &mut silent);
        assert_eq!(silent.status, Status::NotAttempted);
        let mut open = reach(Path::Private, "open");
        unreachable(&instance, &mut open);
        assert_eq!(open.observed_state(), Some("open"));
    }

    /// Facts that say this of the private path; the route is judged for this host.
    fn facts(way: Option<PrivateWay>) -> CloudFacts {
        CloudFacts {
            private_way: way,
            route_is_ours: true,
            ..CloudFacts::default()
        }
    }

    #[test]
    fn a_host_elsewhere_says_nothing_of_the_private_path() {
        let instance = on("203.0.113.4", "10.0.1.5");
        let off = facts(Some(PrivateWay::Off(Said::raw("no route to this host"))));
        let seen = || {
            let here = |path| cloud("security-group-here", "deny-default").on_path(path);
            vec![
                reach(Path::Public, "open"),
                reach(Path::Private, "all-silent"),
                here(Path::Public),
                here(Path::Private),
                cloud("route", "missing"),
            ]
        };
        let mut readings = seen();
        let changed = off_the_path(&instance, Some(&off), Vec::new(), &mut readings);
        assert_eq!(changed.len(), 3, "{readings:?}");
        for index in [1, 3, 4] {
            assert_eq!(readings[index].status, Status::NotAttempted);
            assert!(
                readings[index]
                    .detail
                    .to_string()
                    .contains("no route to this host")
            );
        }
        assert_eq!(readings[0].observed_state(), Some("open"));
        assert_eq!(readings[2].observed_state(), Some("deny-default"));
        // A single answer over the path proves the way back.
        let mut readings = seen();
        readings[1] = reach(Path::Private, "refused");
        off_the_path(&instance, Some(&off), Vec::new(), &mut readings);
        assert_eq!(readings[1].observed_state(), Some("refused"));
        assert_eq!(readings[4].observed_state(), Some("ok"));
        assert_eq!(readings[3].observed_state(), Some("deny-default"));
        // For the user's own address the table stands.
        let mut readings = seen();
        let users = CloudFacts {
            route_is_ours: false,
            ..off
        };
        off_the_path(&instance, Some(&users), Vec::new(), &mut readings);
        assert_eq!(readings[4].observed_state(), Some("missing"));
    }

    #[test]
    fn silence_from_another_network_with_a_route_is_the_instances() {
        let instance = on("203.0.113.4", "203.0.113.5");
        let mut silent = reach(Path::Private, "all-silent");
        let held: Vec<Reading> = unreachable(&instance, &mut silent).into_iter().collect();
        let mut readings = vec![silent];
        let way = facts(Some(PrivateWay::On));
        let changed = off_the_path(&instance, Some(&way), held, &mut readings);
        assert_eq!(changed.len(), 1);
        assert_eq!(readings[0].observed_state(), Some("all-silent"));
    }

    #[test]
    fn this_machines_own_answer_does_not_speak_against_the_cloud() {
        let instance = on("127.9.0.1", "127.9.0.2");
        let mut readings = vec![
            reach(Path::Public, "refused"),
            reach(Path::Private, "refused"),
            Reading::observed(auth_methods::KEY_ONLY, Source::Probe, Said::raw("")),
            Reading::observed(peers_subnet::REACHABLE, Source::Probe, Said::raw("")),
            cloud("instance-state", "stopped"),
        ];
        let changed = answered_by_this_machine(&instance, &mut readings);
        assert_eq!(changed.len(), 3);
        assert!(readings[..3].iter().all(|r| r.state.is_none()));
        assert!(
            readings[0]
                .detail
                .to_string()
                .contains("instance-state is stopped")
        );
        assert_eq!(readings[3].observed_state(), Some("reachable"));
    }

    #[test]
    fn only_the_path_with_the_obstacle_is_set_aside() {
        let instance = on("127.9.0.1", "127.9.0.2");
        let mut readings = vec![
            reach(Path::Public, "open"),
            reach(Path::Private, "open"),
            cloud("public-bandwidth", "zero"),
        ];
        answered_by_this_machine(&instance, &mut readings);
        assert_eq!(readings[0].status, Status::NotApplicable);
        assert_eq!(readings[1].observed_state(), Some("open"));
        // A host that is not there at all refuses on loopback.
        readings[0] = reach(Path::Public, "refused");
        readings[1] = reach(Path::Private, "refused");
        answered_by_this_machine(&instance, &mut readings);
        assert_eq!(readings[1].status, Status::NotApplicable);
    }

    #[test]
    fn other_machines_answers_and_silence_stand() {
        for (instance, state) in [
            (on("203.0.113.4", "203.0.113.5"), "open"),
            (on("127.9.0.1", "127.9.0.2"), "all-silent"),
        ] {
            let mut readings = vec![
                reach(Path::Public, state),
                cloud("instance-state", "stopped"),
            ];
            assert!(answered_by_this_machine(&instance, &mut readings).is_empty());
        }
    }
}
