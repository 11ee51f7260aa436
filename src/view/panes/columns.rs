//! Which columns the list has, and how wide they are, on a pane of any width.
//!
//! Must not live here: what stands in the columns (`instances`).

use crate::app::fleet::Cells;
use crate::domain::column::Column;

/// Sign and mark of a row with the space behind them.
const SIGNS: usize = 3;
/// The login result: the longest words of all languages with a space in front.
const LOGIN: usize = 12;
const AGE: usize = 5;
const STATE: usize = 11;
const REGION: usize = 14;
const ZONE: usize = 16;
const OS: usize = 9;
/// `ins-` and eight letters.
const ID: usize = 14;
/// Widest name that other columns give way to.
const WHOLE_NAME: usize = 24;
/// A name is never narrower than this, so that names can be told apart.
const LEAST_NAME: usize = 10;
/// Widest address: IPv6 takes so much, IPv4 less than half of it.
const WHOLE_ADDRESS: usize = 40;
/// From this width on a cause is readable.
const LEAST_CAUSE: usize = 22;

/// The columns that fit, and how wide they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    pub name: usize,
    /// In their order; none is of no width.
    shown: Vec<(Column, usize)>,
}

/// The shipped columns in the order of what they are worth.
const BY_WORTH: [Column; 6] = [
    Column::Login,
    Column::Age,
    Column::Address,
    Column::State,
    Column::Region,
    Column::Cause,
];

impl Columns {
    /// The name is never left out, nor the login result where it is wanted; the other columns come
    /// in, by worth or as they were chosen, as long as the names stay whole. `widest` are the
    /// widest texts.
    pub fn of(total: u16, widest: Cells, privacy: bool, chosen: Option<&[Column]>) -> Self {
        let room = usize::from(total).saturating_sub(SIGNS);
        let order = chosen.unwrap_or(&Column::SHIPPED);
        let wants = |column: &Column| order.contains(column);
        let login = if wants(&Column::Login) {
            LOGIN.min(room.saturating_sub(LEAST_NAME))
        } else {
            0
        };
        let whole = usize::from(widest.name).clamp(LEAST_NAME, WHOLE_NAME);
        let mut rest = room.saturating_sub(login + whole);
        let mut cells = [0; Column::ALL.len()];
        cells[Column::Login as usize] = login;
        for column in chosen.unwrap_or(&BY_WORTH) {
            let wanted = match column {
                Column::Address if privacy || widest.address == 0 => 0,
                Column::Id if privacy => 0,
                Column::Address => (usize::from(widest.address) + 1).min(WHOLE_ADDRESS),
                Column::State => STATE,
                Column::Age => AGE,
                Column::Region => REGION,
                Column::Zone => ZONE,
                Column::Os => OS,
                Column::Id => ID,
                // They have their place already, or take what is left.
                Column::Login | Column::Cause => 0,
            };
            if wanted <= rest {
                rest -= wanted;
                cells[*column as usize] = wanted;
            }
        }
        cells[Column::Login as usize] = login;
        // A name beyond the usual gets what is left; what is left after that tells causes.
        let long = usize::from(widest.name).saturating_sub(whole);
        let more = long.min(rest);
        rest -= more;
        if rest >= LEAST_CAUSE && wants(&Column::Cause) {
            cells[Column::Cause as usize] = rest;
            rest = 0;
        }
        let shown = order
            .iter()
            .map(|column| (*column, cells[*column as usize]));
        Self {
            name: room.min(whole.min(room.saturating_sub(login)) + more + rest),
            shown: shown.filter(|(_, cells)| *cells > 0).collect(),
        }
    }

    /// The columns beside the name with their cells, in their order.
    pub fn shown(&self) -> &[(Column, usize)] {
        &self.shown
    }

    pub fn has(&self, column: Column) -> bool {
        self.shown.iter().any(|(shown, _)| *shown == column)
    }

    /// Cells of a column; zero where it is left out.
    #[cfg(test)]
    fn cells(&self, column: Column) -> usize {
        let found = self.shown.iter().find(|(shown, _)| *shown == column);
        found.map_or(0, |(_, cells)| *cells)
    }

    /// Cells of all columns.
    #[cfg(test)]
    fn total(&self) -> usize {
        SIGNS + self.name + self.shown.iter().map(|(_, cells)| cells).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLEET: Cells = Cells {
        name: 18,
        address: 13,
    };

    #[test]
    fn names_stay_whole_and_the_rest_comes_in_by_worth() {
        let at = |total| Columns::of(total, FLEET, false, None);
        assert!(
            at(34).name >= 18 && !at(34).has(Column::Age),
            "{:?}",
            at(34)
        );
        assert!(at(40).has(Column::Age) && !at(40).has(Column::Address));
        assert_eq!(at(53).cells(Column::Address), 14);
        assert!(at(53).name >= 18, "{:?}", at(53));
        assert!(at(78).has(Column::Region) && at(78).has(Column::State));
        assert!(at(118).cells(Column::Cause) >= LEAST_CAUSE);
        let masked = Columns::of(78, FLEET, true, None);
        assert!(!masked.has(Column::Address));
    }

    #[test]
    fn what_is_chosen_comes_in_its_order_as_far_as_it_fits() {
        use Column::{Address, Age, Cause, Id, Login, Os, Zone};
        let of = |total, privacy, chosen: &[Column]| {
            let columns = Columns::of(total, FLEET, privacy, Some(chosen));
            columns.shown().iter().map(|one| one.0).collect::<Vec<_>>()
        };
        assert_eq!(of(120, false, &[Zone, Login, Id]), [Zone, Login, Id]);
        assert_eq!(of(120, false, &[]), []);
        // The login result has its place whatever stands before it.
        assert_eq!(of(36, false, &[Zone, Age, Login]), [Login]);
        assert_eq!(of(46, false, &[Zone, Os, Login]), [Os, Login]);
        assert_eq!(of(120, true, &[Id, Address, Os]), [Os]);
        assert_eq!(of(120, false, &[Cause, Age]), [Cause, Age]);
    }

    #[test]
    fn one_long_name_does_not_push_everything_out() {
        let long = Cells { name: 120, ..FLEET };
        let columns = Columns::of(78, long, false, None);
        assert!(columns.has(Column::Address) && columns.has(Column::Age));
    }

    proptest! {
        #[test]
        fn columns_fill_the_pane_and_no_more(
            total in 0u16..300, name in 0u16..200, address in 0u16..50, privacy: bool,
            chosen in proptest::option::of(proptest::sample::subsequence(&Column::ALL[..], 0..=9)),
        ) {
            let widest = Cells { name, address };
            let columns = Columns::of(total, widest, privacy, chosen.as_deref());
            prop_assert!(columns.total() <= usize::from(total).max(SIGNS), "{:?}", columns);
            if usize::from(total) >= SIGNS + LEAST_NAME {
                prop_assert_eq!(columns.total(), usize::from(total));
                prop_assert!(columns.name >= LEAST_NAME);
            }
        }
    }
}
