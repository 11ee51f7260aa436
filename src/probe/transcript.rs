//! What the OpenSSH client's `-v` messages say, stage by stage.
//!
//! Lives here: pure reading of a transcript into host key, methods, delays and the end of a login.
//! Must not live here: running the client.

use std::time::Duration;

/// One line with the time since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: Duration,
    pub text: String,
}

/// Everything one run of the client said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    pub lines: Vec<Line>,
    /// Exit status, `None` when it was ended by us or by a signal.
    pub exit: Option<i32>,
    pub timed_out: bool,
    pub took: Duration,
}

/// States of `host-key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKey {
    Same,
    Changed,
    New,
}

impl HostKey {
    /// The word of the vocabulary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::New => "new",
        }
    }
}

/// States of `auth-methods`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    PasswordAndKey,
    KeyOnly,
    PasswordOnly,
    Closed,
}

impl Methods {
    /// The word of the vocabulary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordAndKey => "password-and-key",
            Self::KeyOnly => "key-only",
            Self::PasswordOnly => "password-only",
            Self::Closed => "closed",
        }
    }
}

/// States of `login-attempt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Accepted,
    AcceptedSlow,
    AuthRejected,
    MethodNotOffered,
    ClosedAfterAuth,
    HungAfterAuth,
    Locked,
    HostKeyRefused,
    NotReached,
}

impl Login {
    /// The word of the vocabulary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AcceptedSlow => "accepted-slow",
            Self::AuthRejected => "auth-rejected",
            Self::MethodNotOffered => "method-not-offered",
            Self::ClosedAfterAuth => "closed-after-auth",
            Self::HungAfterAuth => "hung-after-auth",
            Self::Locked => "locked",
            Self::HostKeyRefused => "host-key-refused",
            Self::NotReached => "not-reached",
        }
    }
}

/// Why a login attempt says nothing about the instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAttempt {
    /// The operator has no key to offer, and nothing may be typed.
    #[error(
        "the operator has no key to offer here: load one into the agent or name it in ~/.ssh/config"
    )]
    NoKey,
    /// The client does not accept its own configuration.
    #[error("the OpenSSH client refuses its own configuration: {0}")]
    Configuration(String),
}

/// From this on a pause after the key exchange is slow.
pub const SLOW_AUTH: Duration = Duration::from_secs(3);
/// From this on an accepted login is slow altogether.
pub const SLOW_LOGIN: Duration = Duration::from_secs(10);

impl Transcript {
    fn find(&self, words: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.text.contains(words))
    }

    fn says(&self, words: &str) -> bool {
        self.find(words).is_some()
    }

    /// Like `says`, without regard to case.
    fn mentions(&self, words: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.text.to_ascii_lowercase().contains(words))
    }

    /// The host key's type and fingerprint.
    pub fn fingerprint(&self) -> Option<&str> {
        self.find("Server host key: ")?
            .text
            .split_once("Server host key: ")
            .map(|(_, rest)| rest)
    }

    /// The host key against the operator's known hosts.
    pub fn host_key(&self) -> Option<HostKey> {
        if self.says("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            Some(HostKey::Changed)
        } else if self.says("is known and matches the") {
            Some(HostKey::Same)
        } else if self.says("Permanently added") || self.says("host key is known for") {
            Some(HostKey::New)
        } else {
            None
        }
    }

    /// The methods that the server offers, as it names them.
    pub fn offered(&self) -> Option<Vec<&str>> {
        let line = &self.find("Authentications that can continue: ")?.text;
        let (_, list) = line.split_once("can continue: ")?;
        Some(list.trim().split(',').filter(|m| !m.is_empty()).collect())
    }

    /// The state of `auth-methods`; `None` when there is neither a list nor a close, or when the
    /// list names neither keys nor passwords.
    pub fn methods(&self) -> Option<Methods> {
        match self.offered() {
            Some(offered) => {
                let key = offered.contains(&"publickey");
                let password =
                    offered.contains(&"password") || offered.contains(&"keyboard-interactive");
                match (password, key) {
                    (true, true) => Some(Methods::PasswordAndKey),
                    (false, true) => Some(Methods::KeyOnly),
                    (true, false) => Some(Methods::PasswordOnly),
                    (false, false) => None,
                }
            }
            None => (self.says("SSH2_MSG_NEWKEYS received") && self.was_closed())
                .then_some(Methods::Closed),
        }
    }

    /// The pause between the key exchange and the list of methods.
    pub fn auth_delay(&self) -> Option<Duration> {
        let keys = self.find("SSH2_MSG_NEWKEYS received")?.at;
        let list = self.find("Authentications that can continue: ")?.at;
        Some(list.saturating_sub(keys))
    }

    fn was_closed(&self) -> bool {
        self.says("Connection closed by")
            || self.says("Connection reset by")
            || self.says("Broken pipe")
    }

    /// The state of `login-attempt`.
    ///
    /// # Errors
    /// [`NoAttempt`] when the end of the run says nothing about the instance.
    pub fn login(&self) -> Result<Login, NoAttempt> {
        if self.says("Bad configuration option") || self.says("terminating, ") {
            let first = self.lines.iter().find(|l| !l.text.starts_with("debug"));
            let text = first.map(|l| l.text.clone()).unwrap_or_default();
            return Err(NoAttempt::Configuration(text));
        }
        if self.says("Host key verification failed") {
            return Ok(Login::HostKeyRefused);
        }
        if self.locked() {
            return Ok(Login::Locked);
        }
        if let Some(authenticated) = self.find("Authenticated to ") {
            return Ok(self.after_authentication(authenticated.at));
        }
        let Some(offered) = self.offered() else {
            return Ok(Login::NotReached);
        };
        let usable = ["publickey", "gssapi-with-mic", "hostbased"];
        if !usable.iter().any(|method| offered.contains(method)) {
            return Ok(Login::MethodNotOffered);
        }
        if self.says("Offering public key") || self.says("Too many authentication failures") {
            return Ok(Login::AuthRejected);
        }
        Err(NoAttempt::NoKey)
    }

    fn locked(&self) -> bool {
        [
            "account locked",
            "account is locked",
            "account has been locked",
            "account has expired",
        ]
        .iter()
        .any(|words| self.mentions(words))
    }

    fn after_authentication(&self, at: Duration) -> Login {
        if self.timed_out {
            return Login::HungAfterAuth;
        }
        let turned_out = self.mentions("account is currently not available")
            || self.mentions("resource temporarily unavailable")
            || self.mentions("cannot allocate memory")
            || self.mentions("no space left on device");
        if turned_out || !self.says("Exit status") {
            return Login::ClosedAfterAuth;
        }
        let keys = self
            .find("SSH2_MSG_NEWKEYS received")
            .map_or(at, |line| line.at);
        let pause = at.saturating_sub(keys) >= SLOW_AUTH
            || self.auth_delay().is_some_and(|d| d >= SLOW_AUTH);
        if pause || self.took >= SLOW_LOGIN {
            Login::AcceptedSlow
        } else {
            Login::Accepted
        }
    }

    /// The last thing that was said outside of debug messages, for a sentence.
    pub fn last_words(&self) -> &str {
        self.lines
            .iter()
            .rev()
            .map(|line| line.text.as_str())
            .find(|text| {
                !text.starts_with("debug")
                    && !text.starts_with("Transferred:")
                    && !text.starts_with("Bytes per second")
                    && !text.is_empty()
                    && !text.starts_with("OpenSSH_")
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACHED: &str = "debug1: Connection established.\n\
        debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1\n\
        debug1: Server host key: ssh-ed25519 SHA256:abc\n\
        debug1: Host '192.0.2.1' is known and matches the ED25519 host key.\n\
        debug1: SSH2_MSG_NEWKEYS received";

    fn transcript(text: &str) -> Transcript {
        Transcript {
            lines: text
                .lines()
                .map(|line| Line {
                    at: Duration::from_millis(100),
                    text: line.trim().to_owned(),
                })
                .collect(),
            exit: Some(255),
            timed_out: false,
            took: Duration::from_millis(500),
        }
    }

    fn reached(more: &str) -> Transcript {
        transcript(&format!("{REACHED}\n{more}"))
    }

    #[test]
    fn every_state_of_host_key() {
        assert_eq!(reached("").host_key(), Some(HostKey::Same));
        assert_eq!(reached("").fingerprint(), Some("ssh-ed25519 SHA256:abc"));
        for (text, want) in [
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @",
                Some(HostKey::Changed),
            ),
            (
                "Warning: Permanently added 'x' (ED25519) to the list of known hosts.",
                Some(HostKey::New),
            ),
            ("ssh: connect to host x port 22: Connection refused", None),
        ] {
            assert_eq!(transcript(text).host_key(), want);
        }
    }

    #[test]
    fn every_state_of_methods_and_delay() {
        for (list, want) in [
            ("publickey,password", Some(Methods::PasswordAndKey)),
            (
                "publickey,keyboard-interactive",
                Some(Methods::PasswordAndKey),
            ),
            ("publickey,gssapi-keyex", Some(Methods::KeyOnly)),
            ("password", Some(Methods::PasswordOnly)),
            ("gssapi-with-mic", None),
        ] {
            let said = reached(&format!(
                "debug1: Authentications that can continue: {list}"
            ));
            assert_eq!(said.methods(), want, "{list}");
        }
        assert_eq!(
            reached("Connection closed by 192.0.2.1 port 22").methods(),
            Some(Methods::Closed)
        );
        assert_eq!(
            transcript("Connection closed by 192.0.2.1 port 22").methods(),
            None
        );
        let mut slow = reached("debug1: Authentications that can continue: password");
        slow.lines.last_mut().unwrap().at = Duration::from_secs(9);
        assert_eq!(slow.auth_delay(), Some(Duration::from_millis(8900)));
    }

    #[test]
    fn every_state_of_a_login() {
        let offered = "debug1: Authentications that can continue: publickey,password\n";
        let inside = "Authenticated to 192.0.2.1 ([192.0.2.1]:22) using \"publickey\".\n";
        for (text, want) in [
            (
                format!("{inside}debug1: Exit status 0"),
                Ok(Login::Accepted),
            ),
            (
                format!("{inside}Connection closed by 192.0.2.1 port 22"),
                Ok(Login::ClosedAfterAuth),
            ),
            (
                format!("{inside}This account is currently not available.\ndebug1: Exit status 1"),
                Ok(Login::ClosedAfterAuth),
            ),
            (
                format!(
                    "{offered}debug1: Offering public key: k\nroot@h: Permission denied (publickey,password)."
                ),
                Ok(Login::AuthRejected),
            ),
            (
                "debug1: Authentications that can continue: password".to_owned(),
                Ok(Login::MethodNotOffered),
            ),
            (
                format!("{offered}Account locked due to 5 failed logins"),
                Ok(Login::Locked),
            ),
            (
                "Host key verification failed.".to_owned(),
                Ok(Login::HostKeyRefused),
            ),
            (
                format!("{offered}root@h: Permission denied."),
                Err(NoAttempt::NoKey),
            ),
        ] {
            assert_eq!(reached(&text).login(), want, "{text}");
        }
        let refused = transcript("ssh: connect to host 192.0.2.1 port 22: Connection refused");
        assert_eq!(refused.login(), Ok(Login::NotReached));
        let mut hung = reached(inside);
        hung.timed_out = true;
        assert_eq!(hung.login(), Ok(Login::HungAfterAuth));
        let mut slow = reached(&format!("{inside}debug1: Exit status 0"));
        slow.took = Duration::from_secs(12);
        assert_eq!(slow.login(), Ok(Login::AcceptedSlow));
        let bad = transcript(
            "/root/.ssh/config: line 1: Bad configuration option: x\n/root/.ssh/config: terminating, 1 bad configuration options",
        );
        assert!(matches!(bad.login(), Err(NoAttempt::Configuration(_))));
    }
}
