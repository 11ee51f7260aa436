# Lets ACCOUNT forward connections through the SSH service, from SOURCE alone where it is known.
if [ "$MODE" = undo ]; then
    put_back
    serve_again
    finish
fi
named
begin
now() { printf '%s\n' "$all" | value "$1"; }
needs() {
    all=$(effective)
    [ -n "$all" ] || fail "sshd -T does not tell what holds for $ACCOUNT"
    lines=
    [ "$(now disableforwarding)" != yes ] || lines='DisableForwarding no'
    case $(now allowtcpforwarding) in yes | all) ;; *) lines="$lines${lines:+
}AllowTcpForwarding yes" ;; esac
    case $(now permitopen) in '' | any) ;; *) lines="$lines${lines:+
}PermitOpen any" ;; esac
}
grant "lets $ACCOUNT forward connections" "forward for $ACCOUNT"
note "a line of authorized_keys with restrict or no-port-forwarding still forbids it for that key"
serve
finish
