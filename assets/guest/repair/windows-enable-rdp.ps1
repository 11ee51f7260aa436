# Enables Remote Desktop: the two registry switches, the service, and the system's own firewall
# rules for it. Network Level Authentication and the port stay as they are.
$server = 'HKLM:\SYSTEM\CurrentControlSet\Control\Terminal Server'
$listener = "$server\WinStations\RDP-Tcp"
# The rules' group by its resource id, which is the same in every language of Windows.
$group = '@FirewallAPI.dll,-28752'
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'nothing was changed by this repair'; Finish }
    foreach ($name in @($kept.rules)) { if ($name) { Disable-NetFirewallRule -Name $name; Changed "disabled the firewall rule $name again" } }
    Set-ItemProperty $listener -Name fEnableWinStation -Value $kept.listener
    Set-ItemProperty $server -Name fDenyTSConnections -Value $kept.deny
    if ($kept.startMode -eq 'Disabled') { Set-Service TermService -StartupType Disabled }
    Changed 'put the registry switches and the start type back'
    Clear-Kept
    Finish
}
$deny = (Get-ItemProperty $server -Name fDenyTSConnections).fDenyTSConnections
$enabled = (Get-ItemProperty $listener -Name fEnableWinStation -ErrorAction SilentlyContinue).fEnableWinStation
if ($null -eq $enabled) { $enabled = 1 }
$startMode = (Get-WmiObject Win32_Service -Filter "Name='TermService'").StartMode
$off = @(Get-NetFirewallRule -Group $group -ErrorAction SilentlyContinue | Where-Object { $_.Enabled -ne 'True' } | ForEach-Object { $_.Name })
Save-Kept @{ deny = $deny; listener = $enabled; startMode = $startMode; rules = $off }
if ($deny -ne 0) { Set-ItemProperty $server -Name fDenyTSConnections -Value 0; Changed 'fDenyTSConnections is 0' } else { Same 'connections are allowed' }
if ($enabled -ne 1) { Set-ItemProperty $listener -Name fEnableWinStation -Value 1; Changed 'fEnableWinStation is 1' } else { Same 'the listener is on' }
if ($startMode -eq 'Disabled') { Set-Service TermService -StartupType Manual; Changed 'TermService may start' }
if ((Get-Service TermService).Status -ne 'Running') { Start-Service TermService; Changed 'started TermService' } else { Same 'TermService runs' }
foreach ($name in $off) { Enable-NetFirewallRule -Name $name; Changed "enabled the firewall rule $name" }
Finish
