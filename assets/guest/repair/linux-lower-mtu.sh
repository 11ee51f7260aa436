# Lowers the packet size of the interface that the answers to SOURCE leave by, to what gets through:
# measured by ping where the other side answers, 1280 bytes where it does not.
size() { ip -o link show dev "$1" 2>/dev/null | sed -n 's/.* mtu \([0-9]*\).*/\1/p'; }
if [ "$MODE" = undo ]; then
    [ -s "$KEEP/mtu" ] || { same "nothing was changed by this repair"; finish; }
    read -r dev old new <"$KEEP/mtu"
    if [ "$(size "$dev")" = "$new" ]; then
        ip link set dev "$dev" mtu "$old" && changed "the packet size of $dev is $old again"
    else
        note "the packet size of $dev is no longer $new: somebody else set it, and it stays"
    fi
    rm -f "$KEEP/mtu"
    rmdir "$KEEP" 2>/dev/null
    finish
fi

have ip || fail "there is no program ip"
asked=${SOURCE%/*}
[ -n "$asked" ] || asked=198.51.100.77
case "$asked" in *:*) from="" ;; *) from=${ADDRESS:+from $ADDRESS} ;; esac
# shellcheck disable=SC2086 # two words or none
line=$(ip route get "$asked" $from 2>/dev/null | head -n 1)
dev=$(printf '%s\n' "$line" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
[ -n "$dev" ] && [ "$dev" != lo ] || fail "no interface leads to $asked"
now=$(size "$dev")
if [ "$now" -le 1280 ]; then same "the packet size of $dev is $now already"; finish; fi

# Headers: 28 bytes of IPv4 and ICMP, 48 of IPv6 and ICMPv6.
head=28
case "$asked" in *:*) head=48 ;; esac
passes() { ping -c 1 -W 1 -M "do" -s $(($1 - head)) "$asked" >/dev/null 2>&1 || ping -c 1 -W 1 -M "do" -s $(($1 - head)) "$asked" >/dev/null 2>&1; }
best=""
if have ping && passes 576; then
    for try in "$now" 1500 1480 1460 1440 1420 1400 1380 1360 1340 1320 1300 1280; do
        [ "$try" -le "$now" ] || continue
        if passes "$try"; then best=$try; break; fi
    done
    [ -n "$best" ] || { best=1280; note "not even 1280 bytes get through in one piece: an even smaller packet size would take IPv6 from the interface"; }
    if [ "$best" = "$now" ]; then
        same "packets of $now bytes get through to $asked"
        finish
    fi
    note "packets of up to $best bytes get through to $asked, of $now do not"
else
    best=1280
    note "$asked does not answer a ping, so what gets through cannot be measured: 1280 is what every network carries"
fi
keep_dir
[ -e "$KEEP/mtu" ] || printf '%s %s %s\n' "$dev" "$now" "$best" >"$KEEP/mtu"
ip link set dev "$dev" mtu "$best" || { rm -f "$KEEP/mtu"; fail "$dev does not take a packet size of $best"; }
[ "$(size "$dev")" = "$best" ] || fail "$dev kept its packet size of $(size "$dev")"
changed "the packet size of $dev is $best; it was $now"
note "it holds until the next restart: set it in the network's own configuration, too"
finish
