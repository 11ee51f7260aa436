# {{what}} #
# {{safe}} #
# {{how}} #
param([string]$Name = '')
$A = '{{address}}'; $P = {{port}}; $K = '{{kind}}'; $Id = '{{id}}'; $W = '{{neighbours}}' -split ' '
if (-not $Name -and [Environment]::UserInteractive) { $Name = Read-Host '{{ask}} ' }
$Body = New-Object System.Text.StringBuilder
# Letters, digits and a few signs only, so that it survives a chat. #
function Put($Key, $Value) {
    $Text = ("$Value" -replace '[_ ]', '-') -replace '[^A-Za-z0-9.:/=,+@-]', ''
    if ($Text.Length -gt 90) { $Text = $Text.Substring(0, 90) }
    if ($Text) { [void]$Body.Append("$Key=$Text;") }
}
# One connection; what comes back after so many bytes were sent, if any are asked for. #
function Open-Port($Port, $Send, $Bytes) {
    $Is = @{ Word = 'unknown'; Hello = ''; Ms = 0 }
    $Clock = [Diagnostics.Stopwatch]::StartNew()
    $Client = New-Object Net.Sockets.TcpClient ([Net.IPAddress]::Parse($A).AddressFamily)
    try {
        $Try = $Client.BeginConnect($A, [int]$Port, $null, $null)
        if (-not $Try.AsyncWaitHandle.WaitOne(4000)) { $Is.Word = 'silent'; return $Is }
        $Client.EndConnect($Try)
        $Is.Word = 'open'
        if (-not $Bytes) { return $Is }
        $Stream = $Client.GetStream(); $Stream.ReadTimeout = 8000
        if ($Send) { $Stream.Write($Send, 0, $Send.Length) }
        $Buffer = New-Object byte[] $Bytes
        try {
            $Got = $Stream.Read($Buffer, 0, $Bytes)
            if ($Got -eq 0) { $Is.Hello = 'closed' }
            elseif ($Send) { $Is.Hello = -join ($Buffer[0..($Got - 1)] | ForEach-Object { $_.ToString('x2') }) }
            else { $Is.Hello = ([Text.Encoding]::ASCII.GetString($Buffer, 0, $Got) -split '[\r\n ]')[0] }
        } catch {
            $Why = $_.Exception
            while ($Why.InnerException) { $Why = $Why.InnerException }
            if ("$($Why.SocketErrorCode)" -eq 'ConnectionReset') { $Is.Hello = 'reset' } else { $Is.Hello = 'silent' }
        }
    } catch {
        $Why = $_.Exception
        while ($Why.InnerException) { $Why = $Why.InnerException }
        switch ("$($Why.SocketErrorCode)") {
            'ConnectionRefused' { $Is.Word = 'refused' }
            'TimedOut' { $Is.Word = 'silent' }
            'HostUnreachable' { $Is.Word = 'no-way' }
            'NetworkUnreachable' { $Is.Word = 'no-way' }
            'AccessDenied' { $Is.Word = 'denied' }
        }
    } finally { $Is.Ms = $Clock.ElapsedMilliseconds; $Client.Close() }
    return $Is
}
Put 'id' $Id; Put 'to' $A; Put 'port' $P; Put 'kind' $K
Put 'clock' ((Get-Date).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ'))
Put 'os' ([Environment]::OSVersion.VersionString)
# {{say-way}} #
try {
    $Udp = New-Object Net.Sockets.UdpClient ([Net.IPAddress]::Parse($A).AddressFamily)
    $Udp.Connect($A, 9); Put 'src' $Udp.Client.LocalEndPoint.Address; $Udp.Close()
} catch { Put 'src' '' }
foreach ($Variable in 'http_proxy', 'https_proxy', 'all_proxy') {
    $Value = [Environment]::GetEnvironmentVariable($Variable)
    if ($Value) { Put ('env-' + ($Variable -replace '_.*$', '')) ((($Value -replace '^.*@', '') -replace '^[a-z0-9]+://', '') -replace '/.*$', '') }
}
$System = Get-ItemProperty 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Internet Settings' -ErrorAction SilentlyContinue
if ($System -and $System.ProxyEnable) { Put 'env-system' (($System.ProxyServer -replace '^.*@', '') -replace '/.*$', '') }
# {{say-name}} #
$Ssh = Get-Command ssh -ErrorAction SilentlyContinue
$Target = (($Name -split ' ')[-1] -replace '^.*@', '')
if ($Ssh) { Put 'ver' (& ssh -V 2>&1 | Select-Object -First 1) }
if ($Ssh -and $Name -and $K -eq 'ssh') {
    $Words = $Name -split ' '
    $Conf = @{}; $Keys = 0
    & ssh -G @Words 2>$null | ForEach-Object {
        $Pair = "$_" -split ' ', 2
        if ($Pair[0] -eq 'identityfile') { $Keys++ } elseif ($Pair.Length -eq 2 -and -not $Conf.ContainsKey($Pair[0])) { $Conf[$Pair[0]] = $Pair[1] }
    }
    if ($Conf['hostname']) {
        $Target = $Conf['hostname']
        Put 'gport' $Conf['port']; Put 'user' $Conf['user']; Put 'only' $Conf['identitiesonly']; Put 'keys' $Keys
        if ($Conf['proxyjump']) { Put 'jump' 'yes' } else { Put 'jump' 'no' }
        if ($Conf['proxycommand'] -and $Conf['proxycommand'] -ne 'none') { Put 'command' 'yes' } else { Put 'command' 'no' }
        if (",$($Conf['pubkeyacceptedalgorithms'])," -like '*,ssh-rsa,*') { Put 'rsa' 'yes' }
    }
}
$Literal = $null
if ($Target -and [Net.IPAddress]::TryParse($Target, [ref]$Literal)) { Put 'dest' $Target }
elseif ($Target) {
    $Clock = [Diagnostics.Stopwatch]::StartNew()
    try { Put 'dns' (([Net.Dns]::GetHostAddresses($Target) | Select-Object -First 4) -join ',') } catch { Put 'dns' 'failed' }
    Put 'dms' $Clock.ElapsedMilliseconds
}
# {{say-port}} #
$One = Open-Port $P $null 0
Put 'tms' $One.Ms; Put 'tcp' $One.Word; Put 'by' 'powershell'
$Send = $null
if ($K -eq 'rdp') { $Send = [byte[]](3, 0, 0, 19, 14, 224, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0) }
$Two = Open-Port $P $Send 64
Put 'tcp2' $Two.Word
if ($Two.Word -eq 'open') {
    if ($K -eq 'rdp') { Put 'x224' $Two.Hello }
    elseif ($Two.Hello -match '^(SSH-|closed$|reset$|silent$)') { Put 'hello' $Two.Hello }
    else { Put 'hello' 'other' }
    Put 'hms' $Two.Ms
}
foreach ($Port in $W) { Put "n$Port" (Open-Port $Port $null 0).Word }
# {{say-size}} #
$Ping = New-Object Net.NetworkInformation.Ping
function Ping-Size($Size) {
    try {
        $Options = New-Object Net.NetworkInformation.PingOptions (64, $true)
        $Status = "$($Ping.Send($A, 2000, (New-Object byte[] $Size), $Options).Status)"
        if ($Status -eq 'Success') { 'y' } elseif ($Status -eq 'PacketTooBig') { 'b' } else { 'n' }
    } catch { 'u' }
}
$Back = 0; $Sent = 0; $Known = $true
for ($Try = 1; $Try -le 20; $Try++) {
    $Word = Ping-Size 32
    if ($Word -eq 'u') { $Known = $false; break }
    $Sent++
    if ($Word -eq 'y') { $Back++ }
    if ($Try -eq 4 -and $Back -eq 0) { break }
}
if ($Known) { Put 'ping' "$Back/$Sent" }
$Sizes = @()
foreach ($Size in 1472, 1372, 1252) {
    $Word = Ping-Size $Size
    $Sizes += "$Size$Word"
    if ($Word -eq 'y') { break }
}
Put 'mtu' ($Sizes -join ',')
# {{say-sum}} #
$S = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/=,+@-;'
$X = 0; $Y = 0
foreach ($Sign in $Body.ToString().ToCharArray()) { $X = ($X + $S.IndexOf($Sign) + 1) % 65521; $Y = ($Y + $X) % 65521 }
Write-Host '{{copy}} '
'cvmtop-kit 1;'
$Body.ToString() -split '(?<=;)' | Where-Object { $_ }
"cvmtop-kit end $Y-$X;"
