//! The policy of sshd against real logins: each set-up is a real server with real accounts in
//! namespaces of its own; who gets in is what the client's own `ssh` says.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cvmtop::domain::instance::Os;
use cvmtop::guest::{GuestQuestion, readings, script};

/// Accounts: alice and root and lockd (locked) have the key on file, bob, root and toor (root by
/// number) the password `pw`, svc has neither password nor key, carol both.
const ROOM: &str = r#"
set -e
T=$(mktemp -d -p /dev/shm); mount -t tmpfs tmpfs "$T"; mkdir "$T/u" "$T/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/u,workdir=$T/w" /etc
mount -t tmpfs tmpfs /run; mkdir -p /run/sshd /run/faillock
mount -t tmpfs tmpfs /var/log; : >/var/log/btmp; : >/var/log/wtmp; : >/var/log/auth.log
mount -t tmpfs tmpfs /home; mount -t tmpfs -o mode=700 tmpfs /root
ip link set lo up
for a in 10.0.0.10 203.0.113.7 10.0.0.1; do ip addr add $a/32 dev lo; done
ip -6 addr add 2001:db8::10/128 dev lo; ip -6 addr add 2001:db8::7/128 dev lo
rm -f /etc/ssh/ssh_host_*; cp "$DIR/host" /etc/ssh/ssh_host_ed25519_key; chmod 600 /etc/ssh/ssh_host_ed25519_key
rm -rf /etc/ssh/sshd_config.d; mkdir -p /etc/ssh/sshd_config.d; : >/etc/hosts.deny; : >/etc/hosts.allow
HASH='$6$cvmtop$zl9maazBFEq6t2ohqiD.YUZSPAFJIct/Bku5j32hwhrUoPJiYBsL0LKinHLBUmjaISO8zyNhX33DMAENqEMaH/'
printf '%s\n' root:x:0:0::/root:/bin/sh daemon:x:1:1::/:/usr/sbin/nologin sshd:x:101:65534::/run/sshd:/usr/sbin/nologin nobody:x:65534:65534::/:/usr/sbin/nologin \
  alice:x:1001:1001::/home/alice:/bin/sh bob:x:1002:1002::/home/bob:/bin/sh carol:x:1003:1003::/home/carol:/bin/sh lockd:x:1004:1004::/home/lockd:/bin/sh \
  svc:x:1005:1005::/home/svc:/bin/sh toor:x:0:0::/root:/bin/sh >/etc/passwd
printf '%s\n' root:x:0: daemon:x:1: nogroup:x:65534: alice:x:1001: bob:x:1002: carol:x:1003: lockd:x:1004: svc:x:1005: wheel:x:10:bob,carol "staff two:x:50:alice" >/etc/group
printf '%s\n' "root:$HASH:20000:0:99999:7:::" "alice:*:20000:0:99999:7:::" "bob:$HASH:20000:0:99999:7:::" "carol:$HASH:20000:0:99999:7:::" \
  "lockd:!$HASH:20000:0:99999:7:::" "svc:!:20000:0:99999:7:::" "toor:$HASH:20000:0:99999:7:::" >/etc/shadow
chmod 600 /etc/shadow
for u in alice bob carol lockd svc; do mkdir -p /home/$u; chown $u:$u /home/$u; done
keys() { d=$(eval echo "~$1")/.ssh; mkdir -p "$d"; cp "$DIR/key.pub" "$d/authorized_keys"; chmod 700 "$d"; chmod 600 "$d/authorized_keys"; chown -R $1: "$d"; }
for u in root alice carol lockd; do keys $u; done
sed -i 's/pam_unix.so nullok/pam_unix.so nullok nodelay/' /etc/pam.d/common-auth
printf 'KbdInteractiveAuthentication no\nUsePAM yes\n' >/etc/ssh/sshd_config
conf() { printf '%b\n' "$1" >>/etc/ssh/sshd_config; }
ARGS=; PORT=22
printf '#!/bin/sh\necho "$ANSWER"\n' >/run/askpass; chmod +x /run/askpass
knock() { python3 -c 'import socket,sys; s=socket.create_connection((sys.argv[1],int(sys.argv[2])),1); sys.exit(not s.recv(4))' 10.0.0.10 $PORT; }
login() { # USER SOURCE BY
  local to=10.0.0.10 with="-o BatchMode=yes -o PreferredAuthentications=publickey -o IdentitiesOnly=yes -i $DIR/key"
  case $2 in *:*) to=2001:db8::10 ;; esac
  [ $3 = key ] || with="-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o PreferredAuthentications=keyboard-interactive,password"
  [ $3 = empty ] && ANSWER= || ANSWER=pw
  SSH_ASKPASS=/run/askpass SSH_ASKPASS_REQUIRE=force ANSWER=$ANSWER timeout 20 setsid ssh -F none -p $PORT -b $2 -o ConnectTimeout=5 -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR $with $1@$to 'echo in$((40+2))' </dev/null 2>/run/login.err | grep -q in42
}
set +e
"#;

/// A set-up: its name, shell lines that make it, and who tries from where with what.
type Setup = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, &'static str)],
);

const OUT: &str = "203.0.113.7";
const IN: &str = "10.0.0.1";
const V6: &str = "2001:db8::7";

#[rustfmt::skip]
const SETUPS: &[Setup] = &[
    ("as installed", "", &[("alice", OUT, "key"), ("bob", OUT, "password"), ("root", OUT, "key"), ("root", OUT, "password"), ("alice", V6, "key"), ("lockd", OUT, "key"), ("lockd", OUT, "password"), ("svc", OUT, "password"), ("bob", OUT, "key")]),
    ("root by key and password", "conf 'PermitRootLogin yes'", &[("root", OUT, "password"), ("toor", OUT, "password"), ("root", OUT, "key")]),
    ("no root", "conf 'PermitRootLogin no'", &[("root", OUT, "key"), ("toor", OUT, "password"), ("alice", OUT, "key")]),
    ("forced commands only", "conf 'PermitRootLogin forced-commands-only'", &[("root", OUT, "key"), ("root", OUT, "password")]),
    ("root sent elsewhere, as cloud images do", "sed -i 's/^/no-pty,command=\"echo Please login as another user;exit 142\" /' /root/.ssh/authorized_keys", &[("root", OUT, "key")]),
    ("AllowUsers name", "conf 'AllowUsers alice'", &[("alice", OUT, "key"), ("bob", OUT, "password"), ("root", OUT, "key")]),
    ("AllowUsers comma", "conf 'AllowUsers alice,bob'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("AllowUsers negated", "conf 'AllowUsers * !bob'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("AllowUsers at pattern", "conf 'AllowUsers alice@203.0.113.* bob'", &[("alice", OUT, "key"), ("alice", IN, "key"), ("bob", IN, "password")]),
    ("AllowUsers at net", "conf 'AllowUsers alice@10.0.0.0/8'", &[("alice", OUT, "key"), ("alice", IN, "key")]),
    ("AllowUsers at list", "conf 'AllowUsers *@!203.0.113.7,*'", &[("alice", OUT, "key"), ("alice", IN, "key")]),
    ("AllowUsers at IPv6", "conf 'AllowUsers alice@2001:db8::/32'", &[("alice", V6, "key"), ("alice", OUT, "key")]),
    ("two AllowUsers lines", "conf 'AllowUsers alice\\nAllowUsers b?b'", &[("bob", OUT, "password"), ("carol", OUT, "key")]),
    ("AllowUsers by name", "conf 'UseDNS yes\\nAllowUsers alice@client1'; echo '203.0.113.7 client1' >>/etc/hosts", &[("alice", OUT, "key"), ("alice", IN, "key")]),
    ("AllowUsers by name without UseDNS", "conf 'AllowUsers alice@client1'; echo '203.0.113.7 client1' >>/etc/hosts", &[("alice", OUT, "key")]),
    ("DenyUsers at host", "conf 'DenyUsers *@203.0.113.*'", &[("alice", OUT, "key"), ("alice", IN, "key")]),
    ("DenyUsers", "conf 'DenyUsers al*'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("DenyUsers and AllowUsers", "conf 'AllowUsers alice\\nDenyUsers alice@10.*'", &[("alice", IN, "key"), ("alice", OUT, "key")]),
    ("AllowGroups", "conf 'AllowGroups wheel'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("AllowGroups comma", "conf 'AllowGroups wheel,alice'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("AllowGroups negated", "conf 'AllowGroups *,!wheel'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("AllowGroups with a blank", "conf 'AllowGroups \"staff two\"'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("DenyGroups", "conf 'DenyGroups whee?'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("no keys", "conf 'PubkeyAuthentication no'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("no passwords", "conf 'PasswordAuthentication no'", &[("bob", OUT, "password"), ("alice", OUT, "key"), ("bob", OUT, "key")]),
    ("interactive instead of password", "sed -i 's/Interactive.* no/InteractiveAuthentication yes/' /etc/ssh/sshd_config; conf 'PasswordAuthentication no'", &[("bob", OUT, "password")]),
    ("interactive without PAM", "printf 'KbdInteractiveAuthentication yes\\nUsePAM no\\nPasswordAuthentication no\\n' >/etc/ssh/sshd_config", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("key and password", "conf 'AuthenticationMethods publickey,password'", &[("alice", OUT, "key"), ("carol", OUT, "password")]),
    ("key only by methods", "conf 'AuthenticationMethods publickey'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("two keys", "conf 'AuthenticationMethods publickey,publickey'", &[("alice", OUT, "key")]),
    ("either", "conf 'AuthenticationMethods publickey,password password'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("Match User", "conf 'Match User bob\\n PasswordAuthentication no'", &[("bob", OUT, "password"), ("carol", OUT, "password")]),
    ("Match Group", "conf 'Match Group wheel,!root\\n PubkeyAuthentication no'", &[("carol", OUT, "key"), ("alice", OUT, "key")]),
    ("Match Address", "conf 'PasswordAuthentication no\\nMatch Address 10.0.0.0/8\\n PasswordAuthentication yes'", &[("bob", OUT, "password"), ("bob", IN, "password")]),
    ("Match Host", "conf 'UseDNS yes\\nMatch Host client?\\n DenyUsers bob'; echo '203.0.113.7 client1' >>/etc/hosts", &[("bob", OUT, "password"), ("bob", IN, "password")]),
    ("Match LocalAddress", "conf 'PasswordAuthentication no\\nMatch LocalAddress 10.0.0.10\\n PasswordAuthentication yes'", &[("bob", OUT, "password")]),
    ("Match LocalPort", "PORT=2222; conf 'Port 22\\nPort 2222\\nMatch LocalPort 2222\\n PasswordAuthentication no'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("Match all at the end", "conf 'AllowUsers alice\\nMatch all\\n PasswordAuthentication no'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("drop-in first", "sed -i '1iInclude /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config; echo 'PasswordAuthentication no' >/etc/ssh/sshd_config.d/50-cloud-init.conf; conf 'PasswordAuthentication yes'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("option on the command line", "ARGS='-o PermitRootLogin=no -o PasswordAuthentication=no'", &[("bob", OUT, "password"), ("root", OUT, "key"), ("alice", OUT, "key")]),
    ("list on the command line", "ARGS='-oDenyUsers=alice'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("another file", "printf 'PasswordAuthentication no\\nUsePAM yes\\nKbdInteractiveAuthentication no\\n' >/etc/ssh/other; ARGS='-f /etc/ssh/other'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("no PAM", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config", &[("lockd", OUT, "key"), ("svc", OUT, "password"), ("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("no PAM, nologin", "sed -i 's/UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; touch /etc/nologin", &[("alice", OUT, "key"), ("root", OUT, "key")]),
    ("empty password", "sed -i 's/^bob:[^:]*/bob:/' /etc/shadow", &[("bob", OUT, "empty")]),
    ("empty password allowed", "sed -i 's/^bob:[^:]*/bob:/' /etc/shadow; conf 'PermitEmptyPasswords yes'", &[("bob", OUT, "empty")]),
    ("keys elsewhere", "conf 'AuthorizedKeysFile /etc/ssh/keys/%u'; mkdir /etc/ssh/keys; cp $DIR/key.pub /etc/ssh/keys/bob; chmod 755 /etc/ssh/keys; chmod 644 /etc/ssh/keys/bob", &[("alice", OUT, "key"), ("bob", OUT, "key")]),
    ("keys elsewhere, unreadable", "conf 'AuthorizedKeysFile /etc/ssh/keys/%u'; mkdir /etc/ssh/keys; cp $DIR/key.pub /etc/ssh/keys/bob; chmod 755 /etc/ssh/keys; chmod 600 /etc/ssh/keys/bob", &[("bob", OUT, "key")]),
    ("second file of keys", "conf 'AuthorizedKeysFile .ssh/none %h/.ssh/authorized_keys'", &[("alice", OUT, "key")]),
    ("no file of keys", "conf 'AuthorizedKeysFile none'", &[("alice", OUT, "key")]),
    ("home open to all", "chmod 777 /home/alice", &[("alice", OUT, "key")]),
    ("home open to its own group", "chmod 775 /home/alice", &[("alice", OUT, "key")]),
    ("home open to a shared group", "chgrp wheel /home/alice; chmod 775 /home/alice", &[("alice", OUT, "key")]),
    ("folder of keys open", "chmod 777 /home/alice/.ssh", &[("alice", OUT, "key")]),
    ("modes not looked at", "chmod 777 /home/alice; conf 'StrictModes no'", &[("alice", OUT, "key")]),
    ("keys of another owner", "chown bob /home/alice/.ssh/authorized_keys; chmod 644 /home/alice/.ssh/authorized_keys", &[("alice", OUT, "key")]),
    ("keys of root", "chown root: /home/alice/.ssh/authorized_keys; chmod 644 /home/alice/.ssh/authorized_keys", &[("alice", OUT, "key")]),
    ("keys of root, unreadable", "chown root: /home/alice/.ssh/authorized_keys", &[("alice", OUT, "key")]),
    ("parent open", "chmod 777 /home", &[("alice", OUT, "key")]),
    ("home by a link", "mv /home/alice /home/real; ln -s /home/real /home/alice", &[("alice", OUT, "key")]),
    ("key cut in two", "fold -w 40 $DIR/key.pub >/home/alice/.ssh/authorized_keys", &[("alice", OUT, "key")]),
    ("key for another source", "sed -i 's/^/from=\"10.0.0.0\\/8\" /' /home/alice/.ssh/authorized_keys", &[("alice", OUT, "key"), ("alice", IN, "key")]),
    ("key with an unknown option", "sed -i 's/^/no-such-option /' /home/alice/.ssh/authorized_keys", &[("alice", OUT, "key")]),
    ("key with options", "sed -i 's/^/no-pty,no-agent-forwarding,environment=\"A=b c\" /' /home/alice/.ssh/authorized_keys", &[("alice", OUT, "key")]),
    ("algorithms without the key's", "conf 'PubkeyAcceptedAlgorithms rsa-sha2-256'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("key revoked", "cp $DIR/key.pub /etc/ssh/revoked; conf 'RevokedKeys /etc/ssh/revoked'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("key revoked by a list", "ssh-keygen -qkf /etc/ssh/revoked $DIR/key.pub; conf 'RevokedKeys /etc/ssh/revoked'", &[("alice", OUT, "key")]),
    ("another key revoked", "ssh-keygen -qkf /etc/ssh/revoked $DIR/host.pub; conf 'RevokedKeys /etc/ssh/revoked'", &[("alice", OUT, "key")]),
    ("revoked list not there", "conf 'RevokedKeys /etc/ssh/gone'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("one try", "conf 'MaxAuthTries 1'", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("expired", "sed -i 's/^alice:.*/alice:*:20000:0:99999:7::100:/; s/^bob:\\([^:]*\\):.*/bob:\\1:20000:0:99999:7::100:/' /etc/shadow", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("password to be changed", "sed -i 's/^bob:\\([^:]*\\):20000/bob:\\1:0/' /etc/shadow", &[("bob", OUT, "password")]),
    ("password too old", "sed -i 's/^bob:\\([^:]*\\):.*/bob:\\1:19000:0:90:7:30::/' /etc/shadow", &[("bob", OUT, "password")]),
    ("nologin", "touch /etc/nologin", &[("alice", OUT, "key"), ("root", OUT, "key")]),
    ("nologin of the boot", "touch /run/nologin; [ -e /var/run/nologin ]", &[("alice", OUT, "key")]),
    ("no shell", "sed -i 's,/home/alice:/bin/sh,/home/alice:/bin/gone,' /etc/passwd", &[("alice", OUT, "key")]),
    ("nologin shell", "sed -i 's,/home/alice:/bin/sh,/home/alice:/usr/sbin/nologin,' /etc/passwd", &[("alice", OUT, "key")]),
    ("pam_access", "sed -i '1iaccount required pam_access.so' /etc/pam.d/sshd; printf '+:root (wheel):ALL\\n+:alice:10.0.0.0/8\\n-:ALL:ALL\\n' >/etc/security/access.conf", &[("alice", OUT, "key"), ("alice", IN, "key"), ("bob", OUT, "password"), ("root", OUT, "key")]),
    ("pam_access with exceptions", "sed -i '1iaccount required pam_access.so' /etc/pam.d/sshd; printf -- '-:ALL EXCEPT root carol:ALL EXCEPT 10.0.0. LOCAL\\n' >/etc/security/access.conf", &[("alice", OUT, "key"), ("alice", IN, "key"), ("carol", OUT, "key")]),
    ("pam_time", "sed -i '1iaccount required pam_time.so' /etc/pam.d/sshd; printf 'sshd;*;alice|bob;!Al0000-2400\\nlogin;*;carol;!Al0000-2400\\n' >/etc/security/time.conf", &[("alice", OUT, "key"), ("carol", OUT, "key")]),
    ("pam_listfile", "sed -i '1iauth required pam_listfile.so item=user sense=allow file=/etc/ok onerr=fail' /etc/pam.d/sshd; echo bob >/etc/ok", &[("bob", OUT, "password"), ("carol", OUT, "password"), ("alice", OUT, "key")]),
    ("pam_listfile denies", "sed -i '1iaccount required pam_listfile.so item=user sense=deny file=/etc/no onerr=succeed' /etc/pam.d/sshd; echo alice >/etc/no", &[("alice", OUT, "key"), ("bob", OUT, "password")]),
    ("uid rule of Red Hat", "printf 'auth required pam_env.so\\nauth sufficient pam_unix.so nullok nodelay\\nauth requisite pam_succeed_if.so uid >= 1000 quiet_success\\nauth required pam_deny.so\\n' >/etc/pam.d/common-auth; conf 'PermitRootLogin yes'", &[("root", OUT, "password"), ("bob", OUT, "password")]),
    ("uid rule first", "sed -i '1iauth required pam_succeed_if.so uid >= 1003' /etc/pam.d/sshd", &[("bob", OUT, "password"), ("carol", OUT, "password")]),
    ("faillock", "sed -i '1iauth required pam_faillock.so preauth deny=3' /etc/pam.d/sshd; python3 -c \"import struct,time; open('/run/faillock/bob','wb').write(struct.pack('<52sHHQ', b'198.51.100.7', 0, 3, int(time.time()))*3)\"; chown bob /run/faillock/bob", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
    ("ForceCommand", "conf 'Match User bob\\n ForceCommand /bin/false'", &[("bob", OUT, "password"), ("alice", OUT, "key")]),
];

fn question(user: &str, source: &str, by: &str, port: u16) -> GuestQuestion {
    let source: IpAddr = source.parse().expect("an address");
    let own = if source.is_ipv6() {
        "2001:db8::10"
    } else {
        "10.0.0.10"
    };
    GuestQuestion {
        user: user.to_owned(),
        source: Some(source),
        port,
        private_address: Some(own.parse().expect("an address")),
        uses_key: Some(by == "key"),
        asked_at: None,
    }
}

/// The check as it stands, without what is about the machine and its firewall: this test asks
/// some two hundred times.
fn part(question: &GuestQuestion) -> String {
    let whole = script(Os::Linux, question);
    let end = whole
        .find("# File systems.")
        .expect("the part about file systems");
    let head = whole
        .find("# Host firewall")
        .filter(|at| *at < end)
        .unwrap_or(end);
    let accounts = whole
        .find("# Entries of the user databases")
        .expect("the part about accounts");
    let (head, rest) = (&whole[..head.min(accounts)], &whole[accounts..end]);
    format!("{head}{rest}say check end 1\n")
}

/// What one set-up came to: right, wrong and unanswered, each with a line.
#[derive(Default)]
struct Table {
    /// Refused, as the group of the account or of PAM says.
    elsewhere: usize,
    right: usize,
    wrong: Vec<String>,
    open: Vec<String>,
}

fn play(folder: &Path, at: usize, (name, lines, logins): &Setup, table: &Mutex<Table>) {
    let port = if lines.contains("PORT=2222") {
        2222
    } else {
        22
    };
    let mut story = format!("DIR={}\n{ROOM}\n{lines}\n", folder.display());
    // The service may refuse to start: then nobody gets in, and the test must not say so.
    story.push_str("/usr/sbin/sshd $ARGS -E /var/log/sshd.err; n=0; until knock 2>/dev/null; do n=$((n+1)); [ $n -lt 100 ] || { echo @dead; cat /var/log/sshd.err; exit; }; sleep 0.05; done\n");
    for (n, (user, source, by)) in logins.iter().enumerate() {
        let file = folder.join(format!("check-{at}-{n}.sh"));
        std::fs::write(&file, part(&question(user, source, by, port))).expect("written");
        // The check goes first: a login may change what it would see.
        let _ = writeln!(
            story,
            "sh {} >{}.out 2>/dev/null; login {user} {source} {by} && echo '@yes {n}' || echo \"@no {n} $(tail -n 1 /run/login.err)\"",
            file.display(),
            file.display()
        );
    }
    let output = Command::new("unshare")
        .args([
            "-mnpf",
            "--kill-child",
            "--mount-proc",
            "bash",
            "-c",
            &story,
        ])
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !said.contains("@dead"),
        "{name}: sshd did not start\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (n, (user, source, by)) in logins.iter().enumerate() {
        let real = said.lines().any(|l| l == format!("@yes {n}"));
        let told = said
            .lines()
            .find(|l| l.starts_with(&format!("@no {n} ")))
            .unwrap_or("");
        assert!(
            real || !told.is_empty(),
            "{name}: no login was tried\n{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let answer = std::fs::read_to_string(folder.join(format!("check-{at}-{n}.sh.out")))
            .expect("an answer");
        assert!(
            answer.contains("check\tend\t1"),
            "{name}: the check did not end\n{answer}"
        );
        assert!(answer.len() < 24 * 1024, "{name}: {} bytes", answer.len());
        let all = readings(Os::Linux, &answer, &question(user, source, by, port));
        let reading = all
            .iter()
            .find(|r| r.id == "guest-auth-policy")
            .expect("told");
        let line = format!(
            "{name}: {user} from {source} by {by}: real {}, read {} ({}) {told}",
            if real { "in" } else { "refused" },
            reading.observed_state().unwrap_or("unanswered"),
            reading.detail
        );
        let mut table = table.lock().expect("no thread panicked");
        match reading.observed_state() {
            // sshd's own rules let the user in; the account or PAM refuses, and its group says so.
            None if ["guest-account", "guest-pam"].iter().any(|group| {
                let other = all.iter().find(|r| r.id == *group);
                other
                    .and_then(|r| r.observed_state())
                    .is_some_and(|s| s != "ok")
            }) =>
            {
                if real {
                    table.wrong.push(line);
                } else {
                    table.elsewhere += 1;
                }
            }
            None => table.open.push(line),
            Some(state) if (state == "ok") == real => table.right += 1,
            Some(_) => table.wrong.push(line),
        }
    }
}

#[test]
fn the_policy_of_sshd_is_told_as_real_logins_go() {
    if let Some(why) = super::obstacle() {
        assert!(std::env::var_os("CI").is_none(), "cannot run: {why}");
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["key", "host"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(folder.path().join(name))
            .status()
            .expect("ssh-keygen runs");
        assert!(made.success());
    }
    let table = Mutex::new(Table::default());
    let next = AtomicUsize::new(0);
    let only = std::env::var("SETUP").unwrap_or_default();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(setup) = SETUPS.get(at) else { return };
                    if setup.0.contains(&only) {
                        play(folder.path(), at, setup, &table);
                    }
                }
            });
        }
    });
    let table = table.into_inner().expect("no thread panicked");
    let logins: usize = table.right + table.elsewhere + table.wrong.len() + table.open.len();
    println!("unanswered:\n{}", table.open.join("\n"));
    println!(
        "sshd policy: {} set-ups, {logins} logins: right {} ({} of them by the account or PAM), wrong {}, unanswered {}",
        SETUPS.len(),
        table.right + table.elsewhere,
        table.elsewhere,
        table.wrong.len(),
        table.open.len()
    );
    assert!(table.wrong.is_empty(), "wrong:\n{}", table.wrong.join("\n"));
    assert!(
        table.open.len() * 20 <= logins,
        "{} of {logins} unanswered",
        table.open.len()
    );
}
