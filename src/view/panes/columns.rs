//! Which columns the list has, and how wide they are, on a pane of any width.
//!
//! Must not live here: what stands in the columns (`instances`).

use crate::app::fleet::Cells;

/// Sign and mark of a row with the space behind them.
const SIGNS: usize = 3;
/// The login result: the longest words of all languages with a space in front.
const LOGIN: usize = 12;
const AGE: usize = 5;
const STATE: usize = 11;
const REGION: usize = 14;
/// Widest name that other columns give way to.
const WHOLE_NAME: usize = 24;
/// A name is never narrower than this, so that names can be told apart.
const LEAST_NAME: usize = 10;
/// Widest address: IPv6 takes so much, IPv4 less than half of it.
const WHOLE_ADDRESS: usize = 40;
/// From this width on a cause is readable.
const LEAST_CAUSE: usize = 22;

/// Widths of the columns; zero means left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Columns {
    pub name: usize,
    pub address: usize,
    pub state: usize,
    pub login: usize,
    pub age: usize,
    pub region: usize,
    pub cause: usize,
}

impl Columns {
    /// The name and the login result are never left out; the other columns come in, in the order
    /// of what they are worth, as long as the names stay whole. `widest` are the widest texts.
    pub fn of(total: u16, widest: Cells, privacy: bool) -> Self {
        let room = usize::from(total).saturating_sub(SIGNS);
        let login = LOGIN.min(room.saturating_sub(LEAST_NAME));
        let mut columns = Self {
            login,
            ..Self::default()
        };
        let whole = usize::from(widest.name).clamp(LEAST_NAME, WHOLE_NAME);
        let mut rest = room.saturating_sub(login + whole);
        let mut take = |cells: usize| {
            let fits = cells > 0 && cells <= rest;
            rest -= if fits { cells } else { 0 };
            if fits { cells } else { 0 }
        };
        columns.age = take(AGE);
        if !privacy && widest.address > 0 {
            columns.address = take((usize::from(widest.address) + 1).min(WHOLE_ADDRESS));
        }
        columns.state = take(STATE);
        columns.region = take(REGION);
        // A name beyond the usual gets what is left; what is left after that tells causes.
        let long = usize::from(widest.name).saturating_sub(whole);
        let more = long.min(rest);
        rest -= more;
        if rest >= LEAST_CAUSE {
            columns.cause = rest;
            rest = 0;
        }
        columns.name = room.min(whole.min(room.saturating_sub(login)) + more + rest);
        columns
    }

    /// Cells of all columns.
    #[cfg(test)]
    fn total(self) -> usize {
        SIGNS
            + self.name
            + self.address
            + self.state
            + self.login
            + self.age
            + self.region
            + self.cause
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
        let at = |total| Columns::of(total, FLEET, false);
        assert!(at(34).name >= 18 && at(34).age == 0, "{:?}", at(34));
        assert!(at(40).age > 0 && at(40).address == 0, "{:?}", at(40));
        assert!(at(53).address == 14 && at(53).name >= 18, "{:?}", at(53));
        assert!(at(78).region > 0 && at(78).state > 0, "{:?}", at(78));
        assert!(at(118).cause >= LEAST_CAUSE, "{:?}", at(118));
        let masked = Columns::of(78, FLEET, true);
        assert_eq!(masked.address, 0);
    }

    #[test]
    fn one_long_name_does_not_push_everything_out() {
        let long = Cells { name: 120, ..FLEET };
        let columns = Columns::of(78, long, false);
        assert!(columns.address > 0 && columns.age > 0, "{columns:?}");
    }

    proptest! {
        #[test]
        fn columns_fill_the_pane_and_no_more(total in 0u16..300, name in 0u16..200, address in 0u16..50, privacy: bool) {
            let columns = Columns::of(total, Cells { name, address }, privacy);
            prop_assert!(columns.total() <= usize::from(total).max(SIGNS), "{:?}", columns);
            if usize::from(total) >= SIGNS + LEAST_NAME {
                prop_assert_eq!(columns.total(), usize::from(total));
                prop_assert!(columns.name >= LEAST_NAME);
            }
        }
    }
}
