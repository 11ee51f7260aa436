//! `account-balance`: billing `DescribeAccountBalance` (needs the finance permission).

use std::time::Instant;

use serde_json::json;

use super::Gatherer;
use crate::cloud::wire::figure;
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::{Reading, Status};

const ID: &str = "account-balance";

pub(super) async fn read(gatherer: &Gatherer) -> Vec<Reading> {
    let started = Instant::now();
    let call = ApiCall::new("billing", "DescribeAccountBalance", "", json!({}));
    let reading = match gatherer.call(&call).await {
        Err(error) => gatherer.failed(ID, &error),
        // A negative cash balance is no arrears while credit covers it.
        Ok(answer) => {
            match figure(&answer["RealCreditBalance"]).or_else(|| figure(&answer["RealBalance"])) {
                Some(cents) if cents < 0.0 => gatherer.observed(
                    ID,
                    "negative",
                    format!("available balance with credit is {:.2}", cents / 100.0),
                ),
                Some(_) => gatherer.observed(ID, "positive", "balance with credit is not negative"),
                None => gatherer.without_state(
                    ID,
                    Status::ProbeFailed,
                    "the answer of billing:DescribeAccountBalance holds no balance",
                ),
            }
        }
    };
    gatherer.emit(started, vec![reading]).await
}
