//! `cvmtop act`: preview or run one action on one instance.
//!
//! Exit status: 0 done (and verified, with `--wait`), 1 refused by the cloud or not verified,
//! 2 usage, 3 nothing was sent.

use std::fmt::Write as _;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::acting::{self, Printer};
use super::args::{ActArgs, GlobalArgs, TextOrJson};
use super::output::print;
use super::{EXIT_NOTHING, EXIT_USAGE, open};
use crate::action::gate::{Access, approve};
use crate::action::plan::{Confirmation, Plan, PlanError};
use crate::action::{Parameters, preview};
use crate::domain::action::ActionId;
use crate::domain::instance::Instance;
use crate::runtime::execute::{
    self, Desk, Execution, LoginProbe, PrepareOptions, execute, prepare,
};
use crate::runtime::session::Session;
use crate::runtime::targets;

/// Runs the command.
pub async fn run(args: &ActArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let Some(action) = ActionId::parse(&args.action) else {
        let all: Vec<_> = ActionId::ALL.iter().map(|id| id.as_str()).collect();
        return refuse(
            EXIT_USAGE,
            &format!(
                "there is no action `{}`; there are {}",
                crate::domain::text::sanitise(&args.action, 40),
                all.join(", ")
            ),
        );
    };
    let parameters = match Parameters::from_words(action, &args.set) {
        Ok(parameters) => parameters,
        Err(error) => return refuse(EXIT_USAGE, &error.to_string()),
    };
    if action == ActionId::Ticket {
        return refuse(
            EXIT_USAGE,
            "write the bundle with `cvmtop ticket TARGET --output DIR`",
        );
    }
    let loaded = open::settings(global)?;
    let access = acting::access(&loaded.settings);
    let session = Session::open(&loaded, &mut |warning| eprintln!("cvmtop: {warning}")).await?;
    let instance = match targets::find(&session, &args.target).await {
        Ok(instance) => instance,
        Err(error) => return refuse(EXIT_NOTHING, &error.to_string()),
    };
    let desk = acting::desk(&session, &loaded)?;
    if !args.dry_run && access == Access::ReadWrite {
        acting::start_up(&desk, &access).await;
    }
    let user_source = args.user_source.or(loaded.settings.probe.user_source);
    let options = PrepareOptions {
        user_source: user_source.map(IpNet::from),
        own_source: acting::own_source(&instance),
        ..PrepareOptions::default()
    };
    let context = prepare(&desk.client, &instance, action, &parameters, &options).await;
    let plan = match crate::action::plan(action, &parameters, &context) {
        Ok(plan) => plan,
        Err(error) => return refuse(plan_status(&error), &error.to_string()),
    };
    if args.dry_run {
        print(&dry_run(&plan, args.format))?;
        return Ok(0);
    }
    carry_out(&desk, &instance, plan, &access, args).await
}

#[allow(clippy::unnecessary_wraps)] // every caller returns it as the command's result
fn refuse(status: u8, why: &str) -> anyhow::Result<u8> {
    eprintln!("cvmtop: {why}");
    Ok(status)
}

fn plan_status(error: &PlanError) -> u8 {
    match error {
        PlanError::Parameter(_) | PlanError::Missing(_) => EXIT_USAGE,
        PlanError::NotApplicable(_) | PlanError::NothingToDo(_) | PlanError::Unknown { .. } => {
            EXIT_NOTHING
        }
    }
}

/// The preview as text, or as one JSON object.
pub fn dry_run(plan: &Plan, format: TextOrJson) -> String {
    match format {
        TextOrJson::Text => preview::text(plan),
        TextOrJson::Json => {
            let object = json!({
                "schema_version": 1,
                "dry_run": true,
                "plan": plan,
                "permissions": plan.permissions(),
                "undo": plan.undo.sentence(),
            });
            format!("{object}\n")
        }
    }
}

/// Confirms, executes and reports one plan; also used for an undo.
pub async fn carry_out(
    desk: &Desk,
    instance: &Instance,
    plan: Plan,
    access: &Access,
    args: &ActArgs,
) -> anyhow::Result<u8> {
    // Read-only is said before anything is asked.
    let given = if matches!(access, Access::ReadOnly { .. }) {
        Some(crate::action::gate::Given::Nothing)
    } else {
        acting::confirm(&plan, args.yes, &args.target)?
    };
    let Some(given) = given else {
        let how = if plan.confirmation == Confirmation::TypedName {
            "it can cause downtime or open the instance widely"
        } else {
            "it changes something"
        };
        return refuse(
            EXIT_NOTHING,
            &format!(
                "`{}` was not confirmed and nothing was sent: {how}; add --yes, or run it on a terminal",
                plan.action
            ),
        );
    };
    let approved = match approve(plan.clone(), access, &given) {
        Ok(approved) => approved,
        Err(refusal) => return refuse(EXIT_NOTHING, &refusal.to_string()),
    };
    let login = args
        .wait
        .then(|| LoginProbe::new(instance.os, instance.login_port()));
    let (sink, mut news) = tokio::sync::mpsc::unbounded_channel();
    let printing = tokio::spawn(async move {
        let mut printer = Printer::default();
        while let Some(one) = news.recv().await {
            printer.print(&one);
        }
    });
    let result = execute(desk, instance, approved, login, &sink).await;
    drop(sink);
    // Only cosmetic: the last lines come before the result.
    let _ = tokio::time::timeout(Duration::from_secs(1), printing).await;
    match result {
        Ok(execution) => {
            report(&plan, &execution, args.format)?;
            Ok(acting::exit_status(execution.outcome, args.wait))
        }
        Err(error) => refuse(EXIT_NOTHING, &error.to_string()),
    }
}

fn report(plan: &Plan, execution: &Execution, format: TextOrJson) -> anyhow::Result<()> {
    match format {
        TextOrJson::Text => {
            let mut text = format!(
                "{}: {}\n{}\njournal entry {}\n",
                plan.title,
                execution.outcome.as_str(),
                execution.detail,
                execution.entry
            );
            for line in &execution.output {
                let _ = writeln!(text, "  {line}");
            }
            print_looks(&mut text, "before", &execution.before);
            print_looks(&mut text, "after", &execution.after);
            let _ = writeln!(text, "undo: {}", plan.undo.sentence());
            for handed in &execution.handed {
                let _ = writeln!(
                    text,
                    "{} (shown once, stored nowhere): {}",
                    handed.what,
                    handed.value.expose_secret()
                );
            }
            print(&text)
        }
        TextOrJson::Json => {
            // Secrets stay out of JSON, which ends up in files.
            for handed in &execution.handed {
                eprintln!(
                    "{} (shown once, stored nowhere): {}",
                    handed.what,
                    handed.value.expose_secret()
                );
            }
            print(&format!("{}\n", as_json(plan, execution)))
        }
    }
}

fn print_looks(text: &mut String, when: &str, looks: &[execute::LoginLook]) {
    for look in looks {
        let _ = writeln!(text, "login {when}: {}", look.sentence());
    }
}

fn as_json(plan: &Plan, execution: &Execution) -> Value {
    json!({
        "schema_version": 1,
        "entry": execution.entry,
        "action": plan.action,
        "instance": plan.target,
        "parameters": plan.parameters,
        "outcome": execution.outcome.as_str(),
        "detail": execution.detail,
        "seconds": execution.seconds,
        "login_before": execution.before,
        "login_after": execution.after,
        "output": execution.output,
        "undo": plan.undo.sentence(),
        "reverses": plan.reverses,
    })
}
