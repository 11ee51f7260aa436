//! Short looks at login ports for the console: the whole fleet, or the selected instance.
//!
//! Must not live here: the look itself (`probe`), when to look (`app::rhythm`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::action::gate::Access;
use crate::app::case::RunId;
use crate::app::checkup::Checked;
use crate::app::health::Login;
use crate::app::message::{Found, Look, Message};
use crate::app::notices::Severity;
use crate::app::port_view::Verified;
use crate::config::{ProbeSettings, VantageSetting};
use crate::domain::evidence::Path;
use crate::domain::instance::{Instance, Os};
use crate::domain::port_report::{tuples, with_login};
use crate::probe::{LoginCheck, Protocol, SweepOptions, SweepTarget, login_check, sweep};
use crate::runtime::backend::Backend;
use crate::runtime::clock;
use crate::runtime::ports::{PortLook, verify};
use crate::runtime::said;
use crate::runtime::triage::TriageOptions;
use crate::runtime::vantage::{own_source, shares_network};
use crate::store::checks::Checks;

/// Results under way between the sweep and the loop.
const QUEUE: usize = 64;
/// How long a greeting is waited for.
const GREETING: Duration = Duration::from_secs(5);

/// Looks at the login ports of many instances, within the rate.
pub async fn at_fleet(
    backend: &Backend,
    run: RunId,
    wanted: &[String],
    gentle: bool,
    out: &mpsc::Sender<Message>,
) {
    let instances: Vec<Arc<Instance>> = wanted
        .iter()
        .filter_map(|id| backend.instance(id))
        .collect();
    let targets = instances
        .iter()
        .enumerate()
        .filter_map(|(key, instance)| {
            let (_, address) = login_address(instance)?;
            Some(SweepTarget {
                key,
                login: SocketAddr::new(address, instance.login_port()),
                protocol: Some(protocol(instance.os)),
            })
        })
        .collect();
    let settings = &backend.loaded.settings.probe;
    let rate = if gentle {
        settings.background_rate.min(settings.rate)
    } else {
        settings.rate
    };
    let options = SweepOptions {
        rate: Some(rate),
        connect_timeout: settings.timeout,
        ..SweepOptions::default()
    };
    let (sink, mut results) = mpsc::channel(QUEUE);
    let working = sweep(targets, &options, sink);
    let passing = async {
        while let Some(result) = results.recv().await {
            let Some(instance) = instances.get(result.key) else {
                continue;
            };
            let path = login_address(instance).map_or(Path::Public, |(path, _)| path);
            let message = Message::Found(Found::LoginChecked {
                run,
                instance: instance.id.clone(),
                look: seen(path, &result.check),
                at: clock::now(),
            });
            if out.send(message).await.is_err() {
                return;
            }
        }
    };
    let (summary, ()) = tokio::join!(working, passing);
    let held = summary.held_back.then_some(summary.at_once);
    let _ = out.send(Message::Found(Found::SweepHeld(held))).await;
    let _ = out.send(Message::Found(Found::SweepEnded { run })).await;
}

/// Looks once at each path of one instance that can be used from here.
pub async fn at_one(backend: &Backend, run: RunId, id: String, out: &mpsc::Sender<Message>) {
    let settings = &backend.loaded.settings.probe;
    let looks = match backend.instance(&id) {
        Some(instance) => {
            let looks = usable(&instance, settings)
                .into_iter()
                .map(|(path, address)| {
                    let login = SocketAddr::new(address, instance.login_port());
                    let protocol = protocol(instance.os);
                    async move {
                        let check = login_check(login, protocol, settings.timeout, GREETING).await;
                        seen(path, &check)
                    }
                });
            futures_util::future::join_all(looks).await
        }
        None => Vec::new(),
    };
    let message = Message::Found(Found::Looked {
        run,
        instance: id,
        looks,
        at: clock::now(),
    });
    let _ = out.send(message).await;
}

/// Runs the self-diagnosis, keeps it, and tells what the one before was.
pub async fn check(
    backend: &Backend,
    run: RunId,
    id: String,
    deep: bool,
    user_source: Option<IpAddr>,
    out: &mpsc::Sender<Message>,
) {
    let looks_inside =
        backend.access() == Access::ReadWrite || backend.loaded.settings.read_only_deep;
    let options = TriageOptions {
        deep: deep && looks_inside,
        user_source,
        memory: backend.memory(),
        ..TriageOptions::default()
    };
    let found = match (backend.session().await, backend.instance(&id)) {
        (Ok(session), Some(instance)) => {
            Ok(Box::pin(crate::runtime::check::run(session, &instance, &options)).await)
        }
        (Err(error), _) => Err(error.said()),
        (_, None) => Err(said::instance_gone()),
    };
    let mut before = None;
    if let (Ok(report), Some(directory)) = (&found, backend.memory()) {
        let checks = Checks::of(&directory, &id);
        let mut told = Vec::new();
        match checks.all() {
            Ok(kept) => {
                before = kept.reports.into_iter().next();
                told.extend(kept.unused);
            }
            Err(error) => told.push(error.said()),
        }
        if report.is_worth_keeping()
            && let Err(error) = checks.keep(report)
        {
            told.push(error.said());
        }
        for text in told {
            let severity = Severity::Warning;
            let _ = out.send(Message::Told { severity, text }).await;
        }
    }
    let checked = Checked {
        run,
        instance: id,
        result: found,
        before,
    };
    let message = Message::Found(Found::Checked(Box::new(checked)));
    let _ = out.send(message).await;
}

/// Verifies the ports of an instance: the vendor's rows for everyone, and one's own.
pub async fn ports(
    backend: &Backend,
    run: RunId,
    id: String,
    user_source: Option<IpAddr>,
    out: &mpsc::Sender<Message>,
) {
    let own = &backend.loaded.settings.probe.tuples;
    let found = match (backend.session().await, backend.instance(&id)) {
        (Ok(session), Some(instance)) => match tuples(None, own) {
            Ok(asked) => {
                let asked = with_login(asked, &instance, None);
                let look = PortLook {
                    probe: true,
                    deep: false,
                };
                Ok(verify(session, &instance, &asked, user_source, look).await)
            }
            Err(why) => Err(why),
        },
        (Err(error), _) => Err(error.said()),
        (_, None) => Err(said::instance_gone()),
    };
    let verified = Verified {
        run,
        instance: id,
        result: found,
    };
    let message = Message::Found(Found::Verified(Box::new(verified)));
    let _ = out.send(message).await;
}

/// The first address of each wanted path. A private one only where there is a way to it: silence
/// would say nothing.
fn usable(instance: &Instance, settings: &ProbeSettings) -> Vec<(Path, IpAddr)> {
    let public = instance
        .public_addresses
        .first()
        .map(|a| (Path::Public, *a));
    let private = instance
        .private_addresses
        .first()
        .filter(|a| shares_network(own_source(**a), **a))
        .map(|a| (Path::Private, *a));
    [public, private]
        .into_iter()
        .flatten()
        .filter(|(path, _)| match settings.vantage {
            VantageSetting::Both => true,
            VantageSetting::Public => *path == Path::Public,
            VantageSetting::Private => *path == Path::Private,
        })
        .collect()
}

/// The login port that users would come in by.
fn login_address(instance: &Instance) -> Option<(Path, IpAddr)> {
    let first = |path: Path, list: &[IpAddr]| list.first().map(|address| (path, *address));
    first(Path::Public, &instance.public_addresses)
        .or_else(|| first(Path::Private, &instance.private_addresses))
}

fn protocol(os: Os) -> Protocol {
    match os {
        Os::Windows => Protocol::Rdp,
        _ => Protocol::Ssh,
    }
}

fn seen(path: Path, check: &LoginCheck) -> Look {
    let whole = |time: Duration| time.as_micros().div_ceil(1_000);
    Look {
        path,
        login: check.health().word().map(Login::of),
        ms: check
            .connect
            .rtt()
            .map(|time| u16::try_from(whole(time)).unwrap_or(u16::MAX)),
    }
}
