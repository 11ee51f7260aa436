//! Commands of the list: order, marks, and what fails next.
//!
//! Must not live here: the list itself (`app::fleet`), walking in it (`movement`).

use super::movement;
use crate::app::command::{Command, Why};
use crate::app::fleet::{Row, Sort};
use crate::app::health::Health;
use crate::app::state::State;

/// Runs a command of the list, or says why it can do nothing.
pub fn run(state: &mut State, command: Command) -> Result<(), Why> {
    match command {
        Command::NextBroken => jump(state, true)?,
        Command::PreviousBroken => jump(state, false)?,
        Command::Mark => mark(state),
        Command::MarkAll => mark_all(state),
        Command::MarkRange if !state.fleet.mark_range() => return Err(Why::NoRangeStart),
        Command::Sort => sort(state, state.fleet.sort.next()),
        Command::SortReverse => {
            state.fleet.reversed = !state.fleet.reversed;
            state.fleet.touch();
        }
        _ => {}
    }
    Ok(())
}

/// Selects the next instance whose login fails, or the one before.
fn jump(state: &mut State, forward: bool) -> Result<(), Why> {
    let broken = |row: &Row| row.health() == Health::Failing;
    let position = state.fleet.find_from_selected(forward, broken);
    movement::select(state, position.ok_or(Why::NothingBroken)?);
    Ok(())
}

fn mark(state: &mut State) {
    if let Some(id) = state.fleet.selected_id().map(str::to_owned)
        && !state.fleet.marks.remove(&id)
    {
        state.fleet.range_start = Some(id.clone());
        state.fleet.marks.insert(id);
    }
    movement::step(state, 1);
}

/// Marks all rows that pass the filter; where all of them are marked already, none.
fn mark_all(state: &mut State) {
    let listed: Vec<String> = state
        .fleet
        .window(0, usize::MAX)
        .map(|row| row.instance.id.clone())
        .collect();
    if listed.iter().all(|id| state.fleet.marks.contains(id)) {
        state.fleet.marks.clear();
    } else {
        state.fleet.marks.extend(listed);
    }
}

fn sort(state: &mut State, by: Sort) {
    state.fleet.sort = by;
    state.fleet.touch();
}
