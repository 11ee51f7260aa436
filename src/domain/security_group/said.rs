//! Sentences of what security groups decide; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "domain":
    rule(action: Name, service: Name, peer: Name) = "{action} {service} from {peer}";
    rule_out(action: Name, service: Name, peer: Raw) = "{action} {service} to {peer}";
    rule_out_described(action: Name, service: Name, peer: Raw, description: Raw) = "{action} {service} to {peer} \"{description}\"";
    rule_described(action: Name, service: Name, peer: Name, description: Raw) = "{action} {service} from {peer} \"{description}\"";
    no_rule() = "no rule";
    rule_of(group: Name, index: Number, rule: Said) = "{group} rule {index} ({rule})";
    allowed_by(question: Said, rule: Said) = "{question} is allowed by {rule}";
    refused_by(question: Said, rule: Said) = "{question} is refused by {rule}";
    matches_none(question: Said) = "{question} matches no rule, so it is refused";
    others_allowed_by(question: Said, rule: Said) = "{question} matches no rule, so it is refused; other sources are allowed by {rule}";
    depends_on(question: Said, rule: Said) = "{question} depends on {rule}, whose template or group could not be read";
}
