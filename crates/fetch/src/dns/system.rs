//! The system's own look-up (`getaddrinfo`), which takes a thread per name.

use super::{Found, Lookup, LookupError};
use futures::future::BoxFuture;
use std::io;

/// Asks the system, by whatever it is set up to use.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, Result<Found, LookupError>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await.map_err(|error| read(&error))?;
            Ok(Found { addresses: found.map(|address| address.ip()).collect(), ttl: None })
        })
    }
}

/// The texts of `EAI_NONAME` and `EAI_NODATA` in glibc and musl: the number itself does not come through.
const NO_SUCH_NAME: &[&str] =
    &["Name or service not known", "Name does not resolve", "No address associated with hostname"];

fn read(error: &io::Error) -> LookupError {
    let message = error.to_string();
    if NO_SUCH_NAME.iter().any(|text| message.contains(text)) {
        return LookupError::NoSuchName { message, ttl: None };
    }
    LookupError::Failed { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_failure() {
        let read = |text: &str| read(&io::Error::other(text));
        let gone = "failed to lookup address information: Name or service not known";
        assert!(matches!(read(gone), LookupError::NoSuchName { .. }));
        let later = "failed to lookup address information: Temporary failure in name resolution";
        assert!(matches!(read(later), LookupError::Failed { .. }));
    }
}
