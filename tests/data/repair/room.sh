# A guest and its user for tests/guest/guest_repair_system.rs: the guest has 10.0.0.10 and a real sshd, the user
# 203.0.113.7 behind 10.0.0.1, in a network of its own. DIR holds the keys and the scripts of the repair.
set -e
T=$(mktemp -d -p /dev/shm); mount -t tmpfs tmpfs "$T"; mkdir "$T/u" "$T/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/u,workdir=$T/w" /etc
mount -t tmpfs tmpfs /run; mkdir -p /run/sshd /run/faillock /run/dev; : >/run/utmp
mount -t tmpfs tmpfs /var/log; : >/var/log/btmp; : >/var/log/wtmp; : >/var/log/auth.log
mount -t tmpfs tmpfs /home
mount -t tmpfs -o mode=755 tmpfs /run/dev; mkdir /run/dev/pts /run/dev/shm
for d in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do set -- $d; mknod -m 666 /run/dev/$1 c $2 $3; done
ln -s pts/ptmx /run/dev/ptmx; ln -s /proc/self/fd /run/dev/fd; ln -s /proc/self/fd/0 /run/dev/stdin
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts /run/dev/pts; mount --move /run/dev /dev
ip link set lo up
unshare -n sleep 600 & PEER=$!
until [ "$(readlink /proc/$PEER/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add eth0 type veth peer name eth0p; ip link set eth0p netns $PEER
peer() { nsenter -t $PEER -n "$@"; }
peer ip link set lo up; peer ip addr add 10.0.0.1/24 dev eth0p; peer ip link set eth0p up; peer ip addr add 203.0.113.7/32 dev lo
ip addr add 10.0.0.10/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.0.1
rm -f /etc/ssh/ssh_host_*; cp "$DIR/host" /etc/ssh/ssh_host_ed25519_key; chmod 600 /etc/ssh/ssh_host_ed25519_key
rm -rf /etc/ssh/sshd_config.d; mkdir -p /etc/ssh/sshd_config.d; : >/etc/hosts.deny; : >/etc/hosts.allow
HASH='$6$cvmtop$zl9maazBFEq6t2ohqiD.YUZSPAFJIct/Bku5j32hwhrUoPJiYBsL0LKinHLBUmjaISO8zyNhX33DMAENqEMaH/'
printf '%s\n' root:x:0:0::/root:/bin/sh sshd:x:101:65534::/run/sshd:/usr/sbin/nologin nobody:x:65534:65534::/:/usr/sbin/nologin \
  alice:x:1001:1001::/home/alice:/bin/sh bob:x:1002:1002::/home/bob:/bin/sh >/etc/passwd
printf '%s\n' root:x:0: tty:x:5: nogroup:x:65534: alice:x:1001: bob:x:1002: wheel:x:10:bob >/etc/group
printf '%s\n' "root:*:20000:0:99999:7:::" "alice:*:20000:0:99999:7:::" "bob:$HASH:20000:0:99999:7:::" >/etc/shadow
chmod 600 /etc/shadow
for u in alice bob; do mkdir -p /home/$u; chown $u:$u /home/$u; done
keys() { mkdir -p /home/alice/.ssh; cp "$1" /home/alice/.ssh/authorized_keys; chmod 700 /home/alice/.ssh; chown -R alice: /home/alice/.ssh; chmod 600 /home/alice/.ssh/authorized_keys; }
keys "$DIR/key.pub"; KEY=$DIR/key
: >/etc/security/limits.conf; rm -rf /etc/security/limits.d
sed -i 's/pam_unix.so nullok/pam_unix.so nullok nodelay/' /etc/pam.d/common-auth
printf 'KbdInteractiveAuthentication no\nUsePAM yes\n' >/etc/ssh/sshd_config
conf() { printf '%b\n' "$1" >>/etc/ssh/sshd_config; }
until_() { local n=0; until "$@"; do n=$((n+1)); [ $n -lt 200 ] || return 1; sleep 0.05; done; }
printf 'passwd: files\ngroup: files\nhosts: files\n' >/etc/nsswitch.conf
printf '#!/bin/sh\necho pw\n' >/run/askpass; chmod +x /run/askpass
knock() { peer python3 -c 'import socket; s=socket.create_connection(("10.0.0.10",22),2); raise SystemExit(not s.recv(4))' 2>/dev/null; }
start() { /usr/sbin/sshd; until_ knock; }
client() { # USER MORE...: with the key, or with the password for bob
  local user=$1 with="-o BatchMode=yes -o IdentitiesOnly=yes -i $KEY"; shift
  [ $user = alice ] || with="-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o PreferredAuthentications=password"
  SSH_ASKPASS=/run/askpass SSH_ASKPASS_REQUIRE=force timeout 20 setsid nsenter -t $PEER -n ssh -F none -b 203.0.113.7 -o ConnectTimeout=3 -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=INFO $with "$@" $user@10.0.0.10 'echo in$((40+2))' </dev/null 2>&1
}
cat >/run/log.py <<'PY'
import os, re, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/dev/log"); os.chmod("/dev/log", 0o666); open("/run/log.on", "w")
while True:
    text = re.sub(r"^<\d+>", "", s.recv(8192).decode(errors="replace")).strip()
    with open("/var/log/auth.log", "a") as f: f.write(text[:15] + " h" + text[15:] + "\n")
PY
python3 /run/log.py & until_ [ -e /run/log.on ]
# Loop devices, where the kernel has them.
mknod /dev/loop-control c 10 237; for n in 0 1 2 3 4 5 6 7 8 9 10 11; do mknod /dev/loop$n b 7 $n; done
mkdir -p /run/work /var/lib/cvmtop; mount -t tmpfs tmpfs /var/lib/cvmtop
cp "$DIR/apply.sh" "$DIR/undo.sh" /run/work
apply() { sh /run/work/apply.sh; }
undo() { sh /run/work/undo.sh; }
not() { ! "$@"; }
logs_in() { client alice | grep -q in42; }
# A login with a terminal, in which something is typed.
sits_down() { timeout 12 nsenter -t $PEER -n ssh -tt -F none -b 203.0.113.7 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i $KEY alice@10.0.0.10 < <(sleep 0.5; echo 'echo in$((40+2))'; sleep 0.5; echo exit) 2>&1 | tr '\r' '\n' | grep -q 'in42'; }
# heals COMMAND: it fails; apply; it works; a second apply does nothing; undo; it fails again.
heals() { not "$@"; apply >/run/said || { cat /run/said; false; }; "$@"; apply >/run/again; grep -q 'done: 0 changes' /run/again; undo >/run/back; not "$@"; undo >/run/back2; grep -q 'done: 0 changes' /run/back2; }
set -ex
