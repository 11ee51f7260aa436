# A server and a client with real sshd, PAM and ssh, in namespaces of their own, after guest.sh.
set -e
T=$(mktemp -d -p /dev/shm); mount -t tmpfs tmpfs "$T"; mkdir "$T/u" "$T/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/u,workdir=$T/w" /etc
mount -t tmpfs tmpfs /run; mkdir -p /run/sshd /run/faillock /run/dev; : >/run/utmp
mount -t tmpfs tmpfs /var/log; : >/var/log/btmp; : >/var/log/wtmp; : >/var/log/auth.log
mount -t tmpfs tmpfs /home; mount -t tmpfs tmpfs /usr/local/sbin
devices /run/dev; mount --move /run/dev /dev
ip link set lo up
unshare -n sleep 600 & PEER=$!
until [ "$(readlink /proc/$PEER/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add eth0 type veth peer name eth0p; ip link set eth0p netns $PEER
peer() { nsenter -t $PEER -n "$@"; }
peer ip link set lo up; peer ip addr add 10.0.0.1/24 dev eth0p; peer ip link set eth0p up; peer ip addr add 203.0.113.7/32 dev lo
ip addr add 10.0.0.10/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.0.1
service_files; accounts; keys "$DIR/key.pub"; KEY=$DIR/key
printf '#!/bin/sh\necho pw\n' >/run/askpass; chmod +x /run/askpass
knock() { peer python3 -c 'import socket; s=socket.create_connection(("10.0.0.10",22),2); raise SystemExit(not s.recv(4))' 2>/dev/null; }
start() { /usr/sbin/sshd; until_ knock; }
client() { # USER MORE...: with the key, or with the password for bob
  local user=$1 with="-o BatchMode=yes -o IdentitiesOnly=yes -i $KEY"; shift
  [ $user = alice ] || with="-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o PreferredAuthentications=password"
  SSH_ASKPASS=/run/askpass SSH_ASKPASS_REQUIRE=force timeout 20 setsid nsenter -t $PEER -n ssh -F none -b 203.0.113.7 -o ConnectTimeout=3 -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=INFO $with "$@" $user@10.0.0.10 'echo in$((40+2))' </dev/null 2>&1
}
offer() { nsenter -t $PEER -n ssh -F none -b 203.0.113.7 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -i $DIR/key $1@10.0.0.10 true </dev/null 2>&1; }
tunnel() { ip link add tun0 type veth peer name tun0p; ip link set tun0p up; ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up; }
log_daemon
set +e
