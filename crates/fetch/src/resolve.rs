//! Names to addresses, past the address policy. The connector dials what comes out of here and asks nobody else, so
//! a name cannot change its mind between the check and the connection.

use crate::address::{AddressPolicy, Blocked};
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Looks up a name's addresses.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of the name, in the order to try them.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a name gave no addresses; found again in the chain of causes of a failed request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// At least one of its addresses may not be dialled.
    #[error("the name {host} points to {blocked}")]
    Blocked {
        /// The name.
        host: String,
        /// The address.
        blocked: Blocked,
    },
    /// The name could not be looked up.
    #[error("cannot resolve {host}: {source}")]
    Failed {
        /// The name.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The name has no address.
    #[error("cannot resolve {host}: it has no address")]
    Empty {
        /// The name.
        host: String,
    },
}

/// A resolver that refuses a name as a whole if one of its addresses is blocked: a mixed answer is what an attack
/// by rebinding looks like.
#[derive(Clone)]
pub struct GuardedResolver {
    policy: Arc<AddressPolicy>,
    lookup: Arc<dyn Lookup>,
}

impl GuardedResolver {
    /// Filters what `lookup` finds.
    pub fn new(policy: AddressPolicy, lookup: Arc<dyn Lookup>) -> Self {
        Self { policy: Arc::new(policy), lookup }
    }

    /// The name's addresses, all of which may be dialled.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn addresses(&self, host: String) -> Result<Vec<IpAddr>, ResolveError> {
        let found = match self.lookup.lookup(host.clone()).await {
            Ok(found) if found.is_empty() => return Err(ResolveError::Empty { host }),
            Ok(found) => found,
            Err(source) => return Err(ResolveError::Failed { host, source }),
        };
        match found.iter().find_map(|address| self.policy.check(*address).err()) {
            Some(blocked) => Err(ResolveError::Blocked { host, blocked }),
            None => Ok(found),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.addresses(name.as_str().to_owned()).await?;
            // The connector puts in the port.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds the addresses that the name itself lists.
    struct Spelled;

    impl Lookup for Spelled {
        fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let parse = |text: &str| text.parse().map_err(io::Error::other);
            let found = host.split(' ').filter(|text| !text.is_empty()).map(parse).collect();
            Box::pin(async move { found })
        }
    }

    async fn addresses(host: &str) -> Result<usize, ResolveError> {
        let resolver = GuardedResolver::new(AddressPolicy::public_only(), Arc::new(Spelled));
        resolver.addresses(host.to_owned()).await.map(|found| found.len())
    }

    #[tokio::test]
    async fn one_blocked_address_refuses_the_name() {
        assert!(matches!(addresses("8.8.8.8 2606:4700::1111").await, Ok(2)));
        for host in ["127.0.0.1", "8.8.8.8 10.0.0.1", "::ffff:169.254.169.254 8.8.8.8"] {
            assert!(matches!(addresses(host).await, Err(ResolveError::Blocked { .. })), "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error_of_its_own() {
        assert!(matches!(addresses("").await, Err(ResolveError::Empty { .. })));
        assert!(matches!(addresses("no such host").await, Err(ResolveError::Failed { .. })));
    }
}
