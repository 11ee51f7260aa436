"""A region with one real machine in it, apart from the demo: `region.py` is its API, this the world.

A router, the network of the users, a jump host and the machine are network namespaces. The machine
is a real Linux with a disk of its own (an overlay), its own processes and a real sshd; a boot is a
new first process. Security groups, network ACLs, routes, addresses and their caps are rules of nft
in the router, written anew whenever the API changes one of them.

usage: world.py FOLDER KEYS       orders come as JSON lines, each is answered by one line
The process has to be the first of a process namespace, with a mount namespace of its own.
"""

import ctypes
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import region

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE = "10.0.0.10"
# Where logins come from: at home, in an office behind a VPN, on a jump host in the VPC.
PLACES = [("client", "c0", "203.0.113.1", "203.0.113.7"), ("office", "o0", "192.168.7.1", "192.168.7.7"), ("jump", "j0", "10.0.1.1", "10.0.1.5")]
# What of the host is not on the machine's disk.
HIDDEN = {"tmp": 0o1777, "work": 0o755, "home": 0o755, "root": 0o700, "mnt": 0o755, "old_root": 0o755, "farm": 0o755,
          "var/log": 0o755, "var/lib/fail2ban": 0o755, "var/cache": 0o755, "var/tmp": 0o1777, "etc/ssh/sshd_config.d": 0o755}
# What changes by itself.
RESTLESS = ("/var/log", "/tmp", "/var/tmp", "/var/lib/fail2ban", "/var/cache", "/root/.cache", "/var/backups",
            "/etc/.pwd.lock", "/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/var/lib/cvmtop")


def sh(script, **more):
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True, **more)


class Machine:
    """The machine: its disk, its boots, and scripts that run in it."""

    def __init__(self, folder, keys):
        self.folder, self.keys, self.process, self.init = folder, keys, None, None
        self.lock = threading.RLock()
        os.makedirs(f"{folder}/disk")
        os.makedirs(f"{folder}/root")
        sh(f"mount -t tmpfs -o size=48m,nr_inodes=4000,inode32 disk {folder}/disk")
        os.makedirs(f"{folder}/disk/work")
        os.makedirs(f"{folder}/disk/up", mode=0o755)
        for name, mode in HIDDEN.items():
            path = f"{folder}/disk/up/{name}"
            if os.path.isdir(f"/{name}"):
                os.makedirs(path)
                os.chmod(path, mode)
                os.setxattr(path, "trusted.overlay.opaque", b"y")

    def boot(self):
        with self.lock:
            self.process = subprocess.Popen(
                ["unshare", "-m", "-n", "-u", "-i", "-p", "-f", "--kill-child", "bash", f"{TESTS}/guest/cures/room.sh"],
                env={"PATH": PATH, "LAB": self.folder, "DIR": self.keys, "GUEST": f"{TESTS}/support/guest.sh"},
                stdin=subprocess.DEVNULL, stdout=open(f"{self.folder}/boot", "w"), stderr=subprocess.STDOUT)
            children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
            self.init = self.until(lambda: open(children).read().split())[0]
            sh("ip link del r0 2>/dev/null; ip link add r0 type veth peer name eth0 netns " + self.init
               + " && ip addr add 10.0.0.1/24 dev r0 && ip link set r0 up")
            self.until(lambda: self.alive() and os.path.exists(f"/proc/{self.init}/root/run/booted"))

    def until(self, condition):
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            found = condition()
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError("the machine does not boot: " + open(f"{self.folder}/boot").read())

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def halt(self):
        with self.lock:
            if self.alive():
                os.kill(int(self.init), signal.SIGKILL)
                self.process.wait()
            self.init = None

    def enter(self, *words):
        return ["nsenter", "-t", self.init, "-m", "-n", "-u", "-i", "-p", "-r", "-w", "env", "-i", f"PATH={PATH}", *words]

    def network_is_up(self):
        """Whether an agent inside could speak with the cloud: a link, an address, not a stopped world."""
        try:
            with open(f"/proc/{self.init}/root/sys/class/net/eth0/operstate", encoding="ascii") as link, \
                    open(f"/proc/{self.init}/net/fib_trie", encoding="ascii") as addresses:
                return link.read().strip() == "up" and f" {PRIVATE}\n" in addresses.read()
        except OSError:
            return False

    def run(self, script, limit, working="/root", shell="sh"):
        """Runs a script as the agent does: its end (`None` where it took too long), and what it printed."""
        name = f"/run/tat/{time.monotonic_ns()}"
        with open(f"/proc/{self.init}/root{name}.sh", "wb") as file:
            file.write(script)
        with open(f"{self.folder}/out-{threading.get_ident()}", "w+b") as out:
            child = subprocess.Popen(self.enter("HOME=/root", "LANG=C", "sh", "-c", 'cd "$1" 2>/dev/null; exec "$3" "$2"', "sh", working, f"{name}.sh", shell),
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                end = child.wait(limit)
            except subprocess.TimeoutExpired:
                end = None
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                raise
            out.seek(0)
            return end, out.read()

    def files(self):
        """Every file that differs from the host's: kind, mode, owner, and what is in it."""
        found, top = {}, f"{self.folder}/disk/up"
        for folder, folders, names in os.walk(top):
            for name in sorted(folders + names):
                path = f"{folder}/{name}"
                shown = path[len(top):]
                if shown.startswith(RESTLESS):
                    continue
                info = os.lstat(path)
                if stat.S_ISREG(info.st_mode):
                    with open(path, "rb") as file:
                        inside = hashlib.sha256(file.read()).hexdigest()[:16]
                elif stat.S_ISLNK(info.st_mode):
                    inside = os.readlink(path)
                elif stat.S_ISCHR(info.st_mode):
                    inside = "gone" if info.st_rdev == 0 else "device"
                else:
                    inside = ""
                found[shown] = f"{oct(info.st_mode)} {info.st_uid}:{info.st_gid} {inside}"
        return found

    def rules(self):
        """What the kernel filters and where it sends answers, without counters."""
        asks = ("nft -s list ruleset | sed 's/# handle.*//'; iptables-legacy-save 2>/dev/null | grep -v '^[#:]' | sed 's/^\\[[0-9:]*\\] //'; "
                "ip rule; ip route show table all | grep -v '^broadcast\\|^local\\|^multicast\\|fe80\\|^ff00'; ip -o link show eth0 | tr -s ' ' | cut -d' ' -f2-9 | sed 's/@if[0-9]*//'; "
                "ipset save 2>/dev/null | sed 's/ timeout [0-9]*$//'")
        if not self.alive():
            return ""
        return subprocess.run(self.enter("sh", "-c", asks), capture_output=True, text=True).stdout


class World:
    def __init__(self, folder, keys):
        self.folder = folder
        sh("ip link set lo up; mount -t tmpfs tmpfs /run; sysctl -qw net.ipv4.ip_forward=1; "
           + "; ".join(f"ip netns add {name}; ip link add {near} type veth peer name eth0 netns {name}; ip addr add {gate}/24 dev {near}; ip link set {near} up; "
                       f"ip -n {name} link set lo up; ip -n {name} addr add {own}/24 dev eth0; ip -n {name} link set eth0 up; ip -n {name} route add default via {gate}"
                       for name, near, gate, own in PLACES)
           # What goes nowhere is lost without a word, as on the internet (`region.py` drops it).
           + "; for lost in 192.0.2.53 198.51.100.0/24 10.0.0.0/24; do ip route add $lost dev j0 metric 999; done")
        self.machine = Machine(folder, keys)
        self.region = region.Region(self.machine)
        self.endpoint = self.region.serve("0.0.0.0")
        self.machine.boot()
        self.region.apply()

    def order(self, asked):
        what = asked["do"]
        if what == "cloud":
            self.region.patch(asked["patch"])
            return {}
        if what == "room":
            end, out = self.machine.run(asked["script"].encode(), asked.get("limit", 120), "/", "bash")
            return {"end": end, "out": out.decode(errors="replace")}
        if what == "run":
            words = ["ip", "netns", "exec", asked["where"], "env", "-i", *[f"{k}={v}" for k, v in asked["with"].items()], *asked["words"]]
            began = time.monotonic()
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
            try:
                out, err = child.communicate(timeout=asked["limit"])
                end = child.returncode
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                out, err = child.communicate()
                end = None
            return {"end": end, "out": out.decode(errors="replace"), "err": err.decode(errors="replace"), "seconds": time.monotonic() - began}
        if what == "state":
            return {"files": self.machine.files(), "rules": self.machine.rules(), "cloud": self.region.shown(), "calls": self.region.calls}
        if what == "place":
            return {"address": self.region.address(), "passwords": self.region.passwords}
        raise ValueError(what)


def main():
    # Ends with whoever started it.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    folder, keys = sys.argv[1:3]
    world = World(folder, keys)
    print(json.dumps({"port": world.endpoint}), flush=True)
    for line in sys.stdin:
        try:
            answer = world.order(json.loads(line))
        except Exception as error:  # the test that ordered it is told
            answer = {"error": f"{type(error).__name__}: {error} {getattr(error, 'stderr', '') or ''}"}
        print(json.dumps(answer), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
