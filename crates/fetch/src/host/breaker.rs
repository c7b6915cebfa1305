//! Gives a host up that only fails, so that its images end at once instead of each waiting for its time-outs.

use crate::error::Failure;
use ream_core::ErrorClass;
use std::time::Duration;
use tokio::time::Instant;

/// The longest time a host is given up for, however often it failed its probe.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) struct Breaker {
    /// Failures in a row after which the host is given up; 0 is never.
    limit: u32,
    pause: Duration,
    failures: u32,
    probes_failed: u32,
    given_up_until: Option<Instant>,
    probing: bool,
    last: Option<(ErrorClass, String)>,
}

impl Breaker {
    pub(crate) fn new(limit: u32, pause: Duration) -> Self {
        Self { limit, pause, failures: 0, probes_failed: 0, given_up_until: None, probing: false, last: None }
    }

    /// # Errors
    /// The host is given up; says why.
    pub(crate) fn look(&self, now: Instant) -> Result<(), Failure> {
        match self.given_up_until {
            Some(until) if self.probing || now < until => Err(self.refusal()),
            _ => Ok(()),
        }
    }

    /// Before a request: whether it is the one that finds out whether the host is back.
    pub(crate) fn enter(&mut self, now: Instant) -> Result<bool, Failure> {
        self.look(now)?;
        self.probing = self.given_up_until.is_some();
        Ok(self.probing)
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::new(self.limit, self.pause);
    }

    /// Counts a failure; true if the host is given up from now on.
    pub(crate) fn failed(&mut self, probe: bool, failure: &Failure, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.last = Some((failure.class, failure.message.clone()));
        if probe {
            self.probing = false;
            self.probes_failed = self.probes_failed.saturating_add(1);
        } else if self.given_up_until.is_some() || self.limit == 0 || self.failures < self.limit {
            return false;
        }
        let doubled = self.pause.saturating_mul(1 << self.probes_failed.min(16));
        self.given_up_until = Some(now + doubled.min(LONGEST_PAUSE));
        true
    }

    /// The probe ended without an answer to its question.
    pub(crate) fn probe_abandoned(&mut self) {
        self.probing = false;
    }

    fn refusal(&self) -> Failure {
        let (class, last) = self.last.clone().unwrap_or((ErrorClass::Connect, String::new()));
        let message = format!("host given up after {} failures in a row, last: {last}", self.failures);
        Failure::new(class, message).before_asking()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(60);

    fn failure() -> Failure {
        Failure::new(ErrorClass::Timeout, "no answer")
    }

    fn given_up(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(3, PAUSE);
        assert!(!breaker.failed(false, &failure(), now) && !breaker.failed(false, &failure(), now));
        assert!(breaker.failed(false, &failure(), now));
        breaker
    }

    #[test]
    fn a_host_is_given_up_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, PAUSE);
        for _ in 0..10 {
            assert!(!breaker.failed(false, &failure(), now) && !breaker.failed(false, &failure(), now));
            breaker.succeeded();
        }
        let refused = given_up(now).look(now).unwrap_err();
        assert_eq!(refused.class, ErrorClass::Timeout);
        assert_eq!(refused.message, "host given up after 3 failures in a row, last: no answer");
        assert!(!refused.again);
        let mut never = Breaker::new(0, PAUSE);
        assert!((0..1000).all(|_| !never.failed(false, &failure(), now)));
    }

    #[test]
    fn one_probe_at_a_time_finds_out_and_each_failed_one_doubles_the_wait() {
        let mut now = Instant::now();
        let mut breaker = given_up(now);
        // One that was under way already says nothing new.
        assert!(!breaker.failed(false, &failure(), now));
        for doubled in [1, 2, 4, 8] {
            assert!(breaker.enter(now + PAUSE * doubled - Duration::from_millis(1)).is_err());
            now += PAUSE * doubled;
            assert!(breaker.enter(now).unwrap());
            assert!(breaker.enter(now).is_err());
            assert!(breaker.failed(true, &failure(), now));
        }
        now += PAUSE * 16;
        assert!(breaker.enter(now).unwrap());
        breaker.probe_abandoned();
        assert!(breaker.enter(now).unwrap());
        breaker.succeeded();
        assert!(!breaker.enter(now).unwrap());
    }
}
