//! `cvmtop list`: instances and their login health, as a table or one JSON object a line.
//!
//! A region that cannot be read is named on standard error; the others are printed.
//! Must not live here: reading the inventory (`cloud::inventory`) or probing (`probe`).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::json;
use tokio::sync::mpsc;
use unicode_width::UnicodeWidthStr as _;

use super::args::{GlobalArgs, ListArgs, TableOrJson};
use super::said;
use super::{EXIT_NOTHING, open, output};
use crate::app::filter::{Filter, Matching};
use crate::app::fleet::Row;
use crate::app::locale::Texts;
use crate::cloud::inventory::{self, InventoryEvent};
use crate::domain::evidence::Path;
use crate::domain::instance::Instance;
use crate::domain::said::{Said, Table, Word};
use crate::probe::{LoginHealth, Protocol, SweepOptions, SweepResult, SweepTarget, sweep};
use crate::runtime;
use crate::runtime::session::Session;
use crate::runtime::targets::resolve_hosts;

/// Result of the short look at one login port.
type Logins = HashMap<(usize, Path), (LoginHealth, String)>;

pub async fn run(args: &ListArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let session = open::session(global).await?;
    let (mut instances, failures) = inventory(&session).await?;
    for failure in &failures {
        output::warn(failure);
    }
    if instances.is_empty() && !failures.is_empty() {
        return Ok(EXIT_NOTHING);
    }
    if let Some(text) = &args.filter {
        let filter = Filter::parse(text);
        for field in filter.unknown_fields() {
            output::warn(&said::no_field(field));
        }
        let mut matching = Matching::default();
        let rows: Vec<Row> = instances.into_iter().map(Row::new).collect();
        let named = rows.iter().map(|row| (Instance::clone(&row.instance), row));
        instances = filter.choose(named, &mut matching);
    }
    let logins = if args.no_probe {
        Logins::new()
    } else {
        look(&session, &instances).await
    };
    match args.format {
        TableOrJson::Json => output::print(&as_json(&instances, &logins))?,
        TableOrJson::Table => {
            let texts = Texts::of(session.settings.ui.lang);
            output::print(&as_table(&instances, &logins, texts))?;
        }
    }
    Ok(0)
}

/// Every instance of cloud and config, sorted, and one sentence per failure.
async fn inventory(session: &Session) -> anyhow::Result<(Vec<Instance>, Vec<Said>)> {
    let (mut instances, unresolved) = resolve_hosts(session.settings.hosts.clone()).await;
    let mut failures: Vec<Said> = unresolved.into_iter().map(|(_, why)| why).collect();
    if let Some(cloud) = &session.cloud {
        let (sender, mut pages) = mpsc::channel(64);
        let listing = inventory::list(&cloud.client, &cloud.regions, sender);
        let reading = async {
            while let Some(event) = pages.recv().await {
                match event {
                    InventoryEvent::Page {
                        instances: page, ..
                    } => instances.extend(page.into_iter().map(|one| session.adopt(one))),
                    InventoryEvent::RegionFailed { region, error } => {
                        failures.push(runtime::said::region_failed(region, error.said()));
                    }
                    InventoryEvent::Started { .. } | InventoryEvent::RegionDone { .. } => {}
                }
            }
        };
        let (listed, ()) = tokio::join!(listing, reading);
        listed?;
    }
    instances.sort_by(|a, b| (&a.region, &a.name, &a.id).cmp(&(&b.region, &b.name, &b.id)));
    Ok((instances, failures))
}

/// A short look at each login port, within the rate of the settings.
async fn look(session: &Session, instances: &[Instance]) -> Logins {
    let mut targets = Vec::new();
    let mut owners = Vec::new();
    for (index, instance) in instances.iter().enumerate() {
        for (path, addresses) in [
            (Path::Public, &instance.public_addresses),
            (Path::Private, &instance.private_addresses),
        ] {
            if let Some(&address) = addresses.first() {
                targets.push(SweepTarget {
                    key: owners.len(),
                    login: SocketAddr::new(address, instance.login_port()),
                    protocol: Some(Protocol::expected(instance.os, instance.login_port())),
                });
                owners.push((index, path));
            }
        }
    }
    let options = SweepOptions {
        rate: Some(session.settings.probe.rate),
        connect_timeout: session.settings.probe.timeout,
        ..SweepOptions::default()
    };
    let (sender, mut results) = mpsc::channel::<SweepResult>(256);
    let reading = tokio::spawn(async move {
        let mut logins = Logins::new();
        while let Some(result) = results.recv().await {
            if let Some(owner) = owners.get(result.key) {
                logins.insert(
                    *owner,
                    (result.check.health(), result.check.detail().to_string()),
                );
            }
        }
        logins
    });
    let summary = sweep(targets, &options, sender).await;
    // It ends with the sweep.
    let logins = reading.await.unwrap_or_default();
    if summary.held_back {
        output::warn(&said::at_once(summary.at_once));
    }
    logins
}

fn as_json(instances: &[Instance], logins: &Logins) -> String {
    let mut out = String::new();
    for (index, i) in instances.iter().enumerate() {
        let login = |path| {
            logins
                .get(&(index, path))
                .map(|(health, detail)| json!({"result": health.as_str(), "detail": detail}))
        };
        let addresses = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let row = json!({
            "id": i.id, "name": i.name, "region": i.region, "zone": i.zone,
            "os": i.os, "state": i.state, "restrict_state": i.restrict_state,
            "public_addresses": addresses(&i.public_addresses),
            "private_addresses": addresses(&i.private_addresses),
            "login_port": i.login_port(),
            "login": {"public": login(Path::Public), "private": login(Path::Private)},
            "tags": i.tags,
        });
        out.push_str(&row.to_string());
        out.push('\n');
    }
    out
}

fn as_table(instances: &[Instance], logins: &Logins, texts: &Texts) -> String {
    let ui = &texts.ui;
    let header = [
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
    let mut rows = vec![header.map(str::to_uppercase)];
    for (index, i) in instances.iter().enumerate() {
        let login = |path| {
            logins
                .get(&(index, path))
                .map_or("-", |(health, _)| texts.login_word(health.as_str()))
                .to_owned()
        };
        let address = i.address();
        rows.push([
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
        ]);
    }
    table(&rows)
}

/// Columns as wide as their widest cell, two spaces apart.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| {
                let space = width.saturating_sub(cell.width());
                format!("{cell}{}", " ".repeat(space))
            })
            .collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}
