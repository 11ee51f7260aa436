//! What the effects of the console work with.
//!
//! The session is opened by the first effect that needs it, so that the first frame does not
//! wait for credentials. Must not live here: carrying effects out (`executor`).

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;

use super::execute::Desk;
use super::said;
use super::session::{Session, SessionError};
use super::shared::Shared;
use super::triage::Triage;
use crate::action::gate::Access;
use crate::config::Loaded;
use crate::domain::instance::Instance;
use crate::domain::said::Said;
use crate::store::journal::Journal;

/// Readings that are older say little about the moment before an action.
const RECENT: Duration = Duration::from_secs(600);

/// Opens a session in another way than from credentials, for example on the demo cloud.
pub type Opener = Box<dyn Fn(&Loaded) -> Opening + Send + Sync>;
/// A session on its way.
pub type Opening = Pin<Box<dyn Future<Output = Result<Session, SessionError>> + Send>>;

struct Way(Option<Opener>);

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "opener"
        } else {
            "credentials"
        })
    }
}

/// Settings, the session once it is open, and the instances listed so far.
#[derive(Debug)]
pub struct Backend {
    pub loaded: Loaded,
    journal: Journal,
    shared: Option<Arc<Shared>>,
    way: Way,
    session: OnceCell<Session>,
    known: Mutex<HashMap<String, Arc<Instance>>>,
    /// The last complete triage of each instance and when it ended.
    triages: Mutex<HashMap<String, (Instant, Triage)>>,
    /// The console's live switch; the gate is asked with it.
    read_only: AtomicBool,
    /// What opening the session had to say.
    warnings: Mutex<Vec<Said>>,
}

impl Backend {
    /// Where what was seen is noted; nowhere in a world that ends with the program.
    pub fn memory(&self) -> Option<PathBuf> {
        self.way
            .0
            .is_none()
            .then(|| self.loaded.paths.state_dir.clone())
    }

    /// A backend that opens its session when it is first needed.
    pub fn new(loaded: Loaded) -> Self {
        let shared = Shared::of(&loaded, None);
        let own =
            || Journal::in_directory(&loaded.paths.state_dir).shared(loaded.settings.shared_state);
        Self {
            read_only: AtomicBool::new(loaded.settings.read_only),
            journal: shared.as_ref().map_or_else(own, |shared| shared.journal()),
            shared,
            loaded,
            way: Way(None),
            session: OnceCell::new(),
            known: Mutex::default(),
            triages: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// A backend whose session is opened by `opener` when it is first needed.
    pub fn opened_by(loaded: Loaded, opener: Opener) -> Self {
        Self {
            way: Way(Some(opener)),
            ..Self::new(loaded)
        }
    }

    /// The session; opened by the first caller, tried again after a failure.
    pub async fn session(&self) -> Result<&Session, SessionError> {
        self.session
            .get_or_try_init(|| async {
                if let Some(opener) = &self.way.0 {
                    return opener(&self.loaded).await;
                }
                let mut told = Vec::new();
                let session = Session::open(&self.loaded, &mut |warning| told.push(warning)).await;
                self.lock_warnings().extend(told);
                session
            })
            .await
    }

    /// What opening the session had to say, once.
    pub fn take_warnings(&self) -> Vec<Said> {
        std::mem::take(&mut *self.lock_warnings())
    }

    fn lock_warnings(&self) -> std::sync::MutexGuard<'_, Vec<Said>> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where actions are carried out.
    pub async fn desk(&self) -> Result<Desk, Said> {
        let session = self.session().await.map_err(|error| error.said())?;
        let cloud = session.cloud.as_ref().ok_or_else(said::no_desk)?;
        Ok(Desk::new(cloud.client.clone(), self.journal()).among(self.shared.clone()))
    }

    /// What the cloud's clock is ahead of this machine's, as far as it is known by now.
    pub fn skew(&self) -> SignedDuration {
        let session = self.session.get();
        let cloud = session.and_then(|session| session.cloud.as_ref());
        let desk = cloud.map(|cloud| Desk::new(cloud.client.clone(), self.journal()));
        SignedDuration::from_secs(desk.and_then(|desk| desk.skew()).unwrap_or(0))
    }

    /// Now by the cloud's clock, as far as it is known by now.
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.skew()).unwrap_or(now)
    }

    /// Follows the console's switch.
    pub fn set_read_only(&self, on: bool) {
        self.read_only.store(on, Ordering::Relaxed);
    }

    /// What work in the background may do at this moment.
    pub fn access(&self) -> Access {
        if self.read_only.load(Ordering::Relaxed) {
            Access::ReadOnly {
                because: said::console_read_only(),
            }
        } else {
            Access::ReadWrite
        }
    }

    /// Keeps a complete triage: the evidence from before an action.
    pub fn keep_triage(&self, instance: &str, triage: Triage) {
        let mut triages = self.triages.lock().unwrap_or_else(PoisonError::into_inner);
        // Older ones are of no use any more, and each holds what the cloud answered.
        triages.retain(|_, (at, _)| at.elapsed() < RECENT);
        triages.insert(instance.to_owned(), (Instant::now(), triage));
    }

    /// The last triage of an instance, where it is of the last few minutes.
    pub fn recent_triage(&self, instance: &str) -> Option<Triage> {
        let triages = self.triages.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, triage) = triages.get(instance)?;
        (at.elapsed() < RECENT).then(|| triage.clone())
    }

    /// The journal of the state directory.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// The store of several hosts, where there is one.
    pub fn shared(&self) -> Option<&Shared> {
        self.shared.as_deref()
    }

    /// Keeps listed instances, so that effects can name them by id.
    pub fn remember(&self, instances: impl IntoIterator<Item = Arc<Instance>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for instance in instances {
            known.insert(instance.id.clone(), instance);
        }
    }

    /// Keeps a listed instance, as it was kept before where nothing about it has changed: a list
    /// that is read every minute must not be a new one in memory each time.
    pub fn keep(&self, instance: Instance) -> Arc<Instance> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&instance.id) {
            Some(before) if **before == instance => before.clone(),
            _ => {
                let instance = Arc::new(instance);
                known.insert(instance.id.clone(), instance.clone());
                instance
            }
        }
    }

    /// All that were listed.
    pub fn listed(&self) -> Vec<Arc<Instance>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }

    /// A listed instance.
    pub fn instance(&self, id: &str) -> Option<Arc<Instance>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment, Overrides, Paths};

    #[test]
    fn what_is_listed_again_unchanged_is_the_same_in_memory() {
        let environment = Environment::of(|_| None, std::path::Path::new("/nonexistent"));
        let paths = Paths::new(None, &environment).expect("a home is given");
        let loaded = config::load_text("", paths, &Overrides::default(), &environment);
        let backend = Backend::new(loaded);
        let listed = Instance {
            id: "ins-1".to_owned(),
            ..Instance::default()
        };
        let first = backend.keep(listed.clone());
        assert!(Arc::ptr_eq(&first, &backend.keep(listed.clone())));
        let renamed = Instance {
            name: "web".to_owned(),
            ..listed
        };
        assert!(!Arc::ptr_eq(&first, &backend.keep(renamed)));
        let known = backend.instance("ins-1").map(|one| one.name.clone());
        assert_eq!(known.as_deref(), Some("web"));
    }
}
