# Restarts Remote Desktop Services. Open sessions are disconnected, not logged off.
if ($Mode -eq 'undo') { Same 'a restart cannot be taken back'; Finish }
$service = Get-Service -Name TermService -ErrorAction SilentlyContinue
if ($null -eq $service) { Fail 'there is no service TermService' }
if ((Get-WmiObject Win32_Service -Filter "Name='TermService'").StartMode -eq 'Disabled') {
    Fail 'TermService is disabled: guest-enable-rdp enables it'
}
if ($service.Status -eq 'Running') { Restart-Service -Name TermService -Force } else { Start-Service -Name TermService }
(Get-Service -Name TermService).WaitForStatus('Running', [TimeSpan]::FromSeconds(40))
Changed 'restarted TermService'
Finish
