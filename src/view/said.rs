//! Sentences about themes; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "view":
    theme_fault(file: Name, what: Said) = "theme {file}: {what}";
    theme_line(line: Number, why: Raw) = "line {line}: {why}";
    theme_no_role(role: Raw) = "there is no role `{role}`";
    theme_no_colour(role: Raw, colour: Raw) = "role `{role}`: `{colour}` is not a colour; write an ANSI name, 0-255 or #rrggbb";
    no_terminal() = "the console needs a terminal on standard input and output; in scripts use `cvmtop list` and `cvmtop diagnose`";
    terminal_setup(what: Name, why: Raw) = "the terminal does not let itself be set up ({what}): {why}";
}
