//! The whole state of the console.
//!
//! Must not live here: how it changes (`app::update`), how it looks (`view`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::case::{Case, RunId};

use super::filter::Matching;
use super::fleet::{Fleet, Row};
use super::geometry::Geometry;
use super::jobs::Jobs;
use super::keys::{Keys, shipped_keys};
use super::locale::{Lang, Texts};
use super::message::Message;
use super::missing::Missing;
use super::notices::{Notices, Severity};
use super::overlay::Overlay;
use super::rhythm::Rhythm;
use super::timed::Timed;
use super::trail::Trail;
use super::typed::Typed;
use super::weighing::{self, Weighing};
use crate::diagnosis::Knowledge;
use crate::diagnosis::fleet::FleetCauses;
use crate::domain::column::Chosen;
use crate::domain::evidence::Path;
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::domain::said::Said;

/// The three panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pane {
    #[default]
    Instances,
    Diagnosis,
    Actions,
}

impl Pane {
    pub const ALL: [Self; 3] = [Self::Instances, Self::Diagnosis, Self::Actions];

    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % 3]
    }

    #[must_use]
    pub fn previous(self) -> Self {
        Self::ALL[(self as usize + 2) % 3]
    }
}

/// What the operator can change about the looks while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looks {
    pub theme: String,
    pub themes: Vec<String>,
    pub ascii: bool,
    pub mouse: bool,
    /// Masks addresses and ids, for sharing a screen.
    pub privacy: bool,
    /// Columns of the list.
    pub columns: Chosen,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            theme: "dark".into(),
            themes: vec!["dark".into()],
            ascii: false,
            mouse: false,
            privacy: false,
            columns: None,
        }
    }
}

/// Progress of a background look at the login ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    pub run: RunId,
    pub done: usize,
    pub total: usize,
    /// Nobody asked for it, so nobody waits for it.
    pub quiet: bool,
}

/// Everything the console knows.
#[allow(clippy::struct_excessive_bools)] // independent switches, not one state
#[derive(Debug)]
pub struct State {
    pub now: Timestamp,
    pub size: (u16, u16),
    pub texts: &'static Texts,
    pub keys: Keys,
    pub looks: Looks,
    pub read_only: bool,
    /// True when read-only was demanded from outside and cannot be switched off here.
    pub read_only_locked: Option<Said>,
    /// Whether it was read-only before a file that cannot be read locked it; such a lock ends with
    /// the doubt.
    pub read_only_before_doubt: Option<bool>,
    /// Read-only lets the deep check read inside the guest.
    pub read_only_deep: bool,
    /// Read-only lets a session be opened.
    pub read_only_sessions: bool,
    pub demo: bool,
    /// What has to be there before anything can be listed, and is not.
    pub missing: Option<Missing>,
    /// One word for the title: profile or endpoint.
    pub place: Said,
    /// Name of this host, named in sentences as the vantage.
    pub vantage: String,
    pub user_source: Option<IpAddr>,
    /// That user sits at this host, as was said.
    pub user_is_here: bool,
    /// Which way the users come to a network, as far as it was told.
    pub ways: BTreeMap<String, Path>,
    /// Where ticket bundles go unless another folder is given.
    pub ticket_folder: String,
    /// Instance to open once it is listed.
    pub target: Option<String>,
    pub fleet: Fleet,
    pub cases: HashMap<String, Case>,
    pub jobs: Jobs,
    /// Changes that are taken back by themselves, soonest first.
    pub timed: Vec<Timed>,
    pub focus: Pane,
    pub zoomed: bool,
    pub paused: bool,
    pub diagnosis_offset: usize,
    /// Selected cause in the diagnosis pane.
    pub cause_at: usize,
    /// Selected line in the actions pane: actions first, then guides.
    pub action_at: usize,
    pub actions_offset: usize,
    pub overlays: Vec<Overlay>,
    pub typed: Typed,
    /// What was copied last, to be shown where a terminal does not take it.
    pub copied: String,
    pub notices: Notices,
    pub sweep: Option<Sweep>,
    /// How many logins this machine lets a sweep try at once, where that holds it back.
    pub sweep_held: Option<usize>,
    /// The batch whose plans are being made.
    pub batch: Option<RunId>,
    pub rhythm: Rhythm,
    pub weighing: Weighing,
    /// The causes of all cases, made anew by [`State::settle`] where one has been weighed.
    pub fleet_causes: FleetCauses,
    /// A case has been weighed since.
    pub causes_stale: bool,
    pub trail: Trail,
    pub geometry: Geometry,
    /// What is applied right now is a key or a paste: what is told is the answer to it.
    pub answering: bool,
    /// What arrived while the display is paused.
    pub held_back: Vec<Message>,
    /// What readings are weighed with.
    pub knowledge: Option<Arc<Knowledge>>,
    pub matching: Matching,
    next_run: u64,
}

impl State {
    /// A console that has not heard from the world yet.
    pub fn new(now: Timestamp, lang: Lang) -> Self {
        Self {
            now,
            size: (80, 24),
            texts: Texts::of(lang),
            keys: shipped_keys(),
            looks: Looks::default(),
            read_only: false,
            read_only_locked: None,
            read_only_before_doubt: None,
            read_only_deep: false,
            read_only_sessions: true,
            demo: false,
            missing: None,
            place: Said::default(),
            vantage: String::new(),
            user_source: None,
            user_is_here: false,
            ways: BTreeMap::new(),
            ticket_folder: String::new(),
            target: None,
            fleet: Fleet::default(),
            cases: HashMap::new(),
            jobs: Jobs::default(),
            timed: Vec::new(),
            focus: Pane::default(),
            zoomed: false,
            paused: false,
            diagnosis_offset: 0,
            cause_at: 0,
            action_at: 0,
            actions_offset: 0,
            overlays: Vec::new(),
            typed: Typed::default(),
            copied: String::new(),
            notices: Notices::default(),
            sweep: None,
            sweep_held: None,
            batch: None,
            rhythm: Rhythm::default(),
            weighing: Weighing::default(),
            fleet_causes: FleetCauses::default(),
            causes_stale: false,
            trail: Trail::default(),
            geometry: Geometry::default(),
            held_back: Vec::new(),
            answering: false,
            knowledge: None,
            matching: Matching::default(),
            next_run: 0,
        }
    }

    pub fn new_run(&mut self) -> RunId {
        self.next_run += 1;
        RunId(self.next_run)
    }

    pub fn selected_row(&self) -> Option<&Row> {
        self.fleet.selected()
    }

    pub fn selected_instance(&self) -> Option<&Instance> {
        self.selected_row().map(|row| &*row.instance)
    }

    pub fn selected_case(&self) -> Option<&Case> {
        self.fleet.selected_id().and_then(|id| self.cases.get(id))
    }

    pub fn selected_case_mut(&mut self) -> Option<&mut Case> {
        let id = self.fleet.selected_id()?.to_owned();
        Some(self.cases.entry(id).or_default())
    }

    pub fn selected_report(&self) -> Option<&Report> {
        self.selected_case().and_then(|case| case.report.as_ref())
    }

    /// True while anything is on its way.
    pub fn busy(&self) -> bool {
        (self.fleet.loading.running && !self.fleet.loading.quiet)
            || self.sweep.is_some_and(|sweep| !sweep.quiet)
            || self.jobs.running().next().is_some()
            || self
                .cases
                .values()
                .filter_map(|case| case.run)
                .any(|run| !self.weighing.is_quiet(run))
    }

    /// Tells a sentence in the language of the console.
    pub fn tell_said(&mut self, severity: Severity, said: &Said) {
        let text = self.texts.said(said);
        self.tell(severity, text);
    }

    /// Tells a text of the catalogue.
    pub fn tell(&mut self, severity: Severity, text: String) {
        if self.answering {
            self.notices.answer(self.now, severity, text);
        } else {
            self.notices.push(self.now, severity, text);
        }
    }

    /// Recomputes what follows from the rest; before a frame and before a key.
    pub fn settle(&mut self) {
        self.fleet.settle();
        if std::mem::take(&mut self.causes_stale) {
            self.fleet_causes = weighing::causes(self);
        }
    }
}
