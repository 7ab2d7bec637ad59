//! Translations that wait for their turn, and what they are told about it.

use std::collections::{HashMap, HashSet, VecDeque};

/// How many translations that somebody looks at are taken before their turn in a row, before it
/// is the turn of the one that has waited longest.
const OVERTAKING: u32 = 3;
/// How many of those who wait are told of every change.
const NEAR: usize = 20;
/// How many of the others are told at once, so that a change never makes as many writes and
/// frames as there are files.
const FAR_AT_ONCE: usize = 50;

/// Translations that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: VecDeque<String>,
    /// How many have overtaken the first one in a row.
    overtaken: u32,
    /// What those who wait were told: how many are before them.
    told: HashMap<String, u64>,
    is_changed: bool,
}

impl Line {
    /// Adds a translation at the end, unless it waits already.
    pub(crate) fn push(&mut self, id: String) {
        if !self.waiting.contains(&id) {
            self.waiting.push_back(id);
            self.is_changed = true;
        }
    }

    /// A translation waits no more.
    pub(crate) fn remove(&mut self, id: &str) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting != id);
        self.is_changed |= self.waiting.len() < before;
        self.told.remove(id);
    }

    /// Others are looked at than before.
    pub(crate) fn look(&mut self) {
        self.is_changed |= !self.waiting.is_empty();
    }

    /// Takes the translation whose turn it is: one that is looked at, or the first one.
    pub(crate) fn next(&mut self, looked_at: &HashSet<String>) -> Option<String> {
        let place = next_of(&self.waiting, looked_at, &mut self.overtaken);
        let next = self.waiting.remove(place)?;
        self.told.remove(&next);
        self.is_changed = true;
        Some(next)
    }

    /// Whether there may be something to tell.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Whom to tell how many are before it: the first ones of every change; of the others those
    /// who were told nothing yet or whose number has changed by a quarter, a few at a time.
    pub(crate) fn news(&mut self, looked_at: &HashSet<String>) -> Vec<(String, u64)> {
        let mut news = Vec::new();
        let mut far = 0;
        self.is_changed = false;
        for (place, id) in self.order(looked_at).into_iter().enumerate() {
            let ahead = place as u64;
            let is_worth_it = match self.told.get(id) {
                None => true,
                Some(told) if place < NEAR => *told != ahead,
                Some(told) => told.abs_diff(ahead) * 4 > *told,
            };
            if !is_worth_it {
                continue;
            }
            if place >= NEAR {
                far += 1;
                if far > FAR_AT_ONCE {
                    self.is_changed = true;
                    break;
                }
            }
            news.push((id.clone(), ahead));
        }
        self.told.extend(news.iter().cloned());
        news
    }

    /// Everybody in the order in which [`Line::next`] would take them.
    fn order(&self, looked_at: &HashSet<String>) -> Vec<&String> {
        if !self.waiting.iter().any(|id| looked_at.contains(id)) {
            return self.waiting.iter().collect();
        }
        let (mut looked, mut others): (VecDeque<_>, VecDeque<_>) = self
            .waiting
            .iter()
            .enumerate()
            .partition(|(_, id)| looked_at.contains(*id));
        let mut overtaken = self.overtaken;
        let mut order = Vec::with_capacity(self.waiting.len());
        loop {
            let jumps = match (looked.front(), others.front()) {
                (Some((place, _)), Some((first, _))) => place > first,
                _ => false,
            };
            let next = if jumps && overtaken < OVERTAKING {
                overtaken += 1;
                looked.pop_front()
            } else {
                overtaken = 0;
                let is_looked = !jumps && !looked.is_empty();
                if is_looked {
                    looked.pop_front()
                } else {
                    others.pop_front()
                }
            };
            let Some((_, id)) = next else {
                return order;
            };
            order.push(id);
        }
    }
}

/// The place of the next one to be taken.
fn next_of(waiting: &VecDeque<String>, looked_at: &HashSet<String>, overtaken: &mut u32) -> usize {
    let place = if *overtaken < OVERTAKING && !looked_at.is_empty() {
        waiting.iter().position(|id| looked_at.contains(id))
    } else {
        None
    };
    let place = place.unwrap_or(0);
    *overtaken = if place > 0 { *overtaken + 1 } else { 0 };
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(names: impl IntoIterator<Item = usize>) -> Line {
        let mut line = Line::default();
        for name in names {
            line.push(name.to_string());
        }
        line
    }

    fn looked_at(names: &[usize]) -> HashSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_looked_at_comes_first_and_the_others_are_not_forgotten() {
        let mut line = line(0..10);
        let looked_at = looked_at(&[4, 5, 6, 7, 8]);
        let order: Vec<_> = std::iter::from_fn(|| line.next(&looked_at)).collect();
        assert_eq!(order.concat(), "4560781239");
    }

    #[test]
    fn the_first_are_told_of_every_change_and_the_others_now_and_then() {
        let mut line = line(0..1000);
        let nobody = HashSet::new();
        let mut told: HashMap<String, u64> = HashMap::new();
        let first = line.news(&nobody);
        assert_eq!(first.len(), NEAR + FAR_AT_ONCE);
        told.extend(first);
        while line.is_changed() {
            told.extend(line.news(&nobody));
        }
        assert_eq!(told.len(), 1000);
        let mut news = 0;
        let mut most = 0;
        for _ in 0..500 {
            told.remove(&line.next(&nobody).unwrap());
            let round = line.news(&nobody);
            news += round.len();
            most = most.max(round.len());
            told.extend(round);
            for (place, id) in line.waiting.iter().enumerate() {
                let place = place as u64;
                let known = told[id];
                if place < NEAR as u64 {
                    assert_eq!(known, place);
                } else {
                    assert!(known >= place && known < place * 2, "{known} for {place}");
                }
            }
        }
        assert!(most <= NEAR + FAR_AT_ONCE);
        assert!(news < 500 * 2 * NEAR, "{news}");
    }

    proptest! {
        #[test]
        fn those_who_wait_are_told_the_order_in_which_they_are_taken(
            names in 1_usize..60,
            looks in proptest::collection::vec(0_usize..60, 0..20),
            overtaken in 0..=OVERTAKING,
        ) {
            let mut line = line(0..names);
            line.overtaken = overtaken;
            let looked_at = looked_at(&looks);
            let order: Vec<_> = line.order(&looked_at).into_iter().cloned().collect();
            let taken: Vec<_> = std::iter::from_fn(|| line.next(&looked_at)).collect();
            prop_assert_eq!(order, taken);
        }
    }
}
