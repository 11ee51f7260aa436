# Unlocks and enables the local account $Account. Its password, groups and expiry stay.
$user = [ADSI]"WinNT://$env:COMPUTERNAME/$Account,user"
if (-not $user.Path -or $null -eq $user.Name) { Fail "there is no local account $Account" }
$DisabledFlag = 2
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($kept -and $kept.disabled) {
        $user.UserFlags = $user.UserFlags.Value -bor $DisabledFlag
        $user.SetInfo()
        Changed "disabled $Account again"
    } else { Same 'the lock-out counter is not put back' }
    Clear-Kept
    Finish
}
$disabled = [bool]($user.UserFlags.Value -band $DisabledFlag)
Save-Kept @{ disabled = $disabled }
if ($user.IsAccountLocked) { $user.IsAccountLocked = $false; $user.SetInfo(); Changed "unlocked $Account" } else { Same "$Account is not locked out" }
if ($disabled) {
    $user.UserFlags = $user.UserFlags.Value -band (-bnot $DisabledFlag)
    $user.SetInfo()
    Changed "enabled $Account"
} else { Same "$Account is enabled" }
Finish
