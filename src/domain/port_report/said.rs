//! Sentences of a port verification; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "domain":
    try_answers() = "answers";
    try_refused() = "refused, nothing listens";
    try_silent() = "silent";
    try_prohibited() = "refused on the way";
    try_failed_here() = "could not be tried here";
    try_not_udp() = "UDP need not answer";
    try_not_range() = "not tried one by one";
    try_not_outbound() = "only the guest can try";
    try_not_asked() = "not tried";
    too_many_tuples(given: Number, most: Number) = "there are {given} tuples of your own; at most {most} are looked at in one run";
    port_why(whys: List) = "{whys}";
    port_way() = "way";
    port_service() = "what";
    port_far_side() = "far side";
    port_rules() = "rules";
    port_from_here() = "from here";
    port_in() = "in";
    port_out() = "out";
    port_open() = "open";
    port_partly() = "in part";
    port_closed() = "shut";
    port_untold() = "not known";
}
