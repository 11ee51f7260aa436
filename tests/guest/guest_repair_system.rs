//! The Linux repairs of the system around the login service: disks, mounts, terminals, start-up
//! files, network, packet size, limits, labels. A real `sshd` in namespaces, the client's own `ssh`
//! as the judge: the fault is made, the login fails, the repair heals it, a second run changes
//! nothing, and taking it back brings the fault back.
//!
//! What is not the real thing here: SELinux (programs that answer as its own stand in for it), and
//! the size of the table of connections, which is one for all namespaces.
//! Needs root; says why it did not run.

use crate::support::repair;
use std::process::{Command, Stdio};

use cvmtop::domain::action::ActionId;
use repair::{Repair, possible};

const ROOM: &str = include_str!("../data/repair/room.sh");
const TOOLS: &[&str] = &["sshd", "ssh-keygen", "unshare", "nsenter", "ip", "python3"];

/// Tells a story in a room of its own; every line has to succeed. None where it cannot be told.
fn tell(action: ActionId, words: &[&str], story: &str) -> Option<String> {
    tell_with(TOOLS, action, words, story, |text| text)
}

fn tell_with(
    tools: &[&str],
    action: ActionId,
    words: &[&str],
    story: &str,
    edit: fn(String) -> String,
) -> Option<String> {
    if !possible(tools) {
        return None;
    }
    let repair = Repair::new(action, words);
    repair.write("apply.sh", &edit(repair.apply.clone()), 0o755);
    repair.write("undo.sh", &edit(repair.undo.clone()), 0o755);
    for name in ["key", "host"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(repair.path(name))
            .status()
            .unwrap();
        assert!(made.success());
    }
    let output = Command::new("unshare")
        .args(["-mnpf", "--kill-child", "--mount-proc", "bash", "-c"])
        .arg(format!("{ROOM}\n{story}\necho told"))
        .env("DIR", repair.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.ends_with("told\n"), "{said}\n{errors}");
    Some(said)
}

#[test]
fn terminals_are_mounted_again_and_made_usable() {
    tell(
        ActionId::GuestMountTerminals,
        &[],
        r#"start
        tty_in() { client alice -tt >/run/tty; grep -q in42 /run/tty && ! grep -q 'PTY allocation' /run/tty; }
        tty_in
        umount /dev/pts; heals tty_in
        mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts /dev/pts; tty_in
        rm /dev/ptmx; heals tty_in; ln -s pts/ptmx /dev/ptmx
        opens() { setpriv --reuid 65534 --clear-groups sh -c ': <>/dev/ptmx' 2>/dev/null; }
        chmod 600 /dev/ptmx; heals opens; chmod 666 /dev/ptmx
        umount /dev/pts; mount -t devpts -o newinstance,max=2,ptmxmode=666,mode=620,gid=5 devpts /dev/pts
        python3 -c 'import os, time; all = [os.openpty() for _ in range(2)]; open("/run/used", "w"); time.sleep(600)' & until_ [ -e /run/used ]
        heals tty_in"#,
    );
}

#[test]
fn a_file_system_is_writable_again_unless_its_check_is_not_clean() {
    let mut tools = TOOLS.to_vec();
    tools.extend(["mkfs.ext4", "e2fsck", "debugfs"]);
    tell_with(
        &tools,
        ActionId::GuestRemountWritable,
        &[],
        r#"start; logs_in
        takes() { touch "$1/file" 2>/dev/null; }
        mount -t tmpfs -o nosuid tmpfs /home/alice/.. 2>/dev/null || mount -t tmpfs -o nosuid tmpfs /home
        mount -o remount,ro /home; grep -E ' /home tmpfs ro,nosuid' /proc/mounts
        heals takes /home; grep -E ' /home tmpfs ro,nosuid' /proc/mounts
        mount -o remount,rw /home; mount -o remount,bind,ro /home; heals takes /home
        mount -o remount,bind,rw /home
        # A real file system whose kernel counts an error: a check that only reads decides.
        dd if=/dev/zero of=/run/disk bs=1M count=16 2>/dev/null; mkfs.ext4 -q /run/disk
        if mount /run/disk /var/tmp 2>/dev/null; then
            disk=$(awk '$2 == "/var/tmp" { d = $1 } END { print d }' /proc/mounts)
            echo once >/sys/fs/ext4/${disk##*/}/trigger_fs_error
            mount -o remount,ro /var/tmp; not takes /var/tmp
            apply >/run/said; grep 'the kernel saw errors on' /run/said; grep 'finds it clean' /run/said; takes /var/tmp
            undo >/run/back; not takes /var/tmp
            umount /var/tmp
            # One whose check is not clean stays as it is.
            debugfs -w -R 'clri <11>' /run/disk 2>/dev/null
            mount -o ro /run/disk /var/tmp
            disk=$(awk '$2 == "/var/tmp" { d = $1 } END { print d }' /proc/mounts)
            [ "$(cat /sys/fs/ext4/${disk##*/}/errors_count)" != 0 ]
            if apply >/run/said; then cat /run/said; false; fi
            grep 'failed: /var/tmp stays read-only' /run/said; not takes /var/tmp
            umount /var/tmp
        fi"#,
        |text| text,
    );
}

#[test]
fn room_is_made_from_the_list_and_nothing_else_is_touched() {
    let Some(said) = tell(
        ActionId::GuestFreeSpace,
        &[],
        r"mount -t tmpfs -o size=40m tmpfs /var/log; : >/var/log/auth.log; mkdir -p /var/log/journal/a /var/log/app
        mount -t tmpfs -o nr_inodes=600 tmpfs /var/tmp; mkdir -p /var/tmp/x
        fill() { dd if=/dev/zero of=$1 bs=1M ${2:+count=$2} 2>/dev/null || true; }
        fill /var/log/journal/a/system@1.journal 4; fill /var/log/journal/a/system.journal 4
        fill /var/log/app/held.1.gz 4; touch -d '2020-01-01' /var/log/app/held.1.gz; sleep 600 9</var/log/app/held.1.gz &
        fill /var/log/app/app.log.1 4; fill /var/log/app/live.log 2; fill /var/log/app/data.db
        [ $(df -k --output=avail /var/log | tail -1) = 0 ]
        apply >/run/said; cat /run/said
        [ $(df -k --output=avail /var/log | tail -1) -ge 2048 ]
        [ ! -e /var/log/journal/a/system@1.journal ]
        # It stopped when there was room: the rest of the list stayed.
        [ -e /var/log/app/app.log.1 ]; [ -e /var/log/app/held.1.gz ]; [ -e /var/log/app/data.db ]; [ -e /var/log/journal/a/system.journal ]
        apply | grep 'done: 0 changes'
        fill /var/log/app/more.db
        apply >/run/said; cat /run/said; [ ! -e /var/log/app/app.log.1 ]; [ -e /var/log/app/held.1.gz ]
        grep 'left /var/log/app/held.1.gz: a process has it open' /run/said
        # Where the list is not enough, what holds the rest is named and stays.
        fill /var/log/app/last.db; if apply >/run/said; then false; fi
        grep 'large: /var/log/app/data.db' /run/said; [ -e /var/log/app/data.db ]
        # Inodes: new files of users stay, however many.
        rm /var/log/app/last.db; : >/var/log/app/last.db
        for n in $(seq 700); do : >/var/tmp/x/$n || break; done 2>/dev/null
        if apply >/run/said; then false; fi; grep '/var/tmp/x holds' /run/said; [ -e /var/tmp/x/1 ]",
    ) else {
        return;
    };
    assert!(said.contains("journal"), "{said}");
}

#[test]
fn the_line_that_keeps_a_shell_from_its_end_is_found_and_taken_out() {
    let mut tools = TOOLS.to_vec();
    tools.extend(["setpriv", "timeout"]);
    tell_with(
        &tools,
        ActionId::GuestRepairProfile,
        &["user=alice"],
        r"sed -i 's|/home/alice:/bin/sh|/home/alice:/bin/bash|' /etc/passwd
        printf '[ -f ~/.bashrc ] && . ~/.bashrc\n' >/home/alice/.profile; printf 'case $- in *i*) ;; *) return;; esac\n' >/home/alice/.bashrc
        chown alice: /home/alice/.profile /home/alice/.bashrc; cp /etc/profile /run/profile; cp /home/alice/.bashrc /run/bashrc
        mkdir -p /etc/profile.d; start; sits_down
        printf 'echo hello\nexit 3\n' >/etc/profile.d/zz.sh; cp /etc/profile.d/zz.sh /run/zz; heals sits_down
        grep 'line 2 of /etc/profile.d/zz.sh: exit 3' /run/said; cmp /etc/profile.d/zz.sh /run/zz; rm /etc/profile.d/zz.sh
        printf 'while true; do\n  sleep 1\ndone\n' >>/home/alice/.bashrc; heals sits_down
        grep 'line 2 to 4 of /home/alice/.bashrc' /run/said; cp /run/bashrc /home/alice/.bashrc
        # Two at once, one of which waits for an answer.
        printf 'read -p who? answer\n' >>/home/alice/.bashrc; printf 'exec /bin/false\n' >/etc/profile.d/aa.sh; heals sits_down
        grep 'done: 2 changes' /run/said; rm /etc/profile.d/aa.sh; cp /run/bashrc /home/alice/.bashrc
        # Somebody's work since then stays.
        printf 'exit 1\n' >>/home/alice/.bashrc; apply >/run/said; echo '# mine' >>/home/alice/.bashrc
        if undo >/run/back; then false; fi; grep 'was changed since' /run/back; grep '# mine' /home/alice/.bashrc",
        |text| text,
    );
}

#[test]
fn answers_leave_by_the_interface_that_has_the_address() {
    tell_with(
        TOOLS,
        ActionId::GuestRepairNetwork,
        &["source=203.0.113.7"],
        r"start; logs_in
        snap() { ip -4 -o addr; ip -4 route show table all; ip rule; ip -o link; }
        try() { snap | sed 's/ qlen.*//' >/run/before; heals logs_in; snap | sed 's/ qlen.*//' >/run/after; diff /run/before /run/after; }
        ip route del default; try; ip route add default via 10.0.0.1
        ip link add tun0 type veth peer name tun0p; ip link set tun0p up; ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up
        until_ sh -c 'ip -o link show tun0 | grep -q LOWER_UP'
        ip route replace default via 10.8.0.1 dev tun0; try; ip route replace default via 10.0.0.1 dev eth0
        ip route add 203.0.113.0/24 dev tun0; try; ip route del 203.0.113.0/24
        ip route add blackhole 203.0.113.0/24; try; ip route del blackhole 203.0.113.0/24
        ip route add default dev tun0 table 100; ip rule add from 10.0.0.10 lookup 100 pref 100; try; ip rule del pref 100
        ip rule add to 203.0.113.0/24 prohibit pref 50; try; ip rule del pref 50
        ip link set eth0 down; heals logs_in; ip link set eth0 up; ip route add default via 10.0.0.1; until_ logs_in
        ip link add br0 type bridge; ip link set br0 up; ip link set eth0 master br0; ip neigh flush all; until_ not logs_in; heals logs_in; grep 'eth0 is a part of br0' /run/said",
        // The plan of a test knows no address; the guest's is this one.
        |text| text.replace("ADDRESS=''", "ADDRESS='10.0.0.10'"),
    );
}

#[test]
fn packets_become_small_enough_to_get_through() {
    let mut tools = TOOLS.to_vec();
    tools.extend(["nft", "ping"]);
    tell_with(
        &tools,
        ActionId::GuestLowerMtu,
        &["source=203.0.113.7"],
        r"start
        reads_much() { timeout 5 nsenter -t $PEER -n ssh -F none -b 203.0.113.7 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i $KEY alice@10.0.0.10 'head -c 9000 /dev/urandom | od; echo in$((40+2))' </dev/null 2>&1 | grep -q in42; }
        reads_much
        peer nft add table netdev t; peer nft 'add chain netdev t c { type filter hook ingress device eth0p priority 0; policy accept; }'
        peer nft add rule netdev t c meta length '>' 1350 drop
        heals reads_much; grep 'the packet size of eth0 is 1340; it was 1500' /run/said
        # Where nothing answers a ping, what every network carries.
        peer nft add table inet f; peer nft 'add chain inet f c { type filter hook input priority 0; policy accept; }'
        peer nft add rule inet f c icmp type echo-request drop
        apply >/run/said; grep 'the packet size of eth0 is 1280' /run/said; reads_much
        undo >/run/back; grep 'the packet size of eth0 is 1500 again' /run/back",
        |text| text,
    );
}

#[test]
fn full_queues_and_tables_get_more_room() {
    tell(
        ActionId::GuestRaiseConnections,
        &[],
        r#"start; queue() { ss -Hltn 'sport = :22' | awk '{ print $3; exit }'; }
        long() { until_ sh -c '[ -n "$(ss -Hltn "sport = :22")" ]' && n=0 && until [ "$(queue)" -gt 8 ] 2>/dev/null; do n=$((n+1)); [ $n -lt 60 ] || return 1; sleep 0.05; done; }
        echo 2 >/proc/sys/net/core/somaxconn; kill -HUP $(cat /run/sshd.pid); until_ sh -c 'ss -Hltn | grep -q " 2  *0.0.0.0:22"'
        heals long; logs_in; echo 4096 >/proc/sys/net/core/somaxconn
        # The table is one for all namespaces: its numbers are files here.
        [ -e /proc/sys/net/netfilter/nf_conntrack_max ] || { echo told; exit 0; }
        echo 60 >/run/max; echo 58 >/run/count
        mount --bind /run/max /proc/sys/net/netfilter/nf_conntrack_max; mount --bind /run/count /proc/sys/net/netfilter/nf_conntrack_count
        room() { [ $(cat /run/count) -lt $(($(cat /run/max) / 2)) ]; }
        heals room; [ $(cat /run/max) = 60 ]
        # What somebody else set since then stays.
        apply >/run/said; echo 777 >/run/max; undo >/run/back; grep 'somebody else set it' /run/back; [ $(cat /run/max) = 777 ]"#,
    );
}

/// Programs that answer as those of SELinux do; a label is an attribute of the file.
const LABELS: &str = r#"mkdir -p /run/se; mount --bind /run/se /usr/local/sbin
printf '#!/bin/sh\necho Enforcing\n' >/run/se/getenforce
cat >/run/se/stat <<'X'
#!/bin/sh
case "$*" in *%C*) for f; do :; done; grep -F " $f" /run/labels | tail -n 1 | cut -d' ' -f1 | grep . || echo system_u:object_r:default_t:s0 ;; *) exec /usr/bin/stat "$@" ;; esac
X
cat >/run/se/restorecon <<'X'
#!/bin/sh
for f; do :; done
[ ! -e "$f" ] || find "$f" -xdev | while read -r p; do case "$p" in */.ssh*) echo "unconfined_u:object_r:ssh_home_t:s0 $p" ;; *) echo "system_u:object_r:default_t:s0 $p" ;; esac; done >>/run/labels
X
printf '#!/bin/sh\nshift\necho "$1 $2" >>/run/labels\n' >/run/se/chcon
cat >/run/se/semanage <<'X'
#!/bin/sh
case "$*" in 'port -l') cat /run/ports ;; 'port -a '*) echo "ssh_port_t tcp $7" >>/run/ports ;; 'port -d '*) sed -i "/ $5\$/d" /run/ports ;; *) exit 1 ;; esac
X
chmod 755 /run/se/*; echo 'ssh_port_t tcp 22' >/run/ports; : >/run/labels"#;

#[test]
fn labels_become_those_of_the_policy_and_go_back() {
    tell(
        ActionId::GuestRestoreLabels,
        &["port=2222", "user=alice"],
        &format!(
            "{LABELS}
            right() {{ /run/se/stat -c %C /home/alice/.ssh/authorized_keys | grep -q ssh_home_t && grep -q ' 2222$' /run/ports; }}
            heals right; grep 'TCP 2222 is a port of SSH' /run/said"
        ),
    );
}
