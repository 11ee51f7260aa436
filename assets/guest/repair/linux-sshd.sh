# The SSH service: its files, what it makes of them for one account, and taking them up.
sshd=$(command -v sshd || true)
# The program is there and nobody may run it.
shut=
for f in /usr/sbin/sshd /usr/local/sbin/sshd; do
    [ -n "$shut" ] || [ ! -f "$f" ] || [ -x "$f" ] || shut=$f
done
# Process numbers of what listens as sshd in this network; sessions are none of it.
listeners() {
    net=$(readlink /proc/self/ns/net)
    for p in /proc/[0-9]*; do
        exe=$(readlink "$p/exe" 2>/dev/null) || continue
        case ${exe%' (deleted)'} in */sshd) ;; *) continue ;; esac
        [ "$(readlink "$p/ns/net" 2>/dev/null)" = "$net" ] || continue
        line="$({ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null) "
        case $line in
        *'[listener]'*) ;;
        'sshd: '* | *' -R '* | ' ') continue ;;
        esac
        printf '%s\n' "${p#/proc/}"
    done
}
# The file that the running service was started with, where it was told one.
started_with() {
    for p in $(listeners); do
        { tr '\0' '\n' <"/proc/$p/cmdline"; } 2>/dev/null | tr ' ' '\n' | awk 'f { print; exit } $0 == "-f" { f = 1 }'
    done | head -n 1
}
conf=
[ -n "$ROOT" ] || conf=$(started_with)
[ -n "$conf" ] || conf="$ROOT/etc/ssh/sshd_config"
etc=$(dirname "$conf")
# The main file and what it includes, one a line.
config_files() {
    all=$conf
    new=$conf
    level=0
    while [ -n "$new" ] && [ "$level" -lt 5 ]; do
        level=$((level + 1))
        more=$(printf '%s\n' "$new" | while IFS= read -r f; do
            [ -f "$f" ] || continue
            awk 'tolower($0) ~ /^[ \t]*include[ \t="]/ { sub(/^[ \t]*[A-Za-z]+[ \t=]*/, ""); sub(/[ \t]#.*$/, ""); gsub(/"/, ""); n = split($0, w, /[ \t]+/); for (i = 1; i <= n; i++) if (w[i] != "") print w[i] }' "$f"
        done | while IFS= read -r pattern; do
            case $pattern in /*) pattern=$ROOT$pattern ;; *) pattern="$ROOT/etc/ssh/$pattern" ;; esac
            # What the pattern stands for; it is an operator's own file name, not anything given to this script.
            for f in $pattern; do [ ! -f "$f" ] || printf '%s\n' "$f"; done
        done)
        [ -z "$more" ] || all="$all
$more"
        new=$more
    done
    printf '%s\n' "$all" | awk '!seen[$0]++'
}
# The service's own test; the folder that it leaves its rights in is made where it is gone.
passes() {
    report=$("$sshd" -t -f "$conf" 2>&1) && return 0
    gone=$(printf '%s\n' "$report" | tr -d '\r' | sed -n 's/^Missing privilege separation directory: //p' | head -n 1)
    case $gone in
    /*)
        folder "$gone" && changed "made $gone, where the service leaves its rights"
        report=$("$sshd" -t -f "$conf" 2>&1)
        ;;
    *) return 1 ;;
    esac
}
told() { printf '%s\n' "$report" | tr -d '\r' | head -n 5 | while IFS= read -r line; do note "$line"; done; }
begin() {
    [ -n "$sshd" ] || fail "no sshd is installed"
    passes && return 0
    told
    fail "the configuration does not pass sshd -t, so nothing was changed: guest-repair-sshd mends that"
}
# What holds for the account, from the user's address.
effective() {
    from=${SOURCE%%/*}
    from=${from:-192.0.2.1}
    "$sshd" -T -f "$conf" -C "user=$ACCOUNT,host=$from,addr=$from,laddr=127.0.0.1,lport=$PORT" 2>/dev/null ||
        "$sshd" -T -f "$conf" -C "user=$ACCOUNT,host=$from,addr=$from" 2>/dev/null
}
# value KEYWORD: of a text of `effective` on standard input.
value() { awk -v k="$1" '$1 == k { sub(/^[^ ]+ /, ""); print; exit }'; }
# Comments lines out by their keyword, wherever they stand.
drop() {
    keep_dir
    config_files >"$KEEP/files"
    while IFS= read -r f; do
        [ -f "$f" ] || continue
        K="$*" M="$MARK" awk '
            BEGIN { n = split(tolower(ENVIRON["K"]), k, " "); for (i = 1; i <= n; i++) want[k[i]] = 1 }
            { w = $0; sub(/^[ \t]*"?/, "", w); sub(/[ \t="].*$/, "", w); sub(/\r$/, "", w) }
            tolower(w) in want { print "# " ENVIRON["M"] ": " $0; hit = 1; next }
            { print }
            END { exit !hit }' "$f" >"$KEEP/new" || continue
        write "$f" && changed "$f: commented $* out"
    done <"$KEEP/files"
    rm -f "$KEEP/files"
}
# Lines at the top of the main file, where the first value wins.
on_top() {
    keep_dir
    { printf '# %s\n%s\n' "$MARK" "$1" && cat "$conf"; } >"$KEEP/new" || fail "cannot write $KEEP"
    write "$conf" && changed "$conf: put on top: $(printf '%s' "$1" | tr '\n' ';')"
}
# Lines for the account alone, from the user's address alone where that is known. They stand before
# every other block, because the first that fits decides.
for_account() {
    who="User $ACCOUNT"
    [ -z "$SOURCE" ] || who="$who Address $SOURCE"
    block="# $MARK
Match $who
$(printf '%s\n' "$1" | sed 's/^/    /')"
    keep_dir
    B="$block" awk '!done && tolower($0) ~ /^[ \t]*match[ \t="]/ { print ENVIRON["B"]; done = 1 } { print } END { if (!done) print ENVIRON["B"] }' "$conf" >"$KEEP/new" || fail "cannot write $KEEP"
    write "$conf" || return 0
}
# The same from a file of its own, which is read before any block of another included file.
for_account_first() {
    own="$etc/cvmtop-$MARK.conf"
    printf '%s\n' "$block" >"$KEEP/new"
    write "$own"
    { printf '# %s\nInclude %s\n' "$MARK" "${own#"$ROOT"}" && cat "$conf"; } >"$KEEP/new"
    write "$conf"
}
# Puts the lines in place that `needs` of the caller finds missing for the account: last, and where
# another block decides, first. SERVED says what holds then, LACKS what does not.
grant() { # SERVED LACKS
    needs
    if [ -z "$lines" ]; then
        same "the service $1 already"
        return
    fi
    wanted_lines=$lines
    for_account "$lines"
    needs
    if [ -n "$lines" ]; then
        for_account_first
        needs
    fi
    [ -z "$lines" ] || give_up "the service would still not $2, so everything is as it was: look for a Match block that fits before it"
    changed "$conf: $(printf '%s' "$wanted_lines" | tr '\n' ';') for $who"
}
# The inode of the socket that listens on a port; and where it can be asked.
socket_of() { awk -v p="$(printf '%04X' "$1")" '$4 == "0A" { split($2, a, ":"); if (a[2] == p) print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null | sort; }
asked_at() {
    awk -v p="$(printf '%04X' "$1")" '$4 == "0A" { split($2, a, ":"); if (a[2] == p) print a[1] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null | head -n 1 | while IFS= read -r hex; do
        case $hex in
        00000000 | 00000000000000000000000000000000) printf '127.0.0.1' ;;
        ????????)
            # The kernel writes the four numbers last first.
            set -- "${hex%??????}" "${hex#??}" "${hex#????}" "${hex#??????}"
            printf '%d.%d.%d.%d' "0x$4" "0x${3%??}" "0x${2%????}" "0x$1"
            ;;
        00000000000000000000000001000000) printf '::1' ;;
        esac
    done
}
# What is said first on a port of this system.
greeting() {
    at=$(asked_at "$1")
    [ -n "$at" ] || return 1
    if have bash; then
        # shellcheck disable=SC2016 # for the other shell
        bounded bash -c 'exec 3<>"/dev/tcp/$1/$2" && IFS= read -r -t 5 line <&3 && printf %s "$line"' - "$at" "$1" 2>/dev/null
    elif have python3; then
        bounded python3 -c 'import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); s.settimeout(5); sys.stdout.write(s.recv(80).decode("latin-1").split("\n")[0])' "$at" "$1" 2>/dev/null
    elif have nc; then
        : | bounded nc -w 5 "$at" "$1" 2>/dev/null | head -n 1
    else
        bounded ssh-keyscan -T 5 -p "$1" "$at" 2>&1 | sed -n "s/^# [^ ]* //p" | head -n 1
    fi
}
# pause: a moment, on systems whose sleep knows whole seconds only as well.
pause() { sleep 0.2 2>/dev/null || sleep 1; }
# The port that a login is expected on, else the first that the configuration names.
wanted() {
    ports=$("$sshd" -T -f "$conf" 2>/dev/null | awk '$1 == "listenaddress" { n = split($2, a, ":"); print a[n] } $1 == "port" { print $2 }')
    if printf '%s\n' "$ports" | grep -qx "$PORT"; then printf '%s' "$PORT"; else printf '%s\n' "$ports" | head -n 1; fi
}
# True once the service greets on a port; the first look may come too early.
answers() {
    tries=0
    while [ "$tries" -lt 25 ]; do
        case $(greeting "$1") in SSH-*) return 0 ;; esac
        tries=$((tries + 1))
        pause
    done
    return 1
}
holder() { have ss && ss -ltnp 2>/dev/null | awk -v p=":$1\$" '$4 ~ p { print $NF; exit }'; }
# start_service VERB: by the system's own manager, else the daemon itself.
start_service() {
    HOW=
    if [ -d /run/systemd/system ] && have systemctl; then
        for unit in sshd.service ssh.service; do
            case $(systemctl is-enabled "$unit" 2>/dev/null) in
            masked*)
                systemctl unmask "$unit" >/dev/null 2>&1 && changed "unmasked $unit: systemctl mask $unit shuts it again"
                systemctl daemon-reload >/dev/null 2>&1
                ;;
            disabled) note "$unit is not enabled: it will not start at the next boot" ;;
            esac
            systemctl cat "$unit" >/dev/null 2>&1 || continue
            systemctl reset-failed "$unit" >/dev/null 2>&1 || true
            if bounded systemctl "$1" "$unit" >/dev/null 2>&1 </dev/null; then
                HOW=$unit
                return 0
            fi
            note "systemctl $1 $unit did not succeed: $(systemctl is-failed "$unit" 2>/dev/null)"
            break
        done
    fi
    for name in sshd ssh; do
        [ -x "/etc/init.d/$name" ] || continue
        if have rc-service; then set -- rc-service "$name" "$1"
        elif have service; then set -- service "$name" "$1"
        else set -- "/etc/init.d/$name" "$1"; fi
        if bounded "$@" >/dev/null 2>&1 </dev/null && [ -n "$(listeners)" ]; then
            HOW="$name"
            return 0
        fi
        set -- start
    done
    [ -z "$(listeners)" ] || return 0
    case $sshd in /*) ;; *) fail "sshd has no path" ;; esac
    "$sshd" -f "$conf" >/dev/null 2>&1 </dev/null || return 1
    HOW="the daemon itself"
    note "no service manager starts sshd here, so it is up until the next boot only"
}
# Makes the service take its files up, or starts it where it does not run; sessions stay.
serve() {
    passes || { told; give_up "the changed configuration does not pass sshd -t, so everything is as it was"; }
    [ -z "$ROOT" ] || return 0
    port=$(wanted)
    running=$(listeners)
    if [ -n "$running" ]; then
        [ "$CHANGES" -gt 0 ] || return 0
        before=$(socket_of "$port")
        for p in $running; do kill -HUP "$p"; done
        tries=0
        while [ "$tries" -lt 25 ]; do
            now=$(socket_of "$port")
            [ -z "$now" ] || [ "$now" = "$before" ] || break
            tries=$((tries + 1))
            pause
        done
    elif have systemctl && systemctl is-active --quiet ssh.socket 2>/dev/null; then
        [ "$CHANGES" -gt 0 ] || return 0
        bounded systemctl daemon-reload >/dev/null 2>&1
        bounded systemctl restart ssh.socket >/dev/null 2>&1
    else
        start_service start || fail "the files are in order, but the service does not start: $(bounded "$sshd" -f "$conf" -D -e 2>&1 </dev/null | head -n 1)"
        keep_dir
        printf '%s\n' "$HOW" >"$KEEP/started"
        changed "started the service ($HOW)"
    fi
    if answers "$port"; then
        same "the service answers on port $port"
    elif [ -n "$(socket_of "$port")" ]; then
        note "the service listens on port $port, but does not greet this system itself"
    else
        fail "the files are in order, but nothing listens on port $port: guest-restart-login-service starts it"
    fi
}
# Before the files are put back: a service that this repair started is not left running on them.
stop_again() {
    [ -e "$KEEP/started" ] || return 0
    read -r how <"$KEEP/started"
    case $how in *.service) bounded systemctl stop "$how" >/dev/null 2>&1 ;; esac
    for p in $(listeners); do kill "$p"; done
    rm -f "$KEEP/started"
    changed "stopped the service that this repair had started; sessions that are open stay"
}
# After the files were put back.
serve_again() {
    [ "$CHANGES" -gt 0 ] || { same "nothing was changed by this repair"; return 0; }
    [ -z "$ROOT" ] || return 0
    # What was there before may not pass; then the running service keeps what it has.
    if "$sshd" -t -f "$conf" >/dev/null 2>&1; then
        port=$(wanted)
        before=$(socket_of "$port")
        for p in $(listeners); do kill -HUP "$p"; done
        tries=0
        while [ -n "$(listeners)" ] && [ "$tries" -lt 10 ] && [ -n "$before" ] && [ "$(socket_of "$port")" = "$before" ]; do
            tries=$((tries + 1))
            pause
        done
    else
        note "what was there before does not pass sshd -t; the running service was left alone"
    fi
}
# Owner and mode of what leads to the keys of the account, as the service asks for them.
account_files() {
    [ -n "$ACCOUNT" ] || return 0
    uid=$(id -u "$ACCOUNT" 2>/dev/null) || { note "there is no account $ACCOUNT, so nobody's keys were looked at"; return 0; }
    gid=$(id -g "$ACCOUNT")
    home=$(field "$ROOT/etc/passwd" 6)
    [ -n "$home" ] || home=$(getent passwd "$ACCOUNT" 2>/dev/null | cut -d: -f6)
    case $home in /*) ;; *) return 0 ;; esac
    home=$(readlink -f "$ROOT$home") || return 0
    all=$(effective)
    [ "$(printf '%s\n' "$all" | value strictmodes)" != no ] || return 0
    list=$(printf '%s\n' "$all" | value authorizedkeysfile)
    set -f
    # shellcheck disable=SC2086 # words of the option
    set -- ${list:-.ssh/authorized_keys}
    set +f
    for file in "$@"; do
        file=$(printf '%s' "$file" | U="$ACCOUNT" H="$home" I="$uid" awk '{ out = ""; while (match($0, /%[%uhU]/)) { c = substr($0, RSTART + 1, 1); v = c == "u" ? ENVIRON["U"] : c == "h" ? ENVIRON["H"] : c == "U" ? ENVIRON["I"] : "%"; out = out substr($0, 1, RSTART - 1) v; $0 = substr($0, RSTART + 2) } print out $0 }')
        case $file in none) continue ;; "$home"/*) ;; /*) file=$ROOT$file ;; *) file=$home/$file ;; esac
        [ -e "$file" ] || continue
        at=$(readlink -f "$file") || continue
        while :; do
            # shellcheck disable=SC2046 # three words by construction
            set -- $(stat -c '%a %u %g' "$at") ""
            owner=$2 group=$3
            mode=$(bits "$1" 0 0)
            safe=$(bits "$1" 0022 0)
            good=$owner
            [ "$owner" = 0 ] || [ "$owner" = "$uid" ] || good=$uid
            case $at/ in "$home"/*) ;; *) [ "$good" = "$owner" ] || good=0 ;; esac
            # A sticky folder that everybody may write to, like /tmp, is none of ours to shut.
            if [ "$safe" != "$mode" ] || [ "$good" != "$owner" ]; then
                case $at in /tmp | /var/tmp | /dev/shm) note "keys below $at are never taken" ;; *)
                    [ "$good" = "$owner" ] || group=$([ "$good" = 0 ] && echo 0 || echo "$gid")
                    owns "$at" "$safe" "$good" "$group"
                    changed "$at had mode $mode and owner $owner, has $safe and $good"
                    ;;
                esac
            fi
            [ "$at" != "$home" ] && [ "$at" != / ] && [ "$at" != "$ROOT" ] || break
            at=$(dirname "$at")
        done
        # What the account itself has to read, as the service does in its name.
        at=$(readlink -f "$file")
        while :; do
            case $at in "$home" | "$home"/*) ;; *) break ;; esac
            need=500
            [ -d "$at" ] || need=400
            # shellcheck disable=SC2046 # three words by construction
            set -- $(stat -c '%a %u %g' "$at")
            mode=$(bits "$1" 0 0)
            if [ "$2" = "$uid" ]; then
                if [ "$(bits "$1" 0 "$need")" != "$mode" ]; then
                    owns "$at" "$(bits "$1" 0 "$((need + 200))")" "$uid" "$3"
                    changed "$at could not be read by $ACCOUNT"
                fi
            elif [ "$uid" != 0 ] && [ "$(bits "$1" 0 "$((need / 100))")" != "$mode" ]; then
                owns "$at" "$1" "$uid" "$gid"
                changed "$at could not be read by $ACCOUNT and belongs to it now"
            fi
            at=$(dirname "$at")
        done
    done
}
