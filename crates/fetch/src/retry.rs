//! How long to wait before the next try.

use crate::config::FetchConfig;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// Full jitter: `unit` is evenly spread over 0 to 1. What a server asks for is waited for at the host's gate.
pub(crate) fn pause(config: &FetchConfig, tries: u32, unit: f64) -> Duration {
    let doubled =
        config.backoff_base.saturating_mul(1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(config.backoff_cap).mul_f64(unit.clamp(0.0, 1.0))
}

/// `Retry-After` in either of its forms: seconds, or a date (RFC 9110 section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits mean a very long time, which the cap cuts short.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        retry_after(&headers, now)
    }

    #[test]
    fn retry_after_comes_as_seconds_or_as_a_date() {
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert!(asked("99999999999999999999999999") > Some(Duration::from_secs(1_000_000)));
        for nonsense in ["", "-1", "soon", "1.5"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn waits_double_with_jitter_up_to_the_cap() {
        let config = FetchConfig::default();
        let wait = |tries, unit| pause(&config, tries, unit);
        assert_eq!([wait(1, 0.0), wait(1, 1.0)], [Duration::ZERO, Duration::from_millis(500)]);
        assert_eq!([wait(2, 1.0), wait(3, 0.5)], [Duration::from_secs(1), Duration::from_secs(1)]);
        assert_eq!([wait(40, 1.0), wait(u32::MAX, 1.0)], [config.backoff_cap; 2]);
    }
}
