# Gives the password of ACCOUNT, which has run out or was to be changed at the next login, a new
# term from today. The password itself stays, and so does how long a term is.
if [ "$MODE" = undo ]; then
    put_back
    [ "$CHANGES" -gt 0 ] || same "nothing was changed by this repair"
    finish
fi
named
today=$(($(date +%s) / 86400))
[ -n "$(field "$shadow" 1)" ] || fail "$ACCOUNT has no line in $shadow: its directory says when its password runs out"
last=$(field "$shadow" 3)
most=$(field "$shadow" 5)
number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; }
over=no
if number "$last"; then
    [ "$last" != 0 ] || over=yes
    if number "$most" && [ "$most" -lt 10000 ] && [ "$today" -gt $((last + most)) ]; then over=yes; fi
    # A clock that was wrong when the password was set.
    [ "$last" -le "$today" ] || { note "the password was set on a day that is still to come: look at the clock"; }
fi
if [ "$over" = no ]; then
    same "the password of $ACCOUNT has not run out"
    finish
fi
# A term of no days would run out at once again.
if number "$most" && [ "$most" -lt 1 ]; then
    set_field 5 99999
    changed "the longest age of the password of $ACCOUNT was $most days and is none now"
fi
set_field 3 "$today"
changed "the password of $ACCOUNT has a new term from today"
expiry=$(field "$shadow" 8)
if number "$expiry" && [ "$expiry" -le "$today" ]; then note "the account itself expired on day $expiry since 1970: guest-unlock-account lifts that"; fi
finish
