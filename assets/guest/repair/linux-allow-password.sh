# Lets ACCOUNT log in with its password, from SOURCE alone where it is known. Passwords of anybody
# else stay as they are.
if [ "$MODE" = undo ]; then
    put_back
    serve_again
    finish
fi
named
begin
case $(field "$ROOT/etc/shadow" 2) in
'') [ -z "$(field "$ROOT/etc/shadow" 1)" ] || fail "$ACCOUNT has no password: reset-password gives one" ;;
'!' | '!!' | '*' | '!*' | '*LK*') fail "$ACCOUNT has no password: reset-password gives one" ;;
'!'*) note "the password of $ACCOUNT is locked: guest-unlock-account unlocks it" ;;
esac
now() { printf '%s\n' "$all" | value "$1"; }
needs() {
    all=$(effective)
    [ -n "$all" ] || fail "sshd -T does not tell what holds for $ACCOUNT"
    lines=
    asks=no
    [ "$(now passwordauthentication)" = yes ] || lines='PasswordAuthentication yes'
    case $(now authenticationmethods) in
    '' | any | *publickey' 'password*) ;;
    publickey) lines="$lines${lines:+
}AuthenticationMethods publickey password" ;;
    *) note "AuthenticationMethods asks for more than a password: $(now authenticationmethods)" ;;
    esac
    if [ "$(id -u "$ACCOUNT" 2>/dev/null)" = 0 ] && [ "$(now permitrootlogin)" != yes ]; then
        lines="$lines${lines:+
}PermitRootLogin yes"
    fi
}
grant "takes the password of $ACCOUNT" "take the password of $ACCOUNT"
[ -n "$SOURCE" ] || note "a password that can be tried from anywhere invites guessing: give source=ADDRESS"
serve
finish
