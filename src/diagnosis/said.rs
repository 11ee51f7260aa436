//! Sentences of the diagnosis: reasons, what is missing, what does not fit; `domain::said` tells
//! how they are made.

use crate::domain::said::said;

said! { "diagnosis":
    group(group: Word) = "{group}";
    over(group: Word, path: Word) = "{group} over the {path} path";
    shows(place: Said, state: Word) = "{place}: {state}";
    shows_how(place: Said, state: Word, detail: Said) = "{place}: {state}; {detail}";
    would_bring(place: Said, bits: Figure, cost: Figure) = "{place} was not read; it would bring about {bits} bit in {cost}";
    needing(what: Said, needs: Said) = "{what}, needs {needs}";
    without_state(place: Said, status: Word) = "{place} is {status}";
    without_state_why(place: Said, status: Word, detail: Said) = "{place} is {status}: {detail}";
    through_the_console() = "a look through the VNC console";
    why_not(title: Word, share: Name, leader: Word) = "why not {title} ({share})? {leader} leads.";
    leads(title: Word, share: Name) = "{title} leads with {share}.";
    against(reason: Said, observation: Name, weight: Name) = "against: {reason} [{observation}] {weight} dB";
    would_have_to_be(place: Said, needed: Word, state: Word, observation: Name) = "would have to be: {place} {needed} instead of {state} [{observation}]";
    would_show(place: Said, state: Word, weight: Name, cost: Figure, needs: Said) = "would show it: {place} {state} ({weight} dB, {cost}, needs {needs})";
    not_permitted(place: Said, state: Word, weight: Name, cost: Figure, needs: Said) = "not permitted: {place} {state} ({weight} dB, {cost}, needs {needs})";
    no_such_cause(cause: Raw, known: List) = "why not {cause}? There is no such cause here; it is one of {known}";
    evidence_unknown(group: Name) = "evidence {group} is not known and was ignored";
    state_unknown(group: Name, state: Name) = "evidence {group}: the state {state} is not known and was ignored";
    prior_moved(cause: Name, from: Figure, to: Figure, n: Number) = "{cause}: this prior moved from {from} to {to} because of {n:confirmed case}";
    cut_short() = "the time ran out before everything was read";
    readings_disagree(group: Name) = "evidence {group}: two readings disagree, the later one counts";
    case_is_no_object() = "a case is a JSON object with \"instance\" and \"evidence\"";
    rows_cut(most: Number) = "only the first {most} rows of evidence are read";
    evidence_no_list() = "\"evidence\" is not a list and was ignored";
    evidence_missing() = "the case holds no evidence";
    os_unknown(os: Raw) = "instance.os {os} is not known; both systems are weighed";
    row_without_id() = "a row of evidence has no id and was ignored";
    row_without_status(id: Raw) = "evidence {id}: no status was given, it was ignored";
    row_status_unknown(id: Raw, status: Raw) = "evidence {id}: the status {status} is not known and was ignored";
    row_without_state(id: Raw) = "evidence {id}: observed, but no state was given; it was ignored";
    row_path_unknown(id: Raw, path: Raw) = "evidence {id}: the path {path} is not known, it was ignored";
    knowledge_unread(file: Name, why: Raw) = "knowledge file {file} cannot be read: {why}; correct that line";
    knowledge_lint(n: Number, first: Raw) = "knowledge breaks {n:rule}, the first: {first}; correct the named entry";
}
