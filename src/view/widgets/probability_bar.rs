//! A probability as a bar, and the word for it.
//!
//! Must not live here: how it was computed, and how sure a figure may look (`diagnosis`).

use crate::app::locale::Texts;
use crate::diagnosis::display::Word;

/// The word for a probability.
pub fn word(probability: f64, texts: &Texts) -> &str {
    match Word::of(probability) {
        Word::VeryLikely => &texts.ui.very_likely,
        Word::Likely => &texts.ui.likely,
        Word::Leading => &texts.ui.leading,
        Word::NotDecided => &texts.ui.undecided,
    }
}

/// Cells of `width` that the bar fills; at least one for anything that is shown.
pub fn filled(probability: f64, width: usize) -> usize {
    if !probability.is_finite() || probability <= 0.0 || width == 0 {
        return 0;
    }
    ((probability.min(1.0) * width as f64).round() as usize).clamp(1, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_never_overflows() {
        assert_eq!(filled(2.0, 8), 8);
        assert_eq!(filled(0.01, 8), 1);
        assert_eq!(filled(f64::NAN, 8), 0);
    }
}
