# Mounts file systems that a login writes to writable again, after a look at why they are not. Where
# the kernel saw errors, a check that only reads must find the file system clean first.
places="/ /etc /root /home /var /var/lib /var/log /var/tmp /tmp /run"

# The topmost mount at a place: device, type, its own options, those of the file system.
mount_of() {
    P="$ROOT$1" awk '{ p = $5; gsub(/\\040/, " ", p) } p == (ENVIRON["P"] == "" ? "/" : ENVIRON["P"]) || p "/" == ENVIRON["P"] {
        for (i = 7; i <= NF; i++) if ($i == "-") { found = $(i + 2) " " $(i + 1) " " $6 " " $(i + 3) }
    } END { if (found != "") print found; else exit 1 }' /proc/self/mountinfo
}
# The last word that counts: `ro` of the mount or of the file system.
read_only() { case ",$3,$4," in *,ro,* | *,emergency_ro,*) return 0 ;; *) return 1 ;; esac; }
# Options of the mount itself, which a remount would drop.
kept() { printf '%s\n' "$1" | tr ',' '\n' | grep -Ex 'nosuid|nodev|noexec|noatime|nodiratime|relatime' | tr '\n' ','; }
remount() { # PLACE DEVICE rw|ro OPTIONS
    bounded mount -n -o "remount,$(kept "$4")$3" "$2" "$ROOT$1" 2>/dev/null || bounded mount -n -o "remount,$3" "$ROOT$1" 2>/dev/null
}
writes() {
    f="$ROOT$1/.$MARK.$$"
    (echo cvmtop >"$f") 2>/dev/null && sync 2>/dev/null
    [ -s "$f" ] && rm -f "$f"
}

if [ "$MODE" = undo ]; then
    for list in "$KEEP/mounts" "/run/$MARK.mounts"; do
        [ -s "$list" ] || continue
        while read -r place device options how; do
            # shellcheck disable=SC2046 # four words by construction
            set -- $(mount_of "$place")
            if [ $# -ge 4 ] && read_only "$@"; then same "$place is read-only already"; continue; fi
            if [ "$how" = bind ]; then
                bounded mount -n -o "remount,bind,$(kept "$options")ro" "$ROOT$place" 2>/dev/null
            else
                remount "$place" "$device" ro "$options"
            fi || fail "$place is in use for writing and stays writable"
            changed "$place is read-only again"
        done <"$list"
        rm -f "$list" 2>/dev/null
    done
    for list in "$KEEP/devices" "/run/$MARK.devices"; do
        [ -s "$list" ] || continue
        while read -r device; do blockdev --setro "$device" && changed "$device takes no writes again"; done <"$list"
        rm -f "$list" 2>/dev/null
    done
    [ "$CHANGES" -gt 0 ] || same "nothing was changed by this repair"
    finish
fi

# Errors that the kernel saw on a device, from its own count and its log.
errors_on() {
    short=${1##*/}
    [ ! -r "/sys/fs/ext4/$short/errors_count" ] || { n=$(cat "/sys/fs/ext4/$short/errors_count"); [ "$n" = 0 ] || echo "the file system counts $n errors"; }
    dmesg 2>/dev/null | tail -n 3000 | S="$short" awk '
        function names(s,  p, a, b) { p = index($0, s); if (!p) return 0
            a = p > 1 ? substr($0, p - 1, 1) : " "; b = substr($0, p + length(s), 1)
            return a !~ /[A-Za-z0-9]/ && b !~ /[A-Za-z0-9]/ }
        names(ENVIRON["S"]) && /I\/O error|EXT[234]-fs error|Remounting filesystem read-only|[Aa]borting journal|[Jj]ournal has aborted|XFS.*([Cc]orrupt|shut|error)|BTRFS.*(error|forced readonly)|critical (medium|target) error/ { last = $0 }
        END { if (last != "") print last }'
}
clean() { # DEVICE TYPE: a check that only reads
    case "$2" in
    ext2 | ext3 | ext4)
        have e2fsck || { why="e2fsck is not installed"; return 1; }
        bounded e2fsck -fn "$1" >"/run/$MARK.check" 2>&1
        rc=$?
        why=$(grep -vE '^(e2fsck|Pass|Warning)' "/run/$MARK.check" 2>/dev/null | head -n 1)
        rm -f "/run/$MARK.check"
        [ "$rc" = 0 ] ;;
    xfs)
        have xfs_repair || { why="xfs_repair is not installed"; return 1; }
        why=$(bounded xfs_repair -n "$1" 2>&1 | head -n 1) && bounded xfs_repair -n "$1" >/dev/null 2>&1 ;;
    *) why="no check that only reads is known for $2"; return 1 ;;
    esac
}

found=no
for place in $places; do
    line=$(mount_of "$place") || continue
    # shellcheck disable=SC2086 # four words by construction
    set -- $line
    device=$1 type=$2 own=$3 super=$4
    read_only "$device" "$type" "$own" "$super" || continue
    found=yes
    case "$type" in
    iso9660 | squashfs | erofs | cramfs | romfs) note "$place is a $type, which is never writable"; continue ;;
    esac
    case "$super" in *shutdown*) fail "$place was shut down by the kernel: take a snapshot, then restart the instance for a check" ;; esac
    line=$(P="$place" awk '$1 !~ /^#/ && $2 == ENVIRON["P"] { print $4; exit }' "$ROOT/etc/fstab" 2>/dev/null)
    case ",$line," in *,ro,*) note "fstab mounts $place read-only: without a change there it is so again after a restart" ;; esac
    if [ -b "$device" ]; then
        seen=$(errors_on "$device" | tail -n 1)
        if [ -n "$seen" ]; then
            note "the kernel saw errors on $device: $seen"
            clean "$device" "$type" || fail "$place stays read-only, as its check is not clean${why:+ ($why)}: take a snapshot, then restart the instance for a repair by fsck"
            note "a check of $device that only reads finds it clean"
        fi
        if have blockdev && [ "$(blockdev --getro "$device" 2>/dev/null)" = 1 ]; then
            dmesg 2>/dev/null | grep -F "[${device##*/}]" | grep -q 'Write Protect is on' && fail "the disk $device itself takes no writes: look at the disk in the cloud console"
            blockdev --setrw "$device" || fail "the disk $device takes no writes: look at the disk in the cloud console"
            printf '%s\n' "$device" >>"/run/$MARK.devices"
            changed "$device takes writes"
        fi
    fi
    case ",$super," in
    *,ro,* | *,emergency_ro,*) how=whole ;;
    *) how=bind ;;
    esac
    if [ "$how" = bind ]; then
        bounded mount -n -o "remount,bind,$(kept "$own")rw" "$ROOT$place" 2>/dev/null
    else
        remount "$place" "$device" rw "$own"
    fi || fail "$place cannot be mounted writable: $(bounded mount -n -o remount,rw "$ROOT$place" 2>&1 | head -n 1)"
    # Written down in memory too: the record's own folder may have been read-only until now.
    printf '%s %s %s %s\n' "$place" "$device" "$own" "$how" >>"/run/$MARK.mounts" 2>/dev/null
    writes "$place" || fail "$place was mounted writable and still takes no file: take a snapshot, then restart the instance for a check"
    # shellcheck disable=SC2046 # four words by construction
    set -- $(mount_of "$place")
    ! read_only "$@" || fail "$place went read-only again at the first write: take a snapshot, then restart the instance for a check"
    changed "$place is writable, and a file was written there"
done
for list in mounts devices; do
    [ -s "/run/$MARK.$list" ] || continue
    keep_dir
    cat "/run/$MARK.$list" >>"$KEEP/$list" && rm -f "/run/$MARK.$list"
done
[ "$found" = yes ] || same "nothing that a login writes to is read-only"
finish
