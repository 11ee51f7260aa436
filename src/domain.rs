//! Plain types of the field: instances, evidence, causes, reports, API calls.
//!
//! Lives here: data and pure rules over it (a security-group verdict, a state name).
//! Must not live here: I/O, time, randomness, terminal, network.

pub mod action;
pub mod api_call;
pub mod check;
pub mod child;
pub mod column;
pub mod evidence;
pub mod guide_step;
pub mod history;
pub mod instance;
pub mod lang;
pub mod login_layer;
pub mod network_acl;
pub mod outcome;
pub mod path_series;
pub mod plain_said;
pub mod port_check;
pub mod port_report;
pub mod ports;
pub mod private_way;
pub mod report;
pub mod said;
pub mod script_data;
pub mod security_group;
pub mod site;
pub mod statement;
pub mod text;
