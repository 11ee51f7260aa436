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

/// Every entry, and the lines that were not understood.
fn all(journal: &Journal) -> Contents {
    let mut entries = Vec::new();
    let read = journal.each(usize::MAX, |entry| {
        entries.push(entry.clone());
        ControlFlow::<()>::Continue(())
    });
    let Ok(ControlFlow::Continue(contents)) = read else {
        panic!("{read:?}");
    };
    Contents {
        entries,
        ..contents
    }
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
    let contents = all(&Journal::in_directory(folder.path()));
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
        let kept = journal.entry("e-1").unwrap();
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
    assert_eq!(
        journal.entry("bbbbbb").unwrap().id,
        "20260101-000000-bbbbbb"
    );
    assert!(matches!(
        journal.entry("2026"),
        Err(StoreError::Ambiguous { .. })
    ));
    assert!(matches!(journal.entry("zz"), Err(StoreError::NoEntry(_))));
    assert!(matches!(journal.entry(""), Err(StoreError::NoEntry(_))));
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
        let journal = Journal::in_directory(directory.path()).shared(true);
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

#[test]
fn a_journal_that_others_could_have_written_is_neither_read_nor_written() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(directory.path());
    journal.append(&intent("e-1")).unwrap();
    let allow = |mode| std::fs::set_permissions(journal.path(), Permissions::from_mode(mode));
    for (mode, alone, together) in [
        (0o600, true, true),
        (0o640, true, true),
        (0o644, true, true),
        (0o660, false, true),
        (0o666, false, false),
        (0o602, false, false),
    ] {
        allow(mode).unwrap();
        let shared = journal.clone().shared(true);
        for (journal, used) in [(&journal, alone), (&shared, together)] {
            let read = journal.pending();
            let written = journal.append(&closed("e-1"));
            assert_eq!(read.is_ok(), used, "{mode:o}");
            assert_eq!(written.is_ok(), used, "{mode:o}");
            let refused = matches!(read, Err(StoreError::Untrusted { .. }));
            assert_eq!(refused, !used, "{mode:o}");
        }
    }
}

#[test]
fn a_lock_that_somebody_keeps_is_named_and_hinders_no_reader() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(directory.path());
    journal.append(&intent("e-1")).unwrap();
    let held = File::open(journal.path()).unwrap();
    held.lock().unwrap();
    let began = std::time::Instant::now();
    assert_eq!(all(&journal).entries.len(), 1);
    let Err(StoreError::Locked { holder, .. }) = journal.append(&closed("e-1")) else {
        panic!("it was written under a lock");
    };
    assert!(began.elapsed() < std::time::Duration::from_secs(8));
    let own = std::process::id().to_string();
    assert!(holder.is_empty() || holder.ends_with(&own), "{holder}");
    drop(held);
    journal.append(&closed("e-1")).unwrap();
}

#[test]
fn a_time_box_runs_from_the_sending_by_the_clouds_clock() {
    let mut record = intent("e-1");
    let Event::Intent { plan, .. } = &mut record.event else {
        panic!("no intent");
    };
    plan.expires_after_minutes = Some(30);
    let call = plan.steps[0].call.clone();
    let sending = |clock_offset_s| {
        let event = Event::Sending {
            step: 0,
            call: call.clone(),
            clock_offset_s,
        };
        Record::new(Timestamp::UNIX_EPOCH, "e-1", event)
    };
    let of = |records: &[&Record]| {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::in_directory(folder.path());
        for record in records {
            journal.append(record).unwrap();
        }
        journal.entry("e-1").unwrap().expires_at
    };
    assert_eq!(of(&[&record]), None);
    // This machine's clock was two days ahead.
    for (offset, seconds) in [(None, 1_800), (Some(-172_800), 1_800 - 172_800)] {
        let at = Timestamp::from_second(seconds).unwrap();
        assert_eq!(of(&[&record, &sending(offset)]), Some(at));
    }
}

/// An intent with an undo, which may take another entry back and may end by itself.
fn change(entry: &str, reverses: Option<&str>, minutes: Option<u64>) -> Record {
    let mut record = intent(entry);
    if let Event::Intent { plan, .. } = &mut record.event {
        plan.undo = crate::action::plan::Undo::RemoveRules {
            group: "sg-1".to_owned(),
            mark: entry.to_owned(),
            count: 1,
        };
        plan.reverses = reverses.map(str::to_owned);
        plan.expires_after_minutes = minutes;
    }
    record
}

fn sending(entry: &str) -> Record {
    let Event::Intent { plan, .. } = intent(entry).event else {
        panic!("no intent");
    };
    let call = plan.steps[0].call.clone();
    let event = Event::Sending {
        step: 0,
        call,
        clock_offset_s: None,
    };
    record(entry, event)
}

fn ids(contents: &Contents) -> Vec<&str> {
    contents.entries.iter().map(|e| e.id.as_str()).collect()
}

#[test]
fn what_is_read_bit_by_bit_is_what_is_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let console = Journal::in_directory(folder.path());
    let unknown = |entry: &str| {
        let outcome = Outcome::Unknown;
        let detail = crate::domain::said::Said::default();
        record(entry, Event::Closed { outcome, detail })
    };
    // In the order in which they come: entries in flight beside one another, words about a closed
    // one, an undo whose end is told twice, a line twice.
    let lines = [
        change("a", None, Some(30)),
        sending("a"),
        change("b", None, None),
        closed("a"),
        sending("b"),
        unknown("b"),
        change("c", Some("a"), None),
        sending("c"),
        change("b", None, None),
        unknown("c"),
        closed("c"),
        closed("b"),
        change("d", None, Some(30)),
        sending("d"),
        unknown("d"),
        record("d", Event::Kept),
        change("e", None, Some(30)),
        sending("e"),
        closed("e"),
        change("f", Some("b"), None),
        closed("f"),
        unknown("f"),
        record("nobody", Event::Kept),
        change("g", None, None),
    ];
    let pending = |journal: &Journal| {
        let contents = journal.pending().unwrap();
        ids(&contents).join(" ")
    };
    let mut seen = Vec::new();
    for line in &lines {
        console.append(line).unwrap();
        let fresh = Journal::in_directory(folder.path());
        let (one, other) = (all(&console), all(&fresh));
        assert_eq!(one.entries, other.entries);
        assert_eq!(one.skipped, other.skipped);
        assert_eq!(pending(&console), pending(&fresh));
        assert_eq!(console.taken_back().unwrap(), fresh.taken_back().unwrap());
        seen.push(pending(&console));
    }
    let wanted = [
        "a", "a", "a b", "a b", "a b", "a", "a c", "a c", "a c", "a", "", "", "d", "d", "d", "",
        "e", "e", "e", "e f", "e", "e", "e", "e g",
    ];
    assert_eq!(seen, wanted);
    let end = all(&console);
    assert_eq!(ids(&end), ["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(end.skipped, 2);
    let undone: Vec<_> = end.entries.iter().map(|e| e.undone_by.as_deref()).collect();
    assert_eq!(undone, [Some("c"), None, None, None, None, None, None]);
    assert_eq!(console.taken_back().unwrap(), ["a"]);
    let youngest = console.each(2, |_| ControlFlow::<()>::Continue(()));
    let Ok(ControlFlow::Continue(youngest)) = youngest else {
        panic!("{youngest:?}");
    };
    assert_eq!(youngest.earlier, 5);
    let first = console.each(usize::MAX, |entry| ControlFlow::Break(entry.id.clone()));
    assert!(matches!(first, Ok(ControlFlow::Break(id)) if id == "a"));
}

#[test]
fn a_file_that_is_another_one_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(folder.path());
    for entry in ["a", "b"] {
        journal.append(&intent(entry)).unwrap();
    }
    assert_eq!(ids(&all(&journal)), ["a", "b"]);
    let text = std::fs::read_to_string(journal.path()).unwrap();
    let (first, _) = text.split_once('\n').unwrap();
    // Shortened, grown with other lines under the same name, replaced, gone.
    std::fs::write(journal.path(), format!("{first}\n")).unwrap();
    assert_eq!(ids(&all(&journal)), ["a"]);
    let other = text.replace("\"a\"", "\"xyz\"").replace("\"b\"", "\"yz\"");
    std::fs::write(journal.path(), &other).unwrap();
    assert_eq!(ids(&all(&journal)), ["xyz", "yz"]);
    let aside = folder.path().join("aside");
    std::fs::write(&aside, &text).unwrap();
    std::fs::set_permissions(&aside, Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&aside, journal.path()).unwrap();
    assert_eq!(ids(&all(&journal)), ["a", "b"]);
    std::fs::remove_file(journal.path()).unwrap();
    assert!(all(&journal).entries.is_empty());
}

#[test]
fn a_line_without_an_end_is_believed_unless_somebody_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(folder.path());
    journal.append(&intent("a")).unwrap();
    journal.append(&intent("b")).unwrap();
    let text = std::fs::read_to_string(journal.path()).unwrap();
    std::fs::write(journal.path(), text.trim_end()).unwrap();
    let writer = File::open(journal.path()).unwrap();
    writer.lock().unwrap();
    assert_eq!(ids(&all(&journal)), ["a"]);
    drop(writer);
    assert_eq!(ids(&all(&journal)), ["a", "b"]);
    journal.append(&closed("b")).unwrap();
    let contents = all(&journal);
    assert_eq!((ids(&contents), contents.skipped), (vec!["a", "b"], 0));
    assert_eq!(contents.entries[1].state, EntryState::Closed);
}

#[test]
fn a_line_that_no_program_of_ours_wrote_is_neither_held_nor_believed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(folder.path());
    journal.append(&intent("a")).unwrap();
    let mut file = OpenOptions::new()
        .append(true)
        .open(journal.path())
        .unwrap();
    file.write_all(&vec![b'x'; 9 << 20]).unwrap();
    file.write_all(b"\n").unwrap();
    journal.append(&intent("b")).unwrap();
    let contents = all(&journal);
    assert_eq!((ids(&contents), contents.skipped), (vec!["a", "b"], 1));
}
