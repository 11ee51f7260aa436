# What the scenarios break things with, beside `guest.sh`.
down() { kill "$(cat /run/sshd.pid)"; n=0; while pgrep -x sshd >/dev/null; do n=$((n+1)); [ $n -lt 200 ]; sleep 0.05; done; }
restart() { service ssh restart >/dev/null 2>&1; until_ listens; }
listens() { ss -Hltn | grep -q .; }
# The machine after a start of the service that failed.
crash() { down; service ssh start >/dev/null 2>&1 || :; }
policy() { conf "$1"; restart; }
pam() { sed -i "1i$1" /etc/pam.d/sshd; }
held() { who | grep -q "^$1 "; }
