//! The limits of a fetch.

use crate::address::AddressPolicy;
use std::time::Duration;

/// How images are fetched. The defaults suit the open internet.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// Which addresses may be dialled.
    pub addresses: AddressPolicy,
    /// Ports that may be dialled; any port may where the address is in an allowed network.
    pub allowed_ports: Vec<u16>,
    /// What the crawler calls itself; should name a page that explains it.
    pub user_agent: String,
    /// Looking up the name, connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// From a connection to the answer's headers.
    pub first_byte_timeout: Duration,
    /// Between two pieces of the body.
    pub read_timeout: Duration,
    /// One attempt from first to last byte, redirects included; waiting for memory is not counted.
    pub total_timeout: Duration,
    /// A body that comes slower than this, over [`FetchConfig::rate_window`], is given up.
    pub min_rate_bytes_per_s: u64,
    /// How long a body may be slow.
    pub rate_window: Duration,
    /// The largest file.
    pub max_bytes: u64,
    /// Redirects followed.
    pub max_redirects: u32,
    /// Attempts at one image, the first included; only transient errors are tried again.
    pub max_attempts: u32,
    /// The longest wait before the second attempt; doubles with each further one.
    pub backoff_base: Duration,
    /// The longest wait between attempts, whatever a server's `Retry-After` asks for.
    pub backoff_cap: Duration,
    /// Bytes of bodies held in memory at once, by all fetches together.
    pub memory_budget: u64,
}

impl FetchConfig {
    /// # Errors
    /// Validation: no text that a `User-Agent` header can carry.
    pub fn check_user_agent(text: &str) -> ream_core::Result<()> {
        let visible = !text.is_empty() && text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if visible && text.len() <= 1000 {
            return Ok(());
        }
        Err(ream_core::Error::invalid(
            "user_agent",
            format!("{text:?}"),
            "1 to 1000 visible ASCII characters",
        ))
    }
}

const MIB: u64 = 1024 * 1024;

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            addresses: AddressPolicy::public_only(),
            allowed_ports: vec![80, 443, 8080, 8443],
            user_agent: concat!("ream/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(60),
            min_rate_bytes_per_s: 1024,
            rate_window: Duration::from_secs(20),
            max_bytes: 20 * MIB,
            max_redirects: 5,
            max_attempts: 3,
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
            memory_budget: 192 * MIB,
        }
    }
}
