# Lifts bans of the one address SOURCE: hosts.deny, fail2ban, firewall rules and sets that name
# exactly this address. Bans of anybody else stay.
deny="$ROOT/etc/hosts.deny"
escaped=$(printf '%s' "$SOURCE" | sed 's/[.[\*^$/]/\\&/g')

if [ "$MODE" = undo ]; then
    copy="$KEEP/_etc_hosts.deny"
    if [ -e "$copy" ]; then
        cat "$copy" >"$deny" && rm -f "$copy" && changed "put hosts.deny back"
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
    if [ -e "$KEEP/fail2ban" ]; then
        while IFS= read -r jail; do
            bounded fail2ban-client set "$jail" banip "$SOURCE" >/dev/null 2>&1 && changed "fail2ban: banned again in $jail"
        done <"$KEEP/fail2ban"
        rm -f "$KEEP/fail2ban"
    fi
    finish
fi

# hosts.deny: a line that names this address alone goes; a list of clients loses this one.
if [ -f "$deny" ] && grep -Eq "^[^#]*[:, 	]\[?$escaped\]?([, 	:]|\$)" "$deny"; then
    backup "$deny"
    sed -E -e "/^[^#:]+:[ 	]*\[?$escaped\]?[ 	]*(:.*)?\$/d" \
        -e "/^[^#]/s/([:, 	])\[?$escaped\]?([, 	]|\$)/\1\2/g" "$deny" >"$deny.cvmtop" || fail "cannot write next to $deny"
    cat "$deny.cvmtop" >"$deny" && rm -f "$deny.cvmtop"
    changed "hosts.deny no longer names $SOURCE"
else
    same "hosts.deny does not name $SOURCE"
fi

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

# nftables: rules and set elements.
if have nft; then
    key=ip
    case "$SOURCE" in *:*) key=ip6 ;; esac
    nft -a list ruleset 2>/dev/null | awk -v address="$SOURCE" -v key="$key" '
        $1 == "table" { family = $2; table = $3 }
        $1 == "chain" { chain = $2 }
        $1 == "set" { chain = "" }
        chain != "" && /(drop|reject)/ && /# handle/ && index($0, key " saddr " address " ") { print family, table, chain, $NF }' >"/tmp/$MARK.$$"
    while read -r f t c handle; do
        nft delete rule "$f" "$t" "$c" handle "$handle" && changed "nft: took a ban out of $f $t $c (put it back by hand if it is wanted)"
    done <"/tmp/$MARK.$$"
    nft list sets 2>/dev/null | awk '$1 == "table" { family = $2; table = $3 } $1 == "set" { print family, table, $2 }' >"/tmp/$MARK.$$"
    while read -r f t s; do
        if nft get element "$f" "$t" "$s" "{ $SOURCE }" >/dev/null 2>&1; then
            nft delete element "$f" "$t" "$s" "{ $SOURCE }" 2>/dev/null && changed "nft: took $SOURCE out of the set $t/$s"
        fi
    done <"/tmp/$MARK.$$"
    rm -f "/tmp/$MARK.$$"
fi
[ "$CHANGES" -gt 0 ] && note "login attempts that fail again will bring a ban back: mend the credential first"
finish
