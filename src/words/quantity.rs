//! Numbers, sizes and times in words.

use super::language::intl;
use super::{Text, fill, plural};

const KILO: u64 = 1_000;
const MEGA: u64 = 1_000_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// `1960` as `1,960`.
pub fn number(number: u64) -> String {
    match intl() {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nothing is counted here that comes near 2^53"
        )]
        Some(intl) => (intl.number)(number as f64),
        None => grouped(number),
    }
}

/// A number of tenths, with the decimal only where there is one: `124` as `12.4`, `120` as `12`.
pub fn decimal(tenths: u64) -> String {
    if let Some(intl) = intl() {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nothing is counted here that comes near 2^53"
        )]
        return (intl.number)(tenths as f64 / 10.0);
    }
    let mut number = grouped(tenths / 10);
    if !tenths.is_multiple_of(10) {
        number.push('.');
        number.push_str(&(tenths % 10).to_string());
    }
    number
}

/// In English, where there is nobody to ask.
fn grouped(number: u64) -> String {
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

/// A size in bytes as a person says it: `12.4 MB`.
pub fn size(bytes: u64) -> String {
    if bytes < KILO {
        return plural(Text::Bytes, bytes);
    }
    let unit = if bytes < MEGA {
        Text::Kilobytes
    } else {
        Text::Megabytes
    };
    fill(unit, &[&in_unit_of(bytes, bytes)])
}

/// How much of how much, both in bytes, in the unit of the whole: `12.4 of 50 MB`.
pub fn size_of(part: u64, whole: u64) -> String {
    fill(
        Text::SizeOf,
        &[&in_unit_of(part.min(whole), whole), &size(whole)],
    )
}

fn in_unit_of(bytes: u64, whole: u64) -> String {
    if whole < KILO {
        number(bytes)
    } else if whole < MEGA {
        number(bytes.div_ceil(KILO))
    } else {
        decimal(bytes / (MEGA / 10))
    }
}

/// A time in seconds as a person says it, the finer the shorter it is: `48 s`, `3 min 20 s`,
/// `25 min`, `2 h 5 min`.
pub fn duration(seconds: u64) -> String {
    if seconds < MINUTE {
        return plural(Text::Seconds, seconds);
    }
    // Nobody counts the seconds of what takes that long.
    let minutes = (seconds + MINUTE / 2) / MINUTE;
    if seconds < 10 * MINUTE {
        two(
            (Text::Minutes, seconds / MINUTE),
            (Text::Seconds, seconds % MINUTE),
        )
    } else if minutes < HOUR / MINUTE {
        plural(Text::Minutes, minutes)
    } else {
        two(
            (Text::Hours, minutes / MINUTE),
            (Text::Minutes, minutes % MINUTE),
        )
    }
}

fn two((large, count): (Text, u64), (small, rest): (Text, u64)) -> String {
    let large = plural(large, count);
    if rest == 0 {
        large
    } else {
        fill(Text::TwoTimes, &[&large, &plural(small, rest)])
    }
}
