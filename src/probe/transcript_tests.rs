//! What a client of the system printed, read line by line to what it means.

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
                by: By::Client,
                text: line.trim().to_owned(),
            })
            .collect(),
        exit: Some(255),
        timed_out: false,
        waits: false,
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
        (
            "Warning: the ED25519 host key for 'x' differs from the key for the IP address '192.0.2.1'",
            Some(HostKey::Changed),
        ),
        (
            "@       WARNING: REVOKED HOST KEY DETECTED!               @",
            Some(HostKey::Revoked),
        ),
        (
            "debug1: Host 'x' is known and matches the ED25519-CERT host certificate.\n\
             Certificate invalid: expired\n\
             Warning: Permanently added 'x' (ED25519) to the list of known hosts.",
            Some(HostKey::New),
        ),
        ("ssh: connect to host x port 22: Connection refused", None),
    ] {
        assert_eq!(transcript(text).host_key(), want);
    }
}

#[test]
fn the_line_that_decided_and_words_of_others() {
    for (text, want) in [
        ("debug1: Found key in /k/my hosts:3", Some("/k/my hosts:3")),
        (
            "Offending ED25519 key in /k/a:12\n  remove with:",
            Some("/k/a:12"),
        ),
        ("debug1: Found CA key in /k/a:1", Some("/k/a:1")),
        ("debug1: Found key in /k/a", None),
        ("debug1: Found key in k:1", None),
    ] {
        assert_eq!(transcript(text).record(), want, "{text}");
    }
    let mut jumped = reached("");
    for line in &mut jumped.lines {
        line.by = By::Other;
    }
    assert_eq!(jumped.host_key(), None);
    assert_eq!(jumped.fingerprint(), None);
    assert_eq!(jumped.login(), Ok(Login::NotReached));
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
            format!(
                "{inside}Please login as the user \"ubuntu\" rather than the user \"root\".\ndebug1: Exit status 142"
            ),
            Ok(Login::ForcedCommand),
        ),
        (
            format!("{inside}Too many logins for 'alice'.\ndebug1: Exit status 254"),
            Ok(Login::AccountRefused),
        ),
        (
            format!("{inside}debug1: Exit status 254"),
            Ok(Login::ClosedAfterAuth),
        ),
        (
            format!("{inside}WARNING: Your password has expired.\ndebug1: Exit status 1"),
            Ok(Login::PasswordExpired),
        ),
        (
            format!("{inside}PTY allocation request failed on channel 0\ndebug1: Exit status 0"),
            Ok(Login::NoTerminal),
        ),
        (
            format!(
                "{offered}debug1: Server accepts key: k ED25519 SHA256:x\nConnection closed by 192.0.2.1 port 22"
            ),
            Ok(Login::KeyAcceptedThenClosed),
        ),
        (
            format!(
                "debug1: kex_input_ext_info: server-sig-algs=<rsa-sha2-512>\n{offered}debug1: Offering public key: k ED25519 SHA256:x explicit\nroot@h: Permission denied (publickey)."
            ),
            Ok(Login::AlgorithmRefused),
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
}

#[test]
fn a_login_that_hangs_or_never_began_is_told_apart() {
    let inside = "Authenticated to 192.0.2.1 ([192.0.2.1]:22) using \"publickey\".\n";
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

/// The client's terminal is closed as soon as the server gives none: what the client then says of
/// that terminal explains nothing.
#[test]
fn the_clients_word_on_its_own_terminal_is_not_its_reason() {
    let refused = "PTY allocation request failed on channel 0";
    let told = reached(&format!(
        "Authenticated to 192.0.2.1 ([192.0.2.1]:22) using \"publickey\".\n{refused}\ntcsetattr: Input/output error\n"
    ));
    assert_eq!(told.login(), Ok(Login::NoTerminal));
    assert_eq!(told.last_words(), refused);
}
