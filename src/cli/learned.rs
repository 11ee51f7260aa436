//! `cvmtop learned`: what confirmed outcomes did to the priors; to read, to share, to forget.
//!
//! Must not live here: what an outcome is worth (`diagnosis::learn`), the file (`store`).

use std::fmt::Write as _;

use serde_json::json;

use super::args::{GlobalArgs, LearnedArgs, TextOrJson};
use super::said;
use super::{EXIT_NOTHING, acting, open, output};
use crate::diagnosis::learn;
use crate::runtime::{clock, session};
use crate::store::outcomes::Outcomes;

pub async fn run(args: &LearnedArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let outcomes = Outcomes::in_directory(&loaded.paths.state_dir);
    let outcomes = outcomes.with_colleagues(loaded.has_colleagues());
    acting::exchange(&loaded).await;
    let now = clock::now();
    if args.reset {
        let count = outcomes.read(now)?.len();
        if !args.yes {
            output::warn(&said::would_forget(count));
            return Ok(EXIT_NOTHING);
        }
        outcomes.reset()?;
        output::print(&format!("{}\n", output::said(&said::forgotten(count))))?;
        return Ok(0);
    }
    if args.export {
        output::print(&outcomes.export(now)?)?;
        return Ok(0);
    }
    let read = outcomes.read(now)?;
    let elsewhere = outcomes.of_colleagues(now)?.len();
    let taught = session::knowledge(&loaded.settings)?;
    let priors = learn::priors(&taught, &read);
    let notes = learn::notes(&priors);
    match args.format {
        TextOrJson::Json => {
            let moved: Vec<_> = priors
                .iter()
                .filter(|p| p.cases > 0)
                .map(|p| json!({"cause": p.cause, "shipped": p.shipped, "learnt": p.learnt, "cases": p.cases}))
                .collect();
            let mut told = json!({"outcomes": read.len(), "priors": moved});
            if elsewhere > 0 {
                told["elsewhere"] = elsewhere.into();
            }
            output::print(&format!("{told}\n"))?;
        }
        TextOrJson::Text => {
            let mut out = format!("{}\n", output::said(&said::outcomes(read.len())));
            if elsewhere > 0 {
                let _ = writeln!(
                    out,
                    "  {}",
                    output::said(&said::outcomes_elsewhere(elsewhere))
                );
            }
            for note in notes {
                let _ = writeln!(out, "  {}", output::said(&note));
            }
            output::print(&out)?;
        }
    }
    Ok(0)
}
