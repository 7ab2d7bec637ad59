//! What a person reads: states, sizes and counts in words.

use babelwire_wire::Status;

use crate::store::{Link, Row, Stage, Trouble};

const KILO: u64 = 1_000;
const MEGA: u64 = 1_000_000;

/// What is said wherever the demonstration's text may be taken for a translation.
pub const DEMONSTRATION: &str = "Demo text, not a translation: no translation engine is installed \
                                 (pseudo translator).";

/// `1960` as `1,960`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 paragraph`, `1,960 paragraphs`.
pub fn paragraphs(number: u64) -> String {
    let noun = if number == 1 {
        " paragraph"
    } else {
        " paragraphs"
    };
    count(number) + noun
}

/// A size in bytes as a person says it: `12.4 MB`.
pub fn size(bytes: u64) -> String {
    let (number, unit) = in_unit_of(bytes, bytes);
    [&number, unit].concat()
}

/// How much of how much, in the unit of the whole: `12.4 of 50 MB`.
pub fn size_of(part: u64, whole: u64) -> String {
    let (part, _) = in_unit_of(part.min(whole), whole);
    let (whole, unit) = in_unit_of(whole, whole);
    [&part, " of ", &whole, unit].concat()
}

fn in_unit_of(bytes: u64, whole: u64) -> (String, &'static str) {
    if whole < KILO {
        (count(bytes), " bytes")
    } else if whole < MEGA {
        (count(bytes.div_ceil(KILO)), " KB")
    } else {
        let tenths = bytes / (MEGA / 10);
        let mut number = count(tenths / 10);
        if !tenths.is_multiple_of(10) {
            number.push('.');
            number.push_str(&(tenths % 10).to_string());
        }
        (number, " MB")
    }
}

/// Where a row stands.
pub fn state(row: &Row) -> String {
    match &row.stage {
        Stage::Waiting => "Waiting to be uploaded".to_owned(),
        Stage::Announcing => "Preparing to upload".to_owned(),
        Stage::Interrupted => "Upload interrupted, starts again by itself".to_owned(),
        Stage::Uploading { sent } if *sent < row.size => {
            ["Uploading, ", &size_of(*sent, row.size)].concat()
        }
        Stage::Uploading { .. } | Stage::Sent => "Uploaded, being checked".to_owned(),
        Stage::Stopped(trouble) => failed(&trouble.title, &trouble.detail),
        Stage::Cancelled => "Cancelled before it was uploaded".to_owned(),
        Stage::Remote => row.snapshot.as_ref().map_or_else(String::new, |snapshot| {
            let (done, total) = (snapshot.done, snapshot.total);
            match snapshot.status {
                Status::AwaitingUpload => "Waiting for its file".to_owned(),
                Status::Queued => "Waiting".to_owned(),
                Status::Translating if total == 0 => "Translating".to_owned(),
                Status::Translating => {
                    ["Translating, ", &count(done), " of ", &paragraphs(total)].concat()
                }
                Status::Done if total == 0 => "Done".to_owned(),
                Status::Done => ["Done, ", &paragraphs(total)].concat(),
                Status::Failed => match &snapshot.error {
                    Some(error) => failed(&error.title, &error.detail),
                    None => "Failed".to_owned(),
                },
                Status::Cancelled if total == 0 => "Cancelled".to_owned(),
                Status::Cancelled => [
                    "Cancelled, ",
                    &count(done),
                    " of ",
                    &paragraphs(total),
                    " translated",
                ]
                .concat(),
            }
        }),
    }
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
    match link {
        Link::Connecting => "Connecting",
        Link::Open => "Connected",
        Link::Waiting | Link::Redialling => "Reconnecting",
        Link::Offline => "You are offline",
        Link::Closed => "Disconnected",
    }
}

/// Trouble as one or two sentences.
pub fn sentence(trouble: &Trouble) -> String {
    joined(&trouble.title, &trouble.detail)
}

fn failed(title: &str, detail: &str) -> String {
    ["Failed: ", &joined(title, detail)].concat()
}

fn joined(title: &str, detail: &str) -> String {
    let title = title.trim().trim_end_matches('.');
    if detail.is_empty() {
        [title, "."].concat()
    } else {
        [title, ". ", detail].concat()
    }
}

/// The beginning of a text, of at most that many bytes, cut between characters.
pub fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_960, "1,960"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn a_part_is_told_in_the_unit_of_the_whole() {
        assert_eq!(size_of(12_400_000, 50_000_000), "12.4 of 50 MB");
        assert_eq!(size_of(900, 1_500_000), "0 of 1.5 MB");
        assert_eq!(size_of(400, 2_500), "1 of 3 KB");
        assert_eq!(size_of(9_999, 120), "120 of 120 bytes");
        assert_eq!(size(1_234_567_890), "1,234.5 MB");
    }

    #[test]
    fn trouble_reads_as_sentences_whatever_its_punctuation() {
        assert_eq!(
            joined("Too large.", "At most 50 MB."),
            "Too large. At most 50 MB."
        );
        assert_eq!(joined("Too large", ""), "Too large.");
    }

    #[test]
    fn a_text_is_never_cut_within_a_character() {
        assert_eq!(beginning("añb", 2), "a");
        assert_eq!(beginning("añb", 99), "añb");
    }
}
