//! Past cases and logins for the console, off the loop's thread.
//!
//! A history that cannot be used is told once; the console goes on without it. Must not live
//! here: the tables (`store::history`), or when something is kept (`app`).

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, mpsc};

use crate::app::effect::Memory;
use crate::app::message::{Message, Recalled};
use crate::app::notices::Severity;
use crate::app::typed::{Line, MOST};
use crate::runtime::backend::Backend;
use crate::runtime::deed;
use crate::store::StoreError;
use crate::store::history::History;

/// Past cases that are read of an instance.
const CASES: u32 = 20;

static TOLD: AtomicBool = AtomicBool::new(false);

/// One of this program at a time: SQLite does not wait for everything that another connection holds.
static TURN: Mutex<()> = Mutex::const_new(());

/// Carries out what is asked of the history; what was read, or what went wrong, goes to `out`.
pub async fn carry_out(backend: &Backend, memory: Memory, out: &mpsc::Sender<Message>) {
    let directory = backend.loaded.paths.state_dir.clone();
    let colleagues = backend.loaded.has_colleagues();
    let _turn = TURN.lock().await;
    let done = tokio::task::spawn_blocking(move || {
        let history = History::open(&directory)?;
        apply(&mut history.with_colleagues(colleagues), memory)
    });
    let message = match done.await {
        Ok(Ok(message)) => message,
        Ok(Err(error)) => (!TOLD.swap(true, Ordering::Relaxed)).then(|| Message::Told {
            severity: Severity::Warning,
            text: error.said(),
        }),
        Err(_) => Some(Message::TaskPanicked {
            what: "history".to_owned(),
        }),
    };
    if let Some(message) = message {
        let _ = out.send(message).await;
    }
}

fn apply(history: &mut History, memory: Memory) -> Result<Option<Message>, StoreError> {
    Ok(match memory {
        Memory::RecallLogins => Some(Message::Recalled(Recalled::Logins(history.logins()?))),
        Memory::RecallTyped => Some(Message::Recalled(Recalled::Typed(recall_typed(history)?))),
        Memory::RecallWays => Some(Message::Recalled(Recalled::Ways(history.ways()?))),
        Memory::KeepWay { network, way } => {
            history.put_way(&network, way)?;
            None
        }
        Memory::KeepTyped { line, text, at } => {
            history.put_typed(line.as_str(), &text, at, MOST as u32)?;
            None
        }
        Memory::ReadPast { instance } => {
            let cases = history.cases(&instance, CASES)?;
            Some(Message::Recalled(Recalled::Past { instance, cases }))
        }
        Memory::KeepLogins(spans) => {
            history.put_logins(&spans)?;
            None
        }
        Memory::KeepCase(case) => {
            history.add_case(&case)?;
            None
        }
        Memory::KeepCure {
            instance,
            action,
            case,
        } => {
            deed::cured(history, &instance, &action, case.as_deref())?;
            None
        }
    })
}

fn recall_typed(history: &History) -> Result<Vec<(Line, Vec<String>)>, StoreError> {
    let read = |line: Line| Ok((line, history.typed(line.as_str())?));
    Line::ALL.into_iter().map(read).collect()
}
