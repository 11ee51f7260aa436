//! The one entry point to plans: [`plan`] asks the family of an action for it.
//!
//! Must not live here: what a plan is (`plan`), what a family plans.

use super::catalog::Kind;
use super::context::PlanContext;
use super::parameters::{Parameters, SourceChoice};
use super::plan::{Plan, PlanError, Target};
use super::said;
use super::{
    account, acl, address, bandwidth, binding, guest, power, rescue, route, rules, support, unblock,
};
use crate::domain::action::ActionId;
use crate::domain::said::{Table, Word};

/// Makes the plan of an action from parameters and facts. Pure: the same input gives the same
/// plan.
pub fn plan(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    if instance.is_static && action != ActionId::Ticket {
        return Err(PlanError::NotApplicable(said::comes_config_file(
            &instance.name,
        )));
    }
    let row = super::catalog::row_of(action);
    if let Some(os) = row.only_on
        && instance.os != os
        && instance.os != crate::domain::instance::Os::Unknown
    {
        return Err(PlanError::NotApplicable(said::instances_runs(
            action,
            Word::new(Table::Os, os.as_str()),
            Target::of(instance).label(),
            Word::new(Table::Os, instance.os.as_str()),
        )));
    }
    let mut plan = of_family(action, parameters, context)?;
    plan.asked = parameters.to_json();
    if let Some(source) = context.user_source
        && parameters
            .source("source")
            .is_none_or(|choice| choice == SourceChoice::User)
        && row.parameters.iter().any(|spec| spec.kind == Kind::Source)
    {
        plan.asked
            .insert("source".to_owned(), source.to_string().into());
    }
    plan.warnings.extend(context.notes.iter().cloned());
    if super::before::shuts_down(action) && plan.downtime != "none" {
        plan.saves_readings = context.before.readings;
    }
    Ok(plan)
}

fn of_family(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    match action {
        ActionId::Restart | ActionId::Start | ActionId::Stop => {
            power::plan(action, parameters, context)
        }
        ActionId::OpenPort | ActionId::OpenCommonPorts => rules::plan(action, parameters, context),
        ActionId::AssociateSecurityGroup => binding::plan(parameters, context),
        ActionId::AllowAcl => acl::plan(parameters, context),
        ActionId::RestoreRoute => route::plan(parameters, context),
        ActionId::UnblockAddress => unblock::plan(parameters, context),
        ActionId::RaiseBandwidth => bandwidth::plan(parameters, context),
        ActionId::AssociateAddress => address::plan(parameters, context),
        ActionId::ResetPassword => account::reset_password(parameters, context),
        ActionId::BindKeyPair => account::bind_key_pair(parameters, context),
        ActionId::EnterRescue => rescue::enter(parameters, context),
        ActionId::ExitRescue => rescue::exit(context),
        ActionId::VncUrl => support::vnc_url(context),
        ActionId::AuthorizeRepair => support::authorize_repair(parameters, context),
        // Its nodes are chosen and its results are read by a diagnosis.
        ActionId::ProviderProbe => Err(PlanError::NotApplicable(said::probe_by_diagnosis())),
        ActionId::Ticket => Ok(support::ticket(context)),
        ActionId::Advice => Err(PlanError::NotApplicable(said::advice_names_something())),
        // The rest runs in the guest: its table has a row for each, as a test shows.
        other => guest::plan(other, parameters, context),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
