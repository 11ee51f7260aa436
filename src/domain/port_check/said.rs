//! Sentences of the port verification; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "domain":
    bad_direction(given: Raw) = "`{given}` begins with neither `in` nor `out`; write for example `in tcp 8080 203.0.113.7`";
    bad_protocol(given: Raw) = "`{given}` names no protocol after its direction: `tcp`, `udp`, `icmp` or `all`";
    lacks_port(given: Raw) = "`{given}` lacks the port";
    bad_ports(given: Raw) = "the port of `{given}` is not one from 1 to 65535, a range such as 8000-8010, or `all`";
    bad_remote(given: Raw) = "the far side of `{given}` is neither an address, a network, nor `all`";
    too_many_words(given: Raw) = "`{given}` goes on after the far side";
    in_part(open: Said, closed: Said) = "{open}; but {closed}";
    too_many_rules(most: Number) = "the rules divide it into more than {most} parts";
    nothing_asked() = "there is nothing to ask";
}
