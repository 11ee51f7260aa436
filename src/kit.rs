//! A short script for another machine, and the reading of what it prints: the same questions as the
//! probe's, asked from where they matter (pure). Another machine is the failing user's own, or
//! another instance that is asked to look (`neighbour`). The provider's nodes (`provider`) run no script
//! of ours; what they tell is read here all the same.
//!
//! Nobody signs the answer: it is a person's statement, bounded and cleaned, and weighed as one.
//! What it says goes to the path `user`, beside what this host sees and never in its place. Must
//! not live here: what a state is worth (`diagnosis`), the client's own words (`client_text`).

mod answer;
pub mod neighbour;
pub mod provider;
mod readings;
pub mod said;
mod script;

pub use readings::is_fake;
pub use script::{Shell, script};

use std::borrow::Cow;
use std::net::IpAddr;

use crate::domain::evidence::{Path, Reading, Source, Status, group};
use crate::domain::report::InstanceSummary;
use crate::domain::said::Said;

/// What a text that holds an answer of the kit comes to.
#[derive(Debug, Clone)]
pub struct Told {
    /// On the path `user`, or about the user's machine; `observed_at` is left to the caller.
    pub readings: Vec<Reading>,
    /// Where the user comes from as the outside sees it, where that is certain.
    pub source: Option<IpAddr>,
}

/// Reads the kit's answer in a pasted text, the last one where there are several; `None` where there
/// is none. One that is cut, changed or about another instance gives no state, and says so.
pub fn read(text: &str, instance: &InstanceSummary) -> Option<Told> {
    Some(match answer::find(text)? {
        Ok(answer) => readings::of(&answer, instance),
        Err(why) => unknown(why),
    })
}

/// The text without an answer of the kit, which is no message of a client.
pub fn without(text: &str) -> Cow<'_, str> {
    answer::cut_out(text)
}

/// An answer that tells nothing, and why.
fn unknown(why: Said) -> Told {
    let reading = Reading::without_state(group::REACH, Source::Operator, Status::NotAttempted, why);
    Told {
        readings: vec![reading.on_path(Path::User)],
        source: None,
    }
}
