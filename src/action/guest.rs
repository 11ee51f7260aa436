//! Plans of the `guest-*` repairs: one reviewed script, run once by the automation agent.
//!
//! The scripts lie under `assets/guest/repair`; the parameters are put before them as data
//! ([`script_data`]), never as text. The plan holds the whole text, so that the preview shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::account::default_user;
use super::blank::blank;
use super::context::PlanContext;
use super::parameters::{Parameters, SourceChoice};
use super::plan::{Completion, Plan, PlanError, Script, Step, Target, Undo, mark};
use super::power::require_state;
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::{Instance, Os};
use crate::domain::said::Said;
use crate::domain::script_data;

/// Time that the agent gives a script, in seconds.
const SCRIPT_TIMEOUT_S: u64 = 120;
/// A login log beyond this is set aside, in bytes.
const LOG_LIMIT: u64 = 256 * 1024 * 1024;

macro_rules! repair {
    ($file:literal) => {
        (
            $file,
            include_str!(concat!("../../assets/guest/repair/", $file)),
        )
    };
}

const LINUX_PRELUDE: &str = include_str!("../../assets/guest/repair/linux-prelude.sh");
const WINDOWS_PRELUDE: &str = include_str!("../../assets/guest/repair/windows-prelude.ps1");

/// What the scripts are told; every value is checked before it gets here.
#[derive(Debug, Clone, Default)]
struct Inputs {
    port: u16,
    source: String,
    account: String,
}

pub(super) fn plan(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    require_state(instance, action, "RUNNING")?;
    let os = match instance.os {
        Os::Unknown => {
            return Err(PlanError::NotApplicable(said::whether_runs_linux(label)));
        }
        os => os,
    };
    if let Some(state) = context.agent.known()
        && !state.eq_ignore_ascii_case("online")
    {
        return Err(PlanError::NotApplicable(said::automation_agent_nothing(
            label,
            state.to_lowercase(),
        )));
    }
    let (file, body) = script_of(action, os)?;
    let inputs = inputs(action, parameters, context)?;
    let mut plan = blank(
        action,
        context,
        said::on((super::catalog::row_of(action).title)(), &label),
    );
    let mark = mark(&context.entry);
    plan.steps
        .push(run_step(instance, os, file, body, "apply", &mark, &inputs));
    describe(&mut plan, action, &inputs);
    plan.undo = if matches!(action, ActionId::GuestRestartLoginService) {
        Undo::None {
            reason: said::restart_service_cannot(),
        }
    } else {
        Undo::Steps {
            text: said::runs_same_script(),
            downtime: said::none(),
            risk: Risk::Low,
            steps: vec![run_step(instance, os, file, body, "undo", &mark, &inputs)],
        }
    };
    if context.agent.known().is_none() {
        plan.warnings.push(said::whether_automation_agent());
    }
    Ok(plan)
}

fn script_of(action: ActionId, os: Os) -> Result<(&'static str, &'static str), PlanError> {
    let windows = os == Os::Windows;
    Ok(match action {
        ActionId::GuestRestartLoginService if windows => {
            repair!("windows-restart-login-service.ps1")
        }
        ActionId::GuestRestartLoginService => repair!("linux-restart-login-service.sh"),
        ActionId::GuestAllowPort if windows => repair!("windows-allow-port.ps1"),
        ActionId::GuestAllowPort => repair!("linux-allow-port.sh"),
        ActionId::GuestUnblockSource if windows => repair!("windows-unblock-source.ps1"),
        ActionId::GuestUnblockSource => repair!("linux-unblock-source.sh"),
        ActionId::GuestUnlockAccount if windows => repair!("windows-unlock-account.ps1"),
        ActionId::GuestUnlockAccount => repair!("linux-unlock-account.sh"),
        ActionId::GuestRepairSshd => repair!("linux-repair-sshd.sh"),
        ActionId::GuestFreeLoginLog => repair!("linux-free-login-log.sh"),
        ActionId::GuestEnableRdp => repair!("windows-enable-rdp.ps1"),
        other => {
            return Err(PlanError::NotApplicable(said::runs_nothing(other)));
        }
    })
}

fn inputs(
    action: ActionId,
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Inputs, PlanError> {
    let mut inputs = Inputs {
        port: parameters.port("port").unwrap_or_else(|| context.port()),
        ..Inputs::default()
    };
    match action {
        ActionId::GuestAllowPort => {
            let net = match parameters.source("source") {
                Some(SourceChoice::Any) => None,
                Some(SourceChoice::Net(net)) => Some(net),
                Some(SourceChoice::Here) => {
                    let own = context
                        .own_source
                        .ok_or_else(|| PlanError::Missing(said::address_instance_sees()))?;
                    Some(own.into())
                }
                Some(SourceChoice::User) | None => context.user_source,
            };
            inputs.source = net
                .filter(|net| net.prefix_len() > 0)
                .map(|net| plain(&net))
                .unwrap_or_default();
        }
        ActionId::GuestUnblockSource => {
            let known = context
                .user_source
                .filter(|net| net.prefix_len() == net.max_prefix_len())
                .map(|net| net.addr());
            inputs.source = parameters
                .address("source")
                .or(known)
                .ok_or_else(|| PlanError::Missing(said::guest_unblock_source()))?
                .to_string();
        }
        ActionId::GuestUnlockAccount => {
            inputs.account = parameters
                .text("user")
                .map_or_else(|| default_user(&context.instance), ToOwned::to_owned);
            script_data::check_account(context.instance.os, &inputs.account)
                .map_err(|why| PlanError::NotApplicable(said::give_user(why)))?;
        }
        _ => {}
    }
    Ok(inputs)
}

/// A single address without its prefix length, which older tools expect.
fn plain(net: &ipnet::IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

fn describe(plan: &mut Plan, action: ActionId, inputs: &Inputs) {
    let from = if inputs.source.is_empty() {
        said::everyone_security_group()
    } else {
        Said::raw(&inputs.source)
    };
    let (change, downtime) = match action {
        ActionId::GuestRestartLoginService => {
            (said::login_service_restarts(), said::new_logins_wait())
        }
        ActionId::GuestAllowPort => {
            plan.parameters
                .insert("port".to_owned(), inputs.port.into());
            plan.parameters
                .insert("source".to_owned(), from.to_string().into());
            (said::one_rule_top(from, inputs.port), said::none())
        }
        ActionId::GuestUnblockSource => {
            plan.parameters
                .insert("source".to_owned(), inputs.source.as_str().into());
            (said::bans_name_exactly(&inputs.source), said::none())
        }
        ActionId::GuestUnlockAccount => {
            plan.parameters
                .insert("user".to_owned(), inputs.account.as_str().into());
            (said::locks_failure_counters(&inputs.account), said::none())
        }
        ActionId::GuestRepairSshd => (said::owner_mode_ssh(), said::none()),
        ActionId::GuestFreeLoginLog => (said::login_logs_above(), said::none()),
        _ => (said::remote_desktop_switched(), said::none()),
    };
    plan.changes = vec![change];
    plan.downtime = downtime;
    plan.data_risk = said::none_what_edited();
    plan.warnings.push(said::script_below_runs());
}

fn run_step(
    instance: &Instance,
    os: Os,
    file: &str,
    body: &str,
    mode: &str,
    mark: &str,
    inputs: &Inputs,
) -> Step {
    let text = script_text(os, body, mode, mark, inputs);
    let kind = if os == Os::Windows {
        "POWERSHELL"
    } else {
        "SHELL"
    };
    let mut step = Step::new(
        said::run_guest(file, mode),
        ApiCall::new(
            "tat",
            "RunCommand",
            &instance.region,
            json!({
                "InstanceIds": [instance.id],
                "CommandName": mark,
                "CommandType": kind,
                "Content": STANDARD.encode(&text),
                "Timeout": SCRIPT_TIMEOUT_S,
                "SaveCommand": false,
            }),
        ),
        Completion::Invocation {
            limit_s: SCRIPT_TIMEOUT_S + 120,
        },
    );
    step.keep.push("/InvocationId".to_owned());
    step.script = Some(Script {
        file: file.to_owned(),
        text,
    });
    step
}

/// Assignments, common part, script.
fn script_text(os: Os, body: &str, mode: &str, mark: &str, inputs: &Inputs) -> String {
    let Inputs {
        port,
        source,
        account,
    } = inputs;
    if os == Os::Windows {
        let (source, account) = (
            script_data::powershell(source),
            script_data::powershell(account),
        );
        format!(
            "$Mode = '{mode}'; $Mark = '{mark}'; $Port = {port}; $Source = {source}; $Account = {account}\r\n{}\r\n{}",
            WINDOWS_PRELUDE.replace('\n', "\r\n"),
            body.replace('\n', "\r\n")
        )
    } else {
        let (source, account) = (script_data::shell(source), script_data::shell(account));
        format!(
            "#!/bin/sh\nMODE='{mode}' MARK='{mark}' PORT='{port}' LIMIT='{LOG_LIMIT}'\nSOURCE={source}\nACCOUNT={account}\n{LINUX_PRELUDE}\n{body}"
        )
    }
}

/// Lines of a repair's output that say what happened, for progress and journal.
pub fn outcome_lines(output: &str) -> Vec<String> {
    const WORDS: [&str; 5] = ["changed: ", "unchanged: ", "note: ", "failed: ", "done: "];
    output
        .lines()
        .filter(|line| WORDS.iter().any(|word| line.starts_with(word)))
        .take(60)
        .map(|line| crate::domain::text::sanitise(line, 300))
        .collect()
}
