# Sets login logs aside that have grown beyond LIMIT bytes, under a name beside them, and puts
# empty ones with the same owner and mode in their place. Nothing is deleted.
for name in btmp wtmp lastlog faillog tallylog; do
    log="$ROOT/var/log/$name"
    aside="$log.$MARK"
    if [ "$MODE" = undo ]; then
        [ -e "$aside" ] || continue
        if [ -s "$log" ] && [ "$name" != lastlog ] && [ "$name" != tallylog ] && [ "$name" != faillog ]; then
            cat "$log" >>"$aside" || fail "cannot append to $aside"
        fi
        mv "$aside" "$log" && changed "put $log back"
        continue
    fi
    [ -f "$log" ] || continue
    # Room on the disk, not length: lastlog is sparse and looks huge without being so.
    size=$(($(stat -c '%b' "$log") * 512))
    if [ "$size" -le "$LIMIT" ]; then
        same "$log takes $size bytes"
        continue
    fi
    [ -e "$aside" ] && { same "$aside is already there"; continue; }
    mv "$log" "$aside" || fail "cannot rename $log"
    : >"$log"
    chown --reference="$aside" "$log" && chmod --reference="$aside" "$log"
    changed "$log took $size bytes; it is now $aside"
done
[ "$MODE" = apply ] && [ "$CHANGES" -gt 0 ] && note "the space is free only once the file set aside is moved away or deleted"
finish
