# Keeps the SSH service from asking for the client's name before it goes on.
if [ "$MODE" = undo ]; then
    put_back
    serve_again
    finish
fi
begin
if [ "$("$sshd" -T -f "$conf" 2>/dev/null | value usedns)" = no ]; then
    same "UseDNS is no already: what is slow is elsewhere (/etc/resolv.conf, PAM)"
    serve
    finish
fi
keep_dir
config_files >"$KEEP/files"
names=no
while IFS= read -r f; do
    [ ! -f "$f" ] || ! grep -Eiq '^[[:space:]]*(match[[:space:]].*host[[:space:]]|(allow|deny)users[[:space:]].*@[^[:space:]]*[a-z])' "$f" || names=$f
done <"$KEEP/files"
rm -f "$KEEP/files"
[ "$names" = no ] || fail "$names names hosts, which need the look-up: repair the resolver in /etc/resolv.conf instead"
on_top 'UseDNS no'
[ "$("$sshd" -T -f "$conf" 2>/dev/null | value usedns)" = no ] || give_up "UseDNS would still hold, so everything is as it was"
serve
finish
