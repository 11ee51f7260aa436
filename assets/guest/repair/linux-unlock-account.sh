# Unlocks ACCOUNT: failure counters of faillock and pam_tally2, a lock set with passwd -l or
# usermod -L, a date on which the account expired, and a password that has been out of date for so
# long that the account went with it. The password and the shell stay as they are.
if [ "$MODE" = undo ]; then
    put_back
    [ "$CHANGES" -gt 0 ] || same "failure counters are not put back"
    finish
fi
named
today=$(($(date +%s) / 86400))

# The folder that the system's own stack counts in: of the module's line, else of its file.
folders=$({
    cat "$ROOT"/etc/pam.d/* 2>/dev/null | sed 's/#.*//' | grep pam_faillock | tr ' \t' '\n\n' | sed -n 's/^dir=//p'
    sed -n 's/^[[:space:]]*dir[[:space:]]*=[[:space:]]*//p' "$ROOT/etc/security/faillock.conf" 2>/dev/null
    printf '/run/faillock\n/var/run/faillock\n'
} | awk '!seen[$0]++')
counted=no
if have faillock; then
    printf '%s\n' "$folders" >"${TMPDIR:-/tmp}/cvmtop.$$" 2>/dev/null || fail "cannot write ${TMPDIR:-/tmp}"
    while IFS= read -r dir; do
        [ -d "$dir" ] || continue
        if faillock --dir "$dir" --user "$ACCOUNT" 2>/dev/null | grep -q ' V$'; then
            faillock --dir "$dir" --user "$ACCOUNT" --reset || fail "faillock did not reset $ACCOUNT"
            faillock --dir "$dir" --user "$ACCOUNT" 2>/dev/null | grep -q ' V$' && fail "faillock still counts failures of $ACCOUNT in $dir"
            counted=yes
            changed "faillock: reset the failures of $ACCOUNT"
        fi
    done <"${TMPDIR:-/tmp}/cvmtop.$$"
    rm -f "${TMPDIR:-/tmp}/cvmtop.$$"
    [ "$counted" = yes ] || same "faillock counts no failure of $ACCOUNT"
fi
if have pam_tally2 && pam_tally2 -u "$ACCOUNT" 2>/dev/null | N="$ACCOUNT" awk '$1 == ENVIRON["N"] && $2 > 0 { found = 1 } END { exit !found }'; then
    pam_tally2 -u "$ACCOUNT" -r >/dev/null || fail "pam_tally2 did not reset $ACCOUNT"
    changed "pam_tally2: reset the failures of $ACCOUNT"
fi

[ -n "$(field "$shadow" 1)" ] || { note "$ACCOUNT has no line in $shadow: its directory says whether it is locked"; finish; }
hash=$(field "$shadow" 2)
case $hash in
'!'*[\$]* | '!'?????????????*)
    set_field 2 "$(printf '%s' "$hash" | sed 's/^!*//')"
    changed "lifted the lock on the password of $ACCOUNT"
    ;;
'!'* | '*'*) note "$ACCOUNT has no password: a key or a reset is needed" ;;
*) same "the password of $ACCOUNT is not locked" ;;
esac
# Days since 1970 in the eighth field; empty means never.
expiry=$(field "$shadow" 8)
case $expiry in '' | *[!0-9]*) ;; *)
    if [ "$expiry" -le "$today" ]; then
        set_field 8 ''
        changed "lifted the expiry of $ACCOUNT, which was day $expiry since 1970: set a new date with chage -E"
    fi
    ;;
esac
# Last change, longest age and grace: beyond them all the account is shut.
last=$(field "$shadow" 3)
most=$(field "$shadow" 5)
grace=$(field "$shadow" 7)
case x$last$most$grace in x*[!x0-9]*) ;; *)
    if [ -n "$last" ] && [ -n "$most" ] && [ -n "$grace" ] && [ "$last" -gt 0 ] && [ "$most" -lt 10000 ] && [ $((last + most + grace)) -lt "$today" ]; then
        set_field 3 "$today"
        changed "the password of $ACCOUNT has a new term of $most days from today; it ran out and the grace of $grace days was over"
    fi
    ;;
esac
shell=$(field "$ROOT/etc/passwd" 7)
case $shell in */nologin | */false) note "the login shell is $shell: guest-repair-shell gives one" ;; esac
finish
