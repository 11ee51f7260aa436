# Lets Remote Desktop make a new certificate: takes its own expired or broken one away, lets go of a
# chosen one that cannot be used, and restarts the service, which disconnects open sessions.
$listener = 'HKLM:\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp'
$store = 'Cert:\LocalMachine\Remote Desktop'
function Restart-Desktop {
    Restart-Service -Name TermService -Force
    (Get-Service -Name TermService).WaitForStatus('Running', [TimeSpan]::FromSeconds(40))
    Changed 'restarted TermService: open sessions were disconnected'
}
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'nothing was changed by this repair'; Finish }
    if ($kept.hash) {
        Set-ItemProperty $listener -Name SSLCertificateSHA1Hash -Value ([System.Convert]::FromBase64String($kept.hash))
        Changed 'the listener names the chosen certificate again'
        Restart-Desktop
    } else { Same 'the old certificate of the system is not put back: it could not be used' }
    Clear-Kept
    Finish
}
$now = Get-Date
$hash = (Get-ItemProperty $listener -Name SSLCertificateSHA1Hash -ErrorAction SilentlyContinue).SSLCertificateSHA1Hash
$chosen = $null
if ($hash) {
    $print = (@($hash | ForEach-Object { '{0:X2}' -f $_ })) -join ''
    $chosen = Get-ChildItem 'Cert:\LocalMachine\My', $store -ErrorAction SilentlyContinue | Where-Object { $_.Thumbprint -eq $print } | Select-Object -First 1
}
$letGo = $hash -and -not ($chosen -and $chosen.HasPrivateKey -and $chosen.NotAfter -gt $now -and $chosen.NotBefore -le $now)
$old = @(Get-ChildItem $store -ErrorAction SilentlyContinue | Where-Object { -not ($_.HasPrivateKey -and $_.NotAfter -gt $now -and $_.NotBefore -le $now) })
if (-not $letGo -and $old.Count -eq 0 -and (Get-ChildItem $store -ErrorAction SilentlyContinue)) {
    Same 'the certificate of Remote Desktop is in its time and has its key'
    Finish
}
$text = $null
if ($letGo) { $text = [System.Convert]::ToBase64String($hash) }
Save-Kept @{ hash = $text }
if ($letGo) {
    Remove-ItemProperty $listener -Name SSLCertificateSHA1Hash
    Changed 'the listener no longer names a certificate that cannot be used'
}
foreach ($one in $old) {
    Remove-Item $one.PSPath
    Changed "took the certificate of $($one.NotAfter) away"
}
Set-Service SessionEnv -StartupType Manual
Restart-Service -Name SessionEnv -Force
Restart-Desktop
$made = $null
for ($second = 0; $second -lt 20; $second++) {
    $made = Get-ChildItem $store -ErrorAction SilentlyContinue | Where-Object { $_.NotAfter -gt $now } | Select-Object -First 1
    if ($made) { break }
    Start-Sleep -Seconds 1
}
if (-not $made) { Fail 'no new certificate was made: look at the rights of C:\ProgramData\Microsoft\Crypto\RSA\MachineKeys' }
Note "the certificate holds until $($made.NotAfter)"
Finish
