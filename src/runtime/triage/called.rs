//! How the operator's own `ssh` is told to reach an instance.
//!
//! Asked only where a login or its methods are asked for with consent: it runs `ssh -G`. Must not
//! live here: which name it is (`config::ssh_names`).

use std::path::PathBuf;

use crate::config::ssh_config::Destination;
use crate::config::ssh_names;
use crate::domain::instance::{Instance, Os};
use crate::domain::said::Said;
use crate::probe::{Called, ProbePlan};

/// Writes the name into the plan. Where OpenSSH does not answer, the address is used.
pub(super) async fn name(plan: &mut ProbePlan, config: Option<PathBuf>, instance: Instance) {
    let consent = &plan.options.consent;
    let wanted = consent.methods_as.is_some() || consent.login_as.is_some();
    let Some(port) = plan.targets.first().filter(|_| wanted).map(|it| it.port) else {
        return;
    };
    let addresses: Vec<_> = plan.targets.iter().map(|it| it.address).collect();
    if instance.os == Os::Windows && instance.ssh_name.is_empty() {
        return;
    }
    let asking = tokio::task::spawn_blocking(move || {
        let found = ssh_names::of(config.as_deref(), &instance, &addresses, port)?;
        Ok::<_, Said>(called(found, config))
    });
    match asking.await {
        Ok(Ok(called)) => plan.options.consent.called = Some(called),
        Ok(Err(reason)) => tracing::debug!(%reason, "ssh was not asked about the name"),
        Err(error) => tracing::debug!(%error, "asking for the name ended early"),
    }
}

fn called(it: Destination, config: Option<PathBuf>) -> Called {
    Called {
        name: it.name,
        config,
        known_hosts: it.known_hosts,
        proxied: it.proxy.is_some(),
        plain: it.plain,
        options: it.overrides,
    }
}
