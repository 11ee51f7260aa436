//! Work on every core, with results in the order of the input.
//!
//! Must not live here: what the work is.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// Items under way for each core: enough that none waits, few enough that memory stays small.
const AHEAD: usize = 8;

/// Where items are put; false once nobody takes results any more.
pub type Put<'a, I> = &'a mut dyn FnMut(I) -> bool;

/// What comes to whoever takes results.
#[derive(Debug)]
pub enum Next<O> {
    /// What came of the next item.
    Result(O),
    /// Nothing is ready: the moment to hand on what was kept back.
    Pause,
}

/// Calls `feed` for items, `work` with each on some core, and `take` with the results in the order
/// of their items. An error of `take` ends the work at the next item.
pub fn in_order<I: Send, O: Send>(
    feed: impl FnOnce(Put<'_, I>) -> Result<()> + Send,
    work: impl Fn(I) -> O + Sync,
    mut take: impl FnMut(Next<O>) -> Result<()>,
) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let (jobs, waiting) = sync_channel::<(I, SyncSender<O>)>(cores);
        let (promises, promised) = sync_channel::<Receiver<O>>(cores * AHEAD);
        let waiting = Mutex::new(waiting);
        let next = move || {
            // A core that panicked took no lock with it: it only waits here.
            let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.recv().ok()
        };
        let (next, work) = (std::sync::Arc::new(next), &work);
        for _ in 0..cores {
            let next = std::sync::Arc::clone(&next);
            scope.spawn(move || {
                while let Some((item, done)) = next() {
                    // Whoever waited for it may have gone.
                    let _ = done.send(work(item));
                }
            });
        }
        drop(next);
        let feeding = scope.spawn(move || {
            feed(&mut |item| {
                let (done, promise) = sync_channel(1);
                promises.send(promise).is_ok() && jobs.send((item, done)).is_ok()
            })
        });
        let taken = take_all(&promised, &mut take);
        drop(promised);
        let fed = feeding.join();
        taken?;
        fed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn take_all<O>(
    promised: &Receiver<Receiver<O>>,
    take: &mut impl FnMut(Next<O>) -> Result<()>,
) -> Result<()> {
    while let Some(promise) = or_pause(promised, take)? {
        // A result that never comes is that of a panic, which the scope passes on.
        if let Some(result) = or_pause(&promise, take)? {
            take(Next::Result(result))?;
        }
    }
    Ok(())
}

/// What comes next; where that is not there yet, a pause before the wait.
fn or_pause<T, O>(
    from: &Receiver<T>,
    take: &mut impl FnMut(Next<O>) -> Result<()>,
) -> Result<Option<T>> {
    match from.try_recv() {
        Ok(next) => Ok(Some(next)),
        Err(TryRecvError::Disconnected) => Ok(None),
        Err(TryRecvError::Empty) => {
            take(Next::Pause)?;
            Ok(from.recv().ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_whoever_is_faster() {
        let mut results = Vec::new();
        let feed = |put: Put<'_, u64>| {
            assert!((0..500).all(&mut *put));
            Ok(())
        };
        let work = |n: u64| {
            // Every seventh takes longer than its neighbours.
            let rounds = if n.is_multiple_of(7) { 20_000 } else { 1 };
            (0..rounds).fold(n, |n, _| std::hint::black_box(n))
        };
        in_order(feed, work, |next| {
            if let Next::Result(n) = next {
                results.push(n);
            }
            Ok(())
        })
        .unwrap();
        assert!(results.iter().copied().eq(0..500), "{results:?}");
    }

    #[test]
    fn an_item_is_answered_before_the_next_one_is_there() {
        let (said, heard) = sync_channel::<u32>(1);
        let feed = move |put: Put<'_, u32>| {
            for n in 0..20 {
                assert!(put(n));
                // Whoever feeds waits for the answer, as a reader at the other end of a pipe does.
                assert_eq!(heard.recv(), Ok(n));
            }
            Ok(())
        };
        let mut last = None;
        in_order(
            feed,
            |n| n,
            |next| {
                match next {
                    Next::Result(n) => last = Some(n),
                    Next::Pause => {
                        if let Some(n) = last.take() {
                            said.send(n)?;
                        }
                    }
                }
                Ok(())
            },
        )
        .unwrap();
    }

    #[test]
    fn who_takes_no_more_ends_the_feeding() {
        let mut fed = 0_usize;
        let feed = |put: Put<'_, usize>| {
            while put(fed) {
                fed += 1;
            }
            Ok(())
        };
        let ended = in_order(feed, |n| n, |_| anyhow::bail!("the pipe is broken"));
        assert!(ended.is_err());
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        assert!(fed <= cores * (AHEAD + 2) + 1, "{fed} items");
    }
}
