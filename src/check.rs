//! The vendor's self-diagnosis as one list: which items there are, how each is judged, how it is mended.
//!
//! Pure. Items and thresholds are data (`assets/knowledge/check.toml`). Must not live here: reading the
//! instance (`runtime::check`), keeping and comparing reports (`store::checks`, `domain::check`).

mod book;
mod own;
pub mod said;
mod series;

pub use book::{Book, Group, Item, States};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::domain::check::{
    CheckFacts, CheckItem, CheckReport, Checked, GuestCounts, Measured, Mend, SCHEMA_VERSION,
    Unread, Verdict,
};
use crate::domain::evidence::{Reading, Source, Status, Tone, group};
use crate::domain::instance::{Instance, Os};
use crate::domain::said::Said;
use crate::domain::site::Site;

/// What was read, and of whom.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub instance: &'a Instance,
    pub readings: &'a [Reading],
    /// `None` where the cloud was not asked.
    pub facts: Option<&'a CheckFacts>,
    /// `None` where nobody looked inside.
    pub guest: Option<&'a GuestCounts>,
    /// Somebody consented to the look inside.
    pub deep: bool,
    /// The time ran out before everything was read.
    pub cut_short: bool,
    /// Where the failing user comes from, for what opens a port.
    pub user_source: Option<&'a str>,
    pub site: Option<Site>,
    pub at: Timestamp,
}

/// What came of one item.
struct Found {
    verdict: Verdict,
    status: Option<Status>,
    detail: Said,
    needs: Option<Said>,
    source: Option<Source>,
    measured: Option<Measured>,
}

impl Found {
    fn seen(verdict: Verdict, detail: Said, source: Source) -> Self {
        Self {
            verdict,
            status: None,
            detail,
            needs: None,
            source: Some(source),
            measured: None,
        }
    }

    fn unseen(status: Status, why: Said) -> Self {
        Self {
            verdict: Verdict::NotSeen,
            status: Some(status),
            detail: why,
            needs: None,
            source: None,
            measured: None,
        }
    }

    fn unread(unread: &Unread) -> Self {
        Self {
            needs: unread.needs.clone(),
            ..Self::unseen(unread.status, unread.why.clone())
        }
    }

    fn with(self, measured: Measured) -> Self {
        Self {
            measured: Some(measured),
            ..self
        }
    }
}

/// Judges every item of the list.
pub fn judge(book: &Book, input: &Input<'_>) -> CheckReport {
    let items: Vec<CheckItem> = book
        .items
        .iter()
        .filter(|item| item.os.is_none_or(|os| os == input.instance.os))
        .map(|item| line(item, input))
        .collect();
    let mut report = CheckReport {
        schema_version: SCHEMA_VERSION,
        id: input.at.strftime("%Y%m%dT%H%M%S.%3fZ").to_string(),
        at: input.at,
        instance: Checked::of(input.instance),
        deep: input.deep,
        cut_short: input.cut_short,
        verdict: Verdict::Normal,
        items,
    };
    let worst = report.items.iter().map(|item| item.verdict);
    let worst = worst
        .filter(|verdict| *verdict != Verdict::NotSeen)
        .max()
        .unwrap_or_default();
    report.verdict = if worst < Verdict::Risk && report.is_undecided() {
        Verdict::NotSeen
    } else {
        worst
    };
    report
}

fn line(item: &Item, input: &Input<'_>) -> CheckItem {
    let found = find(item, input);
    let to_mend = found.verdict >= Verdict::Risk;
    CheckItem {
        id: item.id.clone(),
        group: item.group.clone(),
        title: Said::known(&item.title),
        decisive: item.decisive,
        verdict: found.verdict,
        status: found.status,
        detail: found.detail,
        needs: found.needs,
        source: found.source,
        measured: found.measured,
        mend: to_mend.then(|| mend(item, input)),
    }
}

fn find(item: &Item, input: &Input<'_>) -> Found {
    // Without a cloud only what is measured from here says anything.
    if input.instance.is_static && item.own != Some(book::Own::Latency) {
        return Found::unseen(Status::NotApplicable, said::host_without_cloud());
    }
    let found = match (&item.states, &item.metric, &item.own) {
        (Some(states), ..) => of_states(item, states, input),
        (_, Some(metric), _) => series::judge(item, metric, input),
        (.., Some(own)) => own::judge(*own, item, input),
        _ => Found::unseen(Status::NotAttempted, said::no_reading()),
    };
    // What nobody was allowed to look at is told as such, whatever else is missing.
    if item.deep && found.verdict == Verdict::NotSeen && !input.deep {
        return Found {
            needs: Some(said::consent()),
            ..Found::unseen(Status::NotAttempted, said::needs_deep())
        };
    }
    found
}

/// By states of readings: the worst that was observed.
fn of_states(item: &Item, states: &book::States, input: &Input<'_>) -> Found {
    let mut best: Option<(Verdict, &Reading)> = None;
    for reading in input.readings {
        let Some(state) = reading.observed_state() else {
            continue;
        };
        let Some(verdict) = states.verdict(&reading.id, state) else {
            continue;
        };
        if best.is_none_or(|(worst, _)| verdict > worst) {
            best = Some((verdict, reading));
        }
    }
    if let Some((verdict, reading)) = best {
        // One that is in order here because something else is wrong.
        let detail = match (verdict, reading.tone()) {
            (Verdict::Normal, Tone::Bad) => said::something_else(reading.detail.clone()),
            _ => reading.detail.clone(),
        };
        return Found::seen(verdict, detail, reading.source);
    }
    // Why not: what the readings say that could have told.
    let could = input
        .readings
        .iter()
        .find(|reading| states.could_tell(&reading.id));
    match could {
        Some(reading) => {
            // A state that decides nothing, such as a rule that could not be resolved.
            let status = match reading.status {
                Status::Observed => Status::NotAttempted,
                other => other,
            };
            Found {
                needs: reading.needs.clone(),
                source: Some(reading.source),
                ..Found::unseen(status, reading.detail.clone())
            }
        }
        None if item.deep && input.deep => {
            Found::unseen(Status::NotAttempted, said::not_in_guest_check())
        }
        None => Found::unseen(Status::NotAttempted, said::no_reading()),
    }
}

/// Why a fact of the cloud is not there: as the reading of a group that stands for it says.
fn without_facts(input: &Input<'_>) -> Found {
    let mut readings = input.readings.iter();
    let reading = readings.find(|reading| reading.id == group::CPU);
    match reading.filter(|reading| reading.status != Status::Observed) {
        Some(reading) => Found {
            needs: reading.needs.clone(),
            ..Found::unseen(reading.status, reading.detail.clone())
        },
        None => Found::unseen(Status::NotAttempted, said::no_reading()),
    }
}

fn mend(item: &Item, input: &Input<'_>) -> Mend {
    let instance = input.instance;
    let mut parameters = Map::new();
    for (name, value) in &item.set {
        let value = match value.as_str() {
            "login_port" => Value::from(instance.login_port()),
            "user_source" => input.user_source.map_or(Value::Null, Value::from),
            _ => Value::Null,
        };
        parameters.insert(name.clone(), value);
    }
    let was_seen = |named: &String| {
        let mut readings = input.readings.iter();
        readings.any(|reading| {
            let state = reading.observed_state();
            state.is_some_and(|state| named.split_once('.') == Some((&reading.id, state)))
        })
    };
    let of_state = item.actions.iter().find(|(state, _)| was_seen(state));
    let action = of_state.map_or(item.action.as_ref(), |(_, action)| Some(action));
    let linux_only = action.is_some_and(|id| id.starts_with("guest-"));
    let refused = item.unless.iter().any(was_seen);
    let offered = !refused && !instance.is_static && (!linux_only || instance.os == Os::Linux);
    let guide = match instance.os {
        Os::Windows => item.guide_windows.as_ref().or_else(|| {
            // One for the other system alone helps nobody.
            let linux = |slug: &&String| slug.starts_with("linux-");
            item.guide.as_ref().filter(|slug| !linux(slug))
        }),
        _ => item.guide.as_ref(),
    };
    let host = match input.site {
        Some(Site::International) => "console.tencentcloud.com",
        _ => "console.cloud.tencent.com",
    };
    Mend {
        text: Said::known(&item.mend),
        action: action.filter(|_| offered).cloned(),
        parameters: if offered { parameters } else { Map::new() },
        guide: guide.cloned(),
        console: item
            .console
            .as_ref()
            .map(|page| format!("https://{host}/{page}")),
    }
}
