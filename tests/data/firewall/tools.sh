# For the rule sets in tools.toml: the tools themselves load their rules, each with a configuration
# of its own in memory. Runs in the namespaces of one rule set.
set -e

# legacy: iptables is iptables-legacy from here on.
legacy() {
    cp -a /etc/alternatives /run/alternatives
    for p in iptables ip6tables; do for s in "" -save -restore; do
        ln -sf "/usr/sbin/$p-legacy$s" "/run/alternatives/$p$s"
    done; done
    mount --bind /run/alternatives /etc/alternatives
}
# own FOLDER: changes to it are seen here only and are gone afterwards.
own() { mkdir -p "/run/own$1"; cp -a "$1/." "/run/own$1"; mount --bind "/run/own$1" "$1"; }
# until COMMAND...: waits for it to succeed, a minute at most.
until_ok() {
    n=0
    while ! "$@" >/dev/null 2>&1; do
        n=$((n + 1)); [ "$n" -lt 600 ] || { echo "never: $*" >&2; exit 1; }
        sleep 0.1
    done
}
# addresses COUNT: that many, none of which is a user's.
addresses() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "198.18.%d.%d\n", i / 200, i % 200 + 1 }'; }

# with_ufw: one ufw command a line.
with_ufw() {
    own /etc/ufw; own /etc/default
    printf '%s\n' IPV6=yes 'DEFAULT_INPUT_POLICY="DROP"' 'DEFAULT_OUTPUT_POLICY="ACCEPT"' 'DEFAULT_FORWARD_POLICY="DROP"' \
        'DEFAULT_APPLICATION_POLICY="SKIP"' MANAGE_BUILTINS=no IPT_SYSCTL=/etc/ufw/sysctl.conf 'IPT_MODULES=""' >/etc/default/ufw
    while read -r line; do eval "ufw $line"; done
    ufw --force enable
}

# with_firewalld BACKEND: one firewall-cmd a line, after the start.
with_firewalld() {
    own /etc/firewalld
    sed -i "s/^FirewallBackend=.*/FirewallBackend=$1/" /etc/firewalld/firewalld.conf
    mkdir -p /run/dbus
    dbus-daemon --system --fork --nopidfile --nosyslog
    firewalld --nofork --nopid >/run/firewalld.log 2>&1 &
    until_ok firewall-cmd --state
    while read -r line; do eval "firewall-cmd $line" || true; done
}

# with_fail2ban ACTION COUNT: so many banned, and 203.0.113.7 as the last.
with_fail2ban() {
    own /etc/fail2ban
    rm -f /etc/fail2ban/jail.d/* /etc/fail2ban/jail.local
    : >/run/auth.log
    printf '[DEFAULT]\nbantime = 600\n[sshd]\nenabled = true\nbackend = polling\nlogpath = /run/auth.log\nbanaction = %s\n' "$1" >/etc/fail2ban/jail.local
    mkdir -p /run/fail2ban
    fail2ban-server -b -s /run/fail2ban/s -p /run/fail2ban/p --loglevel ERROR --logtarget /run/fail2ban/log start
    until_ok fail2ban-client -s /run/fail2ban/s ping
    # shellcheck disable=SC2046
    fail2ban-client -s /run/fail2ban/s set sshd banip $(addresses "$2") 203.0.113.7
    until_ok banned
}
banned() { { iptables-save; nft list ruleset; ipset save; ip route; } 2>/dev/null | grep -q '203\.0\.113\.7'; }
