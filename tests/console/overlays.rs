//! What lies over the panes: every key of it comes from the keymap, help and hints name what is
//! bound, and one key alone changes nothing in the world.

use crate::support::console;
use console::{at, instance, listed, press, send};
use cvmtop::action::context::PlanContext;
use cvmtop::action::handed::Handed;
use cvmtop::action::parameters::Parameters;
use cvmtop::action::plan::Confirmation;
use cvmtop::action::planner::plan;
use cvmtop::app::case::Case;
use cvmtop::app::effect::{Act, Effect};
use cvmtop::app::geometry::Scrolled;
use cvmtop::app::jobs::JobState;
use cvmtop::app::keys::{Bound, Context, Edit, Keys, Registry, shipped_keys};
use cvmtop::app::locale::{Lang, Texts};
use cvmtop::app::message::{Acted, Found, Message};
use cvmtop::app::overlay::{Field, Help, Overlay, Secret};
use cvmtop::app::state::{Pane, State};
use cvmtop::app::timed::Timed;
use cvmtop::app::typed::Line;
use cvmtop::domain::action::ActionId;
use cvmtop::domain::said::Said;
use cvmtop::input::chord::{Chord, Key};
use cvmtop::input::keymap::Binding;
use cvmtop::view::frame::{Look, chord_label, draw};
use cvmtop::view::overlays::help;
use cvmtop::view::theme::{Depth, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const SIZE: (u16, u16) = (120, 40);

thread_local! {
    /// A diagnosis, made once: hundreds of consoles begin with it.
    static CASE: Case = console::diagnosed(Lang::En, SIZE)
        .cases
        .remove("ins-shop")
        .expect("a case");
}

/// A console with a diagnosed instance.
fn diagnosed(lang: Lang, size: (u16, u16)) -> State {
    let mut state = listed(lang, size);
    state.user_source = Some("198.51.100.4".parse().expect("an address"));
    let case = CASE.with(Clone::clone);
    state.cases.insert("ins-shop".into(), case);
    assert!(state.fleet.select_target("ins-shop"));
    state.settle();
    state
}

/// Every overlay that can be on the screen, and the parts of those that have several.
const OVERLAYS: [&str; 30] = [
    "help",
    "log",
    "palette",
    "filter",
    "source",
    "paste",
    "deep",
    "login",
    "neighbours",
    "cause",
    "why-not",
    "facts",
    "fleet causes",
    "self-check",
    "ports",
    "columns",
    "tell",
    "preview",
    "preview by name",
    "any action",
    "parameters",
    "keep",
    "batch pick",
    "batch",
    "secret",
    "guide",
    "text",
    "search",
    "ticket",
    "leave",
];

/// A kind of overlay. Whoever adds one is told by the compiler, and adds it to [`OVERLAYS`].
fn kind(overlay: &Overlay) -> &'static str {
    match overlay {
        Overlay::Help(_) => "help",
        Overlay::Log(_) => "log",
        Overlay::Palette(_) => "palette",
        Overlay::Filter(_) => "filter",
        Overlay::UserSource(_) => "source",
        Overlay::Paste(_) => "paste",
        Overlay::DeepConsent => "deep",
        Overlay::LoginConsent(_) => "login",
        Overlay::Lookers(_) => "neighbours",
        Overlay::PickCause(_) => "cause",
        Overlay::PickFact(_) => "facts",
        Overlay::FleetCauses(_) => "fleet causes",
        Overlay::SelfCheck(_) => "self-check",
        Overlay::Ports(_) => "ports",
        Overlay::Columns(_) => "columns",
        Overlay::Tell(_) => "tell",
        Overlay::Preview(_) => "preview",
        Overlay::AnyAction(_) => "any action",
        Overlay::Keep(_) => "keep",
        Overlay::BatchPick(_) => "batch pick",
        Overlay::Batch(_) => "batch",
        Overlay::Secret(_) => "secret",
        Overlay::Reader(_) => "text",
        Overlay::Ticket(_) => "ticket",
        Overlay::QuitAnyway => "leave",
    }
}

/// A console with that overlay on top, opened with the shipped keys.
fn opened(name: &str, lang: Lang, size: (u16, u16)) -> State {
    let mut state = diagnosed(lang, size);
    state.focus = Pane::Instances;
    state.ticket_folder = "/tmp/bundles".into();
    state
        .fleet
        .save_filters([("broken".to_owned(), "health:failing".to_owned())].into());
    for text in ["first", "second", "third"] {
        state.typed.push(Line::Filter, text);
    }
    for n in 0..12 {
        state.timed.push(Timed {
            entry: format!("e{n}"),
            instance: "ins-shop".into(),
            title: Said::raw("open a port"),
            at: at(6_000),
        });
    }
    let keys = match name {
        "help" => "?",
        "log" => "L",
        "palette" => ":",
        "filter" => "/",
        "source" => "f",
        "paste" => "e",
        "deep" => "d",
        "login" => "v",
        "cause" => "m",
        "why-not" => "n",
        "facts" => "E",
        "fleet causes" => "W",
        "self-check" => "c",
        "ports" => "N",
        "columns" => "O",
        "tell" => "i",
        "any action" => "x",
        "parameters" => "x r e s e t - p a s s w o r d enter",
        "keep" => "K",
        "batch pick" => "home * b",
        "guide" => "g",
        "search" => "g /",
        "ticket" => "t",
        _ => "",
    };
    if name == "fleet causes" {
        // Each of the others fails for a cause of its own.
        for (n, id) in ["ins-web", "ins-win", "ins-db"].into_iter().enumerate() {
            let mut case = CASE.with(Clone::clone);
            let causes = &mut case.report.as_mut().expect("a report").causes;
            causes[0].id = format!("cause-{n}");
            state.cases.insert(id.into(), case);
        }
        state.causes_stale = true;
    }
    press(&mut state, keys);
    if name == "self-check" {
        let case = state.cases.get_mut("ins-shop").expect("a case");
        case.check.run = None;
        case.check.report = Some(console::checked("ins-shop", true));
    }
    if name == "ports" {
        let case = state.cases.get_mut("ins-shop").expect("a case");
        case.ports.run = None;
        case.ports.report = Some(console::verified());
    }
    match name {
        "preview" => previewed(&mut state, "1", Confirmation::Key),
        "preview by name" => previewed(&mut state, "1", Confirmation::TypedName),
        "batch" => batch_previewed(&mut state),
        "neighbours" => {
            press(&mut state, "@");
            let consent = console::neighbour_consent(&state);
            let found = Found::LookersChosen(Box::new(consent));
            send(&mut state, Message::Found(found));
        }
        "secret" => state.overlays.push(Overlay::Secret(Secret(Handed {
            what: Said::raw("password"),
            value: "s3cret".to_owned().into(),
        }))),
        "text" => {
            use cvmtop::app::overlay::Reading;
            let body = "a line\n".repeat(60);
            let reading = Reading::new("a text", &body);
            state.overlays.push(Overlay::Reader(reading));
        }
        "leave" => {
            previewed(&mut state, "1", Confirmation::Key);
            press(&mut state, "Y");
            assert_eq!(state.jobs.running().count(), 1);
            press(&mut state, "ctrl-c");
        }
        _ => {}
    }
    assert!(!state.overlays.is_empty(), "{name} is open");
    // As much as a frame would have told.
    state.geometry.overlay = Scrolled {
        height: 5,
        lines: 60,
    };
    state
}

/// Answers the request for a preview with one that is confirmed so.
fn previewed(state: &mut State, key: &str, confirmation: Confirmation) {
    let effects = press(state, key);
    answer_previews(state, &effects, confirmation);
}

fn answer_previews(state: &mut State, effects: &[Effect], confirmation: Confirmation) {
    let run = effects.iter().find_map(|effect| match effect {
        Effect::Act(Act::Prepare { run, .. } | Act::PrepareUndo { run, .. }) => Some(*run),
        _ => None,
    });
    let Some(run) = run else { return };
    let context = PlanContext {
        entry: "e1".into(),
        instance: instance("ins-shop", "shop-api-01", 7),
        ..PlanContext::default()
    };
    let mut plan = plan(ActionId::Restart, &Parameters::none(), &context).expect("a plan");
    plan.confirmation = confirmation;
    let result = Ok(Box::new(plan));
    send(state, Message::Acted(Acted::Planned { run, result }));
}

fn batch_previewed(state: &mut State) {
    use cvmtop::action::batch::Batch;
    use cvmtop::domain::instance::Instance;
    let effects = press(state, "home space space b down down enter");
    let (run, choice, instances) = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Act(Act::PrepareBatch {
                run,
                choice,
                instances,
                ..
            }) => Some((*run, choice.clone(), instances.clone())),
            _ => None,
        })
        .expect("plans are asked for");
    let planned = instances.iter().map(|id| {
        let instance = Instance::clone(&state.fleet.get(id).unwrap().instance);
        let context = PlanContext {
            entry: format!("e-{id}"),
            instance: instance.clone(),
            ..PlanContext::default()
        };
        let result = plan(ActionId::Restart, &Parameters::none(), &context);
        (instance, result)
    });
    let result = Ok(Box::new(Batch::of(ActionId::Restart, planned.collect())));
    let planned = Acted::BatchPlanned {
        run,
        choice,
        result,
    };
    send(state, Message::Acted(planned));
}

/// All that a key in an overlay can change.
fn fingerprint(state: &mut State, effects: &[Effect]) -> String {
    state.settle();
    format!(
        "{:?}|{effects:?}|{:?}|{:?}|{}|{:?}|{:?}|{:?}",
        state.overlays,
        state.looks.columns,
        state.fleet.selected_id(),
        state.fleet.filter_text(),
        state
            .notices
            .all()
            .map(|notice| &notice.text)
            .collect::<Vec<_>>(),
        state.selected_case().map(|case| &case.statements),
        state.ways,
    )
}

fn top(state: &mut State) -> &mut Overlay {
    state.overlays.last_mut().expect("an overlay")
}

/// The text of the field that is typed into.
fn typed(state: &mut State) -> Option<String> {
    Some(match top(state).field()? {
        Field::Line(line) | Field::ByHand(line) => line.text().to_owned(),
        Field::Text(editor) => editor.lines().join("\n"),
    })
}

/// The shipped keys with some of an operator's on top.
fn rebound<'a>(lines: impl IntoIterator<Item = (Bound, &'a str)>) -> Keys {
    let mut keys = shipped_keys();
    let lines: Vec<(Bound, [String; 1])> = lines
        .into_iter()
        .map(|(bound, chord)| (bound, [chord.to_owned()]))
        .collect();
    keys.bind_all(
        lines.iter().map(|(bound, chords)| Binding {
            scope: bound.context().as_str(),
            command: bound.as_str(),
            chords,
            place: "config.toml:1".to_owned(),
        }),
        &Registry,
    );
    keys
}

/// No key at all.
fn unbound() -> Keys {
    let all = Context::ALL.iter().flat_map(|context| context.commands());
    rebound(all.map(|bound| (bound, "none")))
}

fn special_chords() -> Vec<Chord> {
    let named = [
        Key::Enter,
        Key::Esc,
        Key::Tab,
        Key::Backspace,
        Key::Delete,
        Key::Insert,
        Key::Up,
        Key::Down,
        Key::Left,
        Key::Right,
        Key::Home,
        Key::End,
        Key::PageUp,
        Key::PageDown,
    ];
    let functions = (1..=12).map(Key::F);
    let letters = ('a'..='z').map(Key::Char);
    let keys: Vec<Key> = named.into_iter().chain(functions).collect();
    let plain = keys.iter().map(|key| Chord::plain(*key));
    let held = keys.iter().copied().chain(letters).flat_map(|key| {
        let with = |ctrl, alt, shift| Chord {
            key,
            ctrl,
            alt,
            shift,
        };
        let shifted = (!matches!(key, Key::Char(_))).then_some(with(false, false, true));
        [with(true, false, false), with(false, true, false)]
            .into_iter()
            .chain(shifted)
    });
    plain.chain(held).collect()
}

fn printable() -> impl Iterator<Item = Chord> {
    (' '..='~').chain("가界é".chars()).map(Chord::char)
}

#[test]
fn every_overlay_and_every_context_is_walked() {
    let mut kinds = Vec::new();
    let mut contexts = vec![Context::Edit];
    for name in OVERLAYS {
        let mut state = opened(name, Lang::En, SIZE);
        kinds.push(kind(top(&mut state)));
        contexts.push(top(&mut state).context());
    }
    for name in OVERLAYS {
        let part = [
            "why-not",
            "preview by name",
            "parameters",
            "guide",
            "search",
        ];
        assert!(kinds.contains(&name) || part.contains(&name), "{name}");
    }
    for context in Context::ALL.iter().filter(|one| !one.is_of_panes()) {
        assert!(contexts.contains(context), "{context:?}");
    }
}

#[test]
fn no_overlay_has_a_key_that_is_not_in_the_keymap() {
    for name in OVERLAYS {
        let mut state = opened(name, Lang::En, SIZE);
        state.keys = unbound();
        let before = fingerprint(&mut state, &[]);
        // The way out keeps its key, whatever a file says.
        let context = top(&mut state).context();
        let kept: Vec<Chord> = special_chords()
            .into_iter()
            .chain(printable())
            .filter(|chord| state.keys.lookup(&[context], *chord).is_some())
            .collect();
        assert!(kept.len() <= 2, "{name}: {kept:?}");
        for chord in special_chords().into_iter().filter(|it| !kept.contains(it)) {
            let effects = send(&mut state, Message::Key(chord));
            assert_eq!(fingerprint(&mut state, &effects), before, "{name}: {chord}");
        }
        for chord in printable().filter(|it| !kept.contains(it)) {
            let text = typed(&mut state);
            let unchanged = fingerprint(&mut state, &[]);
            let effects = send(&mut state, Message::Key(chord));
            assert!(effects.is_empty(), "{name}: {chord} {effects:?}");
            match text {
                // Text goes into the field, and nowhere else.
                Some(mut text) => {
                    text.push(chord.typed().unwrap());
                    assert_eq!(typed(&mut state), Some(text), "{name}: {chord}");
                }
                None => assert_eq!(fingerprint(&mut state, &[]), unchanged, "{name}: {chord}"),
            }
        }
        assert_eq!(state.overlays.len(), 1, "{name}");
    }
}

/// What has to be there before a command can be seen to do something.
fn prelude(name: &str, bound: Bound) -> &'static str {
    use cvmtop::app::keys as k;
    let typing = bound.context() == Context::Edit;
    match bound {
        Bound::Edit(
            Edit::Right | Edit::WordRight | Edit::End | Edit::Delete | Edit::ClearAfter,
        ) => "a b space c d home",
        _ if typing => "a b space c d",
        Bound::List(k::List::Up | k::List::PageUp)
        | Bound::Causes(k::Causes::Up | k::Causes::PageUp)
        | Bound::Columns(k::Columns::Up | k::Columns::PageUp | k::Columns::Earlier)
        | Bound::Answers(k::Answers::Up | k::Answers::PageUp)
        | Bound::Preview(k::Preview::Up | k::Preview::PageUp)
        | Bound::TypedName(k::TypedName::Up | k::TypedName::PageUp)
        | Bound::Palette(k::Palette::Up | k::Palette::PageUp)
        | Bound::Filter(k::Filter::Up) => "down down",
        Bound::Filter(k::Filter::Newer) => "ctrl-p ctrl-p",
        Bound::Filter(k::Filter::Close) => "x",
        Bound::Paste(k::Paste::Down | k::Paste::PageDown) => "a enter b up",
        Bound::Paste(k::Paste::Redo) => "a ctrl-u",
        Bound::Paste(_) => "a enter b",
        Bound::Reader(k::Reader::StepPrevious) => "tab",
        Bound::Reader(k::Reader::SearchNext) if name == "guide" => "/ e enter",
        Bound::Reader(k::Reader::SearchNext) => "/ l i n e enter",
        Bound::Columns(k::Columns::AsShipped) => "space",
        _ => "",
    }
}

/// Whether the command has something to do there at all.
fn applies(name: &str, bound: Bound) -> bool {
    use cvmtop::app::keys::Reader;
    match (name, bound) {
        ("help" | "log", Bound::Reader(command)) => command == Reader::Close,
        (
            "text",
            Bound::Reader(
                Reader::StepNext | Reader::StepPrevious | Reader::StepDo | Reader::StepTick,
            ),
        ) => false,
        _ => true,
    }
}

/// Titles hold words that are names of other commands: a name that is typed whole is meant.
#[test]
fn a_command_that_is_named_whole_is_the_first_that_fits() {
    use cvmtop::app::command::Command;
    use cvmtop::app::update::palette::matches;
    for lang in [Lang::En, Lang::Ko, Lang::Zh] {
        let state = listed(lang, SIZE);
        for command in Command::ALL {
            let found = matches(&state, command.as_str());
            assert_eq!(found.first(), Some(command), "{lang:?}");
        }
    }
}

#[test]
fn every_command_of_an_overlay_is_reached_by_its_key_and_by_another_when_rebound() {
    for name in OVERLAYS {
        let mut state = opened(name, Lang::En, SIZE);
        let context = top(&mut state).context();
        let mut commands = context.commands();
        // One of each kind of field is enough.
        if ["source", "paste", "preview by name"].contains(&name) {
            commands.extend(Context::Edit.commands());
        }
        commands.retain(|bound| applies(name, *bound));
        for bound in commands {
            let ready = || {
                let mut state = opened(name, Lang::En, SIZE);
                press(&mut state, prelude(name, bound));
                state
            };
            let mut still = ready();
            let before = fingerprint(&mut still, &[]);
            // The field's own table comes before that of editing.
            let mut old = still.keys.chords(bound).to_vec();
            old.retain(|chord| {
                still
                    .keys
                    .lookup(&[context], *chord)
                    .is_none_or(|own| own == bound)
            });
            if (name, bound) == ("paste", Bound::Edit(Edit::ClearBefore)) {
                assert!(old.is_empty(), "Ctrl-U takes a change back there");
                continue;
            }
            assert!(!old.is_empty(), "{name}: {bound:?} has a key");
            let mut results = Vec::new();
            for chord in &old {
                let mut state = ready();
                let effects = send(&mut state, Message::Key(*chord));
                results.push(fingerprint(&mut state, &effects));
            }
            assert_ne!(results[0], before, "{name}: {bound:?} does something");
            let all_same = results.iter().all(|result| *result == results[0]);
            assert!(all_same, "{name}: {bound:?}");

            let mut state = ready();
            state.keys = rebound([(bound, "f9")]);
            let effects = press(&mut state, "f9");
            let with_new = fingerprint(&mut state, &effects);
            assert_eq!(with_new, results[0], "{name}: {bound:?} by the new key");
            for chord in old {
                let mut state = ready();
                state.keys = rebound([(bound, "f9")]);
                // What one context gives up, the one beneath may have.
                if state.keys.of::<Edit>(chord).is_some() {
                    continue;
                }
                let effects = send(&mut state, Message::Key(chord));
                let with_old = fingerprint(&mut state, &effects);
                let by_other = state
                    .keys
                    .of_panes(&[Context::Global], chord)
                    .is_some_and(|_| context == Context::Reader);
                assert!(
                    with_old != results[0] || by_other,
                    "{name}: {bound:?} by the old key {chord}"
                );
            }
        }
    }
}

#[test]
fn help_over_an_overlay_is_about_it_and_gives_it_back() {
    for name in OVERLAYS {
        if name == "help" {
            continue;
        }
        let mut state = opened(name, Lang::En, SIZE);
        let context = top(&mut state).context();
        let is_field = top(&mut state).field().is_some();
        let before = fingerprint(&mut state, &[]);
        for key in ["f1", "?"] {
            let mut state = opened(name, Lang::En, SIZE);
            press(&mut state, key);
            let about = match top(&mut state) {
                Overlay::Help(Help { about, .. }) => *about,
                _ => None,
            };
            if key == "?" && is_field {
                assert_eq!(about, None, "{name}: {key} is text");
                continue;
            }
            assert_eq!(about, Some(context), "{name}: {key}");
            press(&mut state, key);
            assert_eq!(fingerprint(&mut state, &[]), before, "{name}: {key}");
        }
    }
}

fn help_text(state: &State, about: Option<Context>) -> String {
    let look = Look::new(Theme::fallback(), Depth::Ansi16, false, false);
    let lines = help::lines(state, about, &look, 200);
    let lines = lines.iter().map(ToString::to_string);
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn help_lists_every_key_of_every_context_in_every_language() {
    for lang in Lang::ALL {
        let mut state = diagnosed(lang, SIZE);
        let texts = Texts::of(lang);
        let all = help_text(&state, None);
        for context in Context::ALL {
            assert!(
                all.contains(texts.context(*context)),
                "{lang:?} {context:?}"
            );
            let own = help_text(&state, Some(*context));
            for bound in context.commands() {
                let title = texts.bound(bound);
                let told = |text: &str| {
                    text.lines().any(|line| {
                        let named = line.contains(title);
                        let keys = state.keys.chords(bound).iter();
                        named
                            && keys
                                .clone()
                                .all(|c| line.contains(&chord_label(&c.to_string())))
                    })
                };
                let is_action = matches!(bound, Bound::Pane(c) if c.action_index().is_some());
                assert!(is_action || told(&all), "{lang:?} {bound:?}");
                if !context.is_of_panes() {
                    assert!(told(&own), "{lang:?} {bound:?} in its own help");
                }
            }
        }
        // What is bound is what is told.
        state.keys = rebound([(cvmtop::app::keys::Preview::Confirm.into(), "f9")]);
        let own = help_text(&state, Some(Context::Preview));
        assert!(own.contains("F9") && !own.contains("Y "), "{own}");
    }
}

fn screen(state: &State) -> String {
    let (width, height) = state.size;
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    let look = Look::new(Theme::fallback(), Depth::Ansi16, false, false);
    draw(state, &look, &mut buf);
    let cells = buf.content().iter().map(ratatui::buffer::Cell::symbol);
    cells.collect()
}

#[test]
fn an_overlay_names_its_keys_as_they_are_bound() {
    for lang in Lang::ALL {
        for size in [(80, 24), SIZE] {
            for name in OVERLAYS {
                // These have no row for keys.
                if ["help", "log", "filter", "text", "search"].contains(&name) {
                    continue;
                }
                let mut state = opened(name, lang, size);
                let context = top(&mut state).context();
                let named: Vec<Bound> = context.commands();
                let first = if context == Context::Reader {
                    *named.last().unwrap()
                } else {
                    named[0]
                };
                state.keys = rebound([(first, "f9")]);
                state.settle();
                assert!(screen(&state).contains(" F9 "), "{lang:?} {size:?} {name}");
            }
        }
    }
}

/// Whatever is pressed in the panes, the same key pressed again on what it opened sends nothing:
/// held down, no key changes the world.
#[test]
fn one_key_alone_changes_nothing_in_the_world() {
    let acts = |effects: &[Effect]| {
        effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::Act(Act::Execute { .. } | Act::ExecuteBatch { .. })
            )
        })
    };
    let keys = shipped_keys();
    for (pane, context) in [
        (Pane::Instances, Context::Instances),
        (Pane::Diagnosis, Context::Diagnosis),
        (Pane::Actions, Context::Actions),
    ] {
        let all = printable().chain(special_chords());
        let bound = |chord: &Chord| keys.lookup(&[context, Context::Global], *chord).is_some();
        for chord in all.filter(bound) {
            let mut state = diagnosed(Lang::En, SIZE);
            state.focus = pane;
            for confirmation in [Confirmation::Key, Confirmation::TypedName].repeat(2) {
                let effects = send(&mut state, Message::Key(chord));
                assert!(!acts(&effects), "{chord}");
                let runs = |state: &State| {
                    let mut all = state.jobs.running();
                    all.any(|job| job.state == JobState::Running)
                };
                assert!(!runs(&state), "{chord}");
                answer_previews(&mut state, &effects, confirmation);
            }
        }
    }
}
