//! The table of hosts, bounded however many names a list has.

use super::{Domain, Host};
use crate::config::FetchConfig;
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;
use url::{Host as UrlHost, Url};

/// Hosts remembered beyond those in use.
const MAX_HOSTS: usize = 10_000;
/// Hosts remembered because they asked to be left alone.
const MAX_NEEDED: usize = 100_000;
/// Steps of tidying up per look-up; more than one, so that the table shrinks after a rush.
const STEPS: usize = 4;

pub(crate) struct Hosts {
    config: Arc<FetchConfig>,
    tables: Mutex<Tables>,
}

struct Tables {
    hosts: LruCache<String, Arc<Host>>,
    domains: LruCache<String, Arc<Domain>>,
}

impl Hosts {
    pub(crate) fn new(config: Arc<FetchConfig>) -> Self {
        let tables = Tables { hosts: LruCache::unbounded(), domains: LruCache::unbounded() };
        Self { config, tables: Mutex::new(tables) }
    }

    pub(crate) fn get(&self, url: &Url) -> Arc<Host> {
        let name = host_name(url);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = tables.hosts.get(name) {
            return Arc::clone(host);
        }
        let domain = domain(url).map(|domain| {
            let make = || Arc::new(Domain::new(&self.config));
            Arc::clone(tables.domains.get_or_insert_ref(domain, make))
        });
        let host = Arc::new(Host::new(name.to_owned(), domain, &self.config));
        tables.hosts.put(name.to_owned(), Arc::clone(&host));
        let now = Instant::now();
        tidy(&mut tables.hosts, |host| host.is_left_alone(now));
        tidy(&mut tables.domains, |_| false);
        host
    }
}

/// The host's name without its port: lower case, without a closing dot. Empty for a URL without a host.
pub(crate) fn host_name(url: &Url) -> &str {
    let name = url.host_str().unwrap_or_default();
    name.strip_suffix('.').unwrap_or(name)
}

/// What somebody registered, of which the name is a part; by the public suffix list.
fn domain(url: &Url) -> Option<&str> {
    match url.host()? {
        UrlHost::Domain(_) => psl::domain_str(host_name(url)),
        UrlHost::Ipv4(_) | UrlHost::Ipv6(_) => None,
    }
}

/// Forgets what was not used for long. What is in use stays: forgotten, it would be made a second time, with places
/// of its own. A host that asked to be left alone stays as long as that lasts, or the next of its images would ask it
/// again, unless there are very many such hosts.
fn tidy<V>(table: &mut LruCache<String, Arc<V>>, is_needed: impl Fn(&V) -> bool) {
    for _ in 0..STEPS {
        if table.len() <= MAX_HOSTS {
            return;
        }
        if let Some((name, value)) = table.pop_lru()
            && (Arc::strong_count(&value) > 1 || (table.len() < MAX_NEEDED && is_needed(&value)))
        {
            table.put(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::new(Arc::new(FetchConfig::default()))
    }

    fn get(hosts: &Hosts, url: &str) -> Arc<Host> {
        hosts.get(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_host_is_its_name_in_any_spelling_on_any_port() {
        let hosts = hosts();
        let first = get(&hosts, "http://a.example.org/x");
        for url in ["https://A.Example.ORG:8443/", "http://a.example.org./"] {
            assert!(Arc::ptr_eq(&first, &get(&hosts, url)), "{url}");
        }
        assert!(!Arc::ptr_eq(&first, &get(&hosts, "http://b.example.org/")));
    }

    #[test]
    fn names_of_one_registrable_domain_share_a_limit() {
        let domain = |url: &str| domain(&Url::parse(url).unwrap()).map(str::to_owned);
        assert_eq!(domain("http://x7.img.example.co.uk/").as_deref(), Some("example.co.uk"));
        assert_eq!(domain("http://a.github.io/").as_deref(), Some("a.github.io"));
        assert_eq!(domain("http://127.0.0.1/"), None);
        let hosts = hosts();
        let [a, b] = ["http://a.example.org/", "http://b.example.org/"].map(|url| get(&hosts, url));
        let take = |host: &Host| host.domain.as_ref().unwrap().turns.try_take();
        let held: Vec<_> = std::iter::from_fn(|| take(&a)).collect();
        assert_eq!(held.len(), 8, "not known yet");
        assert!(take(&b).is_none());
        (0..100).for_each(|_| b.succeeded());
        let held: Vec<_> = held.into_iter().chain(std::iter::from_fn(|| take(&a))).collect();
        assert_eq!(held.len(), 4 * FetchConfig::default().max_per_host);
        assert!(take(&b).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_what_is_in_use() {
        let hosts = hosts();
        let held = get(&hosts, "http://held.example/");
        for n in 0..2 * MAX_HOSTS {
            get(&hosts, &format!("http://n{n}.wild.example/"));
        }
        assert!(Arc::ptr_eq(&held, &get(&hosts, "http://held.example/")));
        let tables = hosts.tables.lock().unwrap();
        assert_eq!(tables.hosts.len(), MAX_HOSTS);
        assert_eq!(tables.domains.len(), 2);
    }
}
