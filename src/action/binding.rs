//! Plan of `associate-security-group`.

use serde_json::json;

use super::blank::blank;
use super::context::PlanContext;
use super::parameters::Parameters;
use super::plan::{Completion, Plan, PlanError, Step, Target, Undo};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::said::Said;

/// Groups per instance that the vendor allows by default.
const GROUP_QUOTA: usize = 5;

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let Some(group) = parameters.text("group") else {
        return Err(PlanError::Missing(said::associate_security_group()));
    };
    let bound = &instance.security_group_ids;
    if bound.iter().any(|id| id == group) {
        return Err(PlanError::NothingToDo(said::already_bound_2(group, label)));
    }
    let mut plan = blank(
        ActionId::AssociateSecurityGroup,
        context,
        said::bind(group, &label),
    );
    plan.parameters.insert("group".to_owned(), group.into());
    if bound.len() >= GROUP_QUOTA {
        // The quota can be raised, so the cloud decides.
        plan.warnings
            .push(said::groups_at_quota(&label, bound.len(), GROUP_QUOTA));
    }
    let step = |purpose: Said, action: &str, present: bool| {
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
        .push(step(said::bind_group(), "AssociateSecurityGroups", true));
    plan.changes = vec![said::bound_last_rules(group, bound.len() + 1)];
    if !bound.is_empty() {
        plan.warnings
            .push(said::rules_refuse_come(bound.join(", ")));
    }
    plan.undo = Undo::Steps {
        text: said::unbinds_again(group),
        downtime: said::none(),
        risk: Risk::Medium,
        steps: vec![step(
            said::unbind_group(),
            "DisassociateSecurityGroups",
            false,
        )],
    };
    Ok(plan)
}
