# Brings the login back on TCP port PORT: the SSH service listens there as well, on the address that
# the user reaches. Ports that it has keep it. Addresses that this system does not have go.
if [ "$MODE" = undo ]; then
    if [ -e "$KEEP/label" ]; then
        semanage port -d -t ssh_port_t -p tcp "$PORT" >/dev/null 2>&1 && changed "SELinux no longer gives port $PORT to the service"
        rm -f "$KEEP/label"
    fi
    put_back
    if [ -e "$KEEP/socket" ]; then
        rm -f "$KEEP/socket"
        systemctl daemon-reload >/dev/null 2>&1
        bounded systemctl restart ssh.socket >/dev/null 2>&1
    fi
    serve_again
    finish
fi
begin
serves() { for p in $(listeners); do have ss && ss -ltnp 2>/dev/null | grep -q ":$PORT .*pid=$p," && return 0; done; return 1; }
if [ -n "$(socket_of "$PORT")" ]; then
    case $(greeting "$PORT") in SSH-*) ;; *)
        if have ss && ! serves && ! ss -ltnp 2>/dev/null | grep ":$PORT " | grep -q '"systemd"'; then
            fail "port $PORT is held by $(holder "$PORT"): stop that or move it, then run this again"
        fi
        ;;
    esac
fi
# Addresses of this system, where they can be told.
own=$({ ip -o addr show 2>/dev/null || true; } | awk '{ sub(/\/.*/, "", $4); print $4 }')
heard() { "$sshd" -T -f "$conf" 2>/dev/null | awk '$1 == "listenaddress" { print $2 }'; }
mine=
if [ -n "$SOURCE" ]; then mine=$(ip route get "${SOURCE%%/*}" 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p' | head -n 1); fi
[ -n "$mine" ] || mine=$(ip route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p' | head -n 1)
# True if the service is to listen on PORT where the user comes.
covered() { heard | M="$mine" P="$PORT" awk '{ n = split($0, a, ":"); p = a[n]; h = substr($0, 1, length($0) - length(p) - 1); gsub(/[][]/, "", h); if (p == ENVIRON["P"] && (h == "0.0.0.0" || h == "::" && ENVIRON["M"] ~ /:/ || h == ENVIRON["M"] || ENVIRON["M"] == "" && h !~ /^127\./)) f = 1 } END { exit !f }'; }
keep_dir
config_files >"$KEEP/files"
if [ -n "$own" ]; then
    while IFS= read -r f; do
        [ -f "$f" ] || continue
        OWN="$own" M="$MARK" awk '
            BEGIN { n = split(ENVIRON["OWN"], o, "\n"); for (i = 1; i <= n; i++) own[o[i]] = 1 }
            tolower($0) ~ /^[ \t]*listenaddress[ \t=]/ {
                a = $0; sub(/^[ \t]*[A-Za-z]+[ \t=]+/, "", a); sub(/[ \t#].*$/, "", a); gsub(/"/, "", a)
                if (a ~ /^\[/) { sub(/^\[/, "", a); sub(/\].*/, "", a) } else if (a ~ /^[^:]*:[0-9]+$/) sub(/:[0-9]+$/, "", a)
                number = a ~ /^[0-9.]+$/ || a ~ /:/
                if (number && a != "0.0.0.0" && a != "::" && a !~ /^127\./ && !(a in own)) { print "# " ENVIRON["M"] ": " $0; hit = 1; next }
            }
            { print }
            END { exit !hit }' "$f" >"$KEEP/new" || continue
        write "$f" && changed "$f: commented addresses out that this system does not have"
    done <"$KEEP/files"
fi
if ! covered; then
    named=no
    while IFS= read -r f; do
        [ ! -f "$f" ] || ! grep -Eiq '^[[:space:]]*listenaddress[[:space:]=]' "$f" || named=yes
    done <"$KEEP/files"
    if [ "$named" = yes ]; then
        case $mine in *:*) on_top "ListenAddress [$mine]:$PORT" ;; *) on_top "ListenAddress ${mine:-0.0.0.0}:$PORT" ;; esac
    else
        case $("$sshd" -T -f "$conf" 2>/dev/null | value addressfamily) in inet6) drop AddressFamily ;; esac
        if ! covered; then
            # Lines that name a port add up; the usual one holds only where none does.
            has=no
            while IFS= read -r f; do
                [ ! -f "$f" ] || ! grep -Eiq '^[[:space:]]*port[[:space:]=]' "$f" || has=yes
            done <"$KEEP/files"
            lines="Port $PORT"
            [ "$has" = yes ] || [ "$PORT" = 22 ] || lines="Port 22
$lines"
            on_top "$lines"
        fi
    fi
    covered || give_up "the service would still not listen on port $PORT where the user comes, so everything is as it was"
fi
rm -f "$KEEP/files"
# Where rules of the system say which port the service may have.
if [ "$(getenforce 2>/dev/null)" = Enforcing ] && have semanage && ! semanage port -l 2>/dev/null | grep '^ssh_port_t' | grep -qw "$PORT"; then
    if semanage port -a -t ssh_port_t -p tcp "$PORT" >/dev/null 2>&1; then
        : >"$KEEP/label"
        changed "SELinux gives port $PORT to the service"
    else
        note "SELinux may not let the service have port $PORT: semanage port -m -t ssh_port_t -p tcp $PORT"
    fi
fi
# A port on the daemon's own command line counts more than the file.
told_ports=no
for p in $(listeners); do
    case "$({ tr '\0' ' ' <"/proc/$p/cmdline"; } 2>/dev/null) " in *' -p '* | *' -p'[0-9]*) told_ports=$p ;; esac
done
if [ "$told_ports" != no ] && [ -z "$(socket_of "$PORT")" ]; then
    for f in /etc/default/ssh /etc/default/sshd /etc/sysconfig/sshd /etc/conf.d/sshd; do
        grep -Eqs '^[^#]*-p ?[0-9]' "$ROOT$f" || continue
        sed 's/^\([^#]*\)-p *[0-9][0-9]*/\1/' "$ROOT$f" >"$KEEP/new" && write "$ROOT$f" && changed "$f: took the port out of the daemon's options"
    done
    kill "$told_ports"
    tries=0
    while [ -n "$(listeners)" ] && [ "$tries" -lt 25 ]; do tries=$((tries + 1)); pause; done
    start_service start || fail "the service does not start again"
    changed "started the service anew ($HOW), as it had a port on its command line; sessions stay"
elif have systemctl && systemctl is-active --quiet ssh.socket 2>/dev/null && [ -z "$(socket_of "$PORT")" ]; then
    dir=/etc/systemd/system/ssh.socket.d
    [ -d "$dir" ] || folder "$dir"
    printf '[Socket]\nListenStream=%s\n' "$PORT" >"$KEEP/new"
    : >"$KEEP/socket"
    write "$dir/$MARK.conf" && changed "ssh.socket listens on port $PORT as well"
    systemctl daemon-reload >/dev/null 2>&1
    bounded systemctl restart ssh.socket >/dev/null 2>&1
fi
[ -n "$(socket_of "$PORT")" ] && [ "$CHANGES" = 0 ] && same "the service listens on port $PORT"
serve
# The proof, on the very port.
[ -n "$ROOT" ] || answers "$PORT" || fail "nothing greets as SSH on port $PORT: guest-restart-login-service restarts the service"
finish
