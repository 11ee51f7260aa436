//! In which order the rows stand.
//!
//! A sweep of a large fleet changes rows many times a second, and every frame wants them in
//! order. So names are compared only when one has changed; after that a row's place among the
//! names is a number. Must not live here: which rows are shown (`fleet`).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Row, Sort};

/// The place of every row among all names.
#[derive(Debug, Default)]
pub struct Names {
    places: Vec<u32>,
    stale: bool,
}

impl Names {
    /// A name has changed, or a row has come or gone.
    pub fn touch(&mut self) {
        self.stale = true;
    }

    fn refresh(&mut self, rows: &[Row]) {
        if !std::mem::take(&mut self.stale) && self.places.len() == rows.len() {
            return;
        }
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        let key = |index: &u32| {
            let instance = &rows[*index as usize].instance;
            (instance.name.as_str(), instance.id.as_str())
        };
        order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        self.places.clear();
        self.places.resize(rows.len(), 0);
        for (place, index) in order.into_iter().enumerate() {
            self.places[index as usize] = place as u32;
        }
    }

    /// Puts the rows of `visible` in order.
    pub fn order(&mut self, rows: &[Row], sort: Sort, visible: &mut [u32]) {
        self.refresh(rows);
        match sort {
            Sort::Health => self.by(visible, |index| rows[index].health()),
            Sort::Name => self.by(visible, |_| ()),
            Sort::State => {
                let place = group(rows, |row| row.instance.state.as_str());
                self.by(visible, |index| place[index]);
            }
            Sort::Region => {
                let place = group(rows, |row| {
                    let instance = &row.instance;
                    (instance.region.as_str(), instance.zone.as_str())
                });
                self.by(visible, |index| place[index]);
            }
            Sort::Age => self.by(visible, |index| Reverse(rows[index].checked_at)),
        }
    }

    /// By a key that is cheap to compare, and by name where it is the same.
    fn by<K: Ord>(&self, visible: &mut [u32], key: impl Fn(usize) -> K) {
        let mut keyed: Vec<(K, u32, u32)> = visible
            .iter()
            .map(|index| {
                let at = *index as usize;
                (key(at), self.places[at], *index)
            })
            .collect();
        keyed.sort_unstable();
        for (slot, (_, _, index)) in visible.iter_mut().zip(keyed) {
            *slot = index;
        }
    }
}

/// The place of every row's word among the few words that there are.
fn group<'a, K: Ord + Clone>(rows: &'a [Row], word: impl Fn(&'a Row) -> K) -> Vec<usize> {
    let words: BTreeSet<K> = rows.iter().map(&word).collect();
    let words: Vec<K> = words.into_iter().collect();
    rows.iter()
        .map(|row| words.binary_search(&word(row)).unwrap_or(0))
        .collect()
}
