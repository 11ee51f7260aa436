# Lets TCP port $Port in through the Windows firewall, from $Source or everyone when empty.
# One allow rule named $Mark. Rules that block are named, not touched: a block wins over an allow.
$rule = Get-NetFirewallRule -Name $Mark -ErrorAction SilentlyContinue
if ($Mode -eq 'undo') {
    if ($rule) { Remove-NetFirewallRule -Name $Mark; Changed 'took the rule away' } else { Same 'there is no rule of this repair' }
    Finish
}
if ($rule) { Same 'the rule is already there' }
else {
    $remote = if ($Source) { $Source } else { 'Any' }
    New-NetFirewallRule -Name $Mark -DisplayName $Mark -Direction Inbound -Action Allow -Protocol TCP -LocalPort $Port -RemoteAddress $remote -Profile Any | Out-Null
    Changed "allowed TCP $Port from $remote"
}
$blocking = Get-NetFirewallRule -Direction Inbound -Action Block -Enabled True -ErrorAction SilentlyContinue | Where-Object {
    $ports = ($_ | Get-NetFirewallPortFilter)
    ($ports.Protocol -in @('TCP', 'Any')) -and ($ports.LocalPort -contains "$Port" -or $ports.LocalPort -eq 'Any')
} | Select-Object -First 5
foreach ($one in $blocking) { Note "an enabled rule blocks this port and wins: $($one.DisplayName)" }
Finish
