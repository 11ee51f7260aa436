#!/bin/sh
# {{what}}
# {{safe}}
# {{how}}
A='{{address}}' P={{port}} K='{{kind}}' ID='{{id}}' W='{{neighbours}}'
[ -z "${ZSH_VERSION-}" ] || emulate sh
case $K in ssh) G=$P ;; *) G= ;; esac
LC_ALL=C; export LC_ALL
N=$*
if [ -z "$N" ] && [ -t 0 ]; then printf '%s ' '{{ask}}' >&2; read -r N; fi
T=$(mktemp) || exit 1
trap 'rm -f "$T"' EXIT; trap 'exit 1' INT TERM
{{common}}put id "$ID"; put to "$A"; put port "$P"; put kind "$K"
put clock "$(date -u +%Y-%m-%dT%H:%M:%SZ)"; put os "$(uname -sr)"
# {{say-way}}
if has ip; then
  o=$(ip route get "$A" 2>&1)
  put src "$(printf '%s\n' "$o" | sed -n 's/.* src \([^ ]*\).*/\1/p' | head -n 1)"
  put dev "$(printf '%s\n' "$o" | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)"
elif has route && has ifconfig; then
  d=$(route -n get "$A" 2>/dev/null | sed -n 's/.*interface: //p'); put dev "$d"
  [ -z "$d" ] || put src "$(ifconfig "$d" | sed -n 's/.*inet \([0-9.]*\).*/\1/p' | head -n 1)"
fi
for v in http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY; do
  eval "x=\${$v-}"; [ -n "$x" ] || continue
  x=${x##*@}; x=${x#*://}; put "env-${v%_*}" "${x%%/*}"
done
# {{say-name}}
H=${N##* }; H=${H##*@}; g=
if has ssh; then put ver "$(within 3 ssh -V)"; [ -z "$N" ] || g=$(within 3 ssh -G $N); fi
conf() { printf '%s\n' "$g" | sed -n "s/^$1 //p" | head -n 1; }
pc=
case $g in
  *hostname*)
    H=$(conf hostname); put gport "$(conf port)"; put user "$(conf user)"
    put only "$(conf identitiesonly)"; put keys "$(printf '%s\n' "$g" | grep -c '^identityfile ')"
    pj=$(conf proxyjump); pc=$(conf proxycommand)
    put jump "$([ -z "$pj" ] && echo no || echo yes)"; put command "$([ -z "${pc#none}" ] && echo no || echo yes)"
    case ,$(conf pubkeyacceptedalgorithms), in *,ssh-rsa,*) put rsa yes ;; ,,) ;; *) put rsa no ;; esac ;;
esac
case $H in
  '') ;;
  *[!0-9.:a-fA-F]*|*[g-z]*)
    t=$(now); o=
    if has getent; then o=$(within 8 getent ahosts "$H" | awk '{print $1}' | sort -u | head -n 4)
    else o=$(within 8 ping -c 1 "$H" | sed -n 's/^PING [^(]*(\([0-9a-fA-F.:]*\)).*/\1/p'); fi
    case $o in *[0-9]*) put dns "$(echo $o | tr ' ' ,)" ;; *) put dns failed ;; esac
    put dms $(($(now) - t)) ;;
  *) put dest "$H" ;;
esac
# {{say-port}}
t=$(now); tcp "$P"; first=$o; put tms $(($(now) - t)); put tcp "$r"; put by $how; one=$r
tcp "$P"; put tcp2 "$r"
case $one$r in
*open*)
  if [ $K = ssh ]; then
    t=$(now); if has ssh; then o=$(within 20 $SSH -p "$P" "kit@$A" true); else o=$first; fi; t=$(($(now) - t))
    hello "$o"
    if has ssh && [ -n "$b" ]; then case $o in
      *"erver host key"*|*"key verification"*) put kex common ;; *"o matching"*) put kex none ;;
      *"timed out"*|*' was ended'*) put kex hang ;; *reset*|*losed*) put kex closed ;; esac; fi
    put hms $t
  else
    desktop
  fi ;;
esac
if [ -n "${pc#none}" ] && has ssh; then
  o=$(within 15 ssh -v -o BatchMode=yes -o ConnectTimeout=8 -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null $N true)
  case $o in *"remote software version"*) put via works ;; *) put via fails ;; esac
fi
for q in $W; do tcp $q; put "n$q" "$r"; done
# {{say-size}}
if has ping; then
  case $(uname) in Darwin) df=-D w=2000 ;; *) df='-M do' w=2 ;; esac
  o=$(within 20 ping -q -c 20 -i 0.25 -W $w "$A")
  case $o in *transmitted*) ;; *) o=$(within 9 ping -q -c 4 "$A") ;; esac
  put ping "$(printf '%s\n' "$o" | sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) .*received.*/\2\/\1/p')"
  put rtt "$(printf '%s\n' "$o" | sed -n 's/.*= *[0-9.]*\/\([0-9.]*\)\/.*/\1/p')"
  m=
  for s in 1472 1372 1252; do
    o=$(within 7 ping $df -c 2 -W $w -s $s "$A")
    case $o in *' 0 '*received*) a=n ;; *received*) a=y ;; *) a=u ;; esac
    case $o in *"too long"*|*"rag needed"*|*mtu*) a=b ;; esac
    m="$m$s$a,"; [ $a != y ] || break
  done
  put mtu "${m%,}"
fi
echo '{{copy}}' >&2
finish
