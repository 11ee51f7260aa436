# Lets TCP port PORT in through the guest's firewall, from SOURCE or from everyone when empty.
# One rule, on top, named MARK. Nothing is switched off and nothing is reordered.
family=ip
case "$SOURCE" in *:*) family=ip6 ;; esac

firewalld_rule() {
    rule="rule priority=\"-100\""
    [ "$family" = ip6 ] && rule="$rule family=\"ipv6\""
    [ -n "$SOURCE" ] && [ "$family" = ip ] && rule="$rule family=\"ipv4\""
    [ -n "$SOURCE" ] && rule="$rule source address=\"$SOURCE\""
    printf '%s port port="%s" protocol="tcp" accept' "$rule" "$PORT"
}

use_firewalld() {
    rule=$(firewalld_rule)
    if [ "$MODE" = undo ]; then
        [ -e "$KEEP/firewalld" ] || { same "firewalld was not changed by this repair"; return; }
        bounded firewall-cmd --remove-rich-rule="$rule" >/dev/null 2>&1
        bounded firewall-cmd --permanent --remove-rich-rule="$rule" >/dev/null 2>&1
        rm -f "$KEEP/firewalld"
        changed "firewalld: took the rule away"
        return
    fi
    if bounded firewall-cmd --query-rich-rule="$rule" >/dev/null 2>&1; then
        same "firewalld already has the rule"
        return
    fi
    keep_dir
    bounded firewall-cmd --add-rich-rule="$rule" >/dev/null 2>&1 || fail "firewalld refused the rule: $rule"
    bounded firewall-cmd --permanent --add-rich-rule="$rule" >/dev/null 2>&1 || note "the rule holds until the next reload only"
    : >"$KEEP/firewalld"
    changed "firewalld: $rule"
}

use_ufw() {
    from="${SOURCE:-any}"
    if [ "$MODE" = undo ]; then
        [ -e "$KEEP/ufw" ] || { same "ufw was not changed by this repair"; return; }
        bounded ufw --force delete allow from "$from" to any port "$PORT" proto tcp >/dev/null 2>&1 || fail "ufw did not take the rule away"
        rm -f "$KEEP/ufw"
        changed "ufw: took the rule away"
        return
    fi
    [ -e "$KEEP/ufw" ] && { same "ufw already has the rule"; return; }
    keep_dir
    bounded ufw insert 1 allow from "$from" to any port "$PORT" proto tcp comment "$MARK" >/dev/null 2>&1 ||
        bounded ufw allow from "$from" to any port "$PORT" proto tcp >/dev/null 2>&1 || fail "ufw refused the rule"
    : >"$KEEP/ufw"
    changed "ufw: allow $from to TCP $PORT"
}

# Base chains that see inbound packets: "family table chain", one a line.
nft_input_chains() {
    nft list chains 2>/dev/null | awk '
        $1 == "table" { family = $2; table = $3 }
        $1 == "chain" { chain = $2 }
        /hook input/ && (family == "inet" || family == wanted) { print family, table, chain }' wanted="$family"
}

use_nft() {
    chains=$(nft_input_chains)
    [ -n "$chains" ] || return 1
    old_ifs=$IFS
    IFS='
'
    for entry in $chains; do
        IFS=$old_ifs
        # shellcheck disable=SC2086 # three words by construction
        set -- $entry
        handles=$(nft -a list chain "$1" "$2" "$3" 2>/dev/null | sed -n "s/.*comment \"$MARK\".*# handle \([0-9]*\).*/\1/p")
        if [ "$MODE" = undo ]; then
            for handle in $handles; do
                nft delete rule "$1" "$2" "$3" handle "$handle" || fail "nft did not delete handle $handle of $2/$3"
                changed "nft: took the rule out of $1 $2 $3"
            done
        elif [ -n "$handles" ]; then
            same "nft $1 $2 $3 already has the rule"
        else
            match=""
            [ -n "$SOURCE" ] && match="$family saddr $SOURCE"
            # shellcheck disable=SC2086 # the match is several words
            nft insert rule "$1" "$2" "$3" $match tcp dport "$PORT" accept comment "\"$MARK\"" || fail "nft refused the rule in $2/$3"
            changed "nft: $1 $2 $3: ${match:-from everyone} tcp dport $PORT accept"
        fi
    done
    IFS=$old_ifs
    return 0
}

use_iptables() {
    tool=iptables
    [ "$family" = ip6 ] && tool=ip6tables
    have "$tool" || fail "no firewall tool was found (firewalld, ufw, nft, $tool)"
    set -- -p tcp --dport "$PORT" -m comment --comment "$MARK" -j ACCEPT
    [ -n "$SOURCE" ] && set -- -s "$SOURCE" "$@"
    if [ "$MODE" = undo ]; then
        found=no
        while "$tool" -D INPUT "$@" 2>/dev/null; do found=yes; done
        if [ "$found" = yes ]; then changed "$tool: took the rule away"; else same "$tool has no rule of this repair"; fi
    elif "$tool" -C INPUT "$@" 2>/dev/null; then
        same "$tool already has the rule"
    else
        "$tool" -I INPUT 1 "$@" || fail "$tool refused the rule"
        changed "$tool: ${SOURCE:-everyone} to TCP $PORT accepted"
    fi
}

if have firewall-cmd && bounded firewall-cmd --state >/dev/null 2>&1; then
    use_firewalld
elif have ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
    use_ufw
else
    if ! { have nft && use_nft; }; then use_iptables; fi
    [ "$MODE" = apply ] && note "the rule holds until the next boot or firewall reload: add it to the system's own firewall file if login works now"
fi
finish
