# Lets more connections wait for their login at once, and lets SOURCE be exempt from penalties where
# it is known. What waits now is let go when the service takes this up.
if [ "$MODE" = undo ]; then
    put_back
    serve_again
    finish
fi
begin
now() { "$sshd" -T -f "$conf" 2>/dev/null | value "$1"; }
lines=
add() { lines="$lines${lines:+
}$1"; }
old=$(now maxstartups)
first=${old%%:*}
full=${old##*:}
if [ "${first:-10}" -lt 100 ] || [ "${full:-100}" -lt 200 ]; then
    [ "${first:-10}" -gt 100 ] || first=100
    [ "${full:-100}" -gt 300 ] || full=300
    add "MaxStartups $first:30:$full"
fi
case $(now persourcemaxstartups) in '' | none) ;; *) add 'PerSourceMaxStartups none' ;; esac
case $(now logingracetime) in 0) add 'LoginGraceTime 60' ;; esac
if [ -n "$SOURCE" ] && [ -n "$(now persourcepenalties)" ] && [ "$(now persourcepenalties)" != no ] && [ "$(now persourcepenaltyexemptlist)" != "$SOURCE" ]; then
    old=$(now persourcepenaltyexemptlist)
    case ",$old," in *",$SOURCE,"*) ;; ,, | ,none,) add "PerSourcePenaltyExemptList $SOURCE" ;; *) add "PerSourcePenaltyExemptList $old,$SOURCE" ;; esac
fi
if [ -z "$lines" ]; then
    same "the service lets as many wait as it should"
else
    # Of some of these the last line counts in some versions, so there is one only.
    # shellcheck disable=SC2046 # keywords, one a line
    drop $(printf '%s\n' "$lines" | cut -d' ' -f1)
    on_top "$lines"
    [ "$(now maxstartups | cut -d: -f1)" -ge 100 ] || give_up "MaxStartups would still be $(now maxstartups), so everything is as it was"
    note "restrict the port's sources in the security group as well: whoever fills the service now comes again"
fi
serve
finish
