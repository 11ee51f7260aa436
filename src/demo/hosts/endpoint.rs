//! One listening socket that can fall silent and speak again without ever answering RST.
//!
//! Silence needs no privilege: with a backlog of zero and one connection waiting in the accept
//! queue, the kernel drops every further SYN. Must not live here: protocols.

use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Tools, rdp, ssh};
use crate::demo::world::Face;

const BACKLOG: i32 = 128;
/// No socket that was left alone has a receive buffer this small.
const SMALL_BUFFER: usize = 8 * 1024;
/// Connections served at once by one endpoint; more are closed at once.
const MAX_CONNECTIONS: usize = 256;

/// A bound address and the task that serves it.
#[derive(Debug)]
pub(super) struct Endpoint {
    face: watch::Sender<Face>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Binds the address; it shows `face` from the first SYN on.
    pub fn bind(
        address: SocketAddrV4,
        machine: usize,
        face: Face,
        tools: Arc<Tools>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(if face == Face::Silent { 0 } else { BACKLOG })?;
        let listener = TcpListener::from_std(socket.into())?;
        let (sender, receiver) = watch::channel(face);
        let server = Server {
            listener,
            address,
            machine,
            tools,
            face: receiver,
            count: AtomicU64::new(0),
        };
        Ok(Self {
            face: sender,
            task: tokio::spawn(server.run()),
        })
    }

    /// Shows another face from now on; connections under the old one are cut.
    pub fn show(&self, face: Face) {
        self.face.send_if_modified(|current| {
            let differs = *current != face;
            *current = face;
            differs
        });
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Server {
    listener: TcpListener,
    address: SocketAddrV4,
    machine: usize,
    tools: Arc<Tools>,
    face: watch::Receiver<Face>,
    count: AtomicU64,
}

impl Server {
    async fn run(mut self) {
        loop {
            let face = *self.face.borrow_and_update();
            match face {
                Face::Silent => self.silent(None).await,
                Face::SshLossy => self.flaky(Face::Ssh, ms(800), ms(220)).await,
                // What gets through comes late, after retransmissions.
                Face::SshBad => self.flaky(Face::SshSlow, ms(500), ms(700)).await,
                face => self.serve(face, None).await,
            }
            if self.face.has_changed().is_err() {
                return;
            }
        }
    }

    /// Answers and drops in turn.
    async fn flaky(&mut self, face: Face, up: Duration, down: Duration) {
        while !self.face.has_changed().unwrap_or(true) {
            self.serve(face, Some(up)).await;
            if self.face.has_changed().unwrap_or(true) {
                return;
            }
            self.silent(Some(down)).await;
        }
    }

    /// Keeps the accept queue full until the face changes or the time is over.
    async fn silent(&mut self, limit: Option<Duration>) {
        let socket = SockRef::from(&self.listener);
        if let Err(error) = socket.listen(0) {
            tracing::warn!(address = %self.address, %error, "demo host cannot fall silent");
        }
        let mut fillers = Vec::new();
        // One connection fills the queue; a second one proves that it is full.
        while let Ok(Ok(filler)) =
            tokio::time::timeout(Duration::from_millis(60), TcpStream::connect(self.address)).await
        {
            fillers.push(filler);
            if fillers.len() > 8 {
                break;
            }
        }
        self.wait(limit).await;
        // Takes the fillers out, so that a client's next SYN is answered.
        let _ = SockRef::from(&self.listener).listen(BACKLOG);
        for filler in fillers {
            drop(filler);
            let _ = tokio::time::timeout(Duration::from_millis(20), self.listener.accept()).await;
        }
    }

    /// Waits for another face or the end of the time; a new face stays marked as unseen.
    async fn wait(&mut self, limit: Option<Duration>) {
        let limit = limit.unwrap_or(Duration::from_secs(86_400 * 365));
        if let Ok(Ok(())) = tokio::time::timeout(limit, self.face.changed()).await {
            self.face.mark_changed();
        }
    }

    /// A path that swallows large packets: with the smallest buffer, and nobody reading, the
    /// kernel takes a client's first small packets and acknowledges no full-size one.
    fn size_receive_buffer(&self, face: Face) {
        let socket = SockRef::from(&self.listener);
        let shrunk = socket
            .recv_buffer_size()
            .is_ok_and(|size| size <= SMALL_BUFFER);
        let size = match (face == Face::SshKexHang, shrunk) {
            (true, false) => 1,
            (false, true) => 128 * 1024,
            _ => return,
        };
        if let Err(error) = socket.set_recv_buffer_size(size) {
            tracing::warn!(address = %self.address, %error, "demo host keeps its receive buffer");
        }
    }

    /// Accepts and speaks until the face changes or the time is over.
    async fn serve(&mut self, face: Face, limit: Option<Duration>) {
        self.size_receive_buffer(face);
        let mut connections = JoinSet::new();
        let end = tokio::time::sleep(limit.unwrap_or(Duration::from_secs(86_400 * 365)));
        tokio::pin!(end);
        loop {
            tokio::select! {
                _ = self.face.changed() => {
                    self.face.mark_changed();
                    return;
                }
                () = &mut end => {
                    // Lets the last clients finish: only new ones meet the silence.
                    connections.detach_all();
                    return;
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    };
                    if connections.len() >= MAX_CONNECTIONS {
                        continue;
                    }
                    let number = self.count.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(speak(
                        stream, face, self.machine, number, Arc::clone(&self.tools),
                    ));
                }
            }
        }
    }
}

/// Speaks the face's protocol on one connection, within a bounded time.
async fn speak(stream: TcpStream, face: Face, machine: usize, number: u64, tools: Arc<Tools>) {
    let _ = stream.set_nodelay(true);
    let talk = async {
        if face == Face::Open {
            let mut stream = stream;
            ssh::hold(&mut stream).await
        } else if is_rdp(face) {
            rdp::talk(stream, face, number, &tools.certificates).await
        } else {
            ssh::talk(stream, face, machine, number).await
        }
    };
    // A client that goes away or sends nonsense ends its own connection and nothing else.
    let _ = tokio::time::timeout(Duration::from_secs(120), talk).await;
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Closes with RST (`SO_LINGER` zero).
pub(super) fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

fn is_rdp(face: Face) -> bool {
    matches!(
        face,
        Face::RdpNla
            | Face::RdpTls
            | Face::RdpExpired
            | Face::RdpNotYetValid
            | Face::RdpLegacy
            | Face::RdpFailure1
            | Face::RdpFailure2
            | Face::RdpFailure3
            | Face::RdpFailure4
            | Face::RdpFailure5
            | Face::RdpFailure6
            | Face::RdpSilent
            | Face::RdpClosed
            | Face::RdpReset
            | Face::RdpSlow
            | Face::RdpMixed
    )
}
