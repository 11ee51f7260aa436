//! Seeded variants of the labelled scenarios, as `replay` input with the label beside it.
//!
//! Lives here: the profiles of evidence and how each is drawn, reproducibly. Must not live here:
//! the scenarios' format (`scenarios.rs`), scoring.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::scenarios::{Key, Origin, Row, Rows, Scenario, Suite, Value, apply_physics};
use super::vocabulary::{self, CAUSES};
use cvmtop::domain::evidence::Source;

/// How much of the evidence is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Everything, with guest checks.
    Full,
    /// Outside probes and API facts; nothing from inside the guest.
    OutsideApi,
    /// 40 % of the observed rows missing at random.
    Missing40,
    /// The API refuses everything: probes, pasted error and what the operator says.
    ApiRefused,
    /// The automation agent is not there.
    AgentOffline,
    /// One state replaced by another of the same group.
    OneWrong,
    /// Metrics too old to be weighed.
    Stale,
}

impl Profile {
    pub const ALL: [Self; 7] = [
        Self::Full,
        Self::OutsideApi,
        Self::Missing40,
        Self::ApiRefused,
        Self::AgentOffline,
        Self::OneWrong,
        Self::Stale,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::OutsideApi => "outside-api",
            Self::Missing40 => "missing-40",
            Self::ApiRefused => "api-refused",
            Self::AgentOffline => "agent-offline",
            Self::OneWrong => "one-wrong",
            Self::Stale => "stale",
        }
    }

    /// Variants drawn of each scenario.
    pub fn variants(self) -> u32 {
        match self {
            Self::Full | Self::Missing40 => 3,
            Self::OutsideApi | Self::ApiRefused | Self::OneWrong => 2,
            Self::AgentOffline | Self::Stale => 1,
        }
    }
}

/// SplitMix64: tiny, well mixed, the same on every machine.
pub struct Random(u64);

impl Random {
    pub fn seeded(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest[..8]);
        Self(u64::from_le_bytes(seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// One variant of one scenario.
pub struct Case<'a> {
    pub scenario: &'a Scenario,
    pub profile: Profile,
    pub number: u32,
    pub rows: Rows,
    /// Pasted errors that this variant holds.
    pub errors: Vec<String>,
}

/// Every variant of every scenario, in a fixed order.
pub fn expand(suite: &Suite) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for profile in Profile::ALL {
        for scenario in &suite.scenarios {
            if profile == Profile::AgentOffline && !has_agent(scenario) {
                continue;
            }
            for number in 0..profile.variants() {
                cases.push(draw(scenario, profile, number));
            }
        }
    }
    cases
}

fn has_agent(scenario: &Scenario) -> bool {
    scenario
        .rows
        .iter()
        .any(|(key, row)| key.id == "agent" && row.state() == Some("online"))
}

fn draw(scenario: &Scenario, profile: Profile, number: u32) -> Case<'_> {
    let seed = format!("{}#{}.{number}", scenario.written.name, profile.name());
    let mut random = Random::seeded(&seed);
    let mut rows = scenario.rows.clone();
    if profile == Profile::AgentOffline {
        take_agent_away(&mut rows, &mut random);
    }
    if number > 0 {
        jitter(&mut rows, &mut random);
    }
    for row in rows.values_mut() {
        if let Value::States(states) = &mut row.value {
            let pick = if number == 0 {
                0
            } else {
                random.below(states.len())
            };
            *states = vec![states[pick].clone()];
        }
    }
    apply_physics(&mut rows);
    let mut errors = scenario.written.errors.clone();
    match profile {
        Profile::Full | Profile::AgentOffline => {}
        Profile::OutsideApi => blank(&mut rows, "not-attempted", in_guest),
        Profile::Missing40 => lose(&mut rows, &mut errors, &mut random),
        Profile::ApiRefused => refuse(&mut rows),
        Profile::OneWrong => mistake(scenario, &mut rows, &mut random),
        Profile::Stale => blank(&mut rows, "stale", |key| METRICS.contains(&key.id.as_str())),
    }
    Case {
        scenario,
        profile,
        number,
        rows,
        errors,
    }
}

const METRICS: [&str; 5] = ["bandwidth-use", "cpu", "memory", "disk", "disk-io"];

fn in_guest(key: &Key) -> bool {
    key.id.starts_with("guest-") || key.id == "agent-exec"
}

fn blank(rows: &mut Rows, status: &str, which: impl Fn(&Key) -> bool) {
    for (key, row) in rows.iter_mut() {
        if which(key) && row.state().is_some() {
            row.value = Value::Status(status.to_owned());
        }
    }
}

/// Never installed, or gone for days: what went wrong with the login is not why.
fn take_agent_away(rows: &mut Rows, random: &mut Random) {
    let state = if random.chance(50) {
        "never"
    } else {
        "offline-long"
    };
    for (key, row) in rows.iter_mut() {
        if in_guest(key) {
            row.value = Value::Status("not-attempted".to_owned());
        } else if key.id == "agent" {
            row.value = Value::States(vec![state.to_owned()]);
        } else if state != "never" && matches!(key.id.as_str(), "memory" | "disk") {
            row.origin = Origin::Base;
        }
    }
}

/// Harmless differences from machine to machine, only where the scenario says nothing itself,
/// and readings that need a person, who did not always take them.
fn jitter(rows: &mut Rows, random: &mut Random) {
    const HARMLESS: [(&str, &str, u64); 6] = [
        ("cpu", "high", 8),
        ("memory", "high", 6),
        ("bandwidth-use", "high", 6),
        ("disk", "nearly-full", 6),
        ("recent-change", "after-onset", 6),
        ("platform-event", "maintenance-planned", 4),
    ];
    const BY_HAND: [&str; 4] = ["scope", "user-path", "peers-subnet", "peers-group"];
    for (key, row) in rows.iter_mut() {
        let harmless = HARMLESS.iter().find(|(id, _, _)| *id == key.id);
        if let Some((_, state, percent)) = harmless
            && row.origin == Origin::Base
            && random.chance(*percent)
        {
            row.value = Value::States(vec![(*state).to_owned()]);
        }
        if BY_HAND.contains(&key.id.as_str()) && random.chance(25) {
            row.value = Value::Status("not-attempted".to_owned());
        }
    }
}

fn lose(rows: &mut Rows, errors: &mut Vec<String>, random: &mut Random) {
    for row in rows.values_mut() {
        if row.state().is_some() && random.chance(40) {
            row.value = Value::Status("not-attempted".to_owned());
        }
    }
    errors.retain(|_| !random.chance(40));
}

/// No API: no facts, no inventory to find peers in, no agent to reach the guest with.
fn refuse(rows: &mut Rows) {
    let cloud = |id: &str| vocabulary::group(id).is_some_and(|g| g.source == Source::Cloud);
    blank(rows, "not-permitted", |key| cloud(&key.id) || in_guest(key));
    blank(rows, "not-attempted", |key| key.id.starts_with("peers-"));
}

/// Replaces one state. Groups that decide the label are left alone; on healthy and unlisted ones
/// only readings that others contradict are touched.
fn mistake(scenario: &Scenario, rows: &mut Rows, random: &mut Random) {
    const CONTRADICTED: [&str; 10] = [
        "security-group",
        "security-group-here",
        "network-acl",
        "route",
        "cpu",
        "memory",
        "bandwidth-use",
        "agent",
        "public-bandwidth",
        "guest-firewall",
    ];
    let written = &scenario.written;
    let labels = || {
        let named = [&written.cause]
            .into_iter()
            .chain(&written.also)
            .chain(&written.acceptable);
        named.map(String::as_str)
    };
    let decides = |id: &str| {
        CAUSES
            .iter()
            .any(|(cause, _, groups)| labels().any(|l| l == *cause) && groups.contains(&id))
    };
    let anything = written.kind == "single" || written.kind == "compound";
    let candidates: Vec<Key> = rows
        .iter()
        .filter(|(key, row)| row.state().is_some() && !decides(&key.id))
        .filter(|(key, _)| anything || CONTRADICTED.contains(&key.id.as_str()))
        .map(|(key, _)| key.clone())
        .collect();
    if candidates.is_empty() {
        return;
    }
    let key = &candidates[random.below(candidates.len())];
    let row = &rows[key];
    let states = vocabulary::group(&key.id).map_or(&[][..], |group| group.states);
    let others: Vec<&str> = states
        .iter()
        .copied()
        .filter(|s| Some(*s) != row.state())
        .collect();
    let state = others[random.below(others.len())].to_owned();
    rows.insert(
        key.clone(),
        Row {
            value: Value::States(vec![state]),
            origin: Origin::Scenario,
        },
    );
}

impl Case<'_> {
    /// Stable name of this case.
    pub fn id(&self) -> String {
        format!(
            "{}#{}.{}",
            self.scenario.written.name,
            self.profile.name(),
            self.number
        )
    }

    pub fn split(&self) -> &'static str {
        if self.scenario.hold { "hold" } else { "tune" }
    }

    /// The `replay` input with the label under `expected`.
    pub fn json(&self) -> Json {
        let s = self.scenario;
        let written = &s.written;
        let agent = by_agent(&self.rows);
        let mut evidence: Vec<Json> = self
            .rows
            .iter()
            .map(|(key, row)| reading(key, row, agent))
            .collect();
        evidence.extend(self.errors.iter().map(|state| {
            json!({"id": "pasted-error", "path": null, "status": "observed", "state": state,
                   "detail": "", "source": "operator", "observed_at": SEEN_AT, "cost_ms": 0})
        }));
        for (number, reading) in evidence.iter_mut().enumerate() {
            reading["observation"] = json!(format!("o-{}", number + 1));
        }
        json!({
            "schema_version": 1,
            "case_id": self.id(),
            "instance": {"id": "ins-labelled", "name": written.name, "region": "ap-seoul",
                "zone": "ap-seoul-1", "os": s.surroundings.os, "state": "",
                "public_addresses": [], "private_addresses": [], "login_port": s.login_port()},
            "vantage": {"host": "jump", "paths": s.surroundings.paths,
                "user_source": s.surroundings.user_source},
            "evidence": evidence,
            "expected": {"cause": written.cause, "also": written.also,
                "acceptable": written.acceptable, "lead_at_most": written.lead_at_most,
                "kind": written.kind, "distractors": written.distractors,
                "family": written.family, "split": self.split(), "profile": self.profile.name()},
        })
    }
}

const SEEN_AT: &str = "2026-03-02T09:30:00Z";

/// True where the agent can answer, so that guest rows come through it and not from a person.
fn by_agent(rows: &Rows) -> bool {
    rows.iter()
        .any(|(key, row)| key.id == "agent" && row.state() == Some("online"))
        && !rows
            .iter()
            .any(|(key, row)| key.id == "agent-exec" && row.state().is_some_and(|s| s != "ok"))
}

fn reading(key: &Key, row: &Row, by_agent: bool) -> Json {
    let (status, state) = match &row.value {
        Value::States(states) => ("observed", states.first().cloned()),
        Value::Status(status) => (status.as_str(), None),
    };
    let source = match vocabulary::group(&key.id).map(|group| group.source) {
        Some(Source::Probe) => "probe",
        Some(Source::Cloud) => "cloud",
        Some(Source::Guest) if by_agent => "guest",
        _ => "operator",
    };
    let mut json = json!({"id": key.id, "path": key.path, "status": status, "state": state,
        "detail": "", "source": source, "observed_at": SEEN_AT, "cost_ms": 0});
    if key.ipv6 {
        json["family"] = json!("ipv6");
    }
    json
}
