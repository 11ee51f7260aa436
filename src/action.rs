//! Plans, gate and undo of everything that changes the world. Pure.
//!
//! An action starts as an id and parameters, becomes a [`Plan`] that says exactly what would be
//! sent, and may be carried out only as an [`ApprovedPlan`], which only [`gate::approve`] makes.
//! Must not live here: network, clock, randomness, disk (`runtime::execute` has them).

pub mod batch;
pub mod before;
pub mod catalog;
pub mod context;
pub mod expected;
pub mod gate;
pub mod handed;
pub mod offer;
pub mod parameters;
pub mod plan;
pub mod planner;
pub mod preview;
pub mod undo;

mod account;
mod acl;
pub mod address;
pub mod bandwidth;
mod binding;
mod blank;
pub mod guest;
mod power;
pub mod provider;
mod rescue;
mod route;
pub mod rules;
pub mod said;
pub mod session;
pub mod support;
pub mod unblock;

pub use context::PlanContext;
pub use gate::ApprovedPlan;
pub use parameters::Parameters;
pub use plan::{Plan, PlanError};
pub use planner::plan;

#[cfg(test)]
#[path = "action/network_tests.rs"]
mod network_tests;
