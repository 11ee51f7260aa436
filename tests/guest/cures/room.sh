# One boot of the machine, as the first process of namespaces of its own. LAB is the folder of the
# world, DIR holds the keys. What is on its disk stays; all else is as after a power-on.
set -e
. "$GUEST"
KEYS=$(cat "$DIR/key.pub"); ROOT=$LAB/root
mount --make-rprivate /
# One disk: all its files are on one device.
mount -t overlay overlay -o "xino=on,lowerdir=/,upperdir=$LAB/disk/up,workdir=$LAB/disk/work" "$ROOT"
mount -t proc proc "$ROOT/proc"; mount -t sysfs sysfs "$ROOT/sys"; mount -t tmpfs tmpfs "$ROOT/run"
mkdir -p "$ROOT/run/lock" "$ROOT/run/faillock" "$ROOT/run/key" "$ROOT/run/tat"; : >"$ROOT/run/utmp"
cp "$DIR"/* "$ROOT/run/key"; DIR=/run/key; devices "$ROOT/dev"
cd "$ROOT"; pivot_root . .; umount -l .; cd /
unset LAB ROOT GUEST
# The load is one for all namespaces: what others do is no part of this machine.
echo '0.10 0.05 0.01 1/90 100' >/run/loadavg; mount --bind /run/loadavg /proc/loadavg
hostname vm; ip link set lo up
until_ ip link show eth0 >/dev/null 2>&1
ip link set eth0 up; ip addr add 10.0.0.10/24 dev eth0; ip route add default via 10.0.0.1
if [ ! -e /var/lib/installed ]; then
  : >/var/log/btmp; : >/var/log/wtmp; : >/var/log/auth.log
  service_files; rm -f /etc/rc?.d/S*; ln -s ../init.d/ssh /etc/rc2.d/S01ssh; ln -s ../init.d/ufw /etc/rcS.d/S01ufw
  accounts; mkdir -p /home /var/lib; keys /run/key/key.pub
  printf '%s\n' '127.0.0.1 localhost vm' >/etc/hosts; : >/etc/resolv.conf
  mkdir -p /root/.ssh; cp /run/key/key.pub /root/.ssh/authorized_keys; chmod 700 /root /root/.ssh; chmod 600 /root/.ssh/authorized_keys
  sed -i "s|^root:[^:]*|root:$HASH|" /etc/shadow; conf 'PermitRootLogin yes'
  # As an image of the vendor has it.
  mkdir -p /etc/cloud; : >/etc/cloud/cloud.cfg
  : >/var/lib/installed
fi
mkdir -p /run/cloud-init; echo '{"v1": {"errors": []}}' >/run/cloud-init/result.json
log_daemon
# What stands in the boot's own list is started; one that fails does not hold up the others.
for s in /etc/rcS.d/S* /etc/rc2.d/S*; do [ -x "$s" ] && "$s" start; done </dev/null >/run/boot.log 2>&1 || :
[ ! -s /etc/nftables.rules ] || nft -f /etc/nftables.rules || :
: >/run/booted
set +e
# The first process takes in what others leave behind.
while :; do sleep 1000 & wait; done
