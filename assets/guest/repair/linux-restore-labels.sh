# Puts the SELinux labels back that the loaded policy has for what a login reads, and lets the login
# port be one of SSH. SELinux stays on.
label() { stat -c %C "$1" 2>/dev/null; }
if [ "$MODE" = undo ]; then
    [ -d "$KEEP" ] || { same "nothing was changed by this repair"; finish; }
    if [ -s "$KEEP/labels" ]; then
        while read -r old new file; do
            if [ "$(label "$file")" = "$new" ]; then
                chcon -h "$old" "$file" && changed "$file has the label $old again"
            else
                note "the label of $file is no longer $new: it stays"
            fi
        done <"$KEEP/labels"
        rm -f "$KEEP/labels"
    fi
    if [ -s "$KEEP/port" ]; then
        read -r how was <"$KEEP/port"
        if [ "$how" = added ]; then bounded semanage port -d -p tcp "$PORT" >/dev/null 2>&1; else bounded semanage port -m -t "$was" -p tcp "$PORT" >/dev/null 2>&1; fi || fail "semanage did not take the port $PORT back"
        rm -f "$KEEP/port"
        changed "TCP $PORT has the type it had before"
    fi
    rmdir "$KEEP" 2>/dev/null
    finish
fi

mode=$(bounded getenforce 2>/dev/null || cat /sys/fs/selinux/enforce 2>/dev/null)
case "$mode" in
Enforcing | 1) ;;
*) same "SELinux does not enforce anything here"; finish ;;
esac
have restorecon || fail "there is no restorecon: install policycoreutils"
N="$ACCOUNT" home=$(N="$ACCOUNT" awk -F: '$1 == ENVIRON["N"] { print $6; exit }' "$ROOT/etc/passwd" 2>/dev/null)
keep_dir
for path in "$ROOT$home" "$ROOT$home/.ssh" /etc/ssh /etc/passwd /etc/shadow /etc/group /etc/nsswitch.conf /etc/pam.d /etc/security /usr/sbin/sshd /usr/libexec/openssh /var/empty/sshd /var/log/btmp /var/log/wtmp /var/log/lastlog; do
    [ -e "$path" ] && [ "$path" != "$ROOT" ] || continue
    # A home may hold millions of files: of itself only the folder, and of .ssh everything.
    case "$path" in "$ROOT$home" | /usr/sbin/*) deep="" ;; *) deep=-R ;; esac
    if [ -n "$deep" ]; then find "$path" -xdev 2>/dev/null | head -n 2000; else echo "$path"; fi >"$KEEP/list"
    while IFS= read -r file; do printf '%s %s\n' "$(label "$file")" "$file"; done <"$KEEP/list" >"$KEEP/before"
    # shellcheck disable=SC2086 # one word or none
    bounded restorecon $deep -F "$path" >/dev/null 2>&1 || bounded restorecon $deep "$path" >/dev/null 2>&1 || fail "restorecon did not succeed at $path"
    while read -r old file; do
        new=$(label "$file")
        [ "$old" = "$new" ] && continue
        printf '%s %s %s\n' "$old" "$new" "$file" >>"$KEEP/labels"
        changed "$file has the label $new; it was $old"
    done <"$KEEP/before"
    rm -f "$KEEP/list" "$KEEP/before"
done

# Port 22 has its type from the start.
if [ "$PORT" != 22 ]; then
    if have semanage; then
        types=$(bounded semanage port -l 2>/dev/null)
        is=$(printf '%s\n' "$types" | P="$PORT" awk '$2 == "tcp" { line = $0; sub(/^[^ \t]+[ \t]+tcp[ \t]+/, "", line); n = split(line, w, /[, \t]+/)
            for (i = 1; i <= n; i++) { if (w[i] == ENVIRON["P"]) { print $1; exit } } }')
        if [ "$is" = ssh_port_t ]; then
            same "TCP $PORT is a port of SSH"
        elif [ -z "$is" ]; then
            bounded semanage port -a -t ssh_port_t -p tcp "$PORT" >/dev/null 2>&1 || fail "semanage did not take TCP $PORT as a port of SSH"
            echo added >"$KEEP/port"
            changed "TCP $PORT is a port of SSH"
        else
            bounded semanage port -m -t ssh_port_t -p tcp "$PORT" >/dev/null 2>&1 || fail "TCP $PORT is of the type $is, and semanage did not change it"
            echo "moved $is" >"$KEEP/port"
            changed "TCP $PORT is a port of SSH; it was of the type $is"
        fi
    else
        fail "there is no semanage (policycoreutils-python-utils), so TCP $PORT cannot become a port of SSH"
    fi
fi
[ "$CHANGES" -gt 0 ] || { rmdir "$KEEP" 2>/dev/null; same "every label is as the policy has it"; }
finish
