//! A `Retry-After` header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ream_fetch::fuzzing::retry_after;
use std::time::{Duration, SystemTime};

fuzz_target!(|data: &[u8]| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let asked = retry_after(data, now);
    let text = String::from_utf8_lossy(data);
    match text.trim().parse::<u64>() {
        Ok(seconds) if !text.contains('+') && asked.is_some() => {
            assert_eq!(asked, Some(Duration::from_secs(seconds)));
        }
        _ => {}
    }
    if let Some(asked) = asked {
        let digits = text.trim().bytes().all(|byte| byte.is_ascii_digit());
        // A date has a year of four digits.
        assert!(digits || asked < Duration::from_secs(9000 * 366 * 86_400), "{text:?}: {asked:?}");
        // The same instant is nearer an hour later.
        let later = retry_after(data, now + Duration::from_secs(3600)).expect("the same header");
        assert!(later == if digits { asked } else { asked.saturating_sub(Duration::from_secs(3600)) });
    }
});
