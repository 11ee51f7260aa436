//! Readings that say nothing about the instance, because of where this machine stands.
//!
//! Must not live here: taking readings, or weighing them.

use std::net::IpAddr;

use crate::domain::evidence::{Path, Reading, Source, Status};
use crate::domain::instance::Instance;
use crate::runtime::vantage::{is_own, own_source, shares_network};

/// Silence on a private address says nothing if there is no way from here into its network.
pub(super) fn unreachable(instance: &Instance, reading: &mut Reading) {
    let silent = matches!(
        reading.observed_state(),
        Some("all-silent" | "silent-icmp-only" | "admin-prohibited")
    );
    if reading.id != "reach" || reading.path != Some(Path::Private) || !silent {
        return;
    }
    let reachable = instance
        .private_addresses
        .iter()
        .any(|&address| shares_network(own_source(address), address));
    if !reachable {
        let why = "this machine does not seem to be in the instance's network";
        put_aside(reading, Status::NotAttempted, why);
    }
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
    let found: Vec<Option<String>> = probed.iter().map(obstacle).collect();
    let any = found.iter().flatten().next().cloned();
    let mut changed = Vec::new();
    let mut aside = 0;
    for (&path, obstacle) in probed.iter().zip(found) {
        let addresses = match path {
            Path::Public => &instance.public_addresses,
            Path::Private => &instance.private_addresses,
        };
        if !addresses.iter().all(|&address| is_own(address)) {
            continue;
        }
        // On loopback a refusal is all that a host that is not there can give.
        let loopback = addresses.iter().all(IpAddr::is_loopback);
        let refused = readings.iter().any(|r| {
            r.id == "reach" && r.path == Some(path) && r.observed_state() == Some("refused")
        });
        let from_elsewhere = any.clone().filter(|_| loopback && refused);
        let Some(why) = obstacle.or(from_elsewhere) else {
            continue;
        };
        aside += 1;
        let on_path = readings
            .iter_mut()
            .filter(|r| r.source == Source::Probe && r.path == Some(path));
        // Where a login service is found it is, whatever lies in front of it.
        let on_path = on_path.filter(|r| {
            r.status == Status::Observed
                && !(r.id == "other-login-port" && r.state.as_deref() == Some("found"))
        });
        for reading in on_path {
            put_aside(reading, Status::NotApplicable, &why);
            changed.push(reading.clone());
        }
    }
    if !probed.is_empty() && aside == probed.len() {
        let without_path = readings.iter_mut().filter(|r| {
            let of_login = !r.id.starts_with("peers-");
            r.source == Source::Probe && r.path.is_none() && of_login
        });
        for reading in without_path.filter(|r| r.status == Status::Observed) {
            let why = "it was read from this machine itself, past the cloud";
            put_aside(reading, Status::NotApplicable, why);
            changed.push(reading.clone());
        }
    }
    changed
}

fn is_answer(reading: &Reading, path: Path) -> bool {
    let answered = matches!(
        reading.observed_state(),
        Some("open" | "open-login-only" | "refused" | "flaky" | "silent-host-alive")
    );
    reading.id == "reach" && reading.path == Some(path) && answered
}

/// True if the reading says that nobody can come as far as the instance on this path.
fn is_obstacle(reading: &Reading, path: Path) -> bool {
    if reading.source != Source::Cloud {
        return false;
    }
    let Some(state) = reading.observed_state() else {
        return false;
    };
    let public = path == Path::Public;
    match reading.id.as_str() {
        "instance-state" => !matches!(state, "running" | "rescue"),
        "restriction" => matches!(state, "expired" | "arrears") || (public && state == "isolated"),
        "public-address" => public && state != "present",
        "public-bandwidth" => public && state == "zero",
        "ddos-block" => public && state == "blocked",
        "network-acl" => state.starts_with("deny"),
        "route" => !public && state != "ok",
        "security-group-here" => {
            let refused = state.starts_with("deny") || state == "allow-other-source-only";
            reading.path.unwrap_or(Path::Public) == path && refused
        }
        _ => false,
    }
}

fn explain(obstacle: &Reading) -> String {
    format!(
        "the address belongs to this machine, so the answer did not pass the cloud, where {} is {}",
        obstacle.id,
        obstacle.observed_state().unwrap_or_default()
    )
}

fn put_aside(reading: &mut Reading, status: Status, why: &str) {
    reading.status = status;
    reading.state = None;
    reading.detail = format!("{}; set aside: {why}", reading.detail);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(path: Path, state: &str) -> Reading {
        Reading::observed("reach", Source::Probe, state, "").on_path(path)
    }

    fn cloud(id: &str, state: &str) -> Reading {
        Reading::observed(id, Source::Cloud, state, "")
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

    #[test]
    fn this_machines_own_answer_does_not_speak_against_the_cloud() {
        let instance = on("127.9.0.1", "127.9.0.2");
        let mut readings = vec![
            reach(Path::Public, "refused"),
            reach(Path::Private, "refused"),
            Reading::observed("auth-methods", Source::Probe, "key-only", ""),
            Reading::observed("peers-subnet", Source::Probe, "reachable", ""),
            cloud("instance-state", "stopped"),
        ];
        let changed = answered_by_this_machine(&instance, &mut readings);
        assert_eq!(changed.len(), 3);
        assert!(readings[..3].iter().all(|r| r.state.is_none()));
        assert!(readings[0].detail.contains("instance-state is stopped"));
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
