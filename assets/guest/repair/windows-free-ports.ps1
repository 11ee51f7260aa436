# Widens the range of ports that outgoing connections take. Nothing is ended.
$start = 10000
$count = 55536
# The first two numbers of the answer, in every language of Windows.
function Read-Range {
    $numbers = @((netsh int ipv4 show dynamicport tcp | Select-String '\d+' -AllMatches).Matches.Value)
    # The heading may hold a number of its own (ipv4).
    return @($numbers | Where-Object { [int]$_ -gt 255 } | Select-Object -First 2)
}
$range = @(Read-Range)
if ($range.Count -lt 2) { Fail 'the range of ports cannot be read' }
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'nothing was changed by this repair'; Finish }
    if ([int]$range[0] -ne $start -or [int]$range[1] -ne $count) { Note 'the range was changed since, and stays'; Clear-Kept; Finish }
    netsh int ipv4 set dynamicport tcp "start=$($kept.start)" "num=$($kept.count)" | Out-Null
    Changed "the range begins at $($kept.start) and holds $($kept.count) ports again"
    Clear-Kept
    Finish
}
if ([int]$range[1] -ge $count) { Same "the range holds $($range[1]) ports already" }
else {
    Save-Kept @{ start = $range[0]; count = $range[1] }
    netsh int ipv4 set dynamicport tcp "start=$start" "num=$count" | Out-Null
    $now = @(Read-Range)
    if ([int]$now[1] -ne $count) { Fail 'Windows did not take the wider range' }
    Changed "the range begins at $start and holds $count ports; it began at $($range[0]) and held $($range[1])"
}
$busy = netstat -ano -p tcp | Select-String '\s(\d+)\s*$' | ForEach-Object { $_.Matches[0].Groups[1].Value } | Group-Object | Sort-Object Count -Descending | Select-Object -First 3
foreach ($one in $busy) { Note "process $($one.Name) holds $($one.Count) connections" }
Finish
