//! The console's loop: signals, keys, answers, frames; asleep when nothing happens.
//!
//! Everything that is queued is taken in before at most one frame is drawn, and no frame is
//! drawn while the terminal has not taken the last one. Over a slow link a frame goes out in pieces,
//! each from the state as it is by then. Must not live here: what a message
//! changes (`app::update`) or what an effect does (`executor`).

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::executor::Executor;
use super::visit::Program;
use super::{clock, reload};
use crate::app::effect::{self, Effect};
use crate::app::message::Message;
use crate::app::notices::Severity;
use crate::app::overlay::{Field, Overlay};
use crate::app::state::State;
use crate::app::update::{Dirty, next_wake, update};
use crate::config::{AmbiguousWidth, Settings, UiSettings};
use crate::terminal::capability::Capability;
use crate::terminal::clipboard::copy_sequence;
use crate::terminal::frame_clock::FrameClock;
use crate::terminal::screen::{Extras, Screen};
use crate::terminal::session::Session as TerminalSession;
use crate::terminal::writer::{Writer, Written};
use crate::terminal::{TerminalError, events, hangup};
use crate::view::frame::{Look, draw};
use crate::view::theme::Theme;

/// Messages taken in at once before a frame.
const BATCH: usize = 256;
/// How long leaving waits for the last frame before it is dropped.
const PATIENCE: Duration = Duration::from_millis(150);

/// How the console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The operator left.
    Quit,
    /// The terminal went away (SIGHUP, or the tty is gone): status 129.
    HangUp,
    /// The operator wants the demo instead.
    Demo,
    /// SIGINT from outside: status 130.
    Interrupted,
    /// SIGTERM: status 143.
    Terminated,
}

/// Everything about the terminal that the loop uses.
#[derive(Debug)]
pub struct Looks {
    pub capability: Capability,
    pub themes: Vec<Theme>,
    no_color: bool,
    ambiguous_wide: bool,
    extras: Extras,
    frames_per_second: u16,
}

impl Looks {
    /// Looks on this terminal as the settings want them.
    pub fn of(ui: &UiSettings, themes: Vec<Theme>, capability: Capability) -> Self {
        let mut looks = Self {
            capability,
            themes,
            no_color: false,
            ambiguous_wide: false,
            extras: Extras {
                sync: ui.sync_output.or(capability.sync_output),
                links: ui.links.or(capability.links),
            },
            frames_per_second: 0,
        };
        looks.take(ui);
        looks
    }

    /// Takes what may change while the console runs.
    pub fn take(&mut self, ui: &UiSettings) {
        self.no_color = ui.no_color;
        self.ambiguous_wide = match ui.ambiguous_width {
            AmbiguousWidth::Wide => true,
            AmbiguousWidth::Narrow => false,
            AmbiguousWidth::Auto => self.capability.ambiguous_wide,
        };
        let usual = if self.capability.remote { 15 } else { 30 };
        self.frames_per_second = ui.frames_per_second.unwrap_or(usual);
    }

    fn look(&self, state: &State) -> Look {
        let theme = self
            .themes
            .iter()
            .find(|theme| theme.name == state.looks.theme)
            .cloned()
            .unwrap_or_else(Theme::fallback);
        let depth = if self.no_color {
            crate::view::theme::Depth::Mono
        } else {
            self.capability.depth
        };
        let mut look = Look::new(theme, depth, state.looks.ascii, self.ambiguous_wide);
        look.privacy = state.looks.privacy;
        look
    }
}

/// What reaches the loop beside signals and keys.
#[derive(Debug)]
pub struct Inlets {
    pub arriving: mpsc::Receiver<Message>,
    pub reloads: mpsc::Receiver<reload::News>,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    resume: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            resume: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        })
    }

    /// The next signal: an end, or `None` for a resumption.
    async fn next(&mut self) -> Option<End> {
        tokio::select! {
            _ = self.hangup.recv() => Some(End::HangUp),
            _ = self.interrupt.recv() => Some(End::Interrupted),
            _ = self.terminate.recv() => Some(End::Terminated),
            _ = self.resume.recv() => None,
        }
    }
}

/// The loop with everything it holds.
struct Loop<'a> {
    state: &'a mut State,
    looks: Looks,
    /// Settings in force, to see what a change of the file changes.
    settings: Settings,
    executor: Executor,
    terminal: TerminalSession,
    writer: Writer,
    screen: Screen,
    pace: FrameClock,
    dirty: Dirty,
    /// A key waits for its frame.
    keyed: bool,
    /// The last frame has a line of text to type in.
    has_line: bool,
    end: Option<End>,
    /// A copy that waits for the writer.
    outbox: Vec<u8>,
    /// A program that is to have the terminal.
    visit: Option<effect::WayIn>,
}

/// Runs the console until it ends; the terminal is restored on every way out.
pub async fn run(
    state: &mut State,
    looks: Looks,
    settings: Settings,
    executor: Executor,
    mut inlets: Inlets,
    first: Vec<Effect>,
) -> Result<End, TerminalError> {
    let setup = |what| move |source| TerminalError::Setup { what, source };
    let terminal = TerminalSession::enter(state.looks.mouse)?;
    let (width, height) = crossterm::terminal::size().map_err(setup("size"))?;
    let mut signals = Signals::install().map_err(setup("signals"))?;
    let mut gone = hangup::watch();
    let mut keys = EventStream::new();
    state.size = (width, height);
    let mut this = Loop {
        state,
        executor,
        terminal,
        writer: Writer::start().map_err(setup("writer"))?,
        screen: Screen::new(width, height, looks.extras),
        pace: FrameClock::new(looks.frames_per_second, looks.capability.remote),
        looks,
        settings,
        dirty: Dirty::Frame,
        keyed: false,
        has_line: false,
        end: None,
        outbox: Vec::new(),
        visit: None,
    };
    this.paint();
    for effect in first {
        this.carry_out(effect);
    }
    let mut batch = Vec::with_capacity(BATCH);
    while this.end.is_none() {
        this.wait(&mut signals, &mut gone, &mut keys, &mut inlets, &mut batch)
            .await;
        this.take_all(&mut keys, &mut batch).await;
        if let Some(way) = this.visit.take() {
            // The reader of keys must not take what is meant for the other program. It goes first: a
            // second one waits for the key that the first is waiting for.
            drop(keys);
            Box::pin(this.visit(&way, &mut signals, &mut gone)).await;
            keys = EventStream::new();
        }
        this.flush_outbox();
        if this.wants_frame() && this.pace.due(Instant::now(), this.keyed).is_none() {
            this.paint();
        }
    }
    let end = this.end.unwrap_or(End::Quit);
    this.executor.finish_writing().await;
    if end != End::HangUp && !this.writer.is_free() {
        // Let the last frame out, so that it is not cut in half; a stalled link does not hold
        // up the exit.
        let _ = tokio::time::timeout(PATIENCE, this.writer.written()).await;
    }
    Ok(end)
}

impl Loop<'_> {
    fn wants_frame(&self) -> bool {
        self.dirty == Dirty::Frame && self.writer.is_free()
    }

    /// Sleeps until something happens; what arrived is left in `batch`.
    async fn wait(
        &mut self,
        signals: &mut Signals,
        gone: &mut oneshot::Receiver<()>,
        keys: &mut EventStream,
        inlets: &mut Inlets,
        batch: &mut Vec<Message>,
    ) {
        let now = Instant::now();
        let frame_due = self
            .wants_frame()
            .then(|| self.pace.due(now, self.keyed).unwrap_or(now));
        let wake = next_wake(self.state).map(|ms| now + Duration::from_millis(ms));
        tokio::select! {
            biased;
            end = signals.next() => match end {
                Some(end) => self.end = Some(end),
                None => self.resume(),
            },
            _ = &mut *gone => self.end = Some(End::HangUp),
            event = keys.next() => match event {
                Some(Ok(event)) => batch.extend(events::message(event)),
                // The reader gave up: the terminal is gone, or soon known to be.
                Some(Err(_)) | None => self.end = Some(End::HangUp),
            },
            count = inlets.arriving.recv_many(batch, BATCH) => {
                debug_assert!(count > 0, "the executor keeps a sender while the loop runs");
            }
            Some(news) = inlets.reloads.recv() => self.reload(news),
            what = self.executor.next_panic() => batch.push(Message::TaskPanicked { what }),
            written = self.writer.written(), if !self.writer.is_free() => {
                match written {
                    Written::Done { bytes, took } => self.pace.taken(Instant::now(), bytes, took),
                    Written::Lost => self.end = Some(End::HangUp),
                }
            }
            () = sleep_until(frame_due), if frame_due.is_some() => {}
            () = sleep_until(wake), if wake.is_some() => {}
        }
    }

    /// Applies what arrived and whatever keys are queued behind it.
    async fn take_all(&mut self, keys: &mut EventStream, batch: &mut Vec<Message>) {
        self.apply(Message::Tick(clock::now()));
        for message in batch.drain(..) {
            self.apply(message);
        }
        for _ in 0..BATCH {
            match queued(keys).await {
                Some(Some(Ok(event))) => {
                    if let Some(message) = events::message(event) {
                        self.apply(message);
                    }
                }
                _ => break,
            }
        }
    }

    fn apply(&mut self, message: Message) {
        if let Message::Resized { width, height } = message {
            self.screen.resize(width, height);
            self.dirty = Dirty::Frame;
        }
        self.keyed |= matches!(message, Message::Key(_));
        let (dirty, effects) = update(self.state, message);
        self.dirty = self.dirty.or(dirty);
        self.executor.set_read_only(self.state.read_only);
        for effect in effects {
            self.carry_out(effect);
        }
    }

    /// Effects on the terminal are done here; all others by the executor.
    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Console(wanted) => self.on_console(wanted),
            Effect::Observe(what) => self.executor.observe(what),
            Effect::Act(act) => self.executor.act(act),
            Effect::Record(record) => self.executor.record(record),
            Effect::Memory(memory) => self.executor.remember(memory),
            Effect::Cancel { run } => self.executor.cancel(run),
        }
    }

    fn on_console(&mut self, wanted: effect::Console) {
        use effect::Console;
        match wanted {
            Console::Quit => self.end = Some(End::Quit),
            Console::OpenDemo => self.end = Some(End::Demo),
            Console::Repaint => {
                self.screen.repaint();
                self.dirty = Dirty::Frame;
            }
            Console::SaveScreen => {
                // As it would be drawn now: what the last frame showed may be gone, such as the
                // palette that asked for it.
                let (width, height) = self.state.size;
                let area = ratatui::layout::Rect::new(0, 0, width, height);
                let mut buffer = ratatui::buffer::Buffer::empty(area);
                self.state.settle();
                let look = self.looks.look(self.state);
                draw(self.state, &look, &mut buffer);
                let text = crate::view::text::of_buffer(&buffer);
                self.executor.record(effect::Record::KeepScreen { text });
            }
            Console::Visit(way) => self.visit = Some(way),
            Console::SetMouse(on) => self.outbox.extend_from_slice(self.terminal.set_mouse(on)),
            Console::Copy { text } => self.copy(&text),
            Console::CopySecret(secret) => self.copy(secret.expose_secret()),
            Console::Suspend => {
                // Stopped inside; SIGCONT leads to `resume`.
                if let Err(error) = self.terminal.suspend() {
                    self.state.tell_said(Severity::Error, &error.said());
                    self.resume();
                }
            }
        }
    }

    /// The config or a theme has changed.
    fn reload(&mut self, news: reload::News) {
        match news {
            Ok(reloaded) => {
                let effects = reload::apply(self.state, &mut self.looks, &self.settings, &reloaded);
                self.settings = reloaded.loaded.settings;
                self.pace =
                    FrameClock::new(self.looks.frames_per_second, self.looks.capability.remote);
                for effect in effects {
                    self.carry_out(effect);
                }
            }
            Err(error) => reload::unreadable(self.state, &error),
        }
        // Work in the background must see at once what was shut.
        self.executor.set_read_only(self.state.read_only);
        self.dirty = Dirty::Frame;
    }

    fn copy(&mut self, text: &str) {
        match copy_sequence(text, self.looks.capability.multiplexer) {
            Some(bytes) => self.outbox.extend_from_slice(&bytes),
            None => self
                .state
                .tell_said(Severity::Error, &super::said::too_long_to_copy()),
        }
    }

    fn flush_outbox(&mut self) {
        if !self.outbox.is_empty() && self.writer.is_free() {
            let bytes = std::mem::take(&mut self.outbox);
            self.writer.write(bytes);
        }
    }

    /// Lets a program have the terminal until it ends; what arrives meanwhile waits.
    async fn visit(
        &mut self,
        way: &effect::WayIn,
        signals: &mut Signals,
        gone: &mut oneshot::Receiver<()>,
    ) {
        if !self.writer.is_free() {
            let _ = tokio::time::timeout(PATIENCE, self.writer.written()).await;
        }
        self.terminal.hand_over();
        let began = Instant::now();
        let begins = super::said::visit_begins(way.words.join(" "));
        println!("{}", self.state.texts.said(&begins));
        let mut program = Program::start(&way.words);
        let told = tokio::select! {
            told = program.end(self.state.texts, began) => told,
            end = outside(signals) => {
                self.end = Some(end);
                return;
            }
            _ = &mut *gone => {
                self.end = Some(End::HangUp);
                return;
            }
        };
        self.resume();
        self.state.tell_said(told.0, &told.1);
    }

    /// Takes the terminal over again and draws everything.
    fn resume(&mut self) {
        if self.terminal.resume().is_err() {
            self.end = Some(End::HangUp);
            return;
        }
        if let Ok((width, height)) = crossterm::terminal::size() {
            self.apply(Message::Resized { width, height });
        }
        self.screen.repaint();
        self.dirty = Dirty::Frame;
    }

    fn paint(&mut self) {
        self.state.settle();
        // A dialog with a line of text shows whole; from its first letter on the letters come first. The
        // filter has no dialog: its line is there at once, and the list that it moves down follows.
        let overlay = self.state.overlays.last_mut();
        let is_filter = matches!(overlay, Some(Overlay::Filter(_)));
        let field = overlay.and_then(Overlay::field);
        let has_line = matches!(field, Some(Field::Line(_)));
        let typing = (std::mem::replace(&mut self.has_line, has_line) || is_filter) && has_line;
        let look = self.looks.look(self.state);
        let state = &*self.state;
        // A slow terminal shows what has come, rather than nothing before the end of the frame.
        self.screen
            .synchronize(self.looks.extras.sync && !self.pace.is_slow());
        let now = Instant::now();
        let budget = match self.pace.budget(now, self.keyed, typing) {
            // What is drawn from nothing is not left half empty, unless the link is known to lag.
            Some(_) if self.screen.is_blank() && !self.pace.is_slow() => None,
            budget => budget,
        };
        let (geometry, frame) = self.screen.frame(budget, |buf| draw(state, &look, buf));
        self.dirty = Dirty::Nothing;
        if let Some(frame) = frame {
            self.pace.drawn(now, self.keyed, typing, frame.bytes.len());
            self.writer.write(frame.bytes);
            if frame.rows_left {
                self.dirty = Dirty::Frame;
            }
        }
        self.keyed = false;
        self.apply(Message::Drawn(geometry));
    }
}

/// An end from outside, while another program has the terminal: an interrupt is meant for that one.
async fn outside(signals: &mut Signals) -> End {
    loop {
        if let Some(end @ (End::HangUp | End::Terminated)) = signals.next().await {
            return end;
        }
    }
}

/// The next event, if one is there already. Polled with this task's own waker: the stream
/// keeps the first waker it sees, and a waker of nobody would lose the next key.
async fn queued(keys: &mut EventStream) -> Option<Option<std::io::Result<Event>>> {
    poll_fn(|context| {
        Poll::Ready(match keys.poll_next_unpin(context) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        })
    })
    .await
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}
