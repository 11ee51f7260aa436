//! The languages that texts and guides are written in.
//!
//! Must not live here: the texts themselves (`app::locale`, `guide::library`).

/// A language of the console, the guides and the reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lang {
    #[default]
    En,
    Ko,
    Zh,
}

impl Lang {
    /// All languages, in the order in which the console turns through them.
    pub const ALL: [Self; 3] = [Self::En, Self::Ko, Self::Zh];

    /// The codes of options, config and folders.
    pub const WORDS: &'static [&'static str] = &["en", "ko", "zh"];

    /// The code of this language.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// From a code or a locale name: `ko`, `ko_KR.UTF-8`, `zh-CN`.
    pub fn parse(text: &str) -> Option<Self> {
        let code = text
            .split(['_', '-', '.', '@'])
            .next()?
            .to_ascii_lowercase();
        Self::ALL.into_iter().find(|lang| lang.as_str() == code)
    }

    /// The language after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locale_names_are_understood_and_foreign_ones_are_not() {
        assert_eq!(Lang::parse("ko_KR.UTF-8"), Some(Lang::Ko));
        assert_eq!(Lang::parse("zh-CN"), Some(Lang::Zh));
        assert_eq!(Lang::parse("fr_FR"), None);
        for lang in Lang::ALL {
            assert_eq!(Lang::parse(lang.as_str()), Some(lang));
        }
    }
}
