# Restarts the SSH service, after its configuration has passed the service's own test, or starts it
# where it does not run: by the service manager, by its init script, else the daemon itself. It is
# done only when something greets as SSH on the port. There is nothing to undo.
[ "$MODE" = undo ] && { same "a restart cannot be taken back"; finish; }
[ -n "$sshd$shut" ] || fail "no sshd is installed: install the package openssh-server"
[ -n "$sshd" ] || fail "$shut may not be run: guest-repair-sshd mends it"
if ! passes; then
    told
    fail "the configuration does not pass sshd -t, so nothing was restarted: guest-repair-sshd mends it"
fi
same "the configuration passes sshd -t"
port=$(wanted)
old=$(listeners)
if [ -z "$old" ] && [ -n "$(socket_of "$port")" ] && ! { have systemctl && systemctl is-active --quiet ssh.socket 2>/dev/null; }; then
    fail "port $port is held by $(holder "$port"), so the service cannot have it: stop that or move it"
fi
start_service restart || true
# One that does not end when it is told to, because it hangs, is ended; sessions are processes of their own.
still() { for p in $old; do if listeners | grep -qx "$p"; then printf '%s ' "$p"; fi; done; }
if [ -n "$old" ] && [ -n "$(still)" ]; then
    for signal in TERM KILL; do
        for p in $(still); do kill -"$signal" "$p"; [ "$signal" = KILL ] || kill -CONT "$p"; done
        tries=0
        while [ -n "$(still)" ] && [ "$tries" -lt 10 ]; do
            tries=$((tries + 1))
            pause
        done
    done
    [ -z "$(still)" ] || fail "sshd ($(still)) does not end even when it is killed: it hangs in the kernel, which a restart of the instance ends"
    start_service start || true
fi
if answers "$port"; then
    changed "restarted the SSH service${HOW:+ ($HOW)}; it greets on port $port, and sessions that were open stay open"
    finish
fi
if [ -n "$(socket_of "$port")" ]; then
    fail "something listens on port $port but does not greet as SSH ($(holder "$port")): look at hosts.deny, MaxStartups and what holds the port"
fi
why=$(bounded "$sshd" -f "$conf" -D -e 2>&1 </dev/null | head -n 1)
fail "the service was told to start, but nothing listens on port $port: ${why:-it says nothing}"
