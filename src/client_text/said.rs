//! Sentences about what a user pasted; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "recogniser":
    nothing_known() = "the pasted text matches no known client error";
    quoted(part: Raw, program: Name) = "“{part}” ({program})";
    quoted_at(part: Raw, program: Name, stage: Word) = "“{part}” ({program}, stage {stage})";
    own_proxy() = "the client went through a proxy command of its own";
    names(address: Name) = "the text names {address}";
    names_port(address: Name, port: Number, wanted: Number) = "the text names {address} port {port}, not {wanted}";
    names_proxy(address: Name) = "the text names {address}, which only a proxy gives out";
    names_own(address: Name) = "the text names {address}, the user's own machine";
    names_other(address: Name) = "the text names {address}, not the instance";
}
