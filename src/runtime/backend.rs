//! What the effects of the console work with.
//!
//! Must not live here: carrying effects out (`executor`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::execute::Desk;
use crate::cloud::Client;
use crate::domain::instance::Instance;

/// Client, regions and the instances listed so far.
#[derive(Debug, Default)]
pub struct Backend {
    pub client: Option<Client>,
    pub regions: Vec<String>,
    pub hosts: Vec<Instance>,
    /// Where actions are carried out; `None` without a cloud.
    pub desk: Option<Desk>,
    pub rate: u32,
    pub known: Mutex<HashMap<String, Instance>>,
}

impl Backend {
    /// Keeps listed instances, so that effects can name them by id.
    pub fn remember(&self, instances: &[Instance]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for instance in instances {
            known.insert(instance.id.clone(), instance.clone());
        }
    }

    /// A listed instance.
    pub fn instance(&self, id: &str) -> Option<Instance> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(id)
            .cloned()
            .or_else(|| self.hosts.iter().find(|host| host.id == id).cloned())
    }
}
