#!/bin/sh
# Looks at the login port of another instance from here. It changes nothing and installs nothing.
P={{port}} K='{{kind}}' ID='{{id}}' W='{{neighbours}}' L='{{addresses}}'
case $K in ssh) G=$P ;; *) G= ;; esac
LC_ALL=C; export LC_ALL
{{common}}# An SSH server that did not greet at once is given as long as a slow one may take.
greet() {
  case $first in *SSH-[0-9]*|*"ot allowed"*|*axStartups*) return ;; esac
  t=$(now)
  case $how in
    bash) first=$(within 16 bash -c 'exec 3<>"/dev/tcp/$0/$1" && exec head -n 1 <&3' "$A" "$P") ;;
    nc) first=$(within 16 nc -w 15 "$A" "$P") ;;
    *) return ;;
  esac
  t=$(($(now) - t))
  # A line that is no identification, or none before the connection ended.
  case $first in
    *SSH-[0-9]*|*reset*|*"ot allowed"*|*axStartups*|*' was ended'*) ;;
    *[!\ ]*) first='Invalid' ;;
    *) first='closed' ;;
  esac
}
login() {
  t=$(now); tcp "$P"; first=$o; t=$(($(now) - t)); put tms $t; put tcp "$r"; put by $how
  [ "$r" = open ] || return
  if [ $K = ssh ]; then
    greet; hello "$first"
    # The others end by the clock, so only these tell how long it took.
    case $how in bash|python3) put hms $t ;; esac
  else desktop; fi
}
other() { tcp "$1"; put "n$1" "$r"; }
pings() {
  has ping || return
  o=$(within 6 ping -q -c 3 -W 2 "$A")
  put ping "$(printf '%s\n' "$o" | sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) .*received.*/\2\/\1/p')"
}
# One question beside the others, with a file of its own.
aside() { (T=$D/t$i; B=; "$@"; printf %s "$B" >"$D/$i") & i=$((i + 1)); }
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT; trap 'exit 1' INT TERM
i=100
for A in $L; do aside login; for q in $W; do aside other $q; done; aside pings; done
wait
i=100
for A in $L; do
  B=; put id "$ID"; put to "$A"; put port "$P"; put kind "$K"; put clock "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  for q in login $W pings; do
    B="$B$(cat "$D/$i" 2>/dev/null)
"; i=$((i + 1))
  done
  finish
done
