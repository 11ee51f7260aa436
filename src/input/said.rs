//! Sentences about keys and their bindings; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "input":
    bindings_unreadable(why: Raw) = "the key bindings cannot be read and are ignored: {why}";
    no_context(scope: Raw, names: List) = "there is no key context `{scope}`; use {names}";
    no_context_near(scope: Raw, near: Name) = "there is no key context `{scope}`; did you mean `{near}`?";
    no_command(name: Raw, scope: Raw) = "there is no command `{name}` in [keys.{scope}]";
    no_command_near(name: Raw, scope: Raw, near: Name) = "there is no command `{name}` in [keys.{scope}]; did you mean `{near}`?";
    bound_twice(chord: Name, other: Name, place: Name, name: Name) = "`{chord}` is bound to `{other}` at {place} and to `{name}` here; the last one wins";
    types_text(chord: Name) = "`{chord}` is text where text is typed, and cannot be a command there";
    answers_itself(chord: Name, name: Name, other: Name) = "`{chord}` cannot be `{name}`, since it is `{other}` too: what confirms a change needs a key that is pressed for nothing else";
    no_way_out(name: Name) = "`{name}` needs a key, which nothing else may take: it keeps the one it had";
    no_key(text: Raw) = "`{text}` is not a key; write for example \"q\", \"ctrl-c\", \"space\", \"f5\" or \"none\"";
    at(place: Name, message: Said) = "{place}: {message}";
}
