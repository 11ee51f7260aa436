//! The recogniser of pasted client errors: each known text, in the shapes people paste it.

#![allow(clippy::unwrap_used, clippy::unused_self, clippy::too_many_lines)] // a test may stop where it fails

use cvmtop::domain::evidence::{Source, Status};
use cvmtop::guide::error_text::{MAX_TEXT, Recognised, Stage, readings, recognise};
use proptest::prelude::*;

/// Text, evidence group (`-` is `pasted-error`), state.
const ROWS: &[(&str, &str, &str)] = &[
    // OpenSSH client
    (
        "ssh: connect to host 203.0.113.7 port 22: Connection timed out",
        "-",
        "connect-timeout",
    ),
    (
        "ssh: connect to host 203.0.113.7 port 22: Operation timed out",
        "-",
        "connect-timeout",
    ),
    (
        "Connection timed out during banner exchange",
        "-",
        "banner-timeout",
    ),
    (
        "Connection to 203.0.113.7 port 22 timed out during banner exchange",
        "-",
        "banner-timeout",
    ),
    (
        "ssh: connect to host web-1 port 22: Connection refused",
        "-",
        "connect-refused",
    ),
    (
        "ssh: connect to host 10.0.0.5 port 22: No route to host",
        "-",
        "no-route",
    ),
    (
        "ssh: connect to host 203.0.113.7 port 22: Network is unreachable",
        "-",
        "network-unreachable",
    ),
    (
        "ssh: Could not resolve hostname web-1: Name or service not known",
        "-",
        "name-not-resolved",
    ),
    (
        "ssh_exchange_identification: read: Connection reset by peer",
        "-",
        "reset-before-banner",
    ),
    (
        "ssh_exchange_identification: Connection closed by remote host",
        "-",
        "closed-before-banner",
    ),
    (
        "kex_exchange_identification: read: Connection reset by peer",
        "-",
        "reset-before-banner",
    ),
    (
        "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 203.0.113.7 port 22",
        "-",
        "closed-before-banner",
    ),
    ("Exceeded MaxStartups", "guest-throttle", "max-startups"),
    (
        "Not allowed at this time",
        "guest-throttle",
        "source-penalty",
    ),
    ("no hostkey alg", "-", "kex-no-match"),
    (
        "fatal: No supported key exchange algorithms [preauth]",
        "-",
        "kex-no-match",
    ),
    (
        "Unable to negotiate with 203.0.113.7 port 22: no matching key exchange method found. Their offer: diffie-hellman-group1-sha1",
        "-",
        "kex-no-match",
    ),
    (
        "no matching host key type found. Their offer: ssh-rsa",
        "-",
        "kex-no-match",
    ),
    ("no matching cipher found", "-", "kex-no-match"),
    ("no matching MAC found", "-", "kex-no-match"),
    (
        "Read from socket failed: Connection reset by peer",
        "-",
        "kex-closed",
    ),
    (
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
        "-",
        "host-key-changed",
    ),
    ("Host key verification failed.", "-", "host-key-changed"),
    (
        "Host key for [203.0.113.7]:22 has changed and you have requested strict checking.",
        "-",
        "host-key-changed",
    ),
    (
        "Permission denied, please try again.",
        "-",
        "permission-denied-password",
    ),
    (
        "root@203.0.113.7: Permission denied (publickey,gssapi-keyex,gssapi-with-mic).",
        "-",
        "permission-denied-publickey",
    ),
    (
        "Permission denied (publickey",
        "-",
        "permission-denied-publickey",
    ),
    (
        "Permission denied (publickey,password).",
        "-",
        "permission-denied-password",
    ),
    (
        "ubuntu@h: Permission denied (publickey,keyboard-interactive).",
        "-",
        "permission-denied-password",
    ),
    (
        "Received disconnect from 203.0.113.7 port 22:2: Too many authentication failures for root",
        "-",
        "too-many-failures",
    ),
    (
        "Maximum amount of failed attempts was reached",
        "-",
        "account-locked",
    ),
    (
        "@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @",
        "-",
        "permission-denied-publickey",
    ),
    (
        "Load key \"id_rsa\": invalid format",
        "-",
        "permission-denied-publickey",
    ),
    (
        "This account is currently not available.",
        "-",
        "account-unavailable",
    ),
    (
        "root@203.0.113.7's password:\nConnection to 203.0.113.7 closed.",
        "-",
        "closed-after-auth",
    ),
    (
        "Received disconnect from 203.0.113.7 port 5022:11: disconnected by user",
        "-",
        "closed-after-auth",
    ),
    (
        "pam_limits(sshd:session): could not sent limit for 'nofile': operaton not permitted.",
        "-",
        "closed-after-auth",
    ),
    (
        "-bash: fork: retry: Resource temporarily unavailable",
        "-",
        "fork-failed",
    ),
    ("-bash: fork: Cannot allocate memory", "-", "fork-failed"),
    (
        "Last login: Mon Nov 23 21:02:11 2026 from 198.51.100.4",
        "-",
        "hung-after-auth",
    ),
    (
        "mkdir: cannot create directory: No space left on device",
        "-",
        "no-space",
    ),
    (
        "touch: cannot touch 'x': Read-only file system",
        "guest-filesystem",
        "read-only",
    ),
    (
        "Connection closed by 203.0.113.7 port 22",
        "-",
        "closed-after-auth",
    ),
    (
        "client_loop: send disconnect: Broken pipe",
        "-",
        "session-dropped",
    ),
    // server log
    (
        "User root from 198.51.100.4 not allowed because not listed in AllowUsers",
        "guest-auth-policy",
        "user-denied",
    ),
    (
        "User root from 198.51.100.4 not allowed because listed in DenyUsers",
        "guest-auth-policy",
        "user-denied",
    ),
    (
        "User x from y not allowed because a group is listed in DenyGroups",
        "guest-auth-policy",
        "user-denied",
    ),
    (
        "not allowed because none of user's groups are listed in AllowGroups",
        "guest-auth-policy",
        "user-denied",
    ),
    (
        "ROOT LOGIN REFUSED FROM 198.51.100.4",
        "guest-auth-policy",
        "root-denied",
    ),
    (
        "pam_listfile(sshd:auth): Refused user root for service sshd",
        "guest-pam",
        "restricts",
    ),
    (
        "pam_succeed_if(sshd:auth): requirement \"uid >= 1000\" not met by user \"root\"",
        "guest-pam",
        "restricts",
    ),
    (
        "PAM unable to dlopen(/lib/security/pam_limits.so)",
        "guest-pam",
        "broken",
    ),
    ("Module is unknown", "-", "pam-module-unknown"),
    (
        "sshd: error while loading shared libraries: libcrypto.so.10: cannot open",
        "guest-service",
        "failed",
    ),
    ("fatal: Cannot bind any address.", "guest-service", "failed"),
    (
        "address family must be specified before ListenAddress",
        "guest-service",
        "failed",
    ),
    (
        "/etc/ssh/sshd_config: line 2: Bad configuration options: \\\\",
        "guest-sshd-config",
        "invalid",
    ),
    (
        "/etc/ssh/sshd_config: terminating, 1 bad configuration options",
        "guest-sshd-config",
        "invalid",
    ),
    (
        "/var/empty/sshd must be owned by root and not group or world-writable.",
        "guest-sshd-config",
        "permissions",
    ),
    (
        "/var/empty/sshd must be owned by root and not group or word-writable.",
        "guest-sshd-config",
        "permissions",
    ),
    (
        "Permissions 0777 for '/etc/ssh/ssh_host_rsa_key' are too open.",
        "guest-sshd-config",
        "permissions",
    ),
    (
        "sshd error: could not load host key",
        "guest-sshd-config",
        "host-keys-missing",
    ),
    (
        "sshd.service: main process exited, code=exited, status=203/EXEC",
        "guest-service",
        "failed",
    ),
    (
        "main process (812) terminated with status 255",
        "guest-service",
        "failed",
    ),
    (
        "fatal: mm_request_send: write: Broken pipe",
        "guest-malware",
        "suspicious",
    ),
    (
        "pam_unix(sshd:session): session closed for user root",
        "guest-auth-log",
        "accepted-then-closed",
    ),
    (
        "drop connection #10 from [1.2.3.4]:5 on [5.6.7.8]:22 past MaxStartups",
        "guest-throttle",
        "max-startups",
    ),
    (
        "beginning MaxStartups throttling",
        "guest-throttle",
        "max-startups",
    ),
    (
        "Unable to negotiate with 1.2.3.4 port 5: no matching host key type found",
        "-",
        "kex-no-match",
    ),
    // PuTTY and others
    (
        "Network error: Connection timed out",
        "-",
        "connect-timeout",
    ),
    ("Network error: Connection refused", "-", "connect-refused"),
    (
        "Network error: Connection reset by peer",
        "-",
        "reset-before-banner",
    ),
    (
        "Remote side unexpectedly closed network connection",
        "-",
        "closed-before-banner",
    ),
    (
        "Network error: Software caused connection abort",
        "-",
        "banner-timeout",
    ),
    ("Network error: No route to host", "-", "no-route"),
    ("Host does not exist", "-", "name-not-resolved"),
    (
        "Unable to open connection to web-1",
        "-",
        "name-not-resolved",
    ),
    ("Access denied", "-", "permission-denied-password"),
    (
        "Disconnected: No supported authentication methods available",
        "-",
        "no-supported-methods",
    ),
    (
        "No supported authentication methods available (server sent: publickey)",
        "-",
        "no-supported-methods",
    ),
    ("Server refused our key", "-", "permission-denied-publickey"),
    (
        "Couldn't agree a key exchange algorithm (available: curve25519)",
        "-",
        "kex-no-match",
    ),
    ("Couldn't agree a host key algorithm", "-", "kex-no-match"),
    (
        "WARNING - POTENTIAL SECURITY BREACH!",
        "-",
        "host-key-changed",
    ),
    (
        "The host key of web-1 (port: 22) is not the same as the one saved in the host key database",
        "-",
        "host-key-changed",
    ),
    // mstsc
    (
        "Remote Desktop can't connect to the remote computer for one of these reasons:\n1) Remote access to the server is not enabled\n2) The remote computer is turned off\n3) The remote computer is not available on the network",
        "-",
        "rdp-three-reasons",
    ),
    (
        "Remote Desktop can't find the computer \"web-1\".",
        "-",
        "name-not-resolved",
    ),
    (
        "This computer can't connect to the remote computer. Try connecting again.",
        "-",
        "rdp-internal-error",
    ),
    ("An internal error has occurred.", "-", "rdp-internal-error"),
    (
        "An authentication error has occurred. The token supplied to the function is invalid",
        "-",
        "rdp-auth-error",
    ),
    (
        "An authentication error has occurred.\nThe function requested is not supported",
        "-",
        "rdp-auth-error",
    ),
    (
        "This could be due to CredSSP encryption oracle remediation.",
        "-",
        "rdp-auth-error",
    ),
    (
        "Authentication error. Invalid flag is provided to the function",
        "-",
        "rdp-auth-error",
    ),
    (
        "The remote computer requires Network Level Authentication, which your computer does not support.",
        "-",
        "rdp-nla-required",
    ),
    (
        "The credentials that were used to connect to 203.0.113.7 did not work. Please enter new credentials.",
        "-",
        "rdp-credentials",
    ),
    ("Your credentials did not work", "-", "rdp-credentials"),
    (
        "The user name or password is incorrect.",
        "-",
        "rdp-credentials",
    ),
    ("The logon attempt failed", "-", "rdp-credentials"),
    (
        "As a security precaution, the user account has been locked because there were too many logon attempts or password change attempts.",
        "-",
        "account-locked",
    ),
    (
        "A user account restriction (for example, a time-of-day restriction) is preventing you from logging on.",
        "-",
        "rdp-account-restriction",
    ),
    (
        "blank passwords aren't allowed",
        "-",
        "rdp-account-restriction",
    ),
    (
        "or a policy restriction has been enforced",
        "-",
        "rdp-account-restriction",
    ),
    (
        "The connection was denied because the user account is not authorized for remote login.",
        "-",
        "rdp-not-authorized",
    ),
    (
        "To sign in remotely, you need the right to sign in through Remote Desktop Services.",
        "-",
        "rdp-right-missing",
    ),
    (
        "The remote session was disconnected because there are no Remote Desktop License Servers available to provide a license.",
        "-",
        "rdp-license",
    ),
    (
        "Remote session has been disconnected as no remote desktop authorization server is available for licensing",
        "-",
        "rdp-license",
    ),
    (
        "The number of connections to this computer is limited and all connections are in use",
        "-",
        "rdp-license",
    ),
    (
        "The identity of the remote computer cannot be verified. Do you want to connect anyway?",
        "-",
        "rdp-certificate",
    ),
    (
        "because the server's certificate is expired or is not yet valid",
        "-",
        "rdp-certificate",
    ),
    ("Configuring remote session...", "-", "rdp-hang"),
    ("Securing remote connection...", "-", "rdp-hang"),
    (
        "The Local Security Authority cannot be contacted",
        "-",
        "rdp-auth-error",
    ),
    ("Error code: 0x204", "-", "mac-0x204"),
    ("Error code: 0x904", "-", "rdp-internal-error"),
    // Mac
    (
        "The certificate couldn't be verified back to a root certificate.",
        "-",
        "rdp-certificate",
    ),
    (
        "Remote Desktop Connection cannot verify the identity of the computer that you want to connect to.",
        "-",
        "rdp-certificate",
    ),
    ("Unable to connect\nError code: 0x204", "-", "mac-0x204"),
    (
        "Unable to connect. Error code: 0x104",
        "-",
        "name-not-resolved",
    ),
    ("Your session was disconnected", "-", "closed-after-auth"),
    // VNC screen
    (
        "Welcome to emergency mode! After logging in, type \"journalctl -xb\"",
        "console",
        "emergency-shell",
    ),
    (
        "[FAILED] Failed to start Login Service.\n[FAILED] Failed to start OpenSSH server daemon.",
        "guest-boot",
        "failed-units",
    ),
    ("Cannot allocate memory", "console", "cannot-allocate"),
    ("Hint: Caps Lock on", "-", "caps-lock-hint"),
    (
        "user name asked again after a correct password",
        "-",
        "caps-lock-hint",
    ),
    (
        "Account locked due to 7 failed logins",
        "-",
        "account-locked",
    ),
    (
        "VM-0-1-centos login: root\nPassword:\nPermission denied",
        "-",
        "account-unavailable",
    ),
    ("Kernel panic - not syncing: VFS", "console", "panic"),
    (
        "echo 0 > /proc/sys/kernel/hung_task_timeout_secs disables this message.",
        "console",
        "panic",
    ),
    (
        "BUG: soft lockup - CPU#0 stuck for 22s!",
        "console",
        "panic",
    ),
    ("Out of memory: Killed process 812 (java)", "console", "oom"),
    (
        "Out of memory: Kill process 812 (java) score 900",
        "console",
        "oom",
    ),
    ("grub> ", "console", "grub"),
    ("(initramfs) _", "console", "initramfs"),
    (
        "Getting Windows ready\nDon't turn off your computer",
        "console",
        "updating",
    ),
    (
        "Your PC ran into a problem and needs to restart.",
        "console",
        "stop-error",
    ),
    ("Preparing Automatic Repair", "console", "recovery"),
    // console and API
    (
        "The system is busy, and your instance password failed to be reset (7617d94c).",
        "-",
        "password-reset-failed",
    ),
    ("Instance status: Isolated", "-", "notice-isolated"),
    (
        "[TencentCloudSDKException] code:InvalidAddressId.Blocked message:blocked",
        "-",
        "notice-ddos-blocked",
    ),
    (
        "InvalidParameterValue.AddressAttacked",
        "-",
        "notice-ddos-blocked",
    ),
    ("InvalidAddressIdState.InArrears", "-", "notice-arrears"),
    ("InvalidAccount.InsufficientBalance", "-", "notice-arrears"),
    (
        "UnsupportedOperation.InstanceStateBanning",
        "-",
        "notice-isolated",
    ),
    (
        "UnsupportedOperation.InstanceStateCorrupted",
        "platform-event",
        "fault",
    ),
    (
        "ResourceUnavailable.AgentStatusNotOnline",
        "agent",
        "offline-recent",
    ),
    // Chinese
    (
        "ssh: connect to host 203.0.113.7 port 22: 连接超时",
        "-",
        "connect-timeout",
    ),
    (
        "ssh: connect to host 203.0.113.7 port 22: 拒绝连接",
        "-",
        "connect-refused",
    ),
    (
        "ssh: connect to host 203.0.113.7 port 22: 没有到主机的路由",
        "-",
        "no-route",
    ),
    (
        "远程桌面由于以下原因之一无法连接到远程计算机:\n1) 未启用对服务器的远程访问\n2) 远程计算机已关闭\n3) 在网络上的远程计算机不可用",
        "-",
        "rdp-three-reasons",
    ),
    (
        "出现身份验证错误。要求的函数不受支持。",
        "-",
        "rdp-auth-error",
    ),
    (
        "发生身份验证错误。给函数提供的身份无效",
        "-",
        "rdp-auth-error",
    ),
    (
        "远程计算机需要网络级别身份验证，而您的计算机不支持该验证。",
        "-",
        "rdp-nla-required",
    ),
    (
        "您的凭据无法工作。用来连接到 203.0.113.7 的凭据无法工作。请输入新凭据。",
        "-",
        "rdp-credentials",
    ),
    (
        "连接被拒绝，因为没有授权此用户帐户进行远程登录。",
        "-",
        "rdp-not-authorized",
    ),
    (
        "要远程登录，你需要具有通过远程桌面服务进行登录的权限。",
        "-",
        "rdp-right-missing",
    ),
    (
        "由于没有远程桌面授权服务器可以提供许可证，远程会话连接已断开。",
        "-",
        "rdp-license",
    ),
    ("出现了内部错误。", "-", "rdp-internal-error"),
    (
        "系统繁忙，您的实例密码重置失败(7617d94c)。",
        "-",
        "password-reset-failed",
    ),
    (
        "您的 IP 已被封堵，预计 2 小时后解封",
        "-",
        "notice-ddos-blocked",
    ),
    ("您的账户已欠费，请及时充值", "-", "notice-arrears"),
    // Korean
    (
        "ssh: connect to host 203.0.113.7 port 22: 연결 시간 초과",
        "-",
        "connect-timeout",
    ),
    (
        "ssh: connect to host 203.0.113.7 port 22: 연결이 거부됨",
        "-",
        "connect-refused",
    ),
    (
        "다음 이유 중 하나 때문에 원격 데스크톱에서 원격 컴퓨터에 연결할 수 없습니다.",
        "-",
        "rdp-three-reasons",
    ),
    (
        "인증 오류가 발생했습니다.\n요청한 함수가 지원되지 않습니다.",
        "-",
        "rdp-auth-error",
    ),
    (
        "203.0.113.7에 연결하는 데 사용된 자격 증명이 작동하지 않았습니다. 새 자격 증명을 입력하십시오.",
        "-",
        "rdp-credentials",
    ),
    (
        "원격 컴퓨터에 네트워크 수준 인증이 필요하지만 현재 컴퓨터에서 지원되지 않습니다.",
        "-",
        "rdp-nla-required",
    ),
    (
        "라이선스를 제공할 수 있는 원격 데스크톱 라이선스 서버가 없으므로 원격 세션의 연결이 끊어졌습니다.",
        "-",
        "rdp-license",
    ),
    ("내부 오류가 발생했습니다.", "-", "rdp-internal-error"),
    ("-bash: 장치에 남은 공간이 없음", "-", "no-space"),
    // Japanese
    (
        "ssh: connect to host 203.0.113.7 port 22: 接続を拒否されました",
        "-",
        "connect-refused",
    ),
    (
        "次のいずれかの理由により、リモート デスクトップはリモート コンピューターに接続できません:",
        "-",
        "rdp-three-reasons",
    ),
    (
        "認証エラーが発生しました。\n要求された関数はサポートされていません",
        "-",
        "rdp-auth-error",
    ),
    ("資格情報は機能しませんでした", "-", "rdp-credentials"),
    ("内部エラーが発生しました。", "-", "rdp-internal-error"),
    (
        "Instance ins-12345678 has expired and been moved to the recycle bin.",
        "-",
        "notice-expired",
    ),
    ("您的服务器已到期，请续费。", "-", "notice-expired"),
];

fn holds(found: &[Recognised], evidence: &str, state: &str) -> bool {
    let evidence = if evidence == "-" {
        "pasted-error"
    } else {
        evidence
    };
    found
        .iter()
        .any(|r| r.evidence == evidence && r.state == state)
}

/// Nothing else of the same group may be read out of a single message.
fn is_sole(found: &[Recognised], evidence: &str, state: &str) -> bool {
    let evidence = if evidence == "-" {
        "pasted-error"
    } else {
        evidence
    };
    found
        .iter()
        .all(|r| r.evidence != evidence || r.state == state)
}

#[test]
fn every_known_text_gives_its_state_and_no_other() {
    let mut wrong = Vec::new();
    for (text, evidence, state) in ROWS {
        let found = recognise(text);
        if !holds(&found, evidence, state) || !is_sole(&found, evidence, state) {
            wrong.push(format!(
                "{text:?}\n  wants {evidence} {state}, got {found:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn noise_around_and_within_changes_nothing() {
    type Shape = (&'static str, fn(&str) -> String);
    let shapes: &[Shape] = &[
        ("upper case", |t| t.to_uppercase()),
        ("prompt", |t| {
            format!("[ops@jump ~]$ ssh root@203.0.113.7\n{t}\n[ops@jump ~]$ ")
        }),
        ("log line", |t| {
            format!("Nov 23 21:02:11 web-1 sshd[812]: {t}")
        }),
        ("iso time", |t| {
            t.lines().fold(String::new(), |a, l| {
                a + "2026-11-23T21:02:11.123Z " + l + "\n"
            })
        }),
        ("colour", |t| {
            format!(
                "\u{1b}[1;31m{}\u{1b}[0m",
                t.replace(' ', "\u{1b}[0m \u{1b}[31m")
            )
        }),
        ("quoted mail", |t| {
            t.lines().fold(String::new(), |a, l| a + "> " + l + "\n")
        }),
        ("smart quotes", |t| format!("“{}”", t.replace('\'', "’"))),
        ("json", |t| {
            format!("{{\"stderr\":\"{}\"}}", t.replace('\n', "\\n"))
        }),
    ];
    let mut wrong = Vec::new();
    for (text, evidence, state) in ROWS {
        for (name, shape) in shapes {
            // What follows "Last login" is the message there, and a prompt takes it back.
            if text.starts_with("Last login") && matches!(*name, "prompt" | "json") {
                continue;
            }
            let shaped = shape(text);
            if !holds(&recognise(&shaped), evidence, state) {
                wrong.push(format!("{name}: {shaped:?} wants {state}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn texts_wrapped_at_any_width_are_recognised() {
    let mut wrong = Vec::new();
    for (text, evidence, state) in ROWS {
        for width in [20, 37] {
            let letters: Vec<char> = text.chars().filter(|c| *c != '\r').collect();
            let lines: Vec<String> = letters.chunks(width).map(|c| c.iter().collect()).collect();
            let wrapped = lines.join("\n");
            if !holds(&recognise(&wrapped), evidence, state) {
                wrong.push(format!("{width}: {wrapped:?} wants {state}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_matched_part_is_pointed_at() {
    let text = "$ ssh root@h\nssh: connect to host h port 22: Connection refused\n$";
    let found = recognise(text);
    assert_eq!(found.len(), 1);
    let part = &text[found[0].span.clone()];
    assert!(
        part.ends_with("Connection refused") && part.starts_with("connect to host"),
        "{part}"
    );
    assert_eq!(found[0].stage, Some(Stage::Connect));
}

/// A verbose trace up to, but without, the given line.
fn trace_until(end: &str) -> String {
    let trace = include_str!("data/openssh-vvv.txt");
    let at = trace.find(end).unwrap_or_else(|| panic!("{end}"));
    trace[..at].to_owned()
}

#[test]
fn a_verbose_trace_that_ends_silently_hung_at_its_last_stage() {
    for (end, stage, state) in [
        (
            "debug1: Connection established",
            Stage::Connect,
            "connect-timeout",
        ),
        (
            "debug1: Remote protocol version",
            Stage::Banner,
            "banner-timeout",
        ),
        (
            "debug3: receive packet: type 31",
            Stage::KeyExchange,
            "kex-hang",
        ),
        (
            "debug1: Authentications that can continue: publickey,password",
            Stage::Authentication,
            "slow-login",
        ),
        ("debug3: END", Stage::Session, "hung-after-auth"),
    ] {
        let found = recognise(&trace_until(end));
        assert!(holds(&found, "-", state), "{end}: {found:?}");
        assert_eq!(found[0].stage, Some(stage), "{end}");
    }
}

#[test]
fn the_stage_of_a_trace_tells_apart_the_same_last_words() {
    let last = "Connection closed by 203.0.113.7 port 22\n";
    for (end, state) in [
        ("debug1: Remote protocol version", "closed-before-banner"),
        ("debug3: receive packet: type 31", "kex-closed"),
        ("debug1: Next authentication method", "closed-after-auth"),
    ] {
        let found = recognise(&(trace_until(end) + last));
        assert!(holds(&found, "-", state), "{end}: {found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    let found = recognise("the flux capacitor wants more plutonium");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].state, "unrecognised");
    assert_eq!(recognise(" \n\t\u{1b}[0m "), Vec::new());
}

#[test]
fn a_healthy_session_is_not_an_error() {
    let text = "Last login: Mon Nov 23 21:02:11 2026 from 198.51.100.4\n[root@web-1 ~]# uptime\n\
        logout\nConnection to 203.0.113.7 closed.";
    assert_eq!(
        recognise(text)[0].state,
        "unrecognised",
        "{:?}",
        recognise(text)
    );
}

#[test]
fn readings_are_the_operators_and_safe_to_show() {
    let rows = readings("\u{1b}]0;x\u{7}Permission \u{202e}denied\u{1b}[31m (publickey)\u{0}.");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].id, "pasted-error");
    assert_eq!(rows[0].status, Status::Observed);
    assert_eq!(rows[0].source, Source::Operator);
    assert_eq!(
        rows[0].state.as_deref(),
        Some("permission-denied-publickey")
    );
    assert!(
        rows[0]
            .detail
            .chars()
            .all(|c| !c.is_control() && c != '\u{202e}'),
        "{:?}",
        rows[0].detail
    );
    assert!(rows[0].detail.contains("Permission denied"));
}

#[test]
fn several_messages_give_one_row_each() {
    let text = "Account locked due to 7 failed logins\nHint: Caps Lock on\nModule is unknown";
    let states: Vec<_> = readings(text).into_iter().filter_map(|r| r.state).collect();
    assert_eq!(
        states,
        ["account-locked", "caps-lock-hint", "pam-module-unknown"]
    );
}

#[test]
fn a_pasted_megabyte_is_cut_and_both_ends_are_read() {
    let middle = "Module is unknown ".repeat(60_000);
    let text = format!(
        "Host key verification failed. {}{}{} Access denied",
        "x ".repeat(MAX_TEXT),
        middle,
        "y ".repeat(MAX_TEXT)
    );
    assert!(text.len() > 1_000_000);
    let start = std::time::Instant::now();
    let found = recognise(&text);
    assert!(start.elapsed().as_secs() < 5);
    let states: Vec<_> = found.iter().map(|r| r.state.as_str()).collect();
    assert_eq!(
        states,
        ["host-key-changed"],
        "the weak text beside it does not count"
    );
    let text = text.replace("Host key verification failed", "nothing");
    assert_eq!(recognise(&text)[0].state, "permission-denied-password");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_without_a_panic(text in "(?s).{0,400}") {
        check_bounds(&text)?;
    }

    #[test]
    fn pieces_of_known_texts_in_noise_are_read_without_a_panic(
        row in 0..ROWS.len(), from in 0_usize..60, to in 0_usize..200,
        noise in "[\u{1b}\\[\\]\\\\^&;m0-9un \u{9b}\u{7}가中é*{}-]{0,40}",
    ) {
        let letters: Vec<char> = ROWS[row].0.chars().collect();
        let from = from.min(letters.len());
        let to = to.clamp(from, letters.len().max(from));
        let piece: String = letters[from..to].iter().collect();
        check_bounds(&format!("{noise}{piece}{noise}"))?;
    }
}

fn check_bounds(text: &str) -> Result<(), TestCaseError> {
    for found in recognise(text) {
        prop_assert!(found.span.start <= found.span.end && found.span.end <= text.len());
        prop_assert!(
            text.get(found.span.clone()).is_some(),
            "span cuts a character"
        );
    }
    for reading in readings(text) {
        prop_assert!(reading.detail.chars().count() < 300);
        prop_assert!(!reading.detail.chars().any(char::is_control));
    }
    Ok(())
}

#[test]
fn every_state_is_in_the_vocabulary_of_the_knowledge() {
    let text = include_str!("../assets/knowledge/evidence.toml");
    let file: toml::Table = toml::from_str(text).expect("the vocabulary parses");
    let groups = file["evidence"].as_array().expect("a list of groups");
    for (group, state) in cvmtop::guide::error_text::states() {
        let found = groups.iter().find(|g| g["id"].as_str() == Some(group));
        let states = found.unwrap_or_else(|| panic!("no group {group}"))["states"].as_array();
        let known = states.is_some_and(|s| s.iter().any(|s| s.as_str() == Some(state)));
        assert!(known, "{group} has no state {state}");
    }
}
