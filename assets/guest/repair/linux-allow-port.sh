# Lets TCP port PORT in through the guest's firewall, from SOURCE or from everyone when empty: by the
# tool that rules there, and above whatever else denies it, in each table that decides. Nothing is
# switched off and nothing is reordered.
ufw_files="/etc/ufw/user.rules /etc/ufw/user6.rules /lib/ufw/user.rules /lib/ufw/user6.rules"

firewalld_rule() {
    rule="rule priority=\"-100\""
    [ "$family" = ip6 ] && rule="$rule family=\"ipv6\""
    [ -n "$SOURCE" ] && [ "$family" = ip ] && rule="$rule family=\"ipv4\""
    [ -n "$SOURCE" ] && rule="$rule source address=\"$SOURCE\""
    printf '%s port port="%s" protocol="tcp" accept' "$rule" "$PORT"
}
use_firewalld() {
    rule=$(firewalld_rule)
    # In every zone that is in use: which one a packet meets is decided by interface and source.
    for zone in $(bounded firewall-cmd --get-active-zones 2>/dev/null | sed -n 's/^\([^ ][^ ]*\).*/\1/p') $(bounded firewall-cmd --get-default-zone 2>/dev/null); do
        if bounded firewall-cmd --zone="$zone" --query-rich-rule="$rule" >/dev/null 2>&1; then
            same "firewalld has the rule in zone $zone"
            continue
        fi
        keep_dir
        # Versions before 0.9 know no priority; there an accept stands after a denial.
        bounded firewall-cmd --zone="$zone" --add-rich-rule="$rule" >/dev/null 2>&1 || {
            rule=$(printf '%s' "$rule" | sed 's/ priority="-100"//')
            bounded firewall-cmd --zone="$zone" --add-rich-rule="$rule" >/dev/null 2>&1 || fail "firewalld refused the rule: $rule"
        }
        printf 'runtime %s %s\n' "$zone" "$rule" >>"$KEEP/firewalld"
        if bounded firewall-cmd --permanent --zone="$zone" --add-rich-rule="$rule" >/dev/null 2>&1; then
            printf 'permanent %s %s\n' "$zone" "$rule" >>"$KEEP/firewalld"
        else
            note "the rule holds until the next reload only"
        fi
        changed "firewalld, zone $zone: $rule"
    done
}

use_ufw() {
    from="${SOURCE:-any}"
    [ -e "$KEEP/ufw" ] && { same "ufw already has the rule"; return; }
    keep_dir
    for f in $ufw_files; do [ ! -f "$f" ] || cp -p "$f" "$KEEP/before$(printf '%s' "$f" | tr / _)"; done
    place=1
    # Rules of IPv6 stand after all of IPv4: the first place among them is theirs.
    [ "$family" = ip ] || place=$(ufw status numbered 2>/dev/null | sed -n '/(v6)\|[0-9a-f]:[0-9a-f:]*/s/^\[ *\([0-9]*\)\].*/\1/p' | head -n 1)
    said=$(bounded ufw ${place:+insert "$place"} allow from "$from" to any port "$PORT" proto tcp comment "$MARK" 2>&1) ||
        said=$(bounded ufw allow from "$from" to any port "$PORT" proto tcp 2>&1) || fail "ufw refused the rule: $(printf '%s' "$said" | head -n 1)"
    for f in $ufw_files; do [ ! -f "$f" ] || cp -p "$f" "$KEEP/after$(printf '%s' "$f" | tr / _)"; done
    case "$said" in
    *[Ss]kipping*) rm -f "$KEEP"/before_* "$KEEP"/after_*; same "ufw already has the rule" ;;
    *)
        : >"$KEEP/ufw"
        changed "ufw: allow $from to TCP $PORT" ;;
    esac
}
ufw_back() {
    [ -e "$KEEP/ufw" ] || return 0
    touched=no
    for f in $ufw_files; do
        after="$KEEP/after$(printf '%s' "$f" | tr / _)"
        [ ! -f "$after" ] || cmp -s "$f" "$after" || touched=yes
    done
    bounded ufw --force delete allow from "${SOURCE:-any}" to any port "$PORT" proto tcp >/dev/null 2>&1 || note "ufw has the rule no more"
    # A denial of the same words became this rule: the files hold what was there.
    again=no
    for f in $ufw_files; do
        before="$KEEP/before$(printf '%s' "$f" | tr / _)"
        [ -f "$before" ] || continue
        cmp -s "$f" "$before" && continue
        if [ "$touched" = yes ]; then note "$f was changed since: the copy from before is $before"; continue; fi
        cat "$before" >"$f" && again=yes
    done
    [ "$again" = no ] || bounded ufw reload >/dev/null 2>&1 || fail "ufw did not load its rules again"
    rm -f "$KEEP/ufw"
    [ "$touched" = yes ] || rm -f "$KEEP"/before_* "$KEEP"/after_*
    changed "ufw: took the rule away"
}

# Handles of this repair's rules in a chain of nft.
nft_own() { nft -a list chain "$1" "$2" "$3" 2>/dev/null | sed -n "s/.*comment \"$MARK\".*# handle \([0-9]*\).*/\1/p"; }

if [ "$MODE" = undo ]; then
    if [ -s "$KEEP/firewalld" ]; then
        while read -r how zone rule; do
            lasting=""
            [ "$how" = runtime ] || lasting=--permanent
            bounded firewall-cmd $lasting --zone="$zone" --remove-rich-rule="$rule" >/dev/null 2>&1 && [ "$how" = runtime ] && changed "firewalld, zone $zone: took the rule away"
        done <"$KEEP/firewalld"
        rm -f "$KEEP/firewalld"
    fi
    ufw_back
    if [ -s "$KEEP/xtables" ]; then
        while read -r tool table chain spec; do
            if printf '*%s\n-D %s %s\nCOMMIT\n' "$table" "$chain" "$spec" | "$tool-restore" --noflush 2>/dev/null; then
                changed "$tool: took the rule out of $table $chain"
            else
                note "$tool has the rule in $table $chain no more"
            fi
        done <"$KEEP/xtables"
        rm -f "$KEEP/xtables"
    fi
    if [ -s "$KEEP/nft" ]; then
        while read -r f t c; do
            for handle in $(nft_own "$f" "$t" "$c"); do
                nft delete rule "$f" "$t" "$c" handle "$handle" || fail "nft did not delete handle $handle of $t/$c"
                changed "nft: took the rule out of $f $t $c"
            done
        done <"$KEEP/nft"
        rm -f "$KEEP/nft"
    fi
    rmdir "$KEEP" 2>/dev/null
    [ "$CHANGES" -gt 0 ] || same "no rule of this repair is there"
    finish
fi

case "$managed" in
firewalld) use_firewalld ;;
ufw) use_ufw ;;
esac
for want in ip ip6; do
    [ -z "$SOURCE" ] || [ "$want" = "$family" ] || continue
    for tool in $(xt_tools "$want"); do
        denies=$("$tool-save" 2>/dev/null | fw -v ipt=1 -v managed="$managed" -v want6="$([ "$want" = ip ] || echo 1)")
        for entry in $(printf '%s\n' "$denies" | tr ' \t' '//'); do
            table=${entry%%/*} way=${entry##*/}
            chain=${entry#*/}
            chain=${chain%/*}
            if [ "$way" = in ]; then spec="${SOURCE:+-s $SOURCE }-p tcp -m tcp --dport $PORT"; else spec="${SOURCE:+-d $SOURCE }-p tcp -m tcp --sport $PORT"; fi
            spec="$spec -m comment --comment $MARK -j ACCEPT"
            keep_dir
            printf '*%s\n-I %s 1 %s\nCOMMIT\n' "$table" "$chain" "$spec" | "$tool-restore" --noflush || fail "$tool refused the rule in $table $chain"
            printf '%s %s %s %s\n' "$tool" "$table" "$chain" "$spec" >>"$KEEP/xtables"
            changed "$tool: $table $chain: $spec"
        done
    done
done
if have nft; then
    skip=$(nft_skip)
    for want in ip ip6; do
        [ -z "$SOURCE" ] || [ "$want" = "$family" ] || continue
        denies=$({ nft -a -nn list ruleset || nft -a list ruleset; } 2>/dev/null | fw -v skip="$skip" -v managed="$managed" -v want6="$([ "$want" = ip ] || echo 1)")
        for entry in $(printf '%s\n' "$denies" | tr ' \t' '//'); do
            old=$IFS
            IFS=/
            # shellcheck disable=SC2086 # four words by construction
            set -- $entry
            IFS=$old
            [ -z "$(nft_own "$1" "$2" "$3")" ] || continue
            if [ "$4" = in ]; then match="${SOURCE:+$family saddr $SOURCE }tcp dport $PORT"; else match="${SOURCE:+$family daddr $SOURCE }tcp sport $PORT"; fi
            keep_dir
            # shellcheck disable=SC2086 # the match is several words
            nft insert rule "$1" "$2" "$3" $match accept comment "\"$MARK\"" || fail "nft refused the rule in $2/$3"
            printf '%s %s %s\n' "$1" "$2" "$3" >>"$KEEP/nft"
            changed "nft: $1 $2 $3: $match accept"
        done
    done
fi
[ "$CHANGES" -gt 0 ] || same "no rule denies TCP $PORT from ${SOURCE:-everyone}, as far as the rules say"
if [ -s "$KEEP/nft" ] || [ -s "$KEEP/xtables" ]; then
    note "a rule of nft or iptables holds until the next boot or reload of the firewall: add it to the system's own file once the login works"
fi
finish
