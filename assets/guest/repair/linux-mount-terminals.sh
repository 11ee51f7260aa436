# Gives logins their terminals back: /dev/pts mounted, /dev/ptmx there and usable, and room for
# more terminals where all are taken. Sessions that are open keep theirs.
dev="$ROOT/dev"
pts="$dev/pts"
ptmx="$dev/ptmx"

# By the kind of file system that is seen there: a list of mounts shows hidden ones as well.
mounted() { [ "$(stat -f -c %t "$pts" 2>/dev/null)" = 1cd1 ]; }
# Opens a terminal as a login does; says its number.
opens() { (exec 9<>"$ptmx") 2>/dev/null; }
kernel=/proc/sys/kernel/pty
# By cat: a shell that reads byte by byte gets the first digit only.
number() { cat "$1" 2>/dev/null || echo 0; }
option() { awk -v d="$pts" '$2 == d { o = $4 } END { print o }' /proc/mounts; }

if [ "$MODE" = undo ]; then
    [ -d "$KEEP" ] || { same "nothing was changed by this repair"; finish; }
    if [ -e "$KEEP/limit" ]; then
        read -r old new <"$KEEP/limit"
        if [ "$(number $kernel/max)" = "$new" ]; then
            echo "$old" >$kernel/max && changed "the kernel allows $old terminals again"
        else
            note "the limit of terminals is no longer $new: somebody else set it, and it stays"
        fi
        rm -f "$KEEP/limit"
    fi
    if [ -e "$KEEP/options" ]; then
        mount -o "remount,$(cat "$KEEP/options")" "$pts" && rm -f "$KEEP/options" && changed "mounted $pts as it was before"
    fi
    if [ -e "$KEEP/mode" ]; then
        chmod "$(cat "$KEEP/mode")" "$ptmx" && rm -f "$KEEP/mode" && changed "put the mode of $ptmx back"
    fi
    if [ -e "$KEEP/made" ]; then
        rm -f "$ptmx" "$KEEP/made" && changed "took $ptmx away again"
        [ ! -e "$KEEP/aside" ] || { mv "$ptmx.$MARK" "$ptmx" && rm -f "$KEEP/aside" && changed "put the file $ptmx back"; }
    fi
    if [ -e "$KEEP/mounted" ]; then
        umount "$pts" 2>/dev/null || fail "$pts is in use by an open session: end it and take this back again"
        rm -f "$KEEP/mounted"
        changed "took the mount of $pts away again"
    fi
    if [ -e "$KEEP/folder" ]; then rmdir "$pts" && rm -f "$KEEP/folder" && changed "took the folder $pts away again"; fi
    rmdir "$KEEP" 2>/dev/null
    finish
fi

group=$(awk -F: '$1 == "tty" { print $3; exit }' "$ROOT/etc/group" 2>/dev/null)
if [ ! -d "$pts" ]; then
    keep_dir
    mkdir -m 755 "$pts" || fail "cannot make $pts"
    : >"$KEEP/folder"
    changed "made the folder $pts"
fi
if mounted; then
    same "$pts is mounted"
else
    keep_dir
    # A multiplexer that points into the mount must be usable there.
    inner=000
    [ ! -L "$ptmx" ] || inner=666
    mount -t devpts -o "rw,nosuid,noexec,gid=${group:-5},mode=620,ptmxmode=$inner" devpts "$pts" 2>/dev/null ||
        mount -t devpts -o "gid=${group:-5},mode=620" devpts "$pts" || fail "the kernel does not mount terminals at $pts"
    : >"$KEEP/mounted"
    changed "mounted the terminals at $pts"
fi

if [ ! -c "$ptmx" ]; then
    keep_dir
    if [ -e "$ptmx" ] || [ -L "$ptmx" ]; then
        mv "$ptmx" "$ptmx.$MARK" || fail "cannot set $ptmx aside"
        : >"$KEEP/aside"
        note "$ptmx was no terminal; it is now $ptmx.$MARK"
    fi
    : >"$KEEP/made"
    # Where no device may be made, a link into the mount does the same.
    if mknod -m 666 "$ptmx" c 5 2 2>/dev/null && opens; then
        chgrp "${group:-5}" "$ptmx" 2>/dev/null
    else
        rm -f "$ptmx"
        ln -s pts/ptmx "$ptmx" || fail "cannot make $ptmx"
    fi
    changed "made $ptmx"
fi
# What the name leads to: its own mode counts.
mode=$(stat -L -c %a "$ptmx" 2>/dev/null)
if [ -n "$mode" ] && [ "$mode" != 666 ]; then
    keep_dir
    [ -e "$KEEP/mode" ] || [ -e "$KEEP/made" ] || printf '%s\n' "$mode" >"$KEEP/mode"
    chmod 666 "$ptmx" || fail "cannot set the mode of $ptmx"
    changed "$ptmx has mode 666, which was $mode"
else
    same "$ptmx can be opened by every user"
fi

if ! opens; then
    # All taken: the mount's own limit, or the kernel's.
    most=$(option | tr ',' '\n' | sed -n 's/^max=//p')
    used=$(find "$pts" -maxdepth 1 -name '[0-9]*' 2>/dev/null | grep -c .)
    if [ -n "$most" ] && [ "$used" -ge "$most" ]; then
        keep_dir
        [ -e "$KEEP/options" ] || option >"$KEEP/options"
        more=$(option | sed "s/max=$most/max=$((most * 2 + 64))/")
        mount -o "remount,$more" "$pts" || fail "$pts allows $most terminals, all taken, and cannot be mounted with more: end sessions"
        changed "$pts allows $((most * 2 + 64)) terminals; it was $most, all taken"
    fi
    limit=$(number $kernel/max)
    if [ "$(($(number $kernel/nr) + $(number $kernel/reserve)))" -ge "$limit" ] && [ "$limit" -gt 0 ]; then
        keep_dir
        [ -e "$KEEP/limit" ] || printf '%s %s\n' "$limit" "$((limit * 2))" >"$KEEP/limit"
        echo $((limit * 2)) >$kernel/max || fail "the kernel allows $limit terminals, all taken, and takes no more: end sessions"
        changed "the kernel allows $((limit * 2)) terminals; it was $limit, all taken"
        note "who holds them: $(who 2>/dev/null | awk '{ n[$1]++ } END { for (u in n) printf "%s %d  ", u, n[u] }')"
    fi
fi
opens || fail "a terminal still cannot be opened at $ptmx: restart the instance"
same "a terminal can be opened"
finish
