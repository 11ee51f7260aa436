//! The list of items, as `assets/knowledge/check.toml` has it.
//!
//! Must not live here: what an item comes to.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::domain::check::Verdict;
use crate::domain::instance::Os;

const SHIPPED: &str = include_str!("../../assets/knowledge/check.toml");

/// Every item, in the order of the vendor's groups.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    pub version: u32,
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    #[serde(rename = "item")]
    pub items: Vec<Item>,
}

/// A group of the vendor's page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub id: String,
    pub title: String,
}

/// What is judged and how; the head of the file explains each key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub id: String,
    pub group: String,
    pub title: String,
    pub vendor: Vec<String>,
    #[serde(default)]
    pub seven: bool,
    #[serde(default)]
    pub decisive: bool,
    #[serde(default)]
    pub deep: bool,
    pub os: Option<Os>,
    pub states: Option<States>,
    pub metric: Option<String>,
    #[serde(default)]
    pub unit: String,
    pub of: Option<Cap>,
    pub own: Option<Own>,
    pub risk: Option<f64>,
    pub fault: Option<f64>,
    #[serde(default)]
    pub threshold: String,
    pub mend: String,
    pub action: Option<String>,
    /// By `group.state`, in place of `action`.
    #[serde(default)]
    pub actions: BTreeMap<String, String>,
    /// States (`group.state`) in which the cloud would refuse the action.
    #[serde(default)]
    pub unless: Vec<String>,
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    pub guide: Option<String>,
    pub guide_windows: Option<String>,
    pub console: Option<String>,
}

/// What 100 % of a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cap {
    PublicOut,
    PublicIn,
    Private,
}

/// What is judged by code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Own {
    DiskExpired,
    DiskRenewal,
    Restarted,
    Kernel,
    OutOfMemory,
    Platform,
    Throttling,
    Softirq,
    UdpBuffer,
    AcceptQueue,
    RequestOverflow,
    Connections,
    Latency,
    UsersSide,
}

/// States of readings by what they come to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct States {
    pub normal: Vec<String>,
    pub risk: Vec<String>,
    pub fault: Vec<String>,
}

impl States {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.normal.iter().chain(&self.risk).chain(&self.fault)
    }

    pub(super) fn verdict(&self, group: &str, state: &str) -> Option<Verdict> {
        let is = |named: &String| named.split_once('.') == Some((group, state));
        [
            (&self.fault, Verdict::Fault),
            (&self.risk, Verdict::Risk),
            (&self.normal, Verdict::Normal),
        ]
        .into_iter()
        .find(|(list, _)| list.iter().any(is))
        .map(|(_, verdict)| verdict)
    }

    /// Its reading can say that all is well.
    pub(super) fn could_tell(&self, group: &str) -> bool {
        let mut normal = self.normal.iter();
        normal.any(|named| named.split_once('.').is_some_and(|(of, _)| of == group))
    }
}

impl Book {
    /// The list that is shipped.
    pub fn shipped() -> &'static Self {
        static BOOK: OnceLock<Book> = OnceLock::new();
        BOOK.get_or_init(|| toml::from_str(SHIPPED).expect("the shipped list is read by a test"))
    }

    /// The title of a group.
    pub fn group(&self, id: &str) -> &str {
        let mut groups = self.groups.iter();
        groups
            .find(|group| group.id == id)
            .map_or("", |group| &group.title)
    }

    /// Every text that a person reads.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let groups = self.groups.iter().map(|group| group.title.as_str());
        let items = self.items.iter();
        groups.chain(items.flat_map(|item| [item.title.as_str(), item.mend.as_str()]))
    }
}
