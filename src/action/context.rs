//! The facts that a plan rests on, each known or unknown with its reason.
//!
//! Must not live here: how they are read (`runtime::execute::prepare`). An unknown fact never
//! counts as an empty one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::before::Before;
use super::plan::{Affected, PlanError};
use super::said;
use crate::domain::instance::Instance;
use crate::domain::network_acl::Entry;
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
    /// The ACL of the instance's subnet; none where the subnet has none.
    pub acl: Fact<Option<AclFacts>>,
    /// The routes of the instance's subnet.
    pub routes: Fact<RouteFacts>,
    /// Blocks of the instance's public addresses, and what may be done about them.
    pub block: Fact<BlockFacts>,
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

impl Others {
    /// Whom a change in so many subnets touches beside the instance, all of which share the resource
    /// `of`; `None` where they were not read.
    pub fn affected(others: Option<&Self>, subnets: usize, of: &str) -> Affected {
        match others {
            Some(others) if others.count == 0 => Affected::nobody_else(),
            Some(others) => Affected {
                count: Some(others.count),
                names: others.names.clone(),
                note: said::others_in_subnets(others.count, subnets),
            },
            None => Affected {
                count: None,
                names: Vec::new(),
                note: said::every_in_subnets(of),
            },
        }
    }
}

/// The ACL of a subnet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AclFacts {
    pub id: String,
    pub name: String,
    /// Five fields an entry instead of three.
    pub quintuple: bool,
    /// In order of evaluation.
    pub ingress: Vec<AclLine>,
    pub egress: Vec<AclLine>,
    /// The instance's own subnet, inside which nothing is filtered.
    pub subnet: String,
    /// Every subnet that it is bound to.
    pub subnets: Vec<String>,
    /// Other instances in them; `None` when that could not be read.
    pub others: Option<Others>,
}

/// One entry of an ACL: what it means, and as it is sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AclLine {
    pub entry: Entry,
    pub sent: Value,
}

/// A route table, and how the other tables of the same VPC lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteFacts {
    pub table: String,
    pub name: String,
    pub routes: Vec<RouteLine>,
    /// Networks of the VPC, which need no route.
    pub networks: Vec<String>,
    /// Every subnet that uses it.
    pub subnets: Vec<String>,
    /// Other instances in them; `None` when that could not be read.
    pub others: Option<Others>,
    /// The other tables of the VPC, by id.
    pub siblings: Vec<(String, Vec<RouteLine>)>,
}

/// One route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteLine {
    /// `RouteItemId`; may be missing.
    pub item: String,
    /// `RouteId`; 0 for routes of IPv6.
    pub number: u64,
    pub target: String,
    pub kind: String,
    pub gateway: String,
    pub enabled: bool,
    /// Made by a user: the others cannot be changed.
    pub own: bool,
    pub description: String,
}

/// What the cloud tells of blocks because of attacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockFacts {
    /// Addresses of the instance that are blocked now, and since when.
    pub blocked: Vec<(IpAddr, String)>,
    /// Addresses whose block is being lifted.
    pub lifting: Vec<IpAddr>,
    /// Lifts that the account may ask for, and how many of them are used, until when.
    pub quota: Option<(u64, u64, String)>,
    /// When the block is expected to end by itself.
    pub ends: Option<String>,
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
