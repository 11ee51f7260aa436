//! `cvmtop check`: the vendor's self-diagnosis as one dated list, kept, and compared with an earlier one.
//!
//! Must not live here: reading and judging (`runtime::check`), what is printed (`shown`).

mod shown;

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::args::{CheckArgs, GlobalArgs};
use super::diagnose::{
    AT_ONCE, Aimed, Progress, aim_all, session, unanswered, warn_if_shut_out, within, worse,
};
use super::output::Fault;
use super::said;
use super::{EXIT_FAULT, EXIT_INCONCLUSIVE, EXIT_NOTHING, open, output};
use crate::cloud::Pool;
use crate::domain::check::{CheckReport, Verdict, compare};
use crate::domain::text::sanitise;
use crate::runtime::check;
use crate::runtime::ticket::masked_check;
use crate::runtime::triage::TriageOptions;
use crate::store::checks::{Checks, Kept};

pub async fn run(args: &CheckArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let loaded = open::settings(global)?;
    let session = session(&loaded, &args.targets).await?;
    warn_if_shut_out(args.deep, &loaded);
    let looks = !(args.kept || args.list);
    let several = looks && args.targets.len() > 1;
    let options = TriageOptions {
        memory: Some(loaded.paths.state_dir.clone()),
        deep: args.deep,
        user_source: args.user_source,
        port: args.port,
        instance_is_fresh: true,
        timeout: args.timeout,
        pool: several.then(|| Pool::of(args.targets.len())),
        ..TriageOptions::default()
    };
    let aims = within(args.timeout, async {
        Ok(aim_all(&session, &args.targets, &options).await)
    })
    .await
    .unwrap_or_else(|late| unanswered(&args.targets, &options, &output::sentence(&late)));
    let progress = Progress::of(args.targets.len());
    let work = aims.into_iter().map(|aimed| {
        let (session, loaded, progress) = (&session, &loaded, &progress);
        async move {
            let Aimed { instance, options } = match aimed {
                Ok(aimed) => aimed,
                Err(error) => return Err(anyhow::Error::from(error)),
            };
            let checks = Checks::of(&loaded.paths.state_dir, &instance.id);
            let found = if looks {
                let report = check::run(session, &instance, &options);
                let report = Box::pin(within(args.timeout, async { Ok(report.await) })).await?;
                keep(&checks, &report);
                Some(report)
            } else {
                None
            };
            progress.one_more();
            Ok((checks, found))
        }
    });
    let mut work: VecDeque<_> = work.collect();
    let mut targets = args.targets.iter();
    let mut status = 0;
    let mut printed = shown::Printed::of(args);
    while !work.is_empty() {
        // Wave by wave: targets that begin one after the other would ask alone.
        let wave = work.drain(..work.len().min(AT_ONCE)).collect::<Vec<_>>();
        let mut reports = futures_util::stream::iter(wave).buffered(AT_ONCE);
        while let (Some(found), Some(target)) = (reports.next().await, targets.next()) {
            let shown = found.and_then(|(checks, found)| {
                one(args, target, &checks, found, &mut printed).map_err(anyhow::Error::from)
            });
            match shown {
                Ok(one) => status = worse(status, one),
                Err(error) => {
                    output::warn(&said::of_target(target, output::sentence(&error)));
                    status = worse(status, EXIT_NOTHING);
                }
            }
            printed.flush()?;
        }
    }
    printed.end()?;
    if looks {
        progress.end(&session, options.pool.as_ref());
    }
    Ok(status)
}

/// A report that could not be kept is shown all the same.
fn keep(checks: &Checks, report: &CheckReport) {
    if !report.is_worth_keeping() {
        return;
    }
    if let Err(error) = checks.keep(report) {
        output::warn(&error.said());
    }
}

/// What is to be shown of one target, and its exit status.
fn one(
    args: &CheckArgs,
    target: &str,
    checks: &Checks,
    found: Option<CheckReport>,
    printed: &mut shown::Printed,
) -> Result<u8, Fault> {
    let looked = found.is_some();
    let needs_kept = found.is_none() || args.compare.is_some();
    let kept = if needs_kept {
        checks.all().map_err(|error| Fault(error.said()))?
    } else {
        Kept::default()
    };
    for why in &kept.unused {
        output::warn(why);
    }
    if args.list {
        let reports = kept.reports.iter().map(|report| mask(args, report));
        printed.list(target, &reports.collect::<Vec<_>>());
        return Ok(0);
    }
    let report = match found {
        Some(report) => report,
        None => kept
            .reports
            .first()
            .cloned()
            .ok_or_else(|| Fault(said::check_none_kept()))?,
    };
    let status = exit_status(&report, args.strict);
    // Masked first: what changed says the same words.
    let report = mask(args, &report);
    let changes = match &args.compare {
        Some(which) => match earlier(&report, which, &kept.reports) {
            Ok(before) => {
                let before = mask(args, before);
                let changes = compare(&before, &report);
                Some((before, changes))
            }
            // What was looked at is shown, also where there is nothing to compare it with.
            Err(Fault(why)) if looked => {
                output::warn(&said::of_target(target, why));
                None
            }
            Err(why) => return Err(why),
        },
        None => None,
    };
    let target = if args.mask {
        report.instance.label()
    } else {
        target
    };
    printed.report(target, &report, changes.as_ref());
    Ok(status)
}

fn mask(args: &CheckArgs, report: &CheckReport) -> CheckReport {
    if args.mask {
        masked_check(report.clone())
    } else {
        report.clone()
    }
}

/// The earlier report that is meant.
fn earlier<'k>(
    report: &CheckReport,
    which: &str,
    kept: &'k [CheckReport],
) -> Result<&'k CheckReport, Fault> {
    let mut earlier = kept.iter().filter(|one| one.at < report.at);
    match which {
        "" => earlier.next().ok_or_else(said::check_none_before),
        which => earlier
            .find(|one| is_meant(one, which))
            .ok_or_else(|| said::check_none_such(sanitise(which, 60))),
    }
    .map_err(Fault)
}

/// By the id or its beginning, or by the date, here or in UTC.
fn is_meant(report: &CheckReport, which: &str) -> bool {
    if let Ok(date) = which.parse::<Date>() {
        let on = |zone: TimeZone| report.at.to_zoned(zone).date() == date;
        return on(TimeZone::system()) || on(TimeZone::UTC);
    }
    report.id.starts_with(which)
}

fn exit_status(report: &CheckReport, strict: bool) -> u8 {
    let mut decisive = report.items.iter().filter(|item| item.decisive);
    let is_blind = !decisive.any(|item| item.verdict != Verdict::NotSeen);
    let least = if strict {
        Verdict::Risk
    } else {
        Verdict::Fault
    };
    let worst = report.items.iter().map(|item| item.verdict).max();
    if worst.is_some_and(|worst| worst >= least) {
        EXIT_FAULT
    } else if is_blind {
        EXIT_NOTHING
    } else if report.is_undecided() {
        EXIT_INCONCLUSIVE
    } else {
        0
    }
}
