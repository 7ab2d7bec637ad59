//! What is news and what is old: pushes come doubled, late and in any order.

/// What is remembered of one thing.
#[derive(Debug)]
struct Entry {
    id: Box<str>,
    /// The newest version seen; versions compare as bytes.
    version: Box<[u8]>,
    removed: bool,
    /// When it was last news: a count of all that ever was.
    news: u64,
}

/// The newest version of each thing, sorted by id.
///
/// A sorted `Vec`, and one table for both kinds of version: a map, or a generic table, would be
/// several times the code in every page.
#[derive(Debug)]
struct Table {
    entries: Vec<Entry>,
    capacity: usize,
    /// Bytes of all ids and versions.
    bytes: usize,
    news: u64,
}

/// The mean length of an id and its version up to which [`Table::capacity`] entries are kept, in
/// bytes. A UUID takes 36, and the table as a whole stays bounded if ids are absurdly long.
const MEAN_BYTES: usize = 128;

impl Table {
    const fn new(capacity: usize) -> Self {
        Self {
            entries: Vec::new(),
            capacity,
            bytes: 0,
            news: 0,
        }
    }

    fn place(&self, id: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (*entry.id).cmp(id))
    }

    fn get(&self, id: &str) -> Option<&Entry> {
        self.place(id)
            .ok()
            .and_then(|place| self.entries.get(place))
    }

    /// Takes the version in, unless one as new was seen.
    fn accept(&mut self, id: &str, version: &[u8], removed: bool) -> bool {
        match self.place(id) {
            Ok(place) => {
                let Some(entry) = self.entries.get_mut(place) else {
                    return false;
                };
                if *entry.version >= *version {
                    return false;
                }
                self.bytes = self.bytes - entry.version.len() + version.len();
                self.news += 1;
                entry.version = version.into();
                entry.removed = removed;
                entry.news = self.news;
            }
            Err(place) => {
                self.news += 1;
                self.bytes += id.len() + version.len();
                let entry = Entry {
                    id: id.into(),
                    version: version.into(),
                    removed,
                    news: self.news,
                };
                self.entries.insert(place, entry);
            }
        }
        while self.entries.len() > self.capacity.max(1)
            || (self.bytes > self.capacity.saturating_mul(MEAN_BYTES) && self.entries.len() > 1)
        {
            self.forget_one();
        }
        true
    }

    /// Forgets what has been no news for longest. Never what is news now: a removal matters most
    /// in the minutes after it.
    fn forget_one(&mut self) {
        let oldest = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| entry.news)
            .map(|(place, _)| place);
        if let Some(place) = oldest {
            let entry = self.entries.remove(place);
            self.bytes -= entry.id.len() + entry.version.len();
        }
    }
}

/// How many things are remembered by default: more than a page shows, and some hundreds of
/// kilobytes at most.
const CAPACITY: usize = 10_000;

/// Whether a snapshot is news: the highest revision seen of each id.
///
/// # What is forgotten
///
/// At most as many ids are remembered as [`Revisions::new`] is told, or fewer if they are longer
/// than 128 bytes on average. Beyond that, those of which there has been no news for longest are
/// forgotten, whether removed or not. A push comes late by seconds or minutes, so what is forgotten
/// that way is not spoken of any more; choose a capacity above the number of things that come, go
/// or change within such a time.
///
/// ```
/// use babelwire_client_core::Revisions;
///
/// let mut revisions = Revisions::default();
/// assert!(revisions.accept("a", 2));
/// assert!(!revisions.accept("a", 2), "the same again");
/// assert!(!revisions.accept("a", 1), "overtaken on its way");
/// assert!(revisions.remove("a", 5));
/// assert!(!revisions.accept("a", 4), "nothing rises from the dead");
/// ```
#[derive(Debug)]
pub struct Revisions {
    table: Table,
}

impl Default for Revisions {
    /// For 10,000 ids.
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl Revisions {
    /// Remembers this many ids.
    pub const fn new(capacity: usize) -> Self {
        Self {
            table: Table::new(capacity),
        }
    }

    /// Whether a snapshot of this revision is news; if so, it is remembered, and this revision and
    /// the lower ones are old from here on.
    pub fn accept(&mut self, id: &str, revision: u64) -> bool {
        self.table.accept(id, &revision.to_be_bytes(), false)
    }

    /// Whether it is news that the thing was removed with this revision. Snapshots of lower
    /// revisions are old from here on; one of a higher revision brings the thing back.
    pub fn remove(&mut self, id: &str, revision: u64) -> bool {
        let is_known = self.is_removed(id);
        self.table.accept(id, &revision.to_be_bytes(), true) && !is_known
    }

    /// Whether it is news that the thing was removed, by somebody who does not say with which
    /// revision. Nothing brings it back.
    pub fn remove_for_good(&mut self, id: &str) -> bool {
        self.remove(id, u64::MAX)
    }

    /// Whether the last news of this id was that it is removed.
    pub fn is_removed(&self, id: &str) -> bool {
        self.table.get(id).is_some_and(|entry| entry.removed)
    }

    /// Whether this id is remembered and not removed.
    pub fn is_alive(&self, id: &str) -> bool {
        self.table.get(id).is_some_and(|entry| !entry.removed)
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.table.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether an object's event is news: the newest sequencer seen of each key.
///
/// S3 delivers an event once or more, in any order, and gives each a sequencer: of two events of
/// one key, the later one has the greater sequencer, compared as text after the shorter one was
/// filled up with zeros on its right. Sequencers of different keys say nothing of each other.
/// Source: "Event message structure" in the Amazon S3 user guide.
///
/// Deletions have a sequencer like all others, so a deletion and a creation are told apart the
/// same way. What is forgotten, and when, is as with [`Revisions`].
///
/// ```
/// use babelwire_client_core::Sequencers;
///
/// let mut sequencers = Sequencers::default();
/// assert!(sequencers.accept("bucket", "key", "0055AED6DCD90281E5"));
/// assert!(!sequencers.accept("bucket", "key", "0055AED6DCD90281E5"), "the same again");
/// assert!(!sequencers.accept("bucket", "key", "0055AED6DCD90281"), "the earlier one");
/// assert!(sequencers.accept("bucket", "other key", "00"));
/// ```
#[derive(Debug)]
pub struct Sequencers {
    table: Table,
}

impl Default for Sequencers {
    /// For 10,000 keys.
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl Sequencers {
    /// Remembers this many keys.
    pub const fn new(capacity: usize) -> Self {
        Self {
            table: Table::new(capacity),
        }
    }

    /// Whether an event with this sequencer is news; if so, it is remembered, and it and the
    /// earlier ones are old from here on.
    pub fn accept(&mut self, bucket: &str, key: &str, sequencer: &str) -> bool {
        // No bucket's name has a slash in it ("General purpose bucket naming rules" in the Amazon
        // S3 user guide), so no two keys become one.
        let mut id = String::with_capacity(bucket.len() + 1 + key.len());
        id.push_str(bucket);
        id.push('/');
        id.push_str(key);
        // To fill up with zeros is to say that zeros on the right do not count.
        let mut sequencer = sequencer.trim_end_matches('0').to_owned();
        // Hexadecimal digits, so their case does not count either.
        sequencer.make_ascii_uppercase();
        self.table.accept(&id, sequencer.as_bytes(), false)
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.table.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_removal_is_news_once_whoever_tells_of_it() {
        let mut revisions = Revisions::default();
        assert!(
            revisions.remove("never seen", 4),
            "its snapshot may be late"
        );
        assert!(!revisions.accept("never seen", 3));
        assert!(!revisions.remove_for_good("never seen"));
        assert!(!revisions.remove("never seen", 4));

        assert!(revisions.accept("a", 1));
        assert!(revisions.remove_for_good("a"));
        assert!(!revisions.remove("a", 2));
        assert!(!revisions.accept("a", u64::MAX));
        assert!(revisions.is_removed("a") && !revisions.is_alive("a"));
    }

    #[test]
    fn an_id_can_be_used_again_with_a_higher_revision_than_its_removal() {
        let mut revisions = Revisions::default();
        revisions.accept("a", 1);
        revisions.remove("a", 2);
        assert!(revisions.accept("a", 3));
        assert!(revisions.is_alive("a"));
        assert!(revisions.remove("a", 4), "and be removed once more");
    }

    #[test]
    fn an_old_removal_does_not_remove_what_came_after_it() {
        let mut revisions = Revisions::default();
        revisions.accept("a", 5);
        assert!(!revisions.remove("a", 4));
        assert!(revisions.is_alive("a"));
    }

    #[test]
    fn memory_is_bounded_and_what_has_been_no_news_for_longest_is_forgotten_first() {
        let mut revisions = Revisions::new(3);
        revisions.remove("removed", 1);
        revisions.accept("lively", 1);
        revisions.accept("quiet", 1);
        revisions.accept("lively", 2);
        revisions.accept("quiet", 1);
        revisions.accept("new", 1);
        assert_eq!(revisions.len(), 3);
        assert!(!revisions.is_removed("removed"));
        revisions.remove("newer", 1);
        assert!(!revisions.is_alive("quiet"), "the same again was no news");
        assert!(!revisions.accept("lively", 1), "still remembered");
        assert!(revisions.is_removed("newer"), "though all others exist");
    }

    #[test]
    fn absurd_ids_do_not_fill_the_memory() {
        let mut revisions = Revisions::new(100);
        for number in 0..1_000 {
            let id = number.to_string() + &"x".repeat(10_000);
            assert!(revisions.accept(&id, 1));
            assert!(!revisions.accept(&id, 1), "the last one is always known");
            assert!(revisions.table.bytes <= 100 * MEAN_BYTES);
        }
        assert!((1..=2).contains(&revisions.len()));
    }

    #[test]
    fn without_any_capacity_the_last_one_is_remembered_all_the_same() {
        let mut revisions = Revisions::new(0);
        assert!(revisions.accept("a", 1) && revisions.accept("b", 1));
        assert!(!revisions.accept("b", 1));
        assert_eq!(revisions.len(), 1);
    }

    #[test]
    fn sequencers_compare_as_if_filled_up_with_zeros_on_the_right() {
        let mut sequencers = Sequencers::default();
        let mut accept = |sequencer| sequencers.accept("b", "k", sequencer);
        assert!(accept("0055"));
        assert!(!accept("005500"), "zeros on the right do not count");
        assert!(!accept("00549999"), "longer is not later");
        assert!(accept("00551"));
        assert!(accept("0055a"), "digits before letters");
        assert!(!accept("0055A"), "case does not count");
        assert!(accept("0055B0"));
        assert!(!accept(""), "a sequencer that says nothing is the earliest");
    }

    #[test]
    fn sequencers_of_different_keys_and_buckets_say_nothing_of_each_other() {
        let mut sequencers = Sequencers::default();
        assert!(sequencers.accept("b", "k/1", "5"));
        for (bucket, key) in [
            ("b", "k"),
            ("b", "k/2"),
            ("c", "k/1"),
            ("b", "K/1"),
            ("bk", "/1"),
        ] {
            assert!(sequencers.accept(bucket, key, "1"), "{bucket} {key}");
        }
        assert_eq!(sequencers.len(), 6);
    }

    proptest! {
        #[test]
        fn what_is_accepted_of_an_id_only_rises(
            news in prop::collection::vec((0_u8..6, 0_u64..20, any::<bool>()), 0..200),
        ) {
            let mut revisions = Revisions::new(4);
            let mut highest = std::collections::BTreeMap::new();
            for (id, revision, removed) in news {
                let id = id.to_string();
                let was_remembered = revisions.table.get(&id).is_some();
                let is_news = if removed {
                    revisions.remove(&id, revision)
                } else {
                    revisions.accept(&id, revision)
                };
                let before = highest.get(&id).copied().filter(|_| was_remembered);
                if is_news {
                    prop_assert!(before.is_none_or(|before| revision > before));
                }
                prop_assert!(revisions.len() <= 4);
                if before.is_none_or(|before| revision > before) {
                    highest.insert(id, revision);
                }
                let bytes: usize = revisions.table.entries.iter()
                    .map(|entry| entry.id.len() + entry.version.len())
                    .sum();
                prop_assert_eq!(bytes, revisions.table.bytes);
                prop_assert!(revisions.table.entries.is_sorted_by(|a, b| a.id < b.id));
            }
        }

        #[test]
        fn what_is_remembered_is_counted_to_the_byte(
            events in prop::collection::vec((0..6_usize, b'1'..=b'9', 0..300_usize), 0..100)
        ) {
            let mut sequencers = Sequencers::new(4);
            for (key, digit, length) in events {
                let sequencer = char::from(digit).to_string().repeat(length);
                sequencers.accept("b", &"k".repeat(key), &sequencer);
                let bytes: usize = sequencers.table.entries.iter()
                    .map(|entry| entry.id.len() + entry.version.len())
                    .sum();
                prop_assert_eq!(bytes, sequencers.table.bytes);
                prop_assert!(bytes <= 4 * MEAN_BYTES && (1..=4).contains(&sequencers.len()));
            }
        }

        #[test]
        fn sequencers_have_s3s_order(a in "[0-9A-F]{0,6}", b in "[0-9A-F]{0,6}") {
            let width = a.len().max(b.len());
            let padded = |text: &str| format!("{text:0<width$}");
            let mut sequencers = Sequencers::default();
            sequencers.accept("b", "k", &a);
            prop_assert_eq!(sequencers.accept("b", "k", &b), padded(&b) > padded(&a));
        }
    }
}
