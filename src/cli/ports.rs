//! `cvmtop ports TARGET`: port verification, as the vendor's console has it, with the deciding rule,
//! a real try from here and the action that opens what is shut.
//!
//! Must not live here: judging and trying (`runtime::ports`).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::{GlobalArgs, Listing, PortsArgs};
use super::diagnose::warn_if_shut_out;
use super::output::{said as in_words, texts};
use super::said;
use super::table::{csv, table};
use super::{EXIT_FAULT, EXIT_INCONCLUSIVE, EXIT_NOTHING, open, output};
use crate::domain::evidence::Reading;
use crate::domain::instance::Instance;
use crate::domain::port_check::{Answer, Part, Tuple};
use crate::domain::port_report::{PortReport, said as words, tuples, with_login};
use crate::domain::ports::Direction;
use crate::runtime::ports::{self, PortLook};
use crate::runtime::targets;
use crate::runtime::vantage::own_source;

pub async fn run(args: &PortsArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let own = [loaded.settings.probe.tuples.clone(), args.tuple.clone()].concat();
    let asked = tuples(args.source, &own).map_err(output::Fault)?;
    let session = open::on(&loaded).await?;
    let instance = match targets::find(&session, &args.target).await {
        Ok(instance) => instance,
        Err(error) => {
            output::warn(&error.said());
            return Ok(EXIT_NOTHING);
        }
    };
    let asked = with_login(asked, &instance, args.source);
    // A network is no single source that a route could be judged for.
    let source = args
        .source
        .filter(|net| net.prefix_len() == net.max_prefix_len());
    let source = source.map(|net| net.addr());
    warn_if_shut_out(args.deep, &loaded);
    let look = PortLook {
        probe: !args.no_probe,
        deep: args.deep,
    };
    let report = ports::verify(&session, &instance, &asked, source, look).await;
    match args.format {
        Listing::Json => {
            output::print(&format!("{}\n", json(&report, &instance, &args.target)))?;
        }
        Listing::Csv => output::print(&csv(&rows_for_programs(&report)))?,
        Listing::Table => output::print(&text(&report, &instance, &args.target))?,
    }
    Ok(match report.answer() {
        Answer::Open => 0,
        Answer::Closed | Answer::Partly => EXIT_FAULT,
        Answer::Untold => EXIT_INCONCLUSIVE,
    })
}

/// The whole report as one object; `target` is named in its commands.
fn json(report: &PortReport, instance: &Instance, target: &str) -> Value {
    let part = |part: &Part| json!({"answer": part.answer, "why": part.why.as_str()});
    let guest = |reading: Option<&Reading>| match reading {
        Some(reading) => {
            let state = reading.observed_state();
            json!({"status": reading.status, "state": state, "detail": reading.detail.as_str()})
        }
        None => Value::Null,
    };
    let rows = report.rows.iter().map(|row| {
        let opens = row.opens.as_ref();
        json!({
            "tuple": row.tuple.to_string(),
            "direction": row.tuple.direction,
            "service": row.tuple.service(),
            "remote": row.tuple.far_side(),
            "answer": row.judged.answer(),
            "security_groups": part(&row.judged.groups),
            "network_acl": row.judged.acl.as_ref().map(part),
            "from_here": {"result": row.seen.as_str(), "detail": row.seen.said().as_str()},
            "guest_firewall": guest(row.guest.as_ref()),
            "open_with": opens.map(|opens| format!("cvmtop act {target} {}", opens.words())),
        })
    });
    json!({
        "schema_version": 1,
        "instance": {"id": instance.id, "name": instance.name, "region": instance.region},
        "at": report.at.to_string(),
        "address": report.address.map(|address| address.to_string()),
        "own_source": report.address.and_then(own_source).map(|own| own.to_string()),
        "route": report.route.as_ref().map(|route| {
            let state = route.observed_state();
            json!({"status": route.status, "state": state, "detail": route.detail.as_str()})
        }),
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// One row a tuple, in ids.
fn rows_for_programs(report: &PortReport) -> Vec<Vec<String>> {
    let header = [
        "direction",
        "service",
        "remote",
        "answer",
        "from_here",
        "why",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for row in &report.rows {
        let way = match row.tuple.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        rows.push(vec![
            way.to_owned(),
            row.tuple.service(),
            row.tuple.far_side(),
            row.judged.answer().as_str().to_owned(),
            row.seen.as_str().to_owned(),
            row.why().as_str().to_owned(),
        ]);
    }
    rows
}

/// The report for a person.
fn text(report: &PortReport, instance: &Instance, target: &str) -> String {
    let answer = |answer| match answer {
        Answer::Open => words::port_open(),
        Answer::Partly => words::port_partly(),
        Answer::Closed => words::port_closed(),
        Answer::Untold => words::port_untold(),
    };
    let way = |tuple: &Tuple| match tuple.direction {
        Direction::In => words::port_in(),
        Direction::Out => words::port_out(),
    };
    let header = [
        words::port_way(),
        words::port_service(),
        words::port_far_side(),
        words::port_rules(),
        words::port_from_here(),
    ];
    let mut rows = vec![header.map(|title| in_words(&title).to_uppercase()).to_vec()];
    for row in &report.rows {
        rows.push(vec![
            in_words(&way(&row.tuple)),
            row.tuple.service(),
            row.tuple.far_side(),
            in_words(&answer(row.judged.answer())),
            in_words(&row.seen.said()),
        ]);
    }
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{}",
        in_words(&said::ports_of(&instance.name, &instance.id))
    );
    if let Some(address) = report.address {
        let _ = writeln!(out, "{}", in_words(&said::ports_tried(address)));
    }
    let _ = writeln!(out, "\n{}", table(&rows));
    let told = |reading: &Reading| {
        let place = texts().evidence_on(&reading.id, None);
        texts().labelled(&place, &in_words(&reading.detail))
    };
    for row in &report.rows {
        let _ = writeln!(
            out,
            "{}",
            texts().labelled(&row.tuple.to_string(), &in_words(&row.why()))
        );
        let inside = row.guest.as_ref();
        if let Some(guest) = inside.filter(|guest| guest.observed_state().is_some()) {
            let _ = writeln!(out, "    {}", told(guest));
        }
        if let Some(opens) = &row.opens {
            let _ = writeln!(out, "    cvmtop act {target} {}", opens.words());
        }
    }
    // What could not be read is the same for many rows, and said once.
    let inside = report.rows.iter().filter_map(|row| row.guest.as_ref());
    let unread = inside.filter(|guest| guest.observed_state().is_none());
    let whole = report.route.iter().chain(unread).map(told);
    let mut said_once: Vec<String> = Vec::new();
    for line in whole {
        if !said_once.contains(&line) {
            said_once.push(line);
        }
    }
    for line in said_once {
        let _ = writeln!(out, "\n{line}");
    }
    let looked_inside = report.rows.iter().any(|row| row.guest.is_some());
    let not_seen = if looked_inside {
        said::ports_not_listening()
    } else {
        said::ports_not_seen()
    };
    let _ = writeln!(out, "\n{}", in_words(&not_seen));
    out
}
