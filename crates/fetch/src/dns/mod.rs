//! Names to addresses: who is asked, and how long the answer is remembered. Whether an address may be dialled is
//! judged elsewhere, in [`crate::resolve`].

mod cache;
mod hickory;
mod system;

pub use cache::{CachedLookup, DnsCacheLimits};
use futures::future::BoxFuture;
pub use hickory::HickoryLookup;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
pub use system::SystemLookup;

/// Looks up a name's addresses.
pub trait Lookup: Send + Sync + 'static {
    /// All addresses of the name, in the order to try them.
    fn lookup(&self, host: String) -> BoxFuture<'static, Result<Found, LookupError>>;
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The addresses, in the order to try them.
    pub addresses: Vec<IpAddr>,
    /// How long they hold, where that is known.
    pub ttl: Option<Duration>,
}

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist, or has no address (RFC 2308): asking again soon changes nothing.
    #[error("{message}")]
    NoSuchName {
        /// What was said, in a line.
        message: String,
        /// How long that holds, where it is known.
        ttl: Option<Duration>,
    },
    /// Nobody could say: no answer in time, a server that failed.
    #[error("{message}")]
    Failed {
        /// What happened, in a line.
        message: String,
    },
}

/// The look-up for those who say nothing else: DNS by the system's settings, or the system's own where these cannot
/// be read; remembered within `limits`.
pub fn default_lookup(limits: DnsCacheLimits) -> CachedLookup {
    let lookup: Arc<dyn Lookup> = match HickoryLookup::from_system() {
        Ok(lookup) => Arc::new(lookup),
        Err(error) => {
            tracing::debug!("no usable DNS settings, names are looked up by the system: {error}");
            Arc::new(SystemLookup)
        }
    };
    CachedLookup::new(lookup, limits)
}
