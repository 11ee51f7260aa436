//! What each command does.
//!
//! Must not live here: which key runs it (`input::keymap`), or when it is available
//! (`app::command`).

use std::fmt::Write as _;

use super::{Dirty, actions, list, lookers, movement, pasted, reader, ticket};
use crate::app::checkup;
use crate::app::command::{Command, Why};
use crate::app::effect::{Console, Effect, LookFrom, Record};
use crate::app::keys::Reader;
use crate::app::line_edit::LineEdit;
use crate::app::locale::{Lang, Texts, fill};
use crate::app::notices::Severity;
use crate::app::overlay::{
    AnyAction, AskCause, BatchPick, Columns, FilterLine, FleetCauses, Help, Keep, Log,
    LoginConsent, Overlay, Palette, Paste, PickCause, PickFact, Picker, Reading as ReadingOverlay,
    Tell, UserSource,
};
use crate::app::port_view;
use crate::app::reading::{LineLook, TextLine};
use crate::app::rhythm;
use crate::app::state::{Pane, State};
use crate::domain::evidence::state::{agent, instance_state};
use crate::domain::instance::Instance;
use crate::domain::said::{Figure, Unit};

/// Runs a command, or says why it is not available.
pub fn run(state: &mut State, command: Command, effects: &mut Vec<Effect>) -> Dirty {
    if let Err(why) = command.enabled(state) {
        return refuse(state, command, why);
    }
    if let Some(index) = command.action_index() {
        actions::prepare(state, index, effects);
        return Dirty::Frame;
    }
    match command {
        Command::Up => movement::step(state, -1),
        Command::Down => movement::step(state, 1),
        Command::PageUp => movement::page(state, -1),
        Command::PageDown => movement::page(state, 1),
        Command::Top => movement::edge(state, false),
        Command::Bottom => movement::edge(state, true),
        Command::Left | Command::PreviousPane => focus(state, state.focus.previous()),
        Command::Right | Command::NextPane => focus(state, state.focus.next()),
        Command::Zoom => state.zoomed = !state.zoomed,
        Command::Cancel => cancel(state),
        Command::Back | Command::Forward | Command::LastInstance => walk_trail(state, command),
        Command::Triage => triage(state, false, effects),
        Command::Explain => explain(state),
        Command::Open => open_item(state, effects),
        Command::NextBroken
        | Command::PreviousBroken
        | Command::Mark
        | Command::MarkRange
        | Command::MarkAll
        | Command::Sort
        | Command::SortReverse => {
            if let Err(why) = list::run(state, command) {
                return refuse(state, command, why);
            }
        }
        Command::Refresh => refresh(state, effects),
        Command::Sweep => sweep(state, effects),
        Command::StopWork => stop_work(state, effects),
        Command::Pause => return pause(state, effects),
        Command::Background => background(state),
        Command::ConfirmCause => pick_cause(state, AskCause::WasItTrue),
        Command::WhyNot => pick_cause(state, AskCause::WhyNot),
        Command::Tell => state.overlays.push(Overlay::Tell(Tell::default())),
        Command::Quit => quit(state, effects),
        Command::Repaint => effects.push(Effect::Console(Console::Repaint)),
        Command::Suspend => effects.push(Effect::Console(Console::Suspend)),
        Command::SaveScreen => effects.push(Effect::Console(Console::SaveScreen)),
        Command::Demo => effects.push(Effect::Console(Console::OpenDemo)),
        Command::Copy => copy(state, effects),
        Command::ReadOnly => read_only(state),
        Command::Privacy
        | Command::Mouse
        | Command::Theme
        | Command::Language
        | Command::Glyphs => change_looks(state, command, effects),
        Command::Session => find_way_in(state, effects),
        Command::Guides => actions::open_guide(state, 0),
        Command::AnyAction => {
            let pick = Box::<AnyAction>::default();
            state.overlays.push(Overlay::AnyAction(pick));
        }
        Command::Undo => actions::prepare_undo(state, effects),
        Command::Keep => {
            let pick = Keep::open(state);
            state.overlays.push(Overlay::Keep(pick));
        }
        Command::Journal => effects.push(Effect::Record(Record::ReadJournal {
            title: state.texts.titled(Command::Journal),
        })),
        Command::Calls => effects.push(Effect::Record(Record::ReadCalls {
            title: state.texts.titled(Command::Calls),
        })),
        Command::Ticket => ticket::ask(state),
        Command::Kit => pasted::open_kit(state),
        Command::Neighbours => lookers::choose(state, LookFrom::Neighbours, effects),
        Command::Providers => lookers::choose(state, LookFrom::Providers, effects),
        Command::SelfCheck => checkup::open(state, effects),
        Command::Ports => port_view::open(state, effects),
        other => open_overlay(state, other),
    }
    Dirty::Frame
}

fn open_overlay(state: &mut State, command: Command) {
    let overlay = match command {
        Command::Help => Overlay::Help(Help::default()),
        Command::FleetCauses => Overlay::FleetCauses(FleetCauses::default()),
        Command::Log => Overlay::Log(Log::default()),
        Command::Facts => Overlay::PickFact(PickFact::default()),
        Command::Columns => Overlay::Columns(Columns::open(state)),
        Command::Palette => Overlay::Palette(Palette::default()),
        Command::Filter => {
            state.focus = Pane::Instances;
            Overlay::Filter(FilterLine::new(state.fleet.filter_text()))
        }
        Command::UserSource => {
            let known = state.user_source.map(|address| address.to_string());
            Overlay::UserSource(UserSource {
                edit: LineEdit::new(&known.unwrap_or_default()),
                ..UserSource::default()
            })
        }
        Command::PasteError => {
            let pasted = state.selected_case().map(|case| case.pasted.as_str());
            Overlay::Paste(Paste::new(pasted.unwrap_or_default()))
        }
        // An agent that is known not to answer is not asked, and nobody for consent to it.
        Command::DeepCheck if agent_is_away(state) => Overlay::Tell(Tell::checklist()),
        Command::DeepCheck => Overlay::DeepConsent,
        Command::TryLogin => {
            let user = state.selected_instance().map(Instance::usual_user);
            Overlay::LoginConsent(LoginConsent {
                edit: LineEdit::new(&user.unwrap_or_default()),
                bad: false,
            })
        }
        Command::Batch => Overlay::BatchPick(BatchPick::default()),
        _ => return,
    };
    state.overlays.push(overlay);
}

/// The cloud says that the agent in the selected instance does not answer.
fn agent_is_away(state: &State) -> bool {
    let case = state.selected_case();
    let mut readings = case.into_iter().flat_map(|case| &case.readings);
    readings.any(|reading| {
        matches!(
            reading.seen(),
            Some(agent::OFFLINE_RECENT | agent::OFFLINE_LONG | agent::NEVER)
        )
    })
}

/// Opens a session at the selected instance, once it is known how.
fn find_way_in(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(instance) = state.fleet.selected_id().map(str::to_owned) {
        let told = state.texts.ui.session_asked.clone();
        state.tell(Severity::Info, told);
        effects.push(Effect::Record(Record::FindWayIn { instance }));
    }
}

/// Moves the focus; who leaves the list has opened the selected instance.
fn focus(state: &mut State, pane: Pane) {
    state.focus = pane;
    if pane != Pane::Instances
        && let Some(id) = state.fleet.selected_id()
    {
        state.trail.visit(id);
        state.fleet.hold_selection();
    }
}

fn walk_trail(state: &mut State, command: Command) {
    let to = if command == Command::LastInstance {
        state.trail.swap()
    } else {
        let from = state.fleet.selected_id().map(str::to_owned);
        let forward = command == Command::Forward;
        state.trail.step(from.as_deref(), forward)
    };
    go_to(state, to);
}

/// Selects an instance of the trail, if it is still listed; a filter that hides it gives way.
pub fn go_to(state: &mut State, to: Option<String>) {
    let Some(id) = to.filter(|id| state.fleet.get(id).is_some()) else {
        return;
    };
    state.fleet.select_target(&id);
    state.settle();
    if state.fleet.selected_id() != Some(id.as_str()) {
        state.fleet.set_filter("");
        state.fleet.select_target(&id);
        state.settle();
    }
    movement::from_the_top(state);
}

fn refuse(state: &mut State, command: Command, why: Why) -> Dirty {
    let text = fill(
        &state.texts.ui.not_now,
        &[
            ("command", state.texts.command(command.as_str())),
            ("why", state.texts.why(why)),
        ],
    );
    state.tell(Severity::Warning, text);
    Dirty::Frame
}

/// Esc: takes back one thing, the nearest first, and never does anything else.
fn cancel(state: &mut State) {
    if state.notices.dismiss() {
        return;
    }
    if state.zoomed {
        state.zoomed = false;
    } else if !state.fleet.filter_text().is_empty() {
        state.fleet.set_filter("");
    } else if !state.fleet.marks.is_empty() {
        state.fleet.marks.clear();
    } else if state.focus != Pane::Instances {
        state.focus = Pane::Instances;
    }
}

/// Collects everything about the selected instance.
pub fn triage(state: &mut State, deep: bool, effects: &mut Vec<Effect>) {
    let Some(instance) = state.fleet.selected_id().map(str::to_owned) else {
        return;
    };
    state.fleet.hold_selection();
    state.trail.visit(&instance);
    state.cases.entry(instance.clone()).or_default().deep = deep;
    super::arrivals::look_again(state, &instance, effects);
    if state.focus == Pane::Instances && state.size.0 < 90 {
        state.focus = Pane::Diagnosis;
    }
}

/// Tries one real login, and looks at everything again with it.
pub fn try_login(state: &mut State, user: &str, effects: &mut Vec<Effect>) {
    let Some(case) = state.selected_case_mut() else {
        return;
    };
    case.try_login = Some(user.to_owned());
    let deep = case.deep;
    triage(state, deep, effects);
}

/// Freezes the display, or lets in what arrived meanwhile.
fn pause(state: &mut State, effects: &mut Vec<Effect>) -> Dirty {
    state.paused = !state.paused;
    if !state.paused {
        for message in std::mem::take(&mut state.held_back) {
            let (_, more) = super::update(state, message);
            effects.extend(more);
        }
    }
    Dirty::Frame
}

/// Switches everything that is done without being asked.
fn background(state: &mut State) {
    state.rhythm.on = !state.rhythm.on;
    let lang = state.texts.lang();
    let ui = &state.texts.ui;
    let text = if state.rhythm.on {
        fill(
            &ui.background_on,
            &[
                ("list", &seconds(state.rhythm.every.list, lang)),
                ("sweep", &seconds(state.rhythm.every.sweep, lang)),
                ("look", &seconds(state.rhythm.every.look, lang)),
            ],
        )
    } else {
        ui.background_off.clone()
    };
    state.tell(Severity::Info, text);
}

/// `30 s`, `5 min`.
fn seconds(n: i64, lang: Lang) -> String {
    let figure = |n: i64, unit| Figure::new(n as f64, 0, unit).text(lang);
    if n >= 60 && n % 60 == 0 {
        figure(n / 60, Unit::Minutes)
    } else {
        figure(n, Unit::Seconds)
    }
}

fn explain(state: &mut State) {
    let at = state.cause_at;
    let Some(id) = state
        .selected_report()
        .and_then(|report| crate::app::causes_shown(report).get(at))
        .map(|cause| cause.id.clone())
    else {
        return;
    };
    if let Some(case) = state.selected_case_mut() {
        match case.unfolded.iter().position(|open| *open == id) {
            Some(index) => {
                case.unfolded.remove(index);
            }
            None => case.unfolded.push(id),
        }
    }
}

fn pick_cause(state: &mut State, ask: AskCause) {
    // The leading cause needs no answer to why it does not lead.
    let first = usize::from(ask == AskCause::WhyNot);
    state.overlays.push(Overlay::PickCause(PickCause {
        pick: Picker::at(state.cause_at.max(first)),
        ask,
    }));
}

/// Answers why a cause does not lead.
pub fn why_not(state: &mut State, index: usize) {
    let cause = state
        .selected_report()
        .and_then(|report| report.causes.get(index))
        .map(|cause| cause.id.clone());
    if let Some(reading) = cause.and_then(|id| crate::app::why_not::open(state, &id)) {
        state.overlays.push(Overlay::Reader(reading));
    }
}

/// Notes the cause that the operator found to be the true one.
pub fn confirm_cause(state: &mut State, index: usize, effects: &mut Vec<Effect>) {
    let Some(id) = state
        .selected_report()
        .and_then(|report| report.causes.get(index))
        .map(|cause| cause.id.clone())
    else {
        return;
    };
    let told = fill(
        &state.texts.ui.cause_confirmed,
        &[("cause", state.texts.cause(&id, &id))],
    );
    effects.push(Effect::Record(Record::SaveConfirmation {
        cause: id.clone(),
    }));
    if let Some(case) = state.selected_case_mut() {
        case.confirmed = Some(id);
    }
    state.tell(Severity::Good, told);
}

fn open_item(state: &mut State, effects: &mut Vec<Effect>) {
    let actions = state.selected_report().map_or(0, |r| r.actions.len());
    if state.action_at < actions {
        actions::prepare(state, state.action_at, effects);
    } else {
        actions::open_guide(state, state.action_at - actions);
    }
}

/// The case in view again; from the list, the inventory too.
fn refresh(state: &mut State, effects: &mut Vec<Effect>) {
    if state.focus != Pane::Instances && state.selected_case().is_some() {
        let deep = state.selected_case().is_some_and(|case| case.deep);
        triage(state, deep, effects);
        return;
    }
    rhythm::list(state, false, effects);
}

/// Looks at the login ports of the marked instances, or of all that pass the filter.
pub fn sweep(state: &mut State, effects: &mut Vec<Effect>) {
    let marked = &state.fleet.marks;
    let instances: Vec<String> = state
        .fleet
        .window(0, usize::MAX)
        .filter(|row| marked.is_empty() || marked.contains(&row.instance.id))
        .filter(|row| row.instance.state_class() != Some(instance_state::STOPPED))
        .map(|row| row.instance.id.clone())
        .collect();
    super::arrivals::begin_sweep(state, instances, false, effects);
}

fn stop_work(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(sweep) = state.sweep.take() {
        effects.push(Effect::Cancel { run: sweep.run });
    }
    for case in state.cases.values_mut() {
        if let Some(run) = case.run.take() {
            effects.push(Effect::Cancel { run });
        }
    }
    let told = state.texts.ui.stopped_work.clone();
    state.tell(Severity::Info, told);
}

fn quit(state: &mut State, effects: &mut Vec<Effect>) {
    let asked = matches!(state.overlays.last(), Some(Overlay::QuitAnyway));
    if state.jobs.running().next().is_some() && !asked {
        state.overlays.push(Overlay::QuitAnyway);
    } else {
        effects.push(Effect::Console(Console::Quit));
    }
}

/// Takes the question about leaving off the screen once nothing is under way any more: what it
/// says is no longer true, and the end of the action deserves a look first.
pub fn withdraw_quit(state: &mut State) {
    if state.jobs.running().next().is_none() {
        state
            .overlays
            .retain(|overlay| !matches!(overlay, Overlay::QuitAnyway));
    }
}

/// Copies what is most useful to paste elsewhere: the text being read, or address and cause.
fn copy(state: &mut State, effects: &mut Vec<Effect>) {
    let text = if let Some(Overlay::Reader(reading)) = state.overlays.last() {
        // While a guide is read, a copy is of what its step would have one type.
        reader::commands_at_hand(reading).unwrap_or_else(|| reading.plain())
    } else {
        summary(state)
    };
    if text.is_empty() {
        return;
    }
    // Not every terminal takes it, and none says so: the second time the text is shown as well,
    // to be selected by hand.
    let bare = matches!(state.overlays.last(), Some(Overlay::Reader(shown)) if shown.bare);
    if state.copied == text && !bare {
        let close = state.keys.chords(Reader::Close).first();
        let close = close.map_or_else(String::new, ToString::to_string);
        let title = fill(&state.texts.ui.copied_title, &[("key", &close)]);
        let mut shown = ReadingOverlay::new(title, "");
        let line = |line: &str| TextLine::new(LineLook::Text, 0, line);
        shown.body = text.lines().map(line).collect();
        shown.bare = true;
        state.overlays.push(Overlay::Reader(shown));
    }
    copied(state, &text);
    effects.push(Effect::Console(Console::Copy { text }));
}

/// Says what went to the clipboard, and how to see it.
pub fn copied(state: &mut State, text: &str) {
    let key = state.keys.chords(Command::Copy).first();
    let key = key.map_or_else(String::new, ToString::to_string);
    let told = fill(
        &state.texts.ui.copied,
        &[("n", &text.chars().count().to_string()), ("key", &key)],
    );
    text.clone_into(&mut state.copied);
    state.tell(Severity::Info, told);
}

fn summary(state: &State) -> String {
    let Some(instance) = state.selected_instance() else {
        return String::new();
    };
    let address = instance
        .address()
        .map_or_else(String::new, |address| address.to_string());
    let mut text = format!("{} {} {address}", instance.id, instance.name);
    if let Some(cause) = state
        .selected_report()
        .and_then(|report| report.causes.first())
    {
        let _ = write!(
            text,
            " {} {:.0}%",
            state.texts.cause(&cause.id, &cause.title),
            cause.probability * 100.0
        );
    }
    text
}

fn read_only(state: &mut State) {
    let text = if let Some(because) = &state.read_only_locked {
        let because = state.texts.said(because);
        fill(&state.texts.ui.read_only_locked, &[("because", &because)])
    } else {
        state.read_only = !state.read_only;
        if state.read_only {
            state.texts.ui.read_only_on.clone()
        } else {
            state.texts.ui.read_only_off.clone()
        }
    };
    state.tell(Severity::Info, text);
}

fn change_looks(state: &mut State, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::Privacy => state.looks.privacy = !state.looks.privacy,
        Command::Mouse => {
            state.looks.mouse = !state.looks.mouse;
            effects.push(Effect::Console(Console::SetMouse(state.looks.mouse)));
        }
        Command::Theme => next_theme(state),
        Command::Language => next_language(state),
        Command::Glyphs => state.looks.ascii = !state.looks.ascii,
        _ => {}
    }
}

fn next_theme(state: &mut State) {
    let themes = &state.looks.themes;
    let at = themes
        .iter()
        .position(|name| *name == state.looks.theme)
        .map_or(0, |at| at + 1);
    if let Some(name) = themes.get(at % themes.len().max(1)) {
        state.looks.theme.clone_from(name);
    }
}

fn next_language(state: &mut State) {
    state.texts = Texts::of(state.texts.lang().next());
}
