//! Hosts: how many requests each bears, how fast, and whether it still answers.
//!
//! A host is a name without its port, or an address: what is to be spared is the machine, whichever of its ports is
//! asked. Several names under one registrable domain share a second, wider limit, against wildcard names.

mod breaker;
mod pace;
mod table;

use crate::config::FetchConfig;
use crate::error::Failure;
use crate::turns::Turns;
use breaker::Breaker;
use pace::Pace;
use ream_core::ErrorClass;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
pub(crate) use table::{Hosts, host_name};
use tokio::time::Instant;

/// Requests at once to a host that has not answered yet, or was too slow the last time. A host that drips would
/// otherwise take every place that it may have, for as long as time limits last.
const TRUSTED_AT_FIRST: usize = 8;

/// How many times a host's requests all names of its registrable domain may have.
const DOMAIN_SHARE: usize = 4;

/// What is known of one host, and its queues.
pub(crate) struct Host {
    pub(crate) name: String,
    /// For images.
    pub(crate) turns: Turns,
    /// For robots.txt: an image may hold its turn while it waits for memory, and nothing may wait for that.
    pub(crate) robots_turns: Turns,
    /// None for an address.
    pub(crate) domain: Option<Arc<Domain>>,
    state: Mutex<State>,
    back_off_limits: [Duration; 3],
}

/// The queues that all names of a registrable domain share, likewise.
pub(crate) struct Domain {
    pub(crate) turns: Turns,
    pub(crate) robots_turns: Turns,
}

struct State {
    breaker: Breaker,
    pace: Pace,
    requests: u64,
    retries: u64,
}

/// Whether a request may go out now.
pub(crate) enum Start {
    Now {
        /// This request finds out whether a host that was given up is back.
        probe: bool,
    },
    /// Another took this moment.
    Later,
}

impl Domain {
    fn new(config: &FetchConfig) -> Self {
        let turns = Turns::growing(TRUSTED_AT_FIRST, config.max_per_host.saturating_mul(DOMAIN_SHARE));
        Self { turns, robots_turns: Turns::new(config.max_per_host) }
    }
}

impl Host {
    fn new(name: String, domain: Option<Arc<Domain>>, config: &FetchConfig) -> Self {
        let rate = config.max_rate_per_host.filter(|rate| rate.is_finite() && *rate > 0.0);
        // A rate too small for the clock is as good as never.
        let between = rate.map_or(Duration::ZERO, |rate| {
            Duration::try_from_secs_f64(rate.recip()).unwrap_or(Duration::MAX)
        });
        Self {
            name,
            turns: Turns::growing(TRUSTED_AT_FIRST, config.max_per_host),
            robots_turns: Turns::new(1),
            domain,
            state: Mutex::new(State {
                breaker: Breaker::new(config.give_up_after, config.give_up_pause),
                pace: Pace::new(between, Instant::now()),
                requests: 0,
                retries: 0,
            }),
            back_off_limits: [config.backoff_base, config.backoff_cap, config.host_backoff_cap],
        }
    }

    /// When a request may go out, or that none may before `patience` ends.
    pub(crate) fn look(&self, now: Instant, patience: Instant) -> Result<Instant, Failure> {
        let state = self.lock();
        state.breaker.look(now)?;
        state.pace.beyond(now, patience).map_or(Ok(()), Err)?;
        Ok(state.pace.ready_at())
    }

    /// Whether it asked to be left alone, or was given up, for longer than now.
    pub(crate) fn is_left_alone(&self, now: Instant) -> bool {
        let state = self.lock();
        state.pace.ready_at() > now || state.breaker.look(now).is_err()
    }

    /// Takes the place of a request in time.
    pub(crate) fn start(&self, now: Instant) -> Result<Start, Failure> {
        let mut state = self.lock();
        state.breaker.look(now)?;
        if !state.pace.take(now) {
            return Ok(Start::Later);
        }
        state.requests += 1;
        Ok(Start::Now { probe: state.breaker.enter(now)? })
    }

    /// The host gave an answer that shows it at work.
    pub(crate) fn succeeded(&self) {
        {
            let mut state = self.lock();
            state.breaker.succeeded();
            state.pace.succeeded();
        }
        self.all_turns().for_each(Turns::grow);
    }

    /// The host's queue of images, and its domain's.
    fn all_turns(&self) -> impl Iterator<Item = &Turns> {
        std::iter::once(&self.turns).chain(self.domain.iter().map(|domain| &domain.turns))
    }

    pub(crate) fn failed(&self, probe: bool, failure: &Failure) {
        use ErrorClass::{BlockedAddress, Connect, Dns, Http5xx, Http429, Timeout, Tls, Truncated};
        let now = Instant::now();
        let mut state = self.lock();
        if failure.back_off {
            state.pace.back_off(failure, self.back_off_limits, now);
        }
        let given_up = match failure.class {
            Connect | Dns | Http5xx | Timeout => state.breaker.failed(probe, failure, now),
            // They say neither that the host is well nor that it is not.
            BlockedAddress | Http429 | Tls | Truncated => {
                if probe {
                    state.breaker.probe_abandoned();
                }
                false
            }
            // A refusal, a page of text: the host is at work.
            _ => {
                state.breaker.succeeded();
                false
            }
        };
        drop(state);
        if failure.class == Timeout {
            self.all_turns().for_each(Turns::shrink);
        }
        if given_up {
            tracing::debug!(host = self.name, "host given up: {}", failure.message);
            self.turns.send_away();
            self.robots_turns.send_away();
        }
    }

    pub(crate) fn probe_abandoned(&self) {
        self.lock().breaker.probe_abandoned();
    }

    /// Requests keep at least this distance from now on.
    pub(crate) fn slow_down(&self, between: Duration) {
        self.lock().pace.slow_down(between);
    }

    /// Whether the host may be asked once more for what failed: of its requests, one in ten may be such, and ten
    /// whatever their number. Without this a host that is going down would get several times its usual requests.
    pub(crate) fn may_retry(&self) -> bool {
        let mut state = self.lock();
        let may = state.retries < 10 + state.requests / 10;
        state.retries += u64::from(may);
        may
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is small and whole, whatever happened to the thread that held the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
