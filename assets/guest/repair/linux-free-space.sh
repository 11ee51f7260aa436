# Makes room where a login has to write, from a fixed list: package caches, archived journals,
# rotated logs, old crash reports, and files of /tmp and /var/tmp past their age. Each file is shown
# with its size; what a process has open and what is a user's own stays. It stops when there is room.
if [ "$MODE" = undo ]; then
    if [ -s "$KEEP/reserve" ]; then
        while read -r device old new; do
            now=$(tune2fs -l "$device" 2>/dev/null | sed -n 's/^Reserved block count: *//p')
            if [ "$now" = "$new" ]; then
                tune2fs -r "$old" "$device" >/dev/null 2>&1 && changed "$device keeps $old blocks for root again"
            else
                note "$device keeps $now blocks for root, not $new: somebody else set it, and it stays"
            fi
        done <"$KEEP/reserve"
        rm -f "$KEEP/reserve"
    fi
    same "files that were removed are not put back"
    finish
fi

# Where a login writes; each file system once.
places="/ /var /var/log /var/tmp /tmp /home /run"
# Room that a login has enough with: kilobytes (at most a twentieth of a small disk) and inodes.
ENOUGH=204800
ENOUGH_INODES=2000
row() { df -P "$@" 2>/dev/null | awk 'NR > 1 { r = $1 " " $2 " " $4 " " $6 } END { print r }'; }
short_of() { # PLACE: says what is short there: space, inodes or nothing
    # shellcheck disable=SC2046 # four words by construction
    set -- $(row -k "$ROOT$1") $(row -i "$ROOT$1")
    [ $# = 8 ] || return
    need=$(($2 / 20))
    [ "$need" -lt "$ENOUGH" ] || need=$ENOUGH
    [ "$3" -ge "$need" ] || echo space
    case "$6$7" in *[!0-9]*) return ;; esac
    [ "$6" -gt 0 ] || return
    need=$(($6 / 50))
    [ "$need" -lt "$ENOUGH_INODES" ] || need=$ENOUGH_INODES
    [ "$7" -ge "$need" ] || echo inodes
}
shorts() {
    seen=" "
    for place in $places; do
        [ -d "$ROOT$place" ] || continue
        on=$(stat -c %d "$ROOT$place")
        case "$seen" in *" $on "*) continue ;; esac
        seen="$seen$on "
        for what in $(short_of "$place"); do echo "$on $what $place"; done
    done
}
short=$(shorts)
if [ -z "$short" ]; then
    same "every file system that a login writes to has room"
    finish
fi
printf '%s\n' "$short" | while read -r _ what place; do
    note "$place has too little left of $what: $(row -k "$ROOT$place" | awk '{ print $3 " of " $2 " kB" }'), $(row -i "$ROOT$place" | awk '{ print $3 " of " $2 " inodes" }') free"
done

# The work list lies in memory: the disk may take nothing more.
for tmp in /dev/shm /run "$ROOT/tmp"; do (umask 077; echo >"$tmp/$MARK.list") 2>/dev/null && [ -s "$tmp/$MARK.list" ] && break; done
LIST="$tmp/$MARK.list" OPEN="$tmp/$MARK.open"
trap 'rm -f "$LIST" "$LIST.all" "$OPEN"' EXIT
# Every file that a process has open or mapped, by device and inode.
{
    stat -L -c '%d:%i' /proc/[0-9]*/fd/* 2>/dev/null
    awk '$5 > 0 { print "map " $4 ":" $5 }' /proc/[0-9]*/maps 2>/dev/null | sort -u
} | sort -u >"$OPEN"
is_open() { # DEVICE INODE: maps name the device in another way, so there the inode counts alone
    grep -qx -e "$1:$2" -e "map .*:$2" "$OPEN"
}

add() { # KIND DAYS FOLDER NAMES...: regular files of this folder's own file system, oldest first
    kind=$1 days=$2 folder="$ROOT$3"
    shift 3
    [ -d "$folder" ] && [ ! -L "$folder" ] || return 0
    # Only what is short: a file on another disk would make no room.
    case "
$short" in *"
$(stat -c %d "$folder") "*) ;; *) return 0 ;; esac
    set -- $(printf '%s\n' "$@" | sed 's/^/-o -name /')
    shift
    [ "$days" = 0 ] || set -- "$@" -a
    {
        set -f
        if [ "$days" = 0 ]; then
            find "$folder" -xdev -type f \( "$@" \) -exec stat -c '%Y %d %i %b %n' {} + 2>/dev/null
        else
            find "$folder" -xdev -type f -mtime +"$days" -atime +"$days" -ctime +"$days" -exec stat -c '%Y %d %i %b %n' {} + 2>/dev/null
        fi
        set +f
    } | sort -n | sed "s|^|$kind |" >>"$LIST.all"
}
: >"$LIST.all"
set -f
add package-cache 0 /var/cache/apt/archives '*.deb'
add package-cache 0 /var/cache/yum '*.rpm'
add package-cache 0 /var/cache/dnf '*.rpm'
add package-cache 0 /var/cache/zypp '*.rpm'
add package-cache 0 /var/cache/apk '*.apk'
add journal 0 /var/log/journal '*@*.journal' '*.journal~'
add journal 0 /run/log/journal '*@*.journal' '*.journal~'
add rotated-log 0 /var/log '*.gz' '*.xz' '*.bz2' '*.zst' '*.[0-9]' '*.[0-9][0-9]' '*.old' '*-20[0-9][0-9][0-9][0-9][0-9][0-9]'
add crash-report 0 /var/lib/systemd/coredump '*'
add crash-report 0 /var/crash '*'
add crash-report 0 /var/spool/abrt '*'
add crash-report 0 /var/tmp/abrt '*'
add old-temporary 10 /tmp '*'
add old-temporary 30 /var/tmp '*'
set +f
# Sockets, locks and private folders of services stay whatever their age.
grep -vE '/(\.X11-unix|\.ICE-unix|\.font-unix|ssh-|tmux-|systemd-private-|snap[.-]|aquota|lost\+found)' "$LIST.all" >"$LIST"
awk '{ n[$1]++; b[$1] += $5 } END { for (k in n) printf "note: %s: %d files, %d kB may go\n", k, n[k], b[k] / 2 }' "$LIST"

removed=0 last="" count=0 blocks=0
tell() { [ "$count" -eq 0 ] || changed "removed $count files of $last, $((blocks / 2)) kB"; count=0 blocks=0; }
while read -r kind _ device inode size name; do
    [ -n "$name" ] || continue
    case "
$short" in *"
$device "*) ;; *) continue ;; esac
    [ "$kind" = "$last" ] || { tell; last=$kind; }
    # Looked at anew: the list is as old as the removals before.
    [ -f "$name" ] && [ ! -L "$name" ] && [ "$(stat -c %i "$name")" = "$inode" ] || continue
    if is_open "$device" "$inode"; then note "left $name: a process has it open"; continue; fi
    rm -f "$name" || continue
    count=$((count + 1)) blocks=$((blocks + size)) removed=$((removed + 1))
    [ "$size" -lt 2048 ] || note "removed $name, $((size / 2)) kB"
    # Asked now and then: df for each of thousands of files would take longer than the removal.
    if [ "$size" -ge 2048 ] || [ $((removed % 200)) = 0 ]; then
        short=$(shorts)
        [ -n "$short" ] || break
    fi
done <"$LIST"
tell
short=$(shorts)

# ext file systems keep a part for root, which no user's login may use.
printf '%s\n' "$short" >"$LIST"
while read -r _ what place; do
    [ "$what" = space ] && have tune2fs || continue
    # shellcheck disable=SC2046 # four words by construction
    set -- $(row -k "$ROOT$place")
    case "${1:-}" in /dev/*) ;; *) continue ;; esac
    facts=$(tune2fs -l "$1" 2>/dev/null) || continue
    old=$(printf '%s\n' "$facts" | sed -n 's/^Reserved block count: *//p')
    all=$(printf '%s\n' "$facts" | sed -n 's/^Block count: *//p')
    new=$((all / 100))
    [ "${old:-0}" -gt "$new" ] || continue
    keep_dir 2>/dev/null
    printf '%s %s %s\n' "$1" "$old" "$new" >>"$KEEP/reserve" || { note "what $1 keeps for root stays: it cannot be written down"; continue; }
    tune2fs -r "$new" "$1" >/dev/null 2>&1 || continue
    changed "$1 keeps $new blocks for root; it kept $old"
done <"$LIST"
short=$(shorts)

if [ -n "$short" ]; then
    # What holds the rest is named for a person to decide on.
    for link in /proc/[0-9]*/fd/*; do
        case "$(readlink "$link" 2>/dev/null)" in
        *' (deleted)')
            size=$(stat -L -c %b "$link" 2>/dev/null) && [ "${size:-0}" -ge 20480 ] || continue
            pid=${link#/proc/}
            pid=${pid%%/*}
            note "process $pid ($(cat "/proc/$pid/comm" 2>/dev/null)) holds a deleted file of $((size / 2)) kB: restart that service" ;;
        esac
    done 2>/dev/null | sort -u | head -n 5
    printf '%s\n' "$short" | while read -r _ what place; do
        if [ "$what" = space ]; then
            find "$ROOT$place" -xdev -type f -size +20480 -exec stat -c '%b %n' {} + 2>/dev/null | sort -rn | head -n 5 |
                while read -r size name; do note "large: $name, $((size / 2)) kB"; done
        else
            find "$ROOT$place" -xdev 2>/dev/null | sed 's|/[^/]*$||' | grep . | sort | uniq -c | sort -rn | head -n 5 |
                while read -r size name; do note "many files: $name holds $size"; done
        fi
        note "$place still has too little left of $what"
    done
    fail "$removed files were removed and it is not enough: remove or move what is named above, or make the disk larger"
fi
same "every file system that a login writes to has room now"
finish
