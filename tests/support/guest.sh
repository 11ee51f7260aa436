# A Linux guest as the tests make one: devices, accounts, keys, a log. Read by the shell of a room
# that has namespaces of its own; DIR holds the key pairs `key`, `host` and `rsa`.

# until_ COMMAND...: waits until it succeeds, ten seconds at most.
until_() { local n=0; until "$@"; do n=$((n+1)); [ $n -lt 200 ] || return 1; sleep 0.05; done; }

# devices FOLDER: what a login needs of /dev, to be moved to its place.
devices() {
  mount -t tmpfs -o mode=755 tmpfs "$1"; mkdir "$1/pts" "$1/shm"
  local d; for d in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do set -- "$1" $d; mknod -m 666 "$1/$2" c "$3" "$4"; done
  ln -s pts/ptmx "$1/ptmx"; ln -s /proc/self/fd "$1/fd"; ln -s /proc/self/fd/0 "$1/stdin"
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$1/pts"
}

# accounts: alice with a key on file, bob with the password `pw`, root without either.
accounts() {
  HASH='$6$cvmtop$zl9maazBFEq6t2ohqiD.YUZSPAFJIct/Bku5j32hwhrUoPJiYBsL0LKinHLBUmjaISO8zyNhX33DMAENqEMaH/'
  printf '%s\n' root:x:0:0::/root:/bin/sh sshd:x:101:65534::/run/sshd:/usr/sbin/nologin nobody:x:65534:65534::/:/usr/sbin/nologin \
    alice:x:1001:1001::/home/alice:/bin/sh bob:x:1002:1002::/home/bob:/bin/sh >/etc/passwd
  printf '%s\n' root:x:0: tty:x:5: nogroup:x:65534: alice:x:1001: bob:x:1002: wheel:x:10:bob >/etc/group
  printf '%s\n' "root:*:20000:0:99999:7:::" "alice:*:20000:0:99999:7:::" "bob:$HASH:20000:0:99999:7:::" >/etc/shadow
  chmod 600 /etc/shadow
  local u; for u in alice bob; do mkdir -p /home/$u; chown $u:$u /home/$u; done
}

# keys FILE: alice's authorized keys.
keys() { mkdir -p /home/alice/.ssh; cp "$1" /home/alice/.ssh/authorized_keys; chmod 700 /home/alice/.ssh; chown -R alice: /home/alice/.ssh; chmod 600 /home/alice/.ssh/authorized_keys; }

# conf LINES: at the end of the service's configuration.
conf() { printf '%b\n' "$1" >>/etc/ssh/sshd_config; }

# service_files: a host key, the distribution's PAM without its delays, and nothing of the host's own.
service_files() {
  rm -f /etc/ssh/ssh_host_*; cp "$DIR/host" /etc/ssh/ssh_host_ed25519_key; chmod 600 /etc/ssh/ssh_host_ed25519_key
  rm -rf /etc/ssh/sshd_config.d; mkdir -p /etc/ssh/sshd_config.d; : >/etc/hosts.deny; : >/etc/hosts.allow
  : >/etc/security/limits.conf; rm -rf /etc/security/limits.d
  sed -i 's/pam_unix.so nullok/pam_unix.so nullok nodelay/' /etc/pam.d/common-auth
  printf 'KbdInteractiveAuthentication no\nUsePAM yes\n' >/etc/ssh/sshd_config
  printf 'passwd: files\ngroup: files\nhosts: files\n' >/etc/nsswitch.conf
  # The kernel's log is one for all namespaces: what other tests let die is no part of this room.
  printf '#!/bin/sh\n%s | grep -v sshd\n' "$(command -v dmesg)" >/usr/local/sbin/dmesg; chmod 755 /usr/local/sbin/dmesg
}

# log_daemon: the service's messages go to a file with real time stamps.
log_daemon() {
  cat >/run/log.py <<'PY'
import os, re, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/dev/log"); os.chmod("/dev/log", 0o666); open("/run/log.on", "w")
while True:
    text = re.sub(r"^<\d+>", "", s.recv(8192).decode(errors="replace")).strip()
    try:
        with open("/var/log/auth.log", "a") as f: f.write(text[:15] + " h" + text[15:] + "\n")
    except OSError: pass
PY
  python3 /run/log.py & until_ [ -e /run/log.on ]
}
