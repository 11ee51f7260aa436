# cvmtop guest check for Linux: reads why a login may fail and changes nothing.
# Needs a POSIX shell only; each tool is used where it exists. Every command is bounded in time
# and output. One fact a line: group, key and value, separated by tabs.
#
# Set by the caller, as data: the failing user, its source address, the login port, the private
# address that the cloud knows and the time of the request (seconds since 1970).
U="${CVMTOP_USER:-root}"
S="${CVMTOP_SOURCE:-}"
P="${CVMTOP_PORT:-22}"
A="${CVMTOP_ADDRESS:-}"
Q="${CVMTOP_TIME:-}"
LC_ALL=C; export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
TAB=$(printf '\t')

have() { command -v "$1" >/dev/null 2>&1; }
# bound SECONDS COMMAND...: runs a command with a time limit where the system has `timeout`.
bound() { limit=$1; shift; if have timeout; then timeout "$limit" "$@"; else "$@"; fi; }
# fact GROUP KEY: each input line becomes one fact; long lines and long lists are cut.
fact() { head -n "${3:-20}" | cut -c1-300 | tr -d '\r' | sed "s/^/$1${TAB}$2${TAB}/"; }
say() { printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }

# whole GROUP KEY LINES: like fact, with long lines, and says when it left some off.
whole() {
    awk -v g="$1" -v k="$2" -v most="$3" '{ sub(/\r$/, "") } NR <= most && length($0) < 2048 { print g "\t" k "\t" $0; next } { cut = 1 }
        END { if (cut) print g "\tcut\t" k }'
}

# A value that is none of what it should be is used for nothing.
case $U in
'' | -* | *[[:cntrl:]]* | *[][\ \'\"\`\$\&\;\|\<\>\(\)\{\}\*\?\!\#\~\=\,\%\^\:\/]*) say check refused "the user name"; say check end 1; exit 0 ;;
esac
case $S$A in *[!0-9A-Fa-f.:]*) say check refused "an address"; say check end 1; exit 0 ;; esac
case $P in '' | *[!0-9]*) say check refused "the port"; say check end 1; exit 0 ;; esac

case $Q in *[!0-9]*) say check refused "the time"; say check end 1; exit 0 ;; esac

say check version 1
say clock asked "$Q"
say clock now "$(date +%s)"
say clock local "$(date '+%Y-%m-%dT%H:%M:%S%z')"
say check user "$U"
say check port "$P"
say check kernel "$(uname -sr 2>/dev/null)"
[ -r /etc/os-release ] && sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"' | fact check system 1
[ -e /etc/debian_version ] && say check debian yes
[ "$(id -u)" = 0 ] || say check unprivileged "$(id -un)"

# The kernel's log, asked once; where it may not be read, that is told.
DM=$(bound 4 dmesg 2>/dev/null | tail -n 3000)
[ -n "$DM" ] && say kernel log read
[ -r /proc/uptime ] && say kernel uptime "$(cut -d. -f1 /proc/uptime)"

# Entries of the user databases; without getent only the files can be asked.
entry() { # DATABASE KEY: the line of this name or number
    if have getent; then bound 5 getent "$1" "$2" 2>/dev/null | head -n 1
    else K="$2" awk -F: '$1 == ENVIRON["K"] || $3 == ENVIRON["K"] { print; exit }' "/etc/$1" 2>/dev/null; fi
}
PW=$(entry passwd "$U")
case $PW in "$U":*) ;; *) PW="" ;; esac
H=$(printf '%s\n' "$PW" | cut -d: -f6)
UIDN=$(printf '%s\n' "$PW" | cut -d: -f3)
# The name that the source has, if that name leads back to it: as sshd and TCP wrappers look it up.
NAME=""
if [ -n "$S" ] && have getent; then
    t0=$(date +%s)
    NAME=$(bound 12 getent hosts "$S" 2>/dev/null | awk '{print $2; exit}')
    t1=$(date +%s)
    say dns seconds "$((t1 - t0))"
    if [ -z "$NAME" ]; then say source name unknown
    elif bound 5 getent ahosts "$NAME" 2>/dev/null | awk '{print $1}' | grep -qFx -e "$S"; then say source name "known $NAME"
    else say source name paranoid; NAME=""; fi
fi

# Host firewall: every rule set that the kernel walks, sent whole and packed, near the top so that
# a cut answer still holds it. A part starts with a line `@name`; `@end` shows that none is missing.
FW_KEEP=""
fw_run() { # NAME COMMAND...: the output as a part; an error is told instead of passed over.
    printf '@%s\n' "$1"; shift
    o=$(bound 8 "$@" 2>/dev/null); r=$?
    [ -n "$o" ] && printf '%s\n' "$o"
    [ "$r" = 0 ] || printf '@failed %s %s\n' "$r" "$(bound 8 "$@" 2>&1 >/dev/null | head -n 1)"
}
fw_xtables() { # PROGRAM: the tables of both backends, beside each other as the kernel has them.
    is=""
    for b in legacy nft; do
        if have "$1-$b-save"; then fw_run "$1 $b" "$1-$b-save" -c; continue; fi
        have "$1-save" || continue
        [ -n "$is" ] || case "$(bound 3 "$1" -V 2>/dev/null)" in *nf_tables*) is=nft ;; *) is=legacy ;; esac
        [ "$is" != "$b" ] || fw_run "$1 $b" "$1-save" -c
    done
    names=/proc/net/$(echo "$1" | sed 's/tables/_tables_names/')
    [ -s "$names" ] && { printf '@%s tables\n' "$1"; cat "$names"; }
}
# Of a long listing only what cannot match is left out: rules for one other single address, and
# chains that nothing leads to any more.
fw_short_xtables() {
    awk -v keep="$FW_KEEP" '
    BEGIN { n = split(keep, k, " "); for (i = 1; i <= n; i++) own[k[i]] = 1 }
    function other(flag,  p, a) {
        p = index($0, " " flag " "); if (!p || substr($0, p - 1, 2) == "! " || substr($0, p - 2, 2) == " !") return 0
        a = substr($0, p + length(flag) + 2); sub(/ .*/, "", a)
        if (a !~ /\/(32|128)$/ && a ~ /\//) return 0
        sub(/\/.*/, "", a); return !(a in own)
    }
    function flush(  i, j, more, w, c) {
        do { more = 0
            for (i = 1; i <= m; i++) if (line[i] != "" && (from[i] in live) && to[i] != "" && !(to[i] in live)) { live[to[i]] = 1; more = 1 }
        } while (more)
        for (i = 1; i <= m; i++) if (from[i] in live) print line[i]; else left++
        m = 0; split("", live); split("", line)
    }
    /^@/ { flush(); print; next }
    /^\*/ { flush(); nat = ($0 == "*nat"); print; next }
    /^COMMIT/ { flush(); print; next }
    /^:/ { m++; c = substr($1, 2); from[m] = c; to[m] = ""; line[m] = $0; if ($2 != "-") live[c] = 1; next }
    /-A / { if (other("-s") || (nat && other("-d"))) { left++; next }
        m++; line[m] = $0; c = $0; sub(/^.*-A /, "", c); sub(/ .*/, "", c); from[m] = c
        c = $0; if (c ~ / -[jg] /) { sub(/^.* -[jg] /, "", c); sub(/ .*/, "", c) } else c = ""; to[m] = c; next }
    { print }
    END { flush(); print "@left-out " left + 0 }'
}
fw_short_nft() {
    awk -v keep="$FW_KEEP" '
    BEGIN { n = split(keep, k, " "); for (i = 1; i <= n; i++) own[k[i]] = 1 }
    /^table / { t = $2 " " $3 }
    /^\t(set|map) / { name = $2; kind = $1; keytype = "" }
    /^\t\ttype / { keytype = $0; sub(/^\t\ttype /, "", keytype); sub(/ : .*/, "", keytype) }
    /^\t\ttypeof / { keytype = $0; sub(/^\t\ttypeof /, "", keytype); sub(/ : .*/, "", keytype) }
    cut { if (/}/) { cut = 0 } next }
    /^\t\telements = / {
        e = $0; inside = !(/}[ \t]*$/); while (inside && (getline more) > 0) { e = e "\n" more; if (more ~ /}/) inside = 0 }
        if (length(e) < 1500) print e
        else { print "\t\telements = left-out"; print "@ask " kind " " t " " name " " keytype > "/dev/stderr" }
        next }
    /^\t\tip6? saddr [0-9a-f.:]+ / && $3 != "." && !($3 in own) { left++; next }
    { print }
    END { print "@left-out " left + 0 }'
}
# One element of a long set is asked for instead: the login of this user to this port.
fw_ask_nft() {
    while read -r _ kind fam table name type; do
        key=$(printf '%s\n' "$type" | sed 's/ \. /\n/g' | while read -r f; do
            case $f in
            ipv4_addr | 'ip saddr') case $S in *.*) echo "$S" ;; *) echo '?' ;; esac ;;
            ipv6_addr | 'ip6 saddr') case $S in *:*) echo "$S" ;; *) echo '?' ;; esac ;;
            inet_service | 'tcp dport' | 'th dport') echo "$P" ;;
            inet_proto | 'meta l4proto') echo tcp ;;
            *) echo '?' ;; esac; done | tr '\n' ' ' | sed 's/ $//; s/ / . /g')
        case $key in *'?'* | '') continue ;; esac
        printf '@asked %s %s %s %s\n' "$fam" "$table" "$name" "$key"
        o=$(bound 4 nft -nn get element "$fam" "$table" "$name" "{ $key }" 2>&1); r=$?
        case "$r $o" in 0*) printf '%s\n' "$o" ;; *'No such file'*) echo absent ;; *) echo failed ;; esac
    done
}
fw_ipset() { # Sets up to this length are sent; of longer ones it is asked whether the user is in.
    bound 4 ipset list -n 2>/dev/null | head -n 200 | while read -r n; do
        o=$(bound 6 ipset save "$n" 2>/dev/null)
        if [ "${#o}" -le "$1" ]; then printf '%s\n' "$o"; continue; fi
        printf '%s\n' "$o" | head -n 1
        case "$o" in
        'create '*' hash:ip,port '* | 'create '*' hash:net,port '*) e="$S,tcp:$P" ;;
        'create '*' hash:ip '* | 'create '*' hash:net '* | 'create '*' bitmap:ip '*) e=$S ;;
        *) e="" ;; esac
        [ -n "$S" ] && [ -n "$e" ] && case "$(bound 3 ipset test "$n" "$e" 2>&1)" in
            *'is NOT in'*) printf 'asked %s no\n' "$n" ;; *'is in'*) printf 'asked %s yes\n' "$n" ;; esac
        printf 'left-out %s\n' "$n"
    done
}
fw_host() {
    if have ip; then
        echo @link; bound 3 ip -o link 2>/dev/null | head -n 300
        echo @addr; bound 3 ip -o addr 2>/dev/null | head -n 300
        [ -n "$S" ] && { echo "@route $S"; bound 3 ip route get "$S" 2>&1; }
        echo @neigh; bound 3 ip neigh 2>/dev/null | head -n 60
        echo @default; bound 3 ip route show default 2>/dev/null; bound 3 ip -6 route show default 2>/dev/null
    fi
    echo @listen; awk '$4 == "0A" {print $2}' /proc/net/tcp /proc/net/tcp6 2>/dev/null | head -n 300
    echo @sysctl
    for f in ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/all/route_localnet; do
        [ -r "/proc/sys/net/$f" ] && read -r v <"/proc/sys/net/$f" && echo "$f $v"
    done
    for f in /proc/sys/net/ipv4/conf/*/route_localnet; do [ -r "$f" ] && read -r v <"$f" && [ "$v" = 1 ] && echo "${f#/proc/sys/net/} 1"; done
    echo "@time $(date -u +%s) $(date +%z)"
    for f in /proc/net/xt_recent/*; do
        [ -e "$f" ] && { echo "@recent ${f##*/}"; [ -n "$S" ] && grep -F "src=$S " "$f"; }
    done
    # A start of its client costs a second of processor: only where the daemon runs.
    grep -qx firewalld /proc/[0-9]*/comm 2>/dev/null && have firewall-cmd &&
        echo "@firewalld $(bound 5 firewall-cmd --state 2>&1 | head -n 1)"
    :
}
fw_rules() { # full or short
    if [ "$1" = full ]; then fw_xtables iptables; fw_xtables ip6tables
    else { fw_xtables iptables; fw_xtables ip6tables; } | fw_short_xtables; fi
    if have nft; then
        if [ "$1" = full ]; then fw_run nft nft -nn list ruleset
        else
            # The names of the sets that were left out come by the other way and are asked for.
            { fw_run nft nft -nn list ruleset | fw_short_nft; } 2>&1 | {
                asks=""; while IFS= read -r l; do case $l in '@ask '*) asks="$asks$l
" ;; *) printf '%s\n' "$l" ;; esac; done
                printf '%s' "$asks" | fw_ask_nft; }
        fi
    fi
    if have ipset; then echo @ipset; if [ "$1" = full ]; then fw_ipset 20000; else fw_ipset 1500; fi; fi
}
fw_pack() { { fw_host; fw_rules "$1"; echo @end; } | if [ -n "$FW_ZIP" ]; then gzip -9c | base64 | tr -d '\n'; else cat; fi; }
FW_ZIP=""; have gzip && have base64 && FW_ZIP=yes
have ip && FW_KEEP=$(ip -o addr 2>/dev/null | awk '{sub(/\/.*/, "", $4); print $4}' | tr '\n' ' ')
FW_KEEP="$FW_KEEP $S $A"
Z=$(fw_pack full); FW_HOW=full
[ "${#Z}" -le 8000 ] || { Z=$(fw_pack short); FW_HOW=short; }
say firewall packed "$FW_HOW ${#Z}"
if [ "${#Z}" -gt 13000 ]; then say firewall too-long "${#Z}"
elif [ -n "$FW_ZIP" ]; then printf '%s\n' "$Z" | fold -w 290 | sed "s/^/firewall${TAB}z${TAB}/"
else
    # `+` starts a line of the listing, `-` goes on with it.
    printf '%s\n' "$Z" | awk '{ for (i = 1; i == 1 || i <= length($0); i += 280) print "firewall\tplain\t" (i == 1 ? "+" : "-") substr($0, i, 280) }'
fi
Z=""
say firewall checked yes

# The login service.
SSHD=""
for f in /usr/sbin/sshd /usr/local/sbin/sshd /sbin/sshd; do [ -x "$f" ] && SSHD=$f && break; done
say service binary "${SSHD:-missing}"
if have systemctl && [ -d /run/systemd/system ]; then
    for unit in sshd.service ssh.service ssh.socket sshd.socket; do
        bound 5 systemctl show "$unit" -p LoadState -p ActiveState -p SubState -p Result \
            -p ExecMainStatus -p NRestarts 2>/dev/null | tr '\n' ' ' | sed "s/^/$unit /" | fact service unit 1
        echo
    done | grep -v '^$'
    for unit in sshd.service ssh.service; do
        bound 5 systemctl status "$unit" --no-pager -n 5 2>/dev/null | tail -n 5 | fact service log 5
    done
elif have service; then
    { bound 5 service sshd status || bound 5 service ssh status; } 2>&1 | fact service sysv 2
fi
# Listeners of sshd are the processes whose parent is init or a container's first process.
for d in /proc/[0-9]*; do
    [ "$(cat "$d/comm" 2>/dev/null)" = sshd ] || continue
    st=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "$d/status" 2>/dev/null)
    pp=$(sed -n 's/^PPid:[[:space:]]*//p' "$d/status" 2>/dev/null)
    cl=$(tr '\0' ' ' <"$d/cmdline" 2>/dev/null | cut -c1-120)
    say service process "$st $pp $cl"
done | head -n 40

# Who listens where.
LS=""; LN=""
have ss && LS=$(bound 5 ss -ltnp 2>/dev/null | awk 'NR > 1 {print $4, $6}')
[ -z "$LS" ] && have netstat && LN=$(bound 5 netstat -ltnp 2>/dev/null | awk '$1 ~ /^tcp/ {print $4, $7}')
if [ -n "$LS" ]; then
    printf '%s\n' "$LS" | grep -E "sshd|systemd|:$P |:$P\$" | fact listener ss 20
elif [ -n "$LN" ]; then
    printf '%s\n' "$LN" | grep -E "sshd|xinetd|:$P " | fact listener netstat 20
else
    # /proc/net/tcp: local address in hex, state 0A is LISTEN.
    awk '$4 == "0A" {print $2}' /proc/net/tcp 2>/dev/null | fact listener proc4 40
    awk '$4 == "0A" {print $2}' /proc/net/tcp6 2>/dev/null | fact listener proc6 40
fi
say listener checked yes

# The service that answers at the port, with the options that it was started with. Only a process
# of root that sees the same files counts.
service_pid() {
    for pid in $(printf '%s\n%s\n' "$LS" "$LN" | grep -E ":$P( |\$)" | grep -oE 'pid=[0-9]+|,[0-9]+,| [0-9]+/' | tr -dc '0-9\n') \
        $(grep -lx sshd /proc/[0-9]*/comm 2>/dev/null | tr -dc '0-9\n'); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sshd ] || continue
        [ "$(awk '/^Uid:/ {print $2}' "/proc/$pid/status" 2>/dev/null)" = 0 ] || continue
        [ "$(readlink "/proc/$pid/ns/mnt" 2>/dev/null)" = "$(readlink /proc/self/ns/mnt 2>/dev/null)" ] || continue
        case "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" in
        'sshd: '*'[listener]'* | /*) echo "$pid"; return ;;
        esac
    done
}
service_words() { # PID: its command line, one word a line; a service that renamed itself shows them joined
    c=$(tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null)
    case $c in
    'sshd: '*) printf '%s\n' "$c" | head -n 1 | sed 's/^sshd: //; s/ \[listener\].*//' | tr ' ' '\n' ;;
    *) printf '%s\n' "$c" ;;
    esac
}
ask_sshd() { bound 10 "$SSHD" -T "$@" 2>/dev/null; }
# Replaces the tokens of sshd_config(5) in a file name.
expand() {
    F="$1" H="$H" N="$U" I="$UIDN" awk 'BEGIN { t = ENVIRON["F"]; o = ""
        while ((i = index(t, "%")) > 0) {
            c = substr(t, i + 1, 1); o = o substr(t, 1, i - 1)
            o = o (c == "h" ? ENVIRON["H"] : c == "u" ? ENVIRON["N"] : c == "U" ? ENVIRON["I"] : c); t = substr(t, i + 2) }
        o = o t; if (substr(o, 1, 1) != "/") o = ENVIRON["H"] "/" o; print o }'
}
# GROUP KEY FILE: mode and owner of a program and of every folder above it.
parts() {
    q=$(readlink -f "$3" 2>/dev/null); [ -n "$q" ] || q=$3
    [ -e "$q" ] || { say "$1" "$2" "missing - $3"; return; }
    deep=0
    while [ "$deep" -lt 16 ]; do
        say "$1" "$2" "$(ls -ldn "$q" 2>/dev/null | awk '{print $1, $3}') $q"
        [ "$q" = / ] && break
        q=${q%/*}; q=${q:-/}; deep=$((deep + 1))
    done
}
# NUMBER FILE: owner and mode of a file of keys and of every folder above it.
key_path() {
    q=$(readlink -f "$2" 2>/dev/null); [ -n "$q" ] || q=$2
    [ -e "$q" ] || { say account keypath "$1 missing - - $2"; return; }
    file=$q; deep=0
    while [ "$deep" -lt 16 ]; do
        l=$(ls -ldn "$q" 2>/dev/null | awk '{print $1, $3, $4}')
        say account keypath "$1 $l $q"
        case $l in
        ?????w*) # Debian accepts a group of which the owner is the only member.
            gid=${l##* }
            say account members "$gid $({ entry group "$gid" | cut -d: -f4 | tr ',' '\n'
                { if have getent; then bound 5 getent passwd; else cat /etc/passwd; fi; } 2>/dev/null | awk -F: -v g="$gid" '$4 == g {print $1}'; } | grep . | sort -u | head -n 20 | tr '\n' ' ')" ;;
        esac
        [ "$q" = / ] && break
        q=${q%/*}; q=${q:-/}; deep=$((deep + 1))
    done
    # Of each key its type, its size and its options; never the key itself.
    awk '{ sub(/\r$/, ""); sub(/^[ \t]+/, "") } /^#/ || $0 == "" { next }
        { line = $0; o = ""
          if (line !~ /^(ssh-|ecdsa-|sk-)/) {
              quoted = 0
              for (i = 1; i <= length(line); i++) {
                  c = substr(line, i, 1)
                  if (c == "\\" && substr(line, i + 1, 1) == "\"") { i++; continue }
                  if (c == "\"") quoted = !quoted
                  else if (!quoted && (c == " " || c == "\t")) break
              }
              o = substr(line, 1, i - 1); line = substr(line, i + 1); sub(/^[ \t]+/, "", line)
          }
          n = split(line, w, /[ \t]+/); print (n > 1 ? w[1] " " w[2] : "bad -") " " o }' "$file" 2>/dev/null |
        awk 'NR <= 30 { print; next } { exit }' | while read -r type body options; do
        size="?"; state=ok
        if have ssh-keygen && [ -r /dev/stdin ]; then
            f=$(printf '%s %s\n' "$type" "$body" | bound 3 ssh-keygen -lf /dev/stdin 2>/dev/null | head -n 1)
            if [ -z "$f" ]; then state=bad
            else
                size=${f%% *}; f=${f#* }; f=${f%% *}
                if [ -n "$REVOKED" ]; then case " $REVOKED " in
                    ' krl ') printf '%s %s\n' "$type" "$body" | bound 3 ssh-keygen -Q -f "$R" /dev/stdin 2>/dev/null | grep -q REVOKED && state=revoked ;;
                    *" $f "*) state=revoked ;;
                esac; fi
            fi
        fi
        say account key "$1 $state $size $type $options"
    done | cut -c1-600
}
policy() {
    LA=$A
    case $S in *:*) case $A in *:*) ;; *) LA="" ;; esac ;; esac
    if [ -z "$LA" ] && have ip; then
        [ -n "$S" ] && LA=$(bound 3 ip route get "$S" 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p' | head -n 1)
        [ -n "$LA" ] || LA=$(bound 3 ip -o addr show scope global 2>/dev/null | awk '{sub(/\/.*/, "", $4); print $4; exit}')
    fi
    # Without a source the question is asked for an address that no rule names (RFC 5737).
    h=${S:-198.51.100.77}
    pid=$(service_pid); set --
    if [ -n "$pid" ]; then
        exe=$(readlink "/proc/$pid/exe" 2>/dev/null); exe=${exe% (deleted)}
        case $exe in */sshd) [ -x "$exe" ] && SSHD=$exe ;; esac
        old=$IFS; IFS='
'
        set -f; set -- $(service_words "$pid"); set +f; IFS=$old
        [ $# -gt 0 ] && shift
    fi
    n=$#; kind=""; value=""
    while [ "$n" -ge 0 ]; do
        if [ "$n" -gt 0 ]; then w=$1; shift; else w=-end; fi
        n=$((n - 1))
        case $w in
        -*) [ -z "$kind" ] || set -- "$@" "$kind" "$value"
            kind=""; value=""
            case $w in
            -f | -o | -p) kind=$w ;;
            -[fop]?*) value=${w#??}; kind=${w%"$value"} ;;
            esac ;;
        *) [ -z "$kind" ] || value="$value${value:+ }$w" ;;
        esac
    done
    [ $# -eq 0 ] || say policy options "$*"
    spec="user=$U,addr=$h,laddr=${LA:-127.0.0.1},lport=$P"
    asked=full; T=$(ask_sshd "$@" -C "host=$h,$spec")
    [ -n "$T" ] && [ -n "$NAME" ] && printf '%s\n' "$T" | grep -qx 'usedns yes' && { h=$NAME; T=$(ask_sshd "$@" -C "host=$h,$spec"); }
    # Older services know less of the question.
    [ -n "$T" ] || { asked=partial; T=$(ask_sshd "$@" -C "user=$U,host=$h,addr=${S:-198.51.100.77}"); }
    [ -n "$T" ] || { asked=plain; T=$(ask_sshd "$@"); }
    say policy asked "$asked"
    say policy host "$h"
    printf '%s\n' "$T" | grep -E '^(port|listenaddress|addressfamily|permitrootlogin|passwordauthentication|kbdinteractiveauthentication|challengeresponseauthentication|pubkeyauthentication|authenticationmethods|maxauthtries|maxstartups|persourcepenalties|usedns|usepam|permitemptypasswords|strictmodes|authorizedkeysfile|authorizedkeyscommand|authorizedkeyscommanduser|permittty|trustedusercakeys|revokedkeys|requiredrsasize|forcecommand|chrootdirectory) ' | fact policy sshd 40
    printf '%s\n' "$T" | grep -E '^(allowusers|denyusers|allowgroups|denygroups) ' | whole policy sshd 120
    printf '%s\n' "$T" | grep -E '^pubkeyaccepted(algorithms|keytypes) ' | cut -d' ' -f2- | tr ',' '\n' | grep -v -e '-cert-' | fact policy pubkey 40
    { bound 3 ssh -V; bound 3 "$SSHD" -V; } 2>&1 | grep OpenSSH_ | head -n 1 | fact policy version 1
    # The program and the list that keys may come by besides files; the program is not run.
    c=$(printf '%s\n' "$T" | sed -n 's/^authorizedkeyscommand //p')
    case $c in '' | none) ;; *)
        parts lookup helper "${c%% *}"
        c=$(printf '%s\n' "$T" | sed -n 's/^authorizedkeyscommanduser //p')
        [ -n "$(entry passwd "${c:-none}")" ] || say lookup no-user "${c:-none}" ;;
    esac
    c=$(printf '%s\n' "$T" | sed -n 's/^trustedusercakeys //p')
    case $c in '' | none) ;; *) [ -s "$c" ] || say lookup no-ca "$c" ;; esac
    say lookup checked yes
    # SELinux: the mode, and what it denied to sshd of late.
    # The kernel's own word counts where the tool is not there.
    SE=$(bound 3 getenforce 2>/dev/null || cat /sys/fs/selinux/enforce /selinux/enforce 2>/dev/null | head -n 1)
    say selinux mode "${SE:-none}"
    case $SE in Enforcing | 1) { tail -n 4000 /var/log/audit/audit.log 2>/dev/null; printf '%s\n' "$DM"; } | grep 'avc:  *denied' | grep -E 'comm="sshd' | tail -n 6 | fact policy avc 6 ;; esac
    [ -r /var/log/audit/audit.log ] && say selinux audit read
    [ -n "$H" ] || return
    R=$(printf '%s\n' "$T" | sed -n 's/^revokedkeys //p'); REVOKED=""
    case $R in
    '' | none) ;;
    *) if [ -r "$R" ]; then
           REVOKED=$(bound 3 ssh-keygen -lf "$R" 2>/dev/null | awk '{print $2}' | tr '\n' ' ')
           [ -n "$REVOKED" ] || [ ! -s "$R" ] || REVOKED=krl
       else say policy revoked-unreadable "$R"; fi ;;
    esac
    say account home "$(readlink -f "$H" 2>/dev/null || printf '%s' "$H")"
    number=0; set -f
    for f in $(printf '%s\n' "$T" | sed -n 's/^authorizedkeysfile //p'); do
        [ "$f" = none ] && continue
        number=$((number + 1)); [ "$number" -le 4 ] || break
        key_path "$number" "$(expand "$f")"
    done
    set +f
    say account keys-read "$number"
    if [ "$SE" = Enforcing ] || [ "$SE" = 1 ]; then
        say policy selinux enforcing
        for f in "$H" "$H/.ssh" "$H/.ssh/authorized_keys"; do ls -Zd "$f" 2>/dev/null; done | fact account label 3
        # What the loaded policy would have there; this only compares.
        have matchpathcon && bound 3 matchpathcon -V "$H" "$H/.ssh" "$H/.ssh/authorized_keys" 2>/dev/null | grep 'should be' | fact selinux wrong 3
    fi
}

# Configuration as the service itself reads it.
if [ -n "$SSHD" ]; then
    out=$(bound 10 "$SSHD" -t 2>&1); rc=$?
    say config test "$rc"
    [ -n "$out" ] && printf '%s\n' "$out" | fact config message 6
    policy
    if ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1; then say config hostkeys present; else say config hostkeys missing; fi
    for f in /etc/ssh/ssh_host_*_key; do [ -e "$f" ] && ls -ln "$f" | awk '{print $1, $3, $NF}'; done | fact config keymode 8
    for d in /var/empty/sshd /run/sshd /var/empty /usr/share/empty.sshd; do
        [ -d "$d" ] && ls -ldn "$d" | awk '{print $1, $3, $NF}'
    done | fact config privsep 4
    if have ldd && ldd "$SSHD" >/dev/null 2>&1; then
        if ldd "$SSHD" 2>/dev/null | grep -q libwrap; then say source libwrap yes; else say source libwrap no; fi
    elif [ -r "$SSHD" ]; then
        if grep -q 'libwrap\.so' "$SSHD"; then say source libwrap yes; else say source libwrap no; fi
    fi
    if have ldd; then ldd "$SSHD" 2>/dev/null | grep 'not found' | fact service missing-library 4; fi
fi
# One name a line: a name may hold a space.
for g in $(id -G -- "$U" 2>/dev/null || id -G "$U" 2>/dev/null); do entry group "$g" | cut -d: -f1; done | fact account group 100
id -G "$U" 2>/dev/null | fact account gids 1

# Sources that are shut out.
# TCP wrappers read whole lines, joined by a backslash. Lines for single addresses of others cannot
# match and are left off: some programs write thousands of them.
for f in /etc/hosts.allow /etc/hosts.deny; do
    [ -r "$f" ] || continue
    awk -v s="$S" '
        function flush() { if (!skip(held)) print held; held = "" }
        function skip(t,  c, w, n, i) {
            if (t ~ /^#/ || t ~ /^[ \t\r]*$/) return 1
            if (s == "" || t !~ /^[A-Za-z.]+[ \t]*:[ \t]*[0-9., \t]+$/) return 0
            c = t; sub(/^[^:]*:/, "", c); n = split(c, w, /[, \t]+/)
            for (i = 1; i <= n; i++) if (w[i] != "" && (w[i] == s || w[i] !~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/)) return 0
            return 1 }
        NR > 1 && !open { flush() }
        { open = sub(/\\$/, "") ; held = held $0 }
        END { if (held != "") flush() }' "$f" | whole source "$(basename "$f")" 60
done
# A pattern may be the name of a file of patterns. Anything else that it holds is not sent.
for f in $(cat /etc/hosts.allow /etc/hosts.deny 2>/dev/null | grep -v '^#' | tr ' ,:\t' '\n\n\n\n' | grep '^/' | sort -u | head -n 4); do
    [ -f "$f" ] && [ -r "$f" ] || { say source pattern-file "$f absent"; continue; }
    if tr -s ' \t\r' '\n\n\n' <"$f" | grep . | grep -qvE '^[][A-Za-z0-9.:/*?@_-]{1,253}$'; then continue; fi
    tr -s ' \t\r' '\n\n\n' <"$f" | grep . | sed "s|^|$f word |" | whole source pattern-file 100
    say source pattern-file "$f read"
done
# fail2ban is asked whether it bans this source: a list of thousands need not be sent.
if have fail2ban-client && [ -n "$S" ] && { [ -e /run/fail2ban/fail2ban.sock ] || [ -e /var/run/fail2ban/fail2ban.sock ] ||
    grep -qx 'fail2ban-server' /proc/[0-9]*/comm 2>/dev/null; }; then
    for j in $(bound 5 fail2ban-client status 2>/dev/null | sed -n 's/.*Jail list:[[:space:]]*//p' | tr ',' ' '); do
        bans=$(bound 8 fail2ban-client get "$j" banip 2>/dev/null)
        [ -n "$bans" ] || bans=$(bound 8 fail2ban-client status "$j" 2>/dev/null | sed -n 's/.*Banned IP list:[[:space:]]*//p')
        printf '%s\n' "$bans" | tr -s ' \t,' '\n\n\n' | grep -e / -e "^$S\$" | head -n 40 | tr '\n' ' ' | sed "s/^/$j /" | fact source fail2ban 1
        echo
    done | grep -v '^$'
fi
say source checked yes

# The account.
if [ -n "$PW" ]; then printf '%s\n' "$PW" | cut -d: -f1,3,4,6,7 | fact account passwd 1; else say account passwd absent; fi
sh_of=$(printf '%s\n' "$PW" | cut -d: -f7)
[ -z "$sh_of" ] || { [ -f "$sh_of" ] && [ -x "$sh_of" ]; } || say account shell-missing "$sh_of"
[ -n "$sh_of" ] && [ -r /etc/shells ] && ! grep -qFx -e "$sh_of" /etc/shells && say account shell-unlisted "$sh_of"
have passwd && bound 3 passwd -S "$U" 2>/dev/null | awk '{print $2}' | fact account status 1
have chage && bound 3 chage -l "$U" 2>/dev/null | grep -iE '^(account expires|password expires)' | fact account expiry 2
# Of the shadow entry only the dates are read, and of the password whether it is locked or empty.
N="$U" awk -F: '$1 == ENVIRON["N"] { c = substr($2, 1, 1); print ($2 == "" ? "empty" : c == "!" || c == "*" ? c : "set"); exit }' /etc/shadow 2>/dev/null | fact account lock 1
N="$U" awk -F: '$1 == ENVIRON["N"] { for (i = 3; i <= 8; i++) printf "%s ", ($i == "" ? "-" : $i); print ""; exit }' /etc/shadow 2>/dev/null | fact account aging 1
say account today "$(($(date +%s) / 86400))"
day=$(N="$U" awk -F: '$1 == ENVIRON["N"] {print $8; exit}' /etc/shadow 2>/dev/null)
case "$day" in
'' | *[!0-9]*) ;;
*) [ "$day" -le $(($(date +%s) / 86400)) ] && say account expired "since day $day after 1970-01-01" ;;
esac
if have faillock; then
    FL=$(bound 3 faillock --user "$U" 2>/dev/null | grep ' V$')
    printf '%s\n' "$FL" | grep -c . | fact account faillock 1
    last=$(printf '%s\n' "$FL" | awk 'NF {t = $1 " " $2} END {print t}')
    [ -n "$last" ] && last=$(date -d "$last" +%s 2>/dev/null) && say account faillock-age "$(($(date +%s) - last))"
fi
have pam_tally2 && bound 3 pam_tally2 -u "$U" 2>/dev/null | awk -v u="$U" '$1 == u {print $2}' | fact account tally 1
grep -hE '^[^#]*pam_(faillock|tally2?)\.so' /etc/pam.d/sshd /etc/pam.d/system-auth /etc/pam.d/password-auth /etc/pam.d/common-auth 2>/dev/null | grep -oE 'deny=[0-9]+' | head -n 1 | fact account deny 1
sed -n 's/^[[:space:]]*deny[[:space:]]*=[[:space:]]*/deny=/p' /etc/security/faillock.conf 2>/dev/null | fact account deny 1
cat /etc/security/limits.conf /etc/security/limits.d/*.conf 2>/dev/null | grep -vE '^[[:space:]]*(#|$)' | grep -E '[[:space:]](nofile|nproc|maxlogins|as|data|stack|fsize)[[:space:]]' | fact account limit 40
[ -r /proc/sys/fs/nr_open ] && fact account nr_open 1 </proc/sys/fs/nr_open
for f in /etc/nologin /run/nologin /var/run/nologin; do [ -e "$f" ] && { say account nologin-file "$f"; break; }; done

# What the service wrote about this user and about connections, since boot.
log() {
    if have journalctl && [ -d /run/systemd/system ]; then
        bound 8 journalctl -b -q --no-pager -o short-iso -n 4000 -t sshd -t sshd-session -t login 2>/dev/null
    fi
    for f in /var/log/secure /var/log/auth.log /var/log/messages; do
        [ -r "$f" ] && tail -n 4000 "$f" 2>/dev/null | grep -E 'sshd|login' && break
    done
}
L=$(log | tail -n 4000)
printf '%s\n' "$L" | grep -F -e " $U " -e "user $U" -e "for $U" -e "user=$U" -e "User $U" | grep -iE 'fail|invalid|accept|refus|not allowed|closed|disconnect|denied|too many|maximum|lock' | tail -n 30 | fact authlog line 30
printf '%s\n' "$L" | grep -iE 'MaxStartups|drop connection|penalty|exceeded LoginGraceTime' | tail -n 8 | fact throttle line 8
printf '%s\n' "$L" | grep -iE 'PAM unable|dlopen|pam_listfile|not met by user|PAM adding faulty|Module is unknown|pam_limits' | tail -n 8 | fact pam log 8
printf '%s\n' "$L" | grep -iE 'mm_request_send|Cannot allocate|No space left|fork: |cannot fork' | tail -n 6 | fact load log 6
# Lines that name no user belong to the one whom another line of the same process names. What came
# before a key of this user was accepted is over.
printf '%s\n' "$L" | N="$U" awk '
    BEGIN { u = ENVIRON["N"] }
    { p = "" }
    match($0, /sshd[a-z-]*\[[0-9]+\]/) { p = substr($0, RSTART, RLENGTH) }
    p == "" { next }
    index($0, "Accepted publickey for " u " ") { n = 0 }
    index($0 " ", "user " u " ") || index($0, "for " u " ") || index($0, "user=" u " ") { mine[p] = NR }
    /not in Pubkey(Accepted|AcceptedKeyTypes|AcceptedAlgorithms)/ { n++; g[n] = "algorithms"; of[n] = p; at[n] = NR; l[n] = $0; next }
    /Authorized(Keys|Principals)Command|Certificate (invalid|lacks)|Refusing certificate|Failed publickey for .*-CERT / { n++; g[n] = "lookup"; of[n] = p; at[n] = NR; l[n] = $0 }
    END { for (i = 1; i <= n; i++) if ((of[i] in mine) && mine[of[i]] - at[i] < 400 && at[i] - mine[of[i]] < 400) print g[i] "\tlog\t" substr(l[i], 1, 300) }' | tail -n 6
# Connections whose process died by a signal of a fault, or that could not start at all.
printf '%s\n' "$L" | grep -E '(terminated by|killed by|exited on) signal (4|5|6|7|8|11|31)([^0-9]|$)|OpenSSL version mismatch|Missing privilege separation directory' | tail -n 4 | fact crash log 4
printf '%s\n' "$DM" | grep -E ' sshd[a-z-]*\[[0-9]+\]:? .*(segfault|trap|general protection|ip:)|comm="sshd[a-z-]*".* sig=' | tail -n 4 | fact crash kernel 4
say authlog checked "$(printf '%s\n' "$L" | grep -c .)"

# The stack of sshd with what it includes, as one list.
stack() { # FILE TYPE DEPTH: lines of this type, or of every type
    [ "$3" -le 6 ] && [ -r "/etc/pam.d/$1" ] || return
    grep -vE '^[[:space:]]*(#|$)' "/etc/pam.d/$1" | while read -r type control rest; do
        bare=${type#-}
        [ "$type" = "$bare" ] || case $control in include | substack) ;; *) control=optional ;; esac
        if [ "$type" = @include ]; then stack "$control" "$2" $(($3 + 1)); continue; fi
        [ -z "$2" ] || [ "$2" = "$bare" ] || continue
        case $control in
        include | substack) stack "${rest%%[[:space:]]*}" "$bare" $(($3 + 1)) ;;
        *) printf '%s %s %s\n' "$bare" "$control" "$rest" ;;
        esac
    done
}
# A service without a file of its own has the rules of `other`.
SERVICE=sshd
[ -e /etc/pam.d/sshd ] || [ -e /usr/lib/pam.d/sshd ] || { SERVICE=other; say pam other yes; }
STACK=$(stack "$SERVICE" "" 1 | tr -s ' \t' '  ')
printf '%s\n' "$STACK" | grep -E '^(auth|account) ' | whole pam stack 50
# Modules that the stack needs and that do not exist.
for f in $(printf '%s\n' "$STACK" | grep -vE '^[a-z]+ (optional|sufficient) ' | grep -oE '(/[^ ]*/)?pam_[a-z0-9_]+\.so' | sort -u); do
    case $f in
    /*) [ -e "$f" ] || say pam missing "$f" ;;
    *) found=""
       for d in /lib/security /lib64/security /usr/lib/security /usr/lib64/security /lib/*/security /usr/lib/*/security; do [ -e "$d/$f" ] && found=1 && break; done
       [ -n "$found" ] || say pam missing "$f" ;;
    esac
done | head -n 8
setting() { printf '%s\n' "$STACK" | grep -F "$1" | sed -n "s/.* $2=\([^ ]*\).*/\1/p" | head -n 1; }
case $STACK in *pam_access.so*)
    f=$(setting pam_access.so accessfile)
    cat "${f:-/etc/security/access.conf}" /etc/security/access.d/*.conf 2>/dev/null | grep -vE '^[[:space:]]*(#|$)' | whole pam access 60
    say pam access-read yes ;;
esac
case $STACK in *pam_time.so*)
    f=$(setting pam_time.so conffile)
    grep -vE '^[[:space:]]*(#|$)' "${f:-/etc/security/time.conf}" 2>/dev/null | whole pam time 60
    say pam clock "$(date '+%w %H%M')" ;;
esac
case $STACK in *pam_listfile.so*)
    printf '%s\n' "$STACK" | grep pam_listfile.so | sed -n 's/.* file=\([^ ]*\).*/\1/p' | head -n 4 | while read -r f; do
        if [ ! -r "$f" ]; then echo "$f absent"; elif grep -qFx -e "$U" "$f"; then echo "$f yes"; else echo "$f no"; fi
    done | fact pam listfile 4 ;;
esac
grep -hE '^[[:space:]]*(deny|unlock_time|root_unlock_time|even_deny_root|fail_interval)' /etc/security/faillock.conf 2>/dev/null | tr -d ' ' | fact pam faillock 5
# Limits of how many may be logged in, and how many are.
printf '%s\n' "$STACK" | grep -E '^session .*pam_limits\.so' | fact access module 2
cat /etc/security/limits.conf /etc/security/limits.d/*.conf 2>/dev/null | grep -vE '^[[:space:]]*#' | grep -E '[[:space:]](maxlogins|maxsyslogins)[[:space:]]|^[^[:space:]]+[[:space:]]+-[[:space:]]*$' | whole access limit 40
have who && say access logins "$(who 2>/dev/null | N="$U" awk '$1 == ENVIRON["N"] { own++ } END { print own + 0, NR }')"
[ -d /etc/pam.d ] && say pam checked yes

# Terminals: where they live, how many there are and may be.
say terminal mount "$(awk '$2 == "/dev/pts" { t = $3 == "devpts" ? $4 : "" } END { print t == "" ? "none" : t }' /proc/mounts)"
if [ -c /dev/ptmx ]; then say terminal ptmx there; else say terminal ptmx missing; fi
say terminal open "$(ls /dev/pts 2>/dev/null | grep -c '^[0-9]')"
say terminal kernel "$(cat /proc/sys/kernel/pty/nr 2>/dev/null) $(cat /proc/sys/kernel/pty/max 2>/dev/null) $(cat /proc/sys/kernel/pty/reserve 2>/dev/null)"

# File systems.
bound 6 df -P -x tmpfs -x devtmpfs -x overlay 2>/dev/null | awk 'NR > 1 {print $5, $6}' | fact disk space 20
bound 6 df -P / /var /tmp 2>/dev/null | awk 'NR > 1 {print $5, $6}' | fact disk space 4
bound 6 df -P -i / /var /tmp 2>/dev/null | awk 'NR > 1 {print $5, $6}' | fact disk inodes 4
awk '$2 == "/" || $2 == "/var" {print $2, $4}' /proc/mounts | tail -n 2 | sed 's/,.*//' | fact disk mount 2

# Connections on their way in: the table of the packet filter, and the queue of the login port.
if [ -e /proc/sys/net/netfilter/nf_conntrack_max ]; then
    say connections table "$(cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null) $(cat /proc/sys/net/netfilter/nf_conntrack_max 2>/dev/null)"
else say connections table none; fi
printf '%s\n' "$DM" | grep 'conntrack: table full' | tail -n 1 | fact connections full 1
queue() {
    say connections overflow "$(awk '/^TcpExt:/ { if (!n++) split($0, h); else for (i = 2; i <= NF; i++) if (h[i] == "ListenOverflows") print $i }' /proc/net/netstat 2>/dev/null)"
    have ss && bound 3 ss -ltn 2>/dev/null | P=":$P" awk 'NR > 1 { e = ENVIRON["P"]; if (substr($4, length($4) - length(e) + 1) == e) print $2, $3 }' | fact connections queue 4
}
queue

# Counters of lost packets, each said twice with a second between, and what the kernel said of itself.
count() { # FILE LINE FIELD...: the sum of these counters of /proc/net
    awk -v l="$2:" -v f=" $3 " '$1 == l { if (!n++) split($0, h); else for (i = 2; i <= NF; i++) if (index(f, " " h[i] " ")) { s += $i; k = 1 } } END { if (k) printf "%.0f", s }' "$1" 2>/dev/null
}
counts() {
    d=0; while read -r _ x _; do d=$((d + 0x$x)); done 2>/dev/null </proc/net/softnet_stat && say counts softnet "$d"
    say counts udp "$(count /proc/net/snmp Udp "RcvbufErrors SndbufErrors")"
    say counts accept "$(count /proc/net/netstat TcpExt ListenOverflows)"
    say counts request "$(count /proc/net/netstat TcpExt TCPReqQFullDrop)"
}
counts
printf '%s\n' "$DM" | grep -E 'blocked for more than [0-9]+ seconds|soft lockup|Kernel panic|rcu_sched (self-)?detected stall' | tail -n 3 | fact kernel stall 3

# Load.
fact load average 1 </proc/loadavg
say load cpus "$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)"
grep -E '^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapFree|HugePages_Total|Hugepagesize)' /proc/meminfo | tr -s ' ' | fact load memory 8
awk 'NR == 1 {print $2+$3+$4+$5+$6+$7+$8+$9, $5, $6}' /proc/stat | fact load cpu0 1
sleep 1
awk 'NR == 1 {print $2+$3+$4+$5+$6+$7+$8+$9, $5, $6}' /proc/stat | fact load cpu1 1
queue
counts
say load blocked "$(cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -c '^D')"
say load tasks "$(ls -d /proc/[0-9]*/task/[0-9]* 2>/dev/null | wc -l) $(cat /proc/sys/kernel/pid_max 2>/dev/null)"
printf '%s\n' "$DM" | grep -iE 'Out of memory|oom-kill|Killed process' | tail -n 3 | fact load oom 3
[ -r /proc/uptime ] && fact load uptime 1 </proc/uptime

# Boot.
if have systemctl && [ -d /run/systemd/system ]; then
    bound 5 systemctl is-system-running 2>/dev/null | fact boot state 1
    bound 5 systemctl --failed --no-legend --plain 2>/dev/null | awk '{print $1}' | fact boot failed 12
    bound 3 systemctl is-active emergency.target rescue.target 2>/dev/null | tr '\n' ' ' | fact boot emergency 1
    echo
else
    have runlevel && runlevel 2>/dev/null | fact boot runlevel 1
fi

# Login scripts that call themselves.
for f in /etc/profile /etc/profile.d/*.sh /etc/bashrc /etc/bash.bashrc "$H/.bashrc" "$H/.bash_profile" "$H/.profile"; do
    [ -r "$f" ] && grep -nE '^[^#]*(^|[[:space:];&|])(\.|source)[[:space:]]+[^ ;&|]+' "$f" 2>/dev/null | sed "s|^|$f:|"
done | fact profile source 60
say profile checked yes

# Network as the guest has it.
if have ip; then
    bound 3 ip -o -4 addr show scope global 2>/dev/null | awk '{print $2, $4}' | fact network address 8
    bound 3 ip -4 route show default 2>/dev/null | fact network default 3
    bound 3 ip -o link show up 2>/dev/null | awk -F': ' '{print $2}' | fact network up 8
fi
if have ip && [ -n "$A" ]; then
    # The way that an answer to the user takes; without a user, to an address that no rule names.
    r=$(bound 3 ip route get "${S:-198.51.100.77}" from "$A" 2>&1 | head -n 1)
    say network reply "$r"
fi
say network expected "$A"
say network checked yes

# Failed-login log.
[ -e /var/log/btmp ] && ls -ln /var/log/btmp | awk '{print $5}' | fact loginlog bytes 1
[ -e /var/log/btmp ] || say loginlog bytes 0

# Traces of an intruder that breaks logins.
[ -s /etc/ld.so.preload ] && fact malware preload 3 </etc/ld.so.preload
for d in /proc/[0-9]*; do cat "$d/comm" 2>/dev/null; done | sort | uniq -c | sort -rn | awk '{print $2}' | grep -iE '^(udev-fall|xmrig|xmr|kdevtmpfsi|kinsing|minerd|sysupdate|networkservice|watchdogs|ddgs|kthrotlds)' | fact malware process 6
cat /etc/crontab /etc/cron.d/* /var/spool/cron/* /var/spool/cron/crontabs/* /etc/rc.local 2>/dev/null | grep -vE '^[[:space:]]*#' | grep -E '(curl|wget)[^|]*\|[[:space:]]*(ba)?sh|/dev/shm/|/tmp/\.[a-zA-Z]' | fact malware job 4
say malware checked yes

# The first boot makes the user and its keys.
if [ -e /run/cloud-init/result.json ]; then say lookup cloud-init done
elif [ -r /run/cloud-init/status.json ]; then
    if grep -qE '"stage": *"' /run/cloud-init/status.json; then say lookup cloud-init running; else say lookup cloud-init unclear; fi
else say lookup cloud-init none; fi

# What applies a password reset from the console.
if [ -e /etc/cloud/cloud.cfg ] || have cloud-init; then
    say reset agent present
    [ -e /etc/cloud/cloud-init.disabled ] && say reset disabled yes
    have systemctl && bound 3 systemctl is-enabled cloud-init.service 2>/dev/null | fact reset enabled 1
else
    say reset agent missing
fi
say check end 1
