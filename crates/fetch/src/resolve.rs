//! Names to addresses, past the address policy. The connector dials what comes out of here and asks nobody else, so
//! a name cannot change its mind between the check and the connection.

use crate::address::{AddressPolicy, Blocked};
use crate::dns::{Lookup, LookupError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Why a name gave no addresses; found again in the chain of causes of a failed request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// At least one of its addresses may not be dialled.
    #[error("the name {host} points to {blocked}{}", among(*.addresses))]
    Blocked {
        /// The name.
        host: String,
        /// The address.
        blocked: Blocked,
        /// How many the name has.
        addresses: usize,
    },
    /// The name could not be looked up.
    #[error("cannot resolve {host}: {source}")]
    Failed {
        /// The name.
        host: String,
        /// What was said.
        source: LookupError,
    },
    /// The name has no address.
    #[error("cannot resolve {host}: it has no address")]
    Empty {
        /// The name.
        host: String,
    },
}

/// Why the others of several addresses do not help.
fn among(addresses: usize) -> String {
    match addresses {
        0 | 1 => String::new(),
        several => format!("; all {several} addresses of the name must be allowed"),
    }
}

/// A resolver that refuses a name as a whole if one of its addresses is blocked: a mixed answer is what an attack
/// by rebinding looks like.
#[derive(Clone)]
pub struct GuardedResolver {
    policy: Arc<AddressPolicy>,
    lookup: Arc<dyn Lookup>,
    limit: Duration,
}

impl GuardedResolver {
    /// Filters what `lookup` finds within `limit`.
    pub fn new(policy: AddressPolicy, lookup: Arc<dyn Lookup>, limit: Duration) -> Self {
        Self { policy: Arc::new(policy), lookup, limit }
    }

    /// The name's addresses, all of which may be dialled.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn addresses(&self, host: String) -> Result<Vec<IpAddr>, ResolveError> {
        let found = timeout(self.limit, self.lookup.lookup(host.clone())).await.unwrap_or_else(|_| {
            Err(LookupError::Failed { message: format!("no answer within {:?}", self.limit) })
        });
        let found = match found {
            Ok(found) if found.addresses.is_empty() => return Err(ResolveError::Empty { host }),
            Ok(found) => found.addresses,
            Err(source) => return Err(ResolveError::Failed { host, source }),
        };
        match found.iter().find_map(|address| self.policy.check(*address).err()) {
            Some(blocked) => Err(ResolveError::Blocked { host, blocked, addresses: found.len() }),
            None => Ok(found),
        }
    }
}

impl ResolveError {
    /// Whether asking again soon may give another answer.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Failed { source: LookupError::Failed { .. }, .. })
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
    use crate::dns::Found;
    use futures::future::BoxFuture;

    /// Finds the addresses that the name itself lists.
    struct Spelled;

    impl Lookup for Spelled {
        fn lookup(&self, host: String) -> BoxFuture<'static, Result<Found, LookupError>> {
            if host == "silent" {
                return Box::pin(std::future::pending());
            }
            let failed = |_| LookupError::Failed { message: "no address".to_owned() };
            let parse = |text: &str| text.parse().map_err(failed);
            let found: Result<_, _> = host.split(' ').filter(|text| !text.is_empty()).map(parse).collect();
            Box::pin(async move { found.map(|addresses| Found { addresses, ttl: None }) })
        }
    }

    async fn addresses(host: &str) -> Result<usize, ResolveError> {
        let resolver =
            GuardedResolver::new(AddressPolicy::public_only(), Arc::new(Spelled), Duration::from_secs(5));
        resolver.addresses(host.to_owned()).await.map(|found| found.len())
    }

    #[tokio::test]
    async fn one_blocked_address_refuses_the_name() {
        assert!(matches!(addresses("8.8.8.8 2606:4700::1111").await, Ok(2)));
        for host in ["127.0.0.1", "8.8.8.8 10.0.0.1", "::ffff:169.254.169.254 8.8.8.8"] {
            let error = addresses(host).await.unwrap_err();
            assert!(matches!(error, ResolveError::Blocked { .. }), "{host}");
            let several = host.contains(' ');
            assert_eq!(
                error.to_string().contains("all 2 addresses of the name must be allowed"),
                several,
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error_of_its_own() {
        assert!(matches!(addresses("").await, Err(ResolveError::Empty { .. })));
        assert!(matches!(addresses("no such host").await, Err(ResolveError::Failed { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_without_an_answer_ends() {
        let error = addresses("silent").await.unwrap_err();
        assert!(error.may_pass(), "{error}");
        assert_eq!(error.to_string(), "cannot resolve silent: no answer within 5s");
    }
}
