//! Who looks at what.
//!
//! Looks are kept in memory alone: they matter as long as somebody looks, and with the process go
//! the connections that they belong to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

/// How many views one connection can have of one translation; a further one ends the oldest.
const VIEWS: usize = 32;

/// Who looks at what.
#[derive(Debug, Default)]
pub(crate) struct Looks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By translation.
    looked: HashMap<String, Looked>,
    /// Told when the looks at a translation change. One for each: a translation has one job.
    watchers: HashMap<String, oneshot::Sender<()>>,
    changes: u64,
}

#[derive(Debug, Default)]
struct Looked {
    /// Of all changes, the last one that was about this translation.
    version: u64,
    /// Oldest look first.
    views: Vec<View>,
}

#[derive(Debug)]
struct View {
    connection: String,
    name: String,
    range: Range<u64>,
}

/// What is looked at in a translation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Tells this from what was looked at before.
    pub(crate) version: u64,
    /// The ranges, newest look first. They may overlap.
    pub(crate) ranges: Vec<Range<u64>>,
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A view looks at a range of a translation from now on. False, and nothing changes, when the
    /// connection looks at `most` other translations already.
    #[must_use]
    pub(crate) fn look(
        &self,
        id: &str,
        connection: &str,
        view: &str,
        range: Range<u64>,
        most: usize,
    ) -> bool {
        let mut state = self.lock();
        let is_of = |view: &View| view.connection == connection;
        let others = state
            .looked
            .iter()
            .filter(|(of, looked)| *of != id && looked.views.iter().any(is_of));
        if others.count() >= most {
            return false;
        }
        let views = &mut state.looked.entry(id.to_owned()).or_default().views;
        views.retain(|other| !(is_of(other) && other.name == view));
        if views.iter().filter(|view| is_of(view)).count() >= VIEWS
            && let Some(oldest) = views.iter().position(is_of)
        {
            views.remove(oldest);
        }
        views.push(View {
            connection: connection.to_owned(),
            name: view.to_owned(),
            range,
        });
        state.changed(id);
        true
    }

    /// Ends a connection's looks at a translation; with a view, that view's alone.
    pub(crate) fn end(&self, id: &str, connection: &str, view: Option<&str>) {
        self.lock().retain(id, |other| {
            other.connection != connection || view.is_some_and(|view| view != other.name)
        });
    }

    /// Ends all looks of a connection.
    pub(crate) fn disconnect(&self, connection: &str) {
        let mut state = self.lock();
        let ids: Vec<_> = state.looked.keys().cloned().collect();
        for id in ids {
            state.retain(&id, |view| view.connection != connection);
        }
    }

    /// Ends all looks at a translation.
    pub(crate) fn forget(&self, id: &str) {
        self.lock().retain(id, |_| false);
    }

    /// What is looked at in a translation.
    pub(crate) fn at(&self, id: &str) -> Sight {
        let state = self.lock();
        state.looked.get(id).map_or_else(Sight::default, |looked| {
            let ranges = looked.views.iter().rev();
            Sight {
                version: looked.version,
                ranges: ranges.map(|view| view.range.clone()).collect(),
            }
        })
    }

    /// What is looked at in a translation, as soon as it is another than the one of this version.
    /// Only the last one to ask for a translation is answered.
    pub(crate) async fn change(&self, id: &str, version: u64) -> Sight {
        loop {
            let told = {
                let mut state = self.lock();
                if state.looked.get(id).map_or(0, |looked| looked.version) != version {
                    drop(state);
                    return self.at(id);
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

    /// What a connection looks at in a translation. The ranges may overlap.
    pub(crate) fn of(&self, id: &str, connection: &str) -> Vec<Range<u64>> {
        let state = self.lock();
        let views = state.looked.get(id).map_or(&[][..], |looked| &looked.views);
        let own = views.iter().filter(|view| view.connection == connection);
        own.map(|view| view.range.clone()).collect()
    }

    /// What every connection looks at in a translation.
    pub(crate) fn by_connection(&self, id: &str) -> BTreeMap<String, Vec<Range<u64>>> {
        let state = self.lock();
        let mut all: BTreeMap<String, Vec<Range<u64>>> = BTreeMap::new();
        for view in state.looked.get(id).map_or(&[][..], |looked| &looked.views) {
            let ranges = all.entry(view.connection.clone()).or_default();
            ranges.push(view.range.clone());
        }
        all
    }

    /// The translations that somebody looks at.
    pub(crate) fn translations(&self) -> HashSet<String> {
        self.lock().looked.keys().cloned().collect()
    }
}

impl State {
    fn retain(&mut self, id: &str, stays: impl Fn(&View) -> bool) {
        let Some(looked) = self.looked.get_mut(id) else {
            return;
        };
        let before = looked.views.len();
        looked.views.retain(stays);
        if looked.views.len() < before {
            self.changed(id);
        }
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

    #[test]
    fn a_newer_look_of_a_view_takes_the_place_of_the_older_one() {
        let looks = Looks::default();
        assert!(looks.look("t", "c", "a", 0..10, 9));
        assert!(looks.look("t", "c", "b", 5..20, 9));
        assert!(looks.look("t", "c", "a", 50..60, 9));
        assert_eq!(looks.at("t").ranges, [50..60, 5..20]);
        looks.end("t", "c", Some("b"));
        assert_eq!(looks.of("t", "c"), vec![50..60]);
        looks.end("t", "somebody else", None);
        looks.end("t", "c", None);
        assert_eq!(looks.at("t"), Sight::default());
        assert!(looks.translations().is_empty());
    }

    #[test]
    fn of_too_many_views_the_oldest_goes_and_no_other_connections() {
        let looks = Looks::default();
        assert!(looks.look("t", "other", "v", 7..8, 9));
        for view in 0..40 {
            assert!(looks.look("t", "c", &view.to_string(), view..view + 1, 9));
        }
        let own: Vec<_> = looks.of("t", "c").iter().map(|range| range.start).collect();
        assert_eq!(own, (8..40).collect::<Vec<_>>());
        assert_eq!(looks.of("t", "other"), vec![7..8]);
    }

    #[test]
    fn a_connection_looks_at_so_many_translations_and_a_lost_one_at_none() {
        let looks = Looks::default();
        assert!(looks.look("t1", "c", "", 0..1, 2));
        assert!(looks.look("t2", "c", "", 0..1, 2));
        assert!(!looks.look("t3", "c", "", 0..1, 2));
        assert!(looks.look("t1", "c", "", 1..2, 2));
        assert!(looks.look("t3", "other", "", 0..1, 2));
        looks.disconnect("c");
        assert_eq!(looks.translations(), HashSet::from(["t3".to_owned()]));
        looks.forget("t3");
        assert!(looks.translations().is_empty());
    }

    #[test]
    fn who_watches_hears_of_every_change_once() {
        let looks = Looks::default();
        let mut change = Box::pin(looks.change("t", 0));
        assert!(change.as_mut().now_or_never().is_none());
        assert!(looks.look("other", "c", "", 0..1, 9));
        assert!(change.as_mut().now_or_never().is_none());
        assert!(looks.look("t", "c", "", 0..5, 9));
        let sight = block_on(change);
        assert_eq!(sight.ranges, vec![0..5]);
        let mut change = Box::pin(looks.change("t", sight.version));
        assert!(change.as_mut().now_or_never().is_none());
        looks.end("t", "c", None);
        assert_eq!(block_on(change), Sight::default());
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
