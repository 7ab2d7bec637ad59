//! Where to look first for a row among many.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Key, Row};

/// How many places are kept in mind. A few thousand rows find theirs nearly always.
const SLOTS: usize = 4096;

/// Where rows were found the last time, by their key or id. It may be wrong, so whoever looks there
/// looks whether it is right; then nothing has to be kept in step when rows come and go.
#[derive(Debug, Default)]
pub(super) struct Hints(RefCell<Vec<u32>>);

impl Hints {
    /// The place of the row with that key.
    pub(super) fn by_key(&self, rows: &[Rc<Row>], key: Key) -> Option<usize> {
        self.find(rows, u64::from(key), |row| row.key == key)
    }

    /// The place of the row with that translation.
    pub(super) fn by_id(&self, rows: &[Rc<Row>], id: &str) -> Option<usize> {
        // FNV-1a of 64 bits, as in draft-eastlake-fnv: ids are no one's to choose.
        let hash = id.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        self.find(rows, hash, |row| row.id() == Some(id))
    }

    fn find(&self, rows: &[Rc<Row>], hash: u64, is: impl Fn(&Row) -> bool) -> Option<usize> {
        let mut places = self.0.borrow_mut();
        if places.is_empty() {
            places.resize(SLOTS, 0);
        }
        let slots = u64::try_from(SLOTS).unwrap_or(u64::MAX);
        let slot = usize::try_from(hash % slots).unwrap_or_default();
        let hint = places.get_mut(slot)?;
        let place = usize::try_from(*hint).unwrap_or_default();
        if rows.get(place).is_some_and(|row| is(row)) {
            return Some(place);
        }
        let place = rows.iter().position(|row| is(row))?;
        *hint = u32::try_from(place).unwrap_or_default();
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Picked;
    use super::*;

    fn rows(keys: impl Iterator<Item = Key>) -> Vec<Rc<Row>> {
        let picked = Picked {
            file: 0,
            name: "a.txt".to_owned(),
            size: 1,
            modified: 0,
            in_folder: false,
        };
        keys.map(|key| Rc::new(Row::local(key, &picked, "en", "es")))
            .collect()
    }

    #[test]
    fn a_row_is_found_wherever_it_has_moved() {
        let hints = Hints::default();
        // More than there are slots: some share theirs.
        let mut rows = rows(0..10_000);
        for _ in 0..2 {
            for (place, row) in rows.iter().enumerate().step_by(97) {
                assert_eq!(hints.by_key(&rows, row.key), Some(place));
            }
            rows.reverse();
        }
        assert_eq!(hints.by_key(&rows, 10_000), None);
        rows.clear();
        assert_eq!(hints.by_key(&rows, 3), None);
        assert_eq!(hints.by_id(&rows, "T1"), None);
    }
}
