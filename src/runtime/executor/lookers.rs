//! Others that look, for the console: other instances, or nodes of the provider.
//!
//! Must not live here: choosing and asking them (`runtime::neighbours`, `runtime::providers`).

use tokio::sync::mpsc;

use crate::action::context::PlanContext;
use crate::action::gate::Access;
use crate::app::effect::{Look, LookFrom, Lookers};
use crate::app::message::{Found, Message};
use crate::app::notices::Severity;
use crate::app::overlay::LookConsent;
use crate::domain::evidence::Reading;
use crate::domain::instance::Instance;
use crate::domain::said::{Joint, List, Said};
use crate::kit::neighbour::Neighbour;
use crate::runtime::backend::Backend;
use crate::runtime::triage::Triage;
use crate::runtime::{neighbours, providers, said};

/// Asks who could look, or those who were agreed to.
pub async fn carry_out(backend: &Backend, what: Look, out: &mpsc::Sender<Message>) {
    match what {
        Look::Choose { instance, from } => choose(backend, &instance, from, out).await,
        Look::Ask { instance, chosen } => ask(backend, instance, &chosen, out).await,
    }
}

fn told(severity: Severity, text: Said) -> Message {
    Message::Told { severity, text }
}

/// Finds out who could look, and puts the question.
async fn choose(backend: &Backend, id: &str, from: LookFrom, out: &mpsc::Sender<Message>) {
    let question = match from {
        LookFrom::Neighbours => of_neighbours(backend, id).await,
        LookFrom::Providers => of_providers(backend, id).await,
    };
    let message = match question {
        Ok(consent) => Message::Found(Found::LookersChosen(Box::new(consent))),
        Err(text) => told(Severity::Warning, text),
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

async fn of_neighbours(backend: &Backend, id: &str) -> Result<LookConsent, Said> {
    if is_shut(backend) {
        return Err(said::neighbours_read_only());
    }
    let (instance, triage) = known(backend, id)?;
    // Without its facts nobody knows who stands beside it: that is no "nobody".
    let triage = triage.ok_or_else(said::look_first)?;
    let session = backend.session().await.map_err(|error| error.said())?;
    let facts = triage.facts.as_ref();
    let choice = neighbours::choose(session, &instance, facts, &[], &backend.listed()).await?;
    if choice.neighbours.is_empty() {
        return Err(choice.left_out.into_iter().next().unwrap_or_default());
    }
    let one = |it: &Neighbour| format!("# {}\n{}", it.instance.label(), it.script(&instance));
    let scripts: Vec<String> = choice.neighbours.iter().map(one).collect();
    let name = instance.label();
    Ok(LookConsent {
        instance: id.to_owned(),
        question: said::neighbours_question(choice.who(), name, choice.price()),
        scripts: scripts.join("\n"),
        chosen: Lookers::Neighbours(choice.neighbours),
    })
}

async fn of_providers(backend: &Backend, id: &str) -> Result<LookConsent, Said> {
    let (instance, triage) = known(backend, id)?;
    let triage = triage.ok_or_else(said::look_first)?;
    let session = backend.session().await.map_err(|error| error.said())?;
    let facts = triage.facts.as_ref();
    let access = backend.access();
    let choice = providers::choose(session, &access, &instance, facts, &[], None).await?;
    if choice.nodes.is_empty() {
        return Err(choice.notes.into_iter().next().unwrap_or_default());
    }
    let context = PlanContext {
        entry: "ENTRY".to_owned(),
        instance: instance.clone(),
        ..PlanContext::default()
    };
    let plan = providers::plan(&instance, &choice, &context)?;
    let calls = plan.steps.iter().map(|step| {
        let body = serde_json::to_string_pretty(&step.call.parameters).unwrap_or_default();
        format!("# {}\n{body}", step.call.permission())
    });
    let question = said::providers_question(choice.who(), instance.label(), choice.price());
    let question = choice.notes.iter().cloned().fold(question, Said::and);
    Ok(LookConsent {
        instance: id.to_owned(),
        question,
        scripts: calls.collect::<Vec<_>>().join("\n"),
        chosen: Lookers::Providers(choice.nodes.into_iter().map(|it| it.code).collect()),
    })
}

/// Makes those look that the operator agreed to.
async fn ask(backend: &Backend, id: String, chosen: &Lookers, out: &mpsc::Sender<Message>) {
    let asked = match chosen {
        Lookers::Neighbours(chosen) => by_neighbours(backend, &id, chosen, out).await,
        Lookers::Providers(codes) => by_providers(backend, &id, codes, out).await,
    };
    let message = match asked {
        Ok(readings) => Message::Found(Found::LookersSaw {
            instance: id,
            readings,
        }),
        Err(text) => told(Severity::Warning, text),
    };
    let _ = out.send(message).await;
}

async fn by_neighbours(
    backend: &Backend,
    id: &str,
    chosen: &[Neighbour],
    out: &mpsc::Sender<Message>,
) -> Result<Vec<Reading>, Said> {
    if is_shut(backend) {
        return Err(said::neighbours_read_only());
    }
    let (instance, triage) = known(backend, id)?;
    let session = backend.session().await.map_err(|error| error.said())?;
    let facts = triage.as_ref().and_then(|triage| triage.facts.as_ref());
    let journal = backend.journal();
    let readings = neighbours::ask(session, &journal, &instance, facts, chosen).await;
    let who = List::said(Joint::Names, chosen.iter().map(Neighbour::who));
    let told = told(Severity::Good, said::neighbours_looked(who));
    let _ = out.send(told).await;
    Ok(readings)
}

async fn by_providers(
    backend: &Backend,
    id: &str,
    codes: &[String],
    out: &mpsc::Sender<Message>,
) -> Result<Vec<Reading>, Said> {
    let (instance, triage) = known(backend, id)?;
    let session = backend.session().await.map_err(|error| error.said())?;
    let desk = backend.desk().await?;
    let facts = triage.as_ref().and_then(|triage| triage.facts.as_ref());
    let access = backend.access();
    // Read again: what has gone off line meanwhile is left out.
    let choice = providers::choose(session, &access, &instance, facts, codes, None).await?;
    if choice.nodes.is_empty() {
        return Err(choice.notes.into_iter().next().unwrap_or_default());
    }
    let _ = out
        .send(told(Severity::Info, said::providers_asked()))
        .await;
    // What goes on when the console ends is in the journal, with a time box.
    let never = std::future::pending();
    let looked = providers::ask(&desk, &access, &instance, facts, &choice, never).await;
    for text in looked.told {
        let _ = out.send(told(Severity::Info, text)).await;
    }
    for reading in looked.readings.iter().filter(|it| it.id == "reach") {
        let severity = match reading.observed_state() {
            Some(_) => Severity::Good,
            None => Severity::Warning,
        };
        let _ = out.send(told(severity, reading.detail.clone())).await;
    }
    Ok(looked.readings)
}
