//! Reads the audit log once for many resources, where that costs fewer calls than asking about each.
//!
//! The log is read whole or not at all: a list that was not read to its end says of nobody that
//! nothing changed, and each resource is asked about by itself. Must not live here: which event is
//! about which resource (`audit_log`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::{Client, CloudError, Pool, may_differ};
use crate::cloud::audit_log::{self, PAGE, RELEVANT, Stretch};
use crate::domain::api_call::ApiCall;

/// Most pages of a list that holds every write of the account.
const MOST_PAGES: usize = 100;
/// The stretches that are read: a few lengths, so that targets whose failure began at different
/// times share them.
const DAYS: [i64; 6] = [1, 2, 4, 8, 16, 29];
const DAY: i64 = 24 * 3600;
/// Read beyond the beginning, for those who ask a little later or earlier.
const MARGIN: i64 = 120;

/// A look-up of the changes of one resource.
pub(super) struct LookUp<'a> {
    pub resource: &'a str,
    pub from: i64,
    days: i64,
}

/// What the call looks up, if it is about one resource.
pub(super) fn look_up(call: &ApiCall) -> Option<LookUp<'_>> {
    if call.service != "cloudaudit" || call.action != "DescribeEvents" {
        return None;
    }
    let asked = &call.parameters;
    let [resource, kind] = asked["LookupAttributes"].as_array()?.as_slice() else {
        return None;
    };
    let is_of_one = resource["AttributeKey"] == "ResourceId" && kind == &only_writes();
    let from = asked["StartTime"].as_i64()?;
    let span = asked["EndTime"].as_i64()? - from;
    let days = DAYS.into_iter().find(|days| span <= days * DAY)?;
    (is_of_one && asked["NextToken"].is_null()).then_some(LookUp {
        resource: resource["AttributeValue"].as_str()?,
        from,
        days,
    })
}

fn only_writes() -> Value {
    json!({"AttributeKey": "ActionType", "AttributeValue": "Write"})
}

impl LookUp<'_> {
    /// What must be equal for two look-ups to share a stretch.
    pub(super) fn stretch(&self, call: &ApiCall) -> String {
        format!("{} {}", call.region, self.days)
    }

    /// The call that reads the stretch, without conditions.
    pub(super) fn of_all(&self, call: &ApiCall) -> ApiCall {
        let mut call = call.clone();
        let end = call.parameters["EndTime"].as_i64().unwrap_or(self.from);
        let start = end - self.days * DAY - MARGIN;
        call.parameters = json!({"StartTime": start, "EndTime": end, "MaxResults": PAGE});
        call
    }
}

/// Pages that may still be spent.
#[derive(Debug, Default)]
pub(super) struct Purse(AtomicUsize);

impl Purse {
    pub(super) fn of(pages: usize) -> Self {
        Self(AtomicUsize::new(pages))
    }

    fn holds(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn spend(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        let spent = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        spent.is_ok()
    }
}

/// The stretch, or `None` where asking about each resource is the better way.
pub(super) async fn read(
    pool: Pool,
    client: Client,
    all: ApiCall,
) -> Result<Option<Arc<Stretch>>, CloudError> {
    let purse = &pool.0.purse;
    let writes = [only_writes()];
    let most = MOST_PAGES.min(purse.holds() / 2);
    let read = match pages(&pool, &client, &all, &writes, most).await {
        // A busy account: only the changes that count, which are fewer.
        Ok(None) if purse.holds() >= 2 * RELEVANT.len() => {
            let each = RELEVANT.iter().map(async |name| {
                let named = json!({"AttributeKey": "EventName", "AttributeValue": name});
                let found = pages(&pool, &client, &all, &[named, only_writes()], MOST_PAGES).await;
                found.map(|pages| pages.ok_or(()))
            });
            try_join_all(each).await.map(|found| {
                let found: Result<Vec<_>, ()> = found.into_iter().collect();
                found.ok().map(|found| found.concat())
            })
        }
        other => other,
    };
    let stretch = read.and_then(|pages| {
        let Some(pages) = pages else { return Ok(None) };
        let mut stretch = Stretch::default();
        for page in &pages {
            stretch.take(page)?;
        }
        Ok(Some(Arc::new(stretch)))
    });
    match stretch {
        // What is not understood may be about somebody else.
        Err(error) if may_differ(&error) && !matches!(error, CloudError::Permission { .. }) => {
            Ok(None)
        }
        other => other,
    }
}

/// Every page of a list; `None` where they are more than `most`, or more than may be spent.
async fn pages(
    pool: &Pool,
    client: &Client,
    all: &ApiCall,
    conditions: &[Value],
    most: usize,
) -> Result<Option<Vec<Value>>, CloudError> {
    let mut call = all.clone();
    call.parameters["LookupAttributes"] = json!(conditions);
    let mut pages = Vec::new();
    for _ in 0..most {
        if !pool.0.purse.spend() {
            return Ok(None);
        }
        let answer = client.send(&call).await?.response;
        let rows = answer["Events"].as_array().map_or(0, Vec::len);
        let next = audit_log::next_page(&answer, rows)?;
        pages.push(answer);
        match next {
            Some(next) => call.parameters["NextToken"] = next,
            None => return Ok(Some(pages)),
        }
    }
    Ok(None)
}
