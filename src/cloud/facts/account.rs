//! `account-balance`: billing `DescribeAccountBalance` (needs the finance permission).

use std::time::Instant;

use serde_json::json;

use super::Gatherer;
use crate::cloud::said;
use crate::cloud::wire::figure;
use crate::domain::api_call::ApiCall;
use crate::domain::evidence::state::account_balance;
use crate::domain::evidence::{Reading, Status, group};
use crate::domain::said::{Figure, Unit};

const ID: &str = group::ACCOUNT_BALANCE;

pub(super) async fn read(gatherer: &Gatherer) -> Vec<Reading> {
    let started = Instant::now();
    let call = ApiCall::new("billing", "DescribeAccountBalance", "", json!({}));
    let reading = match gatherer.call(&call).await {
        Err(error) => gatherer.failed(ID, &error),
        // A negative cash balance is no arrears while credit covers it.
        Ok(answer) => {
            // One that is there and not understood is not replaced by the other.
            let field = match &answer["RealCreditBalance"] {
                serde_json::Value::Null => "RealBalance",
                _ => "RealCreditBalance",
            };
            match figure(&answer[field]) {
                Some(cents) if cents < 0.0 => gatherer.observed(
                    account_balance::NEGATIVE,
                    said::available_balance_credit(Figure::new(cents / 100.0, 2, Unit::None)),
                ),
                Some(_) => gatherer.observed(account_balance::POSITIVE, said::balance_credit_not()),
                None => gatherer.without_state(ID, Status::ProbeFailed, said::no_balance()),
            }
        }
    };
    gatherer.emit(started, vec![reading]).await
}
