# Leads what is sent from ADDRESS, the address that the cloud knows, out of the interface that has it:
# the interface up, a default route, and where other routes or rules lead the answers to SOURCE away,
# a rule for this address alone. Only the running system is changed, and only added to.
record="$KEEP/steps"
# Where the disk takes nothing the record lies in memory.
keep_dir 2>/dev/null || record="/run/$MARK.steps"

step() { printf '%s\n' "$*" >>"$record" || fail "cannot write down what is changed in $record"; }
take_back() {
    failed=no
    awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }' "$record" >"$record.back"
    while read -r what rest; do
        # shellcheck disable=SC2086 # words that this script wrote down
        case "$what" in
        up) ip link set "$rest" down && changed "$rest is down again" ;;
        address) ip addr del $rest && changed "took the address ${rest%% *} away" ;;
        route) ip route del $rest && changed "took the route away: $rest" ;;
        rule) ip rule del $rest && changed "took the rule away: $rest" ;;
        esac 2>/dev/null || { failed=yes; note "is no longer there: $what $rest"; }
    done <"$record.back"
    rm -f "$record" "$record.back"
}
if [ "$MODE" = undo ]; then
    [ -s "$record" ] || { rmdir "$KEEP" 2>/dev/null; same "nothing was changed by this repair"; finish; }
    take_back
    rmdir "$KEEP" 2>/dev/null
    finish
fi

have ip || fail "there is no program ip"
case "$ADDRESS" in '' | *:*) fail "the cloud names no IPv4 address of this instance" ;; esac
asked="$SOURCE"
# Without a user the question is asked for an address that no rule names (RFC 5737).
case "$asked" in '' | *:* | */*) asked=198.51.100.77 ;; esac

dev_of() { ip -o -4 addr show 2>/dev/null | A="$1" awk '{ a = $4; sub(/\/.*/, "", a) } a == ENVIRON["A"] && $2 != "lo" { print $2; exit }'; }
# of DEVICE WORD: what stands behind a word in the kernel's line about an interface.
of() { ip -o link show dev "$1" 2>/dev/null | W="$2" awk '{ for (i = 1; i < NF; i++) if ($i == ENVIRON["W"]) { print $(i + 1); exit } }'; }
card=$(dev_of "$ADDRESS")
undone() { [ ! -s "$record" ] || take_back >/dev/null; rmdir "$KEEP" 2>/dev/null; fail "$*"; }

# Words of the system itself about this network: gateway or prefix.
told() { # gateway or prefix
    {
        cat /var/lib/dhcp/*.lease* /var/lib/dhclient/*.lease* /var/lib/NetworkManager/*.lease /var/lib/dhcpcd/*.lease 2>/dev/null | A="$ADDRESS" awk -v w="$1" '
            /fixed-address/ { mine = index($0, " " ENVIRON["A"] ";") }
            w == "gateway" && mine && /option routers/ { g = $3; sub(/[;,].*/, "", g); print g }
            w == "prefix" && mine && /option subnet-mask/ { g = $3; sub(/;.*/, "", g); print g }'
        for f in /run/systemd/netif/leases/* /run/NetworkManager/devices/*; do
            grep -qs -e "$ADDRESS" "$f" || continue
            [ "$1" = gateway ] && sed -n 's/^ROUTER=\([0-9.]*\).*/\1/p; s/^next-hop=\([0-9.]*\).*/\1/p' "$f"
            [ "$1" = prefix ] && sed -n 's/^NETMASK=//p' "$f"
        done
        for f in /etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network /etc/netplan/*.yaml /etc/netplan/*.yml /etc/systemd/network/*.network /run/systemd/network/*.network \
            /etc/network/interfaces /etc/network/interfaces.d/* /etc/NetworkManager/system-connections/*; do
            [ -r "$f" ] || continue
            if [ "$1" = gateway ]; then
                sed -n 's/^ *GATEWAY=["'\'']\{0,1\}\([0-9.]*\).*/\1/p; s/^ *Gateway=\([0-9.]*\).*/\1/p; s/^[ -]*\(gateway\|gateway4\|via\):\{0,1\} *["'\'']\{0,1\}\([0-9.]*\).*/\2/p; s/^address1=.*,\([0-9.]*\).*/\1/p; s/^gateway=\([0-9.]*\).*/\1/p' "$f"
            else
                sed -n "s|.*$ADDRESS/\([0-9]\{1,2\}\).*|\1|p" "$f"
                grep -qs -e "$ADDRESS" "$f" && sed -n 's/^ *NETMASK=["'\'']\{0,1\}\([0-9.]*\).*/\1/p; s/^ *PREFIX=["'\'']\{0,1\}\([0-9]*\).*/\1/p; s/^ *netmask *\([0-9.]*\).*/\1/p' "$f"
            fi
        done
        # The cloud's own word, where it can be reached.
        mac=$(of "$card" link/ether)
        where="http://metadata.tencentyun.com/latest/meta-data/network/interfaces/macs/$mac/local-ipv4s/$ADDRESS"
        have curl && [ -n "$mac" ] && if [ "$1" = gateway ]; then curl -sf -m 3 "$where/gateway"; else curl -sf -m 3 "$where/subnet-mask"; fi
        echo
    } 2>/dev/null | grep -E '^[0-9.]+$'
}
bits() { echo "$1" | awk -F. 'NF == 1 { print; next } { for (i = 1; i <= 4; i++) { v = $i; while (v > 0) { n += v % 2; v = int(v / 2) } } print n }'; }

if [ -z "$card" ]; then
    # The one real card, or the bridge or bond that it became a part of.
    cards=$(ip -o link show 2>/dev/null | awk '/link\/ether/ && !/ master / { n = $2; sub(/[:@].*/, "", n); print n }' | grep -vE '^(docker|veth|tun|tap|wg|br-|virbr|cali|flannel|cni|dummy|ifb)')
    [ "$(printf '%s\n' "$cards" | grep -c .)" = 1 ] || fail "no interface has the address $ADDRESS, and which should have it is not plain: $(echo $cards)"
    prefix=$(bits "$(told prefix | head -n 1)")
    [ -n "$prefix" ] || fail "no interface has the address $ADDRESS, and nothing here says how large its network is"
    card=$cards
    ip addr add "$ADDRESS/$prefix" dev "$card" || fail "$card does not take the address $ADDRESS/$prefix"
    step "address $ADDRESS/$prefix dev $card"
    changed "$card has the address $ADDRESS/$prefix"
fi
net=$(ip -o -4 addr show dev "$card" | A="$ADDRESS" awk '{ a = $4; sub(/\/.*/, "", a) } a == ENVIRON["A"] { print $4; exit }')
# The way out of a card that is a part of a bridge or a bond is that bridge or bond.
out=$(of "$card" master)
if [ -z "$out" ]; then
    out=$card
else
    note "$card is a part of $out, which is the way out then"
fi
for dev in "$card" "$out"; do
    case "$(ip -o link show dev "$dev" 2>/dev/null)" in
    *[\<,]UP[,\>]*) ;;
    *)
        ip link set "$dev" up || fail "the interface $dev does not come up"
        step "up $dev"
        changed "$dev is up"
        n=0
        until [ "$(of "$dev" state)" != DOWN ] || [ "$n" -ge 30 ]; do sleep 0.1; n=$((n + 1)); done ;;
    esac
done

# A gateway counts when it answers on this wire.
answers() {
    case "$1" in '' | "$ADDRESS" | 0.0.0.0) return 1 ;; esac
    case "$(ip -4 neigh show dev "$out" 2>/dev/null | G="$1" awk '$1 == ENVIRON["G"]')" in *PERMANENT* | *REACHABLE*) return 0 ;; esac
    if have arping; then bounded arping -q -c 2 -w 2 -I "$out" "$1" >/dev/null 2>&1 && return 0; fi
    # A datagram makes the kernel ask for it; the route is for this look alone.
    mine=""
    ip route get "$1" 2>/dev/null | grep -q " dev $out " || { ip route add "$1/32" dev "$out" src "$ADDRESS" 2>/dev/null && mine=yes; }
    if have ping; then ping -c 1 -W 1 -I "$ADDRESS" "$1" >/dev/null 2>&1 || true
    else (exec 3>"/dev/udp/$1/9" && echo >&3) 2>/dev/null; fi
    n=0
    while [ "$n" -lt 15 ]; do
        l=$(ip -4 neigh show dev "$out" 2>/dev/null | G="$1" awk '$1 == ENVIRON["G"]')
        case "$l" in *lladdr*) break ;; *FAILED*) break ;; esac
        sleep 0.1
        n=$((n + 1))
    done
    [ -z "$mine" ] || ip route del "$1/32" dev "$out" src "$ADDRESS" 2>/dev/null
    case "$l" in *lladdr*) return 0 ;; esac
    return 1
}
first=$(echo "$net" | awk -F'[./]' '{ v = (($1 * 256 + $2) * 256 + $3) * 256 + $4; s = 2 ^ (32 - $5); v = v - v % s + 1
    printf "%d.%d.%d.%d\n", int(v / 16777216), int(v / 65536) % 256, int(v / 256) % 256, v % 256 }')
gate=""
for one in $(ip -4 route show table all default 2>/dev/null | D="$out" awk '{ for (i = 1; i <= NF; i++) { if ($i == "via") g = $(i + 1); if ($i == "dev") d = $(i + 1) } if (d == ENVIRON["D"]) print g }') $(told gateway) $first; do
    if answers "$one"; then gate=$one; break; fi
done
[ -n "$gate" ] || undone "no gateway answers at $out: look at the network of the instance in the cloud console"

if ! ip -4 route show default 2>/dev/null | grep -q .; then
    ip route add default via "$gate" dev "$out" 2>/dev/null || { ip route add default via "$gate" dev "$out" onlink && step "route default via $gate dev $out onlink"; } || undone "the kernel does not take a default route via $gate"
    grep -qs "^route default" "$record" || step "route default via $gate dev $out"
    changed "the default route goes via $gate at $out"
fi

leads() {
    r=$(ip route get "$asked" from "$ADDRESS" 2>&1 | head -n 1)
    case "$r " in
    *" via $gate dev $out "*) return 0 ;;
    *" via "*) return 1 ;;
    *" dev $out "*) on_wire ;;
    *) return 1 ;;
    esac
}
# A user on the same network is asked for directly, unless a wrong prefix makes it look so.
on_wire() { [ "${net#*/}" -ge 16 ] || answers "$asked"; }
if leads; then
    same "answers from $ADDRESS to $asked go out at $out"
else
    note "answers to $asked went this way: $r"
    first_rule=$(ip -4 rule show | awk -F: '$1 > 0 { print $1; exit }')
    pref=$((${first_rule:-32766} - 1))
    [ "$pref" -le 1000 ] || pref=1000
    [ "$pref" -ge 1 ] || undone "a rule of the system stands first and leads the answers away: ip rule show names it"
    table=7321
    while [ -n "$(ip -4 route show table $table 2>/dev/null)" ]; do table=$((table + 1)); done
    # The network itself stays reachable directly.
    if [ "${net#*/}" -ge 16 ]; then
        own=$(echo "$net" | awk -F'[./]' '{ v = (($1 * 256 + $2) * 256 + $3) * 256 + $4; s = 2 ^ (32 - $5); v = v - v % s
            printf "%d.%d.%d.%d/%d\n", int(v / 16777216), int(v / 65536) % 256, int(v / 256) % 256, v % 256, $5 }')
        ip route add "$own" dev "$out" src "$ADDRESS" table $table && step "route $own dev $out table $table"
    fi
    ip route add "$gate" dev "$out" src "$ADDRESS" table $table 2>/dev/null && step "route $gate dev $out table $table"
    ip route add default via "$gate" dev "$out" table $table 2>/dev/null || ip route add default via "$gate" dev "$out" onlink table $table || undone "the kernel does not take a route via $gate"
    step "route default via $gate dev $out table $table"
    ip rule add pref $pref from "$ADDRESS" lookup $table || undone "the kernel does not take a rule for $ADDRESS"
    step "rule pref $pref from $ADDRESS lookup $table"
    leads || undone "the answers to $asked still go another way: $r"
    changed "answers from $ADDRESS go out via $gate at $out (rule $pref, table $table)"
fi
if [ "$CHANGES" -gt 0 ]; then
    note "this holds until the next restart of the network: mend its lasting configuration once the login works"
else
    rmdir "$KEEP" 2>/dev/null
fi
finish
