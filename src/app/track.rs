//! The last looks at one login port, and since when it is as it is.
//!
//! Must not live here: looking (`probe`), drawing (`view`).

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::domain::history::{LoginSpan, Onset};

/// Looks that are kept.
pub const SAMPLES: usize = 32;

/// One look; small, since a large fleet keeps many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// UNIX seconds.
    pub at: i64,
    /// Whether the login service answered as it should.
    pub answered: bool,
    /// Time until the port answered in milliseconds, where it did.
    pub ms: Option<u16>,
}

/// What a look says beside the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing was known before.
    First,
    /// As before.
    Same,
    /// From answering to failing, or back.
    Turned,
}

/// Looks at one port, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Track {
    samples: VecDeque<Sample>,
    /// Whether the login answers, and since which look.
    state: Option<(bool, Timestamp)>,
    /// The last look of the other state before that.
    before: Option<Timestamp>,
}

impl Track {
    /// Takes a look.
    pub fn push(&mut self, sample: Sample) -> Turn {
        let last = self.samples.back().map(|last| last.at);
        if last.is_some_and(|last| last >= sample.at) {
            return Turn::Same;
        }
        let time = |second| Timestamp::from_second(second).unwrap_or_default();
        let turn = match self.state {
            Some((answers, _)) if answers == sample.answered => Turn::Same,
            known => {
                self.before = last.map(time).or(known.map(|(_, since)| since));
                self.state = Some((sample.answered, time(sample.at)));
                known.map_or(Turn::First, |_| Turn::Turned)
            }
        };
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        turn
    }

    /// Joins what an earlier run remembered to what is known now.
    pub fn recall(&mut self, span: &LoginSpan) {
        match self.state {
            None => {
                self.state = Some((span.answers, span.since));
                self.before = span.before;
            }
            // Only a state that has not turned since can be older than this run.
            Some((answers, since)) if self.before.is_none() && span.since < since => {
                if answers == span.answers {
                    self.state = Some((answers, span.since));
                    self.before = span.before;
                } else {
                    self.before = Some(span.since);
                }
            }
            Some(_) => {}
        }
    }

    pub fn samples(&self) -> impl ExactSizeIterator<Item = &Sample> + DoubleEndedIterator {
        self.samples.iter()
    }

    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// Between which looks the login began to fail, where it was seen to answer before.
    pub fn onset(&self) -> Option<Onset> {
        match self.state {
            Some((false, failed)) => Some(Onset {
                answered: self.before?,
                failed,
            }),
            _ => None,
        }
    }

    /// What is kept of it for the next run.
    pub fn span(&self, instance: &str) -> Option<LoginSpan> {
        let (answers, since) = self.state?;
        Some(LoginSpan {
            instance: instance.to_owned(),
            answers,
            since,
            before: self.before,
        })
    }

    /// Looks that got no answer, and how many there were.
    pub fn lost(&self) -> (usize, usize) {
        let lost = self.samples.iter().filter(|s| !s.answered).count();
        (lost, self.samples.len())
    }

    /// Least and most time of the looks that were answered.
    pub fn latency(&self) -> Option<(u16, u16)> {
        let times = || {
            self.samples
                .iter()
                .filter(|s| s.answered)
                .filter_map(|s| s.ms)
        };
        Some((times().min()?, times().max()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn onset(answered: i64, failed: i64) -> Onset {
        Onset {
            answered: at(answered),
            failed: at(failed),
        }
    }

    fn sample(second: i64, answered: bool) -> Sample {
        Sample {
            at: second,
            answered,
            ms: Some(4),
        }
    }

    #[test]
    fn the_onset_lies_between_the_last_answer_and_the_first_failure() {
        let mut track = Track::default();
        assert_eq!(track.push(sample(0, true)), Turn::First);
        assert_eq!(track.push(sample(30, true)), Turn::Same);
        assert_eq!(track.onset(), None);
        assert_eq!(track.push(sample(60, false)), Turn::Turned);
        assert_eq!(track.push(sample(90, false)), Turn::Same);
        assert_eq!(track.onset(), Some(onset(30, 60)));
        assert_eq!(track.push(sample(120, true)), Turn::Turned);
        assert_eq!(track.onset(), None);
    }

    #[test]
    fn a_first_look_that_fails_is_no_onset() {
        let mut track = Track::default();
        track.push(sample(60, false));
        assert_eq!(track.onset(), None);
    }

    #[test]
    fn what_an_earlier_run_saw_gives_the_onset() {
        let span = LoginSpan {
            instance: "ins-1".into(),
            answers: true,
            since: at(10),
            before: None,
        };
        let mut track = Track::default();
        track.push(sample(60, false));
        track.recall(&span);
        assert_eq!(track.onset(), Some(onset(10, 60)));
        let failing = LoginSpan {
            answers: false,
            before: Some(at(5)),
            ..span
        };
        let mut track = Track::default();
        track.push(sample(60, false));
        track.recall(&failing);
        assert_eq!(track.onset(), Some(onset(5, 10)));
        let mut track = Track::default();
        track.recall(&failing);
        track.push(sample(60, false));
        assert_eq!(track.onset(), Some(onset(5, 10)));
    }

    #[test]
    fn only_so_many_looks_are_kept() {
        let mut track = Track::default();
        for second in 0..100 {
            track.push(sample(second, second % 2 == 0));
        }
        assert_eq!(track.samples().len(), SAMPLES);
        assert_eq!(track.lost(), (SAMPLES / 2, SAMPLES));
        assert_eq!(track.latency(), Some((4, 4)));
    }
}
