//! Sentences of what network ACLs decide; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "domain":
    refuses_way(acl: Name, subject: Said, what: Said) = "{acl} refuses {subject} on the way in: {what}";
    inbound_cannot_told(acl: Name, subject: Said, what: Said) = "{acl} inbound for {subject} cannot be told: {what}";
    refuses_answers(acl: Name, source: Name, what: Said) = "{acl} refuses the answers to {source}: {what}";
    outbound_cannot_told(acl: Name, source: Name, what: Said) = "{acl} outbound to {source} cannot be told: {what}";
    allows_answers(acl: Name, subject: Said) = "{acl} allows {subject} and the answers";
    no_entry_allows() = "no entry allows it, so the last one refuses it";
    acl_entry(entry: Number) = "entry {entry}";
    entry_odd(entry: Number) = "entry {entry} is not understood";
    entry_part(entry: Number) = "entry {entry} refuses a part of the client's ports";
    entries_part() = "the entries allow only a part of the client's ports";
    subject(source: Name, port: Number) = "{source} to TCP {port}";
    subject_in(source: Name, service: Name) = "{source} to {service}";
    subject_out(remote: Name, service: Name) = "{service} of {remote}";
    refuses_out(acl: Name, subject: Said, what: Said) = "{acl} refuses the way out to {subject}: {what}";
    out_cannot_told(acl: Name, subject: Said, what: Said) = "{acl} outbound to {subject} cannot be told: {what}";
    refuses_answers_of(acl: Name, remote: Name, what: Said) = "{acl} refuses the answers of {remote}: {what}";
    answers_cannot_told(acl: Name, remote: Name, what: Said) = "{acl} inbound for the answers of {remote} cannot be told: {what}";
}
