# Common part of the Windows repairs. PowerShell 4 and later, as SYSTEM; safe to run twice.
# Set before this text: $Mode (apply or undo), $Mark (name of this repair), and the script's own.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
[Console]::OutputEncoding = [System.Text.Encoding]::UTF8
$KeepDir = Join-Path $env:ProgramData 'cvmtop'
$KeepFile = Join-Path $KeepDir "$Mark.json"
$script:Changes = 0
function Changed([string]$Text) { $script:Changes++; Write-Output "changed: $Text" }
function Same([string]$Text) { Write-Output "unchanged: $Text" }
function Note([string]$Text) { Write-Output "note: $Text" }
function Fail([string]$Text) { Write-Output "failed: $Text"; exit 1 }
function Finish { $s = if ($script:Changes -eq 1) { "" } else { "s" }; Write-Output "done: $($script:Changes) change$s"; exit 0 }
function Read-Kept {
    if (Test-Path $KeepFile) { return Get-Content $KeepFile -Raw | ConvertFrom-Json }
    return $null
}
# Written before anything is changed; a second run keeps what the first one found.
function Save-Kept($Value) {
    if (Test-Path $KeepFile) { return }
    New-Item -ItemType Directory -Force -Path $KeepDir | Out-Null
    $Value | ConvertTo-Json -Depth 5 | Set-Content -Path $KeepFile -Encoding UTF8
}
function Clear-Kept { if (Test-Path $KeepFile) { Remove-Item $KeepFile -Force } }
trap { Write-Output "failed: $($_.Exception.Message)"; exit 1 }
