//! Which name of the operator's OpenSSH configuration leads to an instance.
//!
//! `ssh` looks up settings and known hosts by the name that it is given, so a login attempt that
//! gives it the bare address is another login than the operator's. Must not live here: what a
//! name stands for (`ssh_config`).

use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use super::said;
use super::ssh_config::{self, Destination};
use crate::domain::instance::Instance;
use crate::domain::said::Said;

/// How long what was asked stays true: one run over many targets asks once.
const KEPT: Duration = Duration::from_secs(60);
/// Host names that are looked up in the system's resolver, and the time for all of them.
const MAX_LOOK_UPS: usize = 32;
const LOOK_UP_LIMIT: Duration = Duration::from_secs(2);

/// A name with the addresses that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leads {
    pub destination: Destination,
    pub addresses: Vec<IpAddr>,
}

/// How the operator's `ssh` is told to reach `instance`, which is looked at under `addresses` and
/// `port`: by the name that the instance was listed under, else by a name of the configuration
/// that leads there, else by the first address. Blocks for seconds.
///
/// # Errors
/// One sentence: no client, or a configuration that it does not accept.
pub fn of(
    file: Option<&Path>,
    instance: &Instance,
    addresses: &[IpAddr],
    port: u16,
) -> Result<Destination, Said> {
    if !instance.ssh_name.is_empty() {
        return ssh_config::ask(file, &instance.ssh_name);
    }
    // The demo's instances stand on loopback, where the operator's names mean something else.
    if instance.is_static || !addresses.iter().any(IpAddr::is_loopback) {
        let names = known_names(file)?;
        if let Some(destination) = choose(&names, instance, addresses, port) {
            return Ok(destination.clone());
        }
    }
    let first = addresses.first().ok_or_else(said::no_address_to_ask)?;
    ssh_config::ask(file, &first.to_string())
}

/// The name that leads to the instance; of several the one with the same port, then the first.
///
/// A private address means a machine only where it is reached directly: behind a proxy, another
/// network may use it for another machine. There it counts for names that the instance bears.
pub fn choose<'n>(
    names: &'n [Leads],
    instance: &Instance,
    reached: &[IpAddr],
    port: u16,
) -> Option<&'n Destination> {
    let bears = |name: &str| {
        [&instance.name, &instance.id]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
    };
    let mut leading: Vec<&Destination> = names
        .iter()
        .filter(|it| {
            let public = |a: &IpAddr| instance.public_addresses.contains(a);
            let private = |a: &IpAddr| instance.private_addresses.contains(a);
            let direct = it.destination.proxy.is_none();
            it.addresses.iter().any(|a| {
                public(a)
                    || (direct && reached.contains(a))
                    || (private(a) && bears(&it.destination.name))
            })
        })
        .map(|it| &it.destination)
        .collect();
    leading.sort_by_key(|it| it.port != port);
    leading.first().copied()
}

struct Kept {
    file: Option<PathBuf>,
    at: Instant,
    names: Vec<Leads>,
}

/// Everything that the configuration names, asked once and kept for a while.
fn known_names(file: Option<&Path>) -> Result<Vec<Leads>, Said> {
    static LAST: Mutex<Option<Kept>> = Mutex::new(None);
    // Whoever comes second waits for the first one's answer.
    let Ok(mut last) = LAST.lock() else {
        return Ok(Vec::new());
    };
    if let Some(kept) = &*last
        && kept.file.as_deref() == file
        && kept.at.elapsed() < KEPT
    {
        return Ok(kept.names.clone());
    }
    let names = with_addresses(ssh_config::destinations(file)?);
    *last = Some(Kept {
        file: file.map(Path::to_owned),
        at: Instant::now(),
        names: names.clone(),
    });
    Ok(names)
}

/// Looks up the host names that are no addresses, all at once, for a short while.
fn with_addresses(destinations: Vec<Destination>) -> Vec<Leads> {
    let (tell, told) = mpsc::channel();
    let mut names: Vec<Leads> = Vec::new();
    let mut asked = 0;
    for (at, destination) in destinations.into_iter().enumerate() {
        let mut addresses = Vec::new();
        match destination.host_name.parse() {
            Ok(address) => addresses.push(address),
            Err(_) if asked < MAX_LOOK_UPS => {
                asked += 1;
                let (tell, name) = (tell.clone(), destination.host_name.clone());
                // A resolver that hangs is left behind, not waited for.
                std::thread::spawn(move || {
                    let found = (name.as_str(), 0).to_socket_addrs();
                    let found: Vec<_> = found.into_iter().flatten().map(|a| a.ip()).collect();
                    let _ = tell.send((at, found));
                });
            }
            Err(_) => {}
        }
        names.push(Leads {
            destination,
            addresses,
        });
    }
    drop(tell);
    let until = Instant::now() + LOOK_UP_LIMIT;
    while let Ok((at, found)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if let Some(name) = names.get_mut(at) {
            name.addresses = found;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(name: &str, address: [u8; 4], port: u16, proxy: bool) -> Leads {
        Leads {
            destination: Destination {
                name: name.to_owned(),
                host_name: IpAddr::from(address).to_string(),
                port,
                proxy: proxy.then(|| "gate".to_owned()),
                ..Destination::default()
            },
            addresses: vec![address.into()],
        }
    }

    #[test]
    fn a_name_counts_only_where_it_leads_to_that_machine() {
        let instance = Instance {
            id: "ins-1".to_owned(),
            name: "Shop".to_owned(),
            public_addresses: vec![[198, 51, 100, 9].into()],
            private_addresses: vec![[10, 0, 0, 5].into()],
            ..Instance::default()
        };
        let public: IpAddr = [198, 51, 100, 9].into();
        let private: IpAddr = [10, 0, 0, 5].into();
        for (names, address, want) in [
            (
                vec![leads("web", [198, 51, 100, 9], 22, false)],
                public,
                Some("web"),
            ),
            (
                vec![leads("web", [198, 51, 100, 8], 22, false)],
                public,
                None,
            ),
            // The same port goes before the order of the file.
            (
                vec![
                    leads("old", [198, 51, 100, 9], 2200, false),
                    leads("new", [198, 51, 100, 9], 22, false),
                ],
                public,
                Some("new"),
            ),
            (
                vec![leads("old", [198, 51, 100, 9], 2200, false)],
                public,
                Some("old"),
            ),
            (
                vec![leads("web", [198, 51, 100, 9], 22, true)],
                public,
                Some("web"),
            ),
            (
                vec![leads("inner", [10, 0, 0, 5], 22, false)],
                private,
                Some("inner"),
            ),
            // Another machine may have this address behind another gate.
            (vec![leads("inner", [10, 0, 0, 5], 22, true)], private, None),
            (vec![leads("inner", [10, 0, 0, 5], 22, false)], public, None),
            (
                vec![leads("shop", [10, 0, 0, 5], 22, true)],
                public,
                Some("shop"),
            ),
            (
                vec![leads("ins-1", [10, 0, 0, 5], 22, true)],
                private,
                Some("ins-1"),
            ),
        ] {
            let found = choose(&names, &instance, &[address], 22).map(|it| it.name.as_str());
            assert_eq!(found, want, "{names:?} at {address}");
        }
    }

    #[test]
    fn host_names_are_looked_up_and_what_has_no_address_leads_nowhere() {
        let named = |host_name: &str| Destination {
            host_name: host_name.to_owned(),
            ..Destination::default()
        };
        let found = with_addresses(vec![
            named("localhost"),
            named("nobody.invalid"),
            named("2001:db8::1"),
        ]);
        assert!(found[0].addresses.iter().all(IpAddr::is_loopback));
        assert!(!found[0].addresses.is_empty());
        assert!(found[1].addresses.is_empty());
        assert_eq!(
            found[2].addresses,
            ["2001:db8::1".parse::<IpAddr>().expect("an address")]
        );
    }
}
