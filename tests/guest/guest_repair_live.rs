//! The Linux repairs against what they repair: a real `sshd` that is restarted, real rules of nft
//! and iptables that let real connections through or not, real failure counters.
//!
//! Everything happens in namespaces made here. Needs root; without it, or without a tool, the
//! test says why it did not run.

use crate::support::repair;
use std::fs;
use std::process::Command;

use cvmtop::domain::action::ActionId;
use repair::{Repair, possible};

const FROM_THE_USER: &[&str] = &["port=2222", "source=198.51.100.7"];

/// Waits until somebody listens; a story goes on at once when it does.
const LISTENING: &str = "knock listen 2222 & n=0
    until [ $(knock 127.0.0.1 2222) != refused ]; do n=$((n+1)); [ $n -lt 200 ]; sleep 0.05; done";

#[test]
fn the_login_service_restarts_only_when_its_configuration_passes() {
    if !possible(&["sshd", "ssh-keygen", "service", "unshare", "ip", "python3"])
        || !std::path::Path::new("/etc/init.d/ssh").exists()
    {
        return;
    }
    let repair = Repair::new(ActionId::GuestRestartLoginService, &[]);
    repair.write("etc/ssh/sshd_config", "", 0o644);
    let key = repair.path("etc/ssh/ssh_host_ed25519_key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen runs");
    assert!(made.success());
    let config = "HostKey /etc/ssh/ssh_host_ed25519_key\nPort 2222\nListenAddress 127.0.0.1\nPidFile /run/sshd.pid\n";
    fs::write(repair.path("etc/ssh/sshd_config"), config).expect("writable");
    repair.tell(
        "mount --bind $CVMTOP_ROOT/etc/ssh /etc/ssh
         [ $(knock 127.0.0.1 2222) = refused ]
         # The service forks before it listens and writes its number down.
         answers() { n=0; until [ -s /run/sshd.pid ] && [ $(knock 127.0.0.1 2222) = open ]; do n=$((n+1)); [ $n -lt 200 ]; sleep 0.05; done; }
         apply > $CVMTOP_ROOT/first
         grep 'changed: made /run/sshd' $CVMTOP_ROOT/first
         grep 'changed: restarted the SSH service' $CVMTOP_ROOT/first
         answers
         first=$(cat /run/sshd.pid)
         # One that died comes back.
         kill -KILL $first
         apply | grep 'changed: restarted the SSH service'
         answers; second=$(cat /run/sshd.pid); [ $first != $second ]
         # One whose configuration is wrong is left as it is, and the line is named.
         echo 'Nonsense yes' >> /etc/ssh/sshd_config
         if apply > $CVMTOP_ROOT/refused; then exit 1; fi
         grep 'failed: the configuration does not pass' $CVMTOP_ROOT/refused
         grep 'note: .*Nonsense' $CVMTOP_ROOT/refused
         [ $(cat /run/sshd.pid) = $second ]
         [ $(knock 127.0.0.1 2222) = open ]",
    );
}

#[test]
fn nftables_lets_the_user_through_and_nobody_else() {
    if !possible(&["nft", "unshare", "ip", "python3"]) {
        return;
    }
    let repair = Repair::new(ActionId::GuestAllowPort, FROM_THE_USER);
    repair.tell(&format!(
        "{LISTENING}
         nft add table inet filter
         nft 'add chain inet filter input {{ type filter hook input priority 0; policy accept; }}'
         nft add rule inet filter input tcp dport 2222 drop
         nft list ruleset > $CVMTOP_ROOT/before
         [ $(knock 198.51.100.7 2222) = silent ]
         apply; apply | grep 'done: 0'
         [ $(knock 198.51.100.7 2222) = open ]
         [ $(knock 127.0.0.1 2222) = silent ]
         undo; undo | grep 'done: 0'
         nft list ruleset > $CVMTOP_ROOT/after; cmp $CVMTOP_ROOT/before $CVMTOP_ROOT/after"
    ));
}

#[test]
fn iptables_lets_the_user_through_and_nobody_else() {
    if !possible(&["iptables", "unshare", "ip", "python3"]) {
        return;
    }
    let repair = Repair::new(ActionId::GuestAllowPort, FROM_THE_USER);
    repair.write("no-program", "", 0o644);
    // Where there is no nft, as on older systems.
    repair.tell(&format!(
        "{LISTENING}
         [ ! -e /usr/sbin/nft ] || mount --bind $CVMTOP_ROOT/no-program /usr/sbin/nft
         iptables -A INPUT -p tcp --dport 2222 -j REJECT --reject-with tcp-reset
         iptables -S > $CVMTOP_ROOT/before
         [ $(knock 198.51.100.7 2222) = refused ]
         apply | grep 'changed: iptables'; apply | grep 'done: 0'
         [ $(knock 198.51.100.7 2222) = open ]
         [ $(knock 127.0.0.1 2222) = refused ]
         undo; undo | grep 'done: 0'
         iptables -S > $CVMTOP_ROOT/after; cmp $CVMTOP_ROOT/before $CVMTOP_ROOT/after"
    ));
}

#[test]
fn bans_as_fail2ban_makes_them_are_lifted_for_this_address_alone() {
    if !possible(&["iptables", "nft", "unshare", "ip", "python3"]) {
        return;
    }
    let mut repair = Repair::new(ActionId::GuestUnblockSource, &["source=198.51.100.7"]);
    // The login port of the story: a ban at another one keeps nobody from a login.
    for script in [&mut repair.apply, &mut repair.undo] {
        *script = script.replace("PORT='22'", "PORT='2222'");
    }
    repair.tell(&format!(
        "{LISTENING}
         iptables -N f2b-sshd
         iptables -A f2b-sshd -s 198.51.100.70/32 -j REJECT
         iptables -A f2b-sshd -s 198.51.100.7/32 -j REJECT --reject-with icmp-port-unreachable
         iptables -A f2b-sshd -j RETURN
         iptables -I INPUT -p tcp --dport 2222 -j f2b-sshd
         nft add table inet f2b-table
         nft 'add set inet f2b-table addr-set-sshd {{ type ipv4_addr; }}'
         nft 'add element inet f2b-table addr-set-sshd {{ 198.51.100.7, 198.51.100.71 }}'
         nft 'add chain inet f2b-table f2b-chain {{ type filter hook input priority -1; }}'
         nft add rule inet f2b-table f2b-chain tcp dport 2222 ip saddr @addr-set-sshd reject
         [ $(knock 198.51.100.7 2222) != open ]
         apply; apply | grep 'done: 0'
         [ $(knock 198.51.100.7 2222) = open ]
         iptables -S f2b-sshd | grep -- '-s 198.51.100.70/32'
         nft list set inet f2b-table addr-set-sshd | grep 198.51.100.71
         undo
         [ $(knock 198.51.100.7 2222) != open ]
         iptables -S f2b-sshd | grep -- '-s 198.51.100.7/32'
         nft list set inet f2b-table addr-set-sshd | grep -w 198.51.100.7"
    ));
}

/// Stands in for the ban keeper of that name: it answers as the real one does, and keeps its
/// bans in files, one a jail.
const KEEPER: &str = r#"#!/bin/sh
bans=$CVMTOP_ROOT/bans
case "$1 $2 $3" in
"ping  ") echo 'Server replied: pong' ;;
"status  ") printf 'Status\n|- Number of jail:\t2\n`- Jail list:\trecidive, sshd\n' ;;
"status "*) printf '`- Actions\n   `- Banned IP list:\t%s\n' "$(cat $bans/$2 | tr '\n' ' ')" ;;
"set "*" unbanip") grep -vxF "$4" $bans/$2 > $bans/new; mv $bans/new $bans/$2 ;;
"set "*" banip") echo "$4" >> $bans/$2 ;;
esac
"#;

#[test]
fn the_ban_keeper_is_asked_to_lift_its_own_bans() {
    if !possible(&["unshare", "ip"]) {
        return;
    }
    let repair = Repair::new(ActionId::GuestUnblockSource, &["source=198.51.100.7"]);
    repair.write("bin/fail2ban-client", KEEPER, 0o755);
    repair.write("bans/sshd", "198.51.100.70\n198.51.100.7\n", 0o644);
    repair.write("bans/recidive", "203.0.113.9\n", 0o644);
    repair.tell(
        "mount --bind $CVMTOP_ROOT/bin /usr/local/bin
         apply | grep 'changed: fail2ban: lifted the ban in sshd'
         apply | grep 'done: 0'
         [ \"$(cat $CVMTOP_ROOT/bans/sshd)\" = 198.51.100.70 ]
         [ \"$(cat $CVMTOP_ROOT/bans/recidive)\" = 203.0.113.9 ]
         undo | grep 'banned again in sshd'
         grep -x 198.51.100.7 $CVMTOP_ROOT/bans/sshd",
    );
}

#[test]
fn the_failures_that_faillock_counts_are_reset() {
    if !possible(&["faillock", "unshare", "ip", "python3"]) {
        return;
    }
    let repair = Repair::new(ActionId::GuestUnlockAccount, &["user=root"]);
    repair.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644);
    repair.write(
        "etc/shadow",
        "root:$6$salt$hash:19000:0:99999:7:::\n",
        0o600,
    );
    // Three failures as pam_faillock writes them down: where from, flags, when.
    repair.write(
        "fail.py",
        "import struct, time\n\
         one = struct.pack('<52sHHQ', b'198.51.100.7', 0, 3, int(time.time()))\n\
         open('/run/faillock/root', 'wb').write(one * 3)\n",
        0o644,
    );
    repair.tell(
        "mkdir -p /run/faillock; python3 $CVMTOP_ROOT/fail.py
         [ $(faillock --user root | grep -c ' V$') = 3 ]
         apply | grep 'changed: faillock: reset the failures of root'
         [ $(faillock --user root | grep -c ' V$') = 0 ]
         apply | grep 'done: 0'",
    );
}

#[test]
fn a_line_for_everybody_or_a_network_gives_way_to_this_address_alone() {
    let linked = Command::new("ldd").arg("/usr/sbin/sshd").output();
    let linked = linked.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("libwrap"));
    let tables = ["/etc/hosts.allow", "/etc/hosts.deny"].map(std::path::Path::new);
    if !possible(&["sshd", "ssh-keygen", "unshare", "ip", "python3"])
        || !linked
        || !tables.iter().all(|table| table.exists())
    {
        return;
    }
    let repair = Repair::new(ActionId::GuestUnblockSource, &["source=198.51.100.7"]);
    repair.write("ssh/sshd_config", "", 0o644);
    let key = repair.path("ssh/host_key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen runs");
    assert!(made.success());
    let config = format!("HostKey {}\nPort 2222\nPidFile none\n", key.display());
    fs::write(repair.path("ssh/sshd_config"), config).expect("writable");
    repair.write("etc/hosts.allow", "", 0o644);
    repair.write("etc/hosts.deny", "", 0o644);
    // What the server says first to whoever comes from an address.
    let greet = "import socket, sys\n\
                 s = socket.create_connection(('127.0.0.1', 2222), 3, (sys.argv[1], 0))\n\
                 s.settimeout(5)\n\
                 try:\n    print(s.recv(4).decode() or 'closed')\n\
                 except OSError:\n    print('closed')\n";
    repair.write("greet.py", greet, 0o644);
    repair.tell(
        "mount --bind $CVMTOP_ROOT/etc/hosts.allow /etc/hosts.allow
         mount --bind $CVMTOP_ROOT/etc/hosts.deny /etc/hosts.deny
         greeted() { [ \"$(python3 $CVMTOP_ROOT/greet.py $1)\" = $2 ]; }
         mkdir -p /run/sshd
         /usr/sbin/sshd -f $CVMTOP_ROOT/ssh/sshd_config
         n=0; until [ $(knock 127.0.0.1 2222) = open ]; do n=$((n+1)); [ $n -lt 200 ]; sleep 0.05; done
         for line in 'sshd: ALL' 'ALL: 198.51.100.0/255.255.255.0, 127.' 'sshd: 198.51.100. 127.0.0.1'; do
             echo \"$line\" > $CVMTOP_ROOT/etc/hosts.deny
             : > $CVMTOP_ROOT/etc/hosts.allow
             greeted 198.51.100.7 closed; greeted 127.0.0.1 closed
             apply | grep 'changed: hosts.allow lets 198.51.100.7 in'; apply | grep 'done: 0'
             greeted 198.51.100.7 SSH-; greeted 127.0.0.1 closed
             undo; undo | grep 'done: 0'
             greeted 198.51.100.7 closed
             [ ! -s $CVMTOP_ROOT/etc/hosts.allow ]
         done",
    );
}
