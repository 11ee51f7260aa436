//! Why a guide fits; `domain::said` tells how these sentences are made.

use crate::domain::said::said;

said! { "guide":
    cause(cause: Word) = "cause: {cause}";
    error_text(text: Raw) = "error text: “{text}”";
    evidence(group: Word, state: Word) = "evidence: {group} {state}";
    words(words: List) = "words: {words}";
    symptom() = "symptom, word for word";
    start() = "where to start";
}
