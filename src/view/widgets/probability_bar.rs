//! A probability as a bar, and as the rounded figure and word that may honestly be shown.
//!
//! Must not live here: how it was computed (`diagnosis`).

use crate::app::locale::Texts;

/// Rounded to five percent; below five it says so, and certainty is never claimed.
pub fn percent(probability: f64) -> String {
    let percent = probability * 100.0;
    if !percent.is_finite() || percent < 5.0 {
        return "<5 %".to_owned();
    }
    let rounded = ((percent / 5.0).round() * 5.0) as u32;
    match rounded {
        100 => ">95 %".to_owned(),
        n => format!("{n} %"),
    }
}

/// The word for a probability.
pub fn word(probability: f64, texts: &Texts) -> &str {
    if probability >= 0.9 {
        &texts.ui.very_likely
    } else if probability >= 0.7 {
        &texts.ui.likely
    } else if probability >= 0.4 {
        &texts.ui.leading
    } else {
        &texts.ui.undecided
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
    fn figures_are_rounded_to_what_is_known() {
        let shown: Vec<String> = [
            0.0,
            0.049,
            0.05,
            0.074,
            0.076,
            0.42,
            0.938,
            0.97,
            0.99,
            f64::NAN,
        ]
        .into_iter()
        .map(percent)
        .collect();
        assert_eq!(
            shown,
            [
                "<5 %", "<5 %", "5 %", "5 %", "10 %", "40 %", "95 %", "95 %", ">95 %", "<5 %"
            ]
        );
    }

    #[test]
    fn a_bar_never_overflows() {
        assert_eq!(filled(2.0, 8), 8);
        assert_eq!(filled(0.01, 8), 1);
        assert_eq!(filled(f64::NAN, 8), 0);
    }
}
