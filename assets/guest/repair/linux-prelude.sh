# Common part of the Linux repairs. POSIX sh; root; safe to run twice.
# Set before this text: MODE (apply or undo), MARK (name of this repair), and the script's own.
# CVMTOP_ROOT is empty on a real system; tests point it at a copy of one.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
ROOT="${CVMTOP_ROOT:-}"
KEEP="$ROOT/var/lib/cvmtop/$MARK"
CHANGES=0

changed() { CHANGES=$((CHANGES + 1)); printf 'changed: %s\n' "$*"; }
same() { printf 'unchanged: %s\n' "$*"; }
note() { printf 'note: %s\n' "$*"; }
fail() { printf 'failed: %s\n' "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
# Runs a command that may hang on a sick system, for at most 40 seconds where that can be had.
bounded() { if have timeout; then timeout 40 "$@"; else "$@"; fi; }
keep_dir() { mkdir -p "$KEEP" || fail "cannot write $KEEP (is the disk full or read-only?)"; }
# Copies a file aside once; a second run keeps the first copy.
backup() {
    keep_dir
    copy="$KEEP/$(printf '%s' "${1#"$ROOT"}" | tr / _)"
    [ -e "$copy" ] || cp -p "$1" "$copy" || fail "cannot back up $1"
    note "backup of $1 is $copy"
}
finish() { S=s; [ "$CHANGES" != 1 ] || S=; printf 'done: %s change%s\n' "$CHANGES" "$S"; exit 0; }
