"""Puts rule sets before the kernel: a guest and a user, each in a network namespace of its own.

Reads one folder a line, which holds `load` (loads the rules) and `check-SOURCE` (what the guest is
asked), and leaves there `answer-SOURCE`, `seen` (what each connection came to) or `failed`. With an
`apply` and an `undo` beside them, and where the connection named in `wanted` is not open, it also leaves `seen-mended`, what `apply` said twice and `undo` once
(`said-1`, `said-2`, `said-back`), and every rule of the kernel before and after (`rules-0`, `rules-1`).
The caller has made the mount and process namespaces.
"""
import ctypes
import errno
import os
import re
import selectors
import socket
import subprocess
import sys
import time
import traceback

SOURCES = ("203.0.113.7", "10.0.0.1", "2001:db8:2::7")
PORTS = (22, 80, 2222)
OWN = {False: "10.0.0.10", True: "2001:db8:1::10"}
GUEST_MAC, USER_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01"
# A SYN that is let in is answered before connect() returns; the second is sent after a second.
PATIENCE = 0.8
LOAD_LIMIT, CHECK_LIMIT = 100, 100

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

# Neighbours are fixed: whether a rule set lets neighbour discovery through is another question.
GUEST = f"""
link set lo up
link add eth0 address {GUEST_MAC} type veth peer name c0 address {USER_MAC} netns USER
addr add {OWN[False]}/24 dev eth0
addr add {OWN[True]}/64 dev eth0 nodad
link set eth0 up
neigh replace 10.0.0.1 lladdr {USER_MAC} dev eth0 nud permanent
neigh replace 203.0.113.7 lladdr {USER_MAC} dev eth0 nud permanent
neigh replace 2001:db8:1::1 lladdr {USER_MAC} dev eth0 nud permanent
neigh replace 2001:db8:2::7 lladdr {USER_MAC} dev eth0 nud permanent
route add default via 10.0.0.1
-6 route add default via 2001:db8:1::1
link add eth1 type veth peer name wg0
link add docker0 type veth peer name other0
"""
USER = f"""
link set lo up
addr add 10.0.0.1/24 dev c0
addr add 203.0.113.7/32 dev c0
addr add 2001:db8:1::1/64 dev c0 nodad
addr add 2001:db8:2::7/128 dev c0 nodad
link set c0 up
neigh replace {OWN[False]} lladdr {GUEST_MAC} dev c0 nud permanent
neigh replace {OWN[True]} lladdr {GUEST_MAC} dev c0 nud permanent
"""


def apart(flags):
    if LIBC.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def mount(kind, target):
    if LIBC.mount(kind.encode(), target.encode(), kind.encode(), 0, None):
        raise OSError(ctypes.get_errno(), "mount " + target)


def ip(batch):
    family = [line for line in batch.split("\n") if line.startswith("-6 ")]
    usual = "\n".join(line for line in batch.split("\n") if not line.startswith("-6 "))
    subprocess.run(["ip", "-batch", "-"], input=usual, text=True, check=True)
    for line in family:
        subprocess.run(["ip", *line.split()], check=True)


def listen():
    held = []
    for port in PORTS:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            s = socket.socket(family, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((address, port))
            s.listen(50)
            held.append(s)
    return held


def attempts():
    """What each connection comes to, all tried at once."""
    out, waiting, poll = {}, {}, selectors.DefaultSelector()

    def ended(key, code):
        # No way to a host whose neighbour does not answer is silence, not a refusal.
        out[key] = "open" if code == 0 else "silent" if code == errno.ETIMEDOUT else "refused"

    for source in SOURCES:
        for port in PORTS:
            v6 = ":" in source
            s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
            s.bind((source, 0))
            s.setblocking(False)
            code = s.connect_ex((OWN[v6], port))
            key = f"{source} {port}"
            if code == errno.EINPROGRESS:
                waiting[key] = s
                poll.register(s, selectors.EVENT_WRITE, key)
            else:
                ended(key, code)
    end = time.monotonic() + PATIENCE
    while waiting:
        late = time.monotonic() >= end
        events = poll.select(0 if late else end - time.monotonic())
        for event, _ in events:
            s = waiting.pop(event.data)
            poll.unregister(s)
            ended(event.data, s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if late:
            break
    for key in waiting:
        out[key] = "silent"
    return out


def user(folder, turn, ready):
    """The other end of the cable: waits for it, then for the rules, then connects."""
    apart(CLONE_NEWNET)
    os.write(ready, b"1")
    os.read(turn, 1)
    ip(USER)
    os.write(ready, b"2")
    names = iter(("seen", "seen-mended"))
    while os.read(turn, 1) == b"2":
        with open(f"{folder}/{next(names)}", "w") as out:
            out.writelines(f"{key} {what}\n" for key, what in attempts().items())
        os.write(ready, b"3")


LISTED = "nft list ruleset; iptables-legacy-save; ip6tables-legacy-save; ipset save; ip route; ip rule; cat /proc/net/xt_recent/*"


def rules():
    """All that decides about a connection, but for what counts and what runs down."""
    text = subprocess.run(LISTED, shell=True, capture_output=True, text=True).stdout
    for volatile in (r"packets \d+ bytes \d+", r"\[\d+:\d+\]", r"(?m)^#.*$", r"expires \S+", r"timeout \d+", r"last_seen.*"):
        text = re.sub(volatile, "", text)
    return text


def mend(folder, again):
    """Carries a repair out twice, looks in between, and takes it back."""
    def say(script, name):
        with open(f"{folder}/{name}", "w") as out:
            subprocess.run(["sh", f"{folder}/{script}"], stdout=out, stderr=subprocess.STDOUT, timeout=LOAD_LIMIT)

    with open(folder + "/rules-0", "w") as out:
        out.write(rules())
    say("apply", "said-1")
    again()
    say("apply", "said-2")
    say("undo", "said-back")
    with open(folder + "/rules-1", "w") as out:
        out.write(rules())


def guest(folder):
    apart(CLONE_NEWNS | CLONE_NEWNET)
    mount("tmpfs", "/run")
    log = open(folder + "/log", "w")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    turn_out, turn_in = os.pipe()
    ready_out, ready_in = os.pipe()
    other = os.fork()
    if other == 0:
        os.close(turn_in)
        user(folder, turn_out, ready_in)
        os._exit(0)
    os.close(ready_in)
    os.read(ready_out, 1)
    ip(GUEST.replace("USER", str(other)))
    with open("/proc/sys/net/ipv4/ip_forward", "w") as forward:
        forward.write("0")
    os.write(turn_in, b"1")
    held = listen()
    os.read(ready_out, 1)
    if subprocess.run(["sh", folder + "/load"], timeout=LOAD_LIMIT).returncode:
        open(folder + "/failed", "w").close()
        return
    whole = b""
    for source in SOURCES:
        if not os.path.exists(f"{folder}/check-{source}"):
            continue
        # Rules alone (`alike`) that were sent whole are the same for every source.
        if b"\tpacked\tfull " in whole and os.path.exists(folder + "/alike"):
            with open(f"{folder}/answer-{source}", "wb") as answer:
                answer.write(whole)
            continue
        with open(f"{folder}/answer-{source}", "wb") as answer:
            subprocess.run(
                ["sh", f"{folder}/check-{source}"],
                stdout=answer,
                stderr=subprocess.DEVNULL,
                timeout=CHECK_LIMIT,
            )
        with open(f"{folder}/answer-{source}", "rb") as answer:
            whole = answer.read()
    def look():
        os.write(turn_in, b"2")
        os.read(ready_out, 1)

    look()
    if os.path.exists(folder + "/apply"):
        with open(folder + "/wanted") as wanted, open(folder + "/seen") as seen:
            already = wanted.read() + " open\n" in seen.readlines()
        if not already:
            mend(folder, look)
    os.write(turn_in, b"9")
    os.waitpid(other, 0)
    for s in held:
        s.close()


def main():
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            # A group of its own, so that whatever the rules' tools left running ends with it.
            os.setpgid(0, 0)
            folder = line.strip()
            try:
                guest(folder)
            except BaseException:
                with open(folder + "/log", "a") as log:
                    traceback.print_exc(file=log)
                open(folder + "/failed", "w").close()
            os.killpg(0, 9)
        os.waitpid(child, 0)
        print("done", flush=True)


main()
