# Restarts the SSH service, after its configuration has passed the service's own test.
# A configuration that fails is reported and nothing is restarted. There is nothing to undo.
[ "$MODE" = undo ] && { same "a restart cannot be taken back"; finish; }

sshd=$(command -v sshd || true)
[ -n "$sshd" ] || fail "no sshd is installed"
# The privilege-separation directory is on a tmpfs on some systems and may be gone; the service's
# own test names it then.
report=$("$sshd" -t 2>&1) || {
    gone=$(printf '%s\n' "$report" | tr -d '\r' | sed -n 's/^Missing privilege separation directory: //p' | head -n 1)
    case "$gone" in
    /run/* | /var/run/*) mkdir -p "$gone" && chmod 755 "$gone" && changed "made $gone" ;;
    esac
}
if ! report=$("$sshd" -t 2>&1); then
    printf '%s\n' "$report" | head -n 5 | while IFS= read -r line; do note "$line"; done
    fail "the configuration does not pass sshd -t, so nothing was restarted"
fi
same "the configuration passes sshd -t"

# Output goes to nowhere: a service that stays in the foreground must not hold this script.
restart() { bounded "$@" >/dev/null 2>&1 </dev/null; }
restarted=no
if [ -d /run/systemd/system ] && have systemctl; then
    for unit in sshd.service ssh.service; do
        if systemctl cat "$unit" >/dev/null 2>&1; then
            systemctl is-enabled --quiet "$unit" 2>/dev/null || note "$unit is not enabled: it will not start at the next boot"
            systemctl reset-failed "$unit" >/dev/null 2>&1 || true
            if restart systemctl restart "$unit"; then restarted="$unit"; break; fi
            fail "systemctl restart $unit did not succeed: $(systemctl is-failed "$unit" 2>/dev/null)"
        fi
    done
elif have service; then
    for name in sshd ssh; do
        if [ -e "/etc/init.d/$name" ]; then
            if restart service "$name" restart; then restarted="$name"; break; fi
            fail "service $name restart did not succeed"
        fi
    done
fi
[ "$restarted" = no ] && fail "no SSH service was found to restart"
changed "restarted $restarted; sessions that were open stay open"
finish
