//! Files of the state directory are for their owner; where a group shares the directory, for the group.
//!
//! They name instances, addresses and people. Must not live here: whose lines are believed
//! (`journal::files`).

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

const GROUP_WRITES: u32 = 0o020;

/// Makes the directory, and those above it, for the owner alone. One that is there stays as it is.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Opens a file of the directory for lines to be added, and makes it where there is none.
pub fn append_to(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().append(true))
}

/// Makes a file that is not there yet.
///
/// # Errors
/// It is there already, or cannot be made.
pub fn new_file(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().write(true).create_new(true))
}

/// Makes the file where there is none; one that an earlier version left open to others is closed.
pub fn make_file(path: &Path) -> io::Result<()> {
    open(path, OpenOptions::new().write(true)).map(drop)
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let directory = path.parent().unwrap_or(Path::new("."));
    make_directory(directory)?;
    let file = options.create(true).mode(0o600).open(path)?;
    let shared = std::fs::metadata(directory)?.mode() & GROUP_WRITES != 0;
    let wanted = if shared { 0o660 } else { 0o600 };
    let metadata = file.metadata()?;
    // Another operator's file has the mode that its owner gave it; a device has its own.
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if own && metadata.is_file() && metadata.mode() & 0o777 != wanted {
        file.set_permissions(Permissions::from_mode(wanted))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_open_to_others_is_closed_and_a_group_keeps_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        for (directory, before, after) in [
            (0o700, 0o644, 0o600),
            (0o755, 0o666, 0o600),
            (0o770, 0o600, 0o660),
        ] {
            let directory_path = folder.path().join(format!("{directory:o}"));
            std::fs::create_dir(&directory_path).unwrap();
            let set = |path: &Path, mode| {
                std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            };
            set(&directory_path, directory);
            let file = directory_path.join("file");
            std::fs::write(&file, "old\n").unwrap();
            set(&file, before);
            make_file(&file).unwrap();
            assert_eq!(mode(&file), after);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "old\n");
        }
        let made = folder.path().join("a/b/file");
        append_to(&made).unwrap();
        assert_eq!(
            (mode(&made), mode(&folder.path().join("a"))),
            (0o600, 0o700)
        );
    }
}
