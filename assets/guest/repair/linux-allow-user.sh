# Lets ACCOUNT pass the lists and switches of the SSH service, from SOURCE alone where it is known:
# AllowUsers, DenyUsers and their groups, PermitRootLogin, keys that are switched off, too few
# tries, owners and modes on the way to the keys. What holds for anybody else stays.
if [ "$MODE" = undo ]; then
    put_back
    serve_again
    finish
fi
named
begin
now() { printf '%s\n' "$all" | value "$1"; }
lines=
add() { lines="$lines${lines:+
}$1"; }
# The lines that the account needs, by what holds for it.
needs() {
    all=$(effective)
    [ -n "$all" ] || fail "sshd -T does not tell what holds for $ACCOUNT"
    lines=
    printf '%s\n' "$all" | grep -q '^denyusers ' && add 'DenyUsers !*'
    printf '%s\n' "$all" | grep -q '^allowusers ' && add "AllowUsers $ACCOUNT"
    printf '%s\n' "$all" | grep -q '^denygroups ' && add 'DenyGroups !*'
    printf '%s\n' "$all" | grep -q '^allowgroups ' && add 'AllowGroups *'
    if [ "$(id -u "$ACCOUNT" 2>/dev/null)" = 0 ]; then
        root=$(now permitrootlogin)
        hash=$(field "$ROOT/etc/shadow" 2)
        case $hash in '' | '!'* | '*'*) wanted_root=prohibit-password ;; *) wanted_root=yes ;; esac
        case $root in
        yes) ;;
        without-password | prohibit-password) [ "$wanted_root" = prohibit-password ] || add 'PermitRootLogin yes' ;;
        *) add "PermitRootLogin $wanted_root" ;;
        esac
    fi
    [ "$(now pubkeyauthentication)" != no ] || add 'PubkeyAuthentication yes'
    case $(now authenticationmethods) in
    password | keyboard-interactive | 'keyboard-interactive password' | 'password keyboard-interactive') add 'AuthenticationMethods publickey password keyboard-interactive' ;;
    esac
    tries=$(now maxauthtries)
    [ -z "$tries" ] || [ "$tries" -ge 6 ] || add 'MaxAuthTries 6'
}
needs
# True for a line whose effect is there.
has() { printf '%s\n' "$all" | K="$1" W="$2" awk '$1 == ENVIRON["K"] { sub(/^[^ ]+ /, ""); if ($0 == ENVIRON["W"]) hit = 1; else other = 1 } END { exit !(ENVIRON["K"] ~ /^allow/ ? hit : hit && !other) }'; }
fits() {
    case $1 in
    'DenyUsers !*') has denyusers '!*' ;;
    "AllowUsers $ACCOUNT") has allowusers "$ACCOUNT" ;;
    'DenyGroups !*') has denygroups '!*' ;;
    'AllowGroups *') has allowgroups '*' ;;
    *) return 1 ;;
    esac
}
# Lists of several blocks that fit are taken together. A block with a list is therefore cut in two:
# one for the account without the list, one for everybody else as it was.
split_blocks() {
    keep_dir
    config_files >"$KEEP/files"
    while IFS= read -r f; do
        [ -f "$f" ] || continue
        A="$ACCOUNT" M="$MARK" awk '
            function flush(  i) {
                if (lists) {
                    all = tolower(head) ~ /^[ \t]*match[ \t="]+all[ \t"]*$/
                    print "# " ENVIRON["M"] ": the block below for this account, without its lists"
                    print (all ? "Match" : head) " User " ENVIRON["A"]
                    for (i = 1; i <= n; i++) if (!list[i]) print body[i]
                    print (all ? "Match" : head) " User *,!" ENVIRON["A"]
                    hit = 1
                } else print head
                for (i = 1; i <= n; i++) print body[i]
            }
            tolower($0) ~ /^[ \t]*match[ \t="]/ { if (on) flush(); on = 1; n = 0; lists = 0; head = $0; sub(/[ \t]*(#.*)?\r?$/, "", head); own = prior ~ ENVIRON["M"]; prior = $0; next }
            { prior = $0 }
            !on { print; next }
            { body[++n] = $0; list[n] = tolower($0) ~ /^[ \t]*"?(allow|deny)(users|groups)[ \t="]/; if (list[n] && !own) lists = 1 }
            END { if (on) flush(); exit !hit }' "$f" >"$KEEP/new" || continue
        write "$f" && changed "$f: cut the blocks with lists in two, one of them for $ACCOUNT"
    done <"$KEEP/files"
    rm -f "$KEEP/files"
}
open() {
    left=$(printf '%s\n' "$lines" | while IFS= read -r line; do [ -z "$line" ] || fits "$line" || printf '%s\n' "$line"; done)
    [ -z "$left" ]
}
if open; then
    same "no list and no switch of the SSH service shuts $ACCOUNT out"
else
    wanted_lines=$lines
    for_account "$lines"
    needs
    if ! open && printf '%s\n' "$left" | grep -Eq '^(Allow|Deny)'; then
        split_blocks
        needs
    fi
    if ! open; then
        lines=$wanted_lines
        for_account_first
        needs
    fi
    open || give_up "the service would still shut $ACCOUNT out ($(printf '%s' "$left" | tr '\n' ';')), so everything is as it was: look for a Match block that fits before it"
    changed "$conf: $(printf '%s' "$wanted_lines" | tr '\n' ';') for $who"
fi
# Without PAM the service itself refuses a locked password, keys or not.
if [ "$(now usepam)" = no ]; then
    case $(field "$ROOT/etc/shadow" 2) in
    '!' | '!!')
        set_field 2 '*'
        changed "$ACCOUNT has no password, as before, but is not locked any more: keys count"
        ;;
    esac
fi
account_files
methods=$(now authenticationmethods)
case $methods in '' | any | 'publickey password'*) ;; *) note "AuthenticationMethods asks for $methods" ;; esac
serve
finish
