# Lets the server side of Windows speak TLS 1.2. Other versions stay as they are. Remote Desktop restarts,
# which disconnects open sessions.
$protocol = 'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2'
$key = "$protocol\Server"
$wanted = @{ Enabled = 1; DisabledByDefault = 0 }
function Restart-Desktop {
    Restart-Service -Name TermService -Force
    (Get-Service -Name TermService).WaitForStatus('Running', [TimeSpan]::FromSeconds(40))
    Changed 'restarted TermService: open sessions were disconnected'
}
function Read-Value([string]$Name) { return (Get-ItemProperty $key -Name $Name -ErrorAction SilentlyContinue).$Name }
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'nothing was changed by this repair'; Finish }
    foreach ($name in 'Enabled', 'DisabledByDefault') {
        if ((Read-Value $name) -ne $wanted[$name]) { Note "$name was changed since, and stays"; continue }
        if ($null -eq $kept.$name) { Remove-ItemProperty $key -Name $name } else { Set-ItemProperty $key -Name $name -Value $kept.$name }
        Changed "$name of TLS 1.2 is as it was"
    }
    if (-not $kept.server) { Remove-Item $key }
    if (-not $kept.protocol) { Remove-Item $protocol }
    Restart-Desktop
    Clear-Kept
    Finish
}
$wrong = @($wanted.Keys | Where-Object { $null -ne (Read-Value $_) -and (Read-Value $_) -ne $wanted[$_] })
if ($wrong.Count -eq 0 -and $null -ne (Read-Value 'Enabled')) { Same 'TLS 1.2 is enabled for the server'; Finish }
Save-Kept @{ Enabled = (Read-Value 'Enabled'); DisabledByDefault = (Read-Value 'DisabledByDefault'); server = (Test-Path $key); protocol = (Test-Path $protocol) }
if (-not (Test-Path $protocol)) { New-Item -Path $protocol | Out-Null }
if (-not (Test-Path $key)) { New-Item -Path $key | Out-Null }
foreach ($name in 'Enabled', 'DisabledByDefault') {
    Set-ItemProperty $key -Name $name -Value $wanted[$name] -Type DWord
    Changed "$name of TLS 1.2 is $($wanted[$name])"
}
Restart-Desktop
Note 'some versions of Windows read this at their start only: restart the instance where the login still fails'
Finish
