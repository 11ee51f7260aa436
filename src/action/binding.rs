//! Plan of `associate-security-group`.

use serde_json::json;

use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo, blank};
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;

/// Groups per instance that the vendor allows by default.
const GROUP_QUOTA: usize = 5;

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let Some(group) = parameters.text("group") else {
        return Err(PlanError::Missing(
            "associate-security-group needs the group: give its id with group=sg-...".to_owned(),
        ));
    };
    let bound = &instance.security_group_ids;
    if bound.iter().any(|id| id == group) {
        return Err(PlanError::NothingToDo(format!(
            "{group} is already bound to {label}"
        )));
    }
    if bound.len() >= GROUP_QUOTA {
        return Err(PlanError::NotApplicable(format!(
            "{label} already has {GROUP_QUOTA} security groups, which is the most; add a rule with open-port instead"
        )));
    }
    let mut plan = blank(
        ActionId::AssociateSecurityGroup,
        context,
        format!("Bind {group} to {label}"),
    );
    plan.parameters.insert("group".to_owned(), group.into());
    let step = |purpose: &str, action: &str, present: bool| {
        Step::new(
            purpose,
            ApiCall::new(
                "cvm",
                action,
                &instance.region,
                json!({ "SecurityGroupIds": [group], "InstanceIds": [instance.id] }),
            ),
            Completion::Bound {
                group: group.to_owned(),
                present,
            },
        )
    };
    plan.steps
        .push(step("bind the group", "AssociateSecurityGroups", true));
    plan.changes = vec![format!(
        "{group} is bound as the last of {}: its rules count where no rule before them matches",
        bound.len() + 1
    )];
    if !bound.is_empty() {
        plan.warnings.push(format!(
            "rules of {} that refuse come first, so this may change nothing",
            bound.join(", ")
        ));
    }
    plan.undo = Undo::Steps {
        text: format!("unbinds {group} again"),
        downtime: "none".to_owned(),
        risk: Risk::Medium,
        steps: vec![step(
            "unbind the group",
            "DisassociateSecurityGroups",
            false,
        )],
    };
    Ok(plan)
}
