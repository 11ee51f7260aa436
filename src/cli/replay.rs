//! `cvmtop replay`: saved evidence weighed again, or labelled cases scored.
//!
//! Must not live here: how evidence is weighed (`diagnosis`).

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::args::{GlobalArgs, ReplayArgs, TextOrJson};
use super::output::Fault;
use super::said;
use super::{EXIT_NOTHING, acting, output, report};
use crate::config::{self, Overrides};
use crate::diagnosis::Knowledge;
use crate::diagnosis::replay::SavedCase;
use crate::diagnosis::score::{self, Label, Method};
use crate::runtime::execute::failed_cures;
use crate::store::journal::Contents;

/// Longest line taken from standard input.
const MAX_LINE: usize = 16 << 20;

pub fn run(args: &ReplayArgs, global: &GlobalArgs) -> Result<u8> {
    let own;
    let knowledge = match &args.knowledge {
        None => Knowledge::shipped(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Fault(said::knowledge_unread(path.display(), error)))?;
            own = Knowledge::parse(&path.display().to_string(), &text)?;
            &own
        }
    };
    if args.score {
        return score_cases(knowledge, &args.cases);
    }
    let show = Show {
        knowledge,
        format: args.format,
        why_not: args.why_not.as_deref(),
        journal: journal(global),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut read = 0_usize;
    for path in &args.cases {
        if path.as_os_str() == "-" {
            read += replay_lines(&show, &mut io::stdin().lock(), &mut out)?;
            continue;
        }
        for file in files_of(path)? {
            match std::fs::read(&file) {
                Ok(bytes) => {
                    for value in parse_file(&bytes) {
                        read += usize::from(show.answer(value, &mut out)?);
                    }
                }
                Err(error) => {
                    let message = said::unread(file.display(), error);
                    output::warn(&message);
                    writeln!(out, "{}", json!({ "error": message.as_str() }))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(if read == 0 { EXIT_NOTHING } else { 0 })
}

/// One output for each line that is not blank; the answer is how many could be weighed.
fn replay_lines(show: &Show<'_>, input: &mut impl BufRead, out: &mut impl Write) -> Result<usize> {
    let mut read = 0;
    each_line(input, &mut |value| {
        read += usize::from(show.answer(value, out)?);
        // A reader at the other end of a pipe waits for each answer.
        out.flush()?;
        Ok(())
    })?;
    Ok(read)
}

/// Hands over each line that is not blank, as JSON or with the reason why it is none.
fn each_line(
    input: &mut impl BufRead,
    take: &mut dyn FnMut(Result<Value, String>) -> Result<()>,
) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut *input, MAX_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.len() > MAX_LINE {
            skip_line(input)?;
            take(Err(format!("the line is longer than {MAX_LINE} bytes")))?;
        } else if !line.trim_ascii().is_empty() {
            take(parse_line(&line))?;
        }
    }
}

fn parse_line(line: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(line).map_err(|e| format!("the line is not JSON: {e}"))
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

/// How answers are written.
struct Show<'a> {
    knowledge: &'a Knowledge,
    format: TextOrJson,
    why_not: Option<&'a str>,
    /// What was done from this machine.
    journal: Contents,
}

/// The journal of the state directory. Evidence can be weighed without one, so whatever is wrong
/// with settings or file is no reason to stop.
fn journal(global: &GlobalArgs) -> Contents {
    config::load(&Overrides::from(global))
        .ok()
        .and_then(|loaded| acting::journal(&loaded).read().ok())
        .unwrap_or_default()
}

impl Show<'_> {
    /// What the journal says was tried in the incident that the evidence is of, for a case that
    /// does not say so itself.
    fn tried(&self, case: &SavedCase) -> Vec<String> {
        let seen = case
            .readings
            .iter()
            .filter_map(|reading| reading.observed_at);
        match seen.max() {
            Some(at) if !case.instance.id.is_empty() => {
                failed_cures(&self.journal, &case.instance.id, at)
            }
            _ => Vec::new(),
        }
    }

    /// Weighs one value and writes the answer; false if it was no case.
    fn answer(&self, value: Result<Value, String>, out: &mut impl Write) -> Result<bool> {
        let case_id = value.as_ref().ok().and_then(|v| v.get("case_id").cloned());
        let mut case =
            match value.and_then(|v| SavedCase::from_json(&v).map_err(|why| why.to_string())) {
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
        if case.tried.is_none() {
            case.tried = Some(self.tried(&case));
        }
        let started = std::time::Instant::now();
        let mut answer = case.diagnose(self.knowledge);
        answer.elapsed_ms = started.elapsed().as_millis() as u64;
        match self.format {
            TextOrJson::Json => {
                serde_json::to_writer(&mut *out, &case.finish(&answer)).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            TextOrJson::Text => {
                out.write_all(report::text(&answer).as_bytes())?;
                if let Some(cause) = self.why_not {
                    let text = report::why_not_text(self.knowledge, &answer, cause);
                    out.write_all(text.as_bytes())?;
                }
            }
        }
        Ok(true)
    }
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
            let values: Vec<_> = lines.into_iter().map(parse_line).collect();
            if values.iter().all(Result::is_err) {
                return vec![Err(format!("the file is not JSON: {whole}"))];
            }
            values
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
        std::fs::read_dir(path).map_err(|error| Fault(said::unlisted(path.display(), error)))?
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
    let mut left_out = 0_usize;
    let mut take = |value: Result<Value, String>| {
        let labelled = value.ok().and_then(|value| {
            let label = Label::from_json(&value)?;
            Some((label, SavedCase::from_json(&value).ok()?))
        });
        match labelled {
            Some(case) => cases.push(case),
            None => left_out += 1,
        }
        Ok(())
    };
    for path in paths {
        if path.as_os_str() == "-" {
            each_line(&mut io::stdin().lock(), &mut take)?;
            continue;
        }
        for file in files_of(path)? {
            let bytes =
                std::fs::read(&file).map_err(|error| Fault(said::unread(file.display(), error)))?;
            parse_file(&bytes).into_iter().try_for_each(&mut take)?;
        }
    }
    if left_out > 0 {
        output::warn(&said::cases_left_out(left_out));
    }
    if cases.is_empty() {
        return Err(Fault(said::no_labels()).into());
    }
    output::print(&score::table(knowledge, &cases, &Method::ALL).render())?;
    Ok(0)
}
