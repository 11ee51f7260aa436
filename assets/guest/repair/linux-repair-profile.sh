# Finds the start-up file of ACCOUNT's shell that keeps a login from its end (it calls itself, leaves,
# or waits for ever) and takes that line out. Each trial runs as the account, bounded, in a mount
# namespace of its own in which a file is hidden: nothing is changed before the line is known.
shells="$KEEP/files"
if [ "$MODE" = undo ]; then
    [ -s "$shells" ] || { same "nothing was changed by this repair"; finish; }
    while IFS= read -r file; do
        base="$KEEP/$(printf '%s' "$file" | tr / _)"
        [ -e "$base" ] || continue
        # Somebody's work since then is worth more than the old text.
        cmp -s "$file" "$base.new" || fail "$file was changed since: the copy from before is $base"
        cat "$base" >"$file" || fail "cannot write $file"
        rm -f "$base" "$base.new"
        changed "put $file back"
    done <"$shells"
    rm -f "$shells"
    finish
fi

field() { N="$ACCOUNT" awk -F: -v f="$1" '$1 == ENVIRON["N"] { print $f; exit }' /etc/passwd 2>/dev/null; }
case $ACCOUNT in '' | -*) fail "no account was named" ;; esac
home=$(field 6) shell=$(field 7) uid=$(field 3) gid=$(field 4)
[ -n "$uid" ] || fail "there is no account $ACCOUNT in /etc/passwd"
[ -n "$shell" ] || shell=/bin/sh
[ -x "$shell" ] || fail "the login shell $shell does not exist: that is to be mended first"
have timeout && have unshare && unshare -m true 2>/dev/null || fail "this system cannot hide a file from a trial (unshare): look at the start-up files by hand"

profiles="/etc/profile.d/*.sh"
case "${shell##*/}" in
bash) files="/etc/profile $profiles /etc/bash.bashrc $home/.bash_profile $home/.bash_login $home/.profile $home/.bashrc /etc/bashrc $home/.bash_aliases" ;;
zsh) files="/etc/profile $profiles /etc/zshenv /etc/zprofile /etc/zshrc /etc/zsh/zshenv /etc/zsh/zprofile /etc/zsh/zshrc $home/.zshenv $home/.zprofile $home/.zshrc $home/.zlogin" ;;
sh | dash | ash | ksh | mksh | yash | busybox) files="/etc/profile $profiles $home/.profile $home/.shrc $home/.kshrc $home/.mkshrc" ;;
*) fail "the start-up files of $shell are not known to this repair" ;;
esac
# What these read in turn, by full name: two steps deep.
sourced() { sed -n 's/^[^#]*\(^\|[[:space:];&|]\)\(\.\|source\)[[:space:]]\{1,\}"\{0,1\}\(~\|\$HOME\|\${HOME}\)\{0,1\}\(\/[^][ ;&|"'"'"'$*?]*\).*/\3\4/p' "$@" 2>/dev/null | sed "s|^\(~\|\$HOME\|\${HOME}\)/|$home/|"; }
list=""
add() {
    for f in "$@"; do
        [ -f "$f" ] && [ -r "$f" ] || continue
        case "$f" in *[!A-Za-z0-9_./+@:-]*) continue ;; esac
        case " $list " in *" $f "*) ;; *) list="$list $f" ;; esac
    done
}
# shellcheck disable=SC2086 # names without blanks
{
    found=$(sourced $files)
    add $files
    add $found $(sourced $found)
}
own=$(printf '%s\n' $list | grep -c .)
[ "$own" -gt 0 ] || { same "there is no start-up file of $shell for $ACCOUNT"; finish; }

# Where trials keep their text: a folder that the account cannot write to.
for work in /dev/shm /run /tmp; do mkdir -m 755 "$work/$MARK.try" 2>/dev/null && break; done
work="$work/$MARK.try"
[ -d "$work" ] || fail "no folder for trials can be made"
trap 'rm -rf "$work"' EXIT
: >"$work/empty"
chmod 644 "$work/empty"
as=""
if [ "$uid" != 0 ]; then
    if have setpriv; then as="setpriv --reuid=$uid --regid=$gid --clear-groups"
    elif have runuser; then as="runuser -u $ACCOUNT --"
    else fail "no program runs a trial as $ACCOUNT (setpriv, runuser)"; fi
fi
# trial "FILE COPY"...: each file is seen as its copy; true where the shell comes to its command. Its
# input stays open and silent, as that of a person who waits does.
printf '%s\n' 'while [ "$1" != -- ]; do mount --bind "$2" "$1" || exit 9; shift 2; done; shift' \
    'cd / && ulimit -t 8; exec env -i HOME="$1" USER="$2" LOGNAME="$2" SHELL="$3" TERM=dumb PATH=/usr/local/bin:/usr/bin:/bin CVMTOP=trial $4 "$3" -l -i -c "echo in\$((40+2))"' >"$work/run"
PATIENCE=8
STARTED=$(date +%s)
trial() {
    [ $(($(date +%s) - STARTED)) -lt 95 ] || fail "the trials take too long here: look at the start-up files by hand"
    rm -f "$work/sleeper"
    # shellcheck disable=SC2086 # names without blanks
    {
        sleep $((PATIENCE * 4)) </dev/null >/dev/null 2>&1 &
        echo $! >"$work/sleeper"
        wait $!
    } 2>/dev/null | timeout -s KILL "$PATIENCE" unshare -m -p -f sh "$work/run" "$@" -- "$home" "$ACCOUNT" "$shell" "$as" >"$work/said" 2>/dev/null &
    pid=$!
    n=0
    while kill -0 "$pid" 2>/dev/null && ! grep -q '^in42' "$work/said" 2>/dev/null && [ "$n" -lt $((PATIENCE * 20)) ]; do sleep 0.1; n=$((n + 2)); done
    # Judged before its input ends: what waits for an answer would go on then.
    grep -q '^in42' "$work/said"
    came=$?
    n=0
    while [ ! -s "$work/sleeper" ] && [ "$n" -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
    kill "$(cat "$work/sleeper" 2>/dev/null)" 2>/dev/null
    wait "$pid" 2>/dev/null
    return "$came"
}
# As it is now; the loops of other users are not looked for.
if trial; then
    same "the shell of $ACCOUNT comes to its command within $PATIENCE seconds"
    finish
fi
hidden=""
for f in $list; do hidden="$hidden $f $work/empty"; done
before=$(date +%s)
# shellcheck disable=SC2086
trial $hidden || fail "the login shell $shell does not start even with every start-up file hidden: the fault is elsewhere"

# How long a good login takes here says how long a bad one is waited for.
PATIENCE=$((5 + 3 * ($(date +%s) - before)))
[ "$PATIENCE" -le 9 ] || PATIENCE=9

# Shown again one after the other, what reads others before those: what ends the login is guilty.
guilty=""
still="$list"
for f in $list; do
    rest=""
    for g in $still; do [ "$g" = "$f" ] || rest="$rest $g"; done
    hidden=""
    for g in $rest $guilty; do hidden="$hidden $g $work/empty"; done
    # One slow trial accuses nobody: guilty is what fails twice.
    # shellcheck disable=SC2086
    trial $hidden || trial $hidden || guilty="$guilty $f"
    still="$rest"
done
[ -n "$guilty" ] || fail "no single start-up file of $ACCOUNT was found guilty"

# without FILE FROM TO: a copy in which these lines do nothing.
without() {
    awk -v a="$2" -v b="$3" -v mark="$MARK" 'NR < a || NR > b { print; next } { match($0, /^[ \t]*/)
        print substr($0, 1, RLENGTH) (NR == a ? ": # " : "# ") mark ": " substr($0, RLENGTH + 1) }' "$1" >"$work/copy"
    chmod 644 "$work/copy"
}
keep_dir
for f in $guilty; do
    hidden=""
    for g in $guilty; do [ "$g" = "$f" ] || hidden="$hidden $g $work/empty"; done
    # Lines that read another file or begin a loop come first, then those that leave or wait; what
    # was added last is tried first.
    F="$f" awk '
        /^[ \t]*(#|$)/ { next }
        /(^|[ \t;&|])(while|until|for)[ \t]/ && !/(^|[ \t;])done/ { depth++; start[depth] = NR; next }
        /(^|[ \t;])done([ \t;<|&]|$)/ && depth > 0 && !/(^|[ \t;&|])(while|until|for)[ \t]/ { print 1, start[depth], NR; depth--; next }
        index($0, ENVIRON["F"]) || /(^|[ \t;&|])(while|until)[ \t]/ { print 0, NR, NR; next }
        /(^|[ \t;&|])(\.|source)[ \t]+[~\/$"]/ { print /\$\{?[a-z]/ ? 3 : 1, NR, NR; next }
        /(^|[ \t;&|({])(exit|logout|exec|kill|su|sudo|login|bash|sh|zsh|ksh|read|sleep|wait|cat|tail|ssh|ping|for|trap|tmux|screen)([ \t;&|)]|$)/ { print 2, NR, NR; next }
        { print 4, NR, NR }' "$f" | sort -k1,1n -k2,2nr | head -n 40 | cut -d' ' -f2- >"$work/lines"
    lines=""
    while read -r from to; do
        without "$f" "$from" "$to"
        # A line may be the only one of its branch: what no longer reads as a script is no answer.
        "$shell" -n "$work/copy" 2>/dev/null || continue
        # shellcheck disable=SC2086
        if trial $hidden "$f" "$work/copy" </dev/null; then lines="$from $to"; break; fi
    done <"$work/lines"
    base="$KEEP/$(printf '%s' "$f" | tr / _)"
    [ -e "$base" ] || cp -p "$f" "$base" || fail "cannot back up $f"
    if [ -n "$lines" ]; then
        # shellcheck disable=SC2086 # two numbers
        without "$f" $lines
        said="line ${lines% *}$([ "${lines% *}" = "${lines#* }" ] || echo " to ${lines#* }") of $f: $(sed -n "${lines% *}p" "$f" | cut -c1-120)"
    else
        # No single line: the whole file is made to do nothing.
        without "$f" 1 "$(awk 'END { print NR }' "$f")"
        said="the whole of $f"
    fi
    cat "$work/copy" >"$f" || fail "cannot write $f"
    cp -p "$f" "$base.new"
    grep -qxF -e "$f" "$shells" 2>/dev/null || printf '%s\n' "$f" >>"$shells"
    changed "made a comment of $said"
    note "backup of $f is $base"
done
trial || fail "the shell of $ACCOUNT still does not come to its command: take this back and look at the files named above"
same "the shell of $ACCOUNT comes to its command now"
finish
