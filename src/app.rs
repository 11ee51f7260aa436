//! State, messages, commands and effects of the console. Pure.
