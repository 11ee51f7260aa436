# Unlocks ACCOUNT: failure counters of faillock and pam_tally2, a lock set with passwd -l, and a
# date on which the account expired. The password and the shell stay as they are.
shadow="$ROOT/etc/shadow"
# field FILE NUMBER: a field of the account's line; the name is data, never a pattern.
field() { N="$ACCOUNT" awk -F: -v f="$2" '$1 == ENVIRON["N"] { print $f; exit }' "$1" 2>/dev/null; }
case $ACCOUNT in '' | -*) fail "no account was named" ;; esac
[ -n "$(field "$ROOT/etc/passwd" 1)" ] || fail "there is no account $ACCOUNT"

if [ "$MODE" = undo ]; then
    if [ -e "$KEEP/passwd-lock" ]; then
        usermod ${ROOT:+-R "$ROOT"} -L "$ACCOUNT" && rm -f "$KEEP/passwd-lock" && changed "locked $ACCOUNT again"
    fi
    if [ -e "$KEEP/expiry" ]; then
        expiry=$(cat "$KEEP/expiry")
        usermod ${ROOT:+-R "$ROOT"} -e "$expiry" "$ACCOUNT" && rm -f "$KEEP/expiry" && changed "$ACCOUNT expires on day $expiry since 1970 again"
    fi
    [ "$CHANGES" -gt 0 ] || same "failure counters are not put back"
    finish
fi

if have faillock; then
    if faillock --user "$ACCOUNT" 2>/dev/null | grep -q ' V$'; then
        faillock --user "$ACCOUNT" --reset || fail "faillock did not reset $ACCOUNT"
        changed "faillock: reset the failures of $ACCOUNT"
    else
        same "faillock counts no failure of $ACCOUNT"
    fi
fi
if have pam_tally2 && pam_tally2 -u "$ACCOUNT" 2>/dev/null | N="$ACCOUNT" awk '$1 == ENVIRON["N"] && $2 > 0 { found = 1 } END { exit !found }'; then
    pam_tally2 -u "$ACCOUNT" -r >/dev/null || fail "pam_tally2 did not reset $ACCOUNT"
    changed "pam_tally2: reset the failures of $ACCOUNT"
fi

hash=$(field "$shadow" 2)
case "$hash" in
'!'[\$]*)
    # Only the fact is recorded: a copy of the hashes would be one more thing to guard.
    keep_dir
    usermod ${ROOT:+-R "$ROOT"} -U "$ACCOUNT" || fail "usermod did not unlock $ACCOUNT"
    : >"$KEEP/passwd-lock"
    changed "lifted the lock on the password of $ACCOUNT"
    ;;
'!'* | '*'*) note "$ACCOUNT has no password: a key or a reset is needed" ;;
*) same "the password of $ACCOUNT is not locked" ;;
esac
# Days since 1970 in the eighth field; empty means never.
expiry=$(field "$shadow" 8)
if [ -n "$expiry" ] && [ "$expiry" -ge 0 ] && [ "$expiry" -le $(($(date +%s) / 86400)) ]; then
    keep_dir
    usermod ${ROOT:+-R "$ROOT"} -e '' "$ACCOUNT" || fail "usermod did not lift the expiry of $ACCOUNT"
    printf '%s\n' "$expiry" >"$KEEP/expiry"
    changed "lifted the expiry of $ACCOUNT, which was day $expiry since 1970: set a new date with chage -E"
fi
shell=$(field "$ROOT/etc/passwd" 7)
case "$shell" in */nologin | */false) note "the login shell is $shell: usermod -s /bin/bash $ACCOUNT gives one" ;; esac
finish
