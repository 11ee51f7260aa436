# Lets the local account $Account sign in again: lifts its lock, enables it, and lifts its expiry and its
# logon hours. Its password and groups stay.
$user = [ADSI]"WinNT://$env:COMPUTERNAME/$Account,user"
if (-not $user.Path -or $null -eq $user.Name) { Fail "there is no local account $Account" }
$DisabledFlag = 2
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'the lock-out counter is not put back'; Finish }
    if ($kept.disabled) {
        $user.UserFlags = $user.UserFlags.Value -bor $DisabledFlag
        $user.SetInfo()
        Changed "disabled $Account again"
    }
    if ($kept.expires) {
        $user.AccountExpirationDate = [datetime]$kept.expires
        $user.SetInfo()
        Changed "$Account expires on $($kept.expires) again"
    }
    if ($kept.hours) {
        $user.LoginHours = [byte[]][System.Convert]::FromBase64String($kept.hours)
        $user.SetInfo()
        Changed "put the logon hours of $Account back"
    }
    if ($script:Changes -eq 0) { Same 'the lock-out counter is not put back' }
    Clear-Kept
    Finish
}
$disabled = [bool]($user.UserFlags.Value -band $DisabledFlag)
$expires = $null
$date = $user.AccountExpirationDate.Value
if ($date -and ([datetime]$date) -le (Get-Date)) { $expires = ([datetime]$date).ToString('s') }
$hours = $null
$bytes = $user.LoginHours.Value
# A bit an hour of the week: all set means at any time.
if ($bytes -and @($bytes | Where-Object { $_ -ne 255 }).Count -gt 0) { $hours = [System.Convert]::ToBase64String([byte[]]$bytes) }
if ($disabled -or $expires -or $hours) { Save-Kept @{ disabled = $disabled; expires = $expires; hours = $hours } }
if ($user.IsAccountLocked) { $user.IsAccountLocked = $false; $user.SetInfo(); Changed "unlocked $Account" } else { Same "$Account is not locked out" }
if ($disabled) {
    $user.UserFlags = $user.UserFlags.Value -band (-bnot $DisabledFlag)
    $user.SetInfo()
    Changed "enabled $Account"
} else { Same "$Account is enabled" }
if ($expires) { net user $Account /expires:never | Out-Null; Changed "lifted the expiry of $Account, which was $expires" }
if ($hours) { net user $Account /times:all | Out-Null; Changed "lifted the logon hours of $Account" }
Finish
