//! The facts that a plan rests on, each known or unknown with its reason.
//!
//! Must not live here: how they are read (`runtime::execute::prepare`). An unknown fact never
//! counts as an empty one.

use std::net::IpAddr;

use ipnet::IpNet;

use super::before::Before;
use super::plan::PlanError;
use super::said;
use crate::domain::instance::Instance;
use crate::domain::said::Said;
use crate::domain::security_group::{References, SecurityGroup};

/// A fact, or why it is not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Fact<T> {
    Known(T),
    /// It was asked for and not given.
    Unknown {
        why: Said,
        remedy: Said,
    },
    /// Nobody asked: the action does not need it.
    #[default]
    NotRead,
}

impl<T> Fact<T> {
    /// The value, where known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Why it is not known, where it was asked for.
    pub fn unknown(&self) -> Option<&Said> {
        match self {
            Self::Unknown { why, .. } => Some(why),
            _ => None,
        }
    }

    /// The value, or the sentence that says why a plan cannot do without.
    pub fn required(&self, what: Said) -> Result<&T, PlanError> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown { why, remedy } => {
                Err(PlanError::Unknown(said::fact_unknown(what, why, remedy)))
            }
            Self::NotRead => Err(PlanError::Unknown(said::fact_unknown(
                what,
                said::not_read_yet(),
                said::refresh_instance_try(),
            ))),
        }
    }
}

impl Fact<Said> {
    /// The price as the preview names it; an inquiry that was not answered is said to be so.
    pub fn as_cost(&self, otherwise: Said) -> Said {
        match self {
            Self::Known(price) => said::price_by_inquiry(price),
            Self::Unknown { why, .. } => said::price_not_asked(otherwise, why),
            Self::NotRead => otherwise,
        }
    }
}

/// Everything that plans may look at.
#[derive(Debug, Clone, Default)]
pub struct PlanContext {
    /// Id that the journal entry will have.
    pub entry: String,
    /// Today in the vendor's zone (UTC+8), `YYYY-MM-DD`; empty where nobody needs it.
    pub today: String,
    pub instance: Instance,
    /// Port on which login was found to be served or expected, where it differs from the
    /// instance's own setting.
    pub login_port: Option<u16>,
    /// Address or network that the failing user comes from.
    pub user_source: Option<IpNet>,
    /// Address of this host as the instance sees it, where known.
    pub own_source: Option<IpAddr>,
    /// Bound groups in binding order.
    pub groups: Fact<Vec<GroupFacts>>,
    /// Bodies of what their rules refer to, as far as read.
    pub references: References,
    pub account_type: Fact<AccountType>,
    /// Elastic and ordinary public addresses bound to the instance.
    pub addresses: Fact<Vec<AddressFacts>>,
    /// Elastic addresses of the region that are bound to nothing.
    pub free_addresses: Fact<Vec<AddressFacts>>,
    /// State of the automation agent.
    pub agent: Fact<String>,
    /// Repair tasks that wait for authorisation.
    pub repair_tasks: Fact<Vec<RepairTask>>,
    /// What the API's price inquiry answered, as a sentence.
    pub price: Fact<Said>,
    /// What was read before an action that shuts the instance down.
    pub before: Before,
    /// What any preview has to say beside its own warnings: what other operators do on this
    /// instance, and what could not be read beforehand.
    pub notes: Vec<Said>,
}

impl PlanContext {
    /// The login port to act on.
    pub fn port(&self) -> u16 {
        self.login_port
            .unwrap_or_else(|| self.instance.login_port())
    }
}

/// One security group bound to the instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupFacts {
    /// As read at one version, which is the optimistic lock of every change.
    pub group: SecurityGroup,
    /// Other instances bound to it; `None` when that could not be read.
    pub others: Option<Others>,
    /// What else uses it (`2 load balancers`), as far as read.
    pub other_users: Vec<Said>,
}

/// Other users of a group; there may be more than are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    pub count: usize,
    pub names: Vec<String>,
}

/// `NetworkAccountType` of vpc `DescribeNetworkAccountType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountType {
    /// The bandwidth cap is on the address.
    Standard,
    /// The bandwidth cap is on the instance.
    Legacy,
}

/// One row of vpc `DescribeAddresses`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressFacts {
    /// Empty for ordinary addresses that have none.
    pub id: String,
    pub ip: String,
    /// `EIP`, `WanIP`, ...
    pub kind: String,
    pub status: String,
    /// Cap in Mbit/s, `None` on legacy accounts.
    pub bandwidth: Option<u64>,
    pub charge_type: String,
    pub is_blocked: bool,
    pub is_arrears: bool,
}

impl AddressFacts {
    /// True if it can be bound.
    pub fn is_free(&self) -> bool {
        self.status == "UNBIND" && !self.is_blocked && !self.is_arrears
    }

    /// `203.0.113.9 (eip-...)`, or what there is of it.
    pub fn shown(&self) -> String {
        match (self.ip.as_str(), self.id.as_str()) {
            ("", id) => id.to_owned(),
            (ip, "") => ip.to_owned(),
            (ip, id) => format!("{ip} ({id})"),
        }
    }
}

/// One row of cvm `DescribeTaskInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairTask {
    pub id: String,
    pub title: String,
    /// 1 waits for authorisation.
    pub status: i64,
    /// `AuthType`, which ways of repair there are; `None` where the cloud does not tell.
    pub auth_type: Option<i64>,
}
