//! A short history as a row of small bars; what did not answer has its own sign.
//!
//! Must not live here: gathering the history (`app::case`).

use crate::view::glyphs::Glyphs;

/// The last `width` points, scaled to the largest of them.
pub fn sparkline<'a>(
    points: impl ExactSizeIterator<Item = &'a Option<u32>> + Clone,
    width: usize,
    glyphs: &Glyphs,
) -> String {
    let skip = points.len().saturating_sub(width);
    let largest = points
        .clone()
        .skip(skip)
        .flatten()
        .max()
        .copied()
        .unwrap_or(0);
    points
        .skip(skip)
        .map(|point| match point {
            None => glyphs.no_answer,
            Some(value) if largest > 0 => {
                let top = glyphs.sparks.len() as u64 - 1;
                let step = u64::from(*value) * top / u64::from(largest);
                glyphs.sparks[step as usize]
            }
            Some(_) => glyphs.sparks[0],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::glyphs::UNICODE;

    #[test]
    fn points_are_scaled_and_gaps_marked() {
        let points = [Some(0), None, Some(50), Some(100)];
        assert_eq!(sparkline(points.iter(), 10, &UNICODE), "▁×▄█");
        assert_eq!(sparkline(points.iter(), 2, &UNICODE), "▄█");
        assert_eq!(sparkline([].iter(), 4, &UNICODE), "");
    }
}
