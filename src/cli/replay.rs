//! `cvmtop replay`: saved evidence weighed again, or labelled cases scored.
//!
//! Must not live here: how evidence is weighed (`diagnosis`).

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::args::{GlobalArgs, ReplayArgs, TextOrJson};
use super::{EXIT_NOTHING, output};
use crate::diagnosis::replay::SavedCase;
use crate::diagnosis::score::{self, Label, Method};
use crate::diagnosis::{Knowledge, explain};
use crate::domain::report::Report;

/// Longest line taken from standard input.
const MAX_LINE: usize = 16 << 20;

pub fn run(args: &ReplayArgs, _global: &GlobalArgs) -> Result<u8> {
    let own;
    let knowledge = match &args.knowledge {
        None => Knowledge::shipped(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the knowledge file {}", path.display()))?;
            own = Knowledge::parse(&path.display().to_string(), &text)?;
            &own
        }
    };
    if args.score {
        return score_cases(knowledge, &args.cases);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut read = 0_usize;
    for path in &args.cases {
        if path.as_os_str() == "-" {
            read += replay_lines(knowledge, args.format, &mut io::stdin().lock(), &mut out)?;
            continue;
        }
        for file in files_of(path)? {
            match std::fs::read(&file) {
                Ok(bytes) => {
                    for value in parse_file(&bytes) {
                        read += usize::from(answer(knowledge, args.format, value, &mut out)?);
                    }
                }
                Err(error) => {
                    let message = format!("cannot read {}: {error}", file.display());
                    output::warn(format_args!("{message}"));
                    writeln!(out, "{}", json!({ "error": message }))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(if read == 0 { EXIT_NOTHING } else { 0 })
}

/// One output for each line that is not blank; the answer is how many could be weighed.
fn replay_lines(
    knowledge: &Knowledge,
    format: TextOrJson,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> Result<usize> {
    let mut read = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut *input, MAX_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(read);
        }
        if line.len() > MAX_LINE {
            skip_line(input)?;
            writeln!(
                out,
                "{}",
                json!({"error": format!("the line is longer than {MAX_LINE} bytes")})
            )?;
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let value = serde_json::from_slice(&line).map_err(|e| format!("the line is not JSON: {e}"));
        read += usize::from(answer(knowledge, format, value, out)?);
        // A reader at the other end of a pipe waits for each answer.
        out.flush()?;
    }
}

fn skip_line(input: &mut impl BufRead) -> Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        if let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            input.consume(end + 1);
            return Ok(());
        }
        let length = buffer.len();
        input.consume(length);
    }
}

/// Weighs one value and writes the answer; false if it was no case.
fn answer(
    knowledge: &Knowledge,
    format: TextOrJson,
    value: Result<Value, String>,
    out: &mut impl Write,
) -> Result<bool> {
    let case_id = value.as_ref().ok().and_then(|v| v.get("case_id").cloned());
    let case = match value.and_then(|v| SavedCase::from_json(&v)) {
        Ok(case) => case,
        Err(error) => {
            let mut object = json!({ "error": error });
            if let (Some(id), Some(map)) = (case_id, object.as_object_mut()) {
                map.insert("case_id".to_owned(), id);
            }
            writeln!(out, "{object}")?;
            return Ok(false);
        }
    };
    let started = std::time::Instant::now();
    let mut report = case.diagnose(knowledge);
    report.elapsed_ms = started.elapsed().as_millis() as u64;
    match format {
        TextOrJson::Json => {
            serde_json::to_writer(&mut *out, &case.finish(&report)).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        TextOrJson::Text => out.write_all(text(&report).as_bytes())?,
    }
    Ok(true)
}

/// A file holds one object, a list of objects, or one object a line.
fn parse_file(bytes: &[u8]) -> Vec<Result<Value, String>> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Array(items)) => items.into_iter().map(Ok).collect(),
        Ok(value) => vec![Ok(value)],
        Err(whole) => {
            let lines: Vec<&[u8]> = bytes
                .split(|b| *b == b'\n')
                .filter(|l| !l.trim_ascii().is_empty())
                .collect();
            let first_is_json = lines
                .first()
                .is_some_and(|l| serde_json::from_slice::<Value>(l).is_ok());
            if !first_is_json {
                return vec![Err(format!("the file is not JSON: {whole}"))];
            }
            lines
                .into_iter()
                .map(|l| {
                    serde_json::from_slice(l).map_err(|e| format!("the line is not JSON: {e}"))
                })
                .collect()
        }
    }
}

/// The path itself, or the case files of a directory in the order of their names.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in
        std::fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?
    {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|e| e == "json" || e == "jsonl")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn score_cases(knowledge: &Knowledge, paths: &[PathBuf]) -> Result<u8> {
    let mut cases = Vec::new();
    let mut take = |value: Result<Value, String>| {
        if let Ok(value) = value
            && let Some(label) = Label::from_json(&value)
            && let Ok(case) = SavedCase::from_json(&value)
        {
            cases.push((label, case));
        }
    };
    for path in paths {
        if path.as_os_str() == "-" {
            for line in io::stdin().lock().lines() {
                take(serde_json::from_str(&line?).map_err(|e| e.to_string()));
            }
            continue;
        }
        for file in files_of(path)? {
            let bytes =
                std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            parse_file(&bytes).into_iter().for_each(&mut take);
        }
    }
    if cases.is_empty() {
        bail!("no labelled case was found: a case to be scored has an object \"expected\"");
    }
    output::print(&score::table(knowledge, &cases, &Method::ALL).render())?;
    Ok(0)
}

/// The report for a person: leading causes with their strongest reasons, then what to do.
fn text(report: &Report) -> String {
    let mut out = String::new();
    let name = if report.instance.id.is_empty() {
        "case"
    } else {
        &report.instance.id
    };
    let verdict = format!("{:?}", report.verdict).to_lowercase();
    let _ = writeln!(
        out,
        "{name}: {verdict}, {:.0}% of the evidence read",
        report.coverage * 100.0
    );
    for cause in report
        .causes
        .iter()
        .take(5)
        .filter(|c| c.probability >= 0.02)
    {
        let _ = writeln!(
            out,
            "  {:>3.0}%  {}  ({})",
            cause.probability * 100.0,
            cause.title,
            cause.id
        );
        let Some(explanation) = explain(report, &cause.id) else {
            continue;
        };
        for (sign, reasons) in [("+", &explanation.supporting), ("-", &explanation.opposing)] {
            for reason in reasons.iter().take(3) {
                let _ = writeln!(
                    out,
                    "        {sign} {} [{}] {:+.1} dB",
                    reason.text, reason.observation, reason.weight_db
                );
            }
        }
    }
    for next in report.next_evidence.iter().take(3) {
        let path = next.path.map_or_else(String::new, |p| format!(" ({p})"));
        let _ = writeln!(
            out,
            "  ask: {}{path}, {:.2} bit, {:.0} s, needs {}",
            next.id, next.bits, next.cost_s, next.needs
        );
    }
    for action in report.actions.iter().take(3) {
        let _ = writeln!(
            out,
            "  do:  {} ({}), cures with {:.0}%",
            action.title,
            action.id,
            action.probability_cures * 100.0
        );
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "  warning: {warning}");
    }
    out
}
