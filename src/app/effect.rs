//! What should happen in the world, as data; carried out by `runtime::executor`.
//!
//! Nested, so that whoever carries out a kind of them takes that kind alone and leaves none out:
//! a new variant does not compile until it is done somewhere. Must not live here: how any of it is
//! done.

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
use crate::kit::neighbour::Neighbour;

/// One thing to do outside of the state.
#[derive(Debug)]
pub enum Effect {
    /// Read the world.
    Observe(Observe),
    /// Plan and carry out what changes it.
    Act(Act),
    /// Journal, guides and tickets of the cases.
    Record(Record),
    /// What one run of the program remembers for the next.
    Memory(Memory),
    /// The terminal itself, and whether the console goes on.
    Console(Console),
    /// Stop a run; its late answers are dropped anyway.
    Cancel { run: RunId },
}

/// Reads the world.
#[derive(Debug)]
pub enum Observe {
    /// List all instances of the configured regions.
    List { generation: u64 },
    /// Collect everything about one instance.
    Triage(Box<Triage>),
    /// The same about several instances that nobody asked about: they share what the cloud is asked.
    Weigh(Vec<Triage>),
    /// Look at login ports in the background; gently when nobody asked for it.
    Sweep {
        run: RunId,
        instances: Vec<String>,
        gentle: bool,
    },
    /// One short look at the login ports of one instance.
    Short { run: RunId, instance: String },
    /// The self-diagnosis of one instance, which is kept.
    Check {
        run: RunId,
        instance: String,
        deep: bool,
        user_source: Option<IpAddr>,
    },
    /// Others look at the login port of an instance.
    Look(Look),
    /// Verify the ports of an instance.
    Ports {
        run: RunId,
        instance: String,
        user_source: Option<IpAddr>,
    },
}

/// What is wanted of others.
#[derive(Debug)]
pub enum Look {
    /// Find out who could look.
    Choose { instance: String, from: LookFrom },
    /// Make those look that the operator agreed to.
    Ask { instance: String, chosen: Lookers },
}

/// Where others look from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookFrom {
    /// Other instances.
    Neighbours,
    /// Nodes of the provider's test service.
    Providers,
}

/// Those who look.
#[derive(Debug, Clone)]
pub enum Lookers {
    Neighbours(Vec<Neighbour>),
    /// By their codes.
    Providers(Vec<String>),
}

impl Lookers {
    /// Where they look from.
    pub fn from(&self) -> LookFrom {
        match self {
            Self::Neighbours(_) => LookFrom::Neighbours,
            Self::Providers(_) => LookFrom::Providers,
        }
    }
}

/// Which instance to collect everything about, and how.
#[derive(Debug)]
pub struct Triage {
    pub run: RunId,
    pub instance: String,
    pub deep: bool,
    /// Make one real login attempt as this user.
    pub try_login: Option<String>,
    pub user_source: Option<IpAddr>,
    pub error_text: String,
    /// What a person said of the failure.
    pub statements: Statements,
    /// Since when login fails, where it is known.
    pub onset: Option<Timestamp>,
}

/// Changes the world, by way of a preview and the gate.
#[derive(Debug)]
pub enum Act {
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
    PrepareUndo { run: RunId, entry: String },
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
}

/// Reads and writes what is kept of the cases on disk, the history apart.
#[derive(Debug)]
pub enum Record {
    /// Let a time-boxed change stay.
    LetStay { entry: String },
    /// Show the journal.
    ReadJournal { title: String },
    /// Show the calls of this run.
    ReadCalls { title: String },
    /// Find out how the operator's own client gets into an instance.
    FindWayIn { instance: String },
    /// Show the script that a look inside would send.
    ReadScript {
        title: String,
        instance: String,
        user_source: Option<IpAddr>,
    },
    /// Show a text with what the cloud answered to an action behind it.
    ReadRaw {
        title: String,
        body: String,
        instance: String,
        action: String,
    },
    /// Write a screen, as text, to a file.
    KeepScreen { text: String },
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
    SaveConfirmation { cause: String },
}

/// Reads and writes the history.
#[derive(Debug)]
pub enum Memory {
    /// Read what earlier runs remember of logins.
    RecallLogins,
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
    KeepWay { network: String, way: Option<Path> },
    /// Read what earlier runs found at an instance.
    ReadPast { instance: String },
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
}

/// The program that opens a session at an instance, and the journal entry that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayIn {
    pub instance: String,
    /// Program and arguments; never a line for a shell.
    pub words: Vec<String>,
    pub entry: String,
}

/// Done by the loop, which has the terminal.
#[derive(Debug)]
pub enum Console {
    /// Put text on the operator's clipboard.
    Copy {
        text: String,
    },
    /// The same for what must not be kept.
    CopySecret(SecretString),
    /// Draw everything again.
    Repaint,
    /// Write what is on the screen to a file.
    SaveScreen,
    /// Hand the terminal to a program until it ends.
    Visit(WayIn),
    /// Hand the terminal back to the shell until resumed.
    Suspend,
    SetMouse(bool),
    /// Leave this console for one on the demo cloud.
    OpenDemo,
    Quit,
}
