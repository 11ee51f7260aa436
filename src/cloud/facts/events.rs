//! `platform-event`: repair tasks (cvm `DescribeTaskInfo`), platform incidents (monitor
//! `DescribeAccidentEventList`) and product events (`DescribeProductEventList`).
//!
//! The last one is marked as no longer used in its specification, so its refusal is no failure.
//! Must not live here: what people changed (`changes`).

use std::time::Instant;

use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::Gatherer;
use crate::cloud::error::CloudError;
use crate::cloud::said;
use crate::cloud::wire::{self, AccidentItem, ProductEvent, RepairTaskItem};
use crate::domain::check::{Event, LOOK_BACK_HOURS};
use crate::domain::evidence::state::platform_event;
use crate::domain::evidence::{Reading, group};
use crate::domain::said::Said;
use crate::domain::text::sanitise;

const ID: &str = group::PLATFORM_EVENT;
/// Running out of memory longer ago says little about now.
const RECENT_SECONDS: i64 = 2 * 3600;

/// Product events that speak of the guest; the text says when.
#[derive(Debug, Default)]
pub(super) struct Product {
    pub out_of_memory: Option<Said>,
    pub read_only_disk: Option<Said>,
    reboot: Option<Said>,
    crash: Option<Said>,
    /// All of them, for the self-diagnosis.
    all: Vec<Event>,
}

#[derive(Default)]
pub(super) struct Events {
    pub readings: Vec<Reading>,
    pub open_tasks: Vec<RepairTaskItem>,
    pub product: Product,
    product_failure: Option<CloudError>,
}

impl Events {
    /// Events of the look-back.
    pub fn listed(&self) -> Result<&[Event], &CloudError> {
        match &self.product_failure {
            Some(error) => Err(error),
            None => Ok(&self.product.all),
        }
    }

    /// The repair tasks in words.
    pub fn tasks(&self) -> Vec<Said> {
        self.open_tasks.iter().map(said_task).collect()
    }
}

fn said_task(task: &RepairTaskItem) -> Said {
    said::repair_task(
        sanitise(&task.task_id, 40),
        sanitise(&task.task_type_name, 80),
        sanitise(&task.create_time, 30),
    )
}

pub(super) async fn read(gatherer: &Gatherer) -> Events {
    let started = Instant::now();
    let (tasks, accidents, product) =
        tokio::join!(tasks(gatherer), accidents(gatherer), product(gatherer));
    let (product, product_failure) = match product {
        Ok(product) => (product, None),
        Err(error) => (Product::default(), Some(error)),
    };
    let unseen = product_failure.as_ref().map(said::product_events_unseen);
    let mut reading = judge(gatherer, &tasks, &accidents, &product);
    // What was seen needs no word of what was not.
    if reading.seen() == Some(platform_event::NONE)
        && let Some(unseen) = unseen
    {
        reading.detail = reading.detail.and(unseen);
    }
    let open_tasks = tasks
        .unwrap_or_default()
        .into_iter()
        .filter(|task| matches!(task.task_status, Some(1 | 2 | 4)))
        .collect();
    Events {
        readings: gatherer.emit(started, vec![reading]).await,
        open_tasks,
        product,
        product_failure,
    }
}

async fn tasks(gatherer: &Gatherer) -> Result<Vec<RepairTaskItem>, CloudError> {
    // The default range is today only; the vendor's dates are in UTC+8.
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let date = |time: Timestamp| {
        let local = time.to_zoned(zone.clone());
        local.strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let now = gatherer.now();
    let start = now.checked_sub((24 * 30).hours()).unwrap_or(now);
    let parameters = json!({
        "Product": "CVM",
        "InstanceIds": [gatherer.instance.id],
        "StartDate": date(start),
        "EndDate": date(now),
        "OrderField": "CreateTime",
        "Order": 1,
        "Offset": 0,
        "Limit": 20,
    });
    let answer = gatherer.ask("cvm", "DescribeTaskInfo", parameters).await?;
    let tasks =
        wire::whole::<RepairTaskItem>(&answer, "RepairTaskInfoSet", "cvm:DescribeTaskInfo")?;
    Ok(tasks
        .into_iter()
        .filter(|task| task.instance_id.is_empty() || task.instance_id == gatherer.instance.id)
        .collect())
}

async fn accidents(gatherer: &Gatherer) -> Result<Vec<AccidentItem>, CloudError> {
    let now = gatherer.now().as_second();
    let parameters = json!({
        "Module": "monitor",
        "StartTime": now - 24 * 3600,
        "EndTime": now,
        "AffectResource": gatherer.instance.id,
        "Offset": 0,
        "Limit": 20,
    });
    let answer = gatherer
        .ask("monitor", "DescribeAccidentEventList", parameters)
        .await?;
    wire::whole(&answer, "Alarms", "monitor:DescribeAccidentEventList")
}

async fn product(gatherer: &Gatherer) -> Result<Product, CloudError> {
    let now = gatherer.now().as_second();
    let parameters = json!({
        "Module": "monitor",
        "ProductName": ["cvm"],
        "InstanceId": [gatherer.instance.id],
        "StartTime": now - LOOK_BACK_HOURS * 3600,
        "EndTime": now,
        "Offset": 0,
        "Limit": 50,
    });
    let answer = gatherer
        .ask("monitor", "DescribeProductEventList", parameters)
        .await?;
    let (events, _) = wire::list::<ProductEvent>(&answer, "Events");
    let mut product = Product::default();
    for event in events {
        if event.instance_id != gatherer.instance.id {
            continue;
        }
        let at = event.start_time.unwrap_or(now);
        let is_recent = now - at <= RECENT_SECONDS || event.status == "alarm";
        let when = Timestamp::from_second(at).map_or_else(|_| said::recently(), Said::raw);
        let name = if event.event_name.is_empty() {
            &event.event_e_name
        } else {
            &event.event_name
        };
        let name = name.replace(['_', ' '], "").to_lowercase();
        if let Ok(at) = Timestamp::from_second(at) {
            let name = sanitise(&name, 80);
            product.all.push(Event { name, at });
        }
        match name.as_str() {
            "guestoom" if is_recent => product.out_of_memory = Some(when),
            "diskreadonly" if is_recent => product.read_only_disk = Some(when),
            "guestreboot" => product.reboot = Some(when),
            "guestcoreerror" => product.crash = Some(when),
            _ => {}
        }
    }
    Ok(product)
}

/// The worst that any source names wins.
fn judge(
    gatherer: &Gatherer,
    tasks: &Result<Vec<RepairTaskItem>, CloudError>,
    accidents: &Result<Vec<AccidentItem>, CloudError>,
    product: &Product,
) -> Reading {
    let known_tasks = tasks.as_deref().unwrap_or_default();
    let task = |fits: &dyn Fn(&RepairTaskItem) -> bool| {
        known_tasks.iter().find(|task| fits(task)).map(said_task)
    };
    let incident = accidents
        .as_deref()
        .unwrap_or_default()
        .iter()
        .find(|item| item.event_status == Some(1) && item.affect_resource == gatherer.instance.id)
        .map(|item| {
            said::platform_incident_not(
                sanitise(&item.accident_type_desc, 80),
                sanitise(&item.occur_time, 30),
            )
        });
    let open = |task: &RepairTaskItem| matches!(task.task_status, Some(1 | 2 | 4));
    let broken = |task: &RepairTaskItem| {
        open(task)
            && matches!(task.task_type_id, Some(102..=104))
            && !matches!(task.device_status, Some(3..=6))
    };
    let findings = [
        (platform_event::FAULT, incident.or_else(|| task(&broken))),
        (
            platform_event::GUEST_CRASH,
            product.crash.as_ref().map(said::guest_kernel_failed),
        ),
        (
            platform_event::GUEST_REBOOT,
            product.reboot.as_ref().map(said::guest_restarted),
        ),
        (
            platform_event::MAINTENANCE,
            task(&|task| task.task_status == Some(2)),
        ),
        (
            platform_event::MAINTENANCE_PLANNED,
            task(&|task| matches!(task.task_status, Some(1 | 4))),
        ),
    ];
    for (state, detail) in findings {
        if let Some(detail) = detail {
            return gatherer.observed(state, detail);
        }
    }
    let odd = known_tasks
        .iter()
        .any(|task| !matches!(task.task_status, Some(1..=6)));
    let incidents = accidents.as_deref().unwrap_or_default();
    let odd = odd
        || incidents.iter().any(|item| {
            item.affect_resource == gatherer.instance.id
                && !matches!(item.event_status, Some(0 | 1))
        });
    nothing(gatherer, tasks, accidents, odd)
}

/// The reading where nothing is named.
fn nothing(
    gatherer: &Gatherer,
    tasks: &Result<Vec<RepairTaskItem>, CloudError>,
    accidents: &Result<Vec<AccidentItem>, CloudError>,
    odd: bool,
) -> Reading {
    // What could not be read leaves it open whether there is anything; a list that this site of
    // the vendor does not have is not missing, and the other one speaks alone.
    let absent = |error: &CloudError| matches!(error, CloudError::Unserved { .. });
    match (tasks, accidents) {
        (Err(error), Err(_)) => gatherer.failed(ID, error),
        (Err(error), _) | (_, Err(error)) if !absent(error) => gatherer.failed(ID, error),
        _ if odd => gatherer.failed(
            ID,
            &wire::not_understood("cvm:DescribeTaskInfo", said::what_task_status()),
        ),
        (Err(_), _) => {
            let here = said::tasks_not_here("cvm:DescribeTaskInfo");
            gatherer.observed(platform_event::NONE, said::no_incident().and(here))
        }
        (_, Err(_)) => {
            let here = said::incidents_not_here("monitor:DescribeAccidentEventList");
            gatherer.observed(platform_event::NONE, said::no_repair_task().and(here))
        }
        _ => gatherer.observed(platform_event::NONE, said::no_platform_event()),
    }
}
