//! What earlier runs noted and this one needs: since when login fails, how paths were before, and
//! which way the users come.
//!
//! A history that cannot be used costs only this; it is logged. Must not live here: the tables
//! (`store::history`).

use std::path::{Path as FilePath, PathBuf};

use jiff::Timestamp;

use crate::domain::evidence::{Path, Reading};
use crate::domain::path_series::Earlier;
use crate::runtime::vantage::own_source;
use crate::store::StoreError;
use crate::store::history::History;

/// Since when login fails, where an earlier run saw it answer before.
pub(super) async fn onset(directory: &FilePath, instance: &str) -> Option<Timestamp> {
    let instance = instance.to_owned();
    let read = move |history: &mut History| {
        let span = history.login(&instance)?;
        Ok(span.and_then(|span| span.onset()).map(|onset| onset.failed))
    };
    with(directory, read).await.flatten()
}

/// By which way the users come to a network, if that was told once.
pub(super) async fn way(directory: &FilePath, network: &str) -> Option<Path> {
    let network = network.to_owned();
    let read = move |history: &mut History| {
        let ways = history.ways()?;
        Ok(ways.into_iter().find(|(known, _)| *known == network))
    };
    with(directory, read).await.flatten().map(|(_, way)| way)
}

/// Keeps the figures of a series and tells in the reading how they were before.
pub(super) async fn compare(directory: &FilePath, reading: &mut Reading) {
    let Some(series) = &mut reading.series else {
        return;
    };
    let target = series.target;
    let vantage = own_source(target).map_or_else(String::new, |own| own.to_string());
    let now = Earlier {
        at: reading.observed_at.unwrap_or_else(Timestamp::now),
        figures: series.figures,
    };
    let keep = move |history: &mut History| history.add_series(&target.to_string(), &vantage, &now);
    series.earlier = with(directory, keep).await.unwrap_or_default();
    if let Some(before) = series.before() {
        reading.detail = reading.detail.clone().and(before);
    }
}

async fn with<T: Send + 'static>(
    directory: &FilePath,
    act: impl FnOnce(&mut History) -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    let directory: PathBuf = directory.to_owned();
    let done = tokio::task::spawn_blocking(move || act(&mut History::open(&directory)?)).await;
    match done {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the history is left out");
            None
        }
        Err(_) => None,
    }
}
