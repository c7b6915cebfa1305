//! Remembers what names stand for, and asks for each name once at a time.

use super::{Found, Lookup, LookupError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use lru::LruCache;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How many names are remembered, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsCacheLimits {
    /// Names at most; the least lately used is forgotten first.
    pub max_names: usize,
    /// An answer holds at least so long, whatever its server says.
    pub min_ttl: Duration,
    /// An answer holds at most so long; and so long where its server says nothing.
    pub max_ttl: Duration,
    /// That a name does not exist holds at most so long.
    pub max_negative_ttl: Duration,
    /// That nobody could say holds so long.
    pub failure_ttl: Duration,
}

impl Default for DnsCacheLimits {
    fn default() -> Self {
        Self {
            max_names: 10_000,
            min_ttl: Duration::from_secs(10),
            max_ttl: Duration::from_secs(600),
            max_negative_ttl: Duration::from_secs(300),
            failure_ttl: Duration::from_secs(1),
        }
    }
}

/// Another look-up's answers, remembered.
pub struct CachedLookup {
    lookup: Arc<dyn Lookup>,
    limits: DnsCacheLimits,
    names: Mutex<LruCache<String, Arc<OnceCell<Answer>>>>,
}

#[derive(Clone)]
struct Answer {
    result: Result<Found, LookupError>,
    until: Instant,
}

impl fmt::Debug for CachedLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedLookup").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl CachedLookup {
    /// Remembers what `lookup` finds.
    pub fn new(lookup: Arc<dyn Lookup>, limits: DnsCacheLimits) -> Self {
        let size = NonZeroUsize::new(limits.max_names).unwrap_or(NonZeroUsize::MIN);
        Self { lookup, limits, names: Mutex::new(LruCache::new(size)) }
    }

    /// The name's answer, or the place where it will be.
    fn cell(&self, host: &str) -> Arc<OnceCell<Answer>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(host) {
            Some(cell) if cell.get().is_none_or(|answer| Instant::now() < answer.until) => Arc::clone(cell),
            _ => {
                let cell = Arc::default();
                names.put(host.to_owned(), Arc::clone(&cell));
                cell
            }
        }
    }
}

fn ttl(result: &Result<Found, LookupError>, limits: DnsCacheLimits) -> Duration {
    let max = limits.max_ttl;
    match result {
        Ok(found) => found.ttl.unwrap_or(max).clamp(limits.min_ttl.min(max), max),
        Err(LookupError::NoSuchName { ttl, .. }) => {
            ttl.unwrap_or(limits.max_negative_ttl).min(limits.max_negative_ttl)
        }
        Err(LookupError::Failed { .. }) => limits.failure_ttl,
    }
}

impl Lookup for CachedLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, Result<Found, LookupError>> {
        let (cell, lookup, limits) = (self.cell(&host), Arc::clone(&self.lookup), self.limits);
        async move {
            // One asks and the others wait; where it gives up, the next one asks.
            let ask = || async {
                let result = lookup.lookup(host).await;
                let until = Instant::now() + ttl(&result, limits);
                Answer { result, until }
            };
            cell.get_or_init(ask).await.result.clone()
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Knows names that begin with `known`; holds every answer for the given time; counts.
    struct Counting(Arc<AtomicUsize>, Duration);

    impl Lookup for Counting {
        fn lookup(&self, host: String) -> BoxFuture<'static, Result<Found, LookupError>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let ttl = Some(self.1);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                match host.as_str() {
                    "broken" => Err(LookupError::Failed { message: "no answer".to_owned() }),
                    known if known.starts_with("known") => {
                        Ok(Found { addresses: vec![[8, 8, 8, 8].into()], ttl })
                    }
                    _ => Err(LookupError::NoSuchName { message: "no such name".to_owned(), ttl }),
                }
            })
        }
    }

    fn cache(ttl: Duration, max_names: usize) -> (CachedLookup, impl Fn() -> usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let limits = DnsCacheLimits { max_names, ..DnsCacheLimits::default() };
        let cache = CachedLookup::new(Arc::new(Counting(Arc::clone(&asked), ttl)), limits);
        (cache, move || asked.swap(0, Ordering::Relaxed))
    }

    async fn ask(cache: &CachedLookup, host: &str) {
        assert_eq!(cache.lookup(host.to_owned()).await.is_ok(), host.starts_with("known"));
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_want_one_name_ask_once() {
        let (cache, asked) = cache(Duration::from_secs(60), 10);
        // One of them gives up before the answer: the others do not go without.
        let gave_up = tokio::time::timeout(Duration::from_millis(10), ask(&cache, "known"));
        let (gave_up, _) = futures::join!(gave_up, join_all((0..50).map(|_| ask(&cache, "known"))));
        assert!(gave_up.is_err());
        ask(&cache, "known").await;
        assert_eq!(asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_hold_as_long_as_they_say_within_limits() {
        let second = Duration::from_secs(1);
        for (host, ttl, holds) in [
            ("known", 60, 60),
            ("known", 0, 10),
            ("known", 1_000_000, 600),
            ("gone", 60, 60),
            ("gone", 1_000_000, 300),
            ("broken", 60, 1),
        ] {
            let (cache, asked) = cache(ttl * second, 10);
            ask(&cache, host).await;
            tokio::time::advance(holds * second - Duration::from_millis(1)).await;
            ask(&cache, host).await;
            assert_eq!(asked(), 1, "{host} {ttl}");
            tokio::time::advance(Duration::from_millis(1)).await;
            ask(&cache, host).await;
            assert_eq!(asked(), 1, "{host} {ttl}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_names_are_remembered_than_allowed() {
        let (cache, asked) = cache(Duration::from_secs(60), 2);
        for host in ["known a", "known b", "known c", "known b", "known c", "known a"] {
            ask(&cache, host).await;
        }
        assert_eq!(asked(), 4);
    }
}
