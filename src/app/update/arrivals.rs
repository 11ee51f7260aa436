//! What comes back from the world: pages of instances, readings, results.
//!
//! Answers of an older run or generation are dropped. Must not live here: keys.

use super::{Dirty, actions, batch, commands, lookers, looks, memory, reader, ticket};
use crate::app::case::RunId;
use crate::app::checkup;
use crate::app::effect::{self, Effect, Memory, Observe, Triage};
use crate::app::health::Login;
use crate::app::locale::fill;
use crate::app::message::{Acted, Found, Listing, Message, Recalled, Recorded, TriageEnded};
use crate::app::notices::Severity;
use crate::app::overlay::{Overlay, Reading as ReadingOverlay};
use crate::app::port_view;
use crate::app::rhythm;
use crate::app::state::{State, Sweep};
use crate::app::typed::Line;
use crate::case::{self, Known};
use crate::diagnosis::fleet::leading;
use crate::diagnosis::learn::confirmed_lately;
use crate::domain::column;
use crate::domain::evidence::Reading;
use crate::domain::evidence::state::instance_state;
use crate::domain::report::{InstanceSummary, Vantage, Verdict};
use crate::domain::statement::Statements;

/// Whether a message comes by itself and can wait while the display is frozen.
pub fn can_wait(message: &Message) -> bool {
    match message {
        Message::Found(found) => match found {
            Found::Listed { .. }
            | Found::Read { .. }
            | Found::TriageEnded(_)
            | Found::LoginChecked { .. }
            | Found::SweepEnded { .. }
            | Found::SweepHeld(_)
            | Found::Looked { .. } => true,
            Found::Tried { .. }
            | Found::Checked(_)
            | Found::Verified(_)
            | Found::LookersChosen(_)
            | Found::LookersSaw { .. } => false,
        },
        Message::Acted(acted) => match acted {
            Acted::Progressed { .. } => true,
            Acted::Planned { .. }
            | Acted::BatchPlanned { .. }
            | Acted::BatchEnded { .. }
            | Acted::Executed { .. }
            | Acted::Timed(_)
            | Acted::TakenBack(_) => false,
        },
        Message::Recalled(recalled) => match recalled {
            Recalled::Past { .. } => true,
            Recalled::Logins(_) | Recalled::Typed(_) | Recalled::Ways(_) => false,
        },
        Message::Key(_)
        | Message::Pasted(_)
        | Message::Mouse { .. }
        | Message::Resized { .. }
        | Message::Tick(_)
        | Message::Drawn(_)
        | Message::Opened { .. }
        | Message::Recorded(_)
        | Message::Told { .. }
        | Message::TaskPanicked { .. } => false,
    }
}

/// What was read of the world.
pub fn found(state: &mut State, found: Found, effects: &mut Vec<Effect>) -> Dirty {
    match found {
        Found::Listed { generation, event } => listed(state, generation, event, effects),
        Found::Read {
            run,
            instance,
            reading,
        } => {
            let Some(case) = state.cases.get_mut(&instance) else {
                return Dirty::Nothing;
            };
            if case.run != Some(run) {
                return Dirty::Nothing;
            }
            case.merge(*reading);
            let shown = state.fleet.selected_id() == Some(instance.as_str());
            // What nobody looks at is weighed once, when all of it is there.
            if shown || !state.weighing.is_quiet(run) {
                weigh(state, &instance);
            }
            Dirty::when(shown)
        }
        Found::TriageEnded(ended) => triage_ended(state, *ended, effects),
        Found::Tried {
            instance,
            tried,
            spent,
        } => {
            if let Some(case) = state.cases.get_mut(&instance) {
                case.tried = tried;
                case.spent = spent;
            }
            Dirty::Nothing
        }
        Found::LoginChecked {
            run,
            instance,
            look,
            at,
        } => {
            let Some(sweep) = state.sweep.as_mut().filter(|sweep| sweep.run == run) else {
                return Dirty::Nothing;
            };
            sweep.done += 1;
            looks::take(state, &instance, &look, at, effects);
            Dirty::Frame
        }
        Found::Checked(done) => Dirty::when(checkup::checked(state, *done)),
        Found::Verified(done) => Dirty::when(port_view::verified(state, *done)),
        Found::LookersChosen(consent) => Dirty::when(lookers::chosen(state, *consent)),
        Found::LookersSaw { instance, readings } => {
            Dirty::when(lookers::saw(state, &instance, readings))
        }
        Found::SweepHeld(at_once) => {
            let changed = state.sweep_held != at_once;
            state.sweep_held = at_once;
            Dirty::when(changed)
        }
        Found::SweepEnded { run } => {
            sweep_ended(state, run, effects);
            Dirty::Frame
        }
        Found::Looked {
            run,
            instance,
            looks,
            at,
        } => {
            if !state.rhythm.looked(run, at) {
                return Dirty::Nothing;
            }
            for look in &looks {
                looks::take(state, &instance, look, at, effects);
            }
            rhythm::keep_turned(state, effects);
            state.weighing.touch();
            Dirty::when(!looks.is_empty())
        }
    }
}

fn sweep_ended(state: &mut State, run: RunId, effects: &mut Vec<Effect>) {
    if state.sweep.is_some_and(|sweep| sweep.run == run) {
        state.sweep = None;
        state.weighing.touch();
        state.fleet.nothing_checking();
        let now = state.now;
        state.rhythm.swept(now);
        rhythm::keep_turned(state, effects);
    }
}

/// What became of an action.
pub fn acted(state: &mut State, acted: Acted, effects: &mut Vec<Effect>) -> Dirty {
    match acted {
        Acted::Planned { run, result } => actions::planned(state, run, result),
        Acted::BatchPlanned {
            run,
            choice,
            result,
        } => batch::planned(state, run, choice, result),
        Acted::BatchEnded {
            title,
            done,
            all,
            stopped,
            covered,
        } => {
            let stopped = stopped.as_ref();
            batch::ended(state, &title, (done, all), stopped, &covered, effects)
        }
        Acted::Progressed { run, note } => actions::progressed(state, run, note),
        Acted::Executed { run, result } => {
            let dirty = actions::executed(state, run, result, effects);
            commands::withdraw_quit(state);
            dirty
        }
        Acted::Timed(timed) => {
            let changed = state.timed != timed;
            state.timed = timed;
            Dirty::when(changed)
        }
        Acted::TakenBack(entries) => taken_back(state, &entries, effects),
    }
}

fn taken_back(state: &mut State, entries: &[String], effects: &mut Vec<Effect>) -> Dirty {
    let mut seen = Dirty::Nothing;
    for entry in entries {
        if let Some(instance) = state.jobs.taken_back(entry) {
            // What was read while it was in force no longer speaks of this machine.
            let now = state.now;
            if let Some(case) = state.cases.get_mut(&instance) {
                case.changed_at = Some(now);
            }
            look_again(state, &instance, effects);
            seen = Dirty::Frame;
        }
    }
    seen
}

/// What is kept of the cases.
pub fn recorded(state: &mut State, recorded: Recorded, effects: &mut Vec<Effect>) -> Dirty {
    match recorded {
        Recorded::StepsTicked { instance, steps } => reader::ticked(state, &instance, steps),
        Recorded::TicketWritten { run, result } => {
            let dirty = ticket::written(state, run, result, effects);
            commands::withdraw_quit(state);
            dirty
        }
        Recorded::WayIn(way) => {
            effects.push(Effect::Console(effect::Console::Visit(way)));
            Dirty::Nothing
        }
        Recorded::Fetched { title, body } => {
            state
                .overlays
                .push(Overlay::Reader(ReadingOverlay::new(title, &body)));
            Dirty::Frame
        }
    }
}

/// What earlier runs of the program remember.
pub fn recalled(state: &mut State, recalled: Recalled) -> Dirty {
    match recalled {
        Recalled::Logins(spans) => {
            state.fleet.recall(spans);
            Dirty::Frame
        }
        Recalled::Ways(ways) => {
            for (network, way) in ways {
                // What was told in this run is newer.
                state.ways.entry(network).or_insert(way);
            }
            weigh_selected(state);
            Dirty::Frame
        }
        Recalled::Typed(lines) => {
            let chosen_here = !state.typed.of(Line::Columns).is_empty();
            for (line, texts) in lines {
                state.typed.recall(line, texts);
            }
            // What the config says, or was chosen since the start, stands.
            let columns = state.typed.of(Line::Columns).last();
            if let Some(columns) = columns.filter(|_| !chosen_here)
                && state.looks.columns.is_none()
            {
                state.looks.columns = column::from_text(columns);
                return Dirty::Frame;
            }
            Dirty::when(!state.overlays.is_empty())
        }
        Recalled::Past { instance, cases } => {
            state
                .cases
                .entry(instance.clone())
                .or_default()
                .recall(cases);
            Dirty::when(state.fleet.selected_id() == Some(instance.as_str()))
        }
    }
}

fn triage_ended(state: &mut State, ended: TriageEnded, effects: &mut Vec<Effect>) -> Dirty {
    let now = state.now;
    let TriageEnded {
        run,
        instance,
        error,
        fresh,
        vantage,
        load,
    } = ended;
    let Some(case) = state.cases.get_mut(&instance) else {
        return Dirty::Nothing;
    };
    if case.run != Some(run) {
        return Dirty::Nothing;
    }
    case.end(now, error);
    if vantage.is_some() {
        case.vantage = vantage;
    }
    if !load.is_empty() {
        case.load = load;
    }
    if let Some(fresh) = fresh {
        state.fleet.insert(vec![(*fresh).into()]);
    }
    weigh(state, &instance);
    if state.weighing.is_quiet(run) {
        state.weighing.touch();
    } else {
        memory::keep_case(state, &instance, effects);
    }
    Dirty::Frame
}

fn listed(state: &mut State, generation: u64, event: Listing, effects: &mut Vec<Effect>) -> Dirty {
    if generation != state.fleet.generation {
        return Dirty::Nothing;
    }
    match event {
        Listing::Regions(n) => state.fleet.loading.regions = n,
        Listing::Expected(n) => state.fleet.loading.expected += n,
        Listing::Page(page) => {
            state.fleet.insert(page);
            open_target(state, effects);
        }
        Listing::RegionDone => state.fleet.loading.regions_done += 1,
        Listing::RegionFailed { region, why } => {
            let text = state.texts.labelled(&region, &state.texts.said(&why));
            if !state.fleet.failed_so_before(&text) {
                state.tell(Severity::Warning, text.clone());
            }
            state.fleet.loading.failures.push(text);
            state.fleet.loading.regions_done += 1;
        }
        Listing::Missing(missing) => {
            state.fleet.loading.running = false;
            state.missing = Some(missing);
            state.rhythm.listing_is_pointless();
        }
        Listing::Failed(why) => {
            let why = state.texts.said(&why);
            if !state.fleet.failed_so_before(&why) {
                state.tell(Severity::Error, why.clone());
            }
            state.fleet.loading.failures.push(why);
            state.fleet.loading.running = false;
            let now = state.now;
            state.rhythm.listing_ended(now, true);
        }
        Listing::End => {
            let failed = !state.fleet.loading.failures.is_empty();
            let (now, quiet) = (state.now, state.fleet.loading.quiet);
            state.fleet.end_listing();
            state.causes_stale = true;
            state.rhythm.listing_ended(now, failed);
            state.settle();
            if let Some(target) = state.target.take() {
                let text = fill(&state.texts.ui.target_missing, &[("target", &target)]);
                state.tell(Severity::Error, text);
            }
            let unchecked: Vec<String> = state
                .fleet
                .rows()
                .iter()
                .filter(|row| {
                    row.login.is_none()
                        && row.instance.state_class() != Some(instance_state::STOPPED)
                })
                .map(|row| row.instance.id.clone())
                .collect();
            // New instances are looked at; an asked-for sweep that runs goes on.
            if state.sweep.is_none() || !quiet {
                begin_sweep(state, unchecked, quiet, effects);
            }
        }
    }
    Dirty::Frame
}

/// Opens the instance that was named on the command line, once it is listed.
fn open_target(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(target) = state.target.take() {
        if state.fleet.select_target(&target) {
            let id = state.fleet.selected_id().map(str::to_owned);
            super::commands::go_to(state, id);
            super::commands::triage(state, false, effects);
        } else {
            state.target = Some(target);
        }
    }
}

/// Looks at the login ports of `instances` in the background, instead of any earlier sweep; a
/// quiet one goes gently and shows no progress.
pub fn begin_sweep(
    state: &mut State,
    instances: Vec<String>,
    quiet: bool,
    effects: &mut Vec<Effect>,
) {
    if instances.is_empty() {
        return;
    }
    if let Some(old) = state.sweep.take() {
        effects.push(Effect::Cancel { run: old.run });
    }
    for id in &instances {
        if let Some(row) = state.fleet.get_mut(id) {
            row.checking = !quiet || row.login.is_none();
        }
    }
    let run = state.new_run();
    state.sweep = Some(Sweep {
        run,
        done: 0,
        total: instances.len(),
        quiet,
    });
    effects.push(Effect::Observe(Observe::Sweep {
        run,
        instances,
        gentle: quiet,
    }));
}

fn login_known(state: &mut State, instance: &str, readings: &[Reading]) {
    let now = state.now;
    if let Some(row) = state.fleet.get_mut(instance) {
        row.checking = false;
        let login = Login::from_readings(readings, row.instance.os);
        if login.is_some() {
            row.login = login;
            row.checked_at = readings
                .iter()
                .filter_map(|r| r.observed_at)
                .max()
                .or(Some(now));
        }
    }
}

/// Diagnoses an instance anew after something was done to it.
pub fn look_again(state: &mut State, instance: &str, effects: &mut Vec<Effect>) {
    let triage = begin_triage(state, instance, effects);
    effects.push(Effect::Observe(Observe::Triage(Box::new(triage))));
}

/// Opens a case for a diagnosis, in place of one that is on its way.
pub fn begin_triage(state: &mut State, instance: &str, effects: &mut Vec<Effect>) -> Triage {
    let run = state.new_run();
    let user_source = state.user_source;
    let onset = state
        .fleet
        .get(instance)
        .and_then(|row| row.track().onset())
        .map(|onset| onset.failed);
    let way = state
        .fleet
        .get(instance)
        .and_then(|row| state.ways.get(row.instance.network()))
        .copied();
    let case = state.cases.entry(instance.to_owned()).or_default();
    // Each time: other hosts may have found something since.
    if !state.demo {
        effects.push(Effect::Memory(Memory::ReadPast {
            instance: instance.to_owned(),
        }));
    }
    if let Some(old) = case.begin(run, user_source) {
        effects.push(Effect::Cancel { run: old });
    }
    Triage {
        run,
        instance: instance.to_owned(),
        deep: case.deep,
        try_login: case.try_login.take(),
        user_source,
        error_text: case.pasted.clone(),
        statements: Statements {
            way,
            ..case.statements.clone()
        },
        onset,
    }
}

/// Weighs the selected case anew.
pub fn weigh_selected(state: &mut State) {
    if let Some(id) = state.fleet.selected_id().map(str::to_owned) {
        weigh(state, &id);
    }
}

/// Keeps the whole report of what is looked at, and of nothing else; after every message.
pub fn turn_to_selected(state: &mut State, left: Option<&str>) {
    if let Some(case) = left.and_then(|id| state.cases.get_mut(id)) {
        case.abridge();
    }
    if state.selected_case().is_some_and(|case| case.abridged) {
        weigh_selected(state);
    }
}

/// Weighs a case with what is known so far and carries the result into the list.
pub fn weigh(state: &mut State, instance: &str) {
    let (Some(case), Some(row), Some(knowledge)) = (
        state.cases.get(instance),
        state.fleet.get(instance),
        state.knowledge.clone(),
    ) else {
        return;
    };
    let mut tried = case.tried.clone();
    // What this session did a moment ago may not have been read from the journal yet.
    for own in state.jobs.failed_cures(instance) {
        if !tried.contains(&own) {
            tried.push(own);
        }
    }
    let confirmed = case.confirmed.as_deref();
    let recent_cause = confirmed.or_else(|| confirmed_lately(&knowledge, &case.past, state.now));
    let vantage = Vantage {
        host: state.vantage.clone(),
        user_source: state.user_source.map(|address| address.to_string()),
        user_way: state.ways.get(row.instance.network()).copied(),
        ..case.vantage.clone().unwrap_or_default()
    };
    let report = case::report(&Known {
        knowledge: &knowledge,
        instance: InstanceSummary::of(&row.instance),
        vantage,
        readings: &case.readings,
        pasted: &case.pasted,
        tried: &tried,
        spent: &case.spent,
        recent_cause,
        soft_restart_failed: state.jobs.soft_restart_failed(instance),
        guide_steps: &case.guide_steps,
        lang: state.texts.lang(),
    });
    let readings = case.readings.clone();
    login_known(state, instance, &readings);
    let top = leading(&report).map(|cause| cause.id.clone());
    let fault = report.verdict == Verdict::Faulty;
    let selected = state.fleet.selected_id() == Some(instance);
    if let Some(case) = state.cases.get_mut(instance) {
        case.weighed(report);
        if !selected {
            case.abridge();
        }
        state.causes_stale = true;
    }
    if let Some(row) = state.fleet.get_mut(instance) {
        row.cause = top;
        row.fault = fault;
    }
}
