# Makes the local account $Account a member of Remote Desktop Users. Administrators need no membership.
# The group by its identifier, which is the same in every language of Windows.
$name = ([System.Security.Principal.SecurityIdentifier]'S-1-5-32-555').Translate([System.Security.Principal.NTAccount]).Value.Split('\')[1]
$group = [ADSI]"WinNT://$env:COMPUTERNAME/$name,group"
$path = "WinNT://$env:COMPUTERNAME/$Account"
$user = [ADSI]"$path,user"
if ($null -eq $user.Name) { Fail "there is no local account $Account" }
$member = [bool]$group.IsMember($path)
if ($Mode -eq 'undo') {
    $kept = Read-Kept
    if ($null -eq $kept) { Same 'nothing was changed by this repair'; Finish }
    if ($member) { $group.Remove($path); Changed "$Account is no member of $name any more" } else { Same "$Account is no member of $name" }
    Clear-Kept
    Finish
}
if ($member) { Same "$Account is a member of $name" }
else {
    Save-Kept @{ member = $false }
    $group.Add($path)
    if (-not $group.IsMember($path)) { Fail "Windows did not take $Account into $name" }
    Changed "$Account is a member of $name"
}
Note 'a policy that denies the sign-in through Remote Desktop wins over the membership'
Finish
