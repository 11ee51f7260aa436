//! `cvmtop act`: preview or run one action, on one instance or on several.
//!
//! Exit status: 0 done (with `--wait`: and login is back), 1 refused by the cloud, or done and
//! login is not back or cannot be told to be, 2 usage, 3 nothing was sent.

mod batch;
pub mod report;

use std::time::Duration;

use ipnet::IpNet;

use super::acting::{self, Printer};
use super::args::{ActArgs, GlobalArgs, TextOrJson};
use super::output::print;
use super::said;
use super::{EXIT_NOTHING, EXIT_USAGE, again, diagnose, heal, open, output};
use crate::action::Parameters;
use crate::action::before::shuts_down;
use crate::action::gate::{Access, Given, approve};
use crate::action::plan::{Confirmation, Plan, PlanError};
use crate::config::Loaded;
use crate::domain::action::ActionId;
use crate::domain::instance::Instance;
use crate::domain::outcome::Outcome;
use crate::domain::report::Report;
use crate::domain::said::List;
use crate::domain::said::Said;
use crate::runtime::deed;
use crate::runtime::execute::{
    Around, Desk, Execution, LoginProbe, LookAgain, PrepareOptions, Prepared, execute, prepare_plan,
};
use crate::runtime::session::Session;
use crate::runtime::triage::TriageOptions;
use crate::runtime::vantage::certain_own_source;

/// How often an action is planned anew because somebody changes the rules under it.
const REPLANS: usize = 3;

/// What `act` was asked for, checked.
struct Work<'a> {
    session: &'a Session,
    loaded: &'a Loaded,
    desk: Desk,
    access: Access,
    action: ActionId,
    parameters: Parameters,
    args: &'a ActArgs,
    targets: &'a [String],
    look: TriageOptions,
}

/// Runs the command.
pub async fn run(args: &ActArgs, global: &GlobalArgs) -> anyhow::Result<u8> {
    let (targets, Some(action)) = args.split() else {
        return heal::next(args, global).await;
    };
    if targets.is_empty() {
        return refuse(EXIT_USAGE, said::which_action());
    }
    if action == ActionId::Advice.as_str() {
        // An offer like any other, but nothing that could be sent.
        let status = if args.dry_run { 0 } else { EXIT_NOTHING };
        return refuse(status, crate::action::said::advice_names_something());
    }
    let (action, parameters) = match wanted(action, &args.set) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(EXIT_USAGE, why),
    };
    let loaded = open::settings(global)?;
    let session = if args.dry_run {
        let session = open::cloud(&loaded, &mut |warning| output::warn(&warning)).await?;
        acting::left_alone(&loaded, Some(&session)).await;
        // A preview warns of what others are at, wherever they sit.
        acting::exchange(&loaded).await;
        session
    } else {
        open::on(&loaded).await?
    };
    let mut look = diagnose::options(&args.triage, &session.knowledge, &loaded)?;
    // Who lets a script mend the guest lets one look whether it did.
    look.deep |= args.wait && action.runs_in_guest();
    let mut instances = Vec::new();
    for target in targets {
        match diagnose::aim(&session, target, &look).await {
            Ok(instance) => instances.push(instance),
            Err(error) => return refuse(EXIT_NOTHING, error.said()),
        }
    }
    let work = Work {
        session: &session,
        loaded: &loaded,
        desk: acting::desk(&session, &loaded)?,
        access: acting::access(&loaded),
        action,
        parameters,
        args,
        targets,
        look,
    };
    match instances.as_slice() {
        [instance] => work.one(instance).await,
        several => batch::run(&work, several).await,
    }
}

fn wanted(action: &str, set: &[String]) -> Result<(ActionId, Parameters), Said> {
    let Some(action) = ActionId::parse(action) else {
        let all: Vec<_> = ActionId::ALL.iter().map(|id| id.as_str()).collect();
        let given = crate::domain::text::sanitise(action, 40);
        return Err(said::no_action(given, List::names(all)));
    };
    if action == ActionId::Ticket {
        return Err(said::ticket_is_elsewhere());
    }
    let parameters = Parameters::from_words(action, set).map_err(|error| error.said())?;
    Ok((action, parameters))
}

#[allow(clippy::unnecessary_wraps)] // every caller returns it as the command's result
pub fn refuse(status: u8, why: impl Into<Said>) -> anyhow::Result<u8> {
    output::warn(&why.into());
    Ok(status)
}

pub fn plan_status(error: &PlanError) -> u8 {
    match error {
        PlanError::Parameter(_) | PlanError::Missing(_) => EXIT_USAGE,
        PlanError::NotApplicable(_) | PlanError::NothingToDo(_) | PlanError::Unknown(_) => {
            EXIT_NOTHING
        }
    }
}

impl Work<'_> {
    /// The command that carries out what is previewed, and verifies it.
    fn command(&self) -> Vec<String> {
        let mut words = vec!["act".to_owned()];
        words.extend_from_slice(self.targets);
        words.push(self.action.to_string());
        for pair in &self.args.set {
            words.extend(["--set".to_owned(), pair.clone()]);
        }
        words.extend(again::of_triage(&self.args.triage));
        words.push("--wait".to_owned());
        again::command(words)
    }

    fn options(&self, instance: &Instance, before: Option<&Report>) -> PrepareOptions {
        prepare_options(&self.look, self.loaded, instance, before)
    }

    /// A diagnosis first where the action destroys evidence, or where its cure is to be verified.
    async fn before(&self, instance: &Instance) -> Option<Report> {
        let destroys = shuts_down(self.action);
        let verifies = self.args.wait && !self.args.dry_run;
        let may_run = self.args.dry_run || self.access == Access::ReadWrite;
        if !may_run || !(destroys || verifies) {
            return None;
        }
        let past = diagnose::past(self.session, self.loaded, instance);
        Some(deed::look(self.session, instance, &self.look, &past).await)
    }

    async fn one(&self, instance: &Instance) -> anyhow::Result<u8> {
        let before = self.before(instance).await;
        let mut options = self.options(instance, before.as_ref());
        for attempt in 0..=REPLANS {
            let prepared = prepare_plan(
                &self.desk,
                instance,
                self.action,
                &self.parameters,
                &options,
            )
            .await;
            let Prepared { plan, instance } = match prepared {
                Ok(prepared) => prepared,
                Err(error) => return refuse(plan_status(&error), error.said()),
            };
            if self.args.dry_run {
                let command = self.command();
                print(&report::dry_run(&plan, &command, self.args.format))?;
                return Ok(0);
            }
            let again = attempt > 0;
            if again {
                output::note(&said::rules_changed());
                acting::show(&plan);
                if self.args.yes {
                    return refuse(1, said::not_sent_anew());
                }
            }
            let deed = Deed {
                desk: &self.desk,
                instance: &instance,
                access: &self.access,
                report: before.as_ref(),
                target: &self.targets[0],
                yes: self.args.yes,
                wait: self.args.wait,
                preview_is_shown: again,
                again: Some(LookAgain {
                    session: self.session,
                    options: &self.look,
                }),
            };
            let execution = match deed.carry_out(&plan).await? {
                Ok(execution) => execution,
                Err(status) => return Ok(status),
            };
            if execution.stale && attempt < REPLANS {
                options.instance_is_fresh = false;
                continue;
            }
            return self
                .finish(&instance, &plan, &execution, before.as_ref())
                .await;
        }
        Ok(1)
    }

    /// What the result teaches and what comes next, then the report.
    async fn finish(
        &self,
        instance: &Instance,
        plan: &Plan,
        execution: &Execution,
        before: Option<&Report>,
    ) -> anyhow::Result<u8> {
        let taught = self.taught(instance, plan, execution, before).await;
        let told = taught.told(plan, execution, &self.targets[0]);
        let status = acting::exit_status(execution, self.args.wait);
        Ok(told.print(self.args.format, status))
    }

    /// Keeps what an execution proved, and after one that failed looks for what comes next.
    async fn taught(
        &self,
        instance: &Instance,
        plan: &Plan,
        execution: &Execution,
        before: Option<&Report>,
    ) -> Taught {
        let learnt = kept(self.loaded, plan, execution, before).await;
        let next = if self.args.wait && deed::leaves_it_broken(execution) {
            output::note(&said::looking_again());
            let (session, look) = (self.session, &self.look);
            let journal = &self.desk.journal;
            let after = deed::after(session, self.loaded, journal, instance, look, execution);
            Some(deed::next(after.await, before))
        } else {
            None
        };
        Taught { learnt, next }
    }
}

/// What an execution teaches.
#[derive(Debug, Default)]
struct Taught {
    /// The cause that it confirmed.
    learnt: Option<String>,
    next: Option<deed::Next>,
}

impl Taught {
    fn told<'a>(
        &'a self,
        plan: &'a Plan,
        execution: &'a Execution,
        target: &'a str,
    ) -> report::Told<'a> {
        report::Told {
            plan,
            execution,
            target,
            learnt: self.learnt.as_deref(),
            next: self.next.as_ref(),
        }
    }
}

/// What a plan is made with beside its parameters.
pub fn prepare_options(
    look: &TriageOptions,
    loaded: &Loaded,
    instance: &Instance,
    before: Option<&Report>,
) -> PrepareOptions {
    let source = look.user_source.or(loaded.settings.probe.user_source);
    PrepareOptions {
        user_source: source.map(IpNet::from),
        own_source: certain_own_source(instance),
        instance_is_fresh: true,
        readings: before
            .map(|report| report.evidence.clone())
            .unwrap_or_default(),
        ..PrepareOptions::default()
    }
}

/// Keeps what an execution proved; the cause that it confirmed.
pub async fn kept(
    loaded: &Loaded,
    plan: &Plan,
    execution: &Execution,
    before: Option<&Report>,
) -> Option<String> {
    let state_dir = &loaded.paths.state_dir;
    let learnt = deed::learn(state_dir, plan, execution, before).unwrap_or_else(|error| {
        output::warn(&error.said());
        None
    });
    if let Err(error) = deed::remember(state_dir, plan, execution, before) {
        output::warn(&error.said());
    }
    if execution.outcome == Outcome::Restored {
        acting::exchange(loaded).await;
    }
    learnt
}

/// One plan on its way from confirmation to its end; also used for an undo.
#[derive(Debug)]
pub struct Deed<'a> {
    pub desk: &'a Desk,
    pub instance: &'a Instance,
    pub access: &'a Access,
    pub report: Option<&'a Report>,
    /// As named on the command line.
    pub target: &'a str,
    pub yes: bool,
    pub wait: bool,
    pub preview_is_shown: bool,
    /// How far the look after it may go; `None` for an undo.
    pub again: Option<LookAgain<'a>>,
}

impl Deed<'_> {
    /// Confirms and executes; the exit status when nothing was sent.
    pub async fn carry_out(&self, plan: &Plan) -> anyhow::Result<Result<Execution, u8>> {
        // Read-only is said before anything is asked.
        let given = if matches!(self.access, Access::ReadOnly { .. }) {
            Some(Given::Nothing)
        } else {
            acting::confirm(plan, self.yes, self.target, self.preview_is_shown)?
        };
        let Some(given) = given else {
            return refuse(EXIT_NOTHING, unconfirmed(plan)).map(Err);
        };
        let approved = match approve(plan.clone(), self.access, &given) {
            Ok(approved) => approved,
            Err(refusal) => return refuse(EXIT_NOTHING, refusal.said()).map(Err),
        };
        let login = self
            .wait
            .then(|| LoginProbe::new(self.instance.os, self.instance.login_port()));
        let around = Around {
            instance: self.instance,
            login: login.as_ref(),
            report: self.report,
            again: self.again,
        };
        let boot = login.as_ref().map(|probe| probe.boot_limit);
        let (sink, printing) = printing(Printer::of(plan, boot));
        let result = execute(self.desk, around, approved, &sink).await;
        drop(sink);
        // Only cosmetic: the last lines come before the result.
        let _ = tokio::time::timeout(Duration::from_secs(1), printing).await;
        match result {
            Ok(execution) => Ok(Ok(execution)),
            Err(error) => refuse(EXIT_NOTHING, error.said()).map(Err),
        }
    }
}

fn unconfirmed(plan: &Plan) -> Said {
    if plan.confirmation == Confirmation::TypedName {
        said::unconfirmed_widely(plan.action)
    } else {
        said::unconfirmed(plan.action)
    }
}

/// Progress goes to standard error as it comes; a wait is never silent for long.
fn printing(
    mut printer: Printer,
) -> (
    tokio::sync::mpsc::UnboundedSender<crate::runtime::execute::Progress>,
    tokio::task::JoinHandle<()>,
) {
    let (sink, mut news) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        loop {
            match tokio::time::timeout(acting::STILL, news.recv()).await {
                Ok(Some(one)) => printer.print(&one),
                Ok(None) => break,
                Err(_) => printer.still(),
            }
        }
    });
    (sink, task)
}

/// Reports an undo; its exit status.
pub fn report_undo(plan: &Plan, execution: &Execution, format: TextOrJson) -> u8 {
    let told = report::Told {
        plan,
        execution,
        target: &plan.target.id,
        learnt: None,
        next: None,
    };
    told.print(format, acting::exit_status(execution, false))
}
