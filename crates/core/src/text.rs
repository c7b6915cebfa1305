//! From values to words: times, durations, counts, and what came from outside. The same in messages of every way in.

use crate::timestamp::Timestamp;

/// One line without control characters: nothing in it can move the cursor or change colours.
pub fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// To the second: enough for people. JSON has milliseconds.
pub fn time(at: Timestamp) -> String {
    let full = at.to_string();
    match full.rsplit_once('.') {
        Some((seconds, "000Z" | "")) => format!("{seconds}Z"),
        Some((seconds, fraction)) if fraction.ends_with('Z') => format!("{seconds}Z"),
        _ => full,
    }
}

/// The two largest units: `2 d 3 h`, `1 h 5 min`, `12 s`. Below a second it is rounded up.
pub fn duration(ms: i64) -> String {
    let seconds = ms.unsigned_abs().div_ceil(1000);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    if days > 0 {
        two(days, "d", hours, "h")
    } else if hours > 0 {
        two(hours, "h", minutes, "min")
    } else if minutes > 0 {
        two(minutes, "min", seconds % 60, "s")
    } else {
        format!("{seconds} s")
    }
}

/// `1 chunk`, `5 chunks`.
pub fn count(number: impl Into<i128>, one: &str) -> String {
    let number = number.into();
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
