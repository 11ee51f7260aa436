//! Guides of the operator's own: read once at the start, linted, put beside the shipped ones.
//!
//! Must not live here: what a guide is (`guide::library`), where its folder is (`config`).

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::said;
use crate::config::Loaded;
use crate::diagnosis::Knowledge;
use crate::domain::said::Said;
use crate::domain::text::sanitise;
use crate::guide::Lang;
use crate::guide::library::{self, Library, LintError, MAX_GUIDE, OwnFile};

/// Files that are read from the folder.
const MAX_FILES: usize = 500;

/// Reads the folder of own guides and puts them in force. What is wrong with them comes back,
/// with file and line; a folder that is not there is nothing wrong unless it was named.
pub fn install(loaded: &Loaded) -> Vec<Said> {
    let named = loaded.settings.guides.as_deref();
    let folder = named.unwrap_or(&loaded.paths.guides_dir);
    if named.is_none() && !folder.is_dir() {
        return Vec::new();
    }
    let lang = loaded.settings.ui.lang;
    let mut problems = Vec::new();
    let files = read(folder, lang, &mut problems);
    if files.is_empty() {
        return problems;
    }
    let knowledge = Knowledge::shipped();
    let (own, errors) = Library::with_own(&files, &|cause| knowledge.cause(cause).is_some());
    problems.extend(errors.iter().map(LintError::said));
    library::put_in_force(own);
    problems
}

/// `FOLDER/{en,ko,zh}/NAME.md`, and `FOLDER/NAME.md` in the language of the session.
fn read(folder: &Path, lang: Lang, problems: &mut Vec<Said>) -> Vec<OwnFile> {
    let mut files = Vec::new();
    let mut places = vec![(folder.to_owned(), lang)];
    places.extend(Lang::ALL.map(|lang| (folder.join(lang.as_str()), lang)));
    for (number, (place, lang)) in places.iter().enumerate() {
        let entries = match fs::read_dir(place) {
            Ok(entries) => entries,
            Err(_) if number > 0 => continue,
            Err(error) => {
                problems.push(said::guides_unread(place.display(), error));
                return files;
            }
        };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.extension().is_none_or(|end| end != "md") || !path.is_file() {
                continue;
            }
            if files.len() == MAX_FILES {
                problems.push(said::guides_cut(MAX_FILES));
                return files;
            }
            match read_one(&path) {
                Ok(text) => files.push(OwnFile {
                    path: sanitise(&path.display().to_string(), 300),
                    lang: *lang,
                    text,
                }),
                Err(error) => problems.push(said::guide_unread(path.display(), error)),
            }
        }
    }
    files
}

/// One byte more than is allowed is enough for the lint to refuse the file.
fn read_one(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MAX_GUIDE as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
