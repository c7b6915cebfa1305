//! When a failed chunk is tried again.

use crate::policy::Policy;

/// The base wait before retry number `retries_before` (0 for the first), in milliseconds: `backoff_initial_s` × 4ⁿ,
/// at most `backoff_max_s`. By default 30 s, 2 min, 8 min, 32 min, then an hour.
pub fn base_backoff_ms(policy: &Policy, retries_before: u32) -> i64 {
    let factor = 4u64.checked_pow(retries_before).unwrap_or(u64::MAX);
    let wait_s =
        u64::from(policy.backoff_initial_s).saturating_mul(factor).min(u64::from(policy.backoff_max_s));
    // At most 86,400,000: the policy's range.
    i64::try_from(wait_s).unwrap_or(i64::MAX / 1000) * 1000
}

/// The wait with jitter: between half and the whole of [`base_backoff_ms`]. `jitter` is 0 (half) to 1 (whole);
/// anything outside counts as the nearer end.
pub fn backoff_ms(policy: &Policy, retries_before: u32, jitter: f64) -> i64 {
    let base_ms = base_backoff_ms(policy, retries_before);
    let share = if jitter.is_nan() { 1.0 } else { 0.5 + jitter.clamp(0.0, 1.0) / 2.0 };
    ((base_ms as f64) * share).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_waits_are_those_of_the_documentation() {
        let waits: Vec<i64> = (0..6).map(|n| base_backoff_ms(&Policy::default(), n) / 1000).collect();
        assert_eq!(waits, [30, 120, 480, 1920, 3600, 3600]);
    }

    proptest! {
        #[test]
        fn jitter_keeps_the_wait_between_half_and_whole(n in any::<u32>(), jitter in any::<f64>()) {
            let base_ms = base_backoff_ms(&Policy::default(), n);
            let wait_ms = backoff_ms(&Policy::default(), n, jitter);
            prop_assert!(wait_ms * 2 >= base_ms && wait_ms <= base_ms);
        }
    }
}
