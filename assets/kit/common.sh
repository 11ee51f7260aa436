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
hello() { # the identification in what a try printed, or how it ended
  b=$(printf '%s\n' "$1" | sed -n 's/.*remote software version //p;s/.*\(SSH-[0-9][^ ]*\).*/\1/p' | head -n 1)
  if [ -n "$b" ]; then put hello "$b"
  else case $1 in
    *reset*) put hello reset ;; *losed*) put hello closed ;; *"ot allowed"*|*axStartups*) put hello throttled ;;
    *nvalid*|*"rotocol"*) put hello other ;; *"timed out"*|*' was ended'*) put hello silent ;; esac; fi
}
desktop() { # a connection request of X.224, and what comes back
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
}
# {{say-sum}}
finish() { # the answer with its sum
  S='ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/=,+@-;'
  sum=$(printf %s "$B" | tr -d '\n' | awk -v S="$S" '{for(i=1;i<=length($0);i++){a=(a+index(S,substr($0,i,1)))%65521;b=(b+a)%65521}} END{print b "-" a}')
  printf 'cvmtop-kit 1;\n%scvmtop-kit end %s;\n' "$B" "$sum"
}
