//! Sentences in three languages, saved and read back.

use super::*;
use crate::domain::said::Said;

said! { "test":
    /// A rule decides about a port.
    decides(port: Number, rule: Raw) = "TCP port {port}: {rule}";
    in_force(n: Number, group: Name, after: Figure) = "{n:rule} of {group} in force after {after}";
    where_it_is(group: Word, state: Word) = "{group} is {state}";
    both(first: Said, rest: List) = "{first} ({rest})";
}

struct Korean;

impl Speech for Korean {
    fn lang(&self) -> Lang {
        Lang::Ko
    }

    fn template(&self, id: &str) -> Option<&str> {
        match id {
            "test.decides" => Some("TCP 포트 {port:은} {rule:이} 결정합니다"),
            "test.in_force" => Some("{after} 뒤 {group}의 규칙 {n}개가 적용되었습니다"),
            "test.where_it_is" => Some("{group}: {state}"),
            "test.both" => Some("{first}({rest})"),
            _ => None,
        }
    }

    fn word(&self, word: &Word) -> Option<&str> {
        (word.key == "reach.silent").then_some("무응답")
    }

    fn known(&self, _: &str) -> Option<&str> {
        None
    }
}

#[test]
fn the_english_stands_beside_the_code() {
    assert_eq!(decides(22_u16, "drop").to_string(), "TCP port 22: drop");
    let after = Figure::new(3.04, 1, Unit::Seconds);
    assert_eq!(
        in_force(1_usize, "sg-1", after),
        "1 rule of sg-1 in force after 3.0 s"
    );
    assert_eq!(
        in_force(2_usize, "sg-1", after),
        "2 rules of sg-1 in force after 3.0 s"
    );
    let word = where_it_is(Word::evidence("reach"), Word::state("reach", "silent"));
    assert_eq!(word, "reach is silent");
    assert_eq!(SAID.len(), 4);
    assert_eq!(SAID[0].args, [("port", "Number"), ("rule", "Raw")]);
}

#[test]
fn another_language_takes_the_same_values_and_never_touches_a_quotation() {
    // A rule that looks like a blank, like another sentence and like a term stays what it is.
    let rule = "{port} reach is silent; TCP port 1: x";
    let said = decides(10022_u16, rule);
    assert_eq!(
        said.in_words(&Korean),
        format!("TCP 포트 10022는 {rule}가 결정합니다")
    );
    let first = where_it_is(Word::evidence("reach"), Word::state("reach", "silent"));
    let said = both(first, List::names(["a", "b"]));
    assert_eq!(said.in_words(&Korean), "reach: 무응답(a, b)");
}

#[test]
fn a_sentence_survives_a_file_and_a_file_without_ids_shows_its_english() {
    #[derive(Serialize, Deserialize)]
    struct Held {
        #[serde(flatten, with = "detail")]
        detail: Said,
        other: u8,
    }
    let said = both(decides(22_u16, "drop"), List::names(["a"])).and(Said::raw("and plain"));
    let held = Held {
        detail: said.clone(),
        other: 1,
    };
    let text = serde_json::to_string(&held).expect("a sentence is plain data");
    let back: Held = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(back.detail.as_str(), "TCP port 22: drop (a); and plain");
    assert_eq!(
        back.detail.in_words(&Korean),
        "TCP 포트 22는 drop이 결정합니다(a); and plain"
    );
    let old: Held = serde_json::from_str(r#"{"detail":"as it was","other":2}"#).expect("old file");
    assert_eq!(old.detail, "as it was");
    assert_eq!(old.detail.in_words(&Korean), "as it was");
    let plain = Held {
        detail: Said::plain("x"),
        other: 1,
    };
    let text = serde_json::to_string(&plain).expect("a sentence is plain data");
    assert_eq!(text, r#"{"detail":"x","other":1}"#);
}

#[test]
fn what_comes_from_a_file_holds_no_control_characters() {
    let tagged = serde_json::from_str(
        "{\"id\":\"test.decides\",\"args\":{\"port\":{\"number\":22},\"rule\":{\"raw\":\"a\\u001b[31mb\"}}}",
    );
    let said = Said::saved("TCP\u{1b}[2J port", tagged.expect("plain data"));
    assert_eq!(said, "TCP port");
    assert_eq!(said.in_words(&Korean), "TCP 포트 22는 ab이 결정합니다");
}
