//! Terminal events as the console's own: chords, pasted text, mouse, size.
//!
//! Must not live here: what they mean.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::app::message::{Message, MouseKind};
use crate::input::chord::{Chord, Key};

/// The message of an event; `None` for what the console does not use.
pub fn message(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) => chord(key).map(Message::Key),
        Event::Paste(text) => Some(Message::Pasted(line_feeds(&text))),
        Event::Mouse(mouse) => mouse_message(mouse),
        Event::Resize(width, height) => Some(Message::Resized { width, height }),
        Event::FocusGained | Event::FocusLost => None,
    }
}

/// Most terminals send a carriage return for each line end of a bracketed paste.
fn line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn chord(event: KeyEvent) -> Option<Chord> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let mut shift = event.modifiers.contains(KeyModifiers::SHIFT);
    let key = match event.code {
        KeyCode::Char(c) => {
            // The character already shows the shift.
            shift = false;
            Key::Char(c)
        }
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => {
            shift = true;
            Key::Tab
        }
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Insert => Key::Insert,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::F(n) => Key::F(n),
        _ => return None,
    };
    let chord = Chord {
        key,
        ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        alt: event.modifiers.contains(KeyModifiers::ALT),
        shift,
    };
    Some(chord.normalised())
}

fn mouse_message(event: MouseEvent) -> Option<Message> {
    let kind = match event.kind {
        MouseEventKind::Down(MouseButton::Left) => MouseKind::Click,
        MouseEventKind::ScrollUp => MouseKind::WheelUp,
        MouseEventKind::ScrollDown => MouseKind::WheelDown,
        _ => return None,
    };
    Some(Message::Mouse {
        kind,
        x: event.column,
        y: event.row,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shift_tab_and_capitals_have_one_form() {
        let back = KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT);
        assert_eq!(chord(back), Chord::parse("shift-tab").ok());
        let capital = KeyEvent::new(KeyCode::Char('J'), KeyModifiers::SHIFT);
        assert_eq!(chord(capital), Some(Chord::char('J')));
    }

    #[test]
    fn a_bracketed_paste_keeps_its_lines() {
        for sent in ["one\rtwo\rthree", "one\r\ntwo\r\nthree", "one\ntwo\nthree"] {
            let Some(Message::Pasted(text)) = message(Event::Paste(sent.to_owned())) else {
                panic!("{sent:?} is no paste");
            };
            assert_eq!(text, "one\ntwo\nthree");
        }
    }
}
