#!/usr/bin/env bash
# Runs the fuzz targets, guided by coverage, from the committed seeds, and prints a table.
#   tests/fuzz/run.sh [SECONDS [TARGET...]]     600 seconds and every target by default
# JOBS targets run at once (2); builds, corpora, logs and findings go to FUZZ_DIR (target/fuzz).
# BUILT=1 takes the programs of the last run.
# Needs cargo-fuzz and a C++ compiler; the stable toolchain is enough.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-600}
[ $# = 0 ] || shift
work=${FUZZ_DIR:-$PWD/target/fuzz}
mkdir -p "$work"/{corpus,logs,findings}
if [ -z "${BUILT:-}" ]; then
    # The versions that the program is built with; cargo adds what only the targets need.
    cp Cargo.lock tests/fuzz/Cargo.lock
    # Safe code has nothing for the address sanitizer to find; without it many more inputs are tried.
    RUSTC_BOOTSTRAP=1 cargo fuzz build --fuzz-dir tests/fuzz --sanitizer none --target-dir "$work/build" >&2
fi
programs=$(echo "$work"/build/*/release)

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for folder in tests/fuzz/seeds/*/; do targets+=("$(basename "$folder")"); done
fi

one() {
    mkdir -p "$work/corpus/$1"
    # What is found goes to the first folder; the seeds are only read.
    "$programs/$1" "$work/corpus/$1" "tests/fuzz/seeds/$1" -max_total_time="$seconds" -timeout=10 \
        -max_len=65536 -artifact_prefix="$work/findings/$1-" -print_final_stats=1 >"$work/logs/$1" 2>&1 ||
        echo "$1 failed: see $work/logs/$1" >&2
}
export -f one
export programs work seconds
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-2}" -I {} bash -c 'one {}'

echo "| target | seconds | executions | edges covered | inputs kept | findings |"
echo "|---|---|---|---|---|---|"
bad=0
for target in "${targets[@]}"; do
    log=$work/logs/$target
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    last=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    ran=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
    found=$(find "$work/findings" -name "$target-*" | wc -l)
    echo "| $target | ${ran:-ended early} | $(stat number_of_executed_units) | ${last:-?} | $(find "$work/corpus/$target" -type f | wc -l) | $found |"
    [ "$found" = 0 ] && [ -n "$ran" ] || bad=1
done
exit $bad
