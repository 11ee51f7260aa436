//! The bundle for a support ticket: report, evidence, journal and versions in one folder or
//! archive.
//!
//! Lives here: what goes into it, masking, writing. Nothing is sent anywhere. Must not live here:
//! collecting evidence (`runtime::triage`) or weighing it.

mod mask;
mod report;
pub mod said;
mod secrets;
pub use secrets::secrets_in;

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use self::mask::Masks;
pub use self::report::form_text;
use crate::app::locale::Texts;
use crate::cloud::tap::RawAnswer;
use crate::domain::check::{CheckItem, CheckReport, Checked};
use crate::domain::report::Report;
use crate::domain::said::Said;
use crate::domain::text::sanitise_block;
use crate::store::journal::Entry;

/// The file with the text for the vendor's form.
const FORM: &str = "form.txt";
/// The file with what the cloud answered.
const RAW: &str = "raw.json";

/// What goes into a bundle.
#[derive(Debug)]
pub struct Material<'a> {
    pub report: &'a Report,
    /// Entries of this instance, oldest first.
    pub journal: &'a [Entry],
    /// What the cloud answered during the diagnosis, and what the guest printed.
    pub raw: &'a [RawAnswer],
    pub error_text: Option<&'a str>,
    pub made_at: Timestamp,
    /// Replace addresses, ids and names by placeholders.
    pub mask: bool,
    /// The language of the report and the form.
    pub texts: &'static Texts,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    pub name: &'static str,
    pub text: String,
}

/// Why a bundle was not written.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
pub struct TicketError {
    pub path: PathBuf,
    pub source: io::Error,
}

impl TicketError {
    /// The sentence.
    pub fn said(&self) -> Said {
        super::said::ticket_unwritable(self.path.display(), &self.source)
    }
}

/// The files of the bundle; pure.
pub fn files(material: &Material<'_>) -> Vec<BundleFile> {
    let report = material.report;
    let pretty =
        |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let mut files = vec![
        file("report.md", report::markdown(material)),
        file("diagnosis.json", pretty(&json!(report))),
        file("evidence.json", pretty(&json!(report.evidence))),
        file("journal.json", pretty(&json!(material.journal))),
        file(
            "versions.json",
            pretty(&json!({
                "cvmtop": env!("CARGO_PKG_VERSION"),
                "knowledge": report.knowledge,
                "made_at": material.made_at,
                "time_zone": time_zone(),
                "made_at_local": local_time(material.made_at),
                "made_on": std::env::consts::OS,
                "vantage": report.vantage,
            })),
        ),
        file(FORM, form_text(material)),
    ];
    if !material.raw.is_empty() {
        let text = pretty(&secrets::secrets_in(json!(material.raw)));
        files.push(file(RAW, text));
    }
    if let Some(text) = material.error_text {
        let text = secrets::secrets(&sanitise_block(text, 64_000));
        files.push(file("client-error.txt", text));
    }
    if material.mask {
        let mut masks = Masks::of(material);
        for one in &mut files {
            // In JSON a line begins behind `\\n`, which would hide an address: each text by itself.
            one.text = match serde_json::from_str(&one.text) {
                Ok(value) => pretty(&masks.apply_in(value)) + "\n",
                Err(_) => masks.apply(&one.text),
            };
        }
    }
    files
}

/// A report of the self-diagnosis with addresses, names and ids of its instance masked.
pub fn masked_check(report: CheckReport) -> CheckReport {
    let mut masks = Masks::of_instance(&report.instance.id, &report.instance.name);
    let mut text = |text: &str| masks.apply(text);
    let items = report.items.into_iter().map(|item| CheckItem {
        detail: item.detail.mapped(&mut text),
        needs: item.needs.map(|needs| needs.mapped(&mut text)),
        mend: item.mend.map(|mut mend| {
            for value in mend.parameters.values_mut() {
                if let Some(given) = value.as_str() {
                    *value = text(given).into();
                }
            }
            mend
        }),
        ..item
    });
    CheckReport {
        items: items.collect(),
        instance: Checked {
            id: text(&report.instance.id),
            name: text(&report.instance.name),
            ..report.instance
        },
        ..report
    }
}

/// Name of this machine's time zone.
fn time_zone() -> String {
    let zone = TimeZone::system();
    zone.iana_name().unwrap_or("unknown").to_owned()
}

fn local_time(at: Timestamp) -> String {
    let local = at.to_zoned(TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// The folder that was typed; a leading `~` is the home.
pub fn folder(typed: &str) -> PathBuf {
    match (typed.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(typed),
    }
}

/// A bundle that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The folder or the archive.
    pub path: PathBuf,
    pub files: Vec<String>,
    /// The text for the vendor's form, masked like the rest.
    pub form: String,
}

fn file(name: &'static str, mut text: String) -> BundleFile {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    BundleFile { name, text }
}

/// Writes the bundle below `directory`; tells what was made.
///
/// # Errors
/// The directory or a file cannot be written.
pub fn write(
    material: &Material<'_>,
    directory: &Path,
    archive: bool,
) -> Result<Written, TicketError> {
    let stamp = material
        .made_at
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d-%H%M%S")
        .to_string();
    let id = if material.mask {
        "masked".to_owned()
    } else {
        safe(&material.report.instance.id)
    };
    let name = format!("cvmtop-ticket-{id}-{stamp}");
    let path = if archive {
        directory.join(format!("{name}.tar.gz"))
    } else {
        directory.join(&name)
    };
    let bundle = files(material);
    let result = if archive {
        write_archive(&bundle, &path, &name, directory)
    } else {
        write_folder(&bundle, &path, directory)
    };
    if let Err(source) = result {
        return Err(TicketError { path, source });
    }
    let form = bundle.iter().find(|one| one.name == FORM);
    Ok(Written {
        path,
        files: bundle.iter().map(|one| one.name.to_owned()).collect(),
        form: form.map_or_else(String::new, |one| one.text.clone()),
    })
}

fn safe(id: &str) -> String {
    id.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(60)
        .collect()
}

fn private() -> std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

fn write_folder(bundle: &[BundleFile], path: &Path, directory: &Path) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::DirBuilderExt as _;
    // A folder that is there already may be another user's, who could replace what is written.
    std::fs::create_dir_all(directory)?;
    std::fs::DirBuilder::new().mode(0o700).create(path)?;
    for one in bundle {
        private()
            .open(path.join(one.name))?
            .write_all(one.text.as_bytes())?;
    }
    Ok(())
}

fn write_archive(
    bundle: &[BundleFile],
    path: &Path,
    name: &str,
    directory: &Path,
) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let target = private().open(path)?;
    let gzip = flate2::write::GzEncoder::new(target, flate2::Compression::default());
    let mut tar = tar::Builder::new(gzip);
    for one in bundle {
        let mut header = tar::Header::new_gnu();
        header.set_size(one.text.len() as u64);
        header.set_mode(0o600);
        tar.append_data(
            &mut header,
            format!("{name}/{}", one.name),
            one.text.as_bytes(),
        )?;
    }
    tar.into_inner()?.finish()?.sync_all()
}
