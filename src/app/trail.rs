//! The instances that were opened, for going back and forward.
//!
//! Must not live here: selecting (`app::fleet`).

/// Instances that are remembered.
const LONGEST: usize = 50;

/// Opened instances, oldest first, and where in them the operator is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    visited: Vec<String>,
    at: usize,
    /// The one before the present one, wherever it stands.
    last: Option<String>,
}

impl Trail {
    /// An instance was opened; what lay ahead is forgotten, as in a browser.
    pub fn visit(&mut self, id: &str) {
        if self.current() == Some(id) {
            return;
        }
        self.last = self.current().map(str::to_owned);
        self.visited.truncate(self.at + 1);
        self.visited.push(id.to_owned());
        if self.visited.len() > LONGEST {
            self.visited.remove(0);
        }
        self.at = self.visited.len() - 1;
    }

    fn current(&self) -> Option<&str> {
        self.visited.get(self.at).map(String::as_str)
    }

    /// The instance to go back (or forward) to; moves there. From an instance that was never
    /// opened the way back leads to the one opened last.
    pub fn step(&mut self, from: Option<&str>, forward: bool) -> Option<String> {
        if !forward && self.current().is_some() && self.current() != from {
            return self.current().map(str::to_owned);
        }
        let to = if forward {
            self.at + 1
        } else {
            self.at.checked_sub(1)?
        };
        let id = self.visited.get(to)?.clone();
        self.last = self.current().map(str::to_owned);
        self.at = to;
        Some(id)
    }

    /// The instance before this one; the next call leads back here.
    pub fn swap(&mut self) -> Option<String> {
        let to = self.last.clone()?;
        self.last = self.current().map(str::to_owned);
        match self.visited.iter().rposition(|id| *id == to) {
            Some(at) => self.at = at,
            None => {
                self.visited.push(to.clone());
                self.at = self.visited.len() - 1;
            }
        }
        Some(to)
    }

    pub fn can_step(&self, from: Option<&str>, forward: bool) -> bool {
        self.clone().step(from, forward).is_some()
    }

    pub fn can_swap(&self) -> bool {
        self.last.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_and_forward() {
        let mut trail = Trail::default();
        for id in ["a", "b", "b", "c"] {
            trail.visit(id);
        }
        assert_eq!(trail.step(Some("x"), false).as_deref(), Some("c"));
        assert_eq!(trail.step(Some("c"), false).as_deref(), Some("b"));
        assert_eq!(trail.step(Some("b"), false).as_deref(), Some("a"));
        assert_eq!(trail.step(Some("a"), false), None);
        assert_eq!(trail.step(Some("a"), true).as_deref(), Some("b"));
        trail.visit("d");
        assert_eq!(trail.step(Some("d"), true), None);
        assert_eq!(trail.swap().as_deref(), Some("b"));
        assert_eq!(trail.swap().as_deref(), Some("d"));
    }
}
