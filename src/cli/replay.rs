//! `cvmtop replay`: saved evidence weighed again, or labelled cases scored.
//!
//! Must not live here: how evidence is weighed (`diagnosis`).

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::args::{GlobalArgs, ReplayArgs, TextOrJson};
use super::ordered::{Next, Put, in_order};
use super::output::{Fault, Unwritten};
use super::page::Page;
use super::report::Shown;
use super::said;
use super::{EXIT_NOTHING, acting, output, report};
use crate::config::{self, Overrides};
use crate::diagnosis::Knowledge;
use crate::diagnosis::replay::SavedCase;
use crate::diagnosis::score::{self, Label, Method};
use crate::runtime::execute::failed_cures;
use crate::store::journal::Journal;

/// Longest line taken from standard input.
const MAX_LINE: usize = 16 << 20;
/// Room for an answer, so that it is not copied while it grows.
const USUAL_ANSWER: usize = 256 << 10;

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
    let asked = args.why_not.as_deref();
    if let Some(why) = asked.and_then(|cause| report::unknown_cause(knowledge, cause)) {
        super::output::warn(&why);
        return Ok(super::EXIT_USAGE);
    }
    let show = Show {
        knowledge,
        format: args.format,
        why_not: args.why_not.as_deref(),
        all: args.all,
        journal: journal(global),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut read = 0_usize;
    in_order(
        |put| feed(&args.cases, Unread::IsAnAnswer, put),
        |input| show.answer(input.value()),
        |next| {
            match next {
                Next::Result(answer) => {
                    let (text, weighed) = answer?;
                    read += usize::from(weighed);
                    out.write_all(&text).map_err(Unwritten)?;
                }
                // A reader at the other end of a pipe waits for each answer.
                Next::Pause => out.flush().map_err(Unwritten)?,
            }
            Ok(())
        },
    )?;
    out.flush().map_err(Unwritten)?;
    Ok(if read == 0 { EXIT_NOTHING } else { 0 })
}

/// A case before anybody has looked at it.
enum Input {
    Line(Vec<u8>),
    Value(Value),
    Broken(String),
}

impl Input {
    fn value(self) -> Result<Value, String> {
        match self {
            Self::Line(line) => parse_line(&line),
            Self::Value(value) => Ok(value),
            Self::Broken(why) => Err(why),
        }
    }
}

/// What becomes of a file that cannot be read.
#[derive(Clone, Copy)]
enum Unread {
    IsAnAnswer,
    IsAnError,
}

/// Puts every case of the paths, until nobody wants more.
fn feed(paths: &[PathBuf], unread: Unread, put: Put<'_, Input>) -> Result<()> {
    for path in paths {
        if path.as_os_str() == "-" {
            if !each_line(&mut io::stdin().lock(), put)? {
                break;
            }
            continue;
        }
        for file in files_of(path)? {
            let cases = match (std::fs::read(&file), unread) {
                (Ok(bytes), _) => cases_of(&bytes),
                (Err(error), Unread::IsAnError) => {
                    return Err(Fault(said::unread(file.display(), error)).into());
                }
                (Err(error), Unread::IsAnAnswer) => {
                    let message = said::unread(file.display(), error);
                    output::warn(&message);
                    vec![Input::Broken(message.as_str().to_owned())]
                }
            };
            if !cases.into_iter().all(&mut *put) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Puts each line that is not blank, or the reason why it cannot be a case; false once nobody wants
/// more.
fn each_line(input: &mut impl BufRead, put: Put<'_, Input>) -> Result<bool> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut *input, MAX_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(true);
        }
        let wanted = if line.len() > MAX_LINE {
            skip_line(input)?;
            put(Input::Broken(format!(
                "the line is longer than {MAX_LINE} bytes"
            )))
        } else {
            line.trim_ascii().is_empty() || put(Input::Line(line.clone()))
        };
        if !wanted {
            return Ok(false);
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
    all: bool,
    /// What was done from this machine.
    journal: Option<Journal>,
}

/// The journal of the state directory. Evidence can be weighed without one, so whatever is wrong
/// with settings or file is no reason to stop.
fn journal(global: &GlobalArgs) -> Option<Journal> {
    config::load(&Overrides::from(global))
        .ok()
        .map(|loaded| acting::journal(&loaded))
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
                let journal = self.journal.as_ref();
                let near = journal.and_then(|journal| journal.near(&case.instance.id, at).ok());
                failed_cures(&near.unwrap_or_default(), &case.instance.id, at)
            }
            _ => Vec::new(),
        }
    }

    /// Weighs one value; the answer as it is written, and whether it was a case.
    fn answer(&self, value: Result<Value, String>) -> Result<(Vec<u8>, bool)> {
        let case_id = value.as_ref().ok().and_then(|v| v.get("case_id").cloned());
        let mut case =
            match value.and_then(|v| SavedCase::from_json(&v).map_err(|why| why.to_string())) {
                Ok(case) => case,
                Err(error) => {
                    let mut object = json!({ "error": error });
                    if let (Some(id), Some(map)) = (case_id, object.as_object_mut()) {
                        map.insert("case_id".to_owned(), id);
                    }
                    return Ok((format!("{object}\n").into_bytes(), false));
                }
            };
        if case.tried.is_none() {
            case.tried = Some(self.tried(&case));
        }
        let started = std::time::Instant::now();
        let mut answer = case.diagnose(self.knowledge);
        answer.elapsed_ms = started.elapsed().as_millis() as u64;
        let mut out = Vec::with_capacity(USUAL_ANSWER);
        match self.format {
            TextOrJson::Json => {
                case.write(&answer, &mut out).map_err(io::Error::from)?;
                out.push(b'\n');
            }
            TextOrJson::Text => {
                let mut page = Page::stdout();
                let shown = Shown {
                    target: &answer.instance.id,
                    told: &[],
                    all: self.all,
                };
                report::text(&mut page, &answer, shown);
                if let Some(cause) = self.why_not {
                    report::why_not_text(&mut page, self.knowledge, &answer, cause);
                }
                page.gap();
                out.extend(page.take().into_bytes());
            }
        }
        Ok((out, true))
    }
}

/// A file holds one object, a list of objects, or one object a line.
fn cases_of(bytes: &[u8]) -> Vec<Input> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Array(items)) => items.into_iter().map(Input::Value).collect(),
        Ok(value) => vec![Input::Value(value)],
        Err(whole) => {
            let lines: Vec<&[u8]> = bytes
                .split(|b| *b == b'\n')
                .filter(|l| !l.trim_ascii().is_empty())
                .collect();
            if lines.iter().all(|line| parse_line(line).is_err()) {
                return vec![Input::Broken(format!("the file is not JSON: {whole}"))];
            }
            let line = |line: &[u8]| Input::Line(line.to_vec());
            lines.into_iter().map(line).collect()
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
    in_order(
        |put| feed(paths, Unread::IsAnError, put),
        |input| {
            let value = input.value().ok()?;
            let label = Label::from_json(&value)?;
            Some((label, SavedCase::from_json(&value).ok()?))
        },
        |next| {
            match next {
                Next::Result(Some(case)) => cases.push(case),
                Next::Result(None) => left_out += 1,
                Next::Pause => {}
            }
            Ok(())
        },
    )?;
    if left_out > 0 {
        output::warn(&said::cases_left_out(left_out));
    }
    if cases.is_empty() {
        return Err(Fault(said::no_labels()).into());
    }
    output::print(&score::table(knowledge, &cases, &Method::ALL).render())?;
    Ok(0)
}
