//! What hosts did to their images, for the talk at the end of a crawl.

use ream_core::ErrorClass;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Hosts counted at once.
const MAX_HOSTS: usize = 4096;
/// Hosts that go on being counted when there are more, of the worst and of the slowest each.
const KEPT: usize = 512;

/// One host's images, counted by the host of the list's URL, whatever it redirects to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostReport {
    /// The name or address, without a port.
    pub host: String,
    /// Images fetched.
    pub ok: u64,
    /// Images failed, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Bytes of the images fetched.
    pub bytes: u64,
    /// Milliseconds on the network, all images together.
    pub fetch_ms: u64,
}

impl HostReport {
    /// Images failed in all classes together.
    pub fn failed_total(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// The hosts worth telling of. Counts are exact for crawls of up to some thousand hosts; beyond, hosts with few
/// failures and little time are forgotten and begin anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct HostReports {
    /// Those with failures, most failures first.
    pub worst: Vec<HostReport>,
    /// Those that took most time, longest first.
    pub slowest: Vec<HostReport>,
}

#[derive(Default)]
pub(crate) struct Reports {
    hosts: Mutex<HashMap<String, HostReport>>,
}

impl Reports {
    pub(crate) fn fetched(&self, host: &str, bytes: u64, busy: Duration) {
        self.count(host, busy, |report| {
            report.ok += 1;
            report.bytes += bytes;
        });
    }

    pub(crate) fn failed(&self, host: &str, class: ErrorClass, busy: Duration) {
        self.count(host, busy, |report| *report.failed.entry(class).or_default() += 1);
    }

    fn count(&self, host: &str, busy: Duration, add: impl FnOnce(&mut HostReport)) {
        let mut hosts = self.lock();
        if hosts.len() >= MAX_HOSTS && !hosts.contains_key(host) {
            let kept = best(&hosts, KEPT);
            let kept = kept.worst.into_iter().chain(kept.slowest);
            *hosts = kept.map(|report| (report.host.clone(), report)).collect();
        }
        if !hosts.contains_key(host) {
            hosts.insert(host.to_owned(), HostReport::new(host));
        }
        if let Some(report) = hosts.get_mut(host) {
            report.fetch_ms += crate::error::millis(busy);
            add(report);
        }
    }

    pub(crate) fn best(&self, most: usize) -> HostReports {
        best(&self.lock(), most)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HostReport>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostReport {
    fn new(host: &str) -> Self {
        Self { host: host.to_owned(), ok: 0, failed: BTreeMap::new(), bytes: 0, fetch_ms: 0 }
    }
}

fn best(hosts: &HashMap<String, HostReport>, most: usize) -> HostReports {
    let mut worst: Vec<_> = hosts.values().filter(|report| !report.failed.is_empty()).collect();
    // By name in the end, so that the same crawl gives the same list.
    worst.sort_by_key(|report| (Reverse(report.failed_total()), report.host.as_str()));
    let mut slowest: Vec<_> = hosts.values().collect();
    slowest.sort_by_key(|report| (Reverse(report.fetch_ms), report.host.as_str()));
    let take = |sorted: Vec<&HostReport>| sorted.into_iter().take(most).cloned().collect();
    HostReports { worst: take(worst), slowest: take(slowest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_and_the_slowest_stay_however_many_hosts_there_are() {
        let reports = Reports::default();
        for n in 0..20_000 {
            reports.fetched(&format!("n{n}"), 10, Duration::from_millis(1));
            reports.failed("bad", ErrorClass::Dns, Duration::ZERO);
            reports.fetched("slow", 10, Duration::from_millis(50));
        }
        assert!(reports.lock().len() <= MAX_HOSTS);
        let best = reports.best(3);
        assert_eq!((best.worst.len(), best.worst[0].host.as_str()), (1, "bad"));
        assert_eq!(best.worst[0].failed, BTreeMap::from([(ErrorClass::Dns, 20_000)]));
        assert_eq!((best.slowest.len(), best.slowest[0].host.as_str()), (3, "slow"));
        assert_eq!((best.slowest[0].fetch_ms, best.slowest[0].bytes), (1_000_000, 200_000));
    }
}
