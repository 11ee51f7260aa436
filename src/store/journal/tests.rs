//! Tests of the journal: several writers, cuts at any byte, locks, ids and rights.

use jiff::Timestamp;

use super::*;
use crate::action::context::PlanContext;
use crate::action::{Parameters, plan};
use crate::domain::action::ActionId;
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;

fn record(entry: &str, event: Event) -> Record {
    Record::new(Timestamp::UNIX_EPOCH, entry, event)
}

fn intent(entry: &str) -> Record {
    let context = PlanContext {
        entry: entry.to_owned(),
        instance: Instance {
            id: "ins-1".to_owned(),
            state: "RUNNING".to_owned(),
            ..Instance::default()
        },
        ..PlanContext::default()
    };
    let plan = plan(ActionId::Restart, &Parameters::none(), &context).unwrap();
    record(
        entry,
        Event::Intent {
            author: Author::default(),
            place: Place::default(),
            plan: Box::new(plan),
            login_before: Vec::new(),
            broken_before: Vec::new(),
            last_operation_before: String::new(),
        },
    )
}

fn closed(entry: &str) -> Record {
    record(
        entry,
        Event::Closed {
            outcome: Outcome::Done,
            detail: crate::domain::said::Said::default(),
        },
    )
}

#[test]
fn many_writers_leave_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let journal = Journal::in_directory(folder.path());
            scope.spawn(move || {
                for number in 0..12 {
                    let entry = format!("e-{writer}-{number}");
                    journal.append(&intent(&entry)).unwrap();
                    journal.append(&closed(&entry)).unwrap();
                }
            });
        }
    });
    let contents = Journal::in_directory(folder.path()).read().unwrap();
    assert_eq!((contents.entries.len(), contents.skipped), (96, 0));
    assert!(
        contents
            .entries
            .iter()
            .all(|e| e.state == EntryState::Closed)
    );
}

#[test]
fn a_file_cut_anywhere_keeps_every_whole_line_and_takes_new_ones() {
    let whole = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(whole.path());
    journal.append(&intent("e-1")).unwrap();
    journal.append(&intent("e-2")).unwrap();
    let bytes = std::fs::read(journal.path()).unwrap();
    let first = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
    for cut in (first..bytes.len()).step_by(97) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::in_directory(folder.path());
        std::fs::write(journal.path(), &bytes[..cut]).unwrap();
        journal.append(&closed("e-1")).unwrap();
        let contents = journal.read().unwrap();
        let kept = contents.find("e-1").unwrap();
        assert_eq!(kept.state, EntryState::Closed, "cut at {cut}");
    }
}

#[test]
fn an_entry_is_held_by_one_program_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(folder.path());
    let held = journal.lock_entry("e-1").unwrap();
    assert!(held.is_some());
    assert!(journal.lock_entry("e-1").unwrap().is_none());
    assert!(journal.lock_entry("e-2").unwrap().is_some());
    drop(held);
    assert!(journal.lock_entry("e-1").unwrap().is_some());
}

#[test]
fn an_id_may_be_shortened_as_long_as_it_is_clear() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(folder.path());
    for entry in ["20260101-000000-aaaaaa", "20260101-000000-bbbbbb"] {
        journal.append(&intent(entry)).unwrap();
    }
    let contents = journal.read().unwrap();
    assert_eq!(
        contents.find("bbbbbb").unwrap().id,
        "20260101-000000-bbbbbb"
    );
    assert!(matches!(
        contents.find("2026"),
        Err(StoreError::Ambiguous { .. })
    ));
    assert!(matches!(contents.find("zz"), Err(StoreError::NoEntry(_))));
    assert!(matches!(contents.find(""), Err(StoreError::NoEntry(_))));
}

#[test]
fn the_journal_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(folder.path().join("state"));
    journal.append(&intent("e-1")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&journal.path()), 0o600);
    assert_eq!(mode(&folder.path().join("state")), 0o700);
}

#[test]
fn operators_share_a_directory_that_their_group_may_write_and_nobody_elses() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    for (shared, file, folder) in [(0o700, 0o600, 0o700), (0o2770, 0o660, 0o2770)] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(shared)).unwrap();
        let journal = Journal::in_directory(directory.path());
        journal.append(&record("e1", Event::Kept)).unwrap();
        let held = journal.lock_entry("e1").unwrap();
        let evidence = journal.save_evidence("e1", "{}").unwrap();
        assert_eq!(mode(&journal.path()) & 0o777, file);
        assert_eq!(mode(&evidence) & 0o777, file);
        for name in [LOCKS, EVIDENCE] {
            assert_eq!(
                mode(&directory.path().join(name)) & 0o7777,
                folder,
                "{name}"
            );
        }
        drop(held);
    }
}

#[test]
fn a_lock_is_seen_by_others_and_gone_with_its_holder() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(directory.path());
    assert!(!journal.is_held("e1").unwrap());
    let held = journal.lock_entry("e1").unwrap();
    assert!(held.is_some());
    assert!(journal.is_held("e1").unwrap());
    assert!(journal.lock_entry("e1").unwrap().is_none());
    drop(held);
    assert!(!journal.is_held("e1").unwrap());
    assert!(journal.lock_entry("e1").unwrap().is_some());
}

#[test]
fn of_the_evidence_only_the_newest_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(directory.path());
    for number in 0..MOST_EVIDENCE + 3 {
        journal
            .save_evidence(&format!("{number:06}"), "{}")
            .unwrap();
    }
    let folder = directory.path().join(EVIDENCE);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), MOST_EVIDENCE);
    assert!(!folder.join("000002.json").exists());
    assert!(folder.join("000003.json").exists());
}
