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
has() { command -v "$1" >/dev/null 2>&1; }
# A command for so many seconds at most; what it says, and whether it was ended. It goes through a
# file, so that nothing that the command leaves behind can hold this up.
within() {
  s=$1; shift
  { "$@" >"$T" 2>&1 & p=$!
    sh -c 'sleep $0; kill $1' "$s" "$p" >/dev/null 2>&1 & w=$!
    wait "$p"; [ $? -le 128 ] || echo ' was ended' >>"$T"
    kill "$w"; } 2>/dev/null </dev/null
  cat "$T"
}
# Milliseconds, shortened so that every shell can count them.
now() {
  n=$(date +%s%N 2>/dev/null); case $n in *[!0-9]*) n= ;; esac
  [ ${#n} -ge 19 ] || n=$(date +%s)000000000
  n=${n%??????}; echo "1${n#????}"
}
B=
put() { # KEY VALUE: letters, digits and a few signs only, so that it survives a chat
  v=$(printf %s "$2" | tr '_ ' '--' | tr -cd 'A-Za-z0-9.:/=,+@-' | cut -c 1-90)
  [ -z "$v" ] || B="$B$1=$v;
"
}
# How a connection ended, by what a program said of it; nothing where it does not tell.
word() {
  case $1 in
    *refused*) echo refused ;;
    *"not permitted"*|*"ermission denied"*) echo denied ;;
    *unreachable*|*"No route"*|*prohibited*) echo no-way ;;
    *' open'*|*succeeded*|*onnected*|*"Connection established"*) echo open ;;
    *"timed out"*|*"imeout was"*) echo silent ;;
  esac
}
SSH='ssh -v -F /dev/null -o BatchMode=yes -o ConnectTimeout=8 -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null'
PY='import socket,sys
try: s=socket.create_connection(sys.argv[1:],4); print(" open"); s.settimeout(3); print(s.recv(99))
except Exception as e: print(e)'
# One connection, by whatever is there to make it.
tcp() {
  for by in bash nc curl python3 ssh; do
    has $by || continue
    case $by in
      bash) o=$(within 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && echo " open" && [ "$1" = "$2" ] && exec head -n 1 <&3' "$A" "$1" "$G")
        case $o in *' open'*) ;; *' was ended'*) o='timed out' ;; esac ;;
      nc) o=$(within 5 nc -v -w 4 "$A" "$1")
        case $o in *sage:*) o=$(within 6 nc -w 4 "$A" "$1")
          case $o in ''|*' was ended'*|SSH-*) o="$o open" ;; esac ;; esac ;;
      curl) case $A in *:*) u="[$A]" ;; *) u=$A ;; esac
        o=$(within 5 curl -sv -m 4 "telnet://$u:$1") ;;
      python3) o=$(within 8 python3 -c "$PY" "$A" "$1") ;;
      ssh) o=$(within 9 $SSH -p "$1" "kit@$A" true) ;;
    esac
    r=$(word "$o")
    how=$by
    [ -z "$r" ] || return 0
  done
  r=unknown how=none
}
put id "$ID"; put to "$A"; put port "$P"; put kind "$K"
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
    b=$(printf '%s\n' "$o" | sed -n 's/.*remote software version //p;s/.*\(SSH-[0-9][^ ]*\).*/\1/p' | head -n 1)
    if [ -n "$b" ]; then put hello "$b"
    else case $o in
      *reset*) put hello reset ;; *losed*) put hello closed ;; *"ot allowed"*|*axStartups*) put hello throttled ;;
      *nvalid*|*"rotocol"*) put hello other ;; *"timed out"*|*' was ended'*) put hello silent ;; esac; fi
    if has ssh && [ -n "$b" ]; then case $o in
      *"erver host key"*|*"key verification"*) put kex common ;; *"o matching"*) put kex none ;;
      *"timed out"*|*' was ended'*) put kex hang ;; *reset*|*losed*) put kex closed ;; esac; fi
    put hms $t
  else
    x='printf "\003\000\000\023\016\340\000\000\000\000\000\001\000\010\000\003\000\000\000"'
    t=$(now) h=; : >"$T"
    if has bash; then within 6 bash -c "exec 3<>/dev/tcp/$A/$P; $x >&3; exec head -c 19 <&3"; h=$(($(now) - t))
    elif has nc; then within 6 sh -c "($x; sleep 3) | nc -w 4 $A $P"
    elif has curl; then within 6 sh -c "($x; sleep 3) | curl -s -m 4 telnet://$A:$P"; fi >/dev/null
    # The others end by the clock, so only the first tells how long it took.
    put hms "$h"
    x=$(od -An -v -tx1 "$T" | tr -d ' \n' | cut -c 1-38)
    case $x in
      0300*) put x224 "$x" ;;
      '') put x224 closed ;;
      *) if grep -q reset "$T"; then put x224 reset; elif grep -q 'was ended' "$T"; then put x224 silent; else put x224 "$x"; fi ;;
    esac
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
# {{say-sum}}
S='ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/=,+@-;'
sum=$(printf %s "$B" | tr -d '\n' | awk -v S="$S" '{for(i=1;i<=length($0);i++){a=(a+index(S,substr($0,i,1)))%65521;b=(b+a)%65521}} END{print b "-" a}')
echo '{{copy}}' >&2
printf 'cvmtop-kit 1;\n%scvmtop-kit end %s;\n' "$B" "$sum"
