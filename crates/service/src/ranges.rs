//! A set of indexes.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of indexes that lie together mostly, as ranges that do not touch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    /// Ends by starts.
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// The end of the range that holds this index.
    fn end_at(&self, index: u64) -> Option<u64> {
        let (_, end) = self.ends.range(..=index).next_back()?;
        (*end > index).then_some(*end)
    }

    pub(crate) fn contains(&self, index: u64) -> bool {
        self.end_at(index).is_some()
    }

    /// The first index from this one on that is not in the set.
    pub(crate) fn next_gap(&self, index: u64) -> u64 {
        self.end_at(index).unwrap_or(index)
    }

    pub(crate) fn insert(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if start >= end {
            return;
        }
        while let Some((&other, &other_end)) = self.ends.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.ends.remove(&other);
            start = start.min(other);
            end = end.max(other_end);
        }
        self.ends.insert(start, end);
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range<u64>>>(ranges: T) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    proptest::proptest! {
        #[test]
        fn it_holds_what_was_put_in_and_nothing_else(
            inserted in proptest::collection::vec((0_u64..60, 0_u64..9), 0..30),
        ) {
            let mut expected = BTreeSet::new();
            let mut ranges = Ranges::default();
            for (start, length) in inserted {
                ranges.insert(start..start + length);
                expected.extend(start..start + length);
            }
            for index in 0..80 {
                proptest::prop_assert_eq!(ranges.contains(index), expected.contains(&index));
                let gap = (index..100).find(|index| !expected.contains(index)).unwrap();
                proptest::prop_assert_eq!(ranges.next_gap(index), gap);
            }
            let starts: Vec<_> = ranges.ends.iter().collect();
            proptest::prop_assert!(starts.windows(2).all(|two| two[0].1 < two[1].0));
        }
    }
}
