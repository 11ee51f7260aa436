#!/usr/bin/env bash
# Installs the peers it can and prints every figure of the README in one run.
#   tests/bench/peers.sh [--quick]
# Needs a Debian or Ubuntu machine for the peers; what cannot be installed is named in the tables.
set -euo pipefail
cd "$(dirname "$0")/../.."

idle=60 runs=30
if [ "${1:-}" = --quick ]; then idle=20 runs=10; fi

install_peers() {
    local sudo="" missing="" package
    [ "$(id -u)" = 0 ] || sudo="sudo"
    for package in btop htop nmap fping masscan mtr-tiny procps iproute2 nftables python3-venv; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086
        $sudo apt-get update -q && $sudo apt-get install -q -y --no-install-recommends $missing || true
    fi
    if [ ! -x target/peers/bin/tccli ]; then
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
echo "cvmtop: $(stat -c %s target/release/cvmtop) bytes, needs $(ldd target/release/cvmtop | awk '{print $1}' | xargs)"
echo "machine: $(nproc) cores, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg)"
cargo bench --locked --bench console -- start idle keys triage link peers --idle "$idle" --runs "$runs"
cargo bench --locked --bench sweep
cargo bench --locked --bench frame
cargo bench --locked --bench posterior
