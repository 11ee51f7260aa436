//! The instances known, their order, filter, marks and selection.
//!
//! Lives here: the list as data, with an index that is only recomputed when something in it
//! changed. Must not live here: fetching (`runtime`) or drawing (`view`).

mod order;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use order::Names;

use super::filter::{Filter, Matching};
use super::health::{Health, Login};
use super::track::Track;
use crate::domain::evidence::state::instance_state;
use crate::domain::evidence::{Path, table::LoginWord};
use crate::domain::history::LoginSpan;
use crate::domain::instance::Instance;

/// One instance with what the console knows about its login.
#[derive(Debug, Clone)]
pub struct Row {
    /// Shared with what carries effects out: a large fleet is kept once.
    pub instance: Arc<Instance>,
    pub login: Option<Login>,
    pub checked_at: Option<Timestamp>,
    /// A check is on its way.
    pub checking: bool,
    /// Id of the leading cause of the last diagnosis.
    pub cause: Option<String>,
    /// That diagnosis found login broken, which a look from outside cannot always see.
    pub fault: bool,
    /// Short looks along each path.
    pub public: Track,
    pub private: Track,
    /// What the last short look found, which a diagnosis may know better.
    pub looked: Option<LoginWord>,
    /// What a plain filter word is matched against.
    pub haystack: String,
    pub cells: Cells,
    /// Kept because every frame of a sweep asks for the health of all rows.
    decided: Option<Health>,
}

/// Cells that the texts of a row take, to divide the list by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cells {
    pub name: u16,
    pub address: u16,
}

impl Cells {
    fn of(instance: &Instance) -> Self {
        let name = instance.label();
        let address = instance
            .address()
            .map_or(0, |address| address.to_string().len());
        let cells = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Self {
            name: cells(name.width()),
            address: cells(address),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            name: self.name.max(other.name),
            address: self.address.max(other.address),
        }
    }
}

impl Row {
    pub fn new(instance: impl Into<Arc<Instance>>) -> Self {
        let instance = instance.into();
        let mut haystack = format!("{} {} {}", instance.name, instance.id, instance.region);
        for address in instance
            .public_addresses
            .iter()
            .chain(&instance.private_addresses)
        {
            haystack.push(' ');
            haystack.push_str(&address.to_string());
        }
        Self {
            cells: Cells::of(&instance),
            decided: decided(&instance),
            instance,
            login: None,
            checked_at: None,
            checking: false,
            cause: None,
            fault: false,
            public: Track::default(),
            private: Track::default(),
            looked: None,
            haystack,
        }
    }

    /// The path that users come in by.
    pub fn login_path(&self) -> Path {
        if self.instance.public_addresses.is_empty() {
            Path::Private
        } else {
            Path::Public
        }
    }

    /// Looks along the path that users come in by.
    pub fn track(&self) -> &Track {
        self.track_on(self.login_path())
    }

    /// Looks along a path, or from here to the address that others look at.
    pub fn track_on(&self, path: Path) -> &Track {
        match path.address_side() {
            Path::Private => &self.private,
            _ => &self.public,
        }
    }

    pub fn track_on_mut(&mut self, path: Path) -> &mut Track {
        match path.address_side() {
            Path::Private => &mut self.private,
            _ => &mut self.public,
        }
    }

    /// Health for the order of the list: a restriction or a failing login leads, an instance
    /// that is switched off follows, because nobody expects to log in there.
    pub fn health(&self) -> Health {
        match self.decided {
            Some(health) => health,
            None if self.fault => Health::Failing,
            None => self.login.as_ref().map_or(Health::Unknown, |l| l.health),
        }
    }
}

/// The health that the cloud's own word decides, whatever a look finds.
fn decided(instance: &Instance) -> Option<Health> {
    let restricted = !matches!(instance.restrict_state.as_str(), "" | "NORMAL");
    match instance.state_class() {
        // What answers in rescue mode is the rescue system, not the users' own.
        Some(instance_state::LAUNCH_FAILED | instance_state::RESCUE) => Some(Health::Failing),
        _ if restricted => Some(Health::Failing),
        Some(instance_state::STOPPED | instance_state::TERMINATING) => Some(Health::Off),
        _ => None,
    }
}

/// Column the list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    Health,
    Name,
    State,
    Region,
    Age,
}

impl Sort {
    /// The next column of the cycle.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Health => Self::Name,
            Self::Name => Self::State,
            Self::State => Self::Region,
            Self::Region => Self::Age,
            Self::Age => Self::Health,
        }
    }
}

/// How far the inventory is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loading {
    pub running: bool,
    /// Nobody asked for it, so nobody waits for it.
    pub quiet: bool,
    /// Total that the cloud announced so far.
    pub expected: usize,
    pub regions_done: usize,
    pub regions: usize,
    /// One sentence for each region that failed.
    pub failures: Vec<String>,
}

/// The list of the instances pane.
#[derive(Debug, Default)]
pub struct Fleet {
    rows: Vec<Row>,
    by_id: HashMap<String, usize>,
    /// Rows that pass the filter, in order.
    visible: Vec<u32>,
    stale: bool,
    filter_text: String,
    /// Filters of the config by name.
    saved_filters: BTreeMap<String, String>,
    filter: Filter,
    pub sort: Sort,
    pub reversed: bool,
    pub marks: HashSet<String>,
    /// The instance that was marked last.
    pub range_start: Option<String>,
    selected: Option<String>,
    selected_at: usize,
    pub offset: usize,
    pub loading: Loading,
    pub generation: u64,
    /// Set while a listing runs that may drop instances which no longer exist.
    seen: HashSet<String>,
    matching: Matching,
    /// Instances per health.
    counts: [usize; Health::COUNT],
    /// Of the widest texts.
    widest: Cells,
    names: Names,
    /// The operator has moved the selection; until then it stays on the first row.
    chosen: bool,
    /// What was wrong with the last complete listing.
    last_failures: Vec<String>,
    /// What earlier runs remember of logins.
    recalled: HashMap<String, LoginSpan>,
}

impl Fleet {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of rows that pass the filter.
    pub fn visible_len(&self) -> usize {
        self.visible.len()
    }

    /// The rows from `start` on, at most `count`.
    pub fn window(&self, start: usize, count: usize) -> impl Iterator<Item = &Row> {
        self.visible
            .iter()
            .skip(start)
            .take(count)
            .filter_map(|index| self.rows.get(*index as usize))
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn get(&self, id: &str) -> Option<&Row> {
        self.by_id.get(id).and_then(|index| self.rows.get(*index))
    }

    /// A row to change; the order is recomputed at the next [`Fleet::settle`].
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Row> {
        self.stale = true;
        let index = *self.by_id.get(id)?;
        self.rows.get_mut(index)
    }

    pub fn selected(&self) -> Option<&Row> {
        self.selected.as_deref().and_then(|id| self.get(id))
    }

    pub fn selected_id(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    /// Position of the selection among the visible rows.
    pub fn selected_at(&self) -> usize {
        self.selected_at
    }

    /// Moves the selection on the operator's behalf. True when it changed.
    pub fn choose_at(&mut self, position: usize) -> bool {
        self.chosen = true;
        self.select_at(position)
    }

    /// Selects the visible row at `position`, or the last one before it. True when it changed.
    fn select_at(&mut self, position: usize) -> bool {
        self.selected_at = position.min(self.visible.len().saturating_sub(1));
        let id = self.visible_at(self.selected_at);
        let id = id.map(|row| row.instance.id.clone());
        let changed = id != self.selected;
        self.selected = id;
        changed
    }

    /// The nearest other visible row after (or before) the selected one that is wanted; behind the
    /// last comes the first.
    pub fn find_from_selected(
        &self,
        forward: bool,
        wanted: impl Fn(&Row) -> bool,
    ) -> Option<usize> {
        let rows = self.visible.len();
        (1..rows)
            .map(|step| {
                let step = if forward { step } else { rows - step };
                (self.selected_at + step) % rows
            })
            .find(|position| self.visible_at(*position).is_some_and(&wanted))
    }

    fn visible_at(&self, position: usize) -> Option<&Row> {
        let index = *self.visible.get(position)?;
        self.rows.get(index as usize)
    }

    /// Marks the visible rows from the one that was marked last to the selected one. False where
    /// that is no longer marked or not listed: what lies between is not on the screen then.
    pub fn mark_range(&mut self) -> bool {
        let start = self.range_start.as_ref();
        let start = start.filter(|id| self.marks.contains(*id));
        let Some(start) = start.and_then(|id| {
            let of = |row: &Row| row.instance.id == *id;
            (0..self.visible.len()).find(|at| self.visible_at(*at).is_some_and(of))
        }) else {
            return false;
        };
        let (first, last) = (start.min(self.selected_at), start.max(self.selected_at));
        let between: Vec<String> = self
            .window(first, last - first + 1)
            .map(|row| row.instance.id.clone())
            .collect();
        self.marks.extend(between);
        self.range_start.clone_from(&self.selected);
        true
    }

    /// Selects by id, name or address. False when nothing matches.
    pub fn select_target(&mut self, target: &str) -> bool {
        let found = self.rows.iter().position(|row| {
            let i = &row.instance;
            i.id == target
                || i.name == target
                || i.public_addresses
                    .iter()
                    .chain(&i.private_addresses)
                    .any(|a| a.to_string() == target)
        });
        let Some(index) = found else { return false };
        self.chosen = true;
        self.selected = self.rows.get(index).map(|row| row.instance.id.clone());
        self.stale = true;
        true
    }

    /// Begins a listing; what was known stays until the listing is complete.
    pub fn begin_listing(&mut self, regions: usize, quiet: bool) -> u64 {
        self.generation += 1;
        self.seen.clear();
        self.last_failures = std::mem::take(&mut self.loading.failures);
        self.loading = Loading {
            running: true,
            quiet,
            regions,
            ..Loading::default()
        };
        self.generation
    }

    /// Adds or refreshes instances.
    pub fn insert(&mut self, page: Vec<Arc<Instance>>) {
        for instance in page {
            self.seen.insert(instance.id.clone());
            if let Some(index) = self.by_id.get(&instance.id) {
                if let Some(row) = self.rows.get_mut(*index)
                    && !Arc::ptr_eq(&row.instance, &instance)
                {
                    if row.instance.name != instance.name {
                        self.names.touch();
                    }
                    let fresh = Row::new(instance);
                    row.haystack = fresh.haystack;
                    row.cells = fresh.cells;
                    row.decided = fresh.decided;
                    row.instance = fresh.instance;
                }
            } else {
                self.by_id.insert(instance.id.clone(), self.rows.len());
                let mut row = Row::new(instance);
                if let Some(span) = self.recalled.remove(&row.instance.id) {
                    let path = row.login_path();
                    row.track_on_mut(path).recall(&span);
                }
                self.rows.push(row);
                self.names.touch();
            }
        }
        self.stale = true;
    }

    /// What is wrong with the list as it is shown: of this listing, or of the one before while
    /// a quiet one is under way.
    pub fn failures(&self) -> &[String] {
        if self.loading.running && self.loading.quiet && self.loading.failures.is_empty() {
            &self.last_failures
        } else {
            &self.loading.failures
        }
    }

    /// True when the listing before this one met the same.
    pub fn failed_so_before(&self, failure: &str) -> bool {
        self.loading.quiet && self.last_failures.iter().any(|last| last == failure)
    }

    /// Takes what earlier runs remember of logins.
    pub fn recall(&mut self, spans: Vec<LoginSpan>) {
        for span in spans {
            if let Some(row) = self
                .by_id
                .get(&span.instance)
                .and_then(|i| self.rows.get_mut(*i))
            {
                let path = row.login_path();
                row.track_on_mut(path).recall(&span);
            } else {
                self.recalled.insert(span.instance.clone(), span);
            }
        }
    }

    /// The selection stays on this instance from now on, whatever comes to stand above it.
    pub fn hold_selection(&mut self) {
        self.chosen |= self.selected.is_some();
    }

    /// Ends a listing. Instances that were not seen are dropped, but only after a listing
    /// without failures: a region that did not answer has not lost its instances.
    pub fn end_listing(&mut self) {
        self.loading.running = false;
        if self.loading.failures.is_empty() {
            let seen = std::mem::take(&mut self.seen);
            self.rows.retain(|row| seen.contains(&row.instance.id));
            self.by_id = self
                .rows
                .iter()
                .enumerate()
                .map(|(index, row)| (row.instance.id.clone(), index))
                .collect();
            self.names.touch();
        }
        self.stale = true;
    }

    pub fn filter_text(&self) -> &str {
        &self.filter_text
    }

    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    pub fn set_filter(&mut self, text: &str) {
        if text != self.filter_text {
            text.clone_into(&mut self.filter_text);
            self.filter = Filter::parse_with(text, &self.saved_filters);
            self.stale = true;
        }
    }

    /// Filters of the config by name.
    pub fn saved_filters(&self) -> &BTreeMap<String, String> {
        &self.saved_filters
    }

    /// Takes the filters of the config; the one in force is read anew.
    pub fn save_filters(&mut self, filters: BTreeMap<String, String>) {
        self.saved_filters = filters;
        self.filter = Filter::parse_with(&self.filter_text, &self.saved_filters);
        self.stale = true;
    }

    /// No look is on its way any more.
    pub fn nothing_checking(&mut self) {
        for row in &mut self.rows {
            row.checking = false;
        }
    }

    /// Marks the order as out of date.
    pub fn touch(&mut self) {
        self.stale = true;
    }

    /// Recomputes filter, order and the place of the selection where something changed. The
    /// selected row keeps its line on the screen, so that nothing jumps under the reader.
    pub fn settle(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let mut matching = std::mem::take(&mut self.matching);
        self.visible = if self.filter.is_empty() {
            (0..self.rows.len() as u32).collect()
        } else {
            self.filter.choose((0..).zip(&self.rows), &mut matching)
        };
        self.matching = matching;
        self.counts = [0; Health::COUNT];
        self.widest = Cells::default();
        for row in &self.rows {
            self.widest = self.widest.or(row.cells);
            self.counts[row.health() as usize] += 1;
        }
        self.names.order(&self.rows, self.sort, &mut self.visible);
        if self.reversed {
            self.visible.reverse();
        }
        if !self.chosen {
            self.offset = 0;
            self.select_at(0);
            return;
        }
        let line = self.selected_at.saturating_sub(self.offset);
        let selected = self.selected.as_deref().and_then(|id| self.by_id.get(id));
        let position = selected.and_then(|row| {
            self.visible
                .iter()
                .position(|index| *index as usize == *row)
        });
        match position {
            Some(position) => self.selected_at = position,
            None => {
                self.select_at(self.selected_at);
            }
        }
        self.offset = self.selected_at.saturating_sub(line);
    }

    /// Cells of the widest texts of all rows, whatever the filter: the columns stay where they
    /// are while one types.
    pub fn widest(&self) -> Cells {
        self.widest
    }

    /// Instances per health, for the title.
    pub fn count(&self, health: Health) -> usize {
        self.counts[health as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str) -> Arc<Instance> {
        Arc::new(Instance {
            id: id.into(),
            name: format!("name-{id}"),
            state: "RUNNING".into(),
            ..Instance::default()
        })
    }

    fn fleet(ids: &[&str]) -> Fleet {
        let mut fleet = Fleet::default();
        fleet.begin_listing(1, false);
        fleet.insert(ids.iter().map(|id| instance(id)).collect());
        fleet.end_listing();
        fleet.settle();
        fleet
    }

    #[test]
    fn the_selection_survives_a_change_of_order() {
        let mut fleet = fleet(&["a", "b", "c"]);
        fleet.choose_at(0);
        fleet.get_mut("c").unwrap().login = Some(Login::of(LoginWord::Silent));
        fleet.settle();
        assert_eq!(fleet.selected_id(), Some("a"));
        assert_eq!(fleet.selected_at(), 1);
        assert_eq!(fleet.window(0, 1).next().unwrap().instance.id, "c");
    }

    #[test]
    fn a_port_that_answers_does_not_hide_a_fault_that_was_diagnosed() {
        let mut row = Row::new(instance("a"));
        row.login = Some(Login::of(LoginWord::Greets));
        assert_eq!(row.health(), Health::Healthy);
        row.fault = true;
        assert_eq!(row.health(), Health::Failing);
    }

    #[test]
    fn a_rescue_system_that_answers_is_not_the_users_own() {
        let mut row = Row::new(Instance {
            state: "RESCUE_MODE".into(),
            ..Instance::default()
        });
        row.login = Some(Login::of(LoginWord::Greets));
        assert_eq!(row.health(), Health::Failing);
    }

    #[test]
    fn a_failed_region_loses_no_instances() {
        let mut fleet = fleet(&["a", "b"]);
        fleet.begin_listing(2, false);
        fleet.insert(vec![instance("a")]);
        fleet
            .loading
            .failures
            .push("ap-tokyo did not answer".into());
        fleet.end_listing();
        assert_eq!(fleet.len(), 2);
        fleet.begin_listing(2, false);
        fleet.insert(vec![instance("b")]);
        fleet.end_listing();
        fleet.settle();
        assert_eq!(fleet.len(), 1);
        assert_eq!(fleet.get("b").unwrap().instance.id, "b");
    }

    #[test]
    fn a_filter_that_hides_the_selection_moves_it() {
        let mut fleet = fleet(&["a", "b", "c"]);
        fleet.choose_at(2);
        fleet.set_filter("name:name-a");
        fleet.settle();
        assert_eq!(fleet.selected_id(), Some("a"));
        assert_eq!(fleet.visible_len(), 1);
    }
}
