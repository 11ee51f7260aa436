# Puts the SSH service in order so that it starts and lets ACCOUNT's keys count: a library forced
# on every program, the folder and the account without rights, owners and modes, host keys, and
# lines of the configuration that sshd -t names. Then the service takes it up, or is started.
if [ "$MODE" = undo ]; then
    stop_again
    if [ -e "$KEEP/keys" ]; then
        while IFS= read -r file; do
            rm -f "$file" "$file.pub" && changed "removed $file"
        done <"$KEEP/keys"
        rm -f "$KEEP/keys"
    fi
    put_back
    serve_again
    finish
fi
if [ -z "$sshd" ] && [ -n "$shut" ]; then
    owns "$shut" 755 0 0
    sshd=$shut
    changed "$shut may be run again"
fi
[ -n "$sshd" ] || fail "no sshd is installed: install the package openssh-server"
[ -d "$etc" ] || { mkdir -p "$etc" && chmod 755 "$etc" && changed "made $etc"; }

# A library that the loader puts into every program, from a file that is gone or of no package.
preload="$ROOT/etc/ld.so.preload"
of_a_package() {
    real=$(readlink -f "$1")
    if have dpkg; then dpkg -S "$1" >/dev/null 2>&1 || dpkg -S "$real" >/dev/null 2>&1
    elif have rpm; then rpm -qf "$real" >/dev/null 2>&1
    elif have apk; then apk info --who-owns "$real" >/dev/null 2>&1
    else return 0; fi
}
if [ -s "$preload" ]; then
    keep_dir
    foreign=
    : >"$KEEP/new"
    sed 's/#.*//' "$preload" | tr ' :\t' '\n\n\n' | grep . >"$KEEP/libraries"
    while IFS= read -r library; do
        case $library in
        */*) if [ -e "$ROOT$library" ] && of_a_package "$ROOT$library"; then printf '%s\n' "$library" >>"$KEEP/new"; else foreign="$foreign $library"; fi ;;
        *) printf '%s\n' "$library" >>"$KEEP/new" ;;
        esac
    done <"$KEEP/libraries"
    rm -f "$KEEP/libraries"
    if [ -n "$foreign" ]; then
        if [ -s "$KEEP/new" ]; then write "$preload"; else set_aside "$preload"; fi
        changed "/etc/ld.so.preload forces no foreign library any more:$foreign"
        note "whoever put it there may have changed more: look at$foreign before this system is trusted"
    fi
fi

# want FILE MODE FORBIDDEN: owner root and none of the FORBIDDEN permission bits, else MODE.
want() {
    [ -e "$1" ] || return 0
    mode=$(stat -c '%a' "$1") && owner=$(stat -c '%u' "$1") || return 0
    if [ "$owner" = 0 ] && ! any "$mode" "$3"; then
        return 0
    fi
    owns "$1" "$2" 0 "$(stat -c '%g' "$1")"
    changed "$1 had mode $mode and owner $owner, has $2 and 0"
}
want "$etc" 755 022
keep_dir
config_files >"$KEEP/configs"
while IFS= read -r file; do
    want "$file" 600 022
done <"$KEEP/configs"
# The service enters these without rights of its own, so others may pass.
for dir in "$ROOT/var/empty" "$ROOT/var/empty/sshd" "$ROOT/var/lib/empty" "$ROOT/run/sshd"; do
    want "$dir" 711 022
done
# The account that the service leaves its rights for.
if [ -z "$ROOT" ] && ! id sshd >/dev/null 2>&1 && "$sshd" -t -f "$conf" 2>&1 | grep -q 'user sshd does not exist'; then
    shell=/usr/sbin/nologin
    [ -e "$shell" ] || shell=/sbin/nologin
    number=74
    while getent passwd "$number" >/dev/null 2>&1 || grep -q "^[^:]*:[^:]*:$number:" /etc/passwd /etc/group; do number=$((number + 1)); done
    printf 'sshd:x:%s:%s:Privilege-separated SSH:/run/sshd:%s\n' "$number" "$number" "$shell" >"$KEEP/tail"
    { cat /etc/passwd "$KEEP/tail" >"$KEEP/new" && write /etc/passwd; } || fail "the account sshd is missing and could not be made"
    if ! grep -q '^sshd:' /etc/group; then printf 'sshd:x:%s:\n' "$number" | cat /etc/group - >"$KEEP/new" && write /etc/group; fi
    rm -f "$KEEP/tail"
    changed "made the account sshd, for which the service leaves its rights"
fi

# Host keys: those that the configuration names, else the usual ones.
named_keys() {
    while IFS= read -r f; do
        [ ! -f "$f" ] || awk 'tolower($1) == "hostkey" { gsub(/"/, ""); print $2 }' "$f"
    done <"$KEEP/configs"
}
keys=$(named_keys | sort -u)
named=yes
[ -n "$keys" ] || named=no
[ -n "$keys" ] || keys=$(for type in rsa ecdsa ed25519; do printf '%s\n' "${etc#"$ROOT"}/ssh_host_${type}_key"; done)
printf '%s\n' "$keys" | while IFS= read -r key; do
    case $key in "$ROOT"/*) ;; *) key=$ROOT$key ;; esac
    printf '%s\n' "$key"
done >"$KEEP/wanted"
usable=no
: >"$KEEP/missing"
while IFS= read -r key; do
    case $key in *.pub) continue ;; esac
    if [ -s "$key" ]; then
        # Some distributions ship 640 with a group of its own, and their sshd accepts that.
        [ "$(stat -c '%a %u %G' "$key")" = "640 0 ssh_keys" ] || want "$key" 600 077
        want "$key.pub" 644 022
        if ssh-keygen -y -P '' -f "$key" </dev/null >/dev/null 2>&1; then
            usable=yes
            continue
        fi
    fi
    for old in "$key" "$key.pub"; do [ ! -e "$old" ] || set_aside "$old"; done
    printf '%s\n' "$key" >>"$KEEP/missing"
done <"$KEEP/wanted"
# One that is in order will do where the configuration names none.
if [ "$named" = yes ] || [ "$usable" = no ]; then
    while IFS= read -r key; do
        case $key in *ecdsa*) type=ecdsa ;; *rsa*) type=rsa ;; *dsa*) continue ;; *) type=ed25519 ;; esac
        if [ -d "$(dirname "$key")" ] && ssh-keygen -q -t "$type" -N '' -C '' -f "$key" </dev/null >/dev/null 2>&1; then
            chmod 644 "$key.pub"
            printf '%s\n' "$key" >>"$KEEP/keys"
            changed "made the host key $key; clients that knew an older one will warn"
        else
            note "no $type host key could be made at $key"
        fi
    done <"$KEEP/missing"
fi
rm -f "$KEEP/wanted" "$KEEP/configs" "$KEEP/missing"

# Lines that the service's own test names are commented out, one after the other. A Match line
# takes its block with it, or the block would hold for everybody.
comment() {
    L="$2" M="$MARK" awk '
        NR == ENVIRON["L"] { bad = 1; block = tolower($0) ~ /^[ \t]*match[ \t="]/ ; print "# " ENVIRON["M"] ": " $0; next }
        block && tolower($0) ~ /^[ \t]*match[ \t="]/ { block = 0 }
        block { print "# " ENVIRON["M"] ": " $0; next }
        { print }
        END { exit !bad }' "$1" >"$KEEP/new"
}
[ -e "$conf" ] || lost=yes
rounds=0
while [ "${lost:-no}" = no ] && ! passes; do
    rounds=$((rounds + 1))
    [ "$rounds" -le 40 ] || break
    printf '%s\n' "$report" | tr -d '\r' | sed -n 's/^\(.*[^:]\):\{0,1\} line \([0-9][0-9]*\): \(.*\)$/\2 \1/p' | grep -v ' command-line$' | head -n 1 >"$KEEP/line"
    read -r number file <"$KEEP/line" || break
    [ -f "$file" ] || break
    comment "$file" "$number" || break
    line=$(sed -n "${number}p" "$file")
    case $line in "# $MARK"*) break ;; esac
    write "$file" || break
    changed "$file: commented line $number out: $line"
done
rm -f "$KEEP/line"
if [ "${lost:-no}" = yes ] || ! passes; then
    # Not one line: the last good copy beside it, else what the package brought.
    [ "${lost:-no}" = yes ] || told
    good=
    # Newest first by the names that tools and people give.
    for file in $(ls -t "$conf".rpmsave "$conf".rpmorig "$conf".dpkg-old "$conf".dpkg-bak "$conf".ucf-old "$conf"~ "$conf".bak "$conf".bak* "$conf".backup* "$conf".orig* "$conf".old* "$conf".save* "$conf".good* "$conf".[0-9]* "$conf"-* "$conf"_* 2>/dev/null) \
        "$conf".dpkg-dist "$conf".rpmnew "$conf".ucf-dist "$ROOT/usr/share/openssh/sshd_config" "$ROOT/usr/share/ssh/sshd_config" "$ROOT/usr/etc/ssh/sshd_config"; do
        [ -s "$file" ] || continue
        if "$sshd" -t -f "$file" >/dev/null 2>&1; then good=$file; break; fi
    done
    keep_dir
    if [ -n "$good" ]; then
        cat "$good" >"$KEEP/new"
    else
        good="the service's own defaults"
        printf '# %s: no good copy was found\nUsePAM yes\nSubsystem sftp internal-sftp\n' "$MARK" >"$KEEP/new"
    fi
    write "$conf" && changed "$conf is now a copy of $good"
    passes || { told; give_up "sshd -t still refuses the configuration, and everything is as it was: mend what is named above"; }
fi
account_files
serve
finish
