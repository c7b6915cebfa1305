//! How fast a job goes, from a few numbers kept beside its counters.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Two windows of completed images: the running one, and the one before it. Together they tell the rate of the
/// last one to two minutes without a look at any chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Throughput {
    /// When the running window began, in Unix milliseconds; 0 before the first completion.
    pub window_started_at_ms: i64,
    /// Images completed in the running window.
    pub window_images: i64,
    /// How long the window before was, in milliseconds.
    pub previous_ms: i64,
    /// Images completed in the window before.
    pub previous_images: i64,
}

impl Throughput {
    /// How long a window runs.
    pub const WINDOW_MS: i64 = 60_000;

    /// Counts `images` completed at `now`. `since` is where the first window begins: the job's first start.
    #[must_use]
    pub fn record(self, images: i64, now: Timestamp, since: Option<Timestamp>) -> Self {
        let now_ms = now.unix_ms();
        let mut next = self;
        if next.window_started_at_ms == 0 {
            next.window_started_at_ms = since.unwrap_or(now).unix_ms();
        }
        let age_ms = now_ms - next.window_started_at_ms;
        if age_ms >= Self::WINDOW_MS {
            next.previous_ms = age_ms;
            next.previous_images = next.window_images;
            next.window_started_at_ms = now_ms;
            next.window_images = 0;
            // After a long pause the old window says nothing about today's rate.
            if age_ms >= 10 * Self::WINDOW_MS {
                next.previous_ms = 0;
                next.previous_images = 0;
            }
        }
        next.window_images = next.window_images.saturating_add(images);
        next
    }

    /// Images per second over both windows, `None` before anything can be told.
    pub fn images_per_second(self, now: Timestamp) -> Option<f64> {
        if self.window_started_at_ms == 0 {
            return None;
        }
        let age_ms = now.unix_ms().saturating_sub(self.window_started_at_ms).max(0);
        let total_ms = age_ms.saturating_add(self.previous_ms);
        let images = self.window_images.saturating_add(self.previous_images);
        (total_ms > 0).then(|| images as f64 * 1000.0 / total_ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_000_000 + ms)
    }

    #[test]
    fn the_rate_is_of_the_last_two_windows() {
        let mut t = Throughput::default().record(500, at(10_000), Some(at(0)));
        assert_eq!(t.images_per_second(at(10_000)), Some(50.0));
        t = t.record(500, at(60_000), None);
        assert_eq!(
            t,
            Throughput {
                window_started_at_ms: at(60_000).unix_ms(),
                window_images: 500,
                previous_ms: 60_000,
                previous_images: 500,
            }
        );
        assert_eq!(t.images_per_second(at(100_000)), Some(10.0));
    }

    #[test]
    fn nothing_completed_has_no_rate() {
        assert_eq!(Throughput::default().images_per_second(at(0)), None);
    }

    #[test]
    fn a_night_without_work_does_not_count_into_the_rate() {
        let t = Throughput::default().record(500, at(1_000), Some(at(0))).record(500, at(36_000_000), None);
        assert_eq!(t.images_per_second(at(36_001_000)), Some(500.0));
    }
}
