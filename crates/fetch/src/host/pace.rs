//! When a host may be asked next: its rate, and the times it asked to be left alone.
//!
//! The rate is GCRA with a burst of one: the earliest time of the next request is all there is to remember. The crate
//! `governor` does the same for a table of keys, which would be a second table beside the hosts' own, and knows
//! neither a back-off nor a clock that tests can stop.

use crate::deadline::later;
use crate::error::Failure;
use ream_core::ErrorClass;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Pace {
    between: Duration,
    next_at: Instant,
    left_alone_until: Instant,
    /// Whether that is so long that nobody waits for it.
    is_closed: bool,
    strikes: u32,
    why: Option<(ErrorClass, Option<u16>)>,
}

impl Pace {
    pub(crate) fn new(between: Duration, now: Instant) -> Self {
        Self { between, next_at: now, left_alone_until: now, is_closed: false, strikes: 0, why: None }
    }

    /// A longer time between requests than before; a shorter one changes nothing.
    pub(crate) fn slow_down(&mut self, between: Duration) {
        self.between = self.between.max(between);
    }

    /// When the next request may go out.
    pub(crate) fn ready_at(&self) -> Instant {
        self.next_at.max(self.left_alone_until)
    }

    /// Takes the next request's place in time, if it is now.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let ready = now >= self.ready_at();
        if ready {
            self.next_at = later(now, self.between);
        }
        ready
    }

    /// Why nothing may go out until after `patience` ends, if that is so.
    pub(crate) fn beyond(&self, now: Instant, patience: Instant) -> Option<Failure> {
        let closed = self.is_closed && now < self.left_alone_until;
        let (class, status) = self.why.filter(|_| closed || self.left_alone_until > patience)?;
        let seconds = self.left_alone_until.duration_since(now).as_secs();
        let message = format!("the host asks to be left alone for {seconds} s, which no image waits for");
        let mut failure = Failure::new(class, message).out_of_patience();
        failure.http_status = status;
        Some(failure)
    }

    /// The host asked for fewer requests. `unasked` is the wait where it names none; it doubles with each time that
    /// this happens after an earlier wait, up to `unasked_cap`. Nobody waits for more than `cap`: a host that names more is
    /// not asked again before that time, and its images end.
    pub(crate) fn back_off(
        &mut self,
        failure: &Failure,
        [unasked, unasked_cap, cap]: [Duration; 3],
        now: Instant,
    ) {
        // Answers to requests that were under way together are one refusal, not several.
        if now >= self.left_alone_until {
            self.strikes = self.strikes.saturating_add(1);
        }
        let doubled = unasked.saturating_mul(1 << (self.strikes.saturating_sub(1)).min(16)).min(unasked_cap);
        let wait = failure.retry_after.map_or(doubled, |asked| asked.max(doubled));
        let until = later(now, wait);
        if until > self.left_alone_until {
            (self.left_alone_until, self.is_closed) = (until, wait > cap);
        }
        self.why = Some((failure.class, failure.http_status));
    }

    pub(crate) fn succeeded(&mut self) {
        self.strikes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn refused(retry_after: Option<Duration>) -> Failure {
        Failure::new(ErrorClass::Http429, "HTTP 429").with_status(429).with_retry_after(retry_after)
    }

    #[test]
    fn requests_keep_their_distance() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::ZERO, now);
        assert!(pace.take(now) && pace.take(now));
        pace.slow_down(2 * S);
        pace.slow_down(S);
        assert!(pace.take(now) && !pace.take(now + S) && pace.take(now + 2 * S));
        assert_eq!(pace.ready_at(), now + 4 * S);
    }

    #[test]
    fn a_host_is_left_alone_as_long_as_it_asks_up_to_a_cap() {
        let now = Instant::now();
        let limits = [S, 4 * S, 300 * S];
        let mut pace = Pace::new(Duration::ZERO, now);
        pace.back_off(&refused(Some(120 * S)), limits, now);
        assert_eq!(pace.ready_at(), now + 120 * S);
        pace.back_off(&refused(Some(S)), limits, now);
        assert_eq!(pace.ready_at(), now + 120 * S);
        pace.back_off(&refused(Some(300 * S)), limits, now);
        assert_eq!(pace.ready_at(), now + 300 * S);
        assert!(pace.beyond(now, now + 300 * S).is_none());
        let failure = pace.beyond(now, now + 299 * S).unwrap();
        assert_eq!((failure.class, failure.http_status), (ErrorClass::Http429, Some(429)));
    }

    #[test]
    fn a_host_that_asks_for_more_than_the_cap_is_closed_until_then() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::ZERO, now);
        pace.back_off(&refused(Some(86_400 * S)), [S, 4 * S, 300 * S], now);
        let patience = now + 100_000 * S;
        assert!(pace.beyond(now, patience).unwrap().message.contains("86400 s"));
        assert!(pace.beyond(now + 86_399 * S, patience).is_some());
        assert!(pace.beyond(now + 86_400 * S, patience).is_none());
    }

    #[test]
    fn waits_that_it_does_not_name_double_until_it_answers() {
        let mut now = Instant::now();
        let mut pace = Pace::new(Duration::ZERO, now);
        let limits = [S, 4 * S, 300 * S];
        for seconds in [1, 2, 4, 4] {
            // Eight answers at once are one refusal.
            (0..8).for_each(|_| pace.back_off(&refused(None), limits, now));
            assert_eq!(pace.ready_at(), now + seconds * S);
            now = pace.ready_at();
        }
        pace.succeeded();
        pace.back_off(&refused(None), limits, now);
        assert_eq!(pace.ready_at(), now + S);
    }
}
