//! Sentences about the self-diagnosis as a whole; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "domain":
    check_normal() = "normal";
    check_risk() = "risk";
    check_fault() = "fault";
    check_not_seen() = "not seen";
    check_no_item() = "not on the list";
    check_changed(n: Number, since: Name, id: Name) = "{n:change} since {since} ({id}):";
    check_unchanged(since: Name, id: Name) = "nothing changed since {since} ({id})";
    check_change(title: Said, before: Said, after: Said, detail: Said) = "{title}: {before} -> {after}: {detail}";
    check_counted(fault: Number, risk: Number, normal: Number, unseen: Number) = "{fault} at fault, {risk} at risk, {normal} normal, {unseen} not seen";
}
