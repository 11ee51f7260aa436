//! A probability as a bar.
//!
//! Must not live here: how it was computed, and how sure a figure may look (`diagnosis`).

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
