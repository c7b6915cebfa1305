//! Fetching images from servers that may be hostile, broken or slow: the calls of this crate.

use crate::budget::{Budget, Reservation};
use crate::config::FetchConfig;
use crate::deadline::{Deadline, later};
use crate::dns::{self, Lookup};
use crate::error::{Failure, FetchError, millis};
use crate::net::Net;
use crate::report::{HostReports, Reports};
use crate::retry;
use crate::robots::Robots;
use crate::target::Target;
use crate::try_once::{Image, Try};
use crate::unfinished::Unfinished;
use bytes::Bytes;
use ream_core::policy::{Policy, RobotsPolicy};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Fetches images; cheap to clone, and all clones share one memory budget, connection pool and table of hosts.
///
/// All fetches of several chunks may be called at once: those that have no turn yet take about two kilobytes each.
#[derive(Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
    limits: Limits,
}

/// What may differ between fetchers that share all else.
#[derive(Debug, Clone, Copy)]
struct Limits {
    robots: RobotsPolicy,
    max_wait: Duration,
    total_timeout: Duration,
}

/// Fetches called and not ended, above which there is no [`Fetcher::room`]: many that wait for the same few hosts
/// would be joined by more of the same.
const MAX_UNFINISHED: usize = 10_000;

struct Inner {
    unfinished: Unfinished,
    net: Net,
    robots: Robots,
    budget: Budget,
    reports: Reports,
}

/// A fetched image. Its bytes count against the memory budget until this is dropped.
pub struct Fetched {
    /// The file as the server sent it.
    pub bytes: Bytes,
    /// What the server calls it, fit for a message.
    pub content_type: String,
    /// The answer's status.
    pub http_status: u16,
    /// The URL after all redirects.
    pub final_url: String,
    /// The answer's `ETag`, if it is visible ASCII of at most 256 bytes.
    pub etag: Option<String>,
    /// The answer's `Last-Modified`, likewise.
    pub last_modified: Option<String>,
    /// Tries made, this one included; at least 1.
    pub tries: u32,
    /// Milliseconds on the network, all tries together; waits for a turn, for memory or between tries do not count.
    pub fetch_ms: u64,
    /// The share of the memory budget that the bytes take.
    pub reservation: Reservation,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("bytes", &self.bytes.len())
            .field("content_type", &self.content_type)
            .field("http_status", &self.http_status)
            .field("final_url", &self.final_url)
            .field("tries", &self.tries)
            .field("fetch_ms", &self.fetch_ms)
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher that looks names up by the system's DNS settings.
    ///
    /// # Errors
    /// If the user agent is no header value, or a certificate cannot be loaded.
    pub fn new(config: FetchConfig) -> reqwest::Result<Self> {
        let lookup = dns::default_lookup(config.dns_cache);
        Self::with_lookup(config, lookup)
    }

    /// A fetcher that asks `lookup` for addresses, each time: [`dns::CachedLookup`] remembers.
    ///
    /// # Errors
    /// As [`Fetcher::new`].
    pub fn with_lookup(config: FetchConfig, lookup: impl Lookup) -> reqwest::Result<Self> {
        let robots = Robots::new(config.product_token());
        let FetchConfig { robots: policy, max_wait, total_timeout, .. } = config;
        let limits = Limits { robots: policy, max_wait, total_timeout };
        let budget = Budget::new(config.memory_budget);
        let lookup: Arc<dyn Lookup> = Arc::new(lookup);
        let net = Net::new(Arc::new(config), &lookup)?;
        let inner = Inner {
            unfinished: Unfinished::new(MAX_UNFINISHED),
            net,
            robots,
            budget,
            reports: Reports::default(),
        };
        Ok(Self { inner: Arc::new(inner), limits })
    }

    /// One that keeps to a job's policy and shares everything else with this one: the job's word on robots, and no image
    /// may take so long that its chunk's time is over.
    #[must_use]
    pub fn within(&self, policy: &Policy) -> Self {
        let share = Duration::from_secs(policy.chunk_timeout_s.into()) / 4;
        let Limits { max_wait, total_timeout, .. } = self.limits;
        let limits = Limits {
            robots: policy.robots,
            max_wait: max_wait.min(share),
            total_timeout: total_timeout.min(share),
        };
        Self { inner: Arc::clone(&self.inner), limits }
    }

    /// Fetches one image, trying again after transient errors. The call itself, not the first poll, takes a place in
    /// the order of fetches: callers that need images in order call in that order; then no fetch can wait for memory
    /// or a turn that a later one holds for ever. All of them must be polled, best each in a task of its own: one that
    /// is left alone half way may hold a turn that others wait for.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch(&self, url: &str) -> impl Future<Output = Result<Fetched, FetchError>> + Send + use<> {
        let (inner, url, reservation) = (Arc::clone(&self.inner), Box::from(url), self.inner.budget.join());
        let unfinished = self.inner.unfinished.count();
        let limits = self.limits;
        async move {
            // Counted until the fetch has ended or was dropped; the result may be kept for longer.
            let _unfinished = unfinished;
            inner.fetch(url, reservation, limits).await
        }
    }

    /// Waits until another fetch would find a place on the network at once, and not too many wait for their hosts
    /// already.
    pub async fn room(&self) {
        self.inner.unfinished.few().await;
        // Whoever waits for a place goes first.
        drop(self.inner.net.gate.slot(u64::MAX).await);
    }

    /// The hosts that failed most and those that took longest so far, at most `most` of each.
    pub fn hosts(&self, most: usize) -> HostReports {
        self.inner.reports.best(most)
    }
}

/// How far a fetch has come.
struct Progress {
    limits: Limits,
    patience: Instant,
    tries: u32,
    busy: Duration,
}

impl Inner {
    async fn fetch(
        &self,
        url: Box<str>,
        mut reservation: Reservation,
        limits: Limits,
    ) -> Result<Fetched, FetchError> {
        let config = &self.net.config;
        let mut progress = Progress {
            limits,
            patience: later(Instant::now(), limits.max_wait),
            tries: 0,
            busy: Duration::ZERO,
        };
        let target = Target::parse(&url, config);
        drop(url);
        let target = target.map_err(|failure| failure.into_error(0, Duration::ZERO))?;
        let done = self.try_often(&target, &mut progress, &mut reservation).await;
        let Progress { tries, busy, .. } = progress;
        let name = crate::host::host_name(target.url());
        match done {
            Ok(image) => {
                self.reports.fetched(name, image.bytes.len() as u64, busy);
                let Image { bytes, content_type, http_status, final_url, etag, last_modified } = image;
                let fetch_ms = millis(busy);
                Ok(Fetched {
                    bytes,
                    content_type,
                    http_status,
                    final_url,
                    etag,
                    last_modified,
                    tries,
                    fetch_ms,
                    reservation,
                })
            }
            Err(failure) => {
                self.reports.failed(name, failure.class, busy);
                Err(failure.into_error(tries, busy))
            }
        }
    }

    async fn try_often(
        &self,
        target: &Target,
        progress: &mut Progress,
        reservation: &mut Reservation,
    ) -> Result<Image, Failure> {
        let config = &self.net.config;
        let mut last: Option<Failure> = None;
        loop {
            let failure = match self.try_once(target.clone(), progress, reservation).await {
                Ok(image) => return Ok(image),
                // The answer of an earlier try says more than that there was no time for another.
                Err(failure) if failure.out_of_patience => return Err(last.unwrap_or(failure)),
                Err(failure) => failure,
            };
            reservation.shrink_to(0);
            let pause = retry::pause(config, progress.tries, fastrand::f64());
            if !failure.again
                || progress.tries >= config.max_tries
                || later(Instant::now(), pause) > progress.patience
            {
                return Err(failure);
            }
            if !self.net.gate.host(target.url()).may_retry() {
                return Err(no_more_retries(failure));
            }
            last = Some(failure);
            sleep(pause).await;
        }
    }

    async fn try_once(
        &self,
        target: Target,
        progress: &mut Progress,
        reservation: &mut Reservation,
    ) -> Result<Image, Failure> {
        let mut one = Try {
            net: &self.net,
            robots: (progress.limits.robots == RobotsPolicy::Respect).then_some(&self.robots),
            reservation,
            deadline: Deadline::new(progress.limits.total_timeout),
            patience: progress.patience,
            asked: false,
        };
        let done = one.run(target).await;
        if one.asked {
            progress.tries += 1;
            progress.busy += one.deadline.spent();
            // It took as long as it had to wait for others; the next try has its own patience.
            progress.patience = later(Instant::now(), progress.limits.max_wait);
        }
        done
    }
}

fn no_more_retries(mut failure: Failure) -> Failure {
    failure.message.push_str(" (not tried again: too much of what this host was asked for failed)");
    failure
}
