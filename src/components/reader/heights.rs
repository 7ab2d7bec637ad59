//! How high the rows of a long text are: measured where they were shown, estimated elsewhere.

use std::collections::BTreeMap;

/// How many rows are looked after together.
const BLOCK: u64 = BLOCK_ROWS as u64;
const BLOCK_ROWS: usize = 64;

/// The heights of all rows, in CSS pixels.
#[derive(Debug, Clone)]
pub(super) struct Heights {
    count: u64,
    /// What a row is taken for that was never shown.
    estimate: f64,
    /// The blocks of which a row was measured.
    blocks: BTreeMap<u64, Block>,
}

#[derive(Debug, Clone)]
struct Block {
    /// Not a number where a row was not measured.
    rows: [f32; BLOCK_ROWS],
    measured: u32,
    /// Of those measured.
    sum: f64,
}

impl Block {
    /// By how much it is higher than a block of that many rows, none of them measured.
    fn excess(&self, estimate: f64) -> f64 {
        self.sum - f64::from(self.measured) * estimate
    }
}

impl Heights {
    pub(super) fn new(estimate: f64) -> Self {
        Self {
            count: 0,
            estimate,
            blocks: BTreeMap::new(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn estimate(&self) -> f64 {
        self.estimate
    }

    /// How many rows there are. Of those that are no more, what was measured stays: it does no harm.
    pub(super) fn set_count(&mut self, count: u64) {
        self.count = count;
    }

    /// Another estimate for the rows that were never shown.
    pub(super) fn set_estimate(&mut self, estimate: f64) {
        self.estimate = estimate;
    }

    /// Forgets all that was measured: the column has another width.
    pub(super) fn forget(&mut self) {
        self.blocks.clear();
    }

    /// How high the measured rows are on average, and how many they are.
    pub(super) fn average(&self) -> Option<(f64, u32)> {
        let (sum, measured) = self
            .blocks
            .values()
            .fold((0.0, 0), |(sum, measured), block| {
                (sum + block.sum, measured + block.measured)
            });
        (measured > 0).then(|| (sum / f64::from(measured), measured))
    }

    /// A row is that high; says whether that is news.
    pub(super) fn measure(&mut self, row: u64, height: f64) -> bool {
        let block = self.blocks.entry(row / BLOCK).or_insert(Block {
            rows: [f32::NAN; BLOCK_ROWS],
            measured: 0,
            sum: 0.0,
        });
        let place = usize::try_from(row % BLOCK).unwrap_or_default();
        let Some(known) = block.rows.get_mut(place) else {
            return false;
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a row's height to a part of a pixel"
        )]
        let height = height as f32;
        if (*known - height).abs() < 0.01 {
            return false;
        }
        if known.is_nan() {
            block.measured += 1;
        } else {
            block.sum -= f64::from(*known);
        }
        block.sum += f64::from(height);
        *known = height;
        true
    }

    /// How high a row is.
    pub(super) fn height(&self, row: u64) -> f64 {
        let place = usize::try_from(row % BLOCK).unwrap_or_default();
        self.blocks
            .get(&(row / BLOCK))
            .and_then(|block| block.rows.get(place))
            .filter(|height| !height.is_nan())
            .map_or(self.estimate, |height| f64::from(*height))
    }

    /// How high all rows are together.
    pub(super) fn total(&self) -> f64 {
        self.top(self.count)
    }

    /// Where a row begins, from the beginning of the first.
    pub(super) fn top(&self, row: u64) -> f64 {
        let own = row / BLOCK;
        let before: f64 = self
            .blocks
            .range(..own)
            .map(|(_, block)| block.excess(self.estimate))
            .sum();
        let within: f64 = (own * BLOCK..row).map(|row| self.height(row)).sum();
        before + as_f64(own * BLOCK) * self.estimate + within
    }

    /// The row at that distance from the beginning of the first, and where it begins; the last
    /// one beyond the end.
    pub(super) fn row_at(&self, y: f64) -> (u64, f64) {
        // From which row on, and where that begins, nothing was measured so far.
        let (mut row, mut top) = (0, 0.0);
        let unmeasured = |row: u64, top: f64| {
            let rows = as_u64((y - top) / self.estimate);
            let last = self.count.saturating_sub(1);
            let found = row.saturating_add(rows).min(last.max(row));
            (found, top + as_f64(found - row) * self.estimate)
        };
        for (&place, block) in &self.blocks {
            let first = place * BLOCK;
            if first >= self.count {
                break;
            }
            let begins = top + as_f64(first - row) * self.estimate;
            if y < begins {
                return unmeasured(row, top);
            }
            (row, top) = (first, begins);
            let ends = top + as_f64(BLOCK) * self.estimate + block.excess(self.estimate);
            if y < ends || first + BLOCK >= self.count {
                let last = self.count.min(first + BLOCK) - 1;
                while row < last && top + self.height(row) <= y {
                    top += self.height(row);
                    row += 1;
                }
                return (row, top);
            }
            (row, top) = (first + BLOCK, ends);
        }
        unmeasured(row, top)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "rows are counted far below 2 to the 53rd"
)]
pub(super) fn as_f64(rows: u64) -> f64 {
    rows as f64
}

/// The whole part of it; nothing below zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub(super) fn as_u64(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of numbers that a float has exactly")]
mod tests {
    use super::*;

    fn heights(count: u64) -> Heights {
        let mut heights = Heights::new(30.0);
        heights.set_count(count);
        heights
    }

    #[test]
    fn rows_that_were_never_shown_have_the_estimate() {
        let heights = heights(1_000_000);
        assert_eq!(heights.total(), 30_000_000.0);
        assert_eq!(heights.top(500_000), 15_000_000.0);
        assert_eq!(heights.row_at(15_000_029.0), (500_000, 15_000_000.0));
    }

    #[test]
    fn a_measured_row_moves_those_after_it_and_no_other() {
        let mut heights = heights(1000);
        assert!(heights.measure(100, 130.0));
        assert!(!heights.measure(100, 130.0), "the same is no news");
        assert_eq!(heights.top(100), 3000.0);
        assert_eq!(heights.top(101), 3130.0);
        assert_eq!(heights.top(1000), 30_100.0);
        assert!(heights.measure(100, 10.0));
        assert_eq!(heights.total(), 29_980.0);
    }

    #[test]
    fn where_a_row_begins_and_which_row_is_there_agree_whatever_was_measured() {
        let mut heights = heights(1000);
        for (place, row) in [0, 1, 63, 64, 65, 300, 301, 640, 998, 999]
            .into_iter()
            .enumerate()
        {
            heights.measure(row, 7.5 + 40.0 * as_f64(place as u64));
        }
        for row in 0..1000 {
            let top = heights.top(row);
            assert_eq!(heights.row_at(top), (row, top), "the first pixel of {row}");
            let last = top + heights.height(row) - 0.25;
            assert_eq!(heights.row_at(last), (row, top), "the last pixel of {row}");
        }
        assert_eq!(heights.row_at(1e9).0, 999, "beyond the end is the last");
        assert_eq!(heights.row_at(-5.0).0, 0);
    }

    #[test]
    fn another_estimate_keeps_what_was_measured() {
        let mut heights = heights(100);
        heights.measure(3, 50.0);
        heights.set_estimate(20.0);
        assert_eq!(heights.height(3), 50.0);
        assert_eq!(heights.total(), 99.0 * 20.0 + 50.0);
        assert_eq!(heights.average(), Some((50.0, 1)));
        heights.forget();
        assert_eq!(heights.total(), 2000.0);
    }

    #[test]
    fn nothing_is_nowhere() {
        let heights = heights(0);
        assert_eq!(heights.total(), 0.0);
        assert_eq!(heights.row_at(10.0), (0, 0.0));
    }
}
