# Has Remote Desktop listen at TCP port $Port: the port in the registry, a firewall rule for it named
# $Mark, and a restart of the service, which disconnects open sessions.
$server = 'HKLM:\SYSTEM\CurrentControlSet\Control\Terminal Server'
$places = @("$server\WinStations\RDP-Tcp", "$server\Wds\rdpwd\Tds\tcp")
function Restart-Desktop {
    Restart-Service -Name TermService -Force
    (Get-Service -Name TermService).WaitForStatus('Running', [TimeSpan]::FromSeconds(40))
    Changed 'restarted TermService: open sessions were disconnected'
}
function Read-Port([string]$Place) { return (Get-ItemProperty $Place -Name PortNumber -ErrorAction SilentlyContinue).PortNumber }
$rule = Get-NetFirewallRule -Name $Mark -ErrorAction SilentlyContinue
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'nothing was changed by this repair'; Finish }
    foreach ($number in 0, 1) {
        $was = @($kept.ports)[$number]
        if ($null -eq $was) { continue }
        if ((Read-Port $places[$number]) -ne $kept.set) { Note "the port in $($places[$number]) was changed since, and stays"; continue }
        Set-ItemProperty $places[$number] -Name PortNumber -Value $was
        Changed "the port in $($places[$number]) is $was again"
    }
    if ($rule) { Remove-NetFirewallRule -Name $Mark; Changed 'took the firewall rule away' }
    Restart-Desktop
    Clear-Kept
    Finish
}
$taken = @(netstat -ano -p tcp | Select-String "^\s*TCP\s+\S+:$Port\s+\S+\s+LISTENING")
$before = @($places | ForEach-Object { Read-Port $_ })
$ports = @($before | Where-Object { $null -ne $_ -and $_ -ne $Port })
if ($ports.Count -eq 0 -and $taken.Count -gt 0) { Same "Remote Desktop is set to port $Port, and something listens there"; Finish }
if ($ports.Count -gt 0 -and $taken.Count -gt 0) { Fail "another program listens at port $Port" }
Save-Kept @{ ports = $before; set = $Port }
foreach ($place in $places) {
    $was = Read-Port $place
    if ($null -ne $was -and $was -ne $Port) { Set-ItemProperty $place -Name PortNumber -Value $Port; Changed "the port in $place is $Port; it was $was" }
}
if (-not $rule) {
    New-NetFirewallRule -Name $Mark -DisplayName $Mark -Direction Inbound -Action Allow -Protocol TCP -LocalPort $Port -Profile Any | Out-Null
    Changed "a firewall rule lets TCP $Port in"
}
Restart-Desktop
for ($second = 0; $second -lt 20; $second++) {
    $taken = @(netstat -ano -p tcp | Select-String "^\s*TCP\s+\S+:$Port\s+\S+\s+LISTENING")
    if ($taken.Count -gt 0) { break }
    Start-Sleep -Seconds 1
}
if ($taken.Count -eq 0) { Fail "nothing listens at port $Port after the restart: take this back, or restart Windows" }
Finish
