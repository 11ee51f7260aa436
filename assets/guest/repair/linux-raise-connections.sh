# Raises what is used up: the table of connections of the packet filter, and the queues in front of
# the login port. Values are written to the running kernel, and the old ones kept.
net="$ROOT/proc/sys/net"
# By cat: a shell that reads byte by byte gets the first digit only.
value() { cat "$1" 2>/dev/null; }
# set_to FILE VALUE WHY
set_to() {
    old=$(value "$1")
    keep_dir
    printf '%s %s %s\n' "$1" "$old" "$2" >>"$KEEP/values"
    (echo "$2" >"$1") 2>/dev/null || { note "the kernel does not take $2 for ${1#"$net/"}"; return 1; }
    [ "$(value "$1")" = "$2" ] || { note "the kernel did not take $2 for ${1#"$net/"}"; return 1; }
    changed "${1#"$net/"} is $2; it was $old ($3)"
}
# The service asks for its queue when it begins to listen: only then does a new length hold.
listen_again() {
    sshd=$(command -v sshd) && "$sshd" -t >/dev/null 2>&1 || { note "the login service does not listen anew, as its configuration does not pass sshd -t"; return; }
    for d in /proc/[0-9]*; do
        [ "$(cat "$d/comm" 2>/dev/null)" = sshd ] || continue
        [ "$(readlink "$d/ns/net" 2>/dev/null)" = "$(readlink /proc/self/ns/net)" ] || continue
        case "$(tr '\0' ' ' <"$d/cmdline" 2>/dev/null)" in 'sshd: '*'[listener]'* | /*sshd*) ;; *) continue ;; esac
        case "$(sed -n 's/^PPid:[[:space:]]*//p' "$d/status")" in 0 | 1) ;; *) continue ;; esac
        kill -HUP "${d#/proc/}" && note "the login service listens anew; open sessions stay"
        return
    done
    note "the login service has to be restarted for its longer queue"
}
if [ "$MODE" = undo ]; then
    [ -s "$KEEP/values" ] || { same "nothing was changed by this repair"; finish; }
    awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }' "$KEEP/values" >"$KEEP/back"
    while read -r file old new; do
        if [ "$(value "$file")" = "$new" ]; then
            echo "$old" >"$file" && changed "${file#"$net/"} is $old again"
        elif [ "$(value "$file")" != "$old" ]; then
            note "${file#"$net/"} is no longer $new: somebody else set it, and it stays"
        fi
    done <"$KEEP/back"
    grep -q somaxconn "$KEEP/values" && listen_again
    rm -f "$KEEP/values" "$KEEP/back"
    rmdir "$KEEP" 2>/dev/null
    finish
fi

# The table of the packet filter: from nine tenths on it drops what is new.
max=$(value "$net/netfilter/nf_conntrack_max")
count=$(value "$net/netfilter/nf_conntrack_count")
if [ -n "$max" ] && [ -n "$count" ]; then
    if [ "$((count * 10))" -ge "$((max * 9))" ]; then
        # An entry takes about 320 bytes: a quarter of the memory is the most.
        most=$(awk '/^MemTotal/ { print int($2 * 1024 / 4 / 320) }' /proc/meminfo)
        want=$((max * 4))
        [ "$want" -ge 65536 ] || want=65536
        [ "$want" -le "$most" ] || want=$most
        if [ "$want" -gt "$max" ]; then
            set_to "$net/netfilter/nf_conntrack_max" "$want" "$count connections were in it" || fail "the table of connections stays full: keep the flood out in the security group"
            buckets="$ROOT/sys/module/nf_conntrack/parameters/hashsize"
            [ -w "$buckets" ] && note "its hash table keeps its size: $(value "$buckets")"
        else
            fail "the table of connections takes a quarter of the memory already: keep the flood out in the security group"
        fi
    else
        same "$count of $max connections are in the table of the packet filter"
    fi
fi
# Entries that live for days fill it again.
held=$(value "$net/netfilter/nf_conntrack_tcp_timeout_established")
if [ "$CHANGES" -gt 0 ] && [ -n "$held" ] && [ "$held" -gt 86400 ]; then
    set_to "$net/netfilter/nf_conntrack_tcp_timeout_established" 86400 "an idle connection stays in the table that many seconds"
fi

again=no
queue=$(value "$net/core/somaxconn")
if [ -n "$queue" ] && [ "$queue" -lt 1024 ]; then
    set_to "$net/core/somaxconn" 4096 "the longest queue of a listening service" && again=yes
else
    same "core/somaxconn is ${queue:-not readable}"
fi
backlog=$(value "$net/ipv4/tcp_max_syn_backlog")
[ -z "$backlog" ] || [ "$backlog" -ge 1024 ] || set_to "$net/ipv4/tcp_max_syn_backlog" 4096 "connections that are half open"
cookies=$(value "$net/ipv4/tcp_syncookies")
[ "$cookies" != 0 ] || set_to "$net/ipv4/tcp_syncookies" 1 "a full queue of half-open connections drops everybody without it"
# Users behind one address were taken for one another; newer kernels have it no more.
recycle=$(value "$net/ipv4/tcp_tw_recycle")
[ "$recycle" != 1 ] || set_to "$net/ipv4/tcp_tw_recycle" 0 "users behind one address lose connections by it"
[ "$again" = no ] || listen_again
[ "$CHANGES" -eq 0 ] || note "this holds until the next restart: put the values into /etc/sysctl.d once the login works, and keep the flood out in the security group"
finish
