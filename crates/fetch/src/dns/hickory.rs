//! DNS without a thread per name, by the settings in `/etc/resolv.conf` and `/etc/hosts`.

use super::{Found, Lookup, LookupError};
use futures::future::BoxFuture;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Asks the name servers that the system is set up for.
#[derive(Clone)]
pub struct HickoryLookup {
    resolver: Arc<TokioResolver>,
}

impl fmt::Debug for HickoryLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HickoryLookup").finish_non_exhaustive()
    }
}

impl HickoryLookup {
    /// Reads the system's settings.
    ///
    /// # Errors
    /// If they cannot be read or name no server.
    pub fn from_system() -> Result<Self, LookupError> {
        let failed = |error: NetError| LookupError::Failed { message: line(&error) };
        Self::build(TokioResolver::builder_tokio().map_err(failed)?)
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, LookupError> {
        let failed = |error: NetError| LookupError::Failed { message: line(&error) };
        let options = builder.options_mut();
        // The cache before this one has limits of its own, for all kinds of look-up.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Always;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // Two for each of many fetches at once: above this number a look-up fails instead of waiting.
        options.max_active_requests = 1024;
        // Within the time that connecting may take.
        options.timeout = options.timeout.min(Duration::from_secs(2));
        options.attempts = options.attempts.min(2);
        let resolver = builder.build().map_err(failed)?;
        Ok(Self { resolver: Arc::new(resolver) })
    }
}

impl Lookup for HickoryLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, Result<Found, LookupError>> {
        let resolver = Arc::clone(&self.resolver);
        Box::pin(async move {
            let found = resolver.lookup_ip(absolute(host)).await.map_err(|error| read(&error))?;
            let ttl = found.valid_until().saturating_duration_since(Instant::now());
            Ok(Found { addresses: found.iter().collect(), ttl: Some(ttl) })
        })
    }
}

/// A name with a dot is a whole name: without this a search list would turn each unknown name into further ones.
fn absolute(mut host: String) -> String {
    if host.contains('.') && !host.ends_with('.') {
        host.push('.');
    }
    host
}

fn read(error: &NetError) -> LookupError {
    let message = line(error);
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if error.is_nx_domain() || none.soa.is_some() => {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            let what = if error.is_nx_domain() { "the name does not exist" } else { "it has no address" };
            LookupError::NoSuchName { message: what.to_owned(), ttl }
        }
        _ => LookupError::Failed { message },
    }
}

fn line(error: &NetError) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
