# Mends the PAM stack that a login over SSH goes through: a file that is gone comes back, a module
# that is not there or cannot be loaded is left out, a path that is wrong is put right, and a jump
# that ends on a refusal ends after it. What is left out never counts as a yes.
pam="$ROOT/etc/pam.d"
if [ "$MODE" = undo ]; then
    put_back
    [ "$CHANGES" -gt 0 ] || same "nothing was changed by this repair"
    finish
fi
[ -d "$pam" ] || fail "there is no $pam: reinstall the system's PAM package"
# Where the system's own modules lie.
dirs=$(for d in /lib/*/security /usr/lib/*/security /lib/security /lib64/security /usr/lib64/security /usr/lib/security; do [ ! -e "$ROOT$d/pam_unix.so" ] || readlink -f "$ROOT$d"; done | awk '!seen[$0]++')
[ -n "$dirs" ] || fail "pam_unix.so is nowhere: reinstall the system's PAM package"

# copy_of NAME: the last good copy beside a file, else one that a package or this text can give.
copy_of() {
    for c in "$pam/$1".rpmsave "$pam/$1".dpkg-old "$pam/$1".pam-old "$pam/$1".bak "$pam/$1"~ "$pam/$1".orig "$pam/$1".old "$pam/$1".rpmnew "$pam/$1".dpkg-dist "$ROOT/usr/lib/pam.d/$1" "$ROOT/usr/etc/pam.d/$1" "$ROOT/etc/authselect/$1"; do
        if [ -s "$c" ] && grep -q pam_ "$c"; then cat "$c"; return; fi
    done
    case $1 in
    sshd)
        if [ -e "$pam/common-auth" ] || [ -e "$ROOT/usr/share/pam/common-auth" ]; then
            printf '%s\n' '@include common-auth' 'account required pam_nologin.so' '@include common-account' 'session required pam_loginuid.so' '@include common-session' '@include common-password'
        elif [ -e "$pam/password-auth" ]; then
            printf '%s\n' 'auth substack password-auth' 'account required pam_nologin.so' 'account include password-auth' 'password include password-auth' 'session required pam_loginuid.so' 'session include password-auth'
        elif [ -e "$pam/base-auth" ]; then
            printf '%s\n' 'auth include base-auth' 'account include base-account' 'password include base-password' 'session include base-session'
        elif [ -e "$pam/system-auth" ]; then
            printf '%s\n' 'auth include system-auth' 'account required pam_nologin.so' 'account include system-auth' 'password include system-auth' 'session include system-auth'
        else
            printf '%s\n' 'auth required pam_unix.so' 'account required pam_nologin.so' 'account required pam_unix.so' 'password required pam_unix.so' 'session required pam_unix.so'
        fi
        ;;
    *auth*) case $1 in
        common-auth | base-auth) printf '%s\n' 'auth required pam_unix.so' ;;
        *) printf '%s\n' 'auth required pam_unix.so' 'account required pam_unix.so' 'password required pam_unix.so' 'session required pam_unix.so' ;;
        esac ;;
    *account*) printf '%s\n' 'account required pam_unix.so' ;;
    *password*) printf '%s\n' 'password required pam_unix.so' ;;
    *session*) printf '%s\n' 'session required pam_unix.so' ;;
    *) return 1 ;;
    esac
}
# A stack as Debian's own tool makes it from the package's profiles.
by_tool() {
    case $1 in common-*) ;; *) return 1 ;; esac
    [ -z "$ROOT" ] && have pam-auth-update && [ -s "/usr/share/pam/$1" ] || return 1
    for c in auth account password session session-noninteractive; do take "$pam/common-$c"; take "$pam/common-$c.pam-old"; done
    DEBIAN_FRONTEND=noninteractive bounded pam-auth-update --package --force >/dev/null 2>&1 </dev/null
    for c in auth account password session session-noninteractive; do
        for f in "$pam/common-$c" "$pam/common-$c.pam-old"; do [ ! -e "$f" ] || left_by_tool "$f"; done
    done
    [ -s "$pam/$1" ] && grep -q pam_unix "$pam/$1" || return 1
    changed "pam-auth-update made $1 and its like anew from the package"
}
rules() { sed 's/#.*//' "$1" 2>/dev/null | grep -q '[^[:space:]]'; }
restore() {
    by_tool "$1" && return 0
    keep_dir
    copy_of "$1" >"$KEEP/new" || return 1
    write "$pam/$1" && changed "$pam/$1 was gone or empty and is back"
}

mend() {
    f="$pam/$1"
    # Names and paths of modules that are there and can be loaded.
    good=
    for m in $(sed 's/#.*//' "$f" | tr ' \t' '\n\n' | grep '\.so$' | sort -u); do
        case $m in
        /*) real=$ROOT$m ;;
        *) real=; for d in $dirs; do [ ! -e "$d/$m" ] || { real=$d/$m; break; }; done ;;
        esac
        if [ -n "$real" ] && [ -s "$real" ] && ! { have ldd && ldd -r "$real" 2>&1 | grep -Eq 'not found|not a dynamic|invalid ELF|file too short|undefined symbol: [^p]'; }; then good="$good $m"; fi
        b=${m##*/}
        for d in $dirs; do [ ! -s "$d/$b" ] || good="$good base:$b"; done
    done
    keep_dir
    G="$good " M="$MARK" awk '
        function left_out(type) { print "# " ENVIRON["M"] ": " $0; print type " [default=ignore] pam_permit.so # " ENVIRON["M"]; hit = 1 }
        { line = $0; sub(/#.*/, "", line); sub(/\r$/, "", line); sub(/^[ \t]+/, "", line) }
        line == "" || line ~ /^@include/ { print; next }
        {
            type = line; sub(/[ \t].*/, "", type); bare = type; sub(/^-/, "", bare); bare = tolower(bare)
            rest = substr(line, length(type) + 1); sub(/^[ \t]+/, "", rest)
            if (bare !~ /^(auth|account|password|session)$/) { print "# " ENVIRON["M"] ": " $0; hit = 1; next }
            if (rest ~ /^\[/) { control = rest; sub(/\].*/, "]", control) } else { control = rest; sub(/[ \t].*/, "", control) }
            rest = substr(rest, length(control) + 1); sub(/^[ \t]+/, "", rest)
            module = rest; sub(/[ \t].*/, "", module)
            if (control == "include" || control == "substack") { print; next }
            if (control !~ /^\[/ && control !~ /^(required|requisite|sufficient|optional)$/) { left_out(bare); next }
            if (index(ENVIRON["G"], " " module " ")) { print; next }
            base = module; sub(/.*\//, "", base)
            if (module != base && index(ENVIRON["G"], " base:" base " ")) { print "# " ENVIRON["M"] ": " $0; at = index($0, module); print substr($0, 1, at - 1) base substr($0, at + length(module)); hit = 1; next }
            if (type ~ /^-/) { print; next }
            left_out(bare)
        }
        END { exit !hit }' "$f" >"$KEEP/new" && write "$f" && changed "$f: modules that are not there or cannot be loaded no longer count"
    # A jump of whoever was right has to end after the refusal, and a plain refusal for everybody goes.
    M="$MARK" OWN="$1" awk '
        { text[NR] = $0; line = $0; sub(/#.*/, "", line); sub(/^[ \t]*-?/, "", line); split(line, w, /[ \t]+/); kind[NR] = w[1]; deny[NR] = line ~ /pam_deny\.so/; permit[NR] = line ~ /pam_permit\.so/
          if (kind[NR] ~ /^(auth|account|password|session)$/) { c[kind[NR]]++; order[kind[NR], c[kind[NR]]] = NR } }
        END {
            for (t in c) for (i = 1; i <= c[t]; i++) {
                at = order[t, i]
                if (match(text[at], /success=[0-9]+/) && text[at] ~ /pam_(unix|sss|ldap|winbind|krb5)\.so/) {
                    jump = substr(text[at], RSTART + 8, RLENGTH - 8) + 0
                    for (j = i + 1; j <= c[t] && !deny[order[t, j]]; j++);
                    if (j <= c[t]) { ends[order[t, j]] = 1; if (jump != j - i && (i + jump + 1 > c[t] || i + jump < j)) { text[at] = substr(text[at], 1, RSTART - 1) "success=" (j - i) substr(text[at], RSTART + RLENGTH); hit = 1 } }
                }
                if (text[at] ~ /sufficient/ && !deny[at]) before[t] = 1
                if (text[at] ~ /\[[^]]*(success=[0-9]+|default=[0-9]+|success=done)/) before[t] = 1
                if (deny[at] && !before[t] && text[at] ~ /(required|requisite)/) { text[at] = "# " ENVIRON["M"] ": " text[at]; hit = 1 }
            }
            for (i = 1; i <= NR; i++) print text[i]
            exit !hit
        }' "$f" >"$KEEP/new" && write "$f" && changed "$f: a refusal that met everybody no longer does"
}

# Lines that ask for a file of which nothing is left.
without() {
    for n in $seen; do
        [ -f "$pam/$n" ] || continue
        keep_dir
        X="$1" M="$MARK" awk '
            { line = $0; sub(/#.*/, "", line); sub(/^[ \t]*-?/, "", line); split(line, w, /[ \t]+/) }
            (w[1] == "@include" && w[2] == ENVIRON["X"]) || ((w[2] == "include" || w[2] == "substack") && w[3] == ENVIRON["X"]) {
                print "# " ENVIRON["M"] ": " $0
                if (w[1] != "@include") print w[1] " [default=ignore] pam_permit.so # " ENVIRON["M"]
                hit = 1; next
            }
            { print }
            END { exit !hit }' "$pam/$n" >"$KEEP/new" || continue
        write "$pam/$n" && changed "$pam/$n: left $1 out, which is gone and of which no copy was found"
    done
}

seen=
todo=sshd
while [ -n "$todo" ]; do
    next=
    for name in $todo; do
        case " $seen " in *" $name "*) continue ;; esac
        seen="$seen $name"
        case $name in */* | .*) note "$name is a file elsewhere and stays as it is"; continue ;; esac
        rules "$pam/$name" || restore "$name" || {
            without "$name"
            continue
        }
        mend "$name"
        next="$next $(sed 's/#.*//' "$pam/$name" | awk '$1 == "@include" { print $2 } $2 == "include" || $2 == "substack" { print $3 }')"
    done
    todo=$(printf '%s' "$next" | tr '\n' ' ' | sed 's/^ *//; s/ *$//')
done
# The proof that can be had: somewhere in the stack the password is really looked at.
found=no
for name in $seen; do
    sed 's/#.*//' "$pam/$name" 2>/dev/null | grep -Eq '^[[:space:]]*auth.*pam_(unix|sss|ldap|winbind|krb5|systemd_home)\.so' && found=yes
done
if [ "$found" = no ]; then
    name=sshd
    for n in $seen; do case $n in *auth*) name=$n ;; esac; done
    by_tool "$name" || {
        keep_dir
        { cat "$pam/$name" && printf '# %s\nauth required pam_unix.so\n' "$MARK"; } >"$KEEP/new"
        write "$pam/$name" && changed "$pam/$name asks for the password again"
    }
fi
[ "$CHANGES" -gt 0 ] || same "every module of the stack is there and can be loaded"
finish
