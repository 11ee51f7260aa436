//! Sentences of the port verification's tries; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "runtime":
    answers() = "answers";
    refused() = "refused, nothing listens";
    silent() = "silent";
    prohibited() = "refused on the way";
    failed_here() = "could not be tried here";
    not_udp() = "UDP need not answer";
    not_range() = "not tried one by one";
    not_outbound() = "only the guest can try";
    not_asked() = "not tried";
    too_many(given: Number, most: Number) = "there are {given} tuples of your own; at most {most} are looked at in one run";
}
