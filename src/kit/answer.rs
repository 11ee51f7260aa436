//! The block between the kit's marks: found in whatever a chat made of it, summed up, parted.
//!
//! Blanks, line ends and quote marks are no part of an answer, so wrapping, quoting and trailing
//! blanks change nothing; anything else that was changed or lost changes the sum. Must not live here:
//! what the fields mean (`readings`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::said;
use crate::domain::said::Said;

/// What an answer is written in, in the order that its sum goes by. The scripts hold the same.
pub(super) const ALPHABET: &str =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/=,+@-;";
/// Largest answer that is read, in characters; the scripts stay far below.
const MOST: usize = 4096;
/// Most fields, and the longest value.
const MOST_FIELDS: usize = 64;
const LONGEST: usize = 100;
/// What both marks begin with.
const MARK: &str = "cvmtop-kit";
const BEGIN: &str = "cvmtop-kit1;";
const END: &str = "cvmtop-kitend";
/// Largest prime below 2^16 (RFC 1950, Adler-32).
const MODULUS: u32 = 65_521;

/// The fields of an answer that is whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    fields: BTreeMap<String, String>,
}

impl Answer {
    /// A field; an empty one is none.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields
            .get(key)
            .map(String::as_str)
            .filter(|it| !it.is_empty())
    }

    /// A whole number.
    pub fn number(&self, key: &str) -> Option<u32> {
        self.get(key)?.parse().ok()
    }

    /// The fields whose key begins so, without that beginning.
    pub fn starting<'a>(
        &'a self,
        with: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let all = self.fields.iter();
        all.filter_map(move |(key, value)| Some((key.strip_prefix(with)?, value.as_str())))
    }
}

/// The last answer in a text, or what is wrong with it; `None` where there is none.
pub(super) fn find(text: &str) -> Option<Result<Answer, Said>> {
    let (from, _) = text.match_indices(MARK).find(|(at, _)| {
        let rest: String = bare(&text[*at..]).take(END.len()).collect();
        rest.starts_with(BEGIN) || rest == END
    })?;
    // What stands before the first mark may be as long as it likes.
    let all: String = bare(&text[from..]).take(4 * MOST).collect();
    let Some(begin) = all.rfind(BEGIN) else {
        return Some(Err(said::no_beginning()));
    };
    let rest = &all[begin + BEGIN.len()..];
    let Some(end) = rest.find(END) else {
        return Some(Err(said::no_end()));
    };
    let (body, after) = (&rest[..end], &rest[end + END.len()..]);
    let given = after.split(';').next().unwrap_or_default();
    Some(if body.len() <= MOST && given == sum(body) {
        Ok(parted(body))
    } else {
        Err(said::sum_differs())
    })
}

/// Every answer in a text that is no person's, in its order; what is not whole is left out.
pub(super) fn all(text: &str) -> Vec<Answer> {
    let text: String = bare(text).take(4 * MOST).collect();
    let parts = text
        .split(BEGIN)
        .skip(1)
        .map(|part| format!("{BEGIN}{part}"));
    parts.filter_map(|part| find(&part)?.ok()).collect()
}

/// The text without the lines from the first mark to the last. Where the beginning is lost, the lines
/// before the mark that end as fields do go with it.
pub(super) fn cut_out(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(MARK) else {
        return Cow::Borrowed(text);
    };
    let line_of = |at: usize| text[..at].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let mut begin = line_of(first);
    while let Some(before) = text[..begin].strip_suffix(['\n', '\r']) {
        let line = &before[line_of(before.len())..];
        if !line
            .trim_end_matches(|c| !ALPHABET.contains(c))
            .ends_with(';')
        {
            break;
        }
        begin = line_of(before.len());
    }
    // Without its end the rest of the text is the answer.
    let end = text.rfind(MARK).filter(|last| *last != first);
    let rest = end.map_or("", |last| {
        let line = text[last..].find(['\n', '\r']);
        line.map_or("", |end| &text[last + end..])
    });
    Cow::Owned(format!("{}{rest}", &text[..begin]))
}

/// What of a text can be part of an answer.
fn bare(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| ALPHABET.contains(*c))
}

/// The sum of an answer: two running sums over the places of its characters in the alphabet.
pub(super) fn sum(body: &str) -> String {
    let (mut a, mut b) = (0_u32, 0_u32);
    for c in body.chars() {
        let place = ALPHABET.find(c).map_or(0, |at| at as u32 + 1);
        a = (a + place) % MODULUS;
        b = (b + a) % MODULUS;
    }
    format!("{b}-{a}")
}

fn parted(body: &str) -> Answer {
    let mut answer = Answer::default();
    for field in body.split(';').take(MOST_FIELDS) {
        if let Some((key, value)) = field.split_once('=') {
            let value: String = value.chars().take(LONGEST).collect();
            answer.fields.entry(key.to_owned()).or_insert(value);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(body: &str) -> String {
        let bare: String = bare(body).collect();
        format!("cvmtop-kit 1;\n{body}\ncvmtop-kit end {};\n", sum(&bare))
    }

    fn tcp(text: &str) -> Option<String> {
        Some(find(text)?.ok()?.get("tcp")?.to_owned())
    }

    const BODY: &str = "id=ins-1;\nto=203.0.113.9;\ntcp=open;\nhello=SSH-2.0-OpenSSH-9.2p1;";

    #[test]
    fn a_chat_may_wrap_quote_and_indent_it() {
        let whole = block(BODY);
        let wrapped: Vec<String> = whole
            .as_bytes()
            .chunks(17)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        let each = |before: &str, after: &str| {
            let lines = whole.lines().map(|line| [before, line, after].concat());
            lines.collect::<String>()
        };
        for text in [
            whole.clone(),
            whole.replace('\n', "\r\n"),
            whole.replace('\n', "   \n"),
            each("> > ", "\n"),
            each("\t| ", " |\n"),
            whole.replace('\n', " "),
            wrapped.join("\n"),
            format!("Here it is:\n\n```\n{whole}```\nThanks!"),
            format!("\u{feff}{}", whole.replace('=', "\u{200b}=")),
        ] {
            assert_eq!(tcp(&text).as_deref(), Some("open"), "{text}");
        }
    }

    #[test]
    fn what_was_cut_or_changed_is_told() {
        let whole = block(BODY);
        for (text, word) in [
            (whole.replace("open", "silent"), "changed"),
            (whole.replace("tcp=open;\n", ""), "changed"),
            (whole.replace("203.0.113.9", "203.0.113.8"), "changed"),
            (whole[..whole.len() / 2].to_owned(), "end"),
            (whole[20..].to_owned(), "beginning"),
        ] {
            let why = find(&text).expect("a mark").expect_err("not whole");
            assert!(why.contains(word), "{why}: {text}");
        }
        assert!(find("ssh: connect to host h port 22: Connection refused").is_none());
    }

    #[test]
    fn the_last_answer_counts_and_what_is_around_stays() {
        let second = BODY.replace("open", "refused");
        let text = format!("one\n{}two\n{}three\n", block(BODY), block(&second));
        assert_eq!(tcp(&text).as_deref(), Some("refused"));
        assert_eq!(cut_out(&text).trim(), "one\n\nthree");
        assert_eq!(cut_out("nothing of it"), "nothing of it");
        let half = format!("one\n{}", &block(BODY)[..40]);
        assert_eq!(cut_out(&half).trim(), "one");
    }
}
