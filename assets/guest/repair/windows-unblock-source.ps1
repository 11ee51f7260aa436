# Disables inbound block rules that name exactly the address $Source and nobody else.
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'nothing was changed by this repair' }
    else {
        foreach ($name in @($kept.rules)) { Enable-NetFirewallRule -Name $name; Changed "enabled the rule $name again" }
        Clear-Kept
    }
    Finish
}
$rules = @(Get-NetFirewallRule -Direction Inbound -Action Block -Enabled True -ErrorAction SilentlyContinue | Where-Object {
    $addresses = @(($_ | Get-NetFirewallAddressFilter).RemoteAddress)
    $addresses.Count -eq 1 -and $addresses[0] -in @($Source, "$Source/32", "$Source/255.255.255.255", "$Source/128")
})
if ($rules.Count -eq 0) { Same "no enabled rule blocks $Source alone" }
else {
    Save-Kept @{ rules = @($rules | ForEach-Object { $_.Name }) }
    foreach ($one in $rules) { Disable-NetFirewallRule -Name $one.Name; Changed "disabled the rule $($one.DisplayName)" }
}
Finish
