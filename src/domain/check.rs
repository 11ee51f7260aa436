//! The self-diagnosis as a list: what it is made of, what came of each item, and what two of them differ in.
//!
//! Lives here: plain types, the worst of several verdicts, the comparison. Must not live here: items and
//! thresholds (`assets/knowledge/check.toml`), judging (`check`), reading, keeping (`store`).

pub mod said;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::action::act_words;
use super::evidence::{Source, Status};
use super::instance::{Instance, Os};
use super::said::{self as fields, Said};

/// Version of the contract of a report, on the screen of a program and on disk.
pub const SCHEMA_VERSION: u32 = 1;
/// How far back the vendor's own tool looks, in hours.
pub const LOOK_BACK_HOURS: i64 = 12;

/// What came of an item; in the order of weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Normal,
    /// Nobody could look, or nobody did: neither good nor bad.
    #[default]
    NotSeen,
    Risk,
    Fault,
}

impl Verdict {
    /// For programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::NotSeen => "not-seen",
            Self::Risk => "risk",
            Self::Fault => "fault",
        }
    }

    /// For people.
    pub fn said(self) -> Said {
        match self {
            Self::Normal => said::check_normal(),
            Self::NotSeen => said::check_not_seen(),
            Self::Risk => said::check_risk(),
            Self::Fault => said::check_fault(),
        }
    }

    /// Worst first, as they are listed; what was not seen stands last.
    pub const LISTED: [Self; 4] = [Self::Fault, Self::Risk, Self::Normal, Self::NotSeen];
}

/// One check of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    pub schema_version: u32,
    /// Unique for an instance: the moment, to the millisecond.
    pub id: String,
    pub at: Timestamp,
    pub instance: Checked,
    /// The guest was looked into.
    pub deep: bool,
    /// The time ran out before everything was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_short: bool,
    pub verdict: Verdict,
    /// In the order of the vendor's groups.
    pub items: Vec<CheckItem>,
}

/// Who was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    pub id: String,
    pub name: String,
    pub region: String,
    pub zone: String,
    pub os: Os,
    pub state: String,
}

impl Checked {
    pub fn of(instance: &Instance) -> Self {
        Self {
            id: instance.id.clone(),
            name: instance.name.clone(),
            region: instance.region.clone(),
            zone: instance.zone.clone(),
            os: instance.os,
            state: instance.state.clone(),
        }
    }

    /// What people call it.
    pub fn label(&self) -> &str {
        if self.name.is_empty() {
            &self.id
        } else {
            &self.name
        }
    }
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckItem {
    pub id: String,
    /// As on the vendor's page.
    pub group: String,
    #[serde(flatten, with = "fields::title")]
    pub title: Said,
    /// Of the seven verdicts of the vendor's first tool, or the instance's own state: a check without it
    /// decides nothing.
    #[serde(default)]
    pub decisive: bool,
    pub verdict: Verdict,
    /// Why it was not seen; only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(flatten, with = "fields::detail")]
    pub detail: Said,
    #[serde(flatten, with = "fields::maybe_needs")]
    pub needs: Option<Said>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// How to mend it; only where something is at risk or at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<Mend>,
}

impl CheckItem {
    /// Its kind of instance has no such thing: that nobody saw it leaves nothing open.
    pub fn lacks(&self) -> bool {
        self.verdict == Verdict::NotSeen && self.status != Some(Status::NotApplicable)
    }
}

/// A figure, with what it was held against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `%`, `Mbit/s`, `ms`, `s`, or empty for a count.
    pub unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<f64>,
    /// The highest of the look-back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_at: Option<Timestamp>,
    /// Hours of the look-back that there are figures for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    /// From here on it is a risk; in the unit of the figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_at: Option<f64>,
    /// From here on it is a fault, where it is so now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_at: Option<f64>,
    /// What the instance may have at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

/// The way to mend an item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mend {
    #[serde(flatten, with = "fields::text")]
    pub text: Said,
    /// An action of ours, with its parameters; `null` is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// A known-issue guide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<String>,
    /// The page of the vendor's console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
}

impl Mend {
    /// Words of `cvmtop` that do it or lead to it, for a target as it was named.
    pub fn command(&self, target: &str) -> Option<String> {
        let Some(action) = &self.action else {
            return self
                .guide
                .as_ref()
                .map(|slug| format!("cvmtop guide {slug}"));
        };
        let words = act_words(action, &self.parameters);
        Some(format!("cvmtop act {target} {words}"))
    }
}

impl CheckReport {
    /// Items of a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let items = self.items.iter();
        items.filter(|item| item.verdict == verdict).count()
    }

    /// The items, worst first, in the order of the vendor's groups among equals.
    pub fn listed(&self) -> Vec<&CheckItem> {
        let of = |verdict| self.items.iter().filter(move |it| it.verdict == verdict);
        Verdict::LISTED.into_iter().flat_map(of).collect()
    }

    /// How many items came to what.
    pub fn counted(&self) -> Said {
        let [fault, risk, normal, unseen] = Verdict::LISTED.map(|verdict| self.count(verdict));
        said::check_counted(fault, risk, normal, unseen)
    }

    /// Something that decides was not seen.
    pub fn is_undecided(&self) -> bool {
        self.items.iter().any(|item| item.decisive && item.lacks())
    }

    /// It is a state of the instance to compare with: something was seen, and the look was whole.
    pub fn is_worth_keeping(&self) -> bool {
        let mut items = self.items.iter();
        !self.cut_short && items.any(|item| item.verdict != Verdict::NotSeen)
    }
}

/// One item that is not as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub id: String,
    pub group: String,
    #[serde(flatten, with = "fields::title")]
    pub title: Said,
    /// `None` where the earlier report has no such item.
    pub before: Option<Verdict>,
    /// `None` where the later one has none.
    pub after: Option<Verdict>,
    /// What the later one says, or the earlier where it is gone.
    #[serde(flatten, with = "fields::detail")]
    pub detail: Said,
    /// What the earlier one said.
    #[serde(flatten, with = "fields::reason")]
    pub was: Said,
}

impl Change {
    /// The item, what it was, what it is now and what is said of that.
    pub fn said(&self) -> Said {
        let name =
            |verdict: Option<Verdict>| verdict.map_or_else(said::check_no_item, Verdict::said);
        said::check_change(
            self.title.clone(),
            name(self.before),
            name(self.after),
            self.detail.clone(),
        )
    }

    /// `!` worse, `+` better, `~` neither.
    pub fn mark(&self) -> &'static str {
        if self.is_worse() {
            "!"
        } else if self.is_better() {
            "+"
        } else {
            "~"
        }
    }

    /// Worse than before; what was not seen is neither.
    pub fn is_worse(&self) -> bool {
        let after = self.after.unwrap_or_default();
        after >= Verdict::Risk && self.before.unwrap_or_default() < after
    }

    /// Better than before, and seen to be.
    pub fn is_better(&self) -> bool {
        let before = self.before.unwrap_or_default();
        match self.after {
            Some(Verdict::Normal) => before >= Verdict::Risk,
            Some(Verdict::Risk) => before == Verdict::Fault,
            _ => false,
        }
    }
}

/// How much changed since an earlier report.
pub fn changed_since(before: &CheckReport, changes: &[Change]) -> Said {
    let since = before.at.strftime("%Y-%m-%d %H:%M UTC");
    if changes.is_empty() {
        said::check_unchanged(since, &before.id)
    } else {
        said::check_changed(changes.len(), since, &before.id)
    }
}

/// What two reports of an instance differ in: items whose verdict is another one, in the order of the later.
pub fn compare(before: &CheckReport, after: &CheckReport) -> Vec<Change> {
    let old: BTreeMap<&str, &CheckItem> = before
        .items
        .iter()
        .map(|item| (item.id.as_str(), item))
        .collect();
    let mut changes: Vec<Change> = after
        .items
        .iter()
        .filter_map(|item| {
            let was = old.get(item.id.as_str());
            let same = was.is_some_and(|was| was.verdict == item.verdict);
            (!same).then(|| Change {
                id: item.id.clone(),
                group: item.group.clone(),
                title: item.title.clone(),
                before: was.map(|was| was.verdict),
                after: Some(item.verdict),
                detail: item.detail.clone(),
                was: was.map(|was| was.detail.clone()).unwrap_or_default(),
            })
        })
        .collect();
    let gone = before
        .items
        .iter()
        .filter(|item| !after.items.iter().any(|new| new.id == item.id));
    changes.extend(gone.map(|item| Change {
        id: item.id.clone(),
        group: item.group.clone(),
        title: item.title.clone(),
        before: Some(item.verdict),
        after: None,
        detail: item.detail.clone(),
        was: item.detail.clone(),
    }));
    changes
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    pub status: Status,
    pub why: Said,
    /// What would permit it.
    pub needs: Option<Said>,
}

/// What was read, or why it was not.
pub type Got<T> = Result<T, Box<Unread>>;

/// A metric: its value of now, and the look-back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// `None` where the newest figures are too old to say anything about now.
    pub now: Option<f64>,
    /// Time (UNIX seconds) and value, oldest first, without gaps.
    pub points: Vec<(i64, f64)>,
    /// Seconds that a point stands for.
    pub period_s: i64,
}

/// A disk as the cloud bills it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    pub id: String,
    pub is_system: bool,
    /// `None` where the cloud does not say.
    pub is_prepaid: Option<bool>,
    /// `ATTACHED`, `TORECYCLE`, ...
    pub state: String,
    /// Until it expires; negative once it has. Only for prepaid ones.
    pub days_left: Option<i64>,
    /// It expires before its instance does.
    pub ends_first: bool,
    /// It is renewed by itself; `None` where the cloud does not say.
    pub renews: Option<bool>,
}

/// An event of the guest or its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// In lower case and letters alone: `guestreboot`.
    pub name: String,
    pub at: Timestamp,
}

/// What the self-diagnosis needs of the cloud beyond readings.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckFacts {
    /// By metric, then by what it is of: empty for the instance, else a disk.
    pub courses: BTreeMap<String, Vec<(String, Got<Course>)>>,
    pub disks: Got<Vec<Disk>>,
    /// Those of the look-back.
    pub events: Got<Vec<Event>>,
    /// Repair tasks that are not ended, in words.
    pub tasks: Vec<Said>,
    /// Mbit/s that may leave by, and come to, the public addresses.
    pub public_out: Got<f64>,
    pub public_in: Got<f64>,
    /// Mbit/s of the type on the private network.
    pub private: Got<f64>,
}

/// What the kernel of the guest counted, each read twice, a second apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestCounts {
    /// Packets that the soft interrupt dropped because its queue was full.
    pub softnet_dropped: Option<[u64; 2]>,
    /// Datagrams lost to a full receive or send buffer.
    pub udp_buffers: Option<[u64; 2]>,
    /// Connections lost to a full accept queue.
    pub accept_overflows: Option<[u64; 2]>,
    /// Requests for connections lost to a full queue of requests.
    pub request_drops: Option<[u64; 2]>,
    /// Seconds since the boot.
    pub uptime_s: Option<u64>,
    /// The kernel's log could be read.
    pub log_read: bool,
    /// Hung tasks, lock-ups and panics of the kernel's log: seconds ago, where that is known, and the line.
    pub stalls: Vec<(Option<i64>, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, verdict: Verdict) -> CheckItem {
        CheckItem {
            id: id.into(),
            group: "network".into(),
            title: Said::known(id),
            decisive: false,
            verdict,
            status: (verdict == Verdict::NotSeen).then_some(Status::NotPermitted),
            detail: Said::raw("as it was"),
            needs: None,
            source: None,
            measured: None,
            mend: None,
        }
    }

    fn report(items: Vec<CheckItem>) -> CheckReport {
        CheckReport {
            schema_version: SCHEMA_VERSION,
            id: "20260101T000000.000Z".into(),
            at: Timestamp::UNIX_EPOCH,
            instance: Checked::default(),
            deep: false,
            cut_short: false,
            verdict: Verdict::Normal,
            items,
        }
    }

    #[test]
    fn only_what_was_seen_to_change_is_worse_or_better() {
        use Verdict::{Fault, Normal, NotSeen, Risk};
        let pairs = [
            (Normal, Fault, true, false),
            (Normal, Risk, true, false),
            (Risk, Fault, true, false),
            (NotSeen, Fault, true, false),
            (Normal, NotSeen, false, false),
            (Fault, NotSeen, false, false),
            (NotSeen, Normal, false, false),
            (Fault, Risk, false, true),
            (Fault, Normal, false, true),
            (Risk, Normal, false, true),
        ];
        for (before, after, worse, better) in pairs {
            let changes = compare(
                &report(vec![item("a", before), item("same", Risk)]),
                &report(vec![item("a", after), item("same", Risk)]),
            );
            let [change] = changes.as_slice() else {
                panic!("{before:?} {after:?}: {changes:?}");
            };
            assert_eq!(
                (change.is_worse(), change.is_better()),
                (worse, better),
                "{before:?} {after:?}"
            );
        }
    }

    #[test]
    fn items_that_came_and_went_are_told() {
        let changes = compare(
            &report(vec![item("old", Verdict::Risk)]),
            &report(vec![item("new", Verdict::Normal)]),
        );
        let told: Vec<_> = changes
            .iter()
            .map(|c| (c.id.as_str(), c.before, c.after))
            .collect();
        assert_eq!(
            told,
            [
                ("new", None, Some(Verdict::Normal)),
                ("old", Some(Verdict::Risk), None)
            ]
        );
    }

    #[test]
    fn a_command_asks_for_what_is_not_known() {
        let mut mend = Mend {
            action: Some("open-port".into()),
            ..Mend::default()
        };
        mend.parameters.insert("port".into(), 22.into());
        mend.parameters.insert("source".into(), Value::Null);
        assert_eq!(
            mend.command("web-1").as_deref(),
            Some("cvmtop act web-1 open-port --set port=22 --set source=ADDRESS")
        );
    }
}
