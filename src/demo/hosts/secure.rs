//! The encrypted part of a demo host's SSH: a real key exchange, and a user authentication that
//! lets nobody in.
//!
//! One suite, which every client of the last ten years has: curve25519-sha256 (RFC 8731),
//! ssh-ed25519 (RFC 8709), aes256-gcm@openssh.com (RFC 5647 as OpenSSH frames it). Must not live
//! here: identification, KEXINIT and the ways to fail before keys exist (`ssh`).

use std::io;
use std::time::Duration;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::digest::{Context, SHA256};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ssh::{packet, read_packet, string};

/// What this side of the suite is called in KEXINIT.
pub(super) const KEX: &str = "curve25519-sha256,curve25519-sha256@libssh.org";
pub(super) const HOST_KEY: &str = "ssh-ed25519";
pub(super) const CIPHER: &str = "aes256-gcm@openssh.com";
/// Named for clients that want one named; the cipher brings its own.
pub(super) const MAC: &str = "hmac-sha2-256-etm@openssh.com,hmac-sha2-256";

const DISCONNECT: u8 = 1;
const SERVICE_REQUEST: u8 = 5;
const SERVICE_ACCEPT: u8 = 6;
const NEWKEYS: u8 = 21;
const KEX_ECDH_INIT: u8 = 30;
const KEX_ECDH_REPLY: u8 = 31;
const USERAUTH_REQUEST: u8 = 50;
const USERAUTH_FAILURE: u8 = 51;
/// OpenSSH's own limit of attempts.
const ATTEMPTS: usize = 6;
const TAG: usize = 16;
const BLOCK: usize = 16;
const LONGEST_PACKET: usize = 35_000;

/// What both sides said before keys exist.
pub(super) struct Opening<'a> {
    pub client: &'a [u8],
    pub server: &'a [u8],
    pub client_kexinit: &'a [u8],
    pub server_kexinit: &'a [u8],
    /// Seed of the host's own key.
    pub seed: [u8; 32],
    /// Offered to everyone, accepted from nobody.
    pub methods: &'static str,
    /// How long the list of methods is held back.
    pub pause: Duration,
}

/// Goes on from the two proposals until the client leaves or has failed often enough.
pub(super) async fn talk(mut stream: TcpStream, opening: &Opening<'_>) -> io::Result<()> {
    let request = read_packet(&mut stream).await?;
    let Some(theirs) = request
        .strip_prefix(&[KEX_ECDH_INIT])
        .and_then(|rest| rest.strip_prefix(&32_u32.to_be_bytes()))
    else {
        return Err(broken("key exchange"));
    };
    let exchanged = Exchange::with(opening, theirs)?;
    stream.write_all(&packet(&exchanged.reply)).await?;
    stream.write_all(&packet(&[NEWKEYS])).await?;
    if read_packet(&mut stream).await?.first() != Some(&NEWKEYS) {
        return Err(broken("no new keys"));
    }
    let mut line = Line {
        stream,
        reading: exchanged.direction(b'A', b'C')?,
        writing: exchanged.direction(b'B', b'D')?,
    };
    line.authenticate(opening).await
}

/// A finished key exchange.
struct Exchange {
    reply: Vec<u8>,
    /// The shared secret as the hashes take it.
    secret: Vec<u8>,
    hash: Vec<u8>,
}

impl Exchange {
    fn with(opening: &Opening<'_>, theirs: &[u8]) -> io::Result<Self> {
        let random = SystemRandom::new();
        let private = EphemeralPrivateKey::generate(&X25519, &random).map_err(|_| own())?;
        let ours = private.compute_public_key().map_err(|_| own())?;
        let peer = UnparsedPublicKey::new(&X25519, theirs);
        let secret = agree_ephemeral(private, &peer, positive).map_err(|_| broken("secret"))?;
        let key = Ed25519KeyPair::from_seed_unchecked(&opening.seed).map_err(|_| own())?;
        let mut blob = Vec::new();
        string(&mut blob, HOST_KEY.as_bytes());
        string(&mut blob, key.public_key().as_ref());
        let mut hashed = Vec::new();
        for part in [
            opening.client,
            opening.server,
            opening.client_kexinit,
            opening.server_kexinit,
            &blob,
            theirs,
            ours.as_ref(),
        ] {
            string(&mut hashed, part);
        }
        hashed.extend(&secret);
        let hash = digest(&[&hashed]);
        let mut signature = Vec::new();
        string(&mut signature, HOST_KEY.as_bytes());
        string(&mut signature, key.sign(&hash).as_ref());
        let mut reply = vec![KEX_ECDH_REPLY];
        string(&mut reply, &blob);
        string(&mut reply, ours.as_ref());
        string(&mut reply, &signature);
        Ok(Self {
            reply,
            secret,
            hash,
        })
    }

    /// Keys of one direction by their letters (RFC 4253 section 7.2).
    fn direction(&self, start: u8, key: u8) -> io::Result<Direction> {
        let derived =
            |letter: u8| digest(&[&self.secret, &self.hash, &[letter], self.hash.as_slice()]);
        let start = derived(start);
        let key = UnboundKey::new(&AES_256_GCM, &derived(key)).map_err(|_| own())?;
        Ok(Direction {
            key: LessSafeKey::new(key),
            fixed: *start.first_chunk().ok_or_else(own)?,
            counter: u64::from_be_bytes(*start[4..].first_chunk().ok_or_else(own)?),
        })
    }
}

/// A number that is never negative (RFC 4251 section 5, mpint).
fn positive(bytes: &[u8]) -> Vec<u8> {
    let skip = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut number = bytes[skip..].to_vec();
    if number.first().is_some_and(|byte| *byte >= 0x80) {
        number.insert(0, 0);
    }
    let mut out = Vec::new();
    string(&mut out, &number);
    out
}

fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// One direction of the line: its key, and a nonce that counts packets.
struct Direction {
    key: LessSafeKey,
    fixed: [u8; 4],
    counter: u64,
}

impl Direction {
    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The encrypted line.
struct Line {
    stream: TcpStream,
    reading: Direction,
    writing: Direction,
}

impl Line {
    async fn authenticate(&mut self, opening: &Opening<'_>) -> io::Result<()> {
        let mut attempts = 0;
        loop {
            let message = self.read().await?;
            match message.first() {
                Some(&SERVICE_REQUEST) => {
                    let mut accept = vec![SERVICE_ACCEPT];
                    string(&mut accept, b"ssh-userauth");
                    self.write(&accept).await?;
                }
                Some(&USERAUTH_REQUEST) if attempts == ATTEMPTS => {
                    let mut end = vec![DISCONNECT, 0, 0, 0, 2];
                    string(&mut end, b"Too many authentication failures");
                    string(&mut end, b"");
                    return self.write(&end).await;
                }
                Some(&USERAUTH_REQUEST) => {
                    if attempts == 0 {
                        tokio::time::sleep(opening.pause).await;
                    }
                    attempts += 1;
                    let mut failure = vec![USERAUTH_FAILURE];
                    string(&mut failure, opening.methods.as_bytes());
                    failure.push(0);
                    self.write(&failure).await?;
                }
                Some(&DISCONNECT) | None => return Ok(()),
                // Whatever else may be said at any time needs no answer.
                Some(_) => {}
            }
        }
    }

    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let head = self.stream.read_u32().await?.to_be_bytes();
        let length = u32::from_be_bytes(head) as usize;
        if !(BLOCK..=LONGEST_PACKET).contains(&length) {
            return Err(broken("packet length"));
        }
        let mut body = vec![0; length + TAG];
        self.stream.read_exact(&mut body).await?;
        let nonce = self.reading.nonce();
        let plain = self
            .reading
            .key
            .open_in_place(nonce, Aad::from(head), &mut body)
            .map_err(|_| broken("packet"))?;
        let padding = usize::from(plain[0]);
        let end = plain.len().checked_sub(padding).filter(|end| *end > 1);
        let end = end.ok_or_else(|| broken("padding length"))?;
        Ok(plain[1..end].to_vec())
    }

    async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut padding = BLOCK - (payload.len() + 1) % BLOCK;
        if padding < 4 {
            padding += BLOCK;
        }
        let mut body = vec![padding as u8];
        body.extend(payload);
        body.resize(body.len() + padding, 0);
        let head = (body.len() as u32).to_be_bytes();
        let nonce = self.writing.nonce();
        self.writing
            .key
            .seal_in_place_append_tag(nonce, Aad::from(head), &mut body)
            .map_err(|_| own())?;
        self.stream.write_all(&[&head[..], &body].concat()).await
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn own() -> io::Error {
    io::Error::other("a key could not be made")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_a_sign() {
        assert_eq!(positive(&[0, 0, 1, 2]), [0, 0, 0, 2, 1, 2]);
        assert_eq!(positive(&[0x80, 1]), [0, 0, 0, 3, 0, 0x80, 1]);
        assert_eq!(positive(&[0, 0]), [0, 0, 0, 0]);
    }
}
