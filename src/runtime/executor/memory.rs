//! Past cases and logins for the console, off the loop's thread.
//!
//! A history that cannot be used is told once; the console goes on without it. Must not live
//! here: the tables (`store::history`), or when something is kept (`app`).

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, mpsc};

use crate::app::effect::Effect;
use crate::app::message::Message;
use crate::app::notices::Severity;
use crate::app::typed::{Line, MOST};
use crate::runtime::backend::Backend;
use crate::store::StoreError;
use crate::store::history::History;

/// Past cases that are read of an instance.
const CASES: u32 = 20;

static TOLD: AtomicBool = AtomicBool::new(false);

/// One of this program at a time: SQLite does not wait for everything that another connection holds.
static TURN: Mutex<()> = Mutex::const_new(());

/// Carries out an effect on the history; what was read, or what went wrong, goes to `out`.
pub async fn carry_out(backend: &Backend, effect: Effect, out: &mpsc::Sender<Message>) {
    let directory = backend.loaded.paths.state_dir.clone();
    let _turn = TURN.lock().await;
    let done = tokio::task::spawn_blocking(move || apply(&mut History::open(&directory)?, effect));
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

fn apply(history: &mut History, effect: Effect) -> Result<Option<Message>, StoreError> {
    Ok(match effect {
        Effect::Recall => Some(Message::Recalled(history.logins()?)),
        Effect::RecallTyped => Some(Message::Typed(recall_typed(history)?)),
        Effect::RecallWays => Some(Message::Ways(history.ways()?)),
        Effect::KeepWay { network, way } => {
            history.put_way(&network, way)?;
            None
        }
        Effect::KeepTyped { line, text, at } => {
            history.put_typed(line.as_str(), &text, at, MOST as u32)?;
            None
        }
        Effect::ReadPast { instance } => {
            let cases = history.cases(&instance, CASES)?;
            Some(Message::Past { instance, cases })
        }
        Effect::KeepLogins(spans) => {
            history.put_logins(&spans)?;
            None
        }
        Effect::KeepCase(case) => {
            history.add_case(&case)?;
            None
        }
        Effect::KeepCure {
            instance,
            action,
            case,
        } => {
            if let Some(case) = case {
                history.add_case(&case)?;
            }
            history.cured(&instance, &action)?;
            None
        }
        _ => None,
    })
}

fn recall_typed(history: &History) -> Result<Vec<(Line, Vec<String>)>, StoreError> {
    let read = |line: Line| Ok((line, history.typed(line.as_str())?));
    [Line::Palette, Line::Filter]
        .into_iter()
        .map(read)
        .collect()
}
