//! Sentences about files of the state directory; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "store":
    write(path: Name, why: Raw) = "cannot write {path}: {why}; actions are refused until it can be written (check the disk's space and the rights of the directory, or set CVMTOP_STATE_DIR)";
    read(path: Name, why: Raw) = "cannot read {path}: {why}; check the rights of the file";
    untrusted(path: Name, owner: Number, mode: Name) = "the journal {path} is not used, because others could have written it (owner uid {owner}, mode {mode}): make it yours (`chown`, `chmod 600`), or set `shared_state = true` where operators share this directory on purpose";
    locked(path: Name) = "another program holds {path} for longer than 3 s, so nothing is written or sent: end it, then try again (`fuser` on the file names it)";
    locked_by(path: Name, holder: Name) = "{holder} holds {path} for longer than 3 s, so nothing is written or sent: end it, then try again";
    closed_by_hand(user: Name, host: Name, why: Raw) = "closed by {user}@{host}: {why}";
    history(path: Name, why: Raw) = "the history {path} cannot be used: {why}; everything but past cases and learning goes on";
    newer_history(path: Name, schema: Number) = "the history {path} was written by a newer version of cvmtop (schema {schema}); use that version, or move the file away";
    no_entry(id: Raw) = "there is no journal entry `{id}`; `cvmtop journal` lists them";
    entry_of_host(entry: Name, user: Raw, host: Raw) = "entry {entry} was made by {user} on another host ({host}): it can be taken back, kept or closed only there";
    ambiguous(id: Raw, matches: Name) = "`{id}` fits several journal entries ({matches}); give more of the id";
    outcome_done() = "done";
    outcome_restored() = "restored";
    outcome_improved() = "improved";
    outcome_unchanged() = "unchanged";
    outcome_worse() = "worse";
    outcome_failed() = "failed";
    outcome_unknown() = "unknown";
    outcome_interrupted() = "interrupted";
    outcome_taken_back(outcome: Said) = "{outcome}, taken back since";
    in_flight() = "in flight";
    closed() = "closed";
    check_unused(path: Name, why: Said) = "the kept report {path} is not used: {why}";
    check_no_file() = "it is no plain file";
    check_of_others() = "others could have written it; make it yours (`chown`, `chmod 600`)";
    check_too_large() = "it is too large for a report";
    check_not_understood() = "it is cut, or no report";
    check_newer() = "a newer version of cvmtop wrote it";
    check_of_another() = "it is of another instance or another moment than its name says";
}
