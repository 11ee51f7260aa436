//! Screens of the console as files of the state directory, each with a name of its own.
//!
//! Must not live here: what is on a screen (`view`).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::private;

/// Most files of one second.
const MOST_FILES: u32 = 100;

/// Writes a screen to a file that is not there yet, named by the time.
///
/// # Errors
/// The folder cannot be written.
pub fn keep(folder: &Path, text: &str, now: Timestamp) -> std::io::Result<PathBuf> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut n = 1;
    loop {
        let name = if n == 1 {
            format!("screen-{time}.txt")
        } else {
            format!("screen-{time}-{n}.txt")
        };
        let path = folder.join(name);
        match private::new_file(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && n < MOST_FILES => {
                n += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn every_screen_has_a_file_of_its_own_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("screens");
        let paths: Vec<PathBuf> = (0..3)
            .map(|n| keep(&folder, &n.to_string(), Timestamp::UNIX_EPOCH).unwrap())
            .collect();
        for (n, path) in paths.iter().enumerate() {
            assert_eq!(std::fs::read_to_string(path).unwrap(), n.to_string());
            let mode = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
