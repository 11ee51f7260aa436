//! What a person can tell of the failure: which way the users come, who is affected, how the user's
//! own network fares, what the console shows. Nothing is asked for by force.
//!
//! Must not live here: what an answer is worth (`diagnosis`).

use super::{Answer, LIST_PAGE, walked};
use serde_json::Map;

use crate::app::effect::{Effect, Memory};
use crate::app::keys::Answers;
use crate::app::state::State;
use crate::app::update::{actions, arrivals};
use crate::diagnosis::Knowledge;
use crate::domain::action::ActionId;
use crate::domain::evidence::Path;
use crate::domain::evidence::table::GROUPS as GROUPS_OF_EVIDENCE;
use crate::domain::instance::{Instance, Os};
use crate::domain::statement::{CONSOLE, SCOPE, USER_PATH};
use crate::input::chord::Chord;

/// The question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tell {
    pub selected: usize,
    pub about: About,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum About {
    #[default]
    Failure,
    /// What a person sees on the VNC console, where nothing can be run inside.
    Guest,
}

impl Tell {
    /// The list of what to look at on the VNC console.
    pub fn checklist() -> Self {
        Self {
            about: About::Guest,
            ..Self::default()
        }
    }

    /// Applies a chord.
    pub fn press(
        &mut self,
        state: &mut State,
        chord: Chord,
        effects: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let command = state.keys.of::<Answers>(chord)?;
        let answers = answers(state, self.about);
        let by = command.lines(LIST_PAGE).unwrap_or_default();
        self.selected = walked(self.selected, by, answers.len());
        Some(match command {
            Answers::Up | Answers::Down | Answers::PageUp | Answers::PageDown => Answer::Stay,
            Answers::Close => Answer::Close,
            Answers::Toggle => {
                if let Some((group, answer)) = answers.get(self.selected) {
                    toggle(state, group, answer, effects);
                }
                Answer::Stay
            }
            Answers::Vnc => {
                let ranked = actions::unranked(state, ActionId::VncUrl, Map::new());
                actions::prepare_ranked(state, ranked, effects);
                Answer::Stay
            }
        })
    }
}

/// Groups that a person can speak of here, in order.
const GROUPS: [&str; 3] = [SCOPE, USER_PATH, CONSOLE];

/// Stands for the way in among the groups; no evidence group, as it weighs nothing by itself.
const WAY: &str = "user-way";

/// Every answer that can be given: group and state.
pub fn answers(state: &State, about: About) -> Vec<(&'static str, String)> {
    let shipped = Knowledge::shipped();
    let knowledge = state.knowledge.as_deref().unwrap_or(shipped);
    let os = state.selected_instance().map_or(Os::Unknown, |it| it.os);
    let states = |group: &'static str| {
        let known = knowledge.group(group).or_else(|| shipped.group(group));
        let states = known.map(|group| group.states_on(os)).unwrap_or_default();
        states.into_iter().map(move |state| (group, state))
    };
    match about {
        About::Failure => {
            let ways = [Path::Public, Path::Private].map(|way| (WAY, way.as_str().to_owned()));
            let told = GROUPS.into_iter().flat_map(states);
            ways.into_iter().chain(told).collect()
        }
        About::Guest => {
            let seen = GROUPS_OF_EVIDENCE
                .iter()
                .filter(|group| group.by_hand(os).is_some())
                .map(|group| group.id);
            seen.chain([CONSOLE]).flat_map(states).collect()
        }
    }
}

/// Whether an answer is given for the selected instance.
pub fn is_given(state: &State, group: &str, answer: &str) -> bool {
    if group == WAY {
        let network = state.selected_instance().map(Instance::network);
        let way = network.and_then(|network| state.ways.get(network));
        return way.is_some_and(|way| way.as_str() == answer);
    }
    let case = state.selected_case();
    case.is_some_and(|case| case.statements.state_of(group) == Some(answer))
}

/// Gives an answer; the same again takes it back.
fn toggle(state: &mut State, group: &str, answer: &str, effects: &mut Vec<Effect>) {
    let now = state.now;
    let given = is_given(state, group, answer);
    let Some(instance) = state.selected_instance() else {
        return;
    };
    if group == WAY {
        let network = instance.network().to_owned();
        let way = Path::parse_way(answer).filter(|_| !given);
        match way {
            Some(way) => state.ways.insert(network.clone(), way),
            None => state.ways.remove(&network),
        };
        if !state.demo {
            effects.push(Effect::Memory(Memory::KeepWay { network, way }));
        }
    } else {
        let id = instance.id.clone();
        let case = state.cases.entry(id).or_default();
        case.say(group, (!given).then_some(answer), now);
    }
    arrivals::weigh_selected(state);
}
