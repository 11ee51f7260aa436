//! What the OpenSSH client's `-v` messages say, stage by stage.
//!
//! Lives here: pure reading of a transcript into host key, methods, delays and the end of a login.
//! Must not live here: running the client.

use crate::domain::evidence::State;
use crate::domain::evidence::state::{auth_methods, host_key, login_attempt};
use crate::domain::said::Said;
use crate::probe::said;
use std::time::Duration;

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The client; with a host in between also what the target prints.
    Client,
    /// The target, in its session: what it prints is never taken for a report of the client.
    Host,
    /// A host in between, what the configuration runs: shown, never read.
    Other,
}

/// One line with the time since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: Duration,
    pub by: By,
    pub text: String,
}

/// Everything one run of the client said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    pub lines: Vec<Line>,
    /// Exit status, `None` when it was ended by us or by a signal.
    pub exit: Option<i32>,
    pub timed_out: bool,
    /// The session was left while it waited for somebody to type.
    pub waits: bool,
    pub took: Duration,
}

/// States of `host-key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKey {
    Same,
    Changed,
    /// Marked as one that must not be taken any more (`@revoked`, `RevokedHostKeys`).
    Revoked,
    New,
}

impl HostKey {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Same => host_key::SAME,
            Self::Changed => host_key::CHANGED,
            Self::Revoked => host_key::REVOKED,
            Self::New => host_key::NEW,
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
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::PasswordAndKey => auth_methods::PASSWORD_AND_KEY,
            Self::KeyOnly => auth_methods::KEY_ONLY,
            Self::PasswordOnly => auth_methods::PASSWORD_ONLY,
            Self::Closed => auth_methods::CLOSED,
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
    PasswordExpired,
    AccountRefused,
    ForcedCommand,
    NoTerminal,
    KeyAcceptedThenClosed,
    AlgorithmRefused,
    HostKeyRefused,
    NotReached,
}

impl Login {
    /// The state of the vocabulary.
    pub fn state(self) -> State<'static> {
        match self {
            Self::Accepted => login_attempt::ACCEPTED,
            Self::AcceptedSlow => login_attempt::ACCEPTED_SLOW,
            Self::AuthRejected => login_attempt::AUTH_REJECTED,
            Self::MethodNotOffered => login_attempt::METHOD_NOT_OFFERED,
            Self::ClosedAfterAuth => login_attempt::CLOSED_AFTER_AUTH,
            Self::HungAfterAuth => login_attempt::HUNG_AFTER_AUTH,
            Self::Locked => login_attempt::LOCKED,
            Self::PasswordExpired => login_attempt::PASSWORD_EXPIRED,
            Self::AccountRefused => login_attempt::ACCOUNT_REFUSED,
            Self::ForcedCommand => login_attempt::FORCED_COMMAND,
            Self::NoTerminal => login_attempt::NO_TERMINAL,
            Self::KeyAcceptedThenClosed => login_attempt::KEY_ACCEPTED_THEN_CLOSED,
            Self::AlgorithmRefused => login_attempt::ALGORITHM_REFUSED,
            Self::HostKeyRefused => login_attempt::HOST_KEY_REFUSED,
            Self::NotReached => login_attempt::NOT_REACHED,
        }
    }
}

/// Why a login attempt says nothing about the instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub enum NoAttempt {
    /// The operator has no key to offer, and nothing may be typed.
    NoKey,
    /// The client does not accept its own configuration.
    Configuration(String),
}

impl NoAttempt {
    /// The sentence.
    pub fn said(&self) -> Said {
        match self {
            Self::NoKey => said::no_key_to_offer(),
            Self::Configuration(why) => said::refuses_own_configuration(why),
        }
    }
}

/// A password that must be changed before anything else (PAM, sshd, passwd).
const PASSWORD_EXPIRED: &[&str] = &[
    "password has expired",
    "required to change your password",
    "password change required",
    "must change your password",
];
/// Right credentials, and an account that may not come in: nologin, limits of sessions, access rules.
const ACCOUNT_REFUSED: &[&str] = &[
    "system is booting up",
    "system is going down",
    "pam_nologin",
    "unprivileged users are not permitted to log in",
    "too many logins for",
    "by pam account configuration",
];

/// How lines begin that the client makes itself.
const OWN_WORDS: &[&str] = &[
    "debug",
    "Connection ",
    "Read from remote host",
    "Received disconnect",
    "Disconnected ",
    "Transferred:",
    "Bytes per second",
    "client_loop:",
    "ssh_dispatch_run_fatal:",
    "sign_and_send_pubkey:",
    "packet_write_",
    "Load key ",
    "Warning: ",
    "Enter passphrase",
    RAW_MODE,
];
/// How the client complains of its own terminal, when that is gone before the client is.
const RAW_MODE: &str = "tcsetattr: ";
/// The client's words for a terminal that the server does not give.
pub const NO_TERMINAL: &str = "PTY allocation request failed";
/// What sshd sends for a session that it may not begin: a nologin file, or PAM's session rules.
const NO_SESSION: i32 = 254;

/// What stands before the place of a line of the known hosts, what is wrong first.
const RECORDS: &[&str] = &["Offending ", "Found key in ", "Found CA key in "];

/// From this on a pause after the key exchange is slow.
pub const SLOW_AUTH: Duration = Duration::from_secs(3);
/// From this on an accepted login is slow altogether.
pub const SLOW_LOGIN: Duration = Duration::from_secs(10);

impl Transcript {
    /// What the client itself said.
    fn own(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.by == By::Client)
    }

    /// True once the server has let the user in.
    pub fn is_in(&self) -> bool {
        self.says("Authenticated to ")
    }

    fn find(&self, words: &str) -> Option<&Line> {
        self.own().find(|line| line.text.contains(words))
    }

    fn says(&self, words: &str) -> bool {
        self.find(words).is_some()
    }

    /// Said by the client or by the target, without regard to case.
    fn mentions(&self, words: &str) -> bool {
        self.lines
            .iter()
            .filter(|line| line.by != By::Other)
            .any(|line| line.text.to_ascii_lowercase().contains(words))
    }

    /// The host key's type and fingerprint.
    pub fn fingerprint(&self) -> Option<&str> {
        if let Some(line) = self.find("Server host key: ") {
            return Some(line.text.split_once("Server host key: ")?.1);
        }
        let line = self.find("Server host certificate: ")?;
        let (_, rest) = line.text.split_once("Server host certificate: ")?;
        Some(rest.split(',').next().unwrap_or(rest))
    }

    /// The host key against the operator's known hosts.
    pub fn host_key(&self) -> Option<HostKey> {
        let about = self.about_key();
        let says = |words: &str| about.iter().any(|line| line.contains(words));
        if says("REVOKED HOST KEY DETECTED") || says("revoked by file") {
            Some(HostKey::Revoked)
        } else if says("REMOTE HOST IDENTIFICATION HAS CHANGED")
            || says("differs from the key for the IP address")
        {
            Some(HostKey::Changed)
        } else if says("is known and matches the") {
            Some(HostKey::Same)
        } else if says("Permanently added") || says("host key is known for") {
            Some(HostKey::New)
        } else {
            None
        }
    }

    /// The line of the known hosts that decided, `FILE:LINE`.
    pub fn record(&self) -> Option<&str> {
        let about = self.about_key();
        let line = RECORDS
            .iter()
            .find_map(|mark| about.iter().find(|line| line.contains(mark)))?;
        let place = line.rsplit_once(" in ")?.1.trim();
        let (file, number) = place.rsplit_once(':')?;
        let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        (numbered && file.starts_with('/')).then_some(place)
    }

    /// What was said about the host key. Of a certificate that is not taken after all, only what
    /// came after: the client looks at the plain key then.
    fn about_key(&self) -> Vec<&str> {
        let all: Vec<&str> = self.own().map(|line| line.text.as_str()).collect();
        let retried = all.iter().rposition(|line| {
            line.contains("Certificate invalid") || line.contains("Retry with plain key")
        });
        all.get(retried.map_or(0, |at| at + 1)..)
            .unwrap_or_default()
            .to_vec()
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
        let options = self.own().any(|line| line.text.starts_with("command-line"));
        if options || self.says("Bad configuration option") || self.says("terminating, ") {
            let first = self.own().find(|l| !l.text.starts_with("debug"));
            let text = first.map(|l| l.text.clone()).unwrap_or_default();
            return Err(NoAttempt::Configuration(text));
        }
        if self.says("Host key verification failed") {
            return Ok(Login::HostKeyRefused);
        }
        if self.mentions_any(PASSWORD_EXPIRED) {
            return Ok(Login::PasswordExpired);
        }
        if self.locked() {
            return Ok(Login::Locked);
        }
        if self.mentions_any(ACCOUNT_REFUSED) {
            return Ok(Login::AccountRefused);
        }
        if let Some(authenticated) = self.find("Authenticated to ") {
            return Ok(self.after_authentication(authenticated.at));
        }
        // The server has seen a key that it takes: what ends the login comes after it.
        if self.says("Server accepts key") && self.was_closed() {
            return Ok(if self.told_why().is_some() {
                Login::AccountRefused
            } else {
                Login::KeyAcceptedThenClosed
            });
        }
        let Some(offered) = self.offered() else {
            return Ok(Login::NotReached);
        };
        if self.algorithm_refused() {
            return Ok(Login::AlgorithmRefused);
        }
        let usable = ["publickey", "gssapi-with-mic", "hostbased"];
        if !usable.iter().any(|method| offered.contains(method)) {
            return Ok(Login::MethodNotOffered);
        }
        if self.says("Offering public key") || self.says("Too many authentication failures") {
            return Ok(Login::AuthRejected);
        }
        Err(NoAttempt::NoKey)
    }

    fn mentions_any(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.mentions(words))
    }

    /// What the server said between taking the key and closing: PAM's account rules pass on what a
    /// module or `/etc/nologin` says; the banner of every login comes before.
    fn told_why(&self) -> Option<&str> {
        self.own()
            .skip_while(|line| !line.text.contains("Server accepts key"))
            .map(|line| line.text.as_str())
            .find(|text| !text.is_empty() && !OWN_WORDS.iter().any(|begin| text.starts_with(begin)))
    }

    fn locked(&self) -> bool {
        self.mentions_any(&[
            "account locked",
            "account is locked",
            "account has been locked",
            "account has expired",
        ])
    }

    /// True when the server takes no signature that a key of the operator's can make
    /// (`server-sig-algs`, RFC 8308 section 3.1).
    fn algorithm_refused(&self) -> bool {
        if self.says("no mutual signature algorithm") {
            return true;
        }
        let list = self.find("server-sig-algs=<").and_then(|line| {
            let (_, rest) = line.text.split_once("server-sig-algs=<")?;
            Some(rest.split_once('>')?.0)
        });
        let Some(list) = list else { return false };
        let taken = |key: &str| {
            list.split(',').any(|name| match key {
                "RSA" => name.starts_with("rsa-sha2-") || name == "ssh-rsa",
                "ED25519" => name == "ssh-ed25519",
                "ECDSA" => name.starts_with("ecdsa-sha2-"),
                "DSA" => name == "ssh-dss",
                // A certificate or a key on a token: its list is another.
                _ => true,
            })
        };
        let keys: Vec<&str> = self
            .own()
            .filter_map(|line| line.text.split_once("Offering public key: "))
            .filter_map(|(_, rest)| {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let print = words.iter().position(|word| word.starts_with("SHA256:"))?;
                words.get(print.checked_sub(1)?).copied()
            })
            .collect();
        !keys.is_empty() && !keys.into_iter().any(taken)
    }

    /// True when a key's own options or the text of a cloud image name a command in place of a shell.
    fn forced(&self) -> bool {
        let options = self.own().any(|line| {
            let options = line.text.split_once("key options: ");
            options.is_some_and(|(_, names)| names.split_whitespace().any(|n| n == "command"))
        });
        options
            || self.mentions("please login as the user")
            || self.mentions("this service allows sftp connections only")
    }

    /// The exit status that the server sent for the session.
    fn session_status(&self) -> Option<i32> {
        let line = &self.find("Exit status ")?.text;
        line.split_once("Exit status ")?.1.trim().parse().ok()
    }

    fn after_authentication(&self, at: Duration) -> Login {
        let turned_out = self.mentions("account is currently not available")
            || self.mentions("resource temporarily unavailable")
            || self.mentions("cannot allocate memory")
            || self.mentions("no space left on device");
        let status = self.session_status();
        if self.forced() && status != Some(0) && !turned_out && !self.waits {
            return Login::ForcedCommand;
        }
        if self.says(NO_TERMINAL) {
            return Login::NoTerminal;
        }
        if self.timed_out {
            return Login::HungAfterAuth;
        }
        if status == Some(NO_SESSION) && self.lines.iter().any(|line| line.by == By::Host) {
            return Login::AccountRefused;
        }
        // A session that works waits for its user; without a terminal it ends with 0 when its
        // input ends at once.
        if turned_out || status != Some(0) && !self.waits {
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

    /// What was said last outside of debug messages, for a sentence: the target's own words before
    /// those of the client about the end.
    pub fn last_words(&self) -> &str {
        let told = |line: &&Line| {
            let text = line.text.as_str();
            !text.starts_with("debug")
                && !text.starts_with("Transferred:")
                && !text.starts_with("Bytes per second")
                && !text.is_empty()
                && !text.starts_with("OpenSSH_")
                && !text.starts_with(RAW_MODE)
                && !text.starts_with("Last login: ")
                && !(text.starts_with("Connection to ") && text.ends_with(" closed."))
        };
        // A question that nobody answers explains less than what stands before it.
        let host = |line: &&Line| line.by == By::Host && !line.text.ends_with(':');
        let words = self.lines.iter().rev();
        if let Some(line) = words.clone().find(|line| host(line) && told(line)) {
            return &line.text;
        }
        if let Some(text) = self.told_why().filter(|_| !self.is_in()) {
            return text;
        }
        let mut words = words;
        words.find(told).map_or("", |line| line.text.as_str())
    }
}

#[cfg(test)]
#[path = "transcript_tests.rs"]
mod tests;
