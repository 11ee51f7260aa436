//! Everything that can happen to the console.
//!
//! Nested as effects are: what takes one kind takes it whole. Must not live here: what follows from
//! it (`app::update`).

use std::sync::Arc;

use jiff::Timestamp;

use super::batch::Choice;
use super::case::RunId;
use super::checkup::Checked;
use super::effect::WayIn;
use super::geometry::Geometry;
use super::health::Login;
use super::jobs::Executed;
use super::missing::Missing;
use super::notices::Severity;
use super::overlay::LookConsent;
use super::port_view::Verified;
use super::timed::Timed;
use super::typed::Line;
use crate::action::batch::Batch;
use crate::action::plan::Plan;
use crate::diagnosis::Knowledge;
use crate::domain::action::SpentAction;
use crate::domain::evidence::{Path, Reading};
use crate::domain::guide_step::TickedStep;
use crate::domain::history::{LoginSpan, PastCase};
use crate::domain::instance::Instance;
use crate::domain::report::Vantage;
use crate::domain::said::Said;
use crate::input::chord::Chord;

/// One event, from the terminal, the clock, or a task.
#[derive(Debug)]
pub enum Message {
    Key(Chord),
    /// Text pasted into the terminal, as one piece.
    Pasted(String),
    Mouse {
        kind: MouseKind,
        x: u16,
        y: u16,
    },
    Resized {
        width: u16,
        height: u16,
    },
    /// The time, before every other message of a batch and at wake-ups.
    Tick(Timestamp),
    /// Where the last frame put things.
    Drawn(Geometry),
    /// The session is open.
    Opened {
        place: Said,
        host: String,
        knowledge: Arc<Knowledge>,
    },
    /// What was read of the world.
    Found(Found),
    /// What became of an action.
    Acted(Acted),
    /// What is kept of the cases.
    Recorded(Recorded),
    /// What earlier runs of the program remember.
    Recalled(Recalled),
    /// Something to tell, from a task.
    Told {
        severity: Severity,
        text: Said,
    },
    /// A task died.
    TaskPanicked {
        what: String,
    },
}

/// What was read of the world.
#[derive(Debug)]
pub enum Found {
    Listed {
        generation: u64,
        event: Listing,
    },
    /// A reading of a triage.
    Read {
        run: RunId,
        instance: String,
        reading: Box<Reading>,
    },
    TriageEnded(Box<TriageEnded>),
    /// Actions that the journal says did not bring the login of an instance back.
    Tried {
        instance: String,
        tried: Vec<String>,
        /// Those, and the failed and refused, that need no second try.
        spent: Vec<SpentAction>,
    },
    /// The sweep has looked at an instance.
    LoginChecked {
        run: RunId,
        instance: String,
        look: Look,
        at: Timestamp,
    },
    /// What came of a self-diagnosis.
    Checked(Box<Checked>),
    /// The end of a port verification.
    Verified(Box<Verified>),
    /// Who could look at the login port of an instance.
    LookersChosen(Box<LookConsent>),
    /// What they saw.
    LookersSaw {
        instance: String,
        readings: Vec<Reading>,
    },
    /// How many logins were tried at once, where that was fewer than wanted.
    SweepHeld(Option<usize>),
    SweepEnded {
        run: RunId,
    },
    /// The short look at one instance, along each path that could be used.
    Looked {
        run: RunId,
        instance: String,
        looks: Vec<Look>,
        at: Timestamp,
    },
}

/// How a triage ended.
#[derive(Debug)]
pub struct TriageEnded {
    pub run: RunId,
    pub instance: String,
    pub error: Option<Said>,
    /// The instance as it was read during the triage.
    pub fresh: Option<Box<Instance>>,
    pub vantage: Option<Vantage>,
    /// What the cloud measured in the last hour.
    pub load: Vec<Load>,
}

/// What became of an action.
#[derive(Debug)]
pub enum Acted {
    /// The preview of an action, or why there is none.
    Planned {
        run: RunId,
        result: Result<Box<Plan>, Said>,
    },
    /// The plans of a batch, or why there are none.
    BatchPlanned {
        run: RunId,
        choice: Choice,
        result: Result<Box<Batch>, Said>,
    },
    /// A batch is over; each of its instances was told of before.
    BatchEnded {
        title: String,
        done: usize,
        all: usize,
        /// Why it stopped before its end.
        stopped: Option<Said>,
        /// Instances that a plan of another one was for, too.
        covered: Vec<String>,
    },
    /// A sentence about an action under way.
    Progressed { run: RunId, note: Said },
    Executed {
        run: RunId,
        result: Result<Box<Executed>, Said>,
    },
    /// Every change that will be taken back by itself, soonest first.
    Timed(Vec<Timed>),
    /// Entries of the journal that were taken back, by whomever.
    TakenBack(Vec<String>),
}

/// What is kept of the cases.
#[derive(Debug)]
pub enum Recorded {
    /// The ticked steps of an instance, as they are kept.
    StepsTicked {
        instance: String,
        steps: Vec<TickedStep>,
    },
    /// The ticket bundle is written, or why not.
    TicketWritten {
        run: RunId,
        result: Result<TicketMade, Said>,
    },
    /// How to get into an instance; it is opened.
    WayIn(WayIn),
    /// Text of an overlay that was asked for.
    Fetched { title: String, body: String },
}

/// What earlier runs of the program remember.
#[derive(Debug)]
pub enum Recalled {
    Logins(Vec<LoginSpan>),
    /// What was typed, oldest first.
    Typed(Vec<(Line, Vec<String>)>),
    /// Which way the users come to each network, as told.
    Ways(Vec<(String, Path)>),
    /// What was found at an instance, newest first.
    Past {
        instance: String,
        cases: Vec<PastCase>,
    },
}

/// One short look at a login port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub path: Path,
    /// `None` when this machine could not look.
    pub login: Option<Login>,
    /// Time until the port answered.
    pub ms: Option<u16>,
}

/// Figures of one metric in percent, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The evidence group that it belongs to, for its name.
    pub evidence: &'static str,
    pub percent: Vec<f64>,
}

/// A ticket bundle on disk.
#[derive(Debug, Clone)]
pub struct TicketMade {
    pub path: String,
    pub files: Vec<String>,
    /// The text for the vendor's form.
    pub form: String,
}

/// Progress of a listing.
#[derive(Debug)]
pub enum Listing {
    /// Regions that will be asked.
    Regions(usize),
    /// Total of one region.
    Expected(usize),
    Page(Vec<Arc<Instance>>),
    RegionDone,
    RegionFailed {
        region: String,
        why: Said,
    },
    End,
    /// There is nothing to list with until the operator provides it.
    Missing(Missing),
    /// Nothing could be listed at all.
    Failed(Said),
}

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseKind {
    Click,
    WheelUp,
    WheelDown,
}
