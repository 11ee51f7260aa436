//! What operators on several hosts see of each other, by way of a database.
//!
//! The files of this host stay what counts: a line is in the local journal, synced, before
//! anything is sent, and reaches the store when that answers. Nothing that comes out of the store
//! is carried out. Lives here: when is passed on and taken, who holds an instance, and what is
//! told of a store that does not answer. Must not live here: statements (`session`), the files
//! (`store::journal`).

mod notes;
mod password;
mod session;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use session::{Claim, Failure, Session};

use super::execute::{ExecuteError, author};
use super::said;
use crate::action::plan::Plan;
use crate::config::Loaded;
use crate::config::shared_store::Address;
use crate::domain::action::Risk;
use crate::domain::said::Said;
use crate::store::StoreError;
use crate::store::journal::{Author, Exchange, Journal};

/// How often a hold is renewed; it lasts four times as long.
const BEAT: Duration = Duration::from_secs(15);
/// After a failure the store is left alone for this time.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// Rounds of one exchange each way; what is left follows with the next one.
const MOST_ROUNDS: usize = 16;
/// Bytes of lines in one statement.
const BYTES_A_ROUND: usize = 256 * 1024;

/// The store of several hosts.
pub struct Shared {
    address: Address,
    password_env: Option<String>,
    ca_bundle: Option<PathBuf>,
    journal: Journal,
    /// Outcomes and past cases lie there, too.
    state_dir: PathBuf,
    author: Author,
    state: Mutex<State>,
    /// Told at once; else kept until somebody asks.
    tell: Option<fn(&Said)>,
}

#[derive(Debug, Default)]
struct State {
    /// When it failed last, and nothing has succeeded since.
    failed: Option<Instant>,
    news: Vec<News>,
}

/// What is told once: that the store does not answer, or does again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub is_good: bool,
    pub text: Said,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shared store {}", self.address.name())
    }
}

impl Shared {
    /// The store that the settings name. A demo is no concern of others.
    pub fn of(loaded: &Loaded, tell: Option<fn(&Said)>) -> Option<Arc<Self>> {
        let url = loaded.settings.shared_store.as_deref()?;
        let address = Address::read(url)
            .ok()
            .filter(|_| loaded.has_colleagues())?;
        Some(Arc::new(Self {
            address,
            password_env: loaded.settings.shared_store_password_env.clone(),
            ca_bundle: loaded.settings.cloud.ca_bundle.clone(),
            journal: Journal::in_directory(&loaded.paths.state_dir)
                .shared(loaded.settings.shared_state)
                .with_colleagues(true),
            state_dir: loaded.paths.state_dir.clone(),
            author: author(),
            state: Mutex::default(),
            tell,
        }))
    }

    /// The journal of this host, with what the others did.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// What there is to tell since the last time.
    pub fn take_news(&self) -> Vec<News> {
        std::mem::take(&mut self.state().news)
    }

    /// Passes on what was done here and takes what was done elsewhere. What fails is told once and
    /// done later.
    pub async fn exchange(&self) {
        let failed = self.state().failed;
        if failed.is_some_and(|at| at.elapsed() < LEFT_ALONE) {
            return;
        }
        // The futures of a connection are large.
        let done = Box::pin(self.try_exchange()).await;
        self.note(done);
    }

    /// The same for a look at the store itself: its name, or why it cannot be used.
    ///
    /// # Errors
    /// The sentence for a person.
    pub async fn check(&self) -> Result<String, Said> {
        let done = Box::pin(self.try_exchange()).await;
        done.map_err(|failure| self.down(&failure))?;
        Ok(self.address.name())
    }

    async fn try_exchange(&self) -> Result<(), Failure> {
        let mut session = self.open().await?;
        let mut exchange = self.begin().await?;
        exchange.with_store(session.store());
        let host = exchange.cursor.host.clone();
        let pushed = push(&mut session, &mut exchange).await;
        // A store that cannot be written can still be read.
        if matches!(&pushed, Err(failure) if !failure.is_refusal()) {
            return pushed;
        }
        for _ in 0..MOST_ROUNDS {
            let (lines, last) = session.pull(&host, exchange.cursor.pulled).await?;
            if last == exchange.cursor.pulled {
                break;
            }
            let left_out = exchange.take(&lines)?;
            if left_out > 0 {
                tracing::warn!(left_out, "lines of the shared store are none of a journal");
            }
            exchange.cursor.pulled = last;
            exchange.save()?;
        }
        self.journal.set_holds(session.holds(&host).await?);
        let named = &self.author.host;
        let learned = notes::exchange(&mut session, &mut exchange, &self.state_dir, named).await;
        pushed.and(learned)
    }

    /// Claims the instance of a plan among the hosts. Where the store does not answer, work goes on.
    ///
    /// # Errors
    /// When another host is at work on the instance.
    pub async fn claim(self: &Arc<Self>, plan: &Plan) -> Result<Hold, ExecuteError> {
        let of = Held {
            instance: plan.target.id.clone(),
            target: plan.target.label().clone(),
            entry: plan.entry.clone(),
            // What changes nothing is in nobody's way.
            claims: plan.risk != Risk::None,
        };
        let standing = Arc::new(Mutex::new(match Box::pin(self.try_claim(&of)).await {
            Ok(Claim::Ours) => {
                self.note_claim(&of);
                Standing::Held
            }
            Ok(Claim::Theirs { author, entry }) => {
                self.note(Ok(()));
                let why = said::held_on_host(&of.target, author, entry);
                return Err(ExecuteError::Busy(why));
            }
            Err(failure) => {
                self.note(Err(failure));
                Standing::Unsure
            }
        }));
        let written = Arc::new(Notify::new());
        let (ends, ended) = oneshot::channel();
        let of_beat = (of.clone(), standing.clone());
        let beat = Box::pin(self.clone().beat(of_beat, written.clone(), ended));
        Ok(Hold {
            shared: self.clone(),
            of,
            standing,
            written,
            ends,
            beat: tokio::spawn(beat),
        })
    }

    async fn try_claim(&self, of: &Held) -> Result<Claim, Failure> {
        if !of.claims {
            return Ok(Claim::Ours);
        }
        let mut session = self.open().await?;
        let host = self.host().await?;
        let author = format!("{}@{}", self.author.user, self.author.host);
        session
            .claim(&host, &of.instance, &of.entry, &author, BEAT * 4)
            .await
    }

    /// Renews a hold and passes on what was written, until it is let go.
    async fn beat(
        self: Arc<Self>,
        (of, standing): (Held, Arc<Mutex<Standing>>),
        written: Arc<Notify>,
        mut ended: oneshot::Receiver<()>,
    ) {
        loop {
            // News of the own work goes out at once, everything else at the pace of the beat.
            tokio::select! {
                biased;
                _ = &mut ended => return,
                () = written.notified() => {}
                () = tokio::time::sleep(BEAT) => {}
            }
            // What has been sent is followed to its end, whoever holds the instance by now.
            Box::pin(self.renew(&of, &standing)).await;
            self.exchange().await;
        }
    }

    /// Renews a hold. Whoever finds another host in it, after the store was away, has lost it for
    /// good and is told.
    async fn renew(&self, of: &Held, standing: &Mutex<Standing>) {
        let known = || standing.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*known(), Standing::Lost(_)) {
            return;
        }
        let claimed = self.try_claim(of).await;
        let (now, done) = match claimed {
            Ok(Claim::Ours) => (Standing::Held, Ok(())),
            Ok(Claim::Theirs { author, entry }) => {
                let why = said::hold_lost(&of.target, author, entry);
                (Standing::Lost(why), Ok(()))
            }
            Err(failure) => (Standing::Unsure, Err(failure)),
        };
        if of.claims || done.is_err() {
            self.note(done);
        }
        let lost = match &now {
            Standing::Lost(why) if !matches!(*known(), Standing::Lost(_)) => Some(why.clone()),
            _ => None,
        };
        *known() = now;
        if let Some(text) = lost {
            let is_good = false;
            self.tell(News { is_good, text });
        }
    }

    async fn try_release(&self, of: &Held) -> Result<(), Failure> {
        if !of.claims {
            return Ok(());
        }
        let mut session = self.open().await?;
        let host = self.host().await?;
        session.release(&host, &of.entry).await
    }

    async fn open(&self) -> Result<Session, Failure> {
        let mut config = self.address.config.clone();
        if let Some(password) = password::find(&self.address, self.password_env.as_deref()) {
            config.password(password);
        }
        Session::open(&self.address, &config, self.ca_bundle.as_deref()).await
    }

    async fn begin(&self) -> Result<Exchange, Failure> {
        let journal = self.journal.clone();
        let fresh = fresh_host();
        // Another program's exchange is waited for, which takes a thread and not the others.
        let begun = tokio::task::spawn_blocking(move || journal.exchange(&fresh));
        let exchange = begun
            .await
            .map_err(|error| Failure::Other(error.to_string()))??;
        Ok(exchange)
    }

    /// The name of this state directory among the others.
    async fn host(&self) -> Result<String, Failure> {
        if let Some(known) = self.journal.host_name() {
            return Ok(known);
        }
        let exchange = self.begin().await?;
        exchange.save()?;
        Ok(exchange.cursor.host)
    }

    /// Without a claim, nothing was asked of the store.
    fn note_claim(&self, of: &Held) {
        if of.claims {
            self.note(Ok(()));
        }
    }

    fn note(&self, done: Result<(), Failure>) {
        let news = match done {
            // Another program of this host exchanges: what it does serves us as well.
            Err(Failure::Local(StoreError::Locked { .. })) => None,
            Ok(()) => self.state().failed.take().map(|_| News {
                is_good: true,
                text: said::shared_again(self.address.name()),
            }),
            Err(failure) => {
                let before = self.state().failed.replace(Instant::now());
                before.is_none().then(|| News {
                    is_good: false,
                    text: self.down(&failure),
                })
            }
        };
        if let Some(news) = news {
            self.tell(news);
        }
    }

    fn tell(&self, news: News) {
        match self.tell {
            Some(tell) => tell(&news.text),
            None => self.state().news.push(news),
        }
    }

    fn down(&self, failure: &Failure) -> Said {
        said::shared_down(self.address.name(), failure.said())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes on what the own journal has more than the store.
async fn push(session: &mut Session, exchange: &mut Exchange) -> Result<(), Failure> {
    let host = exchange.cursor.host.clone();
    for _ in 0..MOST_ROUNDS {
        let (lines, to) = exchange.own_lines(BYTES_A_ROUND)?;
        if to == exchange.cursor.pushed {
            break;
        }
        session.push(&host, &lines).await?;
        exchange.cursor.pushed = to;
        exchange.save()?;
    }
    Ok(())
}

#[derive(Debug, Clone)]
struct Held {
    instance: String,
    /// What people call it.
    target: String,
    entry: String,
    claims: bool,
}

/// What is known of a hold.
#[derive(Debug)]
enum Standing {
    Held,
    /// The store did not answer when it was asked last.
    Unsure,
    /// Another host has it; the sentence that says so.
    Lost(Said),
}

/// An instance that this host is at work on. Without a beat it ends by itself.
#[derive(Debug)]
pub struct Hold {
    shared: Arc<Shared>,
    of: Held,
    standing: Arc<Mutex<Standing>>,
    written: Arc<Notify>,
    /// Without it, the beat ends.
    ends: oneshot::Sender<()>,
    beat: JoinHandle<()>,
}

impl Hold {
    /// Something was written down that the others should see.
    pub fn tell(&self) {
        self.written.notify_one();
    }

    /// Why this host may not go on, where another one has the instance. Asks the store where that did
    /// not answer before.
    pub async fn lost(&self) -> Option<Said> {
        if matches!(*self.known(), Standing::Unsure) {
            Box::pin(self.shared.renew(&self.of, &self.standing)).await;
        }
        match &*self.known() {
            Standing::Lost(why) => Some(why.clone()),
            Standing::Held | Standing::Unsure => None,
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on the end, then lets the instance go: who comes next knows what was done.
    pub async fn release(self) {
        drop(self.ends);
        // A beat that is under way would renew what is let go here.
        let _ = self.beat.await;
        let shared = self.shared;
        shared.exchange().await;
        match Box::pin(shared.try_release(&self.of)).await {
            Ok(()) => shared.note_claim(&self.of),
            Err(failure) => shared.note(Err(failure)),
        }
    }
}

fn fresh_host() -> String {
    let bytes: Option<[u8; 16]> = super::execute::random_bytes().ok();
    let bytes = bytes.unwrap_or_else(|| {
        // Unlikely to be anybody else's either.
        let now = jiff::Timestamp::now().as_nanosecond();
        (now ^ i128::from(std::process::id())).to_be_bytes()
    });
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}
