# cvmtop guest check for Windows: reads why a remote login may fail and changes nothing.
# PowerShell 4 and later (Windows Server 2012 R2 to 2025). One fact a line: group, key and value,
# separated by tabs. $CvmtopUser, $CvmtopSource, $CvmtopPort, $CvmtopAddress and $CvmtopTime are set above.
$ErrorActionPreference = 'SilentlyContinue'
[Console]::OutputEncoding = [System.Text.Encoding]::UTF8
$started = Get-Date
function Say($group, $key, $value) {
    $text = ("$value" -replace '[\r\n\t]+', ' ')
    if ($text.Length -gt 300) { $text = $text.Substring(0, 300) }
    [Console]::Out.WriteLine("$group`t$key`t$text")
}
# Nothing slow may start late: the whole check ends within its time.
function Within($seconds) { ((Get-Date) - $started).TotalSeconds -lt $seconds }
function RegValue($path, $name) { (Get-ItemProperty -Path $path -Name $name).$name }

Say check version 1
Say clock asked $CvmtopTime
Say clock now ([long]((Get-Date).ToUniversalTime() - [datetime]'1970-01-01').TotalSeconds)
Say check user $CvmtopUser
Say check port $CvmtopPort
$os = Get-CimInstance Win32_OperatingSystem
Say check system $os.Caption
Say check kernel $os.Version

# The login service.
$svc = Get-CimInstance Win32_Service -Filter "Name='TermService'"
Say service state $svc.State
Say service start $svc.StartMode
Say service pid $svc.ProcessId

# Listeners: netstat is there on every version and needs no module.
netstat -ano -p tcp | Select-String 'LISTENING' | Select-String ":$CvmtopPort\s|\s$($svc.ProcessId)$" |
    Select-Object -First 20 | ForEach-Object { Say listener netstat ($_.Line.Trim() -replace '\s+', ' ') }
Say listener checked yes

# Remote Desktop settings.
$ts = 'HKLM:\SYSTEM\CurrentControlSet\Control\Terminal Server'
$tcp = "$ts\WinStations\RDP-Tcp"
Say rdp deny (RegValue $ts 'fDenyTSConnections')
Say rdp policydeny (RegValue 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services' 'fDenyTSConnections')
Say rdp winstation (RegValue $tcp 'fEnableWinStation')
Say rdp port (RegValue $tcp 'PortNumber')
Say rdp port2 (RegValue "$ts\Wds\rdpwd\Tds\tcp" 'PortNumber')
Say rdp nla (RegValue $tcp 'UserAuthentication')
Say rdp layer (RegValue $tcp 'SecurityLayer')
Say rdp oracle (RegValue 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\CredSSP\Parameters' 'AllowEncryptionOracle')
$credssp = Get-Item "$env:SystemRoot\System32\credssp.dll"
Say rdp credssp $credssp.VersionInfo.FileVersion
Say rdp checked yes

# Certificate of the listener.
$certs = @(Get-ChildItem 'Cert:\LocalMachine\Remote Desktop')
foreach ($c in $certs) { Say certificate valid ("{0:yyyy-MM-dd} {1:yyyy-MM-dd} key={2}" -f $c.NotBefore, $c.NotAfter, $c.HasPrivateKey) }
Say certificate hash ((RegValue $tcp 'SSLCertificateSHA1Hash') -join '')
Say certificate today ('{0:yyyy-MM-dd}' -f (Get-Date))
Say certificate checked yes

# Host firewall: the profiles as they are in force, and the rules that may speak of the login port
# as the registry holds them (MS-GPFAS 2.2.2): local ones, and those of a policy.
foreach ($p in Get-NetFirewallProfile -PolicyStore ActiveStore) { Say firewall profile "$($p.Name) enabled=$($p.Enabled) in=$($p.DefaultInboundAction) exceptions=$($p.AllowInboundRules) local=$($p.AllowLocalFirewallRules)" }
$addresses = @(Get-NetIPAddress)
foreach ($i in ($addresses | Select-Object -First 60)) { Say firewall address "$($i.IPAddress)/$($i.PrefixLength)" }
$own = @($addresses | Where-Object { $CvmtopAddress -and $_.IPAddress -eq $CvmtopAddress })
$networks = @(Get-NetConnectionProfile)
$met = @($networks | Where-Object { $own.Count -gt 0 -and $_.InterfaceIndex -eq $own[0].InterfaceIndex })
if ($met.Count -gt 0) { $networks = $met }
foreach ($n in $networks) { Say firewall network "$($n.NetworkCategory)" }
function SpeaksOfPort($rule) {
    $any = $true
    foreach ($part in ($rule -split '\|')) {
        if ($part -notmatch '^LPort(2_10)?=(\d+)(-(\d+))?$') { continue }
        $any = $false
        $low = [int]$Matches[2]
        $high = $low
        if ($Matches[4]) { $high = [int]$Matches[4] }
        if ($low -le [int]$CvmtopPort -and [int]$CvmtopPort -le $high) { return $true }
    }
    return $any
}
function FirewallRules($key, $path) {
    $values = Get-ItemProperty -Path $path
    if (-not $values) { return }
    foreach ($value in $values.PSObject.Properties) {
        $name = $value.Name
        $rule = "$($value.Value)"
        if ($rule -notmatch '\|Active=TRUE\|' -or $rule -notmatch '\|Dir=In\|') { continue }
        if ($rule -match '\|Protocol=(\d+)\|' -and $Matches[1] -ne '6') { continue }
        if ($rule -match '\|App=([^|]*)\|' -and $Matches[1] -notmatch '(svchost\.exe|^System)$') { continue }
        if ($rule -match '\|Svc=([^|]*)\|' -and $Matches[1] -ne 'termservice' -and $Matches[1] -ne '*') { continue }
        if (-not (SpeaksOfPort $rule)) { continue }
        $rule = $rule -replace '\|(Desc|EmbedCtxt)=[^|]*', ''
        $text = "$name|$rule" -replace '[\r\n\t]+', ' '
        if ($text.Length -gt 1900) { Say firewall cut $name } else { [Console]::Out.WriteLine("firewall`t$key`t$text") }
    }
}
if (Within 25) {
    $store = 'HKLM:\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy'
    FirewallRules local "$store\FirewallRules"
    FirewallRules policy "$store\Mdm\FirewallRules"
    FirewallRules policy 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules'
    if (Test-Path "$store\FirewallRules") { Say firewall checked yes }
}

# The account and its rights.
$name = ($CvmtopUser -split '\\')[-1]
$account = Get-CimInstance Win32_UserAccount -Filter "LocalAccount=True AND Name='$($name -replace "'", "''")'"
if ($account) {
    Say account state "disabled=$($account.Disabled) lockout=$($account.Lockout)"
    $expires = (net user "$name" | Select-String -Pattern '^(Account expires|Password expires)')
    foreach ($e in $expires) { Say account expiry $e.Line }
} else { Say account state absent }
# Well-known SIDs: 544 administrators, 555 remote desktop users (names are localised).
foreach ($sid in 'S-1-5-32-544', 'S-1-5-32-555') {
    $g = ([System.Security.Principal.SecurityIdentifier]$sid).Translate([System.Security.Principal.NTAccount]).Value.Split('\')[-1]
    $members = (net localgroup "$g" | Out-String)
    if ($members -match "(?im)^(.*\\)?$([regex]::Escape($name))\s*$") { Say rights member $sid }
}
# Log-on rights as the security authority keeps them, flags an account: 0x400 allows a remote
# log-on, 0x800 denies it. SYSTEM may read them, and the agent is SYSTEM; an export writes a file.
if (Within 35) {
    $seen = 0
    foreach ($k in Get-ChildItem 'HKLM:\SECURITY\Policy\Accounts') {
        $raw = (Get-Item "$($k.PSPath)\ActSysAc").GetValue('')
        if ($null -eq $raw) { continue }
        $flags = if ($raw -is [byte[]]) { [BitConverter]::ToInt32($raw, 0) } else { [int]$raw }
        if ($flags -band 0x400) { Say rights policy "SeRemoteInteractiveLogonRight = *$($k.PSChildName)" }
        if ($flags -band 0x800) { Say rights policy "SeDenyRemoteInteractiveLogonRight = *$($k.PSChildName)" }
        $seen++
    }
    Say rights usersid $account.SID
    if ($seen) { Say rights checked yes }
}
Say rights forceguest (RegValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa' 'forceguest')

# Licences and sessions.
$role = Get-CimInstance -Namespace root\cimv2\TerminalServices -ClassName Win32_TerminalServiceSetting
Say license mode $role.LicensingType
Say license role $role.TerminalServerMode
$grace = Invoke-CimMethod -InputObject $role -MethodName GetGracePeriodDays
Say license days $grace.DaysLeft
Say license single (RegValue $ts 'fSingleSessionPerUser')
Say license sessions @(quser 2>$null | Select-Object -Skip 1).Count
Say license limit (RegValue 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services' 'MaxInstanceCount')
Say license checked yes

# Who holds a session: the user, others at the desktop, others who left theirs, and the console. The
# words of quser are localised: one who left has no name of a session before the number.
$own = 0; $active = 0; $left = 0; $console = 0
foreach ($line in (quser 2>$null | Select-Object -Skip 1)) {
    $words = @(("$line" -replace '^[\s>]+', '') -split '\s+')
    if ($words[0] -eq $name) { $own++ } elseif ($words[1] -match '^\d+$') { $left++ } elseif ($words[1] -eq 'console') { $console++ } else { $active++ }
}
Say sessions open "$own $active $left $console"
Say sessions product $os.ProductType
if (Test-Path "$env:SystemRoot\System32\quser.exe") { Say sessions checked yes }

# What Schannel may speak: unset means the system's own default.
$schannel = 'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols'
foreach ($v in 'TLS 1.2', 'TLS 1.3') { Say tls protocol "$v enabled=$(RegValue "$schannel\$v\Server" 'Enabled') off=$(RegValue "$schannel\$v\Server" 'DisabledByDefault')" }
$suites = @("$(RegValue 'HKLM:\SOFTWARE\Policies\Microsoft\Cryptography\Configuration\SSL\00010002' 'Functions')" -split '[, ]+' | Where-Object { $_ })
Say tls suites "$($suites.Count) $(@($suites -match '^TLS_(AES|CHACHA20|(ECDHE_RSA|ECDHE_ECDSA|DHE_RSA|RSA)_WITH_AES)').Count)"
Say tls checked yes

# Security log of the failing user since boot (4624 accepted, 4625 refused, 4740 locked).
if (Within 45) {
    $filter = @{ LogName = 'Security'; Id = 4624, 4625, 4740; StartTime = $os.LastBootUpTime }
    $n = 0
    foreach ($e in (Get-WinEvent -FilterHashtable $filter -MaxEvents 400)) {
        $x = [xml]$e.ToXml(); $d = @{}
        foreach ($i in $x.Event.EventData.Data) { $d[$i.Name] = $i.'#text' }
        if ($d['TargetUserName'] -ne $name) { continue }
        if ($e.Id -eq 4624 -and $d['LogonType'] -ne '10') { continue }
        Say authlog line "$($e.Id) status=$($d['Status']) sub=$($d['SubStatus']) type=$($d['LogonType']) from=$($d['IpAddress'])"
        $n++; if ($n -ge 12) { break }
    }
    Say authlog checked yes
}

# Load, disk, boot, network.
$cpu = (Get-CimInstance Win32_Processor | Measure-Object -Property LoadPercentage -Average).Average
Say load cpu $cpu
Say load memory "$($os.FreePhysicalMemory) $($os.TotalVisibleMemorySize)"
Say load commit "$($os.FreeVirtualMemory) $($os.TotalVirtualMemorySize)"
$disk = Get-CimInstance Win32_LogicalDisk -Filter "DeviceID='$env:SystemDrive'"
Say disk space "$($disk.FreeSpace) $($disk.Size)"
Say boot safe (RegValue 'HKLM:\SYSTEM\CurrentControlSet\Control\SafeBoot\Option' 'OptionValue')
Say boot time ('{0:yyyy-MM-ddTHH:mm:ss}' -f $os.LastBootUpTime)
foreach ($i in Get-CimInstance Win32_NetworkAdapterConfiguration -Filter 'IPEnabled=True') { Say network address ($i.IPAddress -join ' '); Say network default ($i.DefaultIPGateway -join ' ') }
Say network expected $CvmtopAddress
Say network checked yes

# Ephemeral ports.
$range = (netsh int ipv4 show dynamicport tcp | Select-String '\d+' -AllMatches).Matches.Value
Say ports range ($range -join ' ')
$states = netstat -ano -p tcp
Say ports used ($states | Select-String 'ESTABLISHED|TIME_WAIT|CLOSE_WAIT').Count
Say ports checked yes

# The domain: the state of the channel to its controller as it is; nothing is set up anew.
if (Within 50) {
    $computer = Get-CimInstance Win32_ComputerSystem
    Say domain member $computer.PartOfDomain
    if ($computer.PartOfDomain) {
        $domain = $computer.Domain
        nltest "/sc_query:$domain" 2>$null | Select-String '0x[0-9a-fA-F]+' | Select-Object -First 3 | ForEach-Object { Say domain query $_.Line }
    }
}

# What applies a password reset from the console.
$init = Get-CimInstance Win32_Service -Filter "Name='cloudbase-init'"
if ($init) { Say reset agent "present start=$($init.StartMode) account=$($init.StartName)" } else { Say reset agent missing }
foreach ($k in Get-ChildItem 'HKLM:\SOFTWARE\Cloudbase Solutions\Cloudbase-Init') { Say reset plugin (RegValue "$($k.PSPath)\Plugins" 'LocalScriptsPlugin') }

# Names that imitate system programs or are known miners.
foreach ($p in Get-Process) { if ($p.Name -match '^(svch0st|explore|iexplorer|xmr64|xmrig|minerd)$') { Say malware process $p.Name } }
Say malware checked yes
Say check end 1
