# Lifts bans of the one address SOURCE: hosts.deny, fail2ban, firewall rules and sets that name
# exactly this address. Where hosts.deny shuts out everybody or a network that it is part of, a line
# in hosts.allow lets this address alone in. Bans of anybody else stay.
deny="$ROOT/etc/hosts.deny"
allow="$ROOT/etc/hosts.allow"
escaped=$(printf '%s' "$SOURCE" | sed 's/[.[\*^$/]/\\&/g')

if [ "$MODE" = undo ]; then
    copy="$KEEP/_etc_hosts.deny"
    if [ -e "$copy" ]; then
        cat "$copy" >"$deny" && rm -f "$copy" && changed "put hosts.deny back"
    fi
    if [ -e "$KEEP/allowed" ] && [ -f "$allow" ]; then
        # The mark and the line after it go; what was added since then stays.
        awk -v mark="# $MARK" '$0 == mark { getline; next } { print }' "$allow" >"$allow.cvmtop" || fail "cannot write next to $allow"
        cat "$allow.cvmtop" >"$allow" || fail "cannot write $allow"
        rm -f "$allow.cvmtop"
        [ "$(cat "$KEEP/allowed")" != made ] || [ -s "$allow" ] || rm -f "$allow"
        rm -f "$KEEP/allowed"
        changed "took the line for $SOURCE out of hosts.allow"
    fi
    for tool in iptables ip6tables; do
        [ -e "$KEEP/$tool" ] || continue
        while IFS= read -r line; do
            # shellcheck disable=SC2086 # a rule as the tool itself printed it
            set -- $line
            shift
            chain=$1
            shift
            "$tool" -I "$chain" 1 "$@" && changed "$tool: put back a ban in $chain"
        done <"$KEEP/$tool"
        rm -f "$KEEP/$tool"
    done
    if [ -e "$KEEP/nft-rules" ]; then
        while read -r f t c rule; do
            # shellcheck disable=SC2086 # a rule as nft itself printed it
            nft insert rule "$f" "$t" "$c" $rule && changed "nft: put back a ban in $f $t $c"
        done <"$KEEP/nft-rules"
        rm -f "$KEEP/nft-rules"
    fi
    if [ -e "$KEEP/nft-sets" ]; then
        while read -r f t s; do
            nft add element "$f" "$t" "$s" "{ $SOURCE }" && changed "nft: put $SOURCE back into the set $t/$s"
        done <"$KEEP/nft-sets"
        rm -f "$KEEP/nft-sets"
    fi
    if [ -e "$KEEP/fail2ban" ]; then
        while IFS= read -r jail; do
            bounded fail2ban-client set "$jail" banip "$SOURCE" >/dev/null 2>&1 && changed "fail2ban: banned again in $jail"
        done <"$KEEP/fail2ban"
        rm -f "$KEEP/fail2ban"
    fi
    finish
fi

# hosts.deny: a line that names this address alone goes; a list of clients loses this one. In a
# line with EXCEPT the address may be the one that is let in, so such lines stay.
awk_deny='
    /^[ \t]*#/ || /EXCEPT/ { print; next }
    {
        colon = index($0, ":")
        if (!colon) { print; next }
        head = substr($0, 1, colon); rest = substr($0, colon + 1); tail = ""
        # An option field may follow the clients; brackets hold the colons of IPv6.
        plain = rest; gsub(/\[[^]]*\]/, "", plain)
        if (index(plain, ":") && address !~ /:/) { c = index(rest, ":"); tail = substr(rest, c); rest = substr(rest, 1, c - 1) }
        count = split(rest, clients, /[ \t,]+/); kept = ""; hit = 0
        for (i = 1; i <= count; i++) {
            if (clients[i] == address || clients[i] == "[" address "]") { hit = 1; continue }
            if (clients[i] != "") kept = kept (kept == "" ? "" : ", ") clients[i]
        }
        if (!hit) { print; next }
        if (kept != "") print head " " kept (tail == "" ? "" : " " tail)
    }'
if [ -f "$deny" ]; then
    awk -v address="$SOURCE" "$awk_deny" "$deny" >"$deny.cvmtop" || fail "cannot write next to $deny"
    if cmp -s "$deny" "$deny.cvmtop"; then
        same "hosts.deny does not ban $SOURCE alone"
    else
        backup "$deny"
        cat "$deny.cvmtop" >"$deny" || fail "cannot write $deny"
        changed "hosts.deny no longer names $SOURCE"
    fi
    rm -f "$deny.cvmtop"
fi

# What the two tables say of this address now: the first line that matches decides. Patterns that
# only a look-up could decide are left out.
awk_tables='
    function number(a,  p) { return split(a, p, ".") == 4 ? ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] : -1 }
    function within(net,  p, size) {
        if (net ~ /^\[.*\]\/[0-9]+$/) return v6 # arithmetic on IPv6 is not for awk: taken to match
        if (v6) return net == "[" address "]" || net == address
        if (net ~ /^[0-9.]+\.$/) return index(address, net) == 1
        if (net !~ /^[0-9.]+(\/[0-9.]+)?$/) return 0
        if (split(net, p, "/") < 2) return net == address
        if (number(p[1]) < 0) return 0
        size = p[2] ~ /\./ ? 4294967296 - number(p[2]) : 2 ^ (32 - p[2])
        return size > 0 && int(number(address) / size) == int(number(p[1]) / size)
    }
    function hit(token) { return token ~ /^(ALL|KNOWN|UNKNOWN|PARANOID)$/ || within(token) }
    # A list matches by what stands before EXCEPT and not by what stands after it.
    function listed(list, daemons,  t, n, i, found, but) {
        n = split(list, t, /[ \t,]+/)
        for (i = 1; i <= n; i++) {
            if (t[i] == "EXCEPT") { if (but) break; but = 1; continue }
            if (t[i] == "" || !(daemons ? t[i] ~ /^(ALL|sshd)$/ : hit(t[i]))) continue
            if (but) return 0
            found = 1
        }
        return found
    }
    BEGIN { v6 = address ~ /:/ }
    /^[ \t]*(#|$)/ { next }
    {
        line = $0
        while (line ~ /\\$/ && (getline more) > 0) line = substr(line, 1, length(line) - 1) more
        # The colons of IPv6 stand in brackets.
        plain = line; n = 0; depth = 0; field[1] = field[2] = field[3] = ""
        n = 1
        for (i = 1; i <= length(plain); i++) {
            c = substr(plain, i, 1)
            if (c == "[") depth++
            if (c == "]") depth--
            if (c == ":" && depth == 0 && n < 3) { n++; continue }
            field[n] = field[n] c
        }
        if (n < 2 || !listed(field[1], 1) || !listed(field[2], 0)) next
        option = tolower(field[3])
        shut = FILENAME == deny ? option !~ /(^|[: \t])allow([: \t]|$)/ : option ~ /(^|[: \t])(deny|twist)([: \t]|$)/
        print (shut ? "shut " : "open ") line
        exit
    }'
tables=
[ ! -f "$allow" ] || tables=$allow
if [ -f "$deny" ]; then
    # shellcheck disable=SC2086 # one file or none
    verdict=$(awk -v address="$SOURCE" -v deny="$deny" "$awk_tables" $tables "$deny")
elif [ -n "$tables" ]; then
    verdict=$(awk -v address="$SOURCE" -v deny="$deny" "$awk_tables" "$tables")
else
    verdict=
fi
case "$verdict" in
'shut '*)
    case "$SOURCE" in *:*) named="[$SOURCE]" ;; *) named=$SOURCE ;; esac
    keep_dir
    if [ -f "$allow" ]; then : >"$KEEP/allowed"; else printf made >"$KEEP/allowed"; fi
    # On top: the first line that matches decides.
    {
        printf '# %s\nsshd: %s\n' "$MARK" "$named"
        [ ! -f "$allow" ] || cat "$allow"
    } >"$allow.cvmtop" || fail "cannot write next to $allow"
    cat "$allow.cvmtop" >"$allow" || fail "cannot write $allow"
    rm -f "$allow.cvmtop"
    [ "$(cat "$KEEP/allowed")" != made ] || chmod 644 "$allow"
    changed "hosts.allow lets $SOURCE in, whom this line kept out: ${verdict#shut }"
    ;;
*) [ -z "$tables" ] || same "no line of hosts.allow or hosts.deny keeps $SOURCE out" ;;
esac

if have fail2ban-client && bounded fail2ban-client ping >/dev/null 2>&1; then
    jails=$(bounded fail2ban-client status | sed -n 's/.*Jail list:[ 	]*//p' | tr ',' ' ')
    for jail in $jails; do
        if bounded fail2ban-client status "$jail" 2>/dev/null | grep -Eq "Banned IP list:.*(^|[ 	])$escaped([ 	]|\$)"; then
            keep_dir
            bounded fail2ban-client set "$jail" unbanip "$SOURCE" >/dev/null 2>&1 || fail "fail2ban did not lift the ban in $jail"
            printf '%s\n' "$jail" >>"$KEEP/fail2ban"
            changed "fail2ban: lifted the ban in $jail"
        fi
    done
fi

# Rules of any chain that drop or reject exactly this address.
case "$SOURCE" in *:*) tools=ip6tables suffix=/128 ;; *) tools=iptables suffix=/32 ;; esac
for tool in $tools; do
    have "$tool" || continue
    "$tool" -S 2>/dev/null | grep -E -- "^-A [^ ]+ .*-s $escaped($suffix)? .*-j (DROP|REJECT)" >"/tmp/$MARK.$$" || true
    while IFS= read -r line; do
        # shellcheck disable=SC2086 # a rule as the tool itself printed it
        set -- $line
        shift
        if "$tool" -D "$@"; then
            keep_dir
            printf '%s\n' "$line" >>"$KEEP/$tool"
            changed "$tool: took away: $line"
        fi
    done <"/tmp/$MARK.$$"
    rm -f "/tmp/$MARK.$$"
done

# nftables: rules and set elements. What goes is written down first, one a line.
if have nft; then
    key=ip
    case "$SOURCE" in *:*) key=ip6 ;; esac
    list="/tmp/$MARK.$$"
    nft -a list ruleset 2>/dev/null | awk -v address="$SOURCE" -v key="$key" '
        $1 == "table" { family = $2; table = $3 }
        $1 == "chain" { chain = $2 }
        $1 == "set" { chain = "" }
        chain != "" && /(drop|reject)/ && /# handle/ && index($0, key " saddr " address " ") {
            handle = $NF
            sub(/ # handle [0-9]+$/, ""); sub(/^[ \t]+/, "")
            print family, table, chain, handle, $0
        }' >"$list"
    while read -r f t c handle rule; do
        keep_dir
        printf '%s %s %s %s\n' "$f" "$t" "$c" "$rule" >>"$KEEP/nft-rules"
        nft delete rule "$f" "$t" "$c" handle "$handle" || fail "nft did not delete handle $handle of $t/$c"
        changed "nft: took a ban out of $f $t $c: $rule"
    done <"$list"
    nft list sets 2>/dev/null | awk '$1 == "table" { family = $2; table = $3 } $1 == "set" { print family, table, $2 }' >"$list"
    while read -r f t s; do
        if nft get element "$f" "$t" "$s" "{ $SOURCE }" >/dev/null 2>&1; then
            keep_dir
            printf '%s %s %s\n' "$f" "$t" "$s" >>"$KEEP/nft-sets"
            nft delete element "$f" "$t" "$s" "{ $SOURCE }" || fail "nft did not take $SOURCE out of $t/$s"
            changed "nft: took $SOURCE out of the set $t/$s"
        fi
    done <"$list"
    rm -f "$list"
fi
[ "$CHANGES" -gt 0 ] && note "login attempts that fail again will bring a ban back: mend the credential first"
finish
