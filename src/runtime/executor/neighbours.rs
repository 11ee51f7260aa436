//! Other instances that look, for the console.
//!
//! Must not live here: choosing and asking them (`runtime::neighbours`).

use tokio::sync::mpsc;

use crate::action::gate::Access;
use crate::app::effect::Neighbours;
use crate::app::message::{Found, Message};
use crate::app::notices::Severity;
use crate::app::overlay::NeighbourConsent;
use crate::domain::instance::Instance;
use crate::domain::said::{Joint, List, Said};
use crate::kit::neighbour::Neighbour;
use crate::runtime::backend::Backend;
use crate::runtime::triage::Triage;
use crate::runtime::{neighbours, said};

/// Asks who could look, or those who were agreed to.
pub async fn carry_out(backend: &Backend, what: Neighbours, out: &mpsc::Sender<Message>) {
    match what {
        Neighbours::Choose { instance } => choose(backend, &instance, out).await,
        Neighbours::Ask { instance, chosen } => ask(backend, instance, &chosen, out).await,
    }
}

/// Finds out who could look, and puts the question.
async fn choose(backend: &Backend, id: &str, out: &mpsc::Sender<Message>) {
    let message = match question(backend, id).await {
        Ok(consent) => Message::Found(Found::NeighboursChosen(Box::new(consent))),
        Err(text) => Message::Told {
            severity: Severity::Warning,
            text,
        },
    };
    let _ = out.send(message).await;
}

/// The instance as it was read last, with what else is known of it.
fn known(backend: &Backend, id: &str) -> Result<(Instance, Option<Triage>), Said> {
    let listed = backend.instance(id).ok_or_else(said::instance_gone)?;
    let triage = backend.recent_triage(id);
    let facts = triage.as_ref().and_then(|triage| triage.facts.as_ref());
    let fresh = facts.and_then(|facts| facts.instance.clone());
    Ok((fresh.unwrap_or_else(|| (*listed).clone()), triage))
}

/// What was shut meanwhile holds also for what was allowed before.
fn is_shut(backend: &Backend) -> bool {
    backend.access() != Access::ReadWrite && !backend.loaded.settings.read_only_deep
}

async fn question(backend: &Backend, id: &str) -> Result<NeighbourConsent, Said> {
    if is_shut(backend) {
        return Err(said::neighbours_read_only());
    }
    let (instance, triage) = known(backend, id)?;
    let session = backend.session().await.map_err(|error| error.said())?;
    let facts = triage.as_ref().and_then(|triage| triage.facts.as_ref());
    let choice = neighbours::choose(session, &instance, facts, &[], &backend.listed()).await?;
    if choice.neighbours.is_empty() {
        return Err(choice.left_out.into_iter().next().unwrap_or_default());
    }
    let one = |it: &Neighbour| format!("# {}\n{}", it.instance.label(), it.script(&instance));
    let scripts: Vec<String> = choice.neighbours.iter().map(one).collect();
    let name = instance.label();
    Ok(NeighbourConsent {
        instance: id.to_owned(),
        question: said::neighbours_question(choice.who(), name, choice.price()),
        scripts: scripts.join("\n"),
        chosen: choice.neighbours,
    })
}

/// Makes those look that the operator agreed to.
async fn ask(backend: &Backend, id: String, chosen: &[Neighbour], out: &mpsc::Sender<Message>) {
    let told = |severity, text| Message::Told { severity, text };
    if is_shut(backend) {
        let text = said::neighbours_read_only();
        let _ = out.send(told(Severity::Warning, text)).await;
        return;
    }
    let asked = async {
        let (instance, triage) = known(backend, &id)?;
        let session = backend.session().await.map_err(|error| error.said())?;
        let facts = triage.as_ref().and_then(|triage| triage.facts.as_ref());
        let journal = backend.journal();
        Ok::<_, Said>(neighbours::ask(session, &journal, &instance, facts, chosen).await)
    };
    let who = List::said(Joint::Names, chosen.iter().map(Neighbour::who));
    match asked.await {
        Ok(readings) => {
            let told = told(Severity::Good, said::neighbours_looked(who));
            let _ = out.send(told).await;
            let instance = id.clone();
            let saw = Found::NeighboursSaw { instance, readings };
            let _ = out.send(Message::Found(saw)).await;
        }
        Err(text) => {
            let _ = out.send(told(Severity::Warning, text)).await;
        }
    }
}
