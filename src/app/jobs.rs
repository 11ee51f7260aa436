//! Actions under way or done in this session, with their steps and verification.
//!
//! Must not live here: planning (`action`) or carrying out (`runtime::execute`).

use jiff::Timestamp;

use super::case::RunId;

/// Where an action is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Facts for the preview are being read.
    Preparing,
    Running,
    /// The cloud did it; the login probes say what came of it.
    Done,
    Verified,
    NotBetter,
    Failed(String),
}

impl JobState {
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Preparing | Self::Running)
    }
}

/// One action on one instance.
#[derive(Debug, Clone)]
pub struct Job {
    pub run: RunId,
    pub instance: String,
    pub title: String,
    pub state: JobState,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Sentences, in order.
    pub steps: Vec<(Timestamp, String)>,
    /// Journal entry that can be undone.
    pub undo_entry: Option<String>,
}

/// All jobs of the session, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    all: Vec<Job>,
}

impl Jobs {
    pub fn push(&mut self, job: Job) {
        self.all.push(job);
    }

    pub fn get_mut(&mut self, run: RunId) -> Option<&mut Job> {
        self.all.iter_mut().find(|job| job.run == run)
    }

    pub fn of(&self, instance: &str) -> impl DoubleEndedIterator<Item = &Job> {
        self.all.iter().filter(move |job| job.instance == instance)
    }

    pub fn running(&self) -> impl Iterator<Item = &Job> {
        self.all.iter().filter(|job| !job.state.is_over())
    }

    /// The latest job that can be taken back.
    pub fn last_undoable(&self) -> Option<&Job> {
        self.all.iter().rev().find(|job| job.undo_entry.is_some())
    }

    /// Removes a job that was called off before anything was sent.
    pub fn forget(&mut self, run: RunId) {
        self.all.retain(|job| job.run != run);
    }
}
