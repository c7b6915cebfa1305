//! From values to words: times, durations, counts, and what came from outside.

use ream::{CrawlJobStatus, JobChunkStatus, Timestamp};

use super::Paint;
pub(crate) use ream::text::{count, duration, printable, time};

/// As [`printable`], but line breaks stay.
pub(crate) fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// At most `max_chars` characters, with a mark where something was cut.
pub(crate) fn cut(text: &str, max_chars: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(max_chars) {
        None => text,
        Some(_) => text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A time that may be missing.
pub(crate) fn maybe_time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

/// Bytes in the unit that leaves one to three digits before the point.
pub(crate) fn bytes(bytes: u128) -> String {
    const UNITS: [&str; 7] = ["kB", "MB", "GB", "TB", "PB", "EB", "ZB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Whether a question was answered with yes; anything else is no.
pub(crate) fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// The colour of a chunk's status.
pub(crate) const fn chunk_paint(status: JobChunkStatus) -> Option<Paint> {
    match status {
        JobChunkStatus::Pending => None,
        JobChunkStatus::Processing => Some(Paint::Cyan),
        JobChunkStatus::Completed => Some(Paint::Green),
        JobChunkStatus::Failed => Some(Paint::Red),
    }
}

/// The colour of a job's status.
pub(crate) const fn job_paint(status: CrawlJobStatus) -> Option<Paint> {
    match status {
        CrawlJobStatus::Pending => None,
        CrawlJobStatus::Running => Some(Paint::Cyan),
        CrawlJobStatus::Paused | CrawlJobStatus::Cancelled => Some(Paint::Yellow),
        CrawlJobStatus::Completed => Some(Paint::Green),
        CrawlJobStatus::Failed => Some(Paint::Red),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_can_drive_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\n\u{9b}c"), "a\\u{1b}[2Jb\\r\\n\\u{9b}c");
        assert_eq!(printable("größer 图"), "größer 图");
        assert_eq!(printable_lines("a\nb\x07"), "a\nb\\u{7}");
    }

    #[test]
    fn a_cut_never_breaks_a_character() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("", 3), "");
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        assert_eq!(duration(0), "0 s");
        assert_eq!(duration(1), "1 s");
        assert_eq!(duration(-12_000), "12 s");
        assert_eq!(duration(65_000), "1 min 5 s");
        assert_eq!(duration(3_600_000), "1 h");
        assert_eq!(duration(90_061_000), "1 d 1 h");
        assert_eq!(duration(i64::MIN), "106751991167 d 7 h");
    }

    #[test]
    fn bytes_keep_few_digits() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1880), "1.9 kB");
        assert_eq!(bytes(999_960), "1.0 MB");
        assert_eq!(bytes(u128::from(u64::MAX) * 376), "6.9 ZB");
        assert!(bytes(u128::MAX).ends_with(" ZB"));
    }

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("Yes\r\n"));
        assert!(!is_yes("\n") && !is_yes("n\n") && !is_yes("") && !is_yes("yep\n"));
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(time(Timestamp::from_unix_ms(0)), "1970-01-01T00:00:00Z");
        assert_eq!(time(Timestamp::from_unix_ms(1_999)), "1970-01-01T00:00:01Z");
        assert_eq!(time(Timestamp::from_unix_ms(i64::MAX)), format!("{}ms", i64::MAX));
    }
}
