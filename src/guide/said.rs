//! Why a guide fits, and what is wrong with one; `domain::said` tells how these sentences are made.

use crate::domain::said::said;

said! { "guide":
    cause(cause: Word) = "cause: {cause}";
    error_text(text: Raw) = "error text: “{text}”";
    evidence(group: Word, state: Word) = "evidence: {group} {state}";
    words(words: List) = "words: {words}";
    symptom() = "symptom, word for word";
    start() = "where to start";
    lint_at(path: Name, line: Number, fault: Said) = "{path}:{line}: {fault}";
    lint_cause(cause: Raw) = "unknown cause `{cause}`";
    lint_differs() = "front matter differs from the other languages";
    lint_link(slug: Raw) = "links to `{slug}`, which is no guide";
    lint_long() = "longer than 256 KiB";
    lint_no_front() = "does not begin with a line `+++` and front matter";
    lint_no_end() = "front matter has no closing line `+++`";
    lint_front(why: Raw) = "front matter: {why}";
    lint_slug() = "a slug is made of a-z, 0-9 and -";
    lint_title() = "the title is empty";
    lint_symptoms() = "no symptoms; nobody would find it";
    lint_reviewed(text: Raw) = "reviewed `{text}` is not a date";
    lint_class(class: Raw) = "unknown kind of message `{class}`";
    lint_no_steps(heading: Name) = "no numbered steps under a heading marked {heading}";
    lint_no_heading(heading: Name) = "no heading marked {heading}";
    lint_blank(blank: Name, known: List) = "`{blank}` is not filled in; known are {known}";
    lint_html() = "HTML is not shown; write Markdown";
    lint_target(link: Raw) = "link `{link}` is neither guide: nor https:";
    lint_step(step: Number, fault: Said) = "step {step}: {fault}";
    lint_mark() = "begins with none of `action ID`, `command`, `vnc`, `user`";
    lint_mark_alone(kind: Raw) = "`{kind}` takes nothing after it";
    lint_action(action: Raw, known: List) = "unknown action `{action}`; known are {known}";
    lint_pair(word: Raw) = "`{word}` is not of the form key=value";
}
