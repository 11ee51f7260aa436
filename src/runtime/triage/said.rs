//! Sentences of what a look at an instance leaves aside, and of the guest check; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "triage":
    set_aside(why: Said) = "set aside: {why}";
    not_in_network() = "this machine does not seem to be in the instance's network";
    answered_over_private() = "the instance answered this host over the private path, so answers find their way";
    past_the_cloud() = "it was read from this machine itself, past the cloud";
    own_address(evidence: Word, state: Word) = "the address belongs to this machine, so the answer did not pass the cloud, where {evidence} is {state}";
    check_ran(ms: Number) = "the guest check ran in {ms} ms";
    check_ended(code: Number) = "the guest check ended with status {code}";
    check_not_run(status: Name, why: Raw) = "the guest check did not run ({status}): {why}";
    check_cut(ms: Number, bytes: Number) = "the guest check ran in {ms} ms; the last {bytes} bytes of its answer were cut off";
    not_running() = "the instance does not run";
    firewall_of_one_attempt() = "only one TCP port on the way in, from one address or from everyone, is judged by it";
    firewall_of_login_only(port: Number) = "the check for Windows reads only the rules that may speak of the login port {port}";
}
