//! Where things stand, in words.

use babelwire_wire::Status;

use super::{Text, failure, fill, number, plural, plural_with, say, sentence, size_of};
use crate::store::{Link, Row, Stage};

/// Where a row stands.
pub fn state(row: &Row) -> String {
    let text = match &row.stage {
        Stage::Waiting => Text::StateWaiting,
        Stage::Announcing => Text::StateAnnouncing,
        Stage::Interrupted => Text::StateInterrupted,
        Stage::Uploading { sent } if *sent < row.size => {
            return fill(Text::StateUploading, &[&size_of(*sent, row.size)]);
        }
        Stage::Uploading { .. } | Stage::Sent => Text::StateSent,
        Stage::Stopped(trouble) => return fill(Text::StateFailedWhy, &[&sentence(trouble)]),
        Stage::Cancelled => Text::StateCancelledEarly,
        Stage::Remote => {
            let Some(snapshot) = &row.snapshot else {
                return String::new();
            };
            let (done, total) = (snapshot.done, snapshot.total);
            match snapshot.status {
                Status::AwaitingUpload => Text::StateAwaited,
                Status::Queued => Text::StateQueued,
                Status::Translating if total == 0 => Text::StateTranslating,
                Status::Translating => {
                    return plural_with(Text::StateTranslatingSome, total, &[&number(done)]);
                }
                Status::Done if total == 0 => Text::StateDone,
                Status::Done => return plural(Text::StateDoneAll, total),
                Status::Failed => match &snapshot.error {
                    Some(why) => return fill(Text::StateFailedWhy, &[&failure(why)]),
                    None => Text::StateFailed,
                },
                Status::Cancelled if total == 0 => Text::StateCancelled,
                Status::Cancelled => {
                    return plural_with(Text::StateCancelledSome, total, &[&number(done)]);
                }
            }
        }
    };
    say(text).to_owned()
}

/// How far a row is, `(value, max)`: none when there is nothing to wait for, `None` inside when
/// nobody can tell how far.
pub fn progress(row: &Row) -> Option<Option<(u64, u64)>> {
    match row.stage {
        Stage::Uploading { sent } if sent < row.size => Some(Some((sent, row.size))),
        Stage::Waiting
        | Stage::Announcing
        | Stage::Uploading { .. }
        | Stage::Interrupted
        | Stage::Sent => Some(None),
        Stage::Stopped(_) | Stage::Cancelled => None,
        Stage::Remote => match row.status()? {
            Status::Queued => Some(None),
            Status::Translating => {
                let snapshot = row.snapshot.as_ref()?;
                Some((snapshot.total > 0).then_some((snapshot.done, snapshot.total)))
            }
            Status::AwaitingUpload | Status::Done | Status::Failed | Status::Cancelled => None,
        },
    }
}

/// The connection; the contract has the first words.
pub fn link(link: Link) -> &'static str {
    say(match link {
        Link::Connecting => Text::Connecting,
        Link::Open => Text::Connected,
        Link::Waiting | Link::Redialling => Text::Reconnecting,
        Link::Offline => Text::Offline,
        Link::Closed => Text::Disconnected,
    })
}
