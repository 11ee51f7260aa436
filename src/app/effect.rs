//! What should happen in the world, as data; carried out by `runtime::executor`.
//!
//! Must not live here: how any of it is done.

use std::net::IpAddr;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::batch::Choice;
use super::case::RunId;
use super::typed::Line;
use crate::action::gate::{ApprovedBatch, ApprovedPlan};
use crate::domain::action::ActionId;
use crate::domain::evidence::Path;
use crate::domain::history::{LoginSpan, PastCase};
use crate::domain::report::Report;
use crate::domain::statement::Statements;

/// One thing to do outside of the state.
#[derive(Debug)]
pub enum Effect {
    /// List all instances of the configured regions.
    List {
        generation: u64,
    },
    /// Collect everything about one instance.
    Triage {
        run: RunId,
        instance: String,
        deep: bool,
        /// Make one real login attempt as this user.
        try_login: Option<String>,
        user_source: Option<IpAddr>,
        error_text: String,
        /// What a person said of the failure.
        statements: Statements,
        /// Since when login fails, where it is known.
        onset: Option<Timestamp>,
    },
    /// Look at login ports in the background; gently when nobody asked for it.
    Sweep {
        run: RunId,
        instances: Vec<String>,
        gentle: bool,
    },
    /// One short look at the login ports of one instance.
    Look {
        run: RunId,
        instance: String,
    },
    /// Stop a run; its late answers are dropped anyway.
    Cancel {
        run: RunId,
    },
    /// Read what the preview of an action needs, and plan it.
    Prepare {
        run: RunId,
        instance: String,
        action: ActionId,
        parameters: Map<String, Value>,
        user_source: Option<IpAddr>,
        login_port: Option<u16>,
    },
    /// The same for taking a journal entry back.
    PrepareUndo {
        run: RunId,
        entry: String,
    },
    /// Carry out what was previewed and approved.
    Execute {
        run: RunId,
        instance: String,
        approved: Box<ApprovedPlan>,
    },
    /// Plan an action for each of several instances.
    PrepareBatch {
        run: RunId,
        instances: Vec<String>,
        choice: Choice,
        user_source: Option<IpAddr>,
    },
    /// Carry out a batch that was previewed and approved, one instance after the other.
    ExecuteBatch {
        approved: Box<ApprovedBatch>,
        choice: Choice,
        user_source: Option<IpAddr>,
        /// The job of each instance, by its id.
        jobs: Vec<(String, RunId)>,
        title: String,
    },
    /// Settle what an earlier run of the program left in flight.
    Settle,
    /// Let a time-boxed change stay.
    Keep {
        entry: String,
    },
    /// Show the journal.
    ReadJournal {
        title: String,
    },
    /// Read what earlier runs remember of logins.
    Recall,
    /// Read what was typed in earlier runs.
    RecallTyped,
    /// Keep what was typed.
    KeepTyped {
        line: Line,
        text: String,
        at: Timestamp,
    },
    /// Read which way the users come to each network.
    RecallWays,
    /// Keep which way the users come to a network, or forget it.
    KeepWay {
        network: String,
        way: Option<Path>,
    },
    /// Read what earlier runs found at an instance.
    ReadPast {
        instance: String,
    },
    /// Keep since when logins are as they are.
    KeepLogins(Vec<LoginSpan>),
    /// Keep a diagnosis.
    KeepCase(Box<PastCase>),
    /// Keep which action brought login back, and the diagnosis it cured where that was not kept
    /// yet.
    KeepCure {
        instance: String,
        action: String,
        case: Option<Box<PastCase>>,
    },
    /// Keep that a step of a guide was ticked off, or is not any more.
    TickStep {
        instance: String,
        guide: String,
        step: usize,
        ticked: bool,
    },
    /// Write the ticket bundle of a case.
    WriteTicket {
        run: RunId,
        report: Box<Report>,
        error_text: String,
        /// As it was typed; a leading `~` is the home.
        folder: String,
        mask: bool,
        archive: bool,
    },
    /// Keep which cause was the true one.
    SaveConfirmation {
        cause: String,
    },
    /// Put text on the operator's clipboard.
    Copy {
        text: String,
    },
    /// The same for what must not be kept.
    CopySecret(SecretString),
    /// Draw everything again.
    Repaint,
    /// Hand the terminal back to the shell until resumed.
    Suspend,
    SetMouse(bool),
    /// Leave this console for one on the demo cloud.
    OpenDemo,
    Quit,
}
