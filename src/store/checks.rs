//! Kept reports of the self-diagnosis: one JSON file each, in a folder of the instance, the oldest given up
//! for the newest.
//!
//! What is read back is a file like any other: of another owner, cut, too large, of a newer version, or of
//! another instance, it is told and not used. Must not live here: judging (`check`), comparing
//! (`domain::check`).

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{StoreError, private, said};
use crate::domain::check::{CheckItem, CheckReport, Mend, SCHEMA_VERSION};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

const FOLDER: &str = "checks";
/// Reports of one instance that are kept.
pub const MOST_KEPT: usize = 50;
/// A report is some 30 KB.
const MOST_BYTES: u64 = 512 * 1024;
/// Items of a report that are read; the list has some 40.
const MOST_ITEMS: usize = 200;
const OTHERS_WRITE: u32 = 0o022;
const ALL_WRITE: u32 = 0o002;

/// The kept reports of one instance.
#[derive(Debug, Clone)]
pub struct Checks {
    folder: PathBuf,
    instance: String,
}

/// What is kept, newest first, and one sentence for each file that is not used.
#[derive(Debug, Default)]
pub struct Kept {
    pub reports: Vec<CheckReport>,
    pub unused: Vec<Said>,
}

impl Checks {
    /// Those of an instance in a state directory.
    pub fn of(state_dir: &Path, instance: &str) -> Self {
        Self {
            folder: state_dir.join(FOLDER).join(file_name(instance)),
            instance: instance.to_owned(),
        }
    }

    /// Keeps a report: whole or not at all.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn keep(&self, report: &CheckReport) -> Result<PathBuf, StoreError> {
        let path = self.folder.join(format!("{}.json", file_name(&report.id)));
        let text = serde_json::to_string(report).expect("a report of plain fields is JSON");
        let half = path.with_extension("part");
        let write = || {
            private::make_directory(&self.folder)?;
            // One that was left half written is begun anew.
            let _ = std::fs::remove_file(&half);
            private::make_file(&half)?;
            let mut file = OpenOptions::new().write(true).open(&half)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            std::fs::rename(&half, &path)
        };
        write().map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })?;
        self.give_up_the_oldest();
        Ok(path)
    }

    /// Names of the kept files, newest first: an id begins with its moment.
    fn files(&self) -> std::io::Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
            .collect();
        files.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
        Ok(files)
    }

    fn give_up_the_oldest(&self) {
        for path in self.files().unwrap_or_default().iter().skip(MOST_KEPT) {
            // One that cannot be removed is tried again the next time.
            let _ = std::fs::remove_file(path);
        }
    }

    /// All that are kept and can be believed.
    ///
    /// # Errors
    /// The folder is there and cannot be read.
    pub fn all(&self) -> Result<Kept, StoreError> {
        let files = self.files().map_err(|source| StoreError::Read {
            path: self.folder.clone(),
            source,
        })?;
        let mut kept = Kept::default();
        for path in files.iter().take(MOST_KEPT) {
            match self.read(path) {
                Ok(report) => kept.reports.push(report),
                Err(why) => kept.unused.push(said::check_unused(path.display(), why)),
            }
        }
        Ok(kept)
    }

    /// One report, or why it is not used.
    fn read(&self, path: &Path) -> Result<CheckReport, Said> {
        let file = open(path).map_err(|error| Said::raw(&error))?;
        let metadata = file.metadata().map_err(|error| Said::raw(&error))?;
        let shared = std::fs::metadata(&self.folder).is_ok_and(|folder| folder.mode() & 0o020 != 0);
        let own = metadata.uid() == rustix::process::geteuid().as_raw();
        let writable = if shared { ALL_WRITE } else { OTHERS_WRITE };
        if !metadata.is_file() {
            return Err(said::check_no_file());
        }
        if metadata.mode() & writable != 0 || !(own || shared) {
            return Err(said::check_of_others());
        }
        if metadata.len() > MOST_BYTES {
            return Err(said::check_too_large());
        }
        let mut text = String::new();
        let read = file.take(MOST_BYTES).read_to_string(&mut text);
        read.map_err(|error| Said::raw(&error))?;
        let report: CheckReport =
            serde_json::from_str(&text).map_err(|_| said::check_not_understood())?;
        if report.schema_version > SCHEMA_VERSION {
            return Err(said::check_newer());
        }
        let named = path.file_stem().and_then(|name| name.to_str());
        if report.instance.id != self.instance || named != Some(&file_name(&report.id)) {
            return Err(said::check_of_another());
        }
        Ok(clean(report))
    }
}

/// Never through a link, which could lead anywhere.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

/// An id as the name of a file, whatever a cloud or a config made of it.
fn file_name(id: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = id
        .chars()
        .take(100)
        .map(|c| if kept(c) { c } else { '_' })
        .collect();
    if name.starts_with('.') || name.is_empty() {
        format!("_{name}")
    } else {
        name
    }
}

/// Without control characters in anything that is shown.
fn clean(mut report: CheckReport) -> CheckReport {
    let text = |text: &mut String| *text = sanitise(text, 256);
    report.items.truncate(MOST_ITEMS);
    text(&mut report.id);
    let checked = &mut report.instance;
    for field in [
        &mut checked.id,
        &mut checked.name,
        &mut checked.region,
        &mut checked.zone,
        &mut checked.state,
    ] {
        text(field);
    }
    report.items = report.items.into_iter().map(clean_item).collect();
    report
}

fn clean_item(item: CheckItem) -> CheckItem {
    CheckItem {
        id: sanitise(&item.id, 80),
        group: sanitise(&item.group, 80),
        title: item.title.clean(),
        detail: item.detail.clean(),
        needs: item.needs.map(Said::clean),
        measured: item.measured.map(|mut measured| {
            measured.unit = sanitise(&measured.unit, 20);
            measured
        }),
        // What would be run is planned anew from what holds now: a kept report only says what it was.
        mend: item.mend.map(|mend| Mend {
            text: mend.text.clean(),
            ..Mend::default()
        }),
        ..item
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::check::{Checked, Verdict};

    fn report(second: i64) -> CheckReport {
        let at = Timestamp::from_second(second).expect("in range");
        CheckReport {
            schema_version: SCHEMA_VERSION,
            id: at.strftime("%Y%m%dT%H%M%S.%3fZ").to_string(),
            at,
            instance: Checked {
                id: "ins-1".into(),
                name: "web".into(),
                ..Checked::default()
            },
            deep: false,
            cut_short: false,
            verdict: Verdict::Fault,
            items: vec![CheckItem {
                id: "memory".into(),
                group: "performance".into(),
                title: Said::known("Memory"),
                decisive: false,
                verdict: Verdict::Fault,
                status: None,
                detail: Said::raw("99 %"),
                needs: None,
                source: None,
                measured: None,
                mend: None,
            }],
        }
    }

    fn ids(kept: &Kept) -> Vec<&str> {
        kept.reports.iter().map(|one| one.id.as_str()).collect()
    }

    #[test]
    fn reports_come_back_newest_first_and_private() {
        let state = tempfile::tempdir().expect("a directory");
        let checks = Checks::of(state.path(), "ins-1");
        assert!(checks.all().expect("nothing yet").reports.is_empty());
        let paths: Vec<PathBuf> = [200, 100, 300]
            .map(|second| checks.keep(&report(second)).expect("written"))
            .to_vec();
        let mode = |path: &Path| std::fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!(mode(&paths[0]), 0o600);
        assert_eq!(mode(paths[0].parent().expect("a folder")), 0o700);
        let kept = checks.all().expect("read");
        assert_eq!(kept.reports[0], report(300));
        assert_eq!(kept.reports.len(), 3);
        assert!(kept.unused.is_empty());
        // Another instance has none of them.
        let other = Checks::of(state.path(), "ins-2");
        assert!(other.all().expect("nothing").reports.is_empty());
    }

    #[test]
    fn the_oldest_are_given_up() {
        let state = tempfile::tempdir().expect("a directory");
        let checks = Checks::of(state.path(), "ins-1");
        for second in 0..(MOST_KEPT as i64 + 5) {
            checks.keep(&report(second)).expect("written");
        }
        let kept = checks.all().expect("read");
        assert_eq!(kept.reports.len(), MOST_KEPT);
        assert_eq!(
            kept.reports.last().expect("one").id,
            report(5).id,
            "{:?}",
            ids(&kept)
        );
    }

    #[test]
    fn what_is_cut_foreign_or_hostile_is_told_and_not_used() {
        let state = tempfile::tempdir().expect("a directory");
        let checks = Checks::of(state.path(), "ins-1");
        let good = checks.keep(&report(500)).expect("written");
        let whole = std::fs::read_to_string(&good).expect("text");
        let folder = good.parent().expect("a folder");
        let put = |name: &str, text: &str, mode| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        };
        put(
            "20200101T000000.000Z.json",
            &whole[..whole.len() / 2],
            0o600,
        );
        put("20200102T000000.000Z.json", &whole, 0o600);
        put("20200103T000000.000Z.json", "null", 0o600);
        let newer = whole.replace("\"schema_version\":1", "\"schema_version\":99");
        put("20200104T000000.000Z.json", &newer, 0o600);
        put("20200105T000000.000Z.json", &whole, 0o622);
        put("20200106T000000.000Z.json", &" ".repeat(600_000), 0o600);
        std::os::unix::fs::symlink(&good, folder.join("20200107T000000.000Z.json"))
            .expect("a link");
        std::fs::create_dir(folder.join("20200108T000000.000Z.json")).expect("a folder");
        let kept = checks.all().expect("read");
        assert_eq!(ids(&kept), [report(500).id.as_str()]);
        assert_eq!(kept.unused.len(), 8, "{:?}", kept.unused);
    }

    #[test]
    fn text_of_a_file_that_was_written_to_does_not_reach_a_screen_as_it_is() {
        let state = tempfile::tempdir().expect("a directory");
        let checks = Checks::of(state.path(), "ins-1");
        let mut hostile = report(1);
        hostile.instance.name = "a\u{1b}[2Jb".into();
        hostile.items[0].detail = Said::plain("x\u{1b}]0;t\u{7}y\u{202e}z");
        hostile.items[0].mend = Some(Mend {
            action: Some("restart".into()),
            ..Mend::default()
        });
        checks.keep(&hostile).expect("written");
        let kept = checks.all().expect("read");
        let text = format!("{:?}", kept.reports[0]);
        assert!(
            !text.contains("\\u{1b}") && !text.contains("\\u{202e}"),
            "{text}"
        );
        let mend = kept.reports[0].items[0].mend.as_ref().expect("kept");
        assert_eq!(mend.action, None);
    }

    #[test]
    fn no_id_leads_out_of_the_folder() {
        for (id, name) in [
            ("ins-1", "ins-1"),
            ("../../etc", "_.._.._etc"),
            ("..", "_.."),
            ("", "_"),
            ("a/b\0c", "a_b_c"),
        ] {
            assert_eq!(file_name(id), name);
        }
    }
}
