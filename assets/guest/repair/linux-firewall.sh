# Shared by the repairs of the firewall: walks the rules of nft and iptables as a new connection from
# SOURCE to TCP port PORT would, and as its answers would. What a rule asks beyond what is known here
# counts as "may match", so that a rule that may deny is never passed over.
family=ip
case "$SOURCE" in *:*) family=ip6 ;; esac
tab=$(printf '\t')
# Interface and addresses that a connection of this source comes in by.
inlet=$(ip route get "${SOURCE%/*}" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
owns=$(ip -o addr show 2>/dev/null | awk '{ a = $4; sub(/\/.*/, "", a); printf "%s ", a }')

fw_awk='
    # Addresses as hexadecimal digits of one length, so that nets and ranges are compared as text.
    function hexed(a,  p, n, i, out, gap, k) {
        if (a !~ /:/) {
            if (split(a, p, ".") != 4) return ""
            return sprintf("%02x%02x%02x%02x", p[1], p[2], p[3], p[4])
        }
        a = tolower(a); n = split(a, p, ":"); out = ""; gap = 0
        for (i = 1; i <= n; i++) {
            if (p[i] == "") {
                if (i == 1 || i == n) { if (i == 1 && p[2] != "") return ""; continue }
                if (gap) continue
                gap = 1; k = 0
                for (j = 1; j <= n; j++) if (p[j] != "") k++
                for (k = 8 - k; k > 0; k--) out = out "0000"
                continue
            }
            out = out substr("0000" p[i], length(p[i]) + 1)
        }
        if (!gap && a ~ /^::$/) out = "00000000000000000000000000000000"
        return length(out) == 32 ? out : ""
    }
    function bits(m,  p, i, v, n) {
        if (m !~ /\./) return m + 0
        split(m, p, "."); n = 0
        for (i = 1; i <= 4; i++) for (v = p[i]; v > 0; v = int(v / 2)) n += v % 2
        return n
    }
    # Whether a word (address, net or range) holds an address.
    function holds(word, a,  p, x, y, n, f, r) {
        if (word ~ /-/) { split(word, p, "-"); x = hexed(p[1]); y = hexed(p[2]); a = hexed(a)
            return x != "" && length(x) == length(a) && x <= a && a <= y }
        n = split(word, p, "/"); x = hexed(p[1]); a = hexed(a)
        if (x == "" || length(x) != length(a)) return 0
        n = n < 2 ? length(x) * 4 : bits(p[2]); f = int(n / 4); r = n % 4
        if (substr(x, 1, f) != substr(a, 1, f)) return 0
        if (!r) return 1
        return int((index("0123456789abcdef", substr(x, f + 1, 1)) - 1) / 2 ^ (4 - r)) == int((index("0123456789abcdef", substr(a, f + 1, 1)) - 1) / 2 ^ (4 - r))
    }
    function in_list(list, a, port,  w, n, i, r) {
        gsub(/[{},]/, " ", list); n = split(list, w, " ")
        for (i = 1; i <= n; i++) {
            if (port) { if (w[i] == a) return 1
                if (w[i] ~ /^[0-9]+[-:][0-9]+$/) { split(w[i], r, /[-:]/); if (r[1] + 0 <= a + 0 && a + 0 <= r[2] + 0) return 1 }
                if (w[i] == "ssh" && a == 22) return 1 }
            else if (holds(w[i], a)) return 1
        }
        return 0
    }
    function owned(list,  w, n, i) { n = split(owns, w, " "); for (i = 1; i <= n; i++) if (in_list(list, w[i], 0)) return 1; return 0 }
    # certain, may or cannot: the worst of all conditions of a rule counts.
    function cond(yes, not) { if (not) yes = yes == 2 ? 0 : yes == 0 ? 2 : 1; if (yes < fit) fit = yes }
    # A network that is let in as a whole: for part of it nothing is certain.
    function far(list,  yes) {
        if (source == "") return 1
        split(source, sp, "/"); yes = in_list(list, sp[1], 0)
        return yes ? (source ~ /\// ? 1 : 2) : (source ~ /\// ? 1 : 0)
    }
    function sees(list, not, what,  yes) { # the other side
        yes = far(list)
        if (yes && what != "") { kind = not ? "not" : (list == source || list == source "/32" || list == source "/128") ? "exact" : "net" }
        else if (not && !yes) kind = "not"
        cond(yes, not)
    }

    # --- conditions of nft
    function nft_fit(t,  w, n, i, not, v, k, deep) {
        fit = 2; kind = ""; setname = ""; verdict = ""; target = ""
        gsub(/comment "[^"]*"/, "", t); gsub(/log prefix "[^"]*"/, "log", t); gsub(/counter packets [0-9]+ bytes [0-9]+/, "", t)
        n = split(t, w, " ")
        for (i = 1; i <= n; i++) {
            k = w[i]; v = w[i + 1]
            if (k ~ /^(drop|reject|queue|tproxy|synproxy)$/ || (diverts && k ~ /^(redirect|dnat)$/)) { verdict = "deny"; break }
            if (k ~ /^(redirect|dnat|snat|masquerade)$/) { verdict = "continue"; break }
            if (k == "accept" || k == "return" || k == "continue") { verdict = k; break }
            if (k == "jump" || k == "goto") { verdict = k; target = v; break }
            if (k == "vmap") { verdict = "vmap"; break }
            if (k == "counter" || k == "log" || k == "notrack" || k == "level" || k == "flags") { if (k == "level") i++; continue }
            if (k ~ /^(ip|ip6)$/ && v ~ /^(saddr|daddr)$/) {
                side = v; i += 2; not = 0; if (w[i] == "!=") { not = 1; i++ }
                if ((k == "ip6") != v6) fit = 0
                if (w[i] == ".") { # joined with what follows
                    for (; i <= n && w[i] !~ /^(@|\{|vmap$|drop$|reject$|accept$|jump$|goto$)/; i++);
                    if (fit > 1) fit = 1
                    if (side == far_side) { kind = "set"; setname = w[i] ~ /^@/ ? substr(w[i], 2) : "" ; joined = 1
                        if (w[i] ~ /^\{/) { v = ""; for (; i <= n; i++) { v = v " " w[i]; if (w[i] ~ /\}/) break }; kind = index(" " v " ", " " source " ") ? "net" : ""; if (kind == "") fit = 0 } }
                    continue
                }
                if (w[i] == "vmap") { i--; continue }
                if (w[i] ~ /^@/) { if (side == far_side) { kind = not ? "not" : "set"; setname = substr(w[i], 2); joined = 0 } if (fit > 1) fit = 1; continue }
                v = w[i]; if (v == "{") for (i++; i <= n; i++) { v = v " " w[i]; if (w[i] ~ /\}/) break }
                if (side == far_side) sees(v, not, side); else cond(owned(v) ? 2 : 0, not)
                continue
            }
            if ((k == "tcp" || k == "th") && v ~ /^(dport|sport)$/) {
                side = v; i += 2; not = 0; if (w[i] == "!=") { not = 1; i++ }
                if (w[i] == "vmap") { i--; if (fit > 1) fit = 1; continue }
                v = w[i]; if (v == "{") for (i++; i <= n; i++) { v = v " " w[i]; if (w[i] ~ /\}/) break }
                if (v ~ /^@/ || side != near_port) { if (fit > 1) fit = 1 } else cond(in_list(v, port, 1) ? 2 : 0, not)
                continue
            }
            if (k ~ /^(udp|icmp|icmpv6|sctp|dccp|esp|ah|arp|igmp|vlan)$/) { fit = 0; i += 2; continue }
            if (k == "tcp" && v == "flags") { if (fit > 1) fit = 1; for (i += 2; i <= n && w[i + 1] !~ /^(drop|reject|accept|jump|goto|return|counter|log|limit|ct)$/; i++); continue }
            if (k ~ /^(iif|iifname|oif|oifname)$/) {
                i++; not = 0; if (w[i] == "!=") { not = 1; i++ }
                v = w[i]; if (v == "{") for (i++; i <= n; i++) { v = v " " w[i]; if (w[i] ~ /\}/) break }
                gsub(/"/, "", v)
                if (v ~ /[@*]/ || inlet == "") cond(v == "lo" ? 0 : 1, not); else { gsub(/[{},]/, " ", v); cond(index(" " v " ", " " inlet " ") ? 2 : 0, not) }
                continue
            }
            if (k == "ct" && v == "state") {
                i += 2; not = 0; if (w[i] == "!=") { not = 1; i++ }
                if (w[i] == "vmap") { v = ""; for (i++; i <= n; i++) { v = v " " w[i]; if (w[i] ~ /\}/) break }
                    # The verdict for this state alone.
                    if (match(v, (far_side == "saddr" ? "new" : "established") " : [a-z]+")) { v = substr(v, RSTART, RLENGTH); sub(/.* /, "", v); if (v == "drop") v = "deny"; verdict = v; if (v == "jump" || v == "goto") verdict = "vmap"; break }
                    fit = 0; continue }
                v = w[i]; if (v == "{") for (i++; i <= n; i++) { v = v " " w[i]; if (w[i] ~ /\}/) break }
                cond(v ~ (far_side == "saddr" ? "new|0x0*8" : "established|0x0*2") ? (untracked ? 1 : 2) : untracked && v ~ /untracked|0x0*40/ ? 1 : 0, not); continue
            }
            if ((k == "meta" && v == "l4proto") || (k == "ip" && v == "protocol") || (k == "ip6" && v == "nexthdr")) {
                i += 2; not = 0; if (w[i] == "!=") { not = 1; i++ }
                v = w[i]; if (v == "{") for (i++; i <= n; i++) { v = v " " w[i]; if (w[i] ~ /\}/) break }
                gsub(/[{},]/, " ", v); cond(v ~ /(^| )(tcp|6)( |$)/ ? 2 : 0, not); continue
            }
            if (k == "meta" && v == "nfproto" && w[i + 2] == ".") { if (fit > 1) fit = 1; i += 2; continue }
            if (k == "meta" && v == "nfproto") { i += 2; cond((w[i] ~ /^(ipv6|10)$/) == v6 ? 2 : 0, 0); continue }
            if (fit > 1) fit = 1
        }
        if (verdict == "vmap") {
            v = ""; for (; i <= n; i++) v = v " " w[i]
            if (fit > 1) fit = 1
            if (v ~ /@/) { verdict = "deny"; if (t ~ /ip6? saddr vmap/ && far_side == "saddr") { kind = "set"; setname = v; sub(/.*@/, "", setname); sub(/[ }].*/, "", setname); if ((t ~ /ip6 saddr/) != v6) fit = 0 } }
            else if (v !~ /drop|reject|jump|goto/) verdict = "continue"
            else { verdict = "deny"
                # Each pair by itself: an address or a port that is not named there goes on.
                m = split(v, pair, ","); hit = t ~ /(saddr|dport) vmap/ ? 0 : 1
                for (q = 1; q <= m; q++) { k = pair[q]; gsub(/vmap|[{}]/, "", k); key = k; sub(/ :.*/, "", key); gsub(/ /, "", key)
                    if (t ~ /saddr vmap/ && far(key) && (t ~ /ip6 saddr/) == v6 && k !~ /: accept/) { hit = 1; kind = "net" }
                    if (t ~ /dport vmap/ && in_list(key, port, 1)) hit = k !~ /: accept/ }
                if (!hit) verdict = "continue" }
        }
        return fit
    }

    # --- conditions of iptables
    function ipt_fit(t,  w, n, i, not, v, k) {
        fit = 2; kind = ""; setname = ""; verdict = ""; target = ""
        gsub(/"[^"]*"/, "text", t)
        n = split(t, w, " "); not = 0
        for (i = 3; i <= n; i++) {
            k = w[i]; v = w[i + 1]
            if (k == "!") { not = 1; continue }
            if (k == "-j" || k == "-g") {
                i++
                if (diverts && v ~ /^(REDIRECT|DNAT)$/) verdict = "deny"
                else if (v ~ /^(SNAT|MASQUERADE|REDIRECT|DNAT)$/) verdict = "continue"
                else if (v ~ /^(DROP|REJECT|TARPIT|STEAL|NFQUEUE|QUEUE|TPROXY|SYNPROXY|CHAOS|DELUDE)$/) verdict = "deny"
                else if (v == "ACCEPT") verdict = "accept"
                else if (v == "RETURN") verdict = "return"
                else if (v ~ /^(LOG|NFLOG|ULOG|MARK|CONNMARK|SET|CT|NOTRACK|TCPMSS|DSCP|TOS|TTL|CLASSIFY|TRACE|CHECKSUM|AUDIT|SECMARK|CONNSECMARK|HL|RATEEST|NETMAP)$/) verdict = "continue"
                else { verdict = k == "-g" ? "goto" : "jump"; target = v }
                break
            }
            if (k == "-p") { cond(v ~ /^(tcp|6|all)$/ ? 2 : 0, not); i++ }
            else if (k == "-s" || k == "-d") { i++
                if ((k == "-s") == (far_side == "saddr")) sees(v, not, k); else cond(owned(v) ? 2 : 0, not) }
            else if (k == "--src-range" || k == "--dst-range") { i++
                if ((k == "--src-range") == (far_side == "saddr")) sees(v, not, k); else cond(owned(v) ? 2 : 0, not) }
            else if (k == "-i" || k == "-o") { i++
                if (v == "lo") cond(0, not); else if (v ~ /\+$/ || inlet == "") cond(1, not); else cond(v == inlet ? 2 : 0, not) }
            else if (k ~ /^--(dport|dports|sport|sports|ports)$/) { i++
                if (k == "--ports" || (k ~ /^--dport/) != (near_port == "dport")) cond(1, 0); else cond(in_list(v, port, 1) ? 2 : 0, not) }
            else if (k == "--ctstate" || k == "--state") { i++; cond(v ~ (far_side == "saddr" ? "NEW" : "ESTABLISHED") ? (untracked ? 1 : 2) : untracked && v ~ /UNTRACKED/ ? 1 : 0, not) }
            else if (k == "--dst-type") { i++; cond(v ~ /LOCAL/ && far_side == "saddr" ? 2 : far_side == "saddr" ? 0 : 1, not) }
            else if (k == "--match-set") { if (w[i + 2] ~ (far_side == "saddr" ? "^src" : "^dst")) { kind = not ? "not" : "set"; setname = v } i += 2; cond(1, 0) }
            else if (k == "--rt-type") { i++; fit = 0 }
            else if (k == "--comment") i++
            else if (k == "--syn") cond(far_side == "saddr" ? 2 : 0, not)
            else if (k == "-m") { i++; if (v ~ /^(udp|icmp|icmp6|sctp|ah|esp)$/) fit = 0
                else if (v !~ /^(tcp|comment|conntrack|state|multiport|iprange|set|addrtype|rt)$/ && fit > 1) fit = 1
                if (v == "recent") recent = 1 }
            else if (k == "--name" && t ~ /-m recent/ && t ~ /--(rcheck|update)/) { i++; if (far_side == "saddr") { kind = "recent"; setname = v } }
            else if (fit > 1) fit = 1
            not = 0
        }
        return fit
    }
    function fits(t) { return ipt ? ipt_fit(t) : nft_fit(t) }

    # What a chain comes to: deny, accept or nothing. Bans found on the way are printed in that mode.
    function walk(c, depth,  j, f, v, tg, k, s, jn, r, sure, txt) {
        if (depth > 12) return "deny"
        sure = ""
        for (j = 1; j <= count[c]; j++) {
            txt = rule[c, j]
            joined = 0
            f = fits(txt); v = verdict; tg = target; k = kind; s = setname; jn = joined
            if (!f) continue
            # Rules of a manager decide for themselves: what stands above them counts.
            if (ipt && tg ~ /^(INPUT_ZONES|INPUT_ZONES_SOURCE|INPUT_POLICIES|IN_|ufw6?-user-input)/ && managed) return sure == "" ? "accept" : sure
            if (v == "jump" || v == "goto") {
                k2 = k; tg = ipt ? tbl[c] " " tg : tbl[c] " " tg
                r = walk(tg, depth + 1)
                if (bans && k != "" && r == "deny" && k != "not") ban(c, j, k, s, jn)
                else if (bans && k == "not" && r == "deny") ban(c, j, k, s, jn)
                if (r == "deny") { if (!bans) return "deny"; if (sure == "" && f == 2) sure = "deny" }
                if (r == "accept" && f == 2) return sure == "" ? "accept" : sure
                if (v == "goto" && f == 2) return sure
                continue
            }
            if (v == "deny") {
                if (bans && k != "") ban(c, j, k, s, jn)
                if (!bans) return "deny"
                if (sure == "") sure = "deny"
            }
            if (v == "accept" && f == 2) return sure == "" ? "accept" : sure
            if (v == "return" && f == 2) return sure
        }
        return sure
    }
    function ban(c, j, k, s, jn) { if (handle[c, j] == "" || told[c, j]++) return; printf "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", c, j, handle[c, j], k, s == "" ? "-" : s, jn + 0, rule[c, j] }
    function direction(out) {
        far_side = out ? "daddr" : "saddr"; near_port = out ? "sport" : "dport"
    }
    BEGIN { v6 = source ~ /:/; if (source == "" ) v6 = want6 + 0 }
    /notrack|NOTRACK/ { untracked = 1 }
    # A listing of nft with handles.
    !ipt && /^[ \t]*table / { t = $2 " " $3; c = ""; next }
    !ipt && /^[ \t]*chain / { c = t " " $2; tbl[c] = t; next }
    !ipt && /^[ \t]*(set|map|flowtable|ct|counter|quota|limit|secmark|synproxy) [^ ]+.*\{/ && !/handle.*(drop|accept)/ { c = ""; next }
    !ipt && c != "" && /^[ \t]*type .* hook / {
        hook[c] = $4; type[c] = $2; policy[c] = /policy drop/ ? "deny" : "accept"; base[++bases] = c; next }
    # A chain without a name stands within its rule; its own rules have no handle.
    !ipt && c != "" && /(jump|goto) \{$/ { x = $0; sub(/\{$/, "", x); sub(/^[ \t]+/, "", x); held_c[++nest] = c; held_x[nest] = x; c = t " anon" ++anons; tbl[c] = t; held_a[nest] = "anon" anons; next }
    !ipt && nest > 0 && /^[ \t]*\}/ { c = held_c[nest]; rule[c, ++count[c]] = held_x[nest] held_a[nest]; handle[c, count[c]] = ""; nest--; next }
    !ipt && nest > 0 { x = $0; sub(/^[ \t]+/, "", x); sub(/ # handle [0-9]+$/, "", x); rule[c, ++count[c]] = x; handle[c, count[c]] = ""; next }
    !ipt && c != "" && /# handle [0-9]+$/ { handle[c, ++count[c]] = $NF; x = $0; sub(/ # handle [0-9]+$/, "", x); sub(/^[ \t]+/, "", x); rule[c, count[c]] = x; next }
    # A listing of iptables-save.
    ipt && /^\*/ { t = substr($1, 2); next }
    ipt && /^:/ { c = t " " substr($1, 2); tbl[c] = t
        if ($2 != "-") { policy[c] = $2 == "DROP" ? "deny" : "accept"; base[++bases] = c; hook[c] = tolower(substr($1, 2)); type[c] = t == "nat" ? "nat" : "filter" } next }
    ipt && /^(\[[0-9:]+\] )?-A / { sub(/^\[[0-9:]+\] /, ""); c = t " " $2; rule[c, ++count[c]] = $0; handle[c, count[c]] = count[c]; next }
    END {
        for (b = 1; b <= bases; b++) {
            c = base[b]
            split(c, p, " ")
            # What is led elsewhere counts where the login service listens at this port itself.
            diverts = type[c] == "nat" && listens && !bans
            if ((type[c] == "nat" && (!diverts || hook[c] !~ /^(prerouting|input)$/)) || type[c] == "route") continue
            if (!ipt && ((index("," skip ",", "," tbl[c] ",") && (p[2] ~ /firewalld/ || p[3] ~ /^[A-Z]+$/)) || p[1] == "bridge" || p[1] == "arp" || p[1] == (v6 ? "ip" : "ip6"))) continue
            out = hook[c] == "output" || hook[c] == "postrouting" || hook[c] == "egress"
            if (hook[c] == "forward" || (bans && out)) continue
            direction(out)
            r = walk(c, 1)
            if (bans) continue
            if (r == "deny" || (r == "" && policy[c] == "deny")) print c "\t" (out ? "out" : "in")
        }
    }'
listens=$(awk -v p="$(printf ':%04X' "$PORT")" '$4 == "0A" && substr($2, length($2) - 4) == p { print 1; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
fw() { awk -v listens="$listens" -v source="$SOURCE" -v port="$PORT" -v inlet="$inlet" -v owns="$owns" "$@" "$fw_awk"; }

# Programs that read and write the tables of one backend each: "program kind".
xt_tools() {
    base=iptables names=/proc/net/ip_tables_names
    [ "$1" = ip ] || { base=ip6tables names=/proc/net/ip6_tables_names; }
    is=""
    have "$base" && case "$("$base" -V 2>/dev/null)" in *nf_tables*) is=nft ;; *) is=legacy ;; esac
    for kind in legacy nft; do
        # Asking the old backend for a table makes it: only where it has some.
        [ "$kind" = nft ] || grep -qs . "$names" || continue
        if have "$base-$kind"; then echo "$base-$kind"; elif [ "$is" = "$kind" ]; then echo "$base"; fi
    done
}
# Tables of nft that belong to iptables, or to a manager that was asked before.
nft_skip() {
    for f in ip ip6; do
        for tool in $(xt_tools $f); do
            case "$tool" in *legacy*) continue ;; esac
            "$tool-save" 2>/dev/null | sed -n "s/^\*/$f /p"
        done
    done | tr '\n' ','
    [ "$managed" != firewalld ] || printf 'inet firewalld,ip firewalld,ip6 firewalld,'
}
managed=0
if have firewall-cmd && grep -qsx firewalld /proc/[0-9]*/comm && bounded firewall-cmd --state >/dev/null 2>&1; then
    managed=firewalld
elif have ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
    managed=ufw
fi
