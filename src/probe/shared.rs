//! Connections whose end many targets ask for: to their peers and to what they have in common.
//!
//! Hundreds of instances of one subnet have the same few neighbours. Each is asked once and the end
//! told to all who ask within a short time: otherwise our own connections would be a flood to it.
//! Must not live here: connections to a target itself, whose times count.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::Shared;

use super::outcome::Connect;
use super::tcp;

/// An end is told again for this long after its connection was begun.
const KEPT: Duration = Duration::from_secs(15);
/// Ends that are kept before old ones are thrown away.
const MANY: usize = 1_000;

type Pending = Shared<Pin<Box<dyn Future<Output = Option<Connect>> + Send>>>;
type Looks = HashMap<(SocketAddr, Duration), (Instant, Pending)>;

static LOOKS: OnceLock<Mutex<Looks>> = OnceLock::new();

/// The end of a connection to `to`; with `sparing` one that was begun a few seconds ago for somebody
/// else will do.
pub async fn connect(sparing: bool, to: SocketAddr, limit: Duration) -> Connect {
    if !sparing {
        return tcp::connect(to, limit).await.0;
    }
    let pending = {
        let looks = LOOKS.get_or_init(Mutex::default);
        let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() > MANY {
            looks.retain(|_, (begun, _)| begun.elapsed() < KEPT);
        }
        let key = (to, limit);
        match looks.get(&key) {
            Some((begun, pending)) if begun.elapsed() < KEPT => pending.clone(),
            _ => {
                // On a task of its own: who asked first may stop waiting.
                let work = tokio::spawn(async move { tcp::connect(to, limit).await.0 });
                let ended = async move { work.await.ok() };
                let pending: Pending = FutureExt::shared(Box::pin(ended) as Pin<Box<_>>);
                looks.insert(key, (Instant::now(), pending.clone()));
                pending
            }
        }
    };
    match pending.await {
        Some(end) => end,
        // The runtime that it was begun on has ended.
        None => tcp::connect(to, limit).await.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_cost_one_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let to = listener.local_addr().expect("an address");
        let asked = (0..20).map(|_| connect(true, to, Duration::from_secs(3)));
        let ends = futures_util::future::join_all(asked).await;
        assert!(ends.iter().all(|end| end.is_open()), "{ends:?}");
        listener.accept().await.expect("a connection");
        let second = listener.accept().now_or_never();
        assert!(second.is_none(), "a second connection");
    }
}
