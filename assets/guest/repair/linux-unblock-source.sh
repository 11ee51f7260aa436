# Lifts bans of the one address SOURCE: of fail2ban, firewalld, ufw, nft, iptables, ipset, routes and
# hosts.deny. What names this address alone goes; what shuts out a network, a range or everybody gets an
# exception for this address. Bans of anybody else stay, and each keeps its place.
deny="$ROOT/etc/hosts.deny"
allow="$ROOT/etc/hosts.allow"
escaped=$(printf '%s' "$SOURCE" | sed 's/[.[\*^$/]/\\&/g')
log="$KEEP/steps"
bare() { sed 's/counter packets [0-9]* bytes [0-9]*/counter/g'; }
# Rules of a chain of nft, one a line with its handle; of iptables as the program prints them.
nft_rules() { { nft -a -nn list chain "$1" "$2" "$3" || nft -a list chain "$1" "$2" "$3"; } 2>/dev/null | sed -n '/ hook /d; s/^[[:space:]]*\(.*\) # handle \([0-9]*\)$/\2 \1/p' | grep -v '^[0-9]* chain '; }
xt_rules() { "$1-save" -t "$2" 2>/dev/null | sed 's/^\[[0-9:]*\] //' | grep -e "^-A $3 "; }
xt_do() { printf '*%s\n%s\nCOMMIT\n' "$2" "$3" | "$1-restore" --noflush 2>/dev/null; }
# The client of the fail2ban that runs, with its own socket.
f2b_socket=$(for d in /proc/[0-9]*; do case "$(tr '\0' ' ' <"$d/cmdline" 2>/dev/null)" in *fail2ban-server*) tr '\0' '\n' <"$d/cmdline" | awk 'last == "-s" || last == "--socket" { print; exit } { last = $0 }' ;; esac; done 2>/dev/null | head -n 1)
f2b() { bounded fail2ban-client ${f2b_socket:+-s "$f2b_socket"} "$@" 2>/dev/null; }

if [ "$MODE" = undo ]; then
    copy="$KEEP/_etc_hosts.deny"
    if [ -e "$copy" ]; then
        if cmp -s "$deny" "$copy.new"; then
            cat "$copy" >"$deny" && rm -f "$copy" "$copy.new" && changed "put hosts.deny back"
        else
            note "hosts.deny was changed since: the copy from before is $copy"
        fi
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
    # The last step first: places are counted as they were then.
    if [ -s "$log" ]; then
        awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }' "$log" >"$log.back"
        while IFS="$tab" read -r what one two three four five six; do
            case "$what" in
            xt-out) # program table chain place rule
                all=$(xt_rules "$one" "$two" "$three" | grep -c .)
                place=$four
                [ "$place" -le $((all + 1)) ] || { place=$((all + 1)); note "$one $two $three is shorter than it was"; }
                xt_do "$one" "$two" "-I $three $place ${five#-A * }" && changed "$one: put a ban back into $two $three at place $place" || note "$one did not take back: $five" ;;
            xt-new) # program table chain rule-now rule-before
                place=$(xt_rules "$one" "$two" "$three" | grep -nxF -e "$four" | head -n 1 | cut -d: -f1)
                if [ -z "$place" ]; then note "$one $two $three was changed since: $five"; else
                    xt_do "$one" "$two" "-R $three $place ${five#-A * }" && changed "$one: the rule at place $place of $two $three is as it was"
                fi ;;
            xt-in) # program table chain rule
                xt_do "$one" "$two" "-D $three $four" && changed "$one: took the exception out of $two $three" || note "$one $two $three has the exception no more" ;;
            nft-out) # family table chain place rule
                handle=$(nft_rules "$one" "$two" "$three" | sed -n "${four}p" | cut -d' ' -f1)
                # shellcheck disable=SC2086 # a rule as nft itself printed it
                if [ -n "$handle" ]; then nft insert rule "$one" "$two" "$three" position "$handle" $five; else nft add rule "$one" "$two" "$three" $five; fi &&
                    changed "nft: put a ban back into $one $two $three at place $four" || note "nft did not take back: $five" ;;
            nft-new) # family table chain rule-now rule-before
                handle=$(nft_rules "$one" "$two" "$three" | bare | R="$(printf '%s' "$four" | bare)" awk '{ h = $1; sub(/^[0-9]+ /, ""); if ($0 == ENVIRON["R"]) { print h; exit } }')
                # shellcheck disable=SC2086 # a rule as nft itself printed it
                if [ -z "$handle" ]; then note "$one $two $three was changed since: $five"; else
                    nft replace rule "$one" "$two" "$three" handle "$handle" $five && changed "nft: a rule of $one $two $three is as it was"
                fi ;;
            nft-in) # family table chain
                for handle in $(nft_rules "$one" "$two" "$three" | grep -F -e "comment \"$MARK\"" | cut -d' ' -f1); do
                    nft delete rule "$one" "$two" "$three" handle "$handle" && changed "nft: took the exception out of $one $two $three"
                done ;;
            nft-element) # family table set element
                nft add element "$one" "$two" "$three" "{ $four }" && changed "nft: put $SOURCE back into $two $three" || note "nft did not take back into $two $three: $four" ;;
            ipset) printf '%s\n' "$one" | ipset -exist restore && changed "ipset: put back: $one" ;;
            recent) (echo "+$SOURCE" >"/proc/net/xt_recent/$one") 2>/dev/null && changed "put $SOURCE back into the list $one" ;;
            route-out) # shellcheck disable=SC2086 # words that ip itself printed
                ip route add $one && changed "put back: route $one" ;;
            route-in) # shellcheck disable=SC2086
                ip route del $one && changed "took the exception away: route $one" ;;
            rule-out) # shellcheck disable=SC2086
                ip rule add $one && changed "put back: rule $one" ;;
            rule-in) # shellcheck disable=SC2086
                ip rule del $one && changed "took the exception away: rule $one" ;;
            fail2ban) f2b set "$one" banip "$SOURCE" >/dev/null && changed "fail2ban: banned again in $one, with its time anew" ;;
            fwd-out) # lasting words...
                # shellcheck disable=SC2086
                bounded firewall-cmd $one "$two" "$three" >/dev/null 2>&1 && changed "firewalld: put back: $two $three" ;;
            fwd-in)
                # shellcheck disable=SC2086
                bounded firewall-cmd $one "$two" "$three" >/dev/null 2>&1 && changed "firewalld: took the exception away" ;;
            ufw) bounded ufw --force delete allow from "$SOURCE" to any port "$PORT" proto tcp >/dev/null 2>&1 && changed "ufw: took the exception away" || note "ufw has the exception no more" ;;
            esac
        done <"$log.back"
        rm -f "$log" "$log.back"
    fi
    rmdir "$KEEP" 2>/dev/null
    [ "$CHANGES" -gt 0 ] || same "nothing of this repair is there"
    finish
fi
step() { keep_dir; printf '%s\n' "$(IFS="$tab"; echo "$*")" >>"$log" || fail "cannot write down what is changed in $log"; }

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
        cat "$deny.cvmtop" >"$deny" || { cat "$copy" >"$deny"; fail "cannot write $deny"; }
        cp "$deny" "$KEEP/_etc_hosts.deny.new"
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
        # Names, wildcards and files: only a look-up could tell. Of a line that shuts out, all count.
        if (net !~ /^[0-9.]+(\/[0-9.]+)?$/) return unsure
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
        option = tolower(field[3])
        shut = FILENAME == deny ? option !~ /(^|[: \t])allow([: \t]|$)/ : option ~ /(^|[: \t])(deny|twist)([: \t]|$)/
        unsure = shut
        if (n < 2 || !listed(field[1], 1) || !listed(field[2], 0)) next
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

# What keeps bans is asked to lift its own.
if have fail2ban-client && f2b ping >/dev/null; then
    for jail in $(f2b status | sed -n 's/.*Jail list:[ 	]*//p' | tr ',' ' '); do
        if f2b status "$jail" | grep -Eq "Banned IP list:.*(^|[ 	])$escaped([ 	]|\$)"; then
            f2b set "$jail" unbanip "$SOURCE" >/dev/null || fail "fail2ban did not lift the ban in $jail"
            step fail2ban "$jail"
            changed "fail2ban: lifted the ban in $jail"
        fi
    done
fi
# Whether a word holds this address: the functions of the walk, without its reading.
held() { W="$1" awk -v source="$SOURCE" "${fw_awk%%BEGIN {*} BEGIN { exit !holds(ENVIRON[\"W\"], source) }"; }

# firewalld: what names this address alone goes; a zone or rule for more lets it in at the login port.
# Its client is slow to start: each state is listed once.
fwd_family=ipv4
[ "$family" = ip ] || fwd_family=ipv6
exception="rule priority=\"-100\" family=\"$fwd_family\" source address=\"$SOURCE\" port port=\"$PORT\" protocol=\"tcp\" accept"
in_set() { fwc --ipset="$1" --get-entries | while read -r entry; do if held "$entry"; then echo "$entry"; break; fi; done; }
except_in() { # ZONE
    grep -qxF -e "$1${tab}rule$tab$exception" "$listing" && return
    fwc --zone="$1" --add-rich-rule="$exception" >/dev/null || return
    printf '%s\trule\t%s\n' "$1" "$exception" >>"$listing"
    step fwd-in "${lasting:--q}" "--zone=$1" "--remove-rich-rule=$exception"
    changed "firewalld${lasting:+, permanent}: zone $1 lets $SOURCE in on TCP $PORT"
}
if [ "$managed" = firewalld ]; then
    listing=/run/$MARK.zones
    for lasting in "" --permanent; do
        # shellcheck disable=SC2086 # one word or none
        fwc() { bounded firewall-cmd $lasting "$@" 2>/dev/null </dev/null; }
        fwc --list-all-zones | awk '
            /^[^ \t]/ { zone = $1; rules = 0; next }
            /^  target:/ { print zone "\ttarget\t" $2; next }
            /^  sources:/ { for (i = 2; i <= NF; i++) print zone "\tsource\t" $i; next }
            /^  rich rules:/ { rules = 1; next }
            /^\trule/ && rules { sub(/^[ \t]+/, ""); print zone "\trule\t" $0 }' >"$listing"
        cp "$listing" "$listing.work"
        while IFS="$tab" read -r zone what word; do
            shut=no
            grep -qE "^$zone${tab}target$tab(DROP|%%REJECT%%)" "$listing" && shut=yes
            case "$what $shut $word" in
            'source yes ipset:'*)
                set=${word#ipset:}
                entry=$(in_set "$set")
                case "$entry" in
                '') ;;
                "$SOURCE" | "$SOURCE/32" | "$SOURCE/128")
                    fwc --ipset="$set" --remove-entry="$entry" >/dev/null || continue
                    step fwd-out "${lasting:--q}" "--ipset=$set" "--add-entry=$entry"
                    changed "firewalld${lasting:+, permanent}: took $SOURCE out of the set $set" ;;
                *) except_in "$zone" ;;
                esac ;;
            "source yes $SOURCE" | "source yes $SOURCE/32" | "source yes $SOURCE/128")
                fwc --zone="$zone" --remove-source="$word" >/dev/null || continue
                step fwd-out "${lasting:--q}" "--zone=$zone" "--add-source=$word"
                changed "firewalld${lasting:+, permanent}: $word is no longer of zone $zone" ;;
            'source yes '*) held "$word" && except_in "$zone" ;;
            'rule '*drop* | 'rule '*reject*)
                from=$(printf '%s\n' "$word" | sed -n 's/.*source address="\([^"]*\)".*/\1/p')
                set=$(printf '%s\n' "$word" | sed -n 's/.*source ipset="\([^"]*\)".*/\1/p')
                case "$from" in
                "$SOURCE" | "$SOURCE/32" | "$SOURCE/128")
                    fwc --zone="$zone" --remove-rich-rule="$word" >/dev/null || continue
                    step fwd-out "${lasting:--q}" "--zone=$zone" "--add-rich-rule=$word"
                    changed "firewalld${lasting:+, permanent}: zone $zone: took away $word" ;;
                '') [ -n "$set" ] && [ -n "$(in_set "$set")" ] && except_in "$zone" ;;
                *) held "$from" && except_in "$zone" ;;
                esac ;;
            esac
        done <"$listing.work"
        rm -f "$listing" "$listing.work"
    done
fi

# A list is worked off while the rules change: places within a chain are counted from its end.
list=/run/$MARK.list
(: >"$list") 2>/dev/null || list=/tmp/$MARK.list
ufw_denies=no
for tool in $(xt_tools "$family"); do
    "$tool-save" 2>/dev/null | fw -v ipt=1 -v bans=1 -v managed=0 | sort -t "$tab" -k1,1 -k2,2nr >"$list"
    while IFS="$tab" read -r chain place _ kind set _ rule; do
        table=${chain%% *}
        chain=${chain#* }
        # Rules of ufw and firewalld are theirs to change.
        case "$chain" in
        ufw-user-* | ufw6-user-*) ufw_denies=yes; continue ;;
        IN_* | INPUT_ZONES* | FWDI_*) continue ;;
        esac
        if [ "$kind" = recent ]; then
            grep -qs "src=$SOURCE " "/proc/net/xt_recent/$set" || continue
            (echo "-$SOURCE" >"/proc/net/xt_recent/$set") 2>/dev/null || continue
            step recent "$set"
            changed "took $SOURCE out of the list $set of recent addresses"
            continue
        fi
        if [ "$kind" = set ]; then
            ipset test "$set" "$SOURCE" >/dev/null 2>&1 || ipset test "$set" "$SOURCE,tcp:$PORT" >/dev/null 2>&1 || continue
            # The entry itself, where it names this address alone and no rule lets the set in.
            own=$(ipset save "$set" 2>/dev/null | S="$SOURCE" awk '$1 == "add" { e = $3; sub(/,.*/, "", e); sub(/\/(32|128)$/, "", e); if (e == ENVIRON["S"] && !/ nomatch/) print }')
            if [ -n "$own" ] && ! "$tool-save" 2>/dev/null | grep -e "--match-set $set " | grep -qE -e '-j (ACCEPT|RETURN)'; then
                printf '%s\n' "$own" | while read -r _ _ entry _; do ipset del "$set" "$entry"; done
                printf '%s\n' "$own" | while IFS= read -r entry; do step ipset "$entry"; done
                changed "ipset: took $SOURCE out of the set $set"
                continue
            fi
        fi
        if [ "$kind" = exact ]; then
            now=$(xt_rules "$tool" "$table" "$chain" | sed -n "${place}p")
            xt_do "$tool" "$table" "-D $chain $place" || fail "$tool did not take the ban at place $place of $chain away"
            step xt-out "$tool" "$table" "$chain" "$place" "$now"
            changed "$tool: took away: $now"
            continue
        fi
        case "$rule" in *"! --src-range $SOURCE-$SOURCE "*) continue ;; esac
        new=$(printf '%s\n' "$rule" | sed "s/\(.*\) -\([jg]\) /\1 -m iprange ! --src-range $SOURCE-$SOURCE -\2 /")
        if xt_do "$tool" "$table" "-R $chain $place ${new#-A * }"; then
            now=$(xt_rules "$tool" "$table" "$chain" | sed -n "${place}p")
            step xt-new "$tool" "$table" "$chain" "$now" "$rule"
        else
            new="-s $SOURCE -p tcp -m tcp --dport $PORT -m comment --comment $MARK -j ACCEPT"
            xt_do "$tool" "$table" "-I $chain $place $new" || fail "$tool takes no exception for $SOURCE in $chain"
            step xt-in "$tool" "$table" "$chain" "$new"
        fi
        changed "$tool: $SOURCE is excepted from: $rule"
    done <"$list"
done

if have nft; then
    skip=$(nft_skip)
    { nft -a -nn list ruleset || nft -a list ruleset; } 2>/dev/null >"$list.rules"
    fw -v bans=1 -v managed=0 -v skip="$skip" <"$list.rules" | sort -t "$tab" -k1,1 -k2,2nr >"$list"
    while IFS="$tab" read -r where place handle kind set joined rule; do
        # shellcheck disable=SC2086 # three words by construction
        set -- $where
        if [ "$kind" = set ] && [ "$set" != - ]; then
            key=$SOURCE
            [ "$joined" != 1 ] || key="$SOURCE . $PORT"
            held=$({ nft -nn get element "$1" "$2" "$set" "{ $key }" || nft get element "$1" "$2" "$set" "{ $key }"; } 2>/dev/null | tr '\n' ' ' | sed -n 's/.*elements = { *\(.*[^ ]\) *}.*/\1/p' | sed 's/ *}.*//')
            if [ -z "$held" ]; then
                # Joined in another way: it is there if the listing of the set names it.
                case "$rule" in *" saddr . tcp dport @"*) continue ;; esac
                [ "$joined" = 1 ] && nft list set "$1" "$2" "$set" 2>/dev/null | grep -q "[^0-9.]$escaped \." || continue
            fi
            case "$held " in
            "$key "*)
                # An element that is this address alone goes, where no rule lets the set in.
                if ! grep -e "@$set " "$list.rules" | grep -qE ' (accept|return) '; then
                    nft delete element "$1" "$2" "$set" "{ $key }" 2>/dev/null || fail "nft did not take $SOURCE out of $2 $set"
                    step nft-element "$1" "$2" "$set" "$held"
                    changed "nft: took $SOURCE out of the set $2 $set"
                    continue
                fi ;;
            esac
        fi
        case " $rule" in *" $family saddr != $SOURCE "*) continue ;; esac
        if [ "$kind" = exact ]; then
            nft delete rule "$1" "$2" "$3" handle "$handle" || fail "nft did not delete handle $handle of $2 $3"
            step nft-out "$1" "$2" "$3" "$place" "$rule"
            changed "nft: took a ban out of $where: $rule"
            continue
        fi
        # In front, or, where this version of nft cannot read that, just before the verdict.
        late=$(printf '%s\n' "$rule" | sed "s/ \(counter packets [0-9]* bytes [0-9]* \)\{0,1\}\(drop\|reject.*\|jump [^ ]*\|goto [^ ]*\)\( comment .*\)\{0,1\}\$/ $family saddr != $SOURCE \1\2\3/")
        # shellcheck disable=SC2086 # a rule as nft itself printed it
        nft replace rule "$1" "$2" "$3" handle "$handle" $family saddr != "$SOURCE" $rule 2>/dev/null ||
            { [ "$late" != "$rule" ] && nft replace rule "$1" "$2" "$3" handle "$handle" $late 2>/dev/null; } || {
            # A rule of its own above it, for the login port.
            grep -qF -e "comment \"$MARK\"" "$list.rules" && continue
            # shellcheck disable=SC2086
            nft insert rule "$1" "$2" "$3" position "$handle" $family saddr "$SOURCE" tcp dport "$PORT" accept comment "\"$MARK\"" || fail "nft takes no exception for $SOURCE in $where"
            step nft-in "$1" "$2" "$3"
            changed "nft: $SOURCE is let in on TCP $PORT in $where above: $rule"
            continue
        }
        now=$(nft_rules "$1" "$2" "$3" | sed -n "${place}p" | cut -d' ' -f2-)
        step nft-new "$1" "$2" "$3" "$now" "$rule"
        changed "nft: $SOURCE is excepted in $where from: $rule"
    done <"$list"
fi
rm -f "$list" "$list.rules"

if [ "$managed" = ufw ] && [ "$ufw_denies" = yes ]; then
    place=1
    [ "$family" = ip ] || place=$(ufw status numbered 2>/dev/null | sed -n '/(v6)\|[0-9a-f]:[0-9a-f:]*/s/^\[ *\([0-9]*\)\].*/\1/p' | head -n 1)
    if ! ufw status 2>/dev/null | grep -q "$MARK"; then
        bounded ufw ${place:+insert "$place"} allow from "$SOURCE" to any port "$PORT" proto tcp comment "$MARK" >/dev/null 2>&1 || fail "ufw refused an exception for $SOURCE"
        step ufw
        changed "ufw: $SOURCE is let in on TCP $PORT above what denies it"
    fi
fi

# Routes and rules of the kernel that lead answers to this address nowhere.
if have ip; then
    six=""
    [ "$family" = ip ] || six=-6
    # shellcheck disable=SC2086 # one word or none
    ip $six route show table main 2>/dev/null | grep -E '^(blackhole|unreachable|prohibit|throw) ' >"/run/$MARK.$$" || true
    while read -r type net rest; do
        case "$net" in
        "$SOURCE" | "$SOURCE/32" | "$SOURCE/128")
            # shellcheck disable=SC2086
            ip $six route del $type $net || fail "the route $type $net does not go away"
            step route-out "$type $net $rest"
            changed "took away the route: $type $net" ;;
        *)
            held "$net" || continue
            ip $six route show "$SOURCE" 2>/dev/null | grep -q . && continue
            way=$(ip $six route show default 2>/dev/null | head -n 1 | sed -n 's/^default \(via [^ ]* dev [^ ]*\|dev [^ ]*\).*/\1/p')
            [ -n "$way" ] || continue
            # shellcheck disable=SC2086
            ip $six route add "$SOURCE" $way || fail "no route to $SOURCE alone can be added"
            step route-in "$SOURCE $way"
            changed "$SOURCE is excepted from the route: $type $net" ;;
        esac
    done <"/run/$MARK.$$"
    # shellcheck disable=SC2086
    ip $six rule show 2>/dev/null | grep -E ' (blackhole|unreachable|prohibit)' >"/run/$MARK.$$" || true
    while read -r pref words; do
        pref=${pref%:}
        for side in to from; do
            net=$(printf ' %s\n' "$words" | sed -n "s/.* $side \([^ ]*\).*/\1/p")
            case "$net" in '' | all) continue ;; esac
            held "$net" || continue
            case "$net" in
            "$SOURCE" | "$SOURCE/32" | "$SOURCE/128")
                # shellcheck disable=SC2086
                ip $six rule del pref "$pref" $words || fail "the rule $pref does not go away"
                step rule-out "pref $pref $words"
                changed "took away the rule $pref: $words" ;;
            *)
                ip $six rule show 2>/dev/null | grep -q "$side $escaped lookup main" && continue
                ip $six rule add pref $((pref - 1)) "$side" "$SOURCE" lookup main || fail "no rule for $SOURCE alone can be added"
                step rule-in "pref $((pref - 1)) $side $SOURCE lookup main"
                changed "$SOURCE is excepted from the rule $pref: $words" ;;
            esac
        done
    done <"/run/$MARK.$$"
    rm -f "/run/$MARK.$$"
fi
if [ "$CHANGES" -gt 0 ]; then
    note "login attempts that fail again will bring a ban back: mend the credential first"
else
    rmdir "$KEEP" 2>/dev/null
    same "no ban of $SOURCE was found"
fi
finish
