//! Plans of the `guest-*` repairs: one reviewed script, run once by the automation agent.
//!
//! The scripts lie under `assets/guest/repair`; the parameters are put before them as
//! assignments of checked values. The plan holds the whole text, so that the preview shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::account::default_user;
use super::context::PlanContext;
use super::parameters::{Parameters, SourceChoice};
use super::plan::{Completion, Plan, PlanError, Script, Step, Target, Undo, blank, mark};
use super::power::require_state;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::instance::{Instance, Os};

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
            return Err(PlanError::NotApplicable(format!(
                "whether {label} runs Linux or Windows is not known, so no script fits"
            )));
        }
        os => os,
    };
    if let Some(state) = context.agent.known()
        && !state.eq_ignore_ascii_case("online")
    {
        return Err(PlanError::NotApplicable(format!(
            "the automation agent of {label} is {}, so nothing can be run in the guest; use vnc-url",
            state.to_lowercase()
        )));
    }
    let (file, body) = script_of(action, os)?;
    let inputs = inputs(action, parameters, context)?;
    let mut plan = blank(
        action,
        context,
        format!("{} on {label}", super::catalog::row_of(action).title),
    );
    let mark = mark(&context.entry);
    plan.steps
        .push(run_step(instance, os, file, body, "apply", &mark, &inputs));
    describe(&mut plan, action, &inputs);
    plan.undo = if matches!(action, ActionId::GuestRestartLoginService) {
        Undo::None {
            reason: "a restart of the service cannot be taken back".to_owned(),
        }
    } else {
        Undo::Steps {
            text: "runs the same script with MODE=undo, which puts back what it recorded"
                .to_owned(),
            downtime: "none".to_owned(),
            risk: Risk::Low,
            steps: vec![run_step(instance, os, file, body, "undo", &mark, &inputs)],
        }
    };
    if context.agent.known().is_none() {
        plan.warnings.push(
            "whether the automation agent is online could not be read; the cloud refuses the call if it is not".to_owned(),
        );
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
            return Err(PlanError::NotApplicable(format!(
                "`{other}` runs nothing in the guest"
            )));
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
                    let own = context.own_source.ok_or_else(|| {
                        PlanError::Missing(
                            "the address that the instance sees this host at is not known; give source=ADDRESS".to_owned(),
                        )
                    })?;
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
                .ok_or_else(|| {
                    PlanError::Missing(
                        "guest-unblock-source needs the banned address: give source=ADDRESS"
                            .to_owned(),
                    )
                })?
                .to_string();
        }
        ActionId::GuestUnlockAccount => {
            inputs.account = parameters
                .text("user")
                .map_or_else(|| default_user(&context.instance), ToOwned::to_owned);
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
        "everyone that the security group lets through".to_owned()
    } else {
        inputs.source.clone()
    };
    let (change, downtime) = match action {
        ActionId::GuestRestartLoginService => (
            "the login service restarts, once its configuration has passed its own test".to_owned(),
            "new logins wait for some seconds; open SSH sessions stay",
        ),
        ActionId::GuestAllowPort => {
            plan.parameters
                .insert("port".to_owned(), inputs.port.into());
            plan.parameters
                .insert("source".to_owned(), from.clone().into());
            (
                format!("one rule on top lets {from} in on TCP {}", inputs.port),
                "none",
            )
        }
        ActionId::GuestUnblockSource => {
            plan.parameters
                .insert("source".to_owned(), inputs.source.as_str().into());
            (
                format!("bans that name exactly {} are lifted", inputs.source),
                "none",
            )
        }
        ActionId::GuestUnlockAccount => {
            plan.parameters
                .insert("user".to_owned(), inputs.account.as_str().into());
            (
                format!("locks and failure counters of {} go", inputs.account),
                "none",
            )
        }
        ActionId::GuestRepairSshd => (
            "owner and mode of the SSH service's files are put right and missing host keys made"
                .to_owned(),
            "none",
        ),
        ActionId::GuestFreeLoginLog => (
            "login logs above 256 MiB are renamed and begun anew".to_owned(),
            "none",
        ),
        _ => (
            "Remote Desktop is switched on: registry, service and the system's own firewall rules"
                .to_owned(),
            "none",
        ),
    };
    plan.changes = vec![change];
    downtime.clone_into(&mut plan.downtime);
    "none: what is edited is backed up in the guest first".clone_into(&mut plan.data_risk);
    plan.warnings.push(
        "the script below runs as root or SYSTEM in the guest; read it before you confirm"
            .to_owned(),
    );
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
        format!("run {file} in the guest ({mode})"),
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
        format!(
            "$Mode = '{mode}'; $Mark = '{mark}'; $Port = {port}; $Source = '{source}'; $Account = '{account}'\r\n{}\r\n{}",
            WINDOWS_PRELUDE.replace('\n', "\r\n"),
            body.replace('\n', "\r\n")
        )
    } else {
        format!(
            "#!/bin/sh\nMODE='{mode}' MARK='{mark}' PORT='{port}' SOURCE='{source}' ACCOUNT='{account}' LIMIT='{LOG_LIMIT}'\n{LINUX_PRELUDE}\n{body}"
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
