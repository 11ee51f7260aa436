//! Actions under way or done in this session, with their steps and verification.
//!
//! Must not live here: planning (`action`) or carrying out (`runtime::execute`).

use jiff::Timestamp;

use super::case::RunId;
use crate::action::handed::Handed;
use crate::action::plan::Plan;
use crate::domain::action::ActionId;
use crate::domain::outcome::Outcome;
use crate::domain::said::Said;

/// Where an action is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Facts for the preview are being read.
    Preparing,
    /// The preview is on the screen.
    Previewed,
    Running,
    Ended(Outcome, Said),
    /// It was taken back, by hand or because its time was over: how it had ended is true no more.
    TakenBack,
}

impl JobState {
    /// True while something is on its way in the cloud.
    pub fn is_running(&self) -> bool {
        *self == Self::Running
    }
}

/// What came of an execution.
#[derive(Debug)]
pub struct Executed {
    pub ending: Outcome,
    /// Another host was at work on the instance, too: what is seen may be its work.
    pub contested: bool,
    /// A soft restart was accepted and did not get through: the hard one may be offered.
    pub soft_restart_failed: bool,
    /// Set when the rules had changed since they were shown: the same action with the new
    /// difference, to be shown and confirmed anew, or why there is none.
    pub replanned: Option<Result<Box<Plan>, Said>>,
    pub detail: Said,
    /// Journal entry, when it can be taken back.
    pub undo_entry: Option<String>,
    pub handed: Vec<Handed>,
    /// Lines that repairs in the guest printed.
    pub output: Vec<String>,
}

/// One action on one instance.
#[derive(Debug, Clone)]
pub struct Job {
    pub run: RunId,
    pub instance: String,
    /// `None` for taking an earlier one back.
    pub action: Option<ActionId>,
    pub title: Said,
    pub state: JobState,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Sentences, in order.
    pub steps: Vec<Said>,
    /// A soft restart that did not get through.
    pub soft_restart_failed: bool,
    /// Journal entry that can be taken back.
    pub undo_entry: Option<String>,
    /// Journal entry that this one takes back.
    pub reverses: Option<String>,
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

    pub fn get(&self, run: RunId) -> Option<&Job> {
        self.all.iter().find(|job| job.run == run)
    }

    pub fn get_mut(&mut self, run: RunId) -> Option<&mut Job> {
        self.all.iter_mut().find(|job| job.run == run)
    }

    pub fn of(&self, instance: &str) -> impl DoubleEndedIterator<Item = &Job> {
        self.all.iter().filter(move |job| job.instance == instance)
    }

    pub fn running(&self) -> impl Iterator<Item = &Job> {
        self.all.iter().filter(|job| job.state.is_running())
    }

    /// The latest job that can be taken back.
    pub fn last_undoable(&self) -> Option<&Job> {
        self.all
            .iter()
            .rev()
            .find(|job| job.undo_entry.is_some() && !job.state.is_running())
    }

    /// The entry was taken back: what its action came to holds no more and goes. Gives the
    /// instance, where there was something to go.
    pub fn taken_back(&mut self, entry: &str) -> Option<String> {
        let mut instance = None;
        for job in &mut self.all {
            if job.undo_entry.as_deref() == Some(entry) {
                job.undo_entry = None;
                job.state = JobState::TakenBack;
                job.steps.clear();
                instance = Some(job.instance.clone());
            }
        }
        instance
    }

    /// Removes a job that was called off before anything was sent.
    pub fn forget(&mut self, run: RunId) {
        self.all.retain(|job| job.run != run);
    }

    /// True when the last restart of an instance was a soft one that did not get through.
    pub fn soft_restart_failed(&self, instance: &str) -> bool {
        self.of(instance)
            .rev()
            .find(|job| job.action == Some(ActionId::Restart) && job.ended_at.is_some())
            .is_some_and(|job| job.soft_restart_failed)
    }

    /// Ids of actions that were carried out on an instance and did not bring login back, since
    /// one last did.
    pub fn failed_cures(&self, instance: &str) -> Vec<String> {
        let mut failed = Vec::new();
        for job in self.of(instance) {
            match (&job.state, job.action) {
                (JobState::Ended(Outcome::Restored, _), _) => failed.clear(),
                (JobState::Ended(ending, _), Some(action)) if ending.did_not_cure() => {
                    failed.push(action.to_string());
                }
                _ => {}
            }
        }
        failed
    }
}
