# Gives ACCOUNT a login shell that exists, and takes limits out that no session can begin under.
if [ "$MODE" = undo ]; then
    put_back
    [ "$CHANGES" -gt 0 ] || same "nothing was changed by this repair"
    finish
fi
named
passwd="$ROOT/etc/passwd"
shell=$(field "$passwd" 7)
uid=$(field "$passwd" 3)
# The system's own default, root's shell, or what there is.
default_shell() {
    for s in "$(sed -n 's/^SHELL=//p' "$ROOT/etc/default/useradd" 2>/dev/null)" "$(awk -F: '$3 == 0 { print $7; exit }' "$passwd")" /bin/bash /bin/sh /bin/ash; do
        case $s in */nologin | */false | '') continue ;; /*) ;; *) continue ;; esac
        [ -x "$ROOT$s" ] && printf '%s' "$s" && return
    done
}
works() {
    case $1 in '') return 0 ;; */nologin | */false | /bin/sync | */halt | */shutdown) return 1 ;; esac
    [ -x "$ROOT$1" ] && [ ! -d "$ROOT$1" ]
}
if [ -z "$uid" ]; then
    note "the account comes from a directory, which names its shell"
elif works "$shell"; then
    same "the shell of $ACCOUNT is ${shell:-/bin/sh}"
elif [ "$uid" != 0 ] && [ "$uid" -lt "$(awk '$1 == "UID_MIN" { print $2; f = 1; exit } END { if (!f) print 1000 }' "$ROOT/etc/login.defs" 2>/dev/null || echo 1000)" ]; then
    fail "$ACCOUNT is an account of the system (number $uid), which is to have no shell: log in with another one"
elif [ -e "$ROOT$shell" ] && [ ! -d "$ROOT$shell" ] && ! [ -x "$ROOT$shell" ] && case $shell in */nologin | */false) false ;; esac; then
    owns "$ROOT$shell" 755 0 0
    changed "$shell could not be run and can now"
else
    new=$(default_shell)
    [ -n "$new" ] || fail "no shell was found on this system"
    keep_dir
    A="$ACCOUNT" V="$new" awk -F: -v OFS=: '$1 == ENVIRON["A"] { $7 = ENVIRON["V"] } { print }' "$passwd" >"$KEEP/new" || fail "cannot read $passwd"
    write "$passwd" && changed "the shell of $ACCOUNT was $shell and is $new"
    ! have nscd || nscd -i passwd >/dev/null 2>&1 || true
    shell=$new
fi
# Some stacks let in only who has a shell of this list.
if [ -n "$shell" ] && [ -s "$ROOT/etc/shells" ] && grep -qs '^[^#]*pam_shells' "$ROOT"/etc/pam.d/*; then
    if ! S="$shell" awk '$0 == ENVIRON["S"] { f = 1 } END { exit !f }' "$ROOT/etc/shells"; then
        keep_dir
        { cat "$ROOT/etc/shells" && printf '%s\n' "$shell"; } >"$KEEP/new"
        write "$ROOT/etc/shells" && changed "/etc/shells names $shell"
    fi
fi

# Limits under which no session begins, on lines that fit the account.
most=$(cat /proc/sys/fs/nr_open 2>/dev/null || echo 1048576)
groups=" $(id -Gn "$ACCOUNT" 2>/dev/null) "
for file in "$ROOT/etc/security/limits.conf" "$ROOT"/etc/security/limits.d/*.conf; do
    [ -f "$file" ] || continue
    keep_dir
    A="$ACCOUNT" G="$groups" O="$most" M="$MARK" awk '
        { line = $0; sub(/#.*/, "", line); n = split(line, w, /[ \t]+/); at = w[1] == "" ? 2 : 1; who = w[at]; item = w[at + 2]; v = w[at + 3] }
        {
            fits = who == "*" || who == "%" || who == ENVIRON["A"] || (who ~ /^@/ && index(ENVIRON["G"], " " substr(who, 2) " ")) || who ~ /^[0-9]*:[0-9]*$/
            bad = 0
            if (fits && v != "") {
                if (item == "nofile") bad = (v ~ /^[0-9]+$/ && (v + 0 > ENVIRON["O"] + 0 || v + 0 < 16)) || v == "unlimited" || v == "infinity" || v == "-1"
                else if (item == "nproc") bad = v ~ /^[0-9]+$/ && v + 0 < 16
                else if (item == "as" || item == "data" || item == "rss") bad = item != "rss" && v ~ /^[0-9]+$/ && v + 0 < 65536
                else if (item == "stack") bad = v ~ /^[0-9]+$/ && v + 0 < 64
                else if (item == "fsize" || item == "cpu" || item == "maxlogins" || item == "maxsyslogins") bad = v == "0"
            }
            if (bad) { print "# " ENVIRON["M"] ": " $0; hit = 1 } else print
        }
        END { exit !hit }' "$file" >"$KEEP/new" || continue
    write "$file" && changed "$file: commented limits out under which no session begins"
done
# A limit for everybody that is in the way of the hard one it is to keep under.
[ -z "$ROOT" ] || finish
# The proof: a session of the account, as the system makes one.
if have su; then
    said=$(bounded su -s "${shell:-/bin/sh}" "$ACCOUNT" -c 'echo in' 2>&1 </dev/null | tail -n 1)
    case $said in
    in) same "a session of $ACCOUNT begins" ;;
    *) note "su as $ACCOUNT says: $said" ;;
    esac
fi
finish
