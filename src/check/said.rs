//! Sentences of the self-diagnosis; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "check":
    now_and_most(now: Figure, most: Figure, at: Name) = "{now} now, at most {most} in the last 12 h ({at})";
    now_alone(now: Figure) = "{now} now";
    most_alone(most: Figure, at: Name) = "no figure of now; at most {most} in the last 12 h ({at})";
    of_a_cap(figures: Said, cap: Figure) = "{figures}; the cap is {cap}";
    of_a_disk(disk: Name, figures: Said) = "{disk}: {figures}";
    figures_for(figures: Said, hours: Figure) = "{figures}; figures for {hours} of it";
    no_figure() = "monitoring has no figure of the last 12 h";
    no_figure_from_inside() = "monitoring has no figure of the last 12 h: its agent in the guest does not report";
    cap_unknown(figures: Said, why: Said) = "{figures}; what it may have is not known: {why}";
    needs_deep() = "seen from inside only, and nobody looked: needs `--deep`";
    consent() = "consent to the read-only check in the guest (`--deep`)";
    not_in_guest_check() = "the check inside the guest did not tell";
    host_without_cloud() = "there is no cloud behind this host";
    something_else(other: Said) = "not this; what was found is an item of its own: {other}";
    no_reading() = "nobody looked";
    instance_off() = "the instance does not run";
    disk_in_bin(disk: Name) = "{disk} is in the recycle bin";
    disk_over(disk: Name, days: Number) = "{disk} expired {days:day} ago";
    disks_in_term(n: Number) = "{n:disk}, none expired";
    no_cloud_disk() = "no cloud disk is attached";
    disk_ends(disk: Name, days: Number) = "{disk} expires in {days:day} and is not renewed by itself";
    disk_ends_first(disk: Name) = "{disk} expires before its instance";
    disks_renewed(n: Number) = "{n:disk}; none is paid in advance and about to end";
    disk_terms_unknown(disk: Name) = "the cloud does not say how {disk} is paid";
    restarted_at(at: Name) = "the platform saw a restart at {at}";
    restarted_inside(hours: Figure) = "the guest started {hours} ago";
    up_for(hours: Figure) = "up for {hours}";
    no_event() = "no such event in the last 12 h";
    no_event_unsure() = "the platform names no such event of the last 12 h; a kernel that hung need not have told it, its log is read with `--deep`";
    events_unread(why: Said) = "the platform's events could not be read: {why}";
    kernel_failed_at(at: Name) = "the kernel failed at {at}";
    kernel_said(line: Raw, hours: Figure) = "{hours} ago: {line}";
    kernel_said_undated(line: Raw) = "the kernel's log holds a line without a time: {line}";
    kernel_log_clean() = "nothing of the kind in the kernel's log";
    out_of_memory_at(at: Name) = "the guest ran out of memory at {at}";
    tasks(list: List) = "open: {list}";
    throttled_at(at: Name) = "packets were dropped at the outbound cap at {at}; the event does not say of which protocol";
    throttling_untold() = "the API has no figure for it; the platform names no packet dropped at the outbound cap in the last 12 h";
    throttling_unread(why: Said) = "the API has no figure for it, and the platform's events could not be read: {why}";
    lost_meanwhile(n: Number) = "{n} more within a second";
    lost_since_boot(n: Number) = "{n} since the start, none within a second";
    none_lost() = "none since the start";
    connections_dropped_at(at: Name) = "packets were dropped at the ceiling of connections at {at}";
    connections_unjudged(figures: Said) = "{figures}; the API does not name the ceiling of the type, and the platform names no packet dropped at it";
    connections_unread(figures: Said, why: Said) = "{figures}; the API does not name the ceiling of the type, and the platform's events could not be read: {why}";
    round_trip(typical: Figure) = "{typical} from this host to the login port";
    no_round_trip() = "no round trip to the login port was measured from this host";
    users_side() = "the vendor's page measures it in the user's browser; from here nobody can";
}
