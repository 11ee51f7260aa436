//! Key-exchange lists of a server against what current clients offer.
//!
//! Lives here: the ten name-lists of RFC 4253 section 7.1 and their comparison with the default
//! profile of current OpenSSH clients. Must not live here: bytes on the wire (`ssh`) or I/O.

use super::said;
use crate::domain::said::Said;

/// A server's proposal: the name-lists that decide whether a client can go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KexInit {
    pub kex: Vec<String>,
    pub host_key: Vec<String>,
    pub cipher_to_server: Vec<String>,
    pub cipher_to_client: Vec<String>,
    pub mac_to_server: Vec<String>,
    pub mac_to_client: Vec<String>,
}

/// One side's names of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub kex: Vec<String>,
    pub host_key: Vec<String>,
    pub cipher: Vec<String>,
    pub mac: Vec<String>,
}

/// How a server's lists meet a client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// Every kind has a name that a current client offers by default.
    Common,
    /// Every kind has a known name, but some only have names that current clients switch off.
    LegacyOnly(Kind),
    /// Some kind only has names that none but the newest clients know.
    NewestOnly(Kind),
    /// Some kind has no name that any client of the profile knows.
    None(Kind),
    /// The server offers no host key at all.
    HostKeyMissing,
}

/// The kind of algorithm that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    KeyExchange,
    HostKey,
    Cipher,
    Mac,
}

impl Kind {
    /// Words for a sentence.
    pub fn said(self) -> Said {
        match self {
            Self::KeyExchange => said::kind_key_exchange(),
            Self::HostKey => said::kind_host_key(),
            Self::Cipher => said::kind_cipher(),
            Self::Mac => said::kind_mac(),
        }
    }
}

/// Known to clients since OpenSSH 9.9 only: older ones, still in use everywhere, share nothing with a
/// server that has no other.
const NEWEST_KEX: &[&str] = &["mlkem768x25519-sha256", "sntrup761x25519-sha512"];
/// Offered by default by all OpenSSH clients from 8.8 to 10.
const CURRENT_KEX: &[&str] = &[
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
];
/// Known to clients, off by default.
const LEGACY_KEX: &[&str] = &[
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group1-sha1",
];
const CURRENT_HOST_KEY: &[&str] = &[
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
];
/// SHA-1 signatures are off by default since OpenSSH 8.8, DSA since 7.0.
const LEGACY_HOST_KEY: &[&str] = &["ssh-rsa", "ssh-dss", "ssh-rsa-cert-v01@openssh.com"];
const CURRENT_CIPHER: &[&str] = &[
    "chacha20-poly1305@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
];
const LEGACY_CIPHER: &[&str] = &[
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "rijndael-cbc@lysator.liu.se",
    "3des-cbc",
    "blowfish-cbc",
    "cast128-cbc",
    "arcfour",
    "arcfour128",
    "arcfour256",
];
const CURRENT_MAC: &[&str] = &[
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
];
const LEGACY_MAC: &[&str] = &[
    "hmac-md5",
    "hmac-md5-96",
    "hmac-sha1-96",
    "hmac-ripemd160",
    "hmac-ripemd160@openssh.com",
    "hmac-md5-etm@openssh.com",
    "hmac-md5-96-etm@openssh.com",
    "hmac-sha1-96-etm@openssh.com",
];
/// Ciphers that authenticate by themselves, so that the MAC lists do not matter.
const AUTHENTICATED: &[&str] = &[
    "chacha20-poly1305@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
];

fn owned(names: &[&[&str]]) -> Vec<String> {
    names
        .iter()
        .flat_map(|list| list.iter().map(|name| (*name).to_owned()))
        .collect()
}

impl Profile {
    /// What current OpenSSH clients offer without any setting.
    pub fn current() -> Self {
        Self {
            kex: owned(&[CURRENT_KEX]),
            host_key: owned(&[CURRENT_HOST_KEY]),
            cipher: owned(&[CURRENT_CIPHER]),
            mac: owned(&[CURRENT_MAC]),
        }
    }

    /// What the newest OpenSSH clients offer without any setting.
    fn newest() -> Self {
        Self {
            kex: owned(&[NEWEST_KEX, CURRENT_KEX]),
            ..Self::current()
        }
    }

    /// Everything that some OpenSSH client could be told to use.
    pub fn everything() -> Self {
        Self {
            kex: owned(&[NEWEST_KEX, CURRENT_KEX, LEGACY_KEX]),
            host_key: owned(&[CURRENT_HOST_KEY, LEGACY_HOST_KEY]),
            cipher: owned(&[CURRENT_CIPHER, LEGACY_CIPHER]),
            mac: owned(&[CURRENT_MAC, LEGACY_MAC]),
        }
    }

    /// The first kind in which the server's lists share nothing with this profile.
    fn first_gap(&self, server: &KexInit) -> Option<Kind> {
        let meets = |mine: &[String], theirs: &[String]| theirs.iter().any(|t| mine.contains(t));
        if !meets(&self.kex, &server.kex) {
            return Some(Kind::KeyExchange);
        }
        if !meets(&self.host_key, &server.host_key) {
            return Some(Kind::HostKey);
        }
        for (ciphers, macs) in [
            (&server.cipher_to_server, &server.mac_to_server),
            (&server.cipher_to_client, &server.mac_to_client),
        ] {
            // The client's first name that the server knows is the one taken (RFC 4253 section 7.1).
            let Some(cipher) = self.cipher.iter().find(|name| ciphers.contains(name)) else {
                return Some(Kind::Cipher);
            };
            if !AUTHENTICATED.contains(&cipher.as_str()) && !meets(&self.mac, macs) {
                return Some(Kind::Mac);
            }
        }
        None
    }
}

/// Compares a server's lists with the profile of current clients.
pub fn compare(server: &KexInit) -> Meeting {
    if server.host_key.is_empty() {
        return Meeting::HostKeyMissing;
    }
    match Profile::current().first_gap(server) {
        None => Meeting::Common,
        Some(gap) if Profile::newest().first_gap(server).is_none() => Meeting::NewestOnly(gap),
        Some(gap) => match Profile::everything().first_gap(server) {
            None => Meeting::LegacyOnly(gap),
            Some(gap) => Meeting::None(gap),
        },
    }
}

/// True when a client with these names (for example the local `ssh -Q`) can talk to the server.
pub fn can_talk(client: &Profile, server: &KexInit) -> bool {
    client.first_gap(server).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(kex: &str, host_key: &str, cipher: &str, mac: &str) -> KexInit {
        let list = |text: &str| -> Vec<String> {
            text.split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        };
        KexInit {
            kex: list(kex),
            host_key: list(host_key),
            cipher_to_server: list(cipher),
            cipher_to_client: list(cipher),
            mac_to_server: list(mac),
            mac_to_client: list(mac),
        }
    }

    #[test]
    fn a_current_server_is_common() {
        let s = server(
            "curve25519-sha256",
            "ssh-ed25519",
            "aes128-ctr",
            "hmac-sha2-256",
        );
        assert_eq!(compare(&s), Meeting::Common);
    }

    #[test]
    fn an_authenticated_cipher_needs_no_mac() {
        let s = server(
            "curve25519-sha256",
            "ssh-ed25519",
            "chacha20-poly1305@openssh.com",
            "",
        );
        assert_eq!(compare(&s), Meeting::Common);
    }

    #[test]
    fn each_kind_alone_makes_a_server_legacy() {
        for (s, kind) in [
            (
                server(
                    "diffie-hellman-group1-sha1",
                    "ssh-ed25519",
                    "aes128-ctr",
                    "hmac-sha1",
                ),
                Kind::KeyExchange,
            ),
            (
                server(
                    "curve25519-sha256",
                    "ssh-rsa,ssh-dss",
                    "aes128-ctr",
                    "hmac-sha1",
                ),
                Kind::HostKey,
            ),
            (
                server("curve25519-sha256", "ssh-ed25519", "3des-cbc", "hmac-sha1"),
                Kind::Cipher,
            ),
            (
                server("curve25519-sha256", "ssh-ed25519", "aes128-ctr", "hmac-md5"),
                Kind::Mac,
            ),
        ] {
            assert_eq!(compare(&s), Meeting::LegacyOnly(kind));
        }
    }

    #[test]
    fn what_only_the_newest_clients_know_is_not_common() {
        for kex in NEWEST_KEX {
            let s = server(kex, "ssh-ed25519", "aes128-ctr", "hmac-sha2-256");
            assert_eq!(compare(&s), Meeting::NewestOnly(Kind::KeyExchange));
            let both = format!("{kex},curve25519-sha256");
            let s = server(&both, "ssh-ed25519", "aes128-ctr", "hmac-sha2-256");
            assert_eq!(compare(&s), Meeting::Common);
        }
    }

    #[test]
    fn unknown_names_and_empty_lists() {
        let s = server("kex-of-nobody", "ssh-ed25519", "aes128-ctr", "hmac-sha1");
        assert_eq!(compare(&s), Meeting::None(Kind::KeyExchange));
        let s = server("curve25519-sha256", "", "aes128-ctr", "hmac-sha1");
        assert_eq!(compare(&s), Meeting::HostKeyMissing);
    }
}
