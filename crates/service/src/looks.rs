//! Who looks at what, in one process: looks matter as long as somebody looks, and with the process
//! go the connections that they belong to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::channel::oneshot;

use crate::ports::{Looks, PortError, Sight, Written};

/// How many views one connection can have of one translation; a further one ends the oldest.
const VIEWS: usize = 32;

/// Who looks at what, in memory.
#[derive(Debug, Default)]
pub struct MemoryLooks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By translation.
    looked: HashMap<String, Looked>,
    /// By connection: the translations that it looks at.
    looking: HashMap<String, BTreeSet<String>>,
    /// Told when the looks at a translation change. One for each: a translation has one job.
    watchers: HashMap<String, oneshot::Sender<()>>,
    changes: u64,
}

#[derive(Debug, Default)]
struct Looked {
    /// Of all changes, the last one that was about this translation.
    version: u64,
    /// By connection; oldest look first.
    views: BTreeMap<String, Vec<View>>,
}

#[derive(Debug)]
struct View {
    name: String,
    range: Range<u64>,
    /// Of all changes, the one that it came with.
    since: u64,
}

impl MemoryLooks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Looks for MemoryLooks {
    async fn look(
        &self,
        id: &str,
        connection: &str,
        view: &str,
        range: Range<u64>,
        most: usize,
    ) -> Result<Written, PortError> {
        let mut state = self.lock();
        let looking = state.looking.entry(connection.to_owned()).or_default();
        if !looking.contains(id) {
            if looking.len() >= most {
                return Ok(Written::Conflict);
            }
            looking.insert(id.to_owned());
        }
        let since = state.changes + 1;
        let looked = state.looked.entry(id.to_owned()).or_default();
        let views = looked.views.entry(connection.to_owned()).or_default();
        views.retain(|other| other.name != view);
        if views.len() >= VIEWS {
            views.remove(0);
        }
        views.push(View {
            name: view.to_owned(),
            range,
            since,
        });
        state.changed(id);
        Ok(Written::Yes)
    }

    async fn end(&self, id: &str, connection: &str, view: Option<&str>) -> Result<(), PortError> {
        self.lock().end(id, connection, view);
        Ok(())
    }

    async fn disconnect(&self, connection: &str) -> Result<(), PortError> {
        let mut state = self.lock();
        for id in state.looking.remove(connection).unwrap_or_default() {
            state.end(&id, connection, None);
        }
        Ok(())
    }

    async fn forget(&self, id: &str) -> Result<(), PortError> {
        let mut state = self.lock();
        let views = state.looked.get(id).map(|looked| &looked.views);
        let connections: Vec<_> = views
            .into_iter()
            .flat_map(BTreeMap::keys)
            .cloned()
            .collect();
        for connection in connections {
            state.end(id, &connection, None);
        }
        Ok(())
    }

    async fn change(&self, id: &str, version: u64) -> Result<Sight, PortError> {
        loop {
            let told = {
                let mut state = self.lock();
                let sight = state.sight(id);
                if sight.version != version {
                    return Ok(sight);
                }
                state.watchers.retain(|_, watcher| !watcher.is_canceled());
                let (watcher, told) = oneshot::channel();
                state.watchers.insert(id.to_owned(), watcher);
                told
            };
            if told.await.is_err() {
                // Another one asks now.
                futures::future::pending::<()>().await;
            }
        }
    }

    async fn of(&self, id: &str, connection: &str) -> Result<Vec<Range<u64>>, PortError> {
        let state = self.lock();
        let views = state.looked.get(id).and_then(|at| at.views.get(connection));
        Ok(ranges_of(views.into_iter().flatten()))
    }

    async fn by_connection(
        &self,
        id: &str,
    ) -> Result<BTreeMap<String, Vec<Range<u64>>>, PortError> {
        let state = self.lock();
        let all = state.looked.get(id).map(|looked| &looked.views);
        Ok(all
            .into_iter()
            .flatten()
            .map(|(connection, views)| (connection.clone(), ranges_of(views)))
            .collect())
    }

    fn translations(&self) -> HashSet<String> {
        self.lock().looked.keys().cloned().collect()
    }
}

impl State {
    fn sight(&self, id: &str) -> Sight {
        self.looked.get(id).map_or_else(Sight::default, |looked| {
            let mut views: Vec<_> = looked.views.values().flatten().collect();
            views.sort_by_key(|view| Reverse(view.since));
            Sight {
                version: looked.version,
                ranges: views.into_iter().map(|view| view.range.clone()).collect(),
            }
        })
    }

    fn end(&mut self, id: &str, connection: &str, view: Option<&str>) {
        let Some(looked) = self.looked.get_mut(id) else {
            return;
        };
        let Some(views) = looked.views.get_mut(connection) else {
            return;
        };
        let before = views.len();
        views.retain(|other| view.is_some_and(|view| view != other.name));
        if views.len() == before {
            return;
        }
        if views.is_empty() {
            looked.views.remove(connection);
            if let Some(looking) = self.looking.get_mut(connection) {
                looking.remove(id);
                if looking.is_empty() {
                    self.looking.remove(connection);
                }
            }
        }
        self.changed(id);
    }

    fn changed(&mut self, id: &str) {
        self.changes += 1;
        if let Some(looked) = self.looked.get_mut(id) {
            looked.version = self.changes;
            if looked.views.is_empty() {
                self.looked.remove(id);
            }
        }
        if let Some(watcher) = self.watchers.remove(id) {
            // Who asked may be gone.
            let _ = watcher.send(());
        }
    }
}

fn ranges_of<'a>(views: impl IntoIterator<Item = &'a View>) -> Vec<Range<u64>> {
    views.into_iter().map(|view| view.range.clone()).collect()
}

/// The parts of `range` that are in any of `others`, ascending; they do not overlap.
pub(crate) fn intersect(range: &Range<u64>, others: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut parts: Vec<_> = others
        .iter()
        .map(|other| range.start.max(other.start)..range.end.min(other.end))
        .filter(|part| part.start < part.end)
        .collect();
    parts.sort_by_key(|part| part.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::executor::block_on;

    use super::*;

    fn look(
        looks: &MemoryLooks,
        id: &str,
        connection: &str,
        view: &str,
        range: Range<u64>,
        most: usize,
    ) -> bool {
        let looked = looks.look(id, connection, view, range, most);
        block_on(looked).unwrap() == Written::Yes
    }

    fn of(looks: &MemoryLooks, id: &str, connection: &str) -> Vec<Range<u64>> {
        block_on(looks.of(id, connection)).unwrap()
    }

    #[test]
    fn a_newer_look_of_a_view_takes_the_place_of_the_older_one() {
        let looks = MemoryLooks::default();
        assert!(look(&looks, "t", "c", "a", 0..10, 9));
        assert!(look(&looks, "t", "c", "b", 5..20, 9));
        assert!(look(&looks, "t", "c", "a", 50..60, 9));
        assert_eq!(looks.lock().sight("t").ranges, [50..60, 5..20]);
        block_on(looks.end("t", "c", Some("b"))).unwrap();
        assert_eq!(of(&looks, "t", "c"), vec![50..60]);
        block_on(looks.end("t", "somebody else", None)).unwrap();
        block_on(looks.end("t", "c", None)).unwrap();
        assert_eq!(looks.lock().sight("t"), Sight::default());
        assert!(looks.translations().is_empty());
    }

    #[test]
    fn of_too_many_views_the_oldest_goes_and_no_other_connections() {
        let looks = MemoryLooks::default();
        assert!(look(&looks, "t", "other", "v", 7..8, 9));
        for view in 0..40 {
            assert!(look(&looks, "t", "c", &view.to_string(), view..view + 1, 9));
        }
        let own: Vec<_> = of(&looks, "t", "c")
            .iter()
            .map(|range| range.start)
            .collect();
        assert_eq!(own, (8..40).collect::<Vec<_>>());
        assert_eq!(of(&looks, "t", "other"), vec![7..8]);
    }

    #[test]
    fn a_connection_looks_at_so_many_translations_and_a_lost_one_at_none() {
        let looks = MemoryLooks::default();
        assert!(look(&looks, "t1", "c", "", 0..1, 2));
        assert!(look(&looks, "t2", "c", "", 0..1, 2));
        assert!(!look(&looks, "t3", "c", "", 0..1, 2));
        assert!(look(&looks, "t1", "c", "", 1..2, 2));
        assert!(look(&looks, "t3", "other", "", 0..1, 2));
        block_on(looks.disconnect("c")).unwrap();
        assert_eq!(looks.translations(), HashSet::from(["t3".to_owned()]));
        block_on(looks.forget("t3")).unwrap();
        assert!(looks.translations().is_empty());
        assert!(looks.lock().looking.is_empty(), "nothing is left behind");
    }

    #[test]
    fn who_watches_hears_of_every_change_once() {
        let looks = MemoryLooks::default();
        let mut change = Box::pin(looks.change("t", 0));
        assert!(change.as_mut().now_or_never().is_none());
        assert!(look(&looks, "other", "c", "", 0..1, 9));
        assert!(change.as_mut().now_or_never().is_none());
        assert!(look(&looks, "t", "c", "", 0..5, 9));
        let sight = block_on(change).unwrap();
        assert_eq!(sight.ranges, vec![0..5]);
        let mut change = Box::pin(looks.change("t", sight.version));
        assert!(change.as_mut().now_or_never().is_none());
        block_on(looks.end("t", "c", None)).unwrap();
        assert_eq!(block_on(change).unwrap(), Sight::default());
    }

    #[test]
    fn what_is_left_of_a_range_is_what_somebody_looks_at() {
        assert_eq!(
            intersect(&(10..50), &[40..60, 0..12, 11..20, 70..80]),
            [10..20, 40..50]
        );
        assert!(intersect(&(10..50), &[0..10, 50..60]).is_empty());
    }
}
