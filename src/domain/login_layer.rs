//! The layers that a login passes one after the other, and which states stop a client there.
//!
//! Must not live here: how a layer is read (`probe`), or what a state says about causes
//! (`diagnosis`).

use serde::{Deserialize, Serialize};

use super::evidence::state::{
    auth_methods, banner, kex, login_attempt, rdp_negotiation, rdp_tls, reach,
};
use super::evidence::{Family, Path, Reading, Source, State, Tone, group};

/// One layer of a login, outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The port itself.
    Reach,
    /// The first words of an SSH server.
    Greeting,
    KeyExchange,
    /// The X.224 answer of Remote Desktop.
    Negotiation,
    Tls,
    /// Ways to sign in that the server offers.
    Methods,
    /// What a look inside the guest found to stop a login; [`BrokenLayer::group`] says what.
    Inside,
    /// A real login.
    Login,
}

/// The states in which a client does not get past a layer, or not as it should. A state that is not
/// listed is no finding.
const BROKEN: &[(Layer, &[State<'static>])] = &[
    (
        Layer::Reach,
        &[
            reach::REFUSED,
            reach::SILENT_HOST_ALIVE,
            reach::SILENT_ICMP_ONLY,
            reach::ALL_SILENT,
            reach::ADMIN_PROHIBITED,
            reach::FLAKY,
        ],
    ),
    (
        Layer::Greeting,
        &[
            banner::SLOW,
            banner::SILENT,
            banner::CLOSED,
            banner::RESET,
            banner::THROTTLE_NOTICE,
            banner::MIXED,
            banner::WRONG_PROTOCOL,
        ],
    ),
    (
        Layer::KeyExchange,
        &[
            kex::LEGACY_ONLY,
            kex::NONE,
            kex::HOST_KEY_MISSING,
            kex::HANG,
            kex::CLOSED,
        ],
    ),
    (
        Layer::Negotiation,
        &[
            rdp_negotiation::SLOW,
            rdp_negotiation::MIXED,
            rdp_negotiation::FAILURE_1,
            rdp_negotiation::FAILURE_2,
            rdp_negotiation::FAILURE_3,
            rdp_negotiation::FAILURE_4,
            rdp_negotiation::FAILURE_5,
            rdp_negotiation::FAILURE_6,
            rdp_negotiation::CLOSED,
            rdp_negotiation::RESET,
            rdp_negotiation::SILENT,
            rdp_negotiation::WRONG_PROTOCOL,
        ],
    ),
    (
        Layer::Tls,
        &[
            rdp_tls::FAILED,
            rdp_tls::CLOSED,
            rdp_tls::HANG,
            rdp_tls::GARBAGE,
            rdp_tls::NO_COMMON_VERSION,
        ],
    ),
    (Layer::Methods, &[auth_methods::CLOSED]),
    (
        Layer::Login,
        &[
            login_attempt::AUTH_REJECTED,
            login_attempt::METHOD_NOT_OFFERED,
            login_attempt::ALGORITHM_REFUSED,
            login_attempt::PASSWORD_EXPIRED,
            login_attempt::ACCOUNT_REFUSED,
            login_attempt::KEY_ACCEPTED_THEN_CLOSED,
            login_attempt::CLOSED_AFTER_AUTH,
            login_attempt::HUNG_AFTER_AUTH,
            login_attempt::LOCKED,
            login_attempt::HOST_KEY_REFUSED,
        ],
    ),
];

/// States that come and go: one good look does not refute them.
const COMES_AND_GOES: &[&str] = &["flaky", "mixed", "throttle-notice", "closed", "reset"];

/// What the guest wrote down before stays written when its reason is gone.
const RECORDS: &[&str] = &[
    group::GUEST_AUTH_LOG,
    group::GUEST_SERVICE_CRASHES,
    group::GUEST_THROTTLE,
];

impl Layer {
    /// The evidence group that speaks of it.
    pub fn group(self) -> &'static str {
        self.broken_states().first().map_or("", |state| state.group)
    }

    /// The states in which a client does not get past it, or not as it should.
    pub fn broken_states(self) -> &'static [State<'static>] {
        let of = BROKEN.iter().find(|(layer, _)| *layer == self);
        of.map_or(&[], |(_, states)| states)
    }

    /// True if a client in this state does not get past the layer, or not as it should.
    pub fn is_broken(self, state: &str) -> bool {
        self.broken_states().iter().any(|broken| broken.id == state)
    }
}

/// A layer that stopped clients on one way to the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenLayer {
    pub layer: Layer,
    /// `None` for what was tried on whichever way was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    #[serde(default, skip_serializing_if = "Family::is_ipv4")]
    pub family: Family,
    /// The evidence group, where the layer has more than one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// State of the evidence group.
    pub state: String,
}

impl BrokenLayer {
    /// What a reading says of a layer, if it says that it is broken. What another machine saw cannot
    /// be looked at again from here, so nothing is judged by it.
    pub fn of(reading: &Reading) -> Option<Self> {
        if reading.path.is_some_and(|path| !path.is_own()) {
            return None;
        }
        let state = reading.observed_state()?;
        let found = State::new(&reading.id, state);
        let (layer, _) = BROKEN.iter().find(|(_, states)| states.contains(&found))?;
        Some(Self {
            layer: *layer,
            path: reading.path,
            family: reading.family,
            group: String::new(),
            state: state.to_owned(),
        })
    }

    /// What a look inside the guest found, if it is bad or doubtful.
    pub fn inside(reading: &Reading) -> Option<Self> {
        let state = reading.observed_state()?;
        let is_guest = reading.source == Source::Guest;
        let bad = matches!(reading.tone(), Tone::Bad | Tone::Warn);
        let is_now = !RECORDS.contains(&reading.id.as_str());
        (is_guest && bad && is_now).then(|| Self {
            layer: Layer::Inside,
            path: None,
            family: reading.family,
            group: reading.id.clone(),
            state: state.to_owned(),
        })
    }

    /// The evidence group that speaks of it.
    pub fn group(&self) -> &str {
        if self.group.is_empty() {
            self.layer.group()
        } else {
            &self.group
        }
    }

    /// What readings of afterwards say of it: true where it is gone, `None` where none speaks of it.
    pub fn is_mended(&self, readings: &[Reading]) -> Option<bool> {
        let of_it = |reading: &&Reading| {
            reading.id == self.group()
                && reading.family == self.family
                && (self.path.is_none() || reading.path == self.path)
                && reading.observed_state().is_some()
        };
        let found: Vec<bool> = readings
            .iter()
            .filter(of_it)
            .map(|reading| match self.layer {
                Layer::Inside => Self::inside(reading).is_none(),
                _ => Self::of(reading).is_none(),
            })
            .collect();
        (!found.is_empty()).then(|| found.iter().all(|good| *good))
    }

    /// True if it takes more than one good look to call it mended.
    pub fn comes_and_goes(&self) -> bool {
        COMES_AND_GOES.contains(&self.state.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::{Source, Status};
    use crate::domain::said::Said;

    #[test]
    fn only_what_was_seen_to_be_broken_is_broken() {
        let seen = |id: &str, state: &str| {
            let reading = Reading::observed(State::new(id, state), Source::Probe, Said::raw(""));
            BrokenLayer::of(&reading.on_path(Path::Public)).map(|broken| broken.layer)
        };
        assert_eq!(seen("reach", "all-silent"), Some(Layer::Reach));
        assert_eq!(seen("reach", "open"), None);
        assert_eq!(seen("kex", "none"), Some(Layer::KeyExchange));
        assert_eq!(seen("login-attempt", "not-reached"), None);
        assert_eq!(seen("path-quality", "bad"), None);
        let unknown =
            Reading::without_state("reach", Source::Probe, Status::ProbeFailed, Said::raw(""));
        assert_eq!(BrokenLayer::of(&unknown.on_path(Path::Public)), None);
    }
}
