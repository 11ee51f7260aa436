//! Keeps calls within the documented rates: one budget per action and region, shared by all
//! tasks of a client, and held back for all of them when the cloud says "too many".
//!
//! Must not live here: which calls are made, or whether one is made again (`client`).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

use crate::domain::api_call::ApiCall;

/// Documented calls a second for an action, per account and region (public API pages).
/// Where pages disagree the lower figure counts; undocumented actions get 20.
pub fn documented_rate(service: &str, action: &str) -> u32 {
    match (service, action) {
        ("cvm", "DescribeInstances" | "DescribeInstancesStatus") => 40,
        (
            "vpc",
            "DescribeSecurityGroups"
            | "DescribeSecurityGroupPolicies"
            | "DescribeNetworkInterfaces"
            | "CreateSecurityGroupPolicies"
            | "DeleteSecurityGroupPolicies",
        ) => 100,
        (
            "cvm",
            "StartInstances"
            | "StopInstances"
            | "RebootInstances"
            | "ResetInstancesPassword"
            | "ModifyInstancesAttribute",
        )
        | (
            "vpc",
            "DescribeAddresses"
            | "AllocateAddresses"
            | "AssociateAddress"
            | "ModifyAddressesBandwidth",
        )
        | ("antiddos" | "billing" | "cloudaudit", _) => 10,
        _ => 20,
    }
}

struct Budget {
    limiter: DefaultDirectRateLimiter,
    /// Nobody sends before this; set when the cloud refused for the rate.
    held_until: Mutex<Instant>,
}

/// Rate limits of one client.
pub struct Throttle {
    budgets: Mutex<HashMap<String, Arc<Budget>>>,
    clock: DefaultClock,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            budgets: Mutex::new(HashMap::new()),
            clock: DefaultClock::default(),
        }
    }
}

impl Throttle {
    /// Waits until the call may be sent.
    pub async fn acquire(&self, call: &ApiCall) {
        let budget = self.budget(call);
        loop {
            let held = *lock(&budget.held_until);
            let now = Instant::now();
            if held > now {
                tokio::time::sleep_until(held).await;
                continue;
            }
            match budget.limiter.check() {
                Ok(()) => return,
                Err(not_until) => {
                    tokio::time::sleep(not_until.wait_time_from(self.clock.now())).await;
                }
            }
        }
    }

    /// Holds back every call of the same action and region for `pause`.
    pub fn hold_back(&self, call: &ApiCall, pause: Duration) {
        let budget = self.budget(call);
        let mut held = lock(&budget.held_until);
        *held = (*held).max(Instant::now() + pause);
    }

    fn budget(&self, call: &ApiCall) -> Arc<Budget> {
        let key = format!("{}/{}", call.permission(), call.region);
        let mut budgets = lock(&self.budgets);
        Arc::clone(budgets.entry(key).or_insert_with(|| {
            Arc::new(Budget {
                limiter: RateLimiter::direct(quota(documented_rate(&call.service, &call.action))),
                held_until: Mutex::new(Instant::now()),
            })
        }))
    }
}

/// The server counts by the second, so burst and refill together must stay within one second's
/// allowance. A twentieth is left free: what is delayed on the way arrives closer together than it
/// was sent.
fn quota(per_second: u32) -> Quota {
    let burst = (per_second / 8).max((per_second / 4).min(5)).max(2);
    let spare = per_second.div_ceil(20);
    let steady = per_second.saturating_sub(burst + spare).max(1);
    Quota::per_second(NonZeroU32::new(steady).unwrap_or(NonZeroU32::MIN))
        .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
}

/// Pause before attempt `attempt` (1 = first repetition): exponential with full jitter.
pub fn back_off(attempt: u32) -> Duration {
    let ceiling = 100_u64.saturating_mul(1 << attempt.min(6));
    // Half fixed, half random: never zero, so that a storm of repetitions spreads out.
    Duration::from_millis(ceiling / 2 + random() % (ceiling / 2).max(1))
}

/// Randomness good enough to spread repetitions.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The guarded values are whole at every moment, so a panic elsewhere leaves them usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(action: &str, region: &str) -> ApiCall {
        ApiCall::new("cvm", action, region, json!({}))
    }

    #[test]
    fn burst_and_refill_stay_within_a_second() {
        for rate in [10, 20, 40, 100] {
            let quota = quota(rate);
            let refill = 1.0 / quota.replenish_interval().as_secs_f64();
            let most = f64::from(quota.burst_size().get()) + refill;
            assert!(most <= f64::from(rate) * 0.95 + 0.001, "{most} of {rate}");
            assert!(
                most >= f64::from(rate) * 0.85,
                "{most} of {rate} wastes time"
            );
        }
    }

    #[test]
    fn pauses_grow_and_differ() {
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| back_off(4)).collect();
        assert!(pauses.len() > 3, "no jitter: {pauses:?}");
        assert!(back_off(1) <= Duration::from_millis(200));
        assert!(back_off(5) >= Duration::from_millis(1600));
    }

    #[tokio::test]
    async fn a_refusal_holds_back_its_action_and_region_only() {
        let throttle = Throttle::default();
        throttle.hold_back(
            &call("DescribeInstances", "ap-seoul"),
            Duration::from_secs(3600),
        );
        let free = async {
            throttle
                .acquire(&call("DescribeInstances", "ap-tokyo"))
                .await;
            throttle
                .acquire(&call("DescribeTaskInfo", "ap-seoul"))
                .await;
        };
        tokio::time::timeout(Duration::from_secs(5), free)
            .await
            .expect("other budgets are free");
        let same = call("DescribeInstances", "ap-seoul");
        let held = throttle.acquire(&same);
        assert!(
            tokio::time::timeout(Duration::from_millis(50), held)
                .await
                .is_err()
        );
    }
}
