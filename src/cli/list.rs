//! `cvmtop list`: instances and their login health, as a table, as CSV or as one JSON object a line;
//! with `--causes` what keeps people out.
//!
//! A region that cannot be read is named on standard error; the others are printed.
//! Must not live here: reading the instances and looking at them (`fleet`).

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::args::{GlobalArgs, ListArgs, Listing};
use super::fleet::{Fleet, Logins};
use super::report::verdict;
use super::said;
use super::table::{csv, table};
use super::{EXIT_NOTHING, acting, output};
use crate::app::locale::Texts;
use crate::diagnosis::{display, fleet};
use crate::domain::evidence::Path;
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::domain::said::{Table, Word};
use crate::probe::SweepOptions;

/// What was weighed, by index of the instance.
type Causes = HashMap<usize, Report>;

pub async fn run(args: &ListArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let Some(fleet) = Fleet::read(global, args.filter.as_deref()).await? else {
        return Ok(EXIT_NOTHING);
    };
    let patience = SweepOptions::default().greeting_timeout;
    let (logins, causes) = if args.no_probe {
        (Logins::default(), None)
    } else if args.causes {
        let (logins, causes) = fleet.look_and_weigh(patience, None).await;
        (logins, Some(causes.into_iter().collect()))
    } else {
        let logins = Logins::look(&fleet.session, &fleet.instances, patience).await;
        (logins, None)
    };
    let shown = Shown {
        instances: &fleet.instances,
        logins: &logins,
        causes: causes.as_ref(),
    };
    match args.format {
        Listing::Json => output::print(&shown.json())?,
        Listing::Csv => output::print(&csv(&shown.csv()))?,
        Listing::Table => {
            let texts = Texts::of(fleet.session.settings.ui.lang);
            output::print(&table(&shown.table(texts)))?;
        }
    }
    Ok(acting::overdue_of(&fleet.session, &fleet.loaded))
}

/// What is printed.
struct Shown<'a> {
    instances: &'a [Instance],
    logins: &'a Logins,
    causes: Option<&'a Causes>,
}

impl Shown<'_> {
    fn json(&self) -> String {
        let mut out = String::new();
        for (index, i) in self.instances.iter().enumerate() {
            let login = |path| {
                self.logins
                    .of(index, path)
                    .map(|(health, detail)| json!({"result": health.as_str(), "detail": detail}))
            };
            let addresses =
                |list: &[IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
            let mut row = json!({
                "id": i.id, "name": i.name, "region": i.region, "zone": i.zone,
                "os": i.os, "state": i.state, "restrict_state": i.restrict_state,
                "public_addresses": addresses(&i.public_addresses),
                "private_addresses": addresses(&i.private_addresses),
                "login_port": i.login_port(),
                "login": {"public": login(Path::Public), "private": login(Path::Private)},
                "tags": i.tags,
            });
            if let Some(causes) = self.causes {
                row["diagnosis"] = diagnosis(causes.get(&index));
            }
            out.push_str(&row.to_string());
            out.push('\n');
        }
        out
    }

    /// One row an instance, in ids: for programs.
    fn csv(&self) -> Vec<Vec<String>> {
        let mut header = vec![
            "id", "name", "region", "state", "os", "address", "port", "public", "private",
        ];
        if self.causes.is_some() {
            header.extend(["verdict", "cause", "probability"]);
        }
        let mut rows = vec![header.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        for (index, i) in self.instances.iter().enumerate() {
            let login = |path| match self.logins.of(index, path) {
                Some((health, _)) => health.as_str().to_owned(),
                None => String::new(),
            };
            let mut row = vec![
                i.id.clone(),
                i.name.clone(),
                i.region.clone(),
                i.state.clone(),
                i.os.as_str().to_owned(),
                i.address()
                    .map_or_else(String::new, |address| address.to_string()),
                i.login_port().to_string(),
                login(Path::Public),
                login(Path::Private),
            ];
            if let Some(causes) = self.causes {
                let found = diagnosis(causes.get(&index));
                let cell = |value: &Value| match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                row.extend([
                    cell(&found["verdict"]),
                    cell(&found["cause"]["id"]),
                    cell(&found["cause"]["probability"]),
                ]);
            }
            rows.push(row);
        }
        rows
    }

    fn table(&self, texts: &Texts) -> Vec<Vec<String>> {
        let ui = &texts.ui;
        let mut header = vec![
            "id",
            &ui.column_name,
            &ui.column_region,
            &ui.column_state,
            "os",
            &ui.column_address,
            &ui.port,
            texts.path(Path::Public),
            texts.path(Path::Private),
        ];
        if self.causes.is_some() {
            header.push(&ui.column_cause);
        }
        let mut rows = vec![
            header
                .into_iter()
                .map(str::to_uppercase)
                .collect::<Vec<_>>(),
        ];
        for (index, i) in self.instances.iter().enumerate() {
            let login = |path| {
                self.logins
                    .of(index, path)
                    .map_or("-", |(health, _)| texts.login_word(health.as_str()))
                    .to_owned()
            };
            let address = i.address();
            let mut row = vec![
                i.id.clone(),
                i.name.clone(),
                i.region.clone(),
                texts.said(&said::word(Word::new(
                    Table::InstanceState,
                    i.state.clone(),
                ))),
                texts.said(&said::word(Word::new(Table::Os, i.os.as_str()))),
                address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
                i.login_port().to_string(),
                login(Path::Public),
                login(Path::Private),
            ];
            if let Some(causes) = self.causes {
                row.push(cause(causes.get(&index), texts));
            }
            rows.push(row);
        }
        rows
    }
}

/// The verdict and the cause that leads; null where the instance was not weighed.
fn diagnosis(report: Option<&Report>) -> Value {
    let Some(report) = report else {
        return Value::Null;
    };
    let cause = fleet::leading(report).map(
        |cause| json!({"id": cause.id, "title": cause.title, "probability": cause.probability}),
    );
    json!({"verdict": report.verdict, "cause": cause})
}

/// The cause that leads, in words.
fn cause(report: Option<&Report>, texts: &Texts) -> String {
    let Some(report) = report else {
        return "-".to_owned();
    };
    match fleet::leading(report) {
        Some(cause) => {
            let share = display::percent(display::capped(report, cause));
            texts.noted(texts.cause(&cause.id, &cause.title), &share)
        }
        None => texts.said(&verdict(report.verdict)),
    }
}
