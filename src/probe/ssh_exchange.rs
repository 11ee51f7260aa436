//! The part of an SSH conversation that needs no credentials.
//!
//! Lives here: reading the server's identification and key-exchange proposal over an open stream,
//! bounded in time and bytes, and leaving politely. Must not live here: parsing or judgement.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::arrival::{self, Arrival};
use super::outcome::{Greeting, KeyExchange};
use super::ssh::{self, Identification, Message, Packet};
use super::{foreign, tcp};
use crate::domain::text::sanitise;

/// A server may wait for us to speak first (RFC 4253 section 4.2 lets both sides begin).
const LISTEN_FIRST: Duration = Duration::from_secs(1);
const LINE_END: &[u8] = b"\r\n";
/// As large as what OpenSSH's client sends, so that a path that swallows full-size packets stops us
/// where it stops a client.
const AS_A_CLIENT: usize = 1600;
/// Bytes of one read.
const CHUNK: usize = 1024;

/// An SSH conversation under way.
#[derive(Debug)]
pub struct Conversation {
    stream: TcpStream,
    buffer: Vec<u8>,
    said_hello: bool,
}

/// What one read ended in.
enum Step {
    Data,
    Eof,
    Reset,
    TimedOut,
    Failed(io::Error),
}

impl Conversation {
    /// Takes over an open stream.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(CHUNK),
            said_hello: false,
        }
    }

    /// Reads until the identification is complete, `limit` is over or [`ssh::MAX_BEFORE_IDENTIFICATION`] is reached.
    pub async fn greeting(&mut self, limit: Duration) -> Greeting {
        let started = Instant::now();
        let deadline = started + limit;
        loop {
            match ssh::parse_identification(&self.buffer) {
                Identification::Found { line, consumed } => {
                    self.buffer.drain(..consumed);
                    return Greeting::Identified {
                        identification: sanitise(&line, 120),
                        after: started.elapsed(),
                    };
                }
                Identification::NotSsh => return self.foreign(),
                Identification::Incomplete => {}
            }
            let until = if self.said_hello {
                deadline
            } else {
                deadline.min(started + LISTEN_FIRST)
            };
            match self.read(until, ssh::MAX_BEFORE_IDENTIFICATION).await {
                Step::Data => {}
                Step::TimedOut if !self.said_hello && Instant::now() < deadline => {
                    if let Err(error) = self.say_hello().await {
                        return ended(&error, started.elapsed());
                    }
                }
                Step::TimedOut => return self.gave_up(started.elapsed()),
                Step::Eof => return self.closed(started.elapsed()),
                Step::Reset if ssh::throttle_notice(&self.buffer).is_some() => {
                    return self.closed(started.elapsed());
                }
                Step::Reset => {
                    return Greeting::Reset {
                        after: started.elapsed(),
                    };
                }
                Step::Failed(error) => return Greeting::Own(tcp::own_failure(&error)),
            }
        }
    }

    /// Sends our proposal, reads the server's, and sees that ours has arrived.
    pub async fn key_exchange(&mut self, limit: Duration) -> KeyExchange {
        let started = Instant::now();
        let deadline = started + limit;
        // A server that closes at once may make the write fail; what it said before still counts.
        let _ = tokio::time::timeout_at(deadline, self.propose(AS_A_CLIENT)).await;
        let end = self.lists(limit, deadline).await;
        let until = deadline.min(Instant::now() + arrival::PATIENCE);
        if matches!(end, KeyExchange::Lists(_)) && self.is_missing(until).await {
            let waited = started.elapsed();
            return KeyExchange::Unheard { waited };
        }
        end
    }

    /// Whether something that we sent has not arrived by then.
    async fn is_missing(&self, until: Instant) -> bool {
        let ends = (self.stream.local_addr(), self.stream.peer_addr());
        let (Ok(local), Ok(remote)) = ends else {
            return false;
        };
        arrival::watch(local, remote, until).await == Arrival::Missing
    }

    /// Reads the server's proposal.
    async fn lists(&mut self, limit: Duration, deadline: Instant) -> KeyExchange {
        let mut skipped = 0;
        loop {
            match ssh::parse_packet(&self.buffer) {
                Packet::Payload { payload, consumed } => match ssh::parse_message(payload) {
                    Message::KexInit(lists) => return KeyExchange::Lists(lists),
                    Message::Disconnect { reason, text } => {
                        return KeyExchange::Disconnected { reason, text };
                    }
                    Message::Skippable if skipped < 16 => {
                        skipped += 1;
                        self.buffer.drain(..consumed);
                        continue;
                    }
                    Message::Skippable | Message::Other => return KeyExchange::Malformed,
                },
                Packet::Malformed => return KeyExchange::Malformed,
                Packet::Incomplete => {}
            }
            match self.read(deadline, ssh::MAX_PACKET + 4).await {
                Step::Data => {}
                Step::TimedOut => return KeyExchange::Hang { waited: limit },
                Step::Eof => return KeyExchange::Closed { reset: false },
                Step::Reset | Step::Failed(_) => return KeyExchange::Closed { reset: true },
            }
        }
    }

    /// Sends our proposal alone, padded to about `at_least` bytes.
    ///
    /// # Errors
    /// The socket's own error when the peer has gone.
    pub async fn propose(&mut self, at_least: usize) -> io::Result<()> {
        if !self.said_hello {
            self.say_hello().await?;
        }
        self.stream
            .write_all(&ssh::build_kexinit(cookie(), at_least))
            .await
    }

    /// The stream, for what follows on it.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    async fn say_hello(&mut self) -> io::Result<()> {
        self.said_hello = true;
        let hello = [ssh::OUR_IDENTIFICATION.as_bytes(), LINE_END].concat();
        self.stream.write_all(&hello).await
    }

    async fn read(&mut self, until: Instant, most: usize) -> Step {
        // Into the buffer itself: a chunk of its own would lie in every task of a sweep.
        let used = self.buffer.len();
        let room = most.saturating_sub(used).clamp(1, CHUNK);
        self.buffer.resize(used + room, 0);
        let end = tokio::time::timeout_at(until, self.stream.read(&mut self.buffer[used..])).await;
        let read = end.as_ref().map_or(0, |read| *read.as_ref().unwrap_or(&0));
        self.buffer.truncate(used + read);
        match end {
            Err(_) => Step::TimedOut,
            Ok(Ok(0)) => Step::Eof,
            Ok(Ok(_)) => Step::Data,
            Ok(Err(error)) if is_reset(&error) => Step::Reset,
            Ok(Err(error)) => Step::Failed(error),
        }
    }

    /// The limit passed without an identification.
    fn gave_up(&self, waited: Duration) -> Greeting {
        // Whole lines of something else are an answer; a trickle that may yet become SSH is not.
        if self.buffer.contains(&b'\n') && !could_become_ssh(&self.buffer) {
            return self.foreign();
        }
        Greeting::Silent {
            waited,
            bytes: self.buffer.len(),
        }
    }

    fn closed(&self, after: Duration) -> Greeting {
        let text = sanitise(&String::from_utf8_lossy(&self.buffer), 120);
        if let Some(notice) = ssh::throttle_notice(&self.buffer) {
            return Greeting::Throttled { notice, text };
        }
        let trimmed = self.buffer.trim_ascii();
        if trimmed.is_empty()
            || b"SSH-".starts_with(trimmed)
            || trimmed.starts_with(b"SSH-")
            || ssh::reads_like_refusal(trimmed)
        {
            return Greeting::Closed { after, text };
        }
        self.foreign()
    }

    fn foreign(&self) -> Greeting {
        Greeting::WrongProtocol {
            sample: foreign::sample(&self.buffer),
            protocol: foreign::name(&self.buffer),
        }
    }
}

/// The last line may be the beginning of an identification.
fn could_become_ssh(buffer: &[u8]) -> bool {
    let last = buffer.rsplit(|&b| b == b'\n').next().unwrap_or_default();
    !last.is_empty() && (b"SSH-".starts_with(last) || last.starts_with(b"SSH-"))
}

fn ended(error: &io::Error, after: Duration) -> Greeting {
    if is_reset(error) {
        Greeting::Reset { after }
    } else {
        Greeting::Own(tcp::own_failure(error))
    }
}

/// True for errors that mean "the peer threw the connection away".
pub fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
    )
}

/// Sixteen bytes that nobody can guess.
pub fn cookie() -> [u8; 16] {
    let state = std::hash::RandomState::new();
    let mut cookie = [0; 16];
    cookie[..8].copy_from_slice(&state.build_hasher().finish().to_be_bytes());
    cookie[8..].copy_from_slice(&state.hash_one(1u8).to_be_bytes());
    cookie
}

/// Closes without a reset: ends our side, and takes what is still on its way for a moment. Runs on
/// its own, so that nobody waits for it.
pub fn leave(mut stream: TcpStream) {
    tokio::spawn(async move {
        let farewell = async {
            stream.shutdown().await?;
            let mut scrap = [0u8; CHUNK];
            let mut total = 0;
            while total < 128 * 1024 {
                match stream.read(&mut scrap).await? {
                    0 => break,
                    n => total += n,
                }
            }
            Ok::<(), io::Error>(())
        };
        let _ = tokio::time::timeout(Duration::from_millis(500), farewell).await;
    });
}
