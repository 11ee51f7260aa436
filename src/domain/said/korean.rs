//! Korean particles: which of a pair follows a word depends on the word's last sound.
//!
//! Source: the rules of the National Institute of Korean Language (한글 맞춤법, 표준 발음법).
//! Must not live here: words.

/// After a final consonant, after a vowel.
const PAIRS: &[(&str, &str)] = &[
    ("을", "를"),
    ("이", "가"),
    ("은", "는"),
    ("과", "와"),
    ("으로", "로"),
    ("이라", "라"),
    ("이나", "나"),
    ("이며", "며"),
    ("이고", "고"),
    ("이므로", "므로"),
    ("이어서", "여서"),
    ("이었습니다", "였습니다"),
];

/// How a word ends, as far as particles care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Vowel,
    /// ㄹ takes 로 like a vowel and everything else like a consonant.
    Rieul,
    Consonant,
}

/// The form of a particle that follows `before`. One that has no pair (에, 에서, 의) is itself.
pub(super) fn particle<'f>(before: &str, form: &'f str) -> &'f str {
    // A longer particle begins with the part that changes: 이라고 is 라고 after a vowel.
    let Some((consonant, vowel)) = PAIRS
        .iter()
        .find(|(consonant, vowel)| form == *consonant || form == *vowel)
    else {
        return form;
    };
    match end(before) {
        End::Consonant => consonant,
        End::Rieul if *consonant != "으로" => consonant,
        End::Rieul | End::Vowel => vowel,
    }
}

fn end(before: &str) -> End {
    let word = without_aside(before);
    let letters: Vec<char> = word.chars().collect();
    let Some(last) = letters.last().copied() else {
        return End::Vowel;
    };
    match last {
        '가'..='힣' => hangul(last),
        '0'..='9' => digit(last),
        'a'..='z' | 'A'..='Z' => latin(&letters),
        _ => End::Vowel,
    }
}

/// Without what is not read aloud: signs behind, and an aside in parentheses.
fn without_aside(text: &str) -> &str {
    let mut word = text.trim_end_matches(|c: char| !c.is_alphanumeric() && !")）%".contains(c));
    if let Some(inner) = word.strip_suffix([')', '）'])
        && let Some(at) = inner.rfind(['(', '（'])
        && at > 0
    {
        word = &inner[..at];
    }
    word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '%')
}

fn hangul(c: char) -> End {
    match (u32::from(c) - u32::from('가')) % 28 {
        0 => End::Vowel,
        8 => End::Rieul,
        _ => End::Consonant,
    }
}

/// 영 일 이 삼 사 오 육 칠 팔 구; tens, hundreds and thousands end in a consonant like 영.
fn digit(c: char) -> End {
    match c {
        '0' | '3' | '6' => End::Consonant,
        '1' | '7' | '8' => End::Rieul,
        _ => End::Vowel,
    }
}

/// Abbreviations are spelt (엘, 엠, 엔, 알), words are read as loan words (서버, 웹, 그룹).
fn latin(letters: &[char]) -> End {
    let tail: Vec<char> = letters
        .iter()
        .rev()
        .take_while(|c| c.is_ascii_alphabetic())
        .copied()
        .collect();
    let spelt = tail.iter().all(char::is_ascii_uppercase);
    let back = |n: usize| tail.get(n).map(char::to_ascii_lowercase);
    let is_vowel = |c: Option<char>| c.is_some_and(|c| "aeiou".contains(c));
    match back(0) {
        Some('l') => End::Rieul,
        Some('r') if spelt => End::Rieul,
        Some('m' | 'n') => End::Consonant,
        Some('g') if !spelt && back(1) == Some('n') => End::Consonant,
        // A short vowel and one of these close a syllable: 웹, 맵, 셋, 블록.
        Some('b' | 'c' | 'k' | 'p' | 't')
            if !spelt
                && (is_vowel(back(1)) && !is_vowel(back(2))
                    || back(1) == Some('c') && back(0) == Some('k')) =>
        {
            End::Consonant
        }
        _ => End::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_particle_follows_the_last_sound() {
        for (word, form, right) in [
            ("규칙", "를", "을"),
            ("포트", "을", "를"),
            ("서울", "으로", "로"),
            ("서울", "가", "이"),
            ("방화벽", "로", "으로"),
            ("10022", "을", "를"),
            ("3389", "은", "는"),
            ("22", "이", "가"),
            ("127.0.0.1", "와", "과"),
            ("127.0.0.1", "으로", "로"),
            ("10.0.0.0", "로", "으로"),
            ("80", "을", "을"),
            ("TCP", "이", "가"),
            ("IP", "을", "를"),
            ("VPN", "를", "을"),
            ("URL", "로", "로"),
            ("ops", "은", "는"),
            ("admin", "는", "은"),
            ("web", "가", "이"),
            ("server", "이", "가"),
            ("firewall", "으로", "로"),
            ("Nginx (10.0.0.3)", "을", "를"),
            ("보안 그룹(sg-1)", "를", "을"),
            ("\"정책\"", "를", "을"),
            ("5초", "이", "가"),
            ("35%", "을", "를"),
            ("用户", "을", "를"),
            ("", "을", "를"),
            ("규칙", "에서", "에서"),
        ] {
            assert_eq!(particle(word, form), right, "{word} {form}");
        }
    }
}
