//! `cvmtop list`: instances and their login health, as a table, as CSV or as one JSON object a line;
//! with `--causes` what keeps people out.
//!
//! A region that cannot be read is named on standard error; the others are printed.
//! Must not live here: reading the instances and looking at them (`fleet`).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::args::{GlobalArgs, ListArgs, Listing};
use super::fleet::{Fleet, Logins};
use super::page::{Page, Tone};
use super::report::verdict;
use super::said;
use super::table::{Column, csv, fit};
use super::{EXIT_NOTHING, acting, output};
use crate::app::locale::Texts;
use crate::diagnosis::{display, fleet};
use crate::domain::evidence::Path;
use crate::domain::instance::Instance;
use crate::domain::report::Report;
use crate::domain::said::List;
use crate::probe::{LoginHealth, SweepOptions};

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
            let mut page = Page::stdout();
            shown.text(&mut page);
            output::print(&page.take())?;
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

    /// What does not answer first, in as many columns as there is room for.
    fn text(&self, page: &mut Page) {
        let texts = output::texts();
        let mut order: Vec<usize> = (0..self.instances.len()).collect();
        order.sort_by_key(|index| Reverse(self.rank(*index)));
        let tones = order.iter().map(|index| match self.rank(*index) {
            Rank::Fails => Tone::Bad,
            Rank::Limps => Tone::Warn,
            Rank::Answers => Tone::Plain,
            Rank::Unknown => Tone::Dim,
        });
        let mut columns = self.columns(&order, texts);
        for column in &mut columns {
            column.title = column.title.to_uppercase();
        }
        let left_out = fit(&mut columns, page.room());
        page.table(&columns, tones);
        let count = |wanted: Rank| order.iter().filter(|i| self.rank(**i) == wanted).count();
        if !self.logins.is_empty() {
            let fails = count(Rank::Fails);
            let answers = count(Rank::Answers) + count(Rank::Limps);
            page.gap();
            let text = said::listed(self.instances.len(), answers, fails);
            page.put(0, Tone::Strong, &output::said(&text));
        }
        if !left_out.is_empty() {
            let text = said::columns_left_out(List::names(left_out));
            page.put(0, Tone::Dim, &output::said(&text));
        }
    }

    /// How an instance stands: by the best of its paths.
    fn rank(&self, index: usize) -> Rank {
        let paths = [Path::Public, Path::Private];
        let seen = paths.iter().filter_map(|path| self.logins.of(index, *path));
        let ranks = seen.map(|(health, _)| match health {
            LoginHealth::Answers => Rank::Answers,
            LoginHealth::Slow => Rank::Limps,
            LoginHealth::Unknown => Rank::Unknown,
            _ => Rank::Fails,
        });
        let ranks: Vec<Rank> = ranks.collect();
        match (ranks.iter().min(), ranks.iter().max()) {
            // One way is shut and the other is not.
            (Some(Rank::Answers | Rank::Limps), Some(Rank::Fails)) => Rank::Limps,
            (_, Some(worst)) => *worst,
            _ => Rank::Unknown,
        }
    }

    fn columns(&self, order: &[usize], texts: &Texts) -> Vec<Column> {
        let ui = &texts.ui;
        let instances = || order.iter().map(|index| &self.instances[*index]);
        let login = |path: Path| {
            let words = order
                .iter()
                .map(|index| match self.logins.of(*index, path) {
                    Some((health, _)) => texts.login_word(health.as_str()).to_owned(),
                    None => "-".to_owned(),
                });
            words.collect::<Vec<_>>()
        };
        let of = |cell: &dyn Fn(&Instance) -> String| instances().map(cell).collect::<Vec<_>>();
        let state = |i: &Instance| texts.instance_state(&i.state).to_owned();
        let address = |i: &Instance| {
            i.address()
                .map_or_else(|| "-".to_owned(), |a| a.to_string())
        };
        // The higher the number, the sooner a column makes room.
        let mut all = vec![
            Column::new(&ui.column_name, 0, of(&|i| i.name.clone())),
            Column::new(texts.path(Path::Public), 0, login(Path::Public)),
            Column::new(texts.path(Path::Private), 0, login(Path::Private)),
            Column::new(&ui.column_address, 1, of(&address)),
            Column::new(&ui.port, 2, of(&|i| i.login_port().to_string())),
            Column::new(&ui.column_id, 3, of(&|i| i.id.clone())),
            Column::new(&ui.column_region, 5, of(&|i| i.region.clone())),
            Column::new(&ui.column_state, 4, of(&state)),
            Column::new(&ui.column_os, 6, of(&|i| texts.os(i.os).to_owned())),
        ];
        if let Some(causes) = self.causes {
            let cells = order.iter().map(|index| cause(causes.get(index), texts));
            all.insert(3, Column::new(&ui.column_cause, 0, cells.collect()));
        }
        all
    }
}

/// How an instance stands, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Unknown,
    Answers,
    Limps,
    Fails,
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
