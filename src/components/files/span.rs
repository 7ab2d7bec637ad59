//! Which rows of a long list are in view. Pure.

use std::collections::HashMap;

use crate::store::Key;

/// How high a row is until any was seen, in CSS pixels.
const GUESS: f64 = 150.0;

/// How many rows beyond those in view are in the document, on either side.
const RESERVE: usize = 12;

/// Rows from one place up to, not including, another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// With some more on either side.
    pub(super) fn with_reserve(self) -> Self {
        Self {
            start: self.start.saturating_sub(RESERVE),
            end: self.end.saturating_add(RESERVE),
        }
    }

    /// As far as there are that many rows.
    pub(super) fn within(self, count: usize) -> Self {
        let end = self.end.min(count);
        Self {
            start: self.start.min(end),
            end,
        }
    }
}

/// How high rows are, the gap after each included: measured where they were in the document, else
/// the average of those.
#[derive(Debug, Default)]
pub(super) struct Heights {
    known: HashMap<Key, f64>,
    sum: f64,
}

impl Heights {
    /// Takes down what was measured.
    pub(super) fn learn(&mut self, measured: impl IntoIterator<Item = (Key, f64)>) {
        for (key, height) in measured {
            self.sum += height - self.known.insert(key, height).unwrap_or(0.0);
        }
    }

    fn guess(&self) -> f64 {
        match u32::try_from(self.known.len()) {
            Ok(0) | Err(_) => GUESS,
            Ok(count) => self.sum / f64::from(count),
        }
    }

    fn each(&self, keys: impl Iterator<Item = Key>) -> impl Iterator<Item = f64> {
        let guess = self.guess();
        keys.map(move |key| self.known.get(&key).copied().unwrap_or(guess))
    }

    /// Where the row at that place begins.
    pub(super) fn start(&self, keys: impl Iterator<Item = Key>, place: usize) -> f64 {
        self.each(keys).take(place).sum()
    }

    /// How high the rows before and after a span are.
    pub(super) fn around(&self, keys: impl Iterator<Item = Key>, span: Span) -> (f64, f64) {
        let (mut above, mut below) = (0.0, 0.0);
        for (place, height) in self.each(keys).enumerate() {
            if place < span.start {
                above += height;
            } else if place >= span.end {
                below += height;
            }
        }
        (above, below)
    }

    /// The rows that have a part between two heights; of a list that ends before, its last.
    pub(super) fn between(&self, keys: impl Iterator<Item = Key>, top: f64, end: f64) -> Span {
        let mut span = Span::default();
        let mut at = 0.0;
        for (place, height) in self.each(keys).enumerate() {
            let next = at + height;
            if next <= top {
                span.start = place + 1;
            }
            if at < end {
                span.end = place + 1;
            }
            at = next;
        }
        // Scrolled beyond the end, or not yet down to the beginning.
        span.start = span.start.min(span.end.saturating_sub(1));
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    #[test]
    fn rows_never_seen_are_as_high_as_those_that_were() {
        let mut heights = Heights::default();
        assert!((heights.start(0..10, 2) - 300.0).abs() < 0.01);
        heights.learn([(0, 100.0), (1, 200.0)]);
        assert!((heights.start(0..10, 4) - 600.0).abs() < 0.01);
        heights.learn([(0, 400.0)]);
        assert!((heights.start(0..10, 3) - 900.0).abs() < 0.01);
    }

    #[test]
    fn the_rows_in_view_are_found_and_all_others_have_their_room() {
        let mut heights = Heights::default();
        heights.learn((0..1000).map(|key| (key, 100.0)));
        assert_eq!(heights.between(0..1000, 250.0, 550.0), span(2, 6));
        assert_eq!(heights.between(0..1000, -500.0, -100.0), span(0, 0));
        assert_eq!(heights.between(0..1000, -500.0, 100.0), span(0, 1));
        assert_eq!(heights.between(0..1000, 1e9, 2e9), span(999, 1000));
        let (above, below) = heights.around(0..1000, span(200, 240));
        assert!((above - 20_000.0).abs() < 0.01 && (below - 76_000.0).abs() < 0.01);
    }

    #[test]
    fn a_reserve_ends_where_the_list_does() {
        assert_eq!(span(5, 10).with_reserve().within(1000), span(0, 22));
        assert_eq!(span(990, 1000).with_reserve().within(1000), span(978, 1000));
        assert_eq!(span(50, 60).within(10), span(10, 10));
        assert!(span(0, 30).covers(span(3, 30)) && !span(0, 30).covers(span(3, 31)));
    }
}
