//! Percentiles, and rows of a Markdown table.
//!
//! Must not live here: measuring.

#![allow(dead_code)] // each bench uses a part

use std::time::Duration;

/// Milliseconds, sorted.
pub struct Times(Vec<f64>);

impl Times {
    pub fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut all: Vec<f64> = times.into_iter().map(|t| t.as_secs_f64() * 1e3).collect();
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value below which the share `p` of all lie.
    pub fn at(&self, p: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let index = (p * last as f64).round() as usize;
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }

    pub fn median_and_p95(&self) -> String {
        format!("{:.1} / {:.1} ms", self.at(0.5), self.at(0.95))
    }
}

/// A table that is printed as it fills.
pub struct Table {
    columns: usize,
}

impl Table {
    pub fn new(columns: &[&str]) -> Self {
        println!("\n| {} |", columns.join(" | "));
        println!("|{}", "---|".repeat(columns.len()));
        Self {
            columns: columns.len(),
        }
    }

    pub fn row(&self, cells: &[&str]) {
        assert_eq!(cells.len(), self.columns, "{cells:?}");
        println!("| {} |", cells.join(" | "));
    }
}
