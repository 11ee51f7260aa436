//! `cvmtop overview`: which causes keep people out of the fleet, and how often each occurs.
//!
//! Must not live here: reading and weighing (`fleet`), counting (`diagnosis::fleet`).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::args::{GlobalArgs, Listing, OverviewArgs};
use super::fleet::Fleet;
use super::said;
use super::table::{csv, table};
use super::{EXIT_FAULT, EXIT_INCONCLUSIVE, EXIT_NOTHING, output};
use crate::app::batch::{Choice, repair_of};
use crate::diagnosis::fleet::{CauseShare, FleetCauses, causes_of};
use crate::diagnosis::incident::{Diagnosed, Incident};
use crate::domain::action::act_words;
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::domain::said::{Figure, List, Unit, Word};

/// Cells of the longest bar.
const BAR: f64 = 20.0;
/// How long a greeting is waited for before an instance is weighed; the weighing itself waits as long
/// as it takes to tell a slow login service from one that hangs.
const GREETING: Duration = Duration::from_secs(1);
/// Instances that are named beside their cause.
const NAMED: usize = 3;

pub async fn run(args: &OverviewArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let Some(fleet) = Fleet::read(global, args.filter.as_deref()).await? else {
        return Ok(EXIT_NOTHING);
    };
    // Nothing to look at is no fleet whose logins all answer.
    if fleet.instances.is_empty() {
        output::warn(&said::overview_empty());
        return Ok(EXIT_NOTHING);
    }
    let (_, reports) = fleet.look_and_weigh(GREETING, args.timeout).await;
    let onsets = fleet.onsets();
    let weighed = reports.iter().map(|(index, report)| {
        let instance = &fleet.instances[*index];
        Diagnosed {
            instance,
            report,
            onset: onsets.get(&instance.id).copied(),
        }
    });
    let causes = causes_of(&fleet.session.knowledge, weighed);
    let overview = Overview {
        instances: &fleet.instances,
        reports: &reports,
        causes: &causes,
    };
    match args.format {
        Listing::Json => output::print(&overview.json())?,
        Listing::Csv => output::print(&csv(&overview.csv()))?,
        Listing::Table => output::print(&overview.text())?,
    }
    Ok(if !causes.causes.is_empty() {
        EXIT_FAULT
    } else if causes.undecided.is_empty() {
        0
    } else {
        EXIT_INCONCLUSIVE
    })
}

/// What is printed.
struct Overview<'a> {
    instances: &'a [Instance],
    /// By index into `instances`.
    reports: &'a [(usize, Report)],
    causes: &'a FleetCauses,
}

impl Overview<'_> {
    fn json(&self) -> String {
        let mut object = json!({
            "schema_version": 1,
            "instances": self.instances.len(),
            "answering": self.instances.len() - self.causes.weighed,
        });
        if let (Some(object), Ok(serde_json::Value::Object(causes))) =
            (object.as_object_mut(), serde_json::to_value(self.causes))
        {
            object.extend(causes);
        }
        format!("{object}\n")
    }

    /// One row a cause, in ids: for programs.
    fn csv(&self) -> Vec<Vec<String>> {
        let header = ["cause", "title", "share", "count", "instances"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for cause in &self.causes.causes {
            rows.push(vec![
                cause.id.clone(),
                cause.title.clone(),
                format!("{:.4}", cause.share),
                cause.instances.len().to_string(),
                cause.instances.join(" "),
            ]);
        }
        rows
    }

    fn text(&self) -> String {
        let names: HashMap<&str, &str> = self
            .instances
            .iter()
            .map(|one| (one.id.as_str(), one.name.as_str()))
            .collect();
        let named = |ids: &[String]| {
            let first = ids.iter().take(NAMED);
            let list = List::names(first.map(|id| *names.get(id.as_str()).unwrap_or(&id.as_str())));
            match ids.len().saturating_sub(NAMED) {
                0 => output::said(&said::names(list)),
                more => output::said(&said::names_and_more(list, more)),
            }
        };
        let fleet = self.causes;
        let answering = self.instances.len() - fleet.weighed + fleet.healthy;
        let failing = fleet.weighed - fleet.healthy;
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{}",
            output::said(&said::overview(self.instances.len(), answering, failing))
        );
        let texts = output::texts();
        let largest = fleet.causes.iter().map(|cause| cause.share);
        let largest = largest.fold(f64::MIN_POSITIVE, f64::max);
        let mut rows = Vec::new();
        for cause in &fleet.causes {
            let bar = "\u{2588}".repeat((cause.share / largest * BAR).ceil() as usize);
            rows.push(vec![
                texts.cause(&cause.id, &cause.title).to_owned(),
                bar,
                output::said(&said::figure(share(cause))),
                cause.instances.len().to_string(),
                named(&cause.instances),
            ]);
        }
        if !rows.is_empty() {
            let ui = &texts.ui;
            let header = [
                ui.column_cause.as_str(),
                "",
                &ui.column_share,
                &ui.column_instances,
                "",
            ];
            rows.insert(0, header.map(str::to_uppercase).to_vec());
            out.push('\n');
            out.push_str(&table(&rows));
        }
        for cause in &fleet.causes {
            for incident in &cause.incidents {
                out.push('\n');
                self.incident(&mut out, cause, incident);
            }
        }
        if !fleet.undecided.is_empty() {
            let undecided = said::no_leading_cause(fleet.undecided.len(), named(&fleet.undecided));
            let _ = writeln!(out, "\n{}", output::said(&undecided));
        }
        out
    }

    /// Instances that fail together, and the command that mends them, where one does.
    fn incident(&self, out: &mut String, cause: &CauseShare, incident: &Incident) {
        let title = Word::cause(&cause.id, &cause.title);
        let told = said::incident_of(title, incident.said());
        let _ = writeln!(out, "{}", output::said(&told));
        let of =
            |(index, _): &&(usize, Report)| incident.instances.contains(&self.instances[*index].id);
        let reports = self.reports.iter().filter(of).map(|(_, report)| report);
        if let Some(command) =
            repair_of(reports).and_then(|choice| command(&incident.instances, &choice))
        {
            let _ = writeln!(out, "{}", output::said(&said::incident_repair(command)));
        }
    }
}

/// A share of the fleet, in whole per cent.
fn share(cause: &CauseShare) -> Figure {
    Figure::new(cause.share * 100.0, 0, Unit::Share)
}

/// What previews a repair of several instances; `None` where a shell could read an id otherwise.
fn command(instances: &[String], choice: &Choice) -> Option<String> {
    let is_plain = |id: &String| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !instances.iter().all(is_plain) {
        return None;
    }
    let words = act_words(choice.action.as_str(), &choice.parameters);
    Some(format!(
        "cvmtop act {} {words} --dry-run",
        instances.join(" ")
    ))
}
