//! A few figures in a row as heights.
//!
//! Must not live here: where the figures come from.

use ratatui::text::Span;

use crate::app::track::Track;
use crate::view::frame::Look;

/// Looks shown; the newest is last.
const SHOWN: usize = 16;
/// Below this spread all times are as good as equal.
const LEAST_SCALE_MS: u16 = 20;

/// Which of four heights stands for `value` between 0 and `most`.
pub fn height(value: f64, most: f64) -> usize {
    if !(value.is_finite() && most > 0.0) {
        return 0;
    }
    ((value / most * 4.0) as usize).min(3)
}

/// The newest looks of a track: time as height, and a sign for those without an answer.
pub fn looks(track: &Track, look: &Look) -> Vec<Span<'static>> {
    let glyphs = look.glyphs;
    let skip = track.samples().len().saturating_sub(SHOWN);
    let most = track.latency().map_or(0, |(_, most)| most);
    let most = f64::from(most.max(LEAST_SCALE_MS));
    track
        .samples()
        .skip(skip)
        .map(|sample| {
            if !sample.answered {
                return Span::styled(glyphs.no_answer, look.theme.bad);
            }
            let at = sample.ms.map_or(0, |ms| height(f64::from(ms), most));
            Span::styled(glyphs.spark[at], look.theme.good)
        })
        .collect()
}

/// Figures between 0 and `most`.
pub fn figures(values: &[f64], most: f64, look: &Look) -> String {
    values
        .iter()
        .map(|value| look.glyphs.spark[height(*value, most)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_stay_on_the_scale() {
        assert_eq!(height(0.0, 100.0), 0);
        assert_eq!(height(49.0, 100.0), 1);
        assert_eq!(height(100.0, 100.0), 3);
        assert_eq!(height(1e9, 100.0), 3);
        assert_eq!(height(f64::NAN, 100.0), 0);
        assert_eq!(height(5.0, 0.0), 0);
    }
}
