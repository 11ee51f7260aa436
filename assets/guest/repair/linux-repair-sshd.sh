# Puts owner and mode of the SSH service's files right and makes host keys that are missing.
# The configuration itself is only tested, never edited.
etc="$ROOT/etc/ssh"
[ -d "$etc" ] || fail "there is no $etc"
record="$KEEP/modes"

if [ "$MODE" = undo ]; then
    if [ -e "$record" ]; then
        while IFS=' ' read -r mode owner file; do
            [ -e "$file" ] || continue
            chown "$owner" "$file" && chmod "$mode" "$file" && changed "$file is $owner $mode again"
        done <"$record"
        rm -f "$record"
    fi
    if [ -e "$KEEP/made" ]; then
        while IFS= read -r file; do
            rm -f "$file" && changed "removed $file"
        done <"$KEEP/made"
        rm -f "$KEEP/made"
    fi
    finish
fi

# want FILE MODE FORBIDDEN: owner root and none of the FORBIDDEN permission bits, else MODE.
want() {
    [ -e "$1" ] || return 0
    mode=$(stat -c '%a' "$1") && owner=$(stat -c '%u' "$1") || return 0
    if [ "$owner" = 0 ] && [ $((0$mode & 0$3)) = 0 ]; then
        return 0
    fi
    keep_dir
    stat -c '%a %u:%g %n' "$1" >>"$record" || fail "cannot write $record"
    { chown 0 "$1" && chmod "$2" "$1"; } || fail "cannot change $1 (is the file system read-only?)"
    changed "$1 had mode $mode and owner $owner, has $2 and 0"
}

want "$etc" 755 022
want "$etc/sshd_config" 600 022
for key in "$etc"/ssh_host_*_key; do
    [ -e "$key" ] || continue
    # Some distributions ship 640 with a group of its own, and their sshd accepts that.
    if [ "$(stat -c '%a %u %G' "$key")" = "640 0 ssh_keys" ]; then continue; fi
    want "$key" 600 077
done
for key in "$etc"/ssh_host_*_key.pub; do
    want "$key" 644 022
done
# The service enters these without rights of its own, so others may pass.
for dir in "$ROOT/var/empty" "$ROOT/var/empty/sshd" "$ROOT/run/sshd"; do
    want "$dir" 711 022
done
for dir in "$ROOT/root" "$ROOT/root/.ssh"; do
    want "$dir" 700 022
done
want "$ROOT/root/.ssh/authorized_keys" 600 022

for type in rsa ecdsa ed25519; do
    file="$etc/ssh_host_${type}_key"
    [ -s "$file" ] && continue
    # Only the types that the configuration names, when it names any.
    if grep -Eqi '^[[:space:]]*HostKey[[:space:]]' "$etc/sshd_config" 2>/dev/null &&
        ! grep -Eqi "^[[:space:]]*HostKey[[:space:]]+.*ssh_host_${type}_key[[:space:]]*\$" "$etc/sshd_config"; then
        continue
    fi
    keep_dir
    if [ -e "$file" ]; then backup "$file"; rm -f "$file"; fi
    if ssh-keygen -q -t "$type" -N '' -C '' -f "$file" </dev/null >/dev/null 2>&1; then
        chmod 644 "$file.pub"
        printf '%s\n%s\n' "$file" "$file.pub" >>"$KEEP/made"
        changed "made the $type host key; clients that knew an older one will warn"
    else
        note "this OpenSSH makes no $type keys"
    fi
done

sshd=$(command -v sshd || true)
if [ -n "$sshd" ]; then
    if report=$("$sshd" -t ${ROOT:+-f "$etc/sshd_config"} 2>&1); then
        same "the configuration passes sshd -t"
    else
        printf '%s\n' "$report" | head -n 5 | while IFS= read -r line; do note "$line"; done
        fail "files are in order, but the configuration does not pass sshd -t: mend the line named above"
    fi
fi
if [ "$CHANGES" -gt 0 ]; then note "restart the login service for this to take effect"; fi
finish
