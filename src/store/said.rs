//! Sentences about files of the state directory; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "store":
    write(path: Name, why: Raw) = "cannot write {path}: {why}; actions are refused until it can be written (check the disk's space and the rights of the directory, or set CVMTOP_STATE_DIR)";
    read(path: Name, why: Raw) = "cannot read {path}: {why}; check the rights of the file";
    history(path: Name, why: Raw) = "the history {path} cannot be used: {why}; everything but past cases and learning goes on";
    newer_history(path: Name, schema: Number) = "the history {path} was written by a newer version of cvmtop (schema {schema}); use that version, or move the file away";
    no_entry(id: Raw) = "there is no journal entry `{id}`; `cvmtop journal` lists them";
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
}
