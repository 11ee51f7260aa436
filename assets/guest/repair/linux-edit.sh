# Files are changed through these only, so that the other mode puts back exactly what was.
# KEEP/list has a line for each file: its number, what was there (was, none, aside), its path.
# The first state is kept as NUMBER, what this repair left as NUMBER.left.
number_of() { F="$1" awk '{ p = $0; sub(/^[0-9]+ [a-z]+ /, "", p); if (p == ENVIRON["F"]) { print $1; exit } }' "$KEEP/list" 2>/dev/null; }
take() {
    keep_dir
    N=$(number_of "$1")
    [ -z "$N" ] || return 0
    N=1
    [ ! -e "$KEEP/list" ] || N=$(($(wc -l <"$KEEP/list") + 1))
    was=none
    if [ -e "$1" ]; then
        cp -p "$1" "$KEEP/$N" || fail "cannot keep a copy of $1 in $KEEP"
        was=was
    fi
    printf '%s %s %s\n' "$N" "$was" "$1" >>"$KEEP/list" || fail "cannot write $KEEP/list"
}
# What KEEP/new holds becomes the content of a file; owner, mode and links stay. False where it is so already.
write() {
    keep_dir
    if [ -e "$1" ] && cmp -s "$KEEP/new" "$1"; then return 1; fi
    take "$1"
    # Room is proved beside it first: a full disk must not leave half a file.
    { cp "$KEEP/new" "$1.cvmtop-new" && rm -f "$1.cvmtop-new"; } 2>/dev/null ||
        { rm -f "$1.cvmtop-new"; fail "cannot write next to $1 (is the disk full or read-only?)"; }
    [ -e "$1" ] || { : >"$1" && chmod 644 "$1"; }
    fixed=no
    if have lsattr && lsattr -d "$1" 2>/dev/null | cut -d' ' -f1 | grep -q i; then
        chattr -i "$1" && fixed=yes
    fi
    cat "$KEEP/new" >"$1" || fail "cannot write $1; what it held is $KEEP/$N"
    [ "$fixed" = no ] || chattr +i "$1"
    cp -p "$1" "$KEEP/$N.left" || fail "cannot write in $KEEP"
}
# A file goes out of the way, whole.
set_aside() {
    keep_dir
    N=1
    [ ! -e "$KEEP/list" ] || N=$(($(wc -l <"$KEEP/list") + 1))
    printf '%s aside %s\n' "$N" "$1" >>"$KEEP/list" || fail "cannot write $KEEP/list"
    mv "$1" "$KEEP/$N" || fail "cannot move $1 away"
}
# bits MODE CLEAR SET: a mode without some bits and with others. Not every shell reads 0755 as octal.
bits() {
    awk -v m="$1" -v c="$2" -v s="$3" 'BEGIN {
        m = sprintf("%04d", m); c = sprintf("%04d", c); s = sprintf("%04d", s); out = ""
        for (i = 1; i <= 4; i++) {
            d = 0
            for (b = 4; b >= 1; b /= 2) {
                of_m = int(substr(m, i, 1) / b) % 2; of_c = int(substr(c, i, 1) / b) % 2; of_s = int(substr(s, i, 1) / b) % 2
                if (of_s || of_m && !of_c) d += b
            }
            out = out d
        }
        sub(/^0/, "", out); print out }'
}
# any MODE BITS: true if one of them is set.
any() { [ "$(bits "$1" "$2" 0)" != "$(bits "$1" 0 0)" ]; }
# owns FILE MODE UID GID: the mode and owner it gets; what it had is written down first.
owns() {
    keep_dir
    printf '%s %s %s %s\n' "$(stat -c '%a %u %g' "$1")" "$2" "$3:$4" "$1" >>"$KEEP/modes" || fail "cannot write $KEEP/modes"
    { chown "$3:$4" "$1" && chmod "$2" "$1"; } || fail "cannot change $1 (is the file system read-only?)"
}
# A folder that was made; it goes again if nothing is in it.
folder() { keep_dir; mkdir -p "$1" && chmod 755 "$1" && printf '%s\n' "$1" >>"$KEEP/folders"; }
# Puts everything back, or nothing where somebody changed a file since.
put_back() {
    if [ -e "$KEEP/list" ]; then
        while read -r n was file; do
            [ "$was" != aside ] || { [ ! -e "$file" ] || fail "there is a new $file: what stood there is $KEEP/$n; nothing was put back"; continue; }
            if [ -e "$KEEP/$n.left" ] && ! cmp -s "$KEEP/$n.left" "$file"; then
                fail "$file was changed by somebody since: what it held before is $KEEP/$n; nothing was put back"
            fi
        done <"$KEEP/list"
        sort -rn "$KEEP/list" >"$KEEP/back"
        while read -r n was file; do
            case $was in
            aside) mv "$KEEP/$n" "$file" || fail "cannot put $file back" ;;
            none) rm -f "$file" || fail "cannot remove $file" ;;
            *)
                fixed=no
                if have lsattr && lsattr -d "$file" 2>/dev/null | cut -d' ' -f1 | grep -q i; then chattr -i "$file" && fixed=yes; fi
                cat "$KEEP/$n" >"$file" || fail "cannot write $file; what it held is $KEEP/$n"
                touch -r "$KEEP/$n" "$file"
                [ "$fixed" = no ] || chattr +i "$file"
                ;;
            esac
            rm -f "$KEEP/$n" "$KEEP/$n.left"
            changed "$file is as it was"
        done <"$KEEP/back"
        rm -f "$KEEP/list" "$KEEP/back" "$KEEP/new"
    fi
    if [ -e "$KEEP/modes" ]; then
        sed '1!G;h;$!d' "$KEEP/modes" >"$KEEP/back"
        while read -r mode uid gid now owner file; do
            [ -e "$file" ] || continue
            if [ "$(stat -c '%a %u:%g' "$file")" != "$now $owner" ]; then
                note "$file has another mode or owner by now and keeps it"
                continue
            fi
            chown "$uid:$gid" "$file" && chmod "$mode" "$file" && changed "$file has mode $mode and owner $uid:$gid again"
        done <"$KEEP/back"
        rm -f "$KEEP/modes" "$KEEP/back"
    fi
    if [ -e "$KEEP/folders" ]; then
        while IFS= read -r dir; do
            rmdir "$dir" 2>/dev/null && changed "removed $dir"
        done <"$KEEP/folders"
        rm -f "$KEEP/folders"
    fi
    fields_back
}
# Gives up and leaves everything as it was found.
give_up() {
    S=$CHANGES
    put_back
    CHANGES=$S
    fail "$*"
}
# field FILE NUMBER: a field of the account's line; the name is data, never a pattern.
field() { N="$ACCOUNT" awk -F: -v f="$2" '$1 == ENVIRON["N"] { print $f; exit }' "$1" 2>/dev/null; }
# set_field NUMBER VALUE: one field of the account's line in /etc/shadow. What it held is written
# down, and no copy of the file is kept: it would be one more thing to guard.
shadow="$ROOT/etc/shadow"
put_field() {
    keep_dir
    A="$ACCOUNT" F="$1" V="$2" awk -F: -v OFS=: '$1 == ENVIRON["A"] { $ENVIRON["F"] = ENVIRON["V"] } { print }' "$shadow" >"$KEEP/new" || fail "cannot read $shadow"
    { cp "$KEEP/new" "$shadow.cvmtop-new" && rm -f "$shadow.cvmtop-new"; } 2>/dev/null || { rm -f "$shadow.cvmtop-new" "$KEEP/new"; fail "cannot write next to $shadow (is the disk full or read-only?)"; }
    cat "$KEEP/new" >"$shadow" || fail "cannot write $shadow"
    rm -f "$KEEP/new"
    # A cache of accounts must not answer with what was.
    ! have nscd || nscd -i passwd >/dev/null 2>&1 || true
}
set_field() {
    keep_dir
    [ -n "$(field "$shadow" 1)" ] || fail "$ACCOUNT has no line in $shadow: its account comes from a directory, which decides"
    case $1 in
    2)
        # Of the password only what stands before the hash, or that there is none.
        old=$(field "$shadow" 2)
        case $old in '!'* | '*'*) old=$(printf '%s' "$old" | sed 's/[^!*].*//') ;; *) fail "a password is never replaced here" ;; esac
        ;;
    *) old=$(field "$shadow" "$1") ;;
    esac
    mark=$2
    [ "$1" != 2 ] || case $2 in '*') ;; *) mark=word ;; esac
    printf '%s:%s:%s\n' "$1" "$old" "$mark" >>"$KEEP/fields" || fail "cannot write $KEEP"
    put_field "$1" "$2"
}
fields_back() {
    [ -e "$KEEP/fields" ] || return 0
    sed '1!G;h;$!d' "$KEEP/fields" >"$KEEP/back"
    while IFS=: read -r number old mark; do
        now=$(field "$shadow" "$number")
        if [ "$mark" = word ]; then
            case $now in '!'* | '*'*) note "the password of $ACCOUNT is locked already" ;; *) put_field 2 "$old$now" && changed "the password of $ACCOUNT is locked again" ;; esac
        elif [ "$now" != "$mark" ]; then
            note "field $number of $ACCOUNT in $shadow was changed since and stays as it is"
        else
            put_field "$number" "$old"
            changed "field $number of $ACCOUNT in $shadow is ${old:-empty} again"
        fi
    done <"$KEEP/back"
    rm -f "$KEEP/fields" "$KEEP/back"
}
# A whole file that another tool is about to edit, and what that tool left.
left_by_tool() { cp -p "$1" "$KEEP/$(number_of "$1").left"; }
named() {
    case $ACCOUNT in '' | -*) fail "no account was named" ;; esac
    id "$ACCOUNT" >/dev/null 2>&1 || [ -n "$(field "$ROOT/etc/passwd" 1)" ] || fail "there is no account $ACCOUNT on this system"
}
