# Puts the program right that looks keys up (AuthorizedKeysCommand, AuthorizedPrincipalsCommand):
# it and every folder above it belong to root and nobody else may write them; and the way to the
# key files of ACCOUNT. A program that is gone or that itself fails is not replaced.
if [ "$MODE" = undo ]; then
    put_back
    serve_again
    finish
fi
named
begin
broken=
for kind in authorizedkeys authorizedprincipals; do
    all=$(effective)
    helper=$(printf '%s\n' "$all" | value "${kind}command" | awk '{ print $1 }')
    case $helper in /*) ;; *) continue ;; esac
    [ -e "$ROOT$helper" ] || { broken="$helper is not there: install what brings it, or put it back"; continue; }
    at=$(readlink -f "$ROOT$helper")
    while :; do
        # shellcheck disable=SC2046 # three words by construction
        set -- $(stat -c '%a %u %g' "$at")
        mode=$(bits "$1" 0 0)
        safe=$(bits "$1" 0022 0)
        # The account that runs it has to reach it and to run it.
        if [ -d "$at" ]; then
            safe=$(bits "$safe" 0 111)
        elif ! any "$1" 111; then
            safe=$(bits "$safe" 0 755)
        fi
        if [ "$safe" != "$mode" ] || [ "$2" != 0 ]; then
            owns "$at" "$safe" 0 "$3"
            changed "$at had mode $1 and owner $2, has $safe and 0"
        fi
        [ "$at" != / ] && [ "$at" != "$ROOT" ] || break
        at=$(dirname "$at")
    done
    user=$(printf '%s\n' "$all" | value "${kind}commanduser")
    if [ -z "$user" ] || [ "$user" = none ] || ! id "$user" >/dev/null 2>&1; then
        if id nobody >/dev/null 2>&1; then
            keep_dir
            drop "${kind}commanduser"
            on_top "$([ "$kind" = authorizedkeys ] && echo AuthorizedKeysCommandUser || echo AuthorizedPrincipalsCommandUser) nobody"
            user=nobody
        else
            broken="the account ${user:-that} runs $helper does not exist, and there is no nobody either: make it with useradd -r"
            continue
        fi
    fi
    # What it prints for the account, run as the service runs it; its words are not a secret, but only counted.
    words=$(printf '%s\n' "$all" | value "${kind}command" | awk '{ $1 = ""; print }')
    case $words in *%[!u]*) continue ;; esac
    set -f
    # shellcheck disable=SC2046,SC2086 # words of the option, %u replaced by a name that was checked
    set -- $(printf '%s\n' "$words" | U="$ACCOUNT" awk '{ while (i = index($0, "%u")) $0 = substr($0, 1, i - 1) ENVIRON["U"] substr($0, i + 2); print }')
    set +f
    [ "$#" -gt 0 ] || set -- "$ACCOUNT"
    # Without PAM, as the service does it.
    status=0
    if have setpriv; then
        bounded setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --clear-groups "$helper" "$@" >/dev/null 2>&1 </dev/null
        status=$?
    elif have python3; then
        bounded python3 -c 'import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1])); os.execv(sys.argv[3], sys.argv[3:])' "$(id -u "$user")" "$(id -g "$user")" "$helper" "$@" >/dev/null 2>&1 </dev/null
        status=$?
    fi
    [ "$status" = 0 ] || broken="$helper run for $ACCOUNT ends with status $status: mend the program, or what it asks"
done
all=$(effective)
[ "$(printf '%s\n' "$all" | value pubkeyauthentication)" != no ] || note "PubkeyAuthentication is no: guest-allow-user allows keys"
authorities=$(printf '%s\n' "$all" | value trustedusercakeys)
case $authorities in '' | none) ;; *) [ -r "$ROOT$authorities" ] || broken="the list of authorities $authorities is not there: put it back" ;; esac
account_files
[ "$CHANGES" -gt 0 ] || same "owners and modes are in order"
serve
[ -z "$broken" ] || fail "$broken"
finish
