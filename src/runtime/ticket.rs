//! The bundle for a support ticket: report, evidence, journal and versions in one folder or
//! archive.
//!
//! Lives here: what goes into it, masking, writing. Nothing is sent anywhere. Must not live here:
//! collecting evidence (`runtime::triage`) or weighing it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::domain::evidence::Status;
use crate::domain::report::{Report, Verdict};
use crate::domain::text::{sanitise, sanitise_block};
use crate::store::journal::Entry;

/// What goes into a bundle.
#[derive(Debug)]
pub struct Material<'a> {
    pub report: &'a Report,
    /// Entries of this instance, oldest first.
    pub journal: &'a [Entry],
    pub error_text: Option<&'a str>,
    pub made_at: Timestamp,
    /// Replace addresses, ids and names by placeholders.
    pub mask: bool,
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    pub name: &'static str,
    pub text: String,
}

/// Why a bundle was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the ticket bundle to {path}: {source}; choose another --output")]
pub struct TicketError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// The files of the bundle; pure.
pub fn files(material: &Material<'_>) -> Vec<BundleFile> {
    let report = material.report;
    let pretty =
        |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let mut files = vec![
        file("report.md", markdown(material)),
        file("diagnosis.json", pretty(&json!(report))),
        file("evidence.json", pretty(&json!(report.evidence))),
        file("journal.json", pretty(&json!(material.journal))),
        file(
            "versions.json",
            pretty(&json!({
                "cvmtop": env!("CARGO_PKG_VERSION"),
                "knowledge": report.knowledge,
                "made_at": material.made_at,
                "time_zone": TimeZone::system().iana_name().unwrap_or("unknown"),
                "vantage": report.vantage,
            })),
        ),
        file("form.txt", form_text(material)),
    ];
    if let Some(text) = material.error_text {
        files.push(file("client-error.txt", sanitise_block(text, 64_000)));
    }
    if material.mask {
        let masks = Masks::of(material);
        for one in &mut files {
            one.text = masks.apply(&one.text);
        }
    }
    files
}

fn file(name: &'static str, mut text: String) -> BundleFile {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    BundleFile { name, text }
}

/// Writes the bundle below `directory`; returns the folder or archive that was made.
///
/// # Errors
/// The directory or a file cannot be written.
pub fn write(
    material: &Material<'_>,
    directory: &Path,
    archive: bool,
) -> Result<PathBuf, TicketError> {
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
        write_folder(&bundle, &path)
    };
    result
        .map(|()| path.clone())
        .map_err(|source| TicketError { path, source })
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

fn write_folder(bundle: &[BundleFile], path: &Path) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
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

/// The report for a support engineer.
fn markdown(material: &Material<'_>) -> String {
    let report = material.report;
    let instance = &report.instance;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "# Login to {} ({}) fails\n\n| | |\n|---|---|\n| region, zone | {}, {} |\n| system | {} |\n| state | {} |\n| public addresses | {} |\n| private addresses | {} |\n| login port | {} |\n| user's source | {} |\n| looked at from | {} |\n| made at | {} |\n",
        cell(&instance.name),
        instance.id,
        instance.region,
        instance.zone,
        instance.os.as_str(),
        cell(&instance.state),
        instance.public_addresses.join(", "),
        instance.private_addresses.join(", "),
        instance.login_port,
        report.vantage.user_source.as_deref().unwrap_or("not known"),
        cell(&report.vantage.host),
        material.made_at,
    );
    let _ = writeln!(out, "## Conclusion\n\n{}\n", conclusion(report));
    for cause in report.causes.iter().take(5) {
        let _ = writeln!(
            out,
            "* {:.0} % {} (`{}`)",
            cause.probability * 100.0,
            cell(&cause.title),
            cause.id
        );
    }
    evidence(&mut out, report);
    tried(&mut out, material.journal);
    if let Some(text) = material.error_text {
        let _ = writeln!(
            out,
            "\n## What the user's client printed\n\n```\n{}\n```",
            sanitise_block(text, 8_000).replace("```", "'''")
        );
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "\nNote: {}", cell(warning));
    }
    out
}

fn conclusion(report: &Report) -> String {
    match report.verdict {
        Verdict::Healthy => "The login path is healthy from here.".to_owned(),
        Verdict::Faulty => format!(
            "A fault was found; the evidence covers {:.0} % of what could be known.",
            report.coverage * 100.0
        ),
        Verdict::Inconclusive => format!(
            "The evidence does not decide; it covers {:.0} % of what could be known.",
            report.coverage * 100.0
        ),
    }
}

fn evidence(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "\n## Evidence\n\n| | what | path | state | detail | seen at |\n|---|---|---|---|---|---|"
    );
    for reading in &report.evidence {
        let state = reading.observed_state().unwrap_or(reading.status.as_str());
        if reading.status == Status::NotApplicable {
            continue;
        }
        let _ = writeln!(
            out,
            "| {} | {} | {} | {state} | {} | {} |",
            reading.observation,
            reading.id,
            reading.path.map_or("", |path| path.as_str()),
            cell(&reading.detail),
            reading
                .observed_at
                .map(|at| at.to_string())
                .unwrap_or_default(),
        );
    }
}

fn tried(out: &mut String, journal: &[Entry]) {
    let _ = writeln!(out, "\n## What was tried\n");
    if journal.is_empty() {
        let _ = writeln!(out, "Nothing was changed with this program.");
    }
    for entry in journal {
        let outcome = entry.outcome.map_or("in flight", |o| o.as_str());
        let _ = writeln!(
            out,
            "* {} {}: {outcome}. {}",
            entry.began,
            cell(&entry.plan.title),
            cell(&entry.detail)
        );
        for call in &entry.calls {
            if let Some(crate::store::journal::CallResult::Answered { request_id, .. }) =
                &call.result
            {
                let _ = writeln!(out, "  * {} request {request_id}", call.call.permission());
            }
        }
    }
}

/// Text for one table cell or list line.
fn cell(text: &str) -> String {
    sanitise(text, 600).replace('|', "\\|")
}

/// The short text for the vendor's form.
pub fn form_text(material: &Material<'_>) -> String {
    let report = material.report;
    let instance = &report.instance;
    let mut out = format!(
        "Instance {} in {} ({}): login on port {} fails from {}.\n",
        instance.id,
        instance.region,
        instance.os.as_str(),
        instance.login_port,
        report.vantage.user_source.as_deref().unwrap_or("outside"),
    );
    for cause in report.causes.iter().take(3) {
        let _ = writeln!(
            out,
            "{:.0} % {}",
            cause.probability * 100.0,
            sanitise(&cause.title, 200)
        );
    }
    for reading in &report.evidence {
        if let Some(state) = reading.observed_state() {
            let path = reading.path.map(|p| format!(" ({p})")).unwrap_or_default();
            let _ = writeln!(out, "{}{path}: {state}", reading.id);
        }
    }
    for entry in material.journal {
        let _ = writeln!(
            out,
            "Tried: {} -> {}",
            sanitise(&entry.plan.title, 200),
            entry.outcome.map_or("in flight", |o| o.as_str())
        );
    }
    out
}

/// What is replaced by what. The same value gets the same placeholder in every file.
#[derive(Debug, Default)]
struct Masks {
    known: BTreeMap<String, String>,
}

impl Masks {
    fn of(material: &Material<'_>) -> Self {
        let mut masks = Self::default();
        let instance = &material.report.instance;
        masks.add(&instance.id, "instance-1");
        masks.add(&instance.name, "name-1");
        masks.add(&material.report.vantage.host, "host-1");
        for entry in material.journal {
            masks.add(&entry.author.user, "user-1");
            masks.add(&entry.author.host, "host-1");
        }
        masks
    }

    fn add(&mut self, value: &str, placeholder: &str) {
        // Very short values would tear other words apart.
        if value.len() >= 3 {
            self.known.insert(value.to_owned(), placeholder.to_owned());
        }
    }

    fn apply(&self, text: &str) -> String {
        let mut known: Vec<_> = self.known.iter().collect();
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let mut text = text.to_owned();
        for (value, placeholder) in known {
            text = text.replace(value.as_str(), placeholder);
        }
        mask_words(&text)
    }
}

/// Replaces addresses and resource ids, each by a numbered placeholder.
fn mask_words(text: &str) -> String {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut out = String::with_capacity(text.len());
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        out.push_str(&rest[..start]);
        let after = &rest[start..];
        let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
        mask_word(&after[..end], &mut seen, &mut counts, &mut out);
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

fn mask_word(
    word: &str,
    seen: &mut BTreeMap<String, String>,
    counts: &mut BTreeMap<&str, usize>,
    out: &mut String,
) {
    const IDS: [&str; 9] = [
        "ins-", "sg-", "vpc-", "subnet-", "eip-", "acl-", "rtb-", "eni-", "skey-",
    ];
    // A port may follow an address, and a sentence may end with one.
    let trimmed = word.trim_end_matches(['.', ':', '-']);
    let (core, port) = match trimmed.rsplit_once(':') {
        Some((head, port))
            if head.parse::<std::net::Ipv4Addr>().is_ok()
                && port.chars().all(|c| c.is_ascii_digit()) =>
        {
            (head, &word[head.len()..])
        }
        _ => (trimmed, &word[trimmed.len()..]),
    };
    let kind = if core.parse::<IpAddr>().is_ok() {
        "address"
    } else if IDS
        .iter()
        .any(|id| core.strip_prefix(id).is_some_and(|tail| tail.len() >= 4))
    {
        "id"
    } else {
        out.push_str(word);
        return;
    };
    let placeholder = seen.entry(core.to_owned()).or_insert_with(|| {
        let count = counts.entry(kind).or_default();
        *count += 1;
        format!("{kind}-{count}")
    });
    out.push_str(placeholder);
    out.push_str(port);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_takes_addresses_and_ids_and_leaves_the_rest() {
        let text = "10.0.0.7:22 refused; sg-abcd1234 rule 0; 10.0.0.7. fe80::1 at 12:30:05, v1.2.3, ins-abcd1234";
        assert_eq!(
            mask_words(text),
            "address-1:22 refused; id-1 rule 0; address-1. address-2 at 12:30:05, v1.2.3, id-2"
        );
    }
}
