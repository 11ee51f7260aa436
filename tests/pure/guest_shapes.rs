//! Every state of every `guest-*` group, from an answer of the recorded shape.
//!
//! The base is the answer of a guest in order (the one that the demo gives); each row replaces
//! some of its lines. What a real Linux answers is in `guest_linux.rs`.

use cvmtop::diagnosis::Knowledge;
use cvmtop::domain::evidence::{Reading, Status};
use cvmtop::domain::instance::Os;
use cvmtop::guest::{self, GuestQuestion};

/// System, group, state, and the lines that take the place of those of the same group and key;
/// `-group key` removes them. Fields of a line are separated by the first two spaces.
type Row = (Os, &'static str, &'static str, &'static [&'static str]);

const LINUX: Os = Os::Linux;
const WINDOWS: Os = Os::Windows;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (LINUX, "guest-service", "running", &[]),
    (LINUX, "guest-service", "stopped", &["-service process", "service unit ssh.service LoadState=loaded ActiveState=inactive SubState=dead Result=success"]),
    (LINUX, "guest-service", "failed", &["-service process", "service unit ssh.service LoadState=loaded ActiveState=failed SubState=failed Result=exit-code ExecMainStatus=255"]),
    (LINUX, "guest-service", "failed", &["-service process", "-service unit", "service missing-library libcrypto.so.10"]),
    (LINUX, "guest-service", "hung", &["service process T 1 sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"]),
    (LINUX, "guest-listener", "expected-port", &[]),
    (LINUX, "guest-listener", "other-port", &["listener ss 0.0.0.0:2222 users:((\"sshd\",pid=871,fd=3))"]),
    (LINUX, "guest-listener", "none", &["-listener ss"]),
    (LINUX, "guest-listener", "loopback-only", &["listener ss 127.0.0.1:22 users:((\"sshd\",pid=871,fd=3))"]),
    (LINUX, "guest-listener", "ipv6-only", &["listener ss [2001:db8::5]:22 users:((\"sshd\",pid=871,fd=3))"]),
    (LINUX, "guest-sshd-config", "valid", &[]),
    (LINUX, "guest-sshd-config", "invalid", &["config test 255", "config message /etc/ssh/sshd_config: line 3: Bad configuration option: Prot"]),
    (LINUX, "guest-sshd-config", "permissions", &["config test 255", "config message /var/empty/sshd must be owned by root and not group or world-writable.", "config privsep drwxrwxrwx 0 /var/empty/sshd"]),
    (LINUX, "guest-sshd-config", "host-keys-missing", &["config test 1", "config message sshd: no hostkeys available -- exiting.", "config hostkeys missing", "-config keymode"]),
    (LINUX, "guest-auth-policy", "ok", &[]),
    (LINUX, "guest-auth-policy", "user-denied", &["policy sshd denyusers deploy"]),
    (LINUX, "guest-auth-policy", "password-disabled", &["policy sshd passwordauthentication no", "policy sshd kbdinteractiveauthentication no"]),
    (LINUX, "guest-auth-policy", "too-few-tries", &["policy sshd maxauthtries 1", "authlog line sshd[7]: error: maximum authentication attempts exceeded for deploy from 203.0.113.7 port 4 ssh2 [preauth]"]),
    (LINUX, "guest-firewall", "allow", &[]),
    (LINUX, "guest-firewall", "drop", &["firewall plain +@iptables legacy", "firewall plain +*filter", "firewall plain +:INPUT DROP [0:0]", "firewall plain +COMMIT", "firewall plain +@end"]),
    (LINUX, "guest-firewall", "reject", &["firewall plain +@iptables legacy", "firewall plain +*filter", "firewall plain +:INPUT ACCEPT [0:0]", "firewall plain +-A INPUT -p tcp -m tcp --dport 22 -j REJECT --reject-with icmp-port-unreachable", "firewall plain +COMMIT", "firewall plain +@end"]),
    (LINUX, "guest-source-block", "none", &[]),
    (LINUX, "guest-source-block", "blocked", &["source fail2ban sshd 203.0.113.7 198.51.100.2"]),
    (LINUX, "guest-throttle", "ok", &[]),
    (LINUX, "guest-throttle", "max-startups", &["throttle line 10:00:00 sshd[871]: drop connection #14 from [198.51.100.8]:40112 on [10.0.0.5]:22 past MaxStartups"]),
    (LINUX, "guest-throttle", "source-penalty", &["throttle line 10:00:00 sshd[871]: drop connection #0 from [203.0.113.7]:40112 penalty: failed authentication"]),
    (LINUX, "guest-account", "ok", &[]),
    (LINUX, "guest-account", "locked", &["account faillock 5"]),
    (LINUX, "guest-account", "expired", &["account expired since day 18262 after 1970-01-01"]),
    (LINUX, "guest-account", "password-expired", &["account expiry Password expires : password must be changed"]),
    (LINUX, "guest-account", "password-expired", &["account today 20450", "account aging 0 0 99999 7 - -"]),
    (LINUX, "guest-account", "password-expired", &["account today 20450", "account aging 20300 0 90 7 - -"]),
    (LINUX, "guest-account", "expired", &["account today 20450", "account aging 20300 0 90 7 30 -"]),
    (LINUX, "guest-account", "no-shell", &["account passwd deploy:1000:1000:/home/deploy:/sbin/nologin"]),
    (LINUX, "guest-account", "limits", &["account limit * hard nofile 99999999"]),
    (LINUX, "guest-account", "absent", &["account passwd absent"]),
    (LINUX, "guest-auth-log", "none", &[]),
    (LINUX, "guest-auth-log", "failed-password", &["authlog line sshd[7]: Failed password for deploy from 203.0.113.7 port 4 ssh2"]),
    (LINUX, "guest-auth-log", "failed-key", &["authlog line sshd[7]: Failed publickey for deploy from 203.0.113.7 port 4 ssh2: ED25519 SHA256:x"]),
    (LINUX, "guest-auth-log", "invalid-user", &["authlog line sshd[7]: Invalid user deploy from 203.0.113.7 port 4"]),
    (LINUX, "guest-auth-log", "policy-refused", &["authlog line sshd[7]: User deploy from 203.0.113.7 not allowed because not listed in AllowUsers"]),
    (LINUX, "guest-auth-log", "accepted-then-closed", &["authlog line sshd[7]: Accepted password for deploy from 203.0.113.7 port 4 ssh2", "authlog line sshd[7]: pam_unix(sshd:session): session closed for user deploy"]),
    (LINUX, "guest-auth-log", "accepted", &["authlog line sshd[7]: Accepted publickey for deploy from 203.0.113.7 port 4 ssh2"]),
    (LINUX, "guest-reset-agent", "ok", &[]),
    (LINUX, "guest-reset-agent", "missing", &["reset agent missing"]),
    (LINUX, "guest-reset-agent", "stopped", &["reset enabled disabled"]),
    (LINUX, "guest-pam", "ok", &[]),
    (LINUX, "guest-pam", "broken", &["pam missing pam_no_such.so"]),
    (LINUX, "guest-pam", "restricts", &["account nologin-file yes"]),
    (LINUX, "guest-filesystem", "ok", &[]),
    (LINUX, "guest-filesystem", "full", &["disk space 100% /"]),
    (LINUX, "guest-filesystem", "inodes-full", &["disk inodes 100% /var"]),
    (LINUX, "guest-filesystem", "read-only", &["disk mount / ro"]),
    (LINUX, "guest-load", "ok", &[]),
    (LINUX, "guest-load", "cpu", &["load average 9.00 9.00 9.00 2/310 20417", "load cpu0 1000 100 0", "load cpu1 3000 100 0"]),
    (LINUX, "guest-load", "memory", &["load memory MemTotal: 3893248 kB", "load memory MemAvailable: 20480 kB"]),
    (LINUX, "guest-load", "io", &["load average 9.00 9.00 9.00 2/310 20417", "load blocked 9", "load cpu0 1000 100 0", "load cpu1 3000 1900 100"]),
    (LINUX, "guest-load", "oom-killed", &["load oom kernel: Out of memory: Killed process 871 (sshd)"]),
    (LINUX, "guest-load", "processes", &["load tasks 32760 32768"]),
    (LINUX, "guest-boot", "ok", &[]),
    (LINUX, "guest-boot", "failed-units", &["boot failed NetworkManager.service"]),
    (LINUX, "guest-boot", "emergency", &["boot emergency emergency.target active"]),
    (LINUX, "guest-profile", "ok", &[]),
    (LINUX, "guest-profile", "loop", &["profile source /etc/profile.d/x.sh:1:source /etc/profile.d/x.sh"]),
    (LINUX, "guest-network", "ok", &[]),
    (LINUX, "guest-network", "misconfigured", &["-network default"]),
    (LINUX, "guest-network", "routes", &["network reply 203.0.113.7 from 10.0.0.5 dev tun0 src 10.8.0.2 uid 0"]),
    (LINUX, "guest-network", "routes", &["network reply RTNETLINK answers: No route to host"]),
    (LINUX, "guest-dns", "ok", &[]),
    (LINUX, "guest-dns", "slow", &["policy sshd usedns yes", "dns seconds 10"]),
    (LINUX, "guest-login-log", "ok", &[]),
    (LINUX, "guest-login-log", "oversized", &["loginlog bytes 4294967296"]),
    (LINUX, "guest-malware", "clean", &[]),
    (LINUX, "guest-malware", "suspicious", &["malware process kdevtmpfsi"]),
    (LINUX, "guest-access", "ok", &[]),
    (LINUX, "guest-access", "nologin", &["account nologin-file /run/nologin"]),
    (LINUX, "guest-access", "nologin", &["account nologin-file /etc/nologin", "policy sshd port 22"]),
    (LINUX, "guest-access", "ok", &["account nologin-file /run/nologin", "policy sshd port 22"]),
    (LINUX, "guest-access", "denied", &["pam stack account required pam_access.so", "pam access - : ALL EXCEPT root : ALL", "pam access-read yes"]),
    (LINUX, "guest-access", "sessions-full", &["access limit deploy - maxlogins 2", "access logins 2 2"]),
    (LINUX, "guest-access", "sessions-full", &["access limit * - maxsyslogins 3", "access logins 0 3"]),
    (LINUX, "guest-access", "ok", &["access limit * - maxlogins 2", "access limit deploy - maxlogins 5", "access logins 2 2"]),
    (LINUX, "guest-access", "ok", &["access limit @other hard maxlogins 0", "access logins 2 2"]),
    (LINUX, "guest-key-algorithms", "ok", &[]),
    (LINUX, "guest-key-algorithms", "refused", &["account key 1 ok 2048 ssh-rsa", "policy pubkey ssh-ed25519"]),
    (LINUX, "guest-key-algorithms", "refused", &["account key 1 ok 1024 ssh-rsa", "policy sshd requiredrsasize 2048"]),
    (LINUX, "guest-key-algorithms", "refused", &["algorithms log Nov 23 10:00:00 h sshd[7]: userauth_pubkey: signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms [preauth]"]),
    (LINUX, "guest-key-lookup", "ok", &[]),
    (LINUX, "guest-key-lookup", "helper-failed", &["policy sshd authorizedkeyscommand /opt/keys %u", "lookup helper -rwxrwxrwx 0 /opt/keys"]),
    (LINUX, "guest-key-lookup", "helper-failed", &["lookup log sshd[7]: error: AuthorizedKeysCommand /opt/keys deploy failed, status 1"]),
    (LINUX, "guest-key-lookup", "certificate-refused", &["lookup log sshd[7]: error: Certificate invalid: expired"]),
    (LINUX, "guest-key-lookup", "first-boot", &["lookup cloud-init running", "account passwd absent"]),
    (LINUX, "guest-selinux", "ok", &[]),
    (LINUX, "guest-selinux", "ok", &["selinux mode Enforcing", "policy avc type=AVC msg=audit(1767220000.1:9): avc:  denied  { open } for  pid=7 comm=\"sshd\" name=\"authorized_keys\" tclass=file permissive=0", "clock now 1767225600"]),
    (LINUX, "guest-selinux", "denies", &["selinux mode Enforcing", "policy avc type=AVC msg=audit(1767225000.1:9): avc:  denied  { open } for  pid=7 comm=\"sshd\" name=\"authorized_keys\" tclass=file permissive=0", "clock now 1767225600"]),
    (LINUX, "guest-selinux", "denies", &["selinux mode Enforcing", "selinux wrong /home/deploy/.ssh has context system_u:object_r:default_t:s0, should be unconfined_u:object_r:ssh_home_t:s0"]),
    (LINUX, "guest-terminal", "ok", &[]),
    (LINUX, "guest-terminal", "unavailable", &["terminal mount none"]),
    (LINUX, "guest-terminal", "unavailable", &["terminal ptmx missing"]),
    (LINUX, "guest-terminal", "unavailable", &["terminal kernel 4095 4096 1024"]),
    (LINUX, "guest-connections", "ok", &[]),
    (LINUX, "guest-connections", "table-full", &["connections table 65536 65536"]),
    (LINUX, "guest-connections", "table-full", &["connections full [107000.100000] nf_conntrack: nf_conntrack: table full, dropping packet"]),
    (LINUX, "guest-connections", "queue-overflow", &["connections queue 129 128"]),
    (LINUX, "guest-service-crashes", "none", &[]),
    (LINUX, "guest-service-crashes", "crashing", &["crash kernel [107999.500000] sshd[4311]: segfault at 0 ip 00007f sp 00007f error 4 in libcrypto.so.3"]),
    (LINUX, "guest-service-crashes", "crashing", &["crash log Jan  1 00:00:10 h sshd[4311]: fatal: privsep_preauth: preauth child terminated by signal 31"]),
    (LINUX, "guest-service-crashes", "none", &["crash log Dec 31 18:00:10 h sshd[4311]: fatal: privsep_preauth: preauth child terminated by signal 31"]),
    (LINUX, "guest-clock", "ok", &[]),
    (LINUX, "guest-clock", "wrong", &["clock now 1767222000"]),
    (LINUX, "guest-clock", "wrong", &["clock now 1767229200"]),

    (WINDOWS, "guest-service", "running", &[]),
    (WINDOWS, "guest-service", "stopped", &["service state Stopped"]),
    (WINDOWS, "guest-service", "hung", &["service state Start Pending"]),
    (WINDOWS, "guest-listener", "expected-port", &[]),
    (WINDOWS, "guest-listener", "other-port", &["listener netstat TCP 0.0.0.0:3390 0.0.0.0:0 LISTENING 1012"]),
    (WINDOWS, "guest-listener", "none", &["-listener netstat"]),
    (WINDOWS, "guest-listener", "loopback-only", &["listener netstat TCP 127.0.0.1:3389 0.0.0.0:0 LISTENING 1012"]),
    (WINDOWS, "guest-listener", "ipv6-only", &["listener netstat TCP [::]:3389 [::]:0 LISTENING 1012"]),
    (WINDOWS, "guest-firewall", "allow", &[]),
    (WINDOWS, "guest-firewall", "drop", &["firewall policy {A0C3}|v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=3389|Name=Third-party shield|"]),
    (WINDOWS, "guest-account", "ok", &[]),
    (WINDOWS, "guest-account", "locked", &["account state disabled=False lockout=True"]),
    (WINDOWS, "guest-account", "absent", &["account state absent"]),
    (WINDOWS, "guest-auth-log", "none", &[]),
    (WINDOWS, "guest-auth-log", "failed-password", &["authlog line 4625 status=0xc000006d sub=0xc000006a type=10 from=203.0.113.7"]),
    (WINDOWS, "guest-auth-log", "invalid-user", &["authlog line 4625 status=0xc000006d sub=0xc0000064 type=10 from=203.0.113.7"]),
    (WINDOWS, "guest-auth-log", "policy-refused", &["authlog line 4625 status=0xc000015b sub=0x0 type=10 from=203.0.113.7"]),
    (WINDOWS, "guest-auth-log", "accepted", &["authlog line 4624 status= sub= type=10 from=203.0.113.7"]),
    (WINDOWS, "guest-reset-agent", "ok", &[]),
    (WINDOWS, "guest-reset-agent", "missing", &["reset agent missing"]),
    (WINDOWS, "guest-reset-agent", "stopped", &["reset agent present start=Disabled account=LocalSystem"]),
    (WINDOWS, "guest-reset-agent", "blocked", &["reset plugin 1"]),
    (WINDOWS, "guest-filesystem", "ok", &[]),
    (WINDOWS, "guest-filesystem", "full", &["disk space 1000000 53000000000"]),
    (WINDOWS, "guest-load", "ok", &[]),
    (WINDOWS, "guest-load", "cpu", &["load cpu 99"]),
    (WINDOWS, "guest-load", "memory", &["load memory 20480 4194304"]),
    (WINDOWS, "guest-boot", "ok", &[]),
    (WINDOWS, "guest-boot", "emergency", &["boot safe MINIMAL"]),
    (WINDOWS, "guest-network", "ok", &[]),
    (WINDOWS, "guest-network", "misconfigured", &["-network default"]),
    (WINDOWS, "guest-malware", "clean", &[]),
    (WINDOWS, "guest-malware", "suspicious", &["malware process xmrig"]),
    (WINDOWS, "guest-rdp-enabled", "yes", &[]),
    (WINDOWS, "guest-rdp-enabled", "no", &["rdp deny 1"]),
    (WINDOWS, "guest-rdp-enabled", "no", &["rdp policydeny 1"]),
    (WINDOWS, "guest-rdp-port", "same", &[]),
    (WINDOWS, "guest-rdp-port", "other", &["rdp port 3390", "rdp port2 3390"]),
    (WINDOWS, "guest-rdp-port", "inconsistent", &["rdp port2 3390"]),
    (WINDOWS, "guest-rdp-security", "nla-required", &[]),
    (WINDOWS, "guest-rdp-security", "nla-optional", &["rdp nla 0"]),
    (WINDOWS, "guest-rdp-security", "credssp-gap", &["rdp oracle 0"]),
    (WINDOWS, "guest-rdp-rights", "ok", &[]),
    (WINDOWS, "guest-rdp-rights", "ok", &["rights policy SeRemoteInteractiveLogonRight = *S-1-5-32-544", "rights policy SeRemoteInteractiveLogonRight = *S-1-5-32-555", "-rights member", "rights member S-1-5-32-555"]),
    (WINDOWS, "guest-rdp-rights", "missing", &["rights policy SeRemoteInteractiveLogonRight = *S-1-5-32-555"]),
    (WINDOWS, "guest-rdp-rights", "denied", &["rights policy SeDenyRemoteInteractiveLogonRight = *S-1-1-0"]),
    (WINDOWS, "guest-rdp-license", "ok", &[]),
    (WINDOWS, "guest-rdp-license", "grace-expired", &["license role 1", "license days 0"]),
    (WINDOWS, "guest-rdp-license", "session-limit", &["license limit 2", "license sessions 2"]),
    (WINDOWS, "guest-rdp-certificate", "ok", &[]),
    (WINDOWS, "guest-rdp-certificate", "broken", &["certificate valid 2024-01-01 2024-07-01 key=True"]),
    (WINDOWS, "guest-account", "password-expired", &["authlog line 4625 status=0xc000006e sub=0xc0000224 type=10 from=203.0.113.7"]),
    (WINDOWS, "guest-auth-log", "policy-refused", &["authlog line 4625 status=0xc000006e sub=0xc000006f type=10 from=203.0.113.7"]),
    (WINDOWS, "guest-access", "ok", &[]),
    (WINDOWS, "guest-access", "denied", &["account state disabled=True lockout=False"]),
    (WINDOWS, "guest-access", "denied", &["authlog line 4625 status=0xc000006e sub=0xc000006f type=10 from=203.0.113.7"]),
    (WINDOWS, "guest-clock", "ok", &[]),
    (WINDOWS, "guest-clock", "wrong", &["clock now 1767222000"]),
    (WINDOWS, "guest-rdp-sessions", "free", &[]),
    (WINDOWS, "guest-rdp-sessions", "free", &["sessions open 1 1 1 0"]),
    (WINDOWS, "guest-rdp-sessions", "in-use", &["sessions open 0 2 0 0"]),
    (WINDOWS, "guest-rdp-sessions", "in-use", &["sessions open 0 1 0 0", "sessions product 1"]),
    (WINDOWS, "guest-rdp-sessions", "free", &["sessions open 0 9 0 0", "license role 1"]),
    (WINDOWS, "guest-rdp-tls", "ok", &[]),
    (WINDOWS, "guest-rdp-tls", "ok", &["tls suites 14 6"]),
    (WINDOWS, "guest-rdp-tls", "restricted", &["tls protocol TLS 1.2 enabled=0 off=1"]),
    (WINDOWS, "guest-rdp-tls", "restricted", &["tls suites 3 0"]),
    (WINDOWS, "guest-domain", "ok", &[]),
    (WINDOWS, "guest-domain", "ok", &["domain member True", "domain query Trusted DC Connection Status Status = 0 0x0 NERR_Success"]),
    (WINDOWS, "guest-domain", "unreachable", &["domain member True", "domain query Trusted DC Connection Status Status = 1311 0x51f ERROR_NO_LOGON_SERVERS"]),
    (WINDOWS, "guest-ports", "ok", &[]),
    (WINDOWS, "guest-ports", "exhausted", &["ports used 16300"]),
];

/// States that take more than other lines of the answer: who asks decides.
fn special() -> Vec<(GuestQuestion, &'static str, &'static str, String)> {
    let root = |uses_key| GuestQuestion {
        user: "root".to_owned(),
        uses_key: Some(uses_key),
        ..question(LINUX)
    };
    let by_ipv6 = |os| GuestQuestion {
        source: Some("2001:db8::9".parse().expect("an address")),
        ..question(os)
    };
    let only_v4 = "listener ss 0.0.0.0:22 users:((\"sshd\",pid=871,fd=3))";
    vec![
        (
            root(false),
            "guest-auth-policy",
            "root-denied",
            answer(LINUX, &["policy sshd permitrootlogin prohibit-password"]),
        ),
        (
            root(true),
            "guest-auth-policy",
            "ok",
            answer(LINUX, &["policy sshd permitrootlogin prohibit-password"]),
        ),
        (
            by_ipv6(LINUX),
            "guest-listener",
            "ipv4-only",
            answer(LINUX, &[only_v4]),
        ),
    ]
}

fn question(os: Os) -> GuestQuestion {
    GuestQuestion {
        user: "deploy".to_owned(),
        source: Some("203.0.113.7".parse().expect("an address")),
        port: if os == WINDOWS { 3389 } else { 22 },
        private_address: None,
        uses_key: Some(false),
        asked_at: Some(1_767_225_600),
    }
}

fn key(line: &str) -> String {
    line.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The answer of a guest in order with lines replaced, as the script prints it.
fn answer(os: Os, changes: &[&str]) -> String {
    let shipped: toml::Table =
        toml::from_str(include_str!("../../assets/demo/guest.toml")).expect("TOML");
    let system = if os == WINDOWS { "windows" } else { "linux" };
    let base = shipped[system]["base"].as_str().expect("text");
    let port = question(os).port.to_string();
    let filled = base
        .replace("{user}", "deploy")
        .replace("{source}", "203.0.113.7")
        .replace("{address}", "10.0.0.5")
        .replace("{port}", &port)
        .replace("{time}", "1767225600");
    let replaced: Vec<String> = changes
        .iter()
        .map(|line| key(line.trim_start_matches('-')))
        .collect();
    let kept = filled
        .lines()
        .filter(|line| !line.is_empty() && !replaced.contains(&key(line)));
    let added = changes
        .iter()
        .copied()
        .filter(|line| !line.starts_with('-'));
    // The end mark must stay last.
    let (end, kept): (Vec<&str>, Vec<&str>) = kept.partition(|line| line.starts_with("check end"));
    let lines = kept.into_iter().chain(added).chain(end);
    let lines: Vec<String> = lines.map(|line| line.replacen(' ', "\t", 2)).collect();
    lines.join("\n") + "\n"
}

fn find<'a>(readings: &'a [Reading], id: &str) -> &'a Reading {
    readings.iter().find(|r| r.id == id).expect("a reading")
}

#[test]
fn every_state_of_a_guest_is_read_from_an_answer_of_its_shape() {
    let mut wrong = Vec::new();
    let mut produced = Vec::new();
    let rows = ROWS
        .iter()
        .map(|(os, id, state, changes)| (*os, question(*os), *id, *state, answer(*os, changes)))
        .chain(
            special()
                .into_iter()
                .map(|(question, id, state, text)| (LINUX, question, id, state, text)),
        );
    for (os, question, id, want, text) in rows {
        let readings = guest::readings(os, &text, &question);
        let reading = find(&readings, id);
        if reading.observed_state() == Some(want) {
            produced.push((id, want));
        } else {
            let (state, detail) = (&reading.state, &reading.detail);
            wrong.push(format!("{os:?} {id}: {state:?}, not {want}: {detail}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let table: toml::Table =
        toml::from_str(include_str!("../data/evidence.toml")).expect("data/evidence.toml");
    let awaited = |group: &str, state: &str| {
        let states = table["awaited"].get(group).and_then(toml::Value::as_array);
        states.is_some_and(|all| all.iter().any(|s| s.as_str() == Some(state)))
    };
    for group in &Knowledge::shipped().evidence {
        for state in group
            .states
            .iter()
            .filter(|_| group.id.starts_with("guest-"))
            .filter(|state| !awaited(&group.id, state))
        {
            assert!(
                produced.contains(&(group.id.as_str(), state.as_str())),
                "no row produces {} = {state}",
                group.id
            );
        }
    }
}

#[test]
fn a_part_that_is_missing_from_the_answer_is_no_finding() {
    for os in [LINUX, WINDOWS] {
        let whole = answer(os, &[]);
        let usual = guest::readings(os, &whole, &question(os));
        let groups: Vec<String> = whole
            .lines()
            .filter_map(|line| line.split('\t').next().map(str::to_owned))
            .collect();
        for group in groups {
            let start = format!("{group}\t");
            let rest: Vec<&str> = whole
                .lines()
                .filter(|line| !line.starts_with(&start))
                .collect();
            let text = rest.join("\n");
            for reading in guest::readings(os, &text, &question(os)) {
                let before = find(&usual, &reading.id).observed_state();
                match reading.observed_state() {
                    Some(state) => {
                        assert_eq!(Some(state), before, "without {group}: {reading:?}");
                    }
                    None => assert_eq!(reading.status, Status::NotAttempted, "{reading:?}"),
                }
            }
        }
    }
}

/// What looks like a finding and is none: the reading must say that it does not know.
#[rustfmt::skip]
const UNKNOWN: &[Row] = &[
    (LINUX, "guest-access", "", &["pam stack account required pam_exec.so /x"]),
    (LINUX, "guest-access", "", &["access limit deploy - maxlogins 2", "-access logins"]),
    (LINUX, "guest-access", "", &["access limit 1000: - maxlogins 1"]),
    (LINUX, "guest-access", "", &["access limit * - maxlogins 2", "access cut limit"]),
    (LINUX, "guest-key-algorithms", "", &["-policy pubkey"]),
    (LINUX, "guest-key-algorithms", "", &["account key 1 ok 2048 ssh-rsa", "account key 1 ok 256 ssh-ed25519", "policy pubkey ssh-ed25519"]),
    (LINUX, "guest-key-algorithms", "", &["-account key"]),
    (LINUX, "guest-key-lookup", "", &["policy sshd authorizedkeyscommand /opt/keys %u"]),
    (LINUX, "guest-key-lookup", "", &["lookup cloud-init unclear", "-account key"]),
    (LINUX, "guest-key-lookup", "", &["-lookup cloud-init", "-account key"]),
    (LINUX, "guest-selinux", "", &["selinux mode Enforcing", "-kernel log"]),
    (LINUX, "guest-selinux", "", &["selinux mode nonsense"]),
    (LINUX, "guest-selinux", "", &["selinux mode Enforcing", "policy avc avc:  denied  { open } for  pid=7 comm=\"sshd\" name=\"authorized_keys\" tclass=file"]),
    (LINUX, "guest-selinux", "", &["selinux mode Enforcing", "policy avc type=AVC msg=audit(1767225000.1:9): avc:  denied  { getattr } for  pid=7 comm=\"sshd\" path=\"/proc/1\" tclass=dir permissive=0", "clock now 1767225600"]),
    (LINUX, "guest-selinux", "", &["selinux mode Enforcing", "selinux wrong /home/deploy/.ssh has context system_u:object_r:user_home_t:s0, should be unconfined_u:object_r:ssh_home_t:s0"]),
    (LINUX, "guest-terminal", "", &["terminal kernel 4000 4096 1024"]),
    (LINUX, "guest-terminal", "", &["terminal kernel  4096 1024"]),
    (LINUX, "guest-terminal", "", &["policy sshd permittty no"]),
    (LINUX, "guest-connections", "", &["connections overflow 4", "connections overflow 9"]),
    (LINUX, "guest-connections", "", &["connections overflow 4"]),
    (LINUX, "guest-connections", "", &["-connections queue"]),
    (LINUX, "guest-connections", "", &["connections table 65536 "]),
    (LINUX, "guest-connections", "", &["connections full nf_conntrack: table full, dropping packet"]),
    (LINUX, "guest-service-crashes", "", &["-kernel log"]),
    (LINUX, "guest-service-crashes", "", &["authlog checked 0"]),
    (LINUX, "guest-service-crashes", "", &["crash kernel sshd[7]: segfault at 0"]),
    (LINUX, "guest-clock", "", &["clock now 1767225400"]),
    (LINUX, "guest-clock", "", &["clock asked "]),
    (LINUX, "guest-network", "", &["network reply ?"]),
    (WINDOWS, "guest-access", "", &["account state absent"]),
    (WINDOWS, "guest-access", "", &["-authlog checked"]),
    (WINDOWS, "guest-rdp-sessions", "", &["sessions open 0 1 1 0"]),
    (WINDOWS, "guest-rdp-sessions", "", &["-sessions checked"]),
    (WINDOWS, "guest-rdp-sessions", "", &["-license role", "sessions open 0 3 0 0"]),
    (WINDOWS, "guest-rdp-tls", "", &["tls protocol TLS 1.2 enabled= off=1"]),
    (WINDOWS, "guest-domain", "", &["domain member True"]),
    (WINDOWS, "guest-domain", "", &["domain member True", "domain query Status = 5 0x5 ERROR_ACCESS_DENIED"]),
];

#[test]
fn what_was_not_read_or_not_understood_is_no_finding() {
    let mut wrong = Vec::new();
    for (os, id, _, changes) in UNKNOWN {
        let readings = guest::readings(*os, &answer(*os, changes), &question(*os));
        let reading = find(&readings, id);
        if reading.status != Status::NotAttempted || reading.detail.is_empty() {
            wrong.push(format!(
                "{id} {changes:?}: {:?}: {}",
                reading.state, reading.detail
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
