# cvmtop guest check for Linux: reads why a login may fail and changes nothing.
# Needs a POSIX shell only; each tool is used where it exists. Every command is bounded in time
# and output. One fact a line: group, key and value, separated by tabs.
#
# Filled in by the caller (quoted): the failing user, its source address, the login port and
# the private address that the cloud knows.
U="${CVMTOP_USER:-root}"
S="${CVMTOP_SOURCE:-}"
P="${CVMTOP_PORT:-22}"
A="${CVMTOP_ADDRESS:-}"
LC_ALL=C; export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
TAB=$(printf '\t')

have() { command -v "$1" >/dev/null 2>&1; }
# bound SECONDS COMMAND...: runs a command with a time limit where the system has `timeout`.
bound() { s=$1; shift; if have timeout; then timeout "$s" "$@"; else "$@"; fi; }
# fact GROUP KEY: each input line becomes one fact; long lines and long lists are cut.
fact() { head -n "${3:-20}" | cut -c1-300 | tr -d '\r' | sed "s/^/$1${TAB}$2${TAB}/"; }
say() { printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }

say check version 1
say check user "$U"
say check port "$P"
say check kernel "$(uname -sr 2>/dev/null)"
[ -r /etc/os-release ] && sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"' | fact check system 1
[ "$(id -u)" = 0 ] || say check unprivileged "$(id -un)"

# The login service.
SSHD=""
for f in /usr/sbin/sshd /usr/local/sbin/sshd /sbin/sshd; do [ -x "$f" ] && SSHD=$f && break; done
say service binary "${SSHD:-missing}"
if have systemctl && [ -d /run/systemd/system ]; then
    for unit in sshd.service ssh.service ssh.socket sshd.socket; do
        bound 5 systemctl show "$unit" -p LoadState -p ActiveState -p SubState -p Result \
            -p ExecMainStatus -p NRestarts 2>/dev/null | tr '\n' ' ' | sed "s/^/$unit /" | fact service unit 1
        echo
    done | grep -v '^$'
    for unit in sshd.service ssh.service; do
        bound 5 systemctl status "$unit" --no-pager -n 5 2>/dev/null | tail -n 5 | fact service log 5
    done
elif have service; then
    { bound 5 service sshd status || bound 5 service ssh status; } 2>&1 | fact service sysv 2
fi
# Listeners of sshd are the processes whose parent is init or a container's first process.
for d in /proc/[0-9]*; do
    [ "$(cat "$d/comm" 2>/dev/null)" = sshd ] || continue
    st=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "$d/status" 2>/dev/null)
    pp=$(sed -n 's/^PPid:[[:space:]]*//p' "$d/status" 2>/dev/null)
    cl=$(tr '\0' ' ' <"$d/cmdline" 2>/dev/null | cut -c1-120)
    say service process "$st $pp $cl"
done | head -n 40

# Who listens where.
if have ss; then
    bound 5 ss -H -ltnp 2>/dev/null | awk '{print $4, $6}' | grep -E "sshd|systemd|:$P |:$P\$" | fact listener ss 20
elif have netstat; then
    bound 5 netstat -ltnp 2>/dev/null | awk '$1 ~ /^tcp/ {print $4, $7}' | grep -E "sshd|xinetd|:$P " | fact listener netstat 20
else
    # /proc/net/tcp: local address in hex, state 0A is LISTEN.
    awk '$4 == "0A" {print $2}' /proc/net/tcp 2>/dev/null | fact listener proc4 40
    awk '$4 == "0A" {print $2}' /proc/net/tcp6 2>/dev/null | fact listener proc6 40
fi
say listener checked yes

# Configuration as the service itself reads it.
if [ -n "$SSHD" ]; then
    out=$(bound 10 "$SSHD" -t 2>&1); rc=$?
    say config test "$rc"
    [ -n "$out" ] && printf '%s\n' "$out" | fact config message 6
    h="${S:-127.0.0.1}"
    T=$(bound 10 "$SSHD" -T -C "user=$U,host=$h,addr=$h" 2>/dev/null)
    [ -n "$T" ] || T=$(bound 10 "$SSHD" -T -C "user=$U,host=$h,addr=$h,laddr=${A:-127.0.0.1},lport=$P" 2>/dev/null)
    [ -n "$T" ] || T=$(bound 10 "$SSHD" -T 2>/dev/null)
    printf '%s\n' "$T" | grep -E '^(port|listenaddress|addressfamily|permitrootlogin|passwordauthentication|kbdinteractiveauthentication|challengeresponseauthentication|pubkeyauthentication|authenticationmethods|maxauthtries|maxstartups|persourcepenalties|usedns|usepam|allowusers|denyusers|allowgroups|denygroups) ' | fact policy sshd 60
    if ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1; then say config hostkeys present; else say config hostkeys missing; fi
    for f in /etc/ssh/ssh_host_*_key; do [ -e "$f" ] && ls -ln "$f" | awk '{print $1, $3, $NF}'; done | fact config keymode 8
    for d in /var/empty/sshd /run/sshd /var/empty /usr/share/empty.sshd; do
        [ -d "$d" ] && ls -ldn "$d" | awk '{print $1, $3, $NF}'
    done | fact config privsep 4
    if have ldd; then
        if ldd "$SSHD" 2>/dev/null | grep -q libwrap; then say source libwrap yes; else say source libwrap no; fi
    fi
    if have ldd; then ldd "$SSHD" 2>/dev/null | grep 'not found' | fact service missing-library 4; fi
fi
have sestatus && bound 3 sestatus 2>/dev/null | grep -i 'current mode' | fact policy selinux 1
GROUPS_OF=$(id -Gn "$U" 2>/dev/null); say account groups "$GROUPS_OF"

# Sources that are shut out.
for f in /etc/hosts.allow /etc/hosts.deny; do
    [ -r "$f" ] && sed 's/#.*//' "$f" | grep -v '^[[:space:]]*$' | tail -n 60 | fact source "$(basename "$f")" 60
done
if have fail2ban-client; then
    for j in $(bound 5 fail2ban-client status 2>/dev/null | sed -n 's/.*Jail list:[[:space:]]*//p' | tr ',' ' '); do
        bound 5 fail2ban-client status "$j" 2>/dev/null | sed -n "s/.*Banned IP list:[[:space:]]*/$j /p" | fact source fail2ban 1
    done
fi
have ipset && [ -n "$S" ] && for s in $(bound 3 ipset list -n 2>/dev/null | grep -iE 'f2b|fail2ban|sshguard|blacklist|deny' | head -n 10); do
    bound 2 ipset test "$s" "$S" >/dev/null 2>&1 && say source ipset "$s"
done
say source checked yes

# The account.
getent passwd "$U" 2>/dev/null | cut -d: -f1,3,4,6,7 | fact account passwd 1
getent passwd "$U" >/dev/null 2>&1 || say account passwd absent
sh_of=$(getent passwd "$U" 2>/dev/null | cut -d: -f7)
[ -z "$sh_of" ] || [ -x "$sh_of" ] || say account shell-missing "$sh_of"
have passwd && bound 3 passwd -S "$U" 2>/dev/null | awk '{print $2}' | fact account status 1
have chage && bound 3 chage -l "$U" 2>/dev/null | grep -iE '^(account expires|password expires)' | fact account expiry 2
# Of the shadow entry only the day on which the account ends is read, never the password.
day=$(awk -F: -v u="$U" '$1 == u {print $8}' /etc/shadow 2>/dev/null)
case "$day" in
'' | *[!0-9]*) ;;
*) [ "$day" -le $(($(date +%s) / 86400)) ] && say account expired "since day $day after 1970-01-01" ;;
esac
have faillock && bound 3 faillock --user "$U" 2>/dev/null | grep -c ' V$' | fact account faillock 1
have pam_tally2 && bound 3 pam_tally2 -u "$U" 2>/dev/null | awk -v u="$U" '$1 == u {print $2}' | fact account tally 1
grep -hE '^[^#]*pam_(faillock|tally2?)\.so' /etc/pam.d/sshd /etc/pam.d/system-auth /etc/pam.d/password-auth /etc/pam.d/common-auth 2>/dev/null | grep -oE 'deny=[0-9]+' | head -n 1 | fact account deny 1
sed -n 's/^[[:space:]]*deny[[:space:]]*=[[:space:]]*/deny=/p' /etc/security/faillock.conf 2>/dev/null | fact account deny 1
cat /etc/security/limits.conf /etc/security/limits.d/*.conf 2>/dev/null | grep -vE '^[[:space:]]*(#|$)' | grep -E 'nofile|nproc|maxlogins' | fact account limit 20
[ -r /proc/sys/fs/nr_open ] && fact account nr_open 1 </proc/sys/fs/nr_open
[ -e /etc/nologin ] && say account nologin-file yes
H=$(getent passwd "$U" 2>/dev/null | cut -d: -f6)
for f in "$H" "$H/.ssh" "$H/.ssh/authorized_keys"; do [ -e "$f" ] && ls -ldn "$f" | awk '{print $1, $3, $NF}'; done | fact account keyfile 3

# What the service wrote about this user and about connections, since boot.
log() {
    if have journalctl && [ -d /run/systemd/system ]; then
        bound 8 journalctl -b -q --no-pager -o short-iso -n 4000 -t sshd -t sshd-session -t login 2>/dev/null
    fi
    for f in /var/log/secure /var/log/auth.log /var/log/messages; do
        [ -r "$f" ] && tail -n 4000 "$f" 2>/dev/null | grep -E 'sshd|login' && break
    done
}
L=$(log | tail -n 4000)
printf '%s\n' "$L" | grep -F -e " $U " -e "user $U" -e "for $U" -e "user=$U" -e "User $U" | grep -iE 'fail|invalid|accept|refus|not allowed|closed|disconnect|denied|too many|lock' | tail -n 30 | fact authlog line 30
printf '%s\n' "$L" | grep -iE 'MaxStartups|drop connection|penalty|exceeded LoginGraceTime' | tail -n 8 | fact throttle line 8
printf '%s\n' "$L" | grep -iE 'PAM unable|dlopen|pam_listfile|not met by user|PAM adding faulty|Module is unknown|pam_limits' | tail -n 8 | fact pam log 8
printf '%s\n' "$L" | grep -iE 'mm_request_send|Cannot allocate|No space left|fork: |cannot fork' | tail -n 6 | fact load log 6
say authlog checked "$(printf '%s\n' "$L" | grep -c .)"

# PAM modules named by the stack of sshd that do not exist.
for f in $(grep -hoE '^[^#]*[[:space:]](/[^ ]*/)?pam_[a-z0-9_]+\.so' /etc/pam.d/sshd /etc/pam.d/login /etc/pam.d/system-auth /etc/pam.d/password-auth /etc/pam.d/common-auth /etc/pam.d/common-account /etc/pam.d/common-session 2>/dev/null | awk '{print $NF}' | sort -u); do
    case $f in
        /*) [ -e "$f" ] || say pam missing "$f" ;;
        *) found=""
           for d in /lib/security /lib64/security /usr/lib/security /usr/lib64/security /lib/*/security /usr/lib/*/security; do [ -e "$d/$f" ] && found=1 && break; done
           [ -n "$found" ] || say pam missing "$f" ;;
    esac
done | head -n 8
grep -hE '^[^#]*(pam_listfile|pam_succeed_if|pam_access)' /etc/pam.d/sshd /etc/pam.d/system-auth /etc/pam.d/password-auth 2>/dev/null | fact pam line 8
[ -d /etc/pam.d ] && say pam checked yes

# File systems.
bound 6 df -P -x tmpfs -x devtmpfs -x overlay 2>/dev/null | awk 'NR > 1 {print $5, $6}' | fact disk space 20
bound 6 df -P / /var /tmp 2>/dev/null | awk 'NR > 1 {print $5, $6}' | fact disk space 4
bound 6 df -P -i / /var /tmp 2>/dev/null | awk 'NR > 1 {print $5, $6}' | fact disk inodes 4
awk '$2 == "/" || $2 == "/var" {print $2, $4}' /proc/mounts | tail -n 2 | sed 's/,.*//' | fact disk mount 2

# Load.
fact load average 1 </proc/loadavg
say load cpus "$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)"
grep -E '^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapFree|HugePages_Total|Hugepagesize)' /proc/meminfo | tr -s ' ' | fact load memory 8
awk 'NR == 1 {print $2+$3+$4+$5+$6+$7+$8+$9, $5, $6}' /proc/stat | fact load cpu0 1
sleep 1
awk 'NR == 1 {print $2+$3+$4+$5+$6+$7+$8+$9, $5, $6}' /proc/stat | fact load cpu1 1
say load blocked "$(cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -c '^D')"
say load tasks "$(ls -d /proc/[0-9]*/task/[0-9]* 2>/dev/null | wc -l) $(cat /proc/sys/kernel/pid_max 2>/dev/null)"
bound 4 dmesg 2>/dev/null | grep -iE 'Out of memory|oom-kill|Killed process' | tail -n 3 | fact load oom 3
[ -r /proc/uptime ] && fact load uptime 1 </proc/uptime

# Boot.
if have systemctl && [ -d /run/systemd/system ]; then
    bound 5 systemctl is-system-running 2>/dev/null | fact boot state 1
    bound 5 systemctl --failed --no-legend --plain 2>/dev/null | awk '{print $1}' | fact boot failed 12
    bound 3 systemctl is-active emergency.target rescue.target 2>/dev/null | tr '\n' ' ' | fact boot emergency 1
    echo
else
    have runlevel && runlevel 2>/dev/null | fact boot runlevel 1
fi

# Login scripts that call themselves.
for f in /etc/profile /etc/profile.d/*.sh /etc/bashrc /etc/bash.bashrc "$H/.bashrc" "$H/.bash_profile" "$H/.profile"; do
    [ -r "$f" ] && grep -nE '^[^#]*(^|[[:space:];&|])(\.|source)[[:space:]]+[^ ;&|]+' "$f" 2>/dev/null | sed "s|^|$f:|"
done | fact profile source 60
say profile checked yes

# Network as the guest has it.
if have ip; then
    bound 3 ip -o -4 addr show scope global 2>/dev/null | awk '{print $2, $4}' | fact network address 8
    bound 3 ip -4 route show default 2>/dev/null | fact network default 3
    bound 3 ip -o link show up 2>/dev/null | awk -F': ' '{print $2}' | fact network up 8
fi
say network expected "$A"
say network checked yes

# Reverse look-up of the source, as sshd makes it with UseDNS.
if [ -n "$S" ] && have getent; then
    t0=$(date +%s); bound 12 getent hosts "$S" >/dev/null 2>&1; t1=$(date +%s)
    say dns seconds "$((t1 - t0))"
fi

# Failed-login log.
[ -e /var/log/btmp ] && ls -ln /var/log/btmp | awk '{print $5}' | fact loginlog bytes 1
[ -e /var/log/btmp ] || say loginlog bytes 0

# Traces of an intruder that breaks logins.
[ -s /etc/ld.so.preload ] && fact malware preload 3 </etc/ld.so.preload
for d in /proc/[0-9]*; do cat "$d/comm" 2>/dev/null; done | sort | uniq -c | sort -rn | awk '{print $2}' | grep -iE '^(udev-fall|xmrig|xmr|kdevtmpfsi|kinsing|minerd|sysupdate|networkservice|watchdogs|ddgs|kthrotlds)' | fact malware process 6
cat /etc/crontab /etc/cron.d/* /var/spool/cron/* /var/spool/cron/crontabs/* /etc/rc.local 2>/dev/null | grep -vE '^[[:space:]]*#' | grep -E '(curl|wget)[^|]*\|[[:space:]]*(ba)?sh|/dev/shm/|/tmp/\.[a-zA-Z]' | fact malware job 4
say malware checked yes

# What applies a password reset from the console.
if [ -e /etc/cloud/cloud.cfg ] || have cloud-init; then
    say reset agent present
    [ -e /etc/cloud/cloud-init.disabled ] && say reset disabled yes
    have systemctl && bound 3 systemctl is-enabled cloud-init.service 2>/dev/null | fact reset enabled 1
else
    say reset agent missing
fi
# Host firewall.
have iptables-save && bound 5 iptables-save -t filter 2>/dev/null | grep -vE '^#|DOCKER|KUBE-|CNI-' | fact firewall iptables 120
have nft && bound 5 nft -nn list ruleset 2>/dev/null | grep -v '^[[:space:]]*#' | fact firewall nft 200
have firewall-cmd && bound 5 firewall-cmd --state 2>/dev/null | fact firewall firewalld 1
say firewall checked yes

say check end 1
