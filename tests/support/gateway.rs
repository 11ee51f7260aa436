//! An HTTP gateway between the real binary and the demo cloud: it records every action that is
//! sent, can kill the program at a chosen moment of a chosen call, and can alter answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// When the program is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call has been sent, and never reaches the cloud.
    Lost,
    /// The call reaches the cloud, its answer never reaches the program.
    Unanswered,
    /// The answer was received; the program dies at its next request.
    Followed,
}

/// Makes another body of an answer.
type Alter = fn(&str, Vec<u8>) -> Vec<u8>;

#[derive(Debug, Default)]
struct Shared {
    /// Never reaches the cloud: the account may not.
    refused: Mutex<Option<String>>,
    /// Seconds that the cloud's clock is set ahead in its answers.
    ahead: AtomicI64,
    alter: Mutex<Option<Alter>>,
    seen: Mutex<Vec<String>>,
    /// The same as `service:Action`, by the scope of the signature.
    named: Mutex<Vec<String>>,
    trap: Mutex<Option<(String, Moment)>>,
    armed: Mutex<bool>,
    victim: AtomicU32,
}

/// The running gateway; its threads end with the test process.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub endpoint: String,
    shared: Arc<Shared>,
}

impl Gateway {
    pub fn before(cloud: &str) -> Self {
        let upstream: SocketAddr = cloud
            .trim_start_matches("http://")
            .parse()
            .expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let gateway = Self {
            endpoint,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(client, upstream, &shared));
            }
        });
        gateway
    }

    /// Every action seen so far, in order.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().expect("no panic").clone()
    }

    #[allow(dead_code)] // each test file uses a part
    /// Every call seen so far, in order, as `service:Action`.
    pub fn named(&self) -> Vec<String> {
        self.shared.named.lock().expect("no panic").clone()
    }

    /// Those that change something.
    pub fn writes(&self) -> Vec<String> {
        let reads = ["Describe", "Get", "Inquiry", "List", "Lookup", "LookUp"];
        self.seen()
            .into_iter()
            .filter(|action| {
                action == "DescribeInstanceVncUrl"
                    || !reads.iter().any(|prefix| action.starts_with(prefix))
            })
            .collect()
    }

    /// Kills the program once, at this moment of this action.
    pub fn kill_at(&self, action: &str, moment: Moment) {
        *self.shared.trap.lock().expect("no panic") = Some((action.to_owned(), moment));
        *self.shared.armed.lock().expect("no panic") = false;
        self.shared.victim.store(0, Ordering::SeqCst);
    }

    #[allow(dead_code)] // each test file uses a part
    /// Passes every body of an answer through `alter`, with the action it answers.
    pub fn alter(&self, alter: Alter) {
        *self.shared.alter.lock().expect("no panic") = Some(alter);
    }

    #[allow(dead_code)] // each test file uses a part
    /// Answers this action as the cloud does to an account that may not.
    pub fn refuse(&self, action: &str) {
        *self.shared.refused.lock().expect("no panic") = Some(action.to_owned());
    }

    #[allow(dead_code)] // each test file uses a part
    /// Sets the cloud's clock ahead of this machine's, as its answers tell it.
    pub fn set_clock_ahead(&self, by: jiff::SignedDuration) {
        self.shared.ahead.store(by.as_secs(), Ordering::SeqCst);
    }

    /// The program to kill.
    pub fn victim(&self, pid: u32) {
        self.shared.victim.store(pid, Ordering::SeqCst);
    }
}

impl Shared {
    fn kill(&self) {
        let started = Instant::now();
        while self.victim.load(Ordering::SeqCst) == 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "no victim");
            thread::yield_now();
        }
        let pid = i32::try_from(self.victim.load(Ordering::SeqCst)).expect("a process id");
        let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn serve(mut client: TcpStream, upstream: SocketAddr, shared: &Shared) {
    let mut server = TcpStream::connect(upstream).expect("the demo cloud listens");
    while let Some((head, message)) = read_message(&mut client) {
        let header = |wanted: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let action = header("x-tc-action");
        let scope = header("authorization");
        let service = scope.split('/').nth(2).unwrap_or_default();
        let named = format!("{service}:{action}");
        shared.named.lock().expect("no panic").push(named);
        if std::mem::take(&mut *shared.armed.lock().expect("no panic")) {
            shared.kill();
            return;
        }
        shared.seen.lock().expect("no panic").push(action.clone());
        let trap = {
            let mut trap = shared.trap.lock().expect("no panic");
            match &*trap {
                Some((wanted, moment)) if *wanted == action => {
                    let moment = *moment;
                    *trap = None;
                    Some(moment)
                }
                _ => None,
            }
        };
        if trap == Some(Moment::Lost) {
            shared.kill();
            return;
        }
        if shared.refused.lock().expect("no panic").as_ref() == Some(&action) {
            let error = r#"{"Code":"UnauthorizedOperation","Message":"you are not authorized"}"#;
            let body = format!(r#"{{"Response":{{"Error":{error},"RequestId":"r"}}}}"#);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
            if client.write_all(&altered(head, body.into_bytes())).is_err() {
                return;
            }
            continue;
        }
        if server.write_all(&message).is_err() {
            return;
        }
        let Some((head, answer)) = read_message(&mut server) else {
            return;
        };
        let alter = *shared.alter.lock().expect("no panic");
        let answer = match alter {
            Some(alter) => altered(&head, alter(&action, answer[head.len()..].to_vec())),
            None => answer,
        };
        let answer = match shared.ahead.load(Ordering::SeqCst) {
            0 => answer,
            by => redated(answer, jiff::SignedDuration::from_secs(by)),
        };
        match trap {
            Some(Moment::Unanswered) => {
                shared.kill();
                return;
            }
            Some(Moment::Followed) => *shared.armed.lock().expect("no panic") = true,
            _ => {}
        }
        if client.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The answer with another date.
fn redated(answer: Vec<u8>, ahead: jiff::SignedDuration) -> Vec<u8> {
    let text = String::from_utf8(answer).expect("JSON");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let kept = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    let date =
        jiff::fmt::rfc2822::to_string(&(jiff::Timestamp::now() + ahead).in_tz("UTC").expect("UTC"));
    let date = format!("Date: {}", date.expect("a date"));
    let lines: Vec<&str> = kept.chain([date.as_str()]).collect();
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

/// The answer with another body.
fn altered(head: &str, body: Vec<u8>) -> Vec<u8> {
    let kept = head.lines().filter(|line| {
        !line.is_empty() && !line.to_ascii_lowercase().starts_with("content-length")
    });
    let mut answer = String::new();
    for line in kept {
        answer.push_str(line);
        answer.push_str("\r\n");
    }
    answer.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut answer = answer.into_bytes();
    answer.extend(body);
    answer
}

/// Head and whole bytes of one HTTP/1.1 message with `Content-Length`.
fn read_message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length: usize = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        })
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    bytes.extend(body);
    Some((head, bytes))
}
