//! The limits of a fetch.

use crate::address::AddressPolicy;
use crate::dns::DnsCacheLimits;
use ream_core::policy::RobotsPolicy;
use std::time::Duration;

/// How images are fetched. The defaults suit the open internet.
///
/// Every image ends: its waits for a host that asked to be left alone, between tries and for turns that are not given end with
/// [`FetchConfig::max_wait`], a queue that moves comes to it, each try ends with [`FetchConfig::total_timeout`], and waits for memory end with the
/// images before it, of which the same holds.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// Which addresses may be dialled.
    pub addresses: AddressPolicy,
    /// Ports that may be dialled; any port may where the address is in an allowed network.
    pub allowed_ports: Vec<u16>,
    /// What the crawler calls itself; should name a page that explains it. Its first product is also the name that
    /// robots.txt and `X-Robots-Tag` are read for.
    pub user_agent: String,
    /// Whether robots.txt and `X-Robots-Tag` are obeyed.
    pub robots: RobotsPolicy,
    /// Looking up the name, connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// From a connection to the end of the answer's headers.
    pub first_byte_timeout: Duration,
    /// Between two pieces of the body.
    pub read_timeout: Duration,
    /// One try from first to last byte, redirects included; waiting for a turn or for memory is not counted.
    pub total_timeout: Duration,
    /// An image's patience with each try: after so long no queue that does not move, no back-off and no further try is
    /// waited for. Shorter than the time a worker has for a chunk.
    pub max_wait: Duration,
    /// A body that comes slower than this, over [`FetchConfig::rate_window`], is given up.
    pub min_rate_bytes_per_s: u64,
    /// How long a body may be slow.
    pub rate_window: Duration,
    /// The largest file.
    pub max_bytes: u64,
    /// The largest header section of an answer, names and values together.
    pub max_header_bytes: u32,
    /// Redirects followed.
    pub max_redirects: u32,
    /// Tries of one image, the first included; only transient errors are tried again.
    pub max_tries: u32,
    /// The longest wait before the second try; doubles with each further one.
    pub backoff_base: Duration,
    /// The longest wait between tries that no server asked for.
    pub backoff_cap: Duration,
    /// Fetches of images on the network at once, at least 1. As many again may be there that are slow, and as many
    /// fetches of robots.txt.
    pub max_in_flight: usize,
    /// After this time on the network a fetch counts as slow and gives its place to another.
    pub slow_after: Duration,
    /// Requests to one host at once, at least 1; its robots.txt comes on top. All names under one registrable domain
    /// together may have four times as many.
    pub max_per_host: usize,
    /// Requests per second to one host; none is no limit.
    pub max_rate_per_host: Option<f64>,
    /// The longest `crawl-delay` of a robots.txt that is obeyed; a longer one counts as this.
    pub max_crawl_delay: Duration,
    /// The longest time that images wait for a host that asks to be left alone; if its `Retry-After` asks for more, they
    /// end, and it is not asked before.
    pub host_backoff_cap: Duration,
    /// A host is given up after so many failures in a row without an answer between; 0 is never.
    pub give_up_after: u32,
    /// How long a host is given up for before one request finds out; doubles each time that fails.
    pub give_up_pause: Duration,
    /// Bytes in memory at once, fetched files and work on them together; see [`crate::Reservation`].
    pub memory_budget: u64,
    /// How long names are remembered.
    pub dns_cache: DnsCacheLimits,
    /// Certificates in DER that are trusted beside the system's: an intranet's, or a test's.
    pub extra_root_certificates: Vec<Vec<u8>>,
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

    /// A `User-Agent` that tells the truth: product, version and, where given, a page or address for complaints.
    pub fn user_agent_with_contact(contact: Option<&str>) -> String {
        let product = concat!("ream/", env!("CARGO_PKG_VERSION"));
        contact.map_or_else(|| product.to_owned(), |contact| format!("{product} (+{contact})"))
    }

    /// The name that sites call this crawler by (RFC 9309 section 2.2.1): the user agent up to its version.
    pub fn product_token(&self) -> &str {
        self.user_agent.split(['/', ' ']).next().unwrap_or_default()
    }
}

const MIB: u64 = 1024 * 1024;

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            addresses: AddressPolicy::public_only(),
            allowed_ports: vec![80, 443, 8080, 8443],
            user_agent: Self::user_agent_with_contact(None),
            robots: RobotsPolicy::Respect,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(60),
            max_wait: Duration::from_secs(1800),
            min_rate_bytes_per_s: 1024,
            rate_window: Duration::from_secs(20),
            max_bytes: 20 * MIB,
            max_header_bytes: 64 * 1024,
            max_redirects: 5,
            max_tries: 3,
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
            max_in_flight: 64,
            slow_after: Duration::from_secs(3),
            max_per_host: 8,
            max_rate_per_host: None,
            max_crawl_delay: Duration::from_secs(10),
            host_backoff_cap: Duration::from_secs(300),
            give_up_after: 12,
            give_up_pause: Duration::from_secs(60),
            memory_budget: 144 * MIB,
            dns_cache: DnsCacheLimits::default(),
            extra_root_certificates: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_token_is_the_user_agents_first_name() {
        let token = |user_agent: &str| {
            let config = FetchConfig { user_agent: user_agent.to_owned(), ..FetchConfig::default() };
            config.product_token().to_owned()
        };
        assert_eq!(token(&FetchConfig::user_agent_with_contact(Some("https://a.test/bot"))), "ream");
        assert_eq!(token("Bot"), "Bot");
        assert_eq!(token("Bot (+x)"), "Bot");
    }
}
