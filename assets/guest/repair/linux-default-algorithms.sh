# Takes out the lines that narrow what the SSH service agrees on with a client or accepts as a key,
# so that its own defaults hold again.
if [ "$MODE" = undo ]; then
    put_back
    serve_again
    finish
fi
begin
drop Ciphers MACs KexAlgorithms HostKeyAlgorithms PubkeyAcceptedAlgorithms PubkeyAcceptedKeyTypes CASignatureAlgorithms HostbasedAcceptedAlgorithms HostbasedAcceptedKeyTypes RequiredRSASize
[ "$CHANGES" -gt 0 ] || same "no line of the configuration narrows the algorithms: the client asks for what this OpenSSH has no more"
serve
finish
