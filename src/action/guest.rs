//! Plans of the `guest-*` repairs: one reviewed script, run once by the automation agent.
//!
//! The scripts lie under `assets/guest/repair`, and `table` says which belongs to what; the
//! parameters are put before them as data ([`script_data`]), never as text. The plan holds the
//! whole text, so that the preview shows it.

mod table;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use self::table::{Back, Side, TABLE, Take};
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

const LINUX_PRELUDE: &str = include_str!("../../assets/guest/repair/linux-prelude.sh");
const WINDOWS_PRELUDE: &str = include_str!("../../assets/guest/repair/windows-prelude.ps1");

/// What the scripts are told; every value is checked before it gets here.
#[derive(Debug, Clone, Default)]
struct Inputs {
    port: u16,
    source: String,
    account: String,
    /// The private address that the cloud knows; empty where it names none.
    address: String,
}

impl Inputs {
    /// Who is let in, for a sentence.
    fn from(&self) -> Said {
        if self.source.is_empty() {
            said::everyone_security_group()
        } else {
            Said::raw(&self.source)
        }
    }
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
    let runs_nothing = || PlanError::NotApplicable(said::runs_nothing(action));
    let row = TABLE.iter().find(|row| row.id == action);
    let row = row.ok_or_else(runs_nothing)?;
    let side = row.side(os).ok_or_else(runs_nothing)?;
    let inputs = inputs(row.takes, parameters, context)?;
    let mut plan = blank(
        action,
        context,
        said::on((super::catalog::row_of(action).title)(), &label),
    );
    let mark = mark(&context.entry);
    plan.steps
        .push(run_step(instance, side, "apply", &mark, &inputs));
    for take in row.takes {
        let (name, value) = match take {
            Take::Port => ("port", inputs.port.into()),
            Take::Source => ("source", inputs.from().to_string().into()),
            Take::Banned => ("source", inputs.source.as_str().into()),
            Take::Account => ("user", inputs.account.as_str().into()),
        };
        plan.parameters.insert(name.to_owned(), value);
    }
    plan.changes = vec![(side.change)(&inputs)];
    plan.downtime = (side.downtime)();
    plan.data_risk = (side.data_risk)();
    plan.warnings.push(said::script_below_runs());
    plan.undo = match side.back {
        Back::None(why) => Undo::None { reason: why() },
        Back::Script(how) => Undo::Steps {
            text: how(),
            downtime: (side.downtime)(),
            risk: Risk::Low,
            steps: vec![run_step(instance, side, "undo", &mark, &inputs)],
        },
    };
    if context.agent.known().is_none() {
        plan.warnings.push(said::whether_automation_agent());
    }
    Ok(plan)
}

fn inputs(
    takes: &[Take],
    parameters: &Parameters,
    context: &PlanContext,
) -> Result<Inputs, PlanError> {
    let mut inputs = Inputs {
        port: parameters.port("port").unwrap_or_else(|| context.port()),
        address: context
            .instance
            .private_addresses
            .iter()
            .find(|address| address.is_ipv4())
            .map(ToString::to_string)
            .unwrap_or_default(),
        ..Inputs::default()
    };
    for take in takes {
        match take {
            Take::Port => {}
            Take::Source => inputs.source = let_in(parameters, context)?,
            Take::Banned => {
                let known = context
                    .user_source
                    .filter(|net| net.prefix_len() == net.max_prefix_len())
                    .map(|net| net.addr());
                let banned = match parameters.source("source") {
                    Some(SourceChoice::Here) => context.own_source,
                    Some(SourceChoice::Net(net)) if net.prefix_len() == net.max_prefix_len() => {
                        Some(net.addr())
                    }
                    // A ban is on one address.
                    Some(SourceChoice::Net(_) | SourceChoice::Any) => None,
                    Some(SourceChoice::User) | None => known,
                };
                inputs.source = banned
                    .ok_or_else(|| PlanError::Missing(said::guest_unblock_source()))?
                    .to_string();
            }
            Take::Account => {
                inputs.account = parameters
                    .text("user")
                    .map_or_else(|| default_user(&context.instance), ToOwned::to_owned);
                script_data::check_account(context.instance.os, &inputs.account)
                    .map_err(|why| PlanError::NotApplicable(said::give_user(why)))?;
            }
        }
    }
    Ok(inputs)
}

/// Who is let in; empty for everyone, which is also what an unknown user comes to.
fn let_in(parameters: &Parameters, context: &PlanContext) -> Result<String, PlanError> {
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
    Ok(net
        .filter(|net| net.prefix_len() > 0)
        .map(|net| plain(&net))
        .unwrap_or_default())
}

/// A single address without its prefix length, which older tools expect.
fn plain(net: &ipnet::IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

fn run_step(instance: &Instance, side: &Side, mode: &str, mark: &str, inputs: &Inputs) -> Step {
    let text = script_text(instance.os, side, mode, mark, inputs);
    let kind = if instance.os == Os::Windows {
        "POWERSHELL"
    } else {
        "SHELL"
    };
    let mut step = Step::new(
        said::run_guest(side.file, mode),
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
        file: side.file.to_owned(),
        text,
    });
    step
}

/// Assignments, common parts, script.
fn script_text(os: Os, side: &Side, mode: &str, mark: &str, inputs: &Inputs) -> String {
    let Inputs {
        port,
        source,
        account,
        address,
    } = inputs;
    let windows = os == Os::Windows;
    let (head, prelude) = if windows {
        let (source, account) = (
            script_data::powershell(source),
            script_data::powershell(account),
        );
        (
            format!(
                "$Mode = '{mode}'; $Mark = '{mark}'; $Port = {port}; $Source = {source}; $Account = {account}"
            ),
            WINDOWS_PRELUDE,
        )
    } else {
        let (source, account) = (script_data::shell(source), script_data::shell(account));
        (
            format!(
                "#!/bin/sh\nMODE='{mode}' MARK='{mark}' PORT='{port}' ADDRESS='{address}' LIMIT='{LOG_LIMIT}'\nSOURCE={source}\nACCOUNT={account}"
            ),
            LINUX_PRELUDE,
        )
    };
    let mut parts = vec![head.as_str(), prelude];
    parts.extend(side.shared);
    parts.push(side.body);
    let text = parts.join("\n");
    if windows {
        text.replace('\n', "\r\n")
    } else {
        text
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
