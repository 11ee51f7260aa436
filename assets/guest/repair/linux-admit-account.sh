# Lets ACCOUNT through what keeps people out after a right credential: nologin files, and the lines
# of pam_access, pam_time, pam_listfile, pam_succeed_if, pam_securetty and the limit of sessions
# that are in its way. For this account alone, from SOURCE where it is known.
pam="$ROOT/etc/pam.d"
if [ "$MODE" = undo ]; then
    put_back
    [ "$CHANGES" -gt 0 ] || same "nothing was changed by this repair"
    finish
fi
named
uid=$(id -u "$ACCOUNT" 2>/dev/null || field "$ROOT/etc/passwd" 3)
groups=" $(id -Gn "$ACCOUNT" 2>/dev/null) "

if [ "$uid" != 0 ]; then
    case $(systemctl is-system-running 2>/dev/null) in stopping) fail "the system is shutting down" ;; esac
    for file in /etc/nologin /run/nologin /var/run/nologin $(cat "$pam"/* 2>/dev/null | sed 's/#.*//' | grep pam_nologin | tr ' \t' '\n\n' | sed -n 's/^file=//p'); do
        [ -e "$ROOT$file" ] || continue
        set_aside "$ROOT$file"
        changed "moved $file away, which let only root in"
        [ "$file" = /etc/nologin ] || note "the system makes $file while it starts or stops: see whether its start came to an end (systemctl list-jobs)"
    done
fi

# The files of the stack that a login over SSH goes through.
stack=sshd
new=sshd
for level in 1 2 3 4; do
    more=$(for f in $new; do
        sed 's/#.*//' "$pam/$f" 2>/dev/null | awk '$1 == "@include" { print $2 } $2 == "include" || $2 == "substack" { print $3 }'
    done)
    [ -n "$more" ] || break
    stack="$stack $more"
    new=$more
done
stack=$(printf '%s\n' $stack | sed 's!.*/!!' | awk '!seen[$0]++')

# jump FILE MODULE WHAT: in front of each line that may refuse by that module and has WHAT in it,
# one that passes over it for this account. Nobody else notices.
jump() {
    keep_dir
    A="$ACCOUNT" M="$MARK" MOD="$2" WHAT="$3" awk '
        { line = $0; sub(/#.*/, "", line) }
        line ~ "^[ \t]*-?(auth|account|session)[ \t]+(required|requisite)[ \t]+[^ \t]*" ENVIRON["MOD"] && (ENVIRON["WHAT"] == "" || index(line, ENVIRON["WHAT"])) && prior !~ ENVIRON["M"] {
            split(line, w, /[ \t]+/); type = w[1] == "" ? w[2] : w[1]; sub(/^-/, "", type)
            print type " [success=1 default=ignore] pam_succeed_if.so quiet user = " ENVIRON["A"] " # " ENVIRON["M"]
            hit = 1
        }
        { print; prior = $0 }
        END { exit !hit }' "$pam/$1" >"$KEEP/new" || return 0
    write "$pam/$1" && changed "$pam/$1: $2 is passed over for $ACCOUNT"
}
uses() { grep -qs "^[^#]*$1" "$pam/$2"; }
for file in $stack; do
    [ -f "$pam/$file" ] || continue
    # The first line of its table that fits decides.
    if uses pam_access "$file"; then
        table=$(sed 's/#.*//' "$pam/$file" | grep pam_access | tr ' \t' '\n\n' | sed -n 's/^accessfile=//p' | head -n 1)
        table=$ROOT${table:-/etc/security/access.conf}
        mine="+:$ACCOUNT:${SOURCE:-ALL}"
        if [ -s "$table" ] && grep -q '^[[:space:]]*-' "$table" && ! grep -qxF "$mine" "$table"; then
            keep_dir
            { printf '# %s\n%s\n' "$MARK" "$mine" && cat "$table"; } >"$KEEP/new"
            write "$table" && changed "$table: $mine comes first"
        fi
    fi
    # Every line that fits has to let in, so those that name the account are to fit others only.
    table="$ROOT/etc/security/time.conf"
    if uses pam_time "$file" && [ -s "$table" ]; then
        keep_dir
        A="$ACCOUNT" M="$MARK" awk -F';' '
            /^[ \t]*#/ || NF < 4 { print; next }
            {
                s = $1; u = $3; gsub(/[ \t]/, "", s); gsub(/[ \t]/, "", u)
                if (!(s == "*" || s ~ /sshd/) || index(u, "!" ENVIRON["A"])) { print; next }
                if (u == ENVIRON["A"]) { print "# " ENVIRON["M"] ": " $0; hit = 1; next }
                if (u == "*") { $3 = "!" ENVIRON["A"]; OFS = ";"; print "# " ENVIRON["M"] ": the next line no longer fits " ENVIRON["A"]; $1 = $1; print; hit = 1; next }
                n = split(u, p, "|"); out = ""; cut = 0
                for (i = 1; i <= n; i++) if (p[i] == ENVIRON["A"]) cut = 1; else out = out (out == "" ? "" : "|") p[i]
                if (cut && u !~ /[&!]/) { OFS = ";"; $3 = out; $1 = $1; print; hit = 1; next }
                print
            }
            END { exit !hit }' "$table" >"$KEEP/new" && write "$table" && changed "$table: its times no longer hold for $ACCOUNT"
    fi
    # Lists of accounts; of other things, the line is passed over for this account.
    if uses pam_listfile "$file"; then
        keep_dir
        sed 's/#.*//' "$pam/$file" | grep pam_listfile >"$KEEP/lists"
        while IFS= read -r line; do
            list=$(printf '%s\n' "$line" | tr ' \t' '\n\n' | sed -n 's/^file=//p' | head -n 1)
            case " $line " in
            *' item=user '*)
                case " $line " in
                *' sense=allow '*)
                    [ -e "$ROOT$list" ] || { jump "$file" pam_listfile "$list"; continue; }
                    if ! grep -qxF "$ACCOUNT" "$ROOT$list"; then
                        { awk '{ print }' "$ROOT$list" && printf '%s\n' "$ACCOUNT"; } >"$KEEP/new"
                        write "$ROOT$list" && changed "$list names $ACCOUNT, so it is let in"
                    fi
                    ;;
                *)
                    if [ -e "$ROOT$list" ] && grep -qxF "$ACCOUNT" "$ROOT$list"; then
                        grep -vxF "$ACCOUNT" "$ROOT$list" >"$KEEP/new"
                        write "$ROOT$list" && changed "$list no longer names $ACCOUNT, so it is not shut out"
                    fi
                    ;;
                esac
                ;;
            *) jump "$file" pam_listfile "$list" ;;
            esac
        done <"$KEEP/lists"
        rm -f "$KEEP/lists"
    fi
    # What comes after the password was right by pam_unix does not matter there.
    if uses pam_succeed_if "$file" && ! sed 's/#.*//' "$pam/$file" | awk '$1 ~ /auth/ && /sufficient/ && /pam_unix/ { unix = 1 } $1 ~ /auth/ && ($2 == "required" || $2 == "requisite") && /pam_succeed_if/ && unix { f = 1 } END { exit !f }'; then
        jump "$file" pam_succeed_if ""
    fi
    if uses pam_shells "$file"; then
        shell=$(field "$ROOT/etc/passwd" 7)
        case $shell in '' | */nologin | */false) ;; *)
            if [ -x "$ROOT$shell" ] && ! grep -qxF "$shell" "$ROOT/etc/shells" 2>/dev/null; then
                keep_dir
                { cat "$ROOT/etc/shells" 2>/dev/null || true; printf '%s\n' "$shell"; } >"$KEEP/new"
                write "$ROOT/etc/shells" && changed "/etc/shells names $shell, the shell of $ACCOUNT"
            fi
            ;;
        esac
    fi
    [ "$uid" != 0 ] || jump "$file" pam_securetty ""
    jump "$file" pam_wheel ""
done

# A limit of sessions: a line of its own for the account, after all others.
limited=no
for file in "$ROOT/etc/security/limits.conf" "$ROOT"/etc/security/limits.d/*.conf; do
    [ -f "$file" ] || continue
    A="$ACCOUNT" G="$groups" awk '
        { line = $0; sub(/#.*/, "", line); n = split(line, w, /[ \t]+/); at = w[1] == "" ? 2 : 1; who = w[at]; item = w[at + 2] }
        item == "maxlogins" || item == "maxsyslogins" { if (who == "*" || who == "%" || who == ENVIRON["A"] || (who ~ /^[@%]/ && index(ENVIRON["G"], " " substr(who, 2) " "))) f = 1 }
        END { exit !f }' "$file" && limited=yes
done
own="$ROOT/etc/security/limits.d/zz-$MARK.conf"
if [ "$limited" = yes ] && [ ! -e "$own" ]; then
    [ -d "$ROOT/etc/security/limits.d" ] || folder "$ROOT/etc/security/limits.d"
    keep_dir
    printf '# %s\n%s - maxlogins unlimited\n%s - maxsyslogins unlimited\n' "$MARK" "$ACCOUNT" "$ACCOUNT" >"$KEEP/new"
    write "$own" && changed "$own: no limit of sessions for $ACCOUNT"
fi
[ "$CHANGES" -gt 0 ] || same "nothing that this repair knows keeps $ACCOUNT out"
finish
