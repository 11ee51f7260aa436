//! The tty: raw mode, writer, frame clock, hang-up, clipboard.
