//! The server's side of the first SSH exchanges (RFC 4253) with its ways to fail.
//!
//! Lives here: identification strings, KEXINIT, refusals before and during key exchange.
//! Must not live here: what follows once keys exist (`secure`).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::reset;
use super::secure;
use crate::demo::world::{Face, fnv};

/// How long a server that looks up names waits before it says what it offers.
const SLOW_METHODS: Duration = Duration::from_millis(3300);
const KEXINIT: u8 = 20;
const DISCONNECT: u8 = 1;

/// Algorithm lists of one server.
struct Lists {
    kex: &'static str,
    host_key: &'static str,
    cipher: &'static str,
    mac: &'static str,
}

const MODERN: Lists = Lists {
    kex: secure::KEX,
    host_key: secure::HOST_KEY,
    cipher: secure::CIPHER,
    mac: secure::MAC,
};
/// Old, but an old client would still agree.
const LEGACY: Lists = Lists {
    kex: "diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
    host_key: "ssh-rsa,ssh-dss",
    cipher: "aes128-cbc,3des-cbc,blowfish-cbc,aes256-cbc",
    mac: "hmac-md5,hmac-sha1,hmac-sha1-96,hmac-md5-96",
};
/// Nothing that any current or old client knows.
const PRIVATE: Lists = Lists {
    kex: "fixed-secret-2019@plant.example",
    host_key: "plant-key@plant.example",
    cipher: "plant-stream@plant.example",
    mac: "plant-mac@plant.example",
};
const WITHOUT_HOST_KEY: Lists = Lists {
    kex: MODERN.kex,
    host_key: "",
    cipher: MODERN.cipher,
    mac: MODERN.mac,
};

/// Speaks on one connection what `face` says.
pub(super) async fn talk(
    mut stream: TcpStream,
    face: Face,
    machine: usize,
    number: u64,
) -> io::Result<()> {
    match face {
        Face::SshSilent => return hold(&mut stream).await,
        Face::SshClosed => return close(stream).await,
        Face::SshMixed if number.is_multiple_of(2) => return close(stream).await,
        Face::SshReset => {
            tokio::time::sleep(Duration::from_millis(40)).await;
            reset(stream);
            return Ok(());
        }
        Face::SshThrottle if !number.is_multiple_of(3) => {
            stream.write_all(b"Exceeded MaxStartups\r\n").await?;
            return close(stream).await;
        }
        Face::WrongProtocol => {
            stream
                .write_all(b"220 mail.example ESMTP ready\r\n")
                .await?;
            return hold(&mut stream).await;
        }
        Face::SshSlow => tokio::time::sleep(super::SLOW).await,
        _ => {}
    }
    let identification = match face {
        Face::SshLegacy => "SSH-2.0-OpenSSH_4.3",
        Face::SshNoCommon => "SSH-2.0-PlantShell_1.0",
        Face::SshRescue => "SSH-2.0-OpenSSH_7.4",
        _ => "SSH-2.0-OpenSSH_9.6p1",
    };
    stream
        .write_all(format!("{identification}\r\n").as_bytes())
        .await?;
    exchange(stream, face, machine, identification).await
}

/// Identification strings are out; what follows is key exchange or its failure.
async fn exchange(
    mut stream: TcpStream,
    face: Face,
    machine: usize,
    identification: &str,
) -> io::Result<()> {
    match face {
        Face::SshKexHang => {
            // Reading would acknowledge what this path is to lose.
            tokio::time::sleep(Duration::from_secs(40)).await;
            return Ok(());
        }
        Face::SshKexReset | Face::SshKexClosed => {
            read_line(&mut stream).await?;
            tokio::time::sleep(Duration::from_millis(40)).await;
            if face == Face::SshKexReset {
                reset(stream);
                return Ok(());
            }
            return close(stream).await;
        }
        _ => {}
    }
    let lists = match face {
        Face::SshLegacy => &LEGACY,
        Face::SshNoCommon => &PRIVATE,
        Face::SshNoHostKey => &WITHOUT_HOST_KEY,
        _ => &MODERN,
    };
    let key = host_key(machine, face);
    let ours = kexinit(lists, &key);
    stream.write_all(&packet(&ours)).await?;
    let theirs = read_line(&mut stream).await?;
    let client = read_packet(&mut stream).await?;
    if client.first() != Some(&KEXINIT) {
        return close(stream).await;
    }
    if matches!(
        face,
        Face::SshLegacy | Face::SshNoCommon | Face::SshNoHostKey
    ) {
        stream
            .write_all(&packet(&disconnect(3, "no matching algorithm")))
            .await?;
        return close(stream).await;
    }
    let opening = secure::Opening {
        client: &theirs,
        server: identification.as_bytes(),
        client_kexinit: &client,
        server_kexinit: &ours,
        seed: key,
        methods: if face == Face::SshKeyOnly {
            "publickey"
        } else {
            "publickey,password"
        },
        pause: if face == Face::SshSlowMethods {
            SLOW_METHODS
        } else {
            Duration::ZERO
        },
    };
    secure::talk(stream, &opening).await
}

/// Seed of the Ed25519 key that belongs to this machine (and to its rescue system, ...).
fn host_key(machine: usize, face: Face) -> [u8; 32] {
    let state = match face {
        Face::SshRescue => "rescue",
        Face::SshReinstalled => "reinstalled",
        _ => "own",
    };
    let mut key = [0; 32];
    for (part, chunk) in key.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&fnv(&format!("{machine}/{state}/{part}")).to_be_bytes());
    }
    key
}

/// RFC 4253 section 7.1.
fn kexinit(lists: &Lists, key: &[u8; 32]) -> Vec<u8> {
    let mut payload = vec![KEXINIT];
    // A cookie need not be secret here: no session is ever keyed.
    payload.extend(&key[..16]);
    for list in [
        lists.kex,
        lists.host_key,
        lists.cipher,
        lists.cipher,
        lists.mac,
        lists.mac,
        "none,zlib@openssh.com",
        "none,zlib@openssh.com",
        "",
        "",
    ] {
        string(&mut payload, list.as_bytes());
    }
    payload.extend([0, 0, 0, 0, 0]);
    payload
}

fn disconnect(reason: u32, text: &str) -> Vec<u8> {
    let mut payload = vec![DISCONNECT];
    payload.extend(reason.to_be_bytes());
    string(&mut payload, text.as_bytes());
    string(&mut payload, b"");
    payload
}

pub(super) fn string(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend((bytes.len() as u32).to_be_bytes());
    into.extend(bytes);
}

/// The unencrypted binary packet of RFC 4253 section 6, padded to eight bytes.
pub(super) fn packet(payload: &[u8]) -> Vec<u8> {
    let mut padding = 8 - (payload.len() + 5) % 8;
    if padding < 4 {
        padding += 8;
    }
    let mut bytes = ((payload.len() + padding + 1) as u32)
        .to_be_bytes()
        .to_vec();
    bytes.push(padding as u8);
    bytes.extend(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

pub(super) async fn read_packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await? as usize;
    if !(2..=35_000).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "packet length"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let padding = usize::from(body[0]);
    let end = length
        .checked_sub(padding)
        .filter(|end| *end > 1)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "padding length"))?;
    Ok(body[1..end].to_vec())
}

/// Reads the client's identification line (at most 255 bytes, RFC 4253 section 4.2), without its end.
async fn read_line(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    for _ in 0..255 {
        match stream.read_u8().await? {
            b'\n' => {
                line.truncate(line.strip_suffix(b"\r").map_or(line.len(), <[u8]>::len));
                return Ok(line);
            }
            byte => line.push(byte),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "identification too long",
    ))
}

/// Says nothing until the client goes away.
pub(super) async fn hold(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 512];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Closes in an orderly way: the client sees an end of file, not a reset.
pub(super) async fn close(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let _ = tokio::time::timeout(Duration::from_secs(2), hold(&mut stream)).await;
    Ok(())
}
