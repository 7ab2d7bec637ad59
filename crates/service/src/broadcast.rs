//! From one frame to many connections.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use babelwire_wire::{Push, Segment, limits};
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::action::json;
use crate::ports::{Owner, Page, PortError, PostError, Record, Subscriber, Work};
use crate::service::{Service, ServiceError};

/// Connections and subscribers read at once.
const PAGE: usize = 500;

/// Frames of one broadcast under way at once: enough that slow clients do not hold up the rest.
const SIDE_BY_SIDE: usize = 1024;

/// How long a client may refuse frames before its connection is closed. It then comes back and
/// asks what it missed, which is better than to go on with a hole in its news.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The same where somebody else waits meanwhile: far below the 29 s that a handler may take.
pub(crate) const PATIENCE_WITHIN_A_HANDLER: Duration = Duration::from_secs(5);

/// How long after `$connect` a connection may look gone because its handshake has not ended.
const HANDSHAKE: SignedDuration = SignedDuration::from_secs(10);

/// Who is told of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// All connections of the owner.
    Surely,
    /// The same; but a newer change follows soon, so who is slow to read may miss this one.
    Fleetingly,
    /// Nobody: a newer change is told soon.
    Nobody,
}

impl Service {
    /// Sends one frame to every connection of an owner: at once, or by way of the queue where there
    /// are so many that they are kept in several shards.
    pub(crate) async fn deliver(
        &self,
        owner: &Owner,
        text: Bytes,
        patience: Duration,
    ) -> Result<(), ServiceError> {
        if self.ports.records.shards(owner) > 1 {
            return self.split(owner, &text, false).await;
        }
        self.broadcast(owner, 0, text, Some(patience)).await
    }

    /// Makes a piece of work of each shard of an owner's connections.
    pub(crate) async fn split(
        &self,
        owner: &Owner,
        text: &Bytes,
        fleeting: bool,
    ) -> Result<(), ServiceError> {
        let shards = 0..self.ports.records.shards(owner);
        let pushed = shards.map(|shard| {
            self.ports.queue.push(Work::Broadcast {
                owner: owner.clone(),
                shard: Some(shard),
                text: text.clone(),
                fleeting,
            })
        });
        futures::future::try_join_all(pushed).await?;
        Ok(())
    }

    /// Sends one frame to every connection of a shard, side by side. Connections that are gone are
    /// forgotten, and no failure of one keeps the frame from another. With a client that is slow to
    /// read, a frame is tried again for as long as `patience` says; not at all without any.
    pub(crate) async fn broadcast(
        &self,
        owner: &Owner,
        shard: u32,
        text: Bytes,
        patience: Option<Duration>,
    ) -> Result<(), ServiceError> {
        let connections = pages(|after| async move {
            let records = &self.ports.records;
            records
                .connections(owner, shard, after.as_deref(), PAGE)
                .await
        });
        connections
            .try_for_each_concurrent(SIDE_BY_SIDE, |connection| {
                let text = text.clone();
                async move {
                    let connected_at = Some(connection.connected_at);
                    if let Some(patience) = patience {
                        self.post(&connection.id, connected_at, text, patience)
                            .await;
                    } else {
                        // Busy: a newer frame follows.
                        let _ = self.post_once(&connection.id, connected_at, text).await;
                    }
                    Ok(())
                }
            })
            .await?;
        Ok(())
    }

    /// Posts a frame until it is taken, there is no sense in it or patience ends.
    pub(crate) async fn post(
        &self,
        connection: &str,
        connected_at: Option<Timestamp>,
        text: Bytes,
        patience: Duration,
    ) -> bool {
        let mut wait = Duration::from_millis(20);
        let begin = self.ports.clock.now();
        loop {
            match self.post_once(connection, connected_at, text.clone()).await {
                Ok(taken) => return taken,
                // By the clock: a post that finds no room has waited for some by itself.
                Err(Busy)
                    if self.ports.clock.now().duration_since(begin).unsigned_abs() >= patience =>
                {
                    tracing::info!(connection, "closing a connection that does not read");
                    if let Err(error) = self.ports.notifier.close(connection).await {
                        tracing::warn!(connection, %error, "could not close a connection");
                    }
                    return false;
                }
                Err(Busy) => {
                    self.ports.clock.sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    /// Posts a frame once. True when it was taken, false when it never will be.
    pub(crate) async fn post_once(
        &self,
        connection: &str,
        connected_at: Option<Timestamp>,
        text: Bytes,
    ) -> Result<bool, Busy> {
        match self.ports.notifier.post(connection, text).await {
            Ok(()) => return Ok(true),
            Err(PostError::Busy) => return Err(Busy),
            Err(PostError::Other(error)) => {
                tracing::warn!(connection, %error, "could not post a frame");
            }
            Err(PostError::Gone) => {
                let is_new = connected_at.is_some_and(|connected_at| {
                    self.ports.clock.now().duration_since(connected_at) < HANDSHAKE
                });
                if !is_new && let Err(error) = self.forget_connection(connection).await {
                    tracing::warn!(connection, %error, "could not forget a connection");
                }
            }
        }
        Ok(false)
    }

    /// Tells its owner's connections of a translation's new state, without waiting for them.
    pub(crate) async fn announce(
        &self,
        record: &Record,
        fleeting: bool,
    ) -> Result<(), ServiceError> {
        let push = Push::Translation {
            translation: record.translation.clone(),
        };
        self.announce_push(&record.owner, &push, fleeting).await
    }

    pub(crate) async fn announce_push(
        &self,
        owner: &Owner,
        push: &Push,
        fleeting: bool,
    ) -> Result<(), ServiceError> {
        let text = Bytes::from(json(push)?);
        let work = Work::Broadcast {
            owner: owner.clone(),
            shard: None,
            text,
            fleeting,
        };
        Ok(self.ports.queue.push(work).await?)
    }

    /// Sends segments that were just kept to whoever listens or looks at them.
    pub(crate) async fn push_segments(
        &self,
        record: &Record,
        segments: &[Segment],
    ) -> Result<(), ServiceError> {
        if segments.is_empty() {
            return Ok(());
        }
        let id = record.translation.id.as_str();
        let total = record.translation.total;
        let news = News {
            id,
            total,
            segments,
            frames: &segment_frames(id, total, segments)?,
        };
        let looks = Mutex::new(self.ports.looks.by_connection(id).await?);
        let looks_of = |connection: &str| {
            let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
            looks.remove(connection).unwrap_or_default()
        };
        let subscribers = pages(|after| async move {
            self.ports
                .records
                .subscribers(id, after.as_deref(), PAGE)
                .await
        });
        subscribers
            .map_err(ServiceError::from)
            .try_for_each_concurrent(SIDE_BY_SIDE, |Subscriber { connection, from }| {
                let looks = looks_of(&connection);
                async move { self.push_news(news, &connection, Some(from), &looks).await }
            })
            .await?;
        let only_look = looks.into_inner().unwrap_or_else(PoisonError::into_inner);
        stream::iter(only_look.into_iter().map(Ok))
            .try_for_each_concurrent(SIDE_BY_SIDE, |(connection, looks)| async move {
                self.push_news(news, &connection, None, &looks).await
            })
            .await
    }

    /// Sends a connection what it wants of new segments: those from `from` on and those in `looks`.
    async fn push_news(
        &self,
        news: News<'_>,
        connection: &str,
        from: Option<u64>,
        looks: &[Range<u64>],
    ) -> Result<(), ServiceError> {
        let News { id, segments, .. } = news;
        let queue = &self.ports.queue;
        let indexes = || segments.iter().map(|segment| segment.index);
        let followed = from.and_then(|from| indexes().filter(|index| *index >= from).min());
        let followed = followed.filter(|first| !queue.is_catching_up(id, connection, *first));
        let is_followed = |index: u64| followed.is_some_and(|first| index >= first);
        let is_looked_at = |index: u64| looks.iter().any(|look| look.contains(&index));
        let looked_at =
            envelope(indexes().filter(|index| is_looked_at(*index) && !is_followed(*index)));
        let looked_at = looked_at.filter(|range| !queue.is_showing(id, connection, range.clone()));
        let wanted: Vec<_> = segments
            .iter()
            .filter(|segment| {
                let index = segment.index;
                is_followed(index) || (looked_at.is_some() && is_looked_at(index))
            })
            .cloned()
            .collect();
        let own;
        let frames = if wanted.len() == segments.len() {
            news.frames
        } else {
            own = segment_frames(id, news.total, &wanted)?;
            &own
        };
        for frame in frames {
            match self.post_once(connection, None, frame.clone()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(Busy) => {
                    let (id, connection) = (id.to_owned(), connection.to_owned());
                    if let Some(range) = looked_at {
                        let (id, connection) = (id.clone(), connection.clone());
                        let work = Work::Show {
                            id,
                            connection,
                            range,
                        };
                        queue.push(work).await?;
                    }
                    if let Some(from) = followed {
                        let work = Work::CatchUp {
                            id,
                            connection,
                            from,
                        };
                        queue.push(work).await?;
                    }
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Segments that were just kept.
#[derive(Clone, Copy)]
struct News<'a> {
    id: &'a str,
    total: u64,
    segments: &'a [Segment],
    /// All of them, as frames.
    frames: &'a [Bytes],
}

/// The smallest range that holds all of these.
fn envelope(indexes: impl Iterator<Item = u64>) -> Option<Range<u64>> {
    indexes.fold(None, |range: Option<Range<u64>>, index| {
        Some(range.map_or(index..index + 1, |range| {
            range.start.min(index)..range.end.max(index + 1)
        }))
    })
}

/// The client does not read fast enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// All items of a paged list, one page in memory at a time.
fn pages<T, F, Fut>(page: F) -> impl stream::Stream<Item = Result<T, PortError>>
where
    F: Fn(Option<String>) -> Fut,
    Fut: Future<Output = Result<Page<T>, PortError>>,
{
    stream::try_unfold((Some(None), page), |(after, page)| async move {
        let Some(after) = after else {
            return Ok::<_, PortError>(None);
        };
        let Page { items, next } = page(after).await?;
        let items = stream::iter(items.into_iter().map(Ok::<T, PortError>));
        Ok(Some((items, (next.map(Some), page))))
    })
    .try_flatten()
}

/// `segments` frames that each stay within what is billed as one message. A segment that does not
/// even fit the largest message is left out: REST has it.
pub(crate) fn segment_frames(
    id: &str,
    total: u64,
    segments: &[Segment],
) -> Result<Vec<Bytes>, ServiceError> {
    let empty = json(&Push::Segments {
        translation_id: id.to_owned(),
        total,
        segments: Vec::new(),
    })?;
    // `…"segments":[` and `]}`.
    let (head, tail) = empty.split_at(empty.len() - 2);
    let mut frames = Vec::new();
    let mut frame = head.to_owned();
    for segment in segments {
        let item = json(segment)?;
        let full = frame.len() + 1 + item.len() + tail.len() > limits::METERED_MESSAGE_BYTES;
        if full && frame.len() > head.len() {
            frame.push_str(tail);
            frames.push(Bytes::from(std::mem::replace(&mut frame, head.to_owned())));
        }
        if head.len() + item.len() + tail.len() > limits::MAX_MESSAGE_BYTES {
            tracing::warn!(
                id,
                index = segment.index,
                "a segment is larger than a message"
            );
            continue;
        }
        if frame.len() > head.len() {
            frame.push(',');
        }
        frame.push_str(&item);
    }
    if frame.len() > head.len() {
        frame.push_str(tail);
        frames.push(Bytes::from(frame));
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use babelwire_wire::{Frame, Inbound};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_hold_every_segment_in_order_and_stay_small(
            texts in proptest::collection::vec(".{0,2000}", 0..40),
        ) {
            let segments: Vec<_> = (0..)
                .zip(texts)
                .map(|(index, text)| Segment { index, source: [index, index + 1], text, failed: false })
                .collect();
            let mut seen = Vec::new();
            for frame in segment_frames("a\"b", 99, &segments).unwrap() {
                prop_assert!(frame.len() <= limits::METERED_MESSAGE_BYTES);
                let frame = String::from_utf8(frame.to_vec()).unwrap();
                match Inbound::parse(frame).frame {
                    Frame::Segments { translation_id, total, segments } => {
                        prop_assert_eq!((translation_id.as_str(), total), ("a\"b", 99));
                        prop_assert!(!segments.is_empty());
                        seen.extend(segments);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!(seen, segments);
        }
    }

    #[test]
    fn a_segment_above_the_largest_message_is_left_out_and_the_others_go() {
        let segment = |index, length| Segment {
            index,
            source: [0, 1],
            text: "x".repeat(length),
            failed: false,
        };
        let segments = [segment(0, 5), segment(1, 200_000), segment(2, 60_000)];
        let frames = segment_frames("id", 3, &segments).unwrap();
        assert_eq!(frames.len(), 2);
        assert!(frames.iter().all(|f| f.len() <= limits::MAX_MESSAGE_BYTES));
    }
}
