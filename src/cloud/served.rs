//! A limit on waiting that this host's own delays do not use up.
//!
//! Must not live here: how long the limits are.

use std::time::Duration;

/// How long a turn of waiting is.
const TURN: Duration = Duration::from_millis(250);

/// Gives `work` this long in short turns, each of which counts as no more than its length: on a
/// host that is too busy to look at its own sockets, the delay is its own and no silence of the
/// other side.
pub(super) async fn served_within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut left = limit;
    while !left.is_zero() {
        let turn = left.min(TURN);
        if let Ok(done) = tokio::time::timeout(turn, &mut work).await {
            return Some(done);
        }
        left -= turn;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_ends_at_the_limit() {
        let begun = tokio::time::Instant::now();
        let answer = served_within(Duration::from_secs(5), std::future::pending::<()>()).await;
        assert_eq!(answer, None);
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }

    /// The answer is there all the time; the thread has no time to take it.
    #[tokio::test]
    async fn a_host_that_is_busy_itself_does_not_take_its_own_delay_for_silence() {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let (more, later) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let busy = |ms| std::thread::sleep(Duration::from_millis(ms));
            busy(600);
            let _ = answer.send(());
            tokio::task::yield_now().await;
            busy(600);
            let _ = more.send(());
        });
        let work = async {
            let _ = answered.await;
            let _ = later.await;
        };
        let done = served_within(Duration::from_secs(1), work).await;
        assert_eq!(done, Some(()), "1.2 s of its own for a limit of 1 s");
    }
}
