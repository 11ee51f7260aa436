//! Other instances as vantages: which of them could look at the login port, what they run for it, and
//! what their answers say (pure).
//!
//! The answer comes from a machine that may be in anybody's hands: bounded, cleaned and read by the
//! same rules as a user's. Must not live here: asking (`runtime::neighbours`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::answer;
use super::readings::From;
use super::said;
use super::script::from_elsewhere;
use crate::domain::evidence::state::{instance_state, reach};
use crate::domain::evidence::{Family, Path, Reading, Source, Status, group};
use crate::domain::instance::{Instance, Os};
use crate::domain::report::InstanceSummary;
use crate::domain::said::Said;

/// Most instances that are asked about one.
pub const MOST: usize = 2;

/// An instance that could look at another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    pub instance: Instance,
    /// Where it stands.
    pub path: Path,
    /// Also looks at the public address.
    pub public: bool,
}

impl Neighbour {
    /// Where another instance stands to this one; the reason where it cannot look.
    ///
    /// # Errors
    /// One sentence.
    pub fn of(target: &Instance, other: &Instance) -> Result<Self, Said> {
        let name = other.label();
        if other.id == target.id {
            return Err(said::not_itself(name));
        }
        if other.os != Os::Linux || other.is_static {
            return Err(said::not_linux(name));
        }
        if other.state_class() != Some(instance_state::RUNNING) {
            return Err(said::not_running(name, &other.state));
        }
        if !["", "NORMAL"].contains(&other.restrict_state.as_str()) {
            return Err(said::restricted(name, &other.restrict_state));
        }
        let same = |one: &str, two: &str| !one.is_empty() && one == two;
        let has_private = !v4(&target.private_addresses).is_empty();
        let has_public =
            !v4(&target.public_addresses).is_empty() && !other.public_addresses.is_empty();
        let path = if has_private && same(&other.subnet_id, &target.subnet_id) {
            Path::Subnet
        } else if has_private && same(&other.vpc_id, &target.vpc_id) {
            Path::Vpc
        } else if has_public {
            Path::Elsewhere
        } else {
            return Err(said::no_way(name));
        };
        Ok(Self {
            instance: other.clone(),
            path,
            public: path == Path::Elsewhere,
        })
    }

    /// Who it is, for a sentence.
    pub fn who(&self) -> Said {
        self.who_on(self.path)
    }

    fn who_on(&self, path: Path) -> Said {
        let name = self.instance.label();
        match path {
            Path::Subnet => said::of_subnet(name),
            Path::Vpc => said::of_vpc(name),
            _ => said::to_public(name),
        }
    }

    /// What it looks at, and as which path.
    fn looks(&self, target: &Instance) -> Vec<(Path, IpAddr)> {
        let private = Some(self.path).filter(|path| *path != Path::Elsewhere);
        let private =
            private.and_then(|path| Some((path, *v4(&target.private_addresses).first()?)));
        let public = v4(&target.public_addresses).first().copied();
        let public = public.filter(|_| self.public);
        let public = public.map(|address| (Path::Elsewhere, address));
        private.into_iter().chain(public).collect()
    }

    /// The script that it would run.
    pub fn script(&self, target: &Instance) -> String {
        let addresses: Vec<IpAddr> = self.looks(target).into_iter().map(|it| it.1).collect();
        from_elsewhere(&InstanceSummary::of(target), &addresses)
    }

    /// What it printed, as readings; one for each address even where nothing was told of it.
    pub fn read(&self, target: &Instance, output: &str) -> Vec<Reading> {
        let answers = answer::all(output);
        let mut readings = Vec::new();
        for (path, address) in self.looks(target) {
            let who = self.who_on(path);
            let about = |it: &&answer::Answer| {
                it.get("to") == Some(&address.to_string()) && it.get("id") == Some(&target.id)
            };
            let found = match answers.iter().find(about) {
                Some(answer) => From {
                    who: &who,
                    source: Source::Probe,
                }
                .login(answer),
                None => vec![unread(Status::ProbeFailed, said::nothing_answered(&who))],
            };
            let placed = |it: Reading| it.on_path(path).in_family(Family::of(address));
            readings.extend(found.into_iter().map(placed));
        }
        readings
    }

    /// That it told nothing, and why.
    pub fn told_nothing(&self, target: &Instance, status: Status, why: &Said) -> Vec<Reading> {
        let looks = self.looks(target).into_iter();
        looks
            .map(|(path, _)| unread(status, self.who_on(path).and(why)).on_path(path))
            .collect()
    }
}

/// The script of a neighbour that looks at each address, to read before one agrees.
pub fn script(target: &Instance) -> String {
    let public = v4(&target.public_addresses).into_iter().take(1);
    let addresses: Vec<IpAddr> = v4(&target.private_addresses)
        .into_iter()
        .take(1)
        .chain(public)
        .collect();
    from_elsewhere(&InstanceSummary::of(target), &addresses)
}

fn unread(status: Status, why: Said) -> Reading {
    Reading::without_state(group::REACH, Source::Probe, status, why)
}

/// True for a reading that says that nothing came back from the login port.
pub fn is_silent(reading: &Reading) -> bool {
    matches!(
        reading.seen(),
        Some(reach::ALL_SILENT | reach::SILENT_ICMP_ONLY | reach::SILENT_HOST_ALIVE)
    )
}

fn v4(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let v4 = addresses.iter().filter(|it| it.is_ipv4());
    v4.copied().collect()
}

/// Instances that could look, the best first on each path: those that the rules let in, because
/// their silence then speaks of the guest; to the public address those of another region; of these
/// not production, and with other groups than the instance, because they tell its groups from its
/// guest. `production` holds values of tags.
pub fn ranked<'a>(
    target: &Instance,
    others: impl IntoIterator<Item = &'a Instance>,
    production: &[String],
    let_in: impl Fn(&Neighbour) -> Option<bool>,
) -> Vec<Neighbour> {
    let able = others.into_iter();
    let able = able.filter_map(|it| Neighbour::of(target, it).ok());
    let mut able: Vec<Neighbour> = able.collect();
    able.sort_by_cached_key(|it| {
        let other = &it.instance;
        let groups = &other.security_group_ids;
        (
            it.path,
            match let_in(it) {
                Some(true) => 0,
                None => 1,
                Some(false) => 2,
            },
            it.path == Path::Elsewhere && other.region == target.region,
            is_production(&other.tags, production),
            groups
                .iter()
                .any(|id| target.security_group_ids.contains(id)),
            other.name.clone(),
            other.id.clone(),
        )
    });
    able
}

/// The best of each path, as many as may be asked; the one that stands farthest and can looks at the
/// public address, too.
pub fn best(target: &Instance, ranked: Vec<Neighbour>) -> Vec<Neighbour> {
    let mut chosen: Vec<Neighbour> = Vec::new();
    for one in ranked {
        if chosen.len() < MOST && chosen.iter().all(|it| it.path != one.path) {
            chosen.push(one);
        }
    }
    let is_public = !v4(&target.public_addresses).is_empty();
    let can = |it: &&mut Neighbour| is_public && !it.instance.public_addresses.is_empty();
    // On a path of its own already, or on none.
    if chosen.iter().all(|it| !it.public)
        && let Some(farthest) = chosen.iter_mut().rev().find(can)
    {
        farthest.public = true;
    }
    chosen
}

/// Tags by which people mark what they do not want touched.
fn is_production(tags: &BTreeMap<String, String>, words: &[String]) -> bool {
    let is = |value: &String| {
        let value = value.trim();
        words.iter().any(|word| word.eq_ignore_ascii_case(value))
    };
    tags.values().any(is)
}
