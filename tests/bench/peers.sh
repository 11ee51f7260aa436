#!/usr/bin/env bash
# Installs the peers it can and prints every figure of the README in one run, as Markdown tables.
#   tests/bench/peers.sh            about 25 minutes on a quiet machine, builds not counted
#   tests/bench/peers.sh --quick    about 12 minutes: fewer runs, shorter spans, same tables
# Needs a Debian or Ubuntu machine for the peers; what cannot be installed is named in the tables.
# WITH_CARGO_PEERS=1 also builds bottom and trippy, which takes minutes; where `btm` and `trip` are
# on the PATH they are measured in any case.
set -euo pipefail
cd "$(dirname "$0")/../.."

idle=60 runs=30 sections="start idle keys writes triage link peers"
if [ "${1:-}" = --quick ]; then
    idle=15 runs=10 sections="start keys writes triage link peers"
fi

install_peers() {
    local sudo="" missing="" package
    [ "$(id -u)" = 0 ] || sudo="sudo"
    for package in btop htop nmap fping mtr-tiny procps iproute2 nftables strace python3-venv; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        $sudo apt-get update -q || true
        # One by one: a package that this system does not have must not cost the others.
        for package in $missing; do
            $sudo apt-get install -q -y --no-install-recommends "$package" || true
        done
    fi
    if [ ! -x target/peers/bin/tccli ] && ! command -v tccli; then
        python3 -m venv target/peers && target/peers/bin/pip install -q tccli || true
    fi
    # Written in Rust like this program, and therefore minutes to build: only when asked for.
    if [ -n "${WITH_CARGO_PEERS:-}" ]; then
        cargo install --locked --root target/peers bottom trippy || true
    fi
}

install_peers >&2
export PATH="$PWD/target/peers/bin:$PATH"
cargo build --release --locked >&2
cargo bench --locked --no-run >&2
needs=$(ldd target/release/cvmtop | awk '/=>/ {print $1}' | xargs)
echo "cvmtop: $(stat -c %s target/release/cvmtop) bytes, needs $needs"
echo "machine: $(nproc) cores, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg)"
failed=""
measure() {
    cargo bench --locked --bench "$@" 2>&1 || failed="$failed $1"
}
# shellcheck disable=SC2086
measure console -- $sections --idle "$idle" --runs "$runs"
measure sweep
measure frame
measure posterior
[ -z "$failed" ] || { echo "not measured to the end:$failed"; exit 1; }
