//! Where things stand, in words.

use babelwire_wire::{Status, Translation};

use super::{Text, duration, failure, fill, number, plural, plural_with, say, sentence, size_of};
use crate::store::{Link, Row, Stage};

/// Where a row stands.
pub fn state(row: &Row) -> String {
    say(match &row.stage {
        Stage::Checking => Text::StateChecking,
        Stage::Held => Text::StateHeld,
        Stage::Waiting => Text::StateWaiting,
        Stage::Announcing => Text::StateAnnouncing,
        Stage::Interrupted => Text::StateInterrupted,
        Stage::Uploading { sent } if *sent < row.size => {
            let sent = size_of(*sent, row.size);
            return match row.left {
                Some(left) => fill(Text::StateUploadingLeft, &[&sent, &duration(left)]),
                None => fill(Text::StateUploading, &[&sent]),
            };
        }
        Stage::Uploading { .. } => Text::StateUploaded,
        Stage::Sent => Text::StateReceived,
        Stage::Stopped(trouble) => return fill(Text::StateFailedWhy, &[&sentence(trouble)]),
        Stage::Cancelled => Text::StateCancelledEarly,
        Stage::Remote => {
            return row
                .snapshot
                .as_ref()
                .map_or_else(String::new, |snapshot| of_snapshot(snapshot));
        }
    })
    .to_owned()
}

/// What the backend says of a translation.
fn of_snapshot(snapshot: &Translation) -> String {
    let (done, total) = (snapshot.done, snapshot.total);
    say(match snapshot.status {
        Status::AwaitingUpload => Text::StateAwaited,
        Status::Queued => match snapshot.ahead {
            None => Text::StateQueued,
            Some(0) => Text::StateQueuedNext,
            Some(ahead) => return plural(Text::StateQueuedBehind, ahead),
        },
        Status::Translating if total == 0 => Text::StateTranslating,
        Status::Translating => {
            return plural_with(Text::StateTranslatingSome, total, &[&number(done)]);
        }
        Status::Done if snapshot.failed > 0 => {
            return plural(Text::StateDonePartly, snapshot.failed);
        }
        Status::Done if total == 0 => Text::StateDone,
        Status::Done => {
            return match took(snapshot) {
                Some(seconds) => plural_with(Text::StateDoneIn, total, &[&duration(seconds)]),
                None => plural(Text::StateDoneAll, total),
            };
        }
        Status::Failed => match &snapshot.error {
            Some(why) => return fill(Text::StateFailedWhy, &[&failure(why)]),
            None => Text::StateFailed,
        },
        Status::Cancelled if done == 0 => Text::StateCancelled,
        Status::Cancelled => {
            return plural_with(Text::StateCancelledSome, total, &[&number(done)]);
        }
    })
    .to_owned()
}

/// The seconds that translating took, one at least.
fn took(snapshot: &Translation) -> Option<u64> {
    let started = seconds(snapshot.started_at.as_deref()?)?;
    let finished = seconds(snapshot.finished_at.as_deref()?)?;
    Some(finished.checked_sub(started)?.max(1))
}

/// A time of RFC 3339 in UTC, in seconds since some day long ago: good for differences.
fn seconds(time: &str) -> Option<u64> {
    let bytes = time.as_bytes();
    let number = |from: usize, length: usize| -> Option<u64> {
        bytes
            .get(from..from + length)?
            .iter()
            .try_fold(0, |sum, byte| {
                byte.is_ascii_digit()
                    .then(|| sum * 10 + u64::from(byte - b'0'))
            })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// How far a row is, `(value, max)`: none when there is nothing to wait for, `None` inside when
/// nobody can tell how far. Never all of it: whether something is whole is the backend's to say.
pub fn progress(row: &Row) -> Option<Option<(u64, u64)>> {
    let part = |value: u64, max: u64| (value < max).then_some((value, max));
    match row.stage {
        Stage::Uploading { sent } => Some(part(sent, row.size)),
        Stage::Checking | Stage::Waiting | Stage::Announcing | Stage::Interrupted | Stage::Sent => {
            Some(None)
        }
        Stage::Held | Stage::Stopped(_) | Stage::Cancelled => None,
        Stage::Remote => match row.status()? {
            Status::Queued => Some(None),
            Status::Translating => {
                let snapshot = row.snapshot.as_ref()?;
                Some(part(snapshot.done, snapshot.total))
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
