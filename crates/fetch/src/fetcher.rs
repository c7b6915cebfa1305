//! Fetching one image from a server that may be hostile, broken or slow.
//!
//! Redirects are followed here, not by the HTTP client: every hop passes the whole check of `target`, because the
//! client neither asks the resolver about literal addresses nor knows which ports are allowed.

use crate::budget::{Budget, Reservation};
use crate::classify::Failure;
use crate::config::FetchConfig;
use crate::deadline::Deadline;
use crate::resolve::{GuardedResolver, Lookup, SystemLookup};
use crate::target::Target;
use crate::{body, classify, retry};
use bytes::Bytes;
use ream_core::ErrorClass;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, redirect};
use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use url::Url;

/// Fetches images; cheap to clone, and all clones share one memory budget and connection pool.
#[derive(Clone)]
pub struct Fetcher {
    config: Arc<FetchConfig>,
    /// For ports that anybody may be asked on.
    client: Client,
    /// For all other ports: its resolver knows the allowed networks only.
    networks_only: Option<Client>,
    budget: Budget,
}

/// A fetched image. Its bytes count against the memory budget until this is dropped.
pub struct Fetched {
    /// The file as the server sent it.
    pub bytes: Bytes,
    /// What the server calls it, fit for a message.
    pub content_type: String,
    /// The answer's status.
    pub http_status: u16,
    /// The URL after all redirects.
    pub final_url: String,
    /// How long it took, earlier attempts included.
    pub fetch_ms: u64,
    /// The share of the memory budget that the bytes take.
    pub reservation: Reservation,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("bytes", &self.bytes.len())
            .field("content_type", &self.content_type)
            .field("http_status", &self.http_status)
            .field("final_url", &self.final_url)
            .field("fetch_ms", &self.fetch_ms)
            .finish_non_exhaustive()
    }
}

/// Why an image could not be fetched, after all attempts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub struct FetchError {
    /// For counting, and for choosing what to try again later.
    pub class: ErrorClass,
    /// What happened, in a line without the URL.
    pub message: String,
    /// The status of the last answer, if there was one.
    pub http_status: Option<u16>,
    /// How long it took, all attempts included.
    pub fetch_ms: u64,
}

impl Fetcher {
    /// A fetcher on the system's resolver.
    ///
    /// # Errors
    /// If the user agent is no header value, or the system's certificates cannot be loaded.
    pub fn new(config: FetchConfig) -> reqwest::Result<Self> {
        Self::with_lookup(config, SystemLookup)
    }

    /// A fetcher that asks `lookup` for addresses.
    ///
    /// # Errors
    /// As [`Fetcher::new`].
    pub fn with_lookup(config: FetchConfig, lookup: impl Lookup) -> reqwest::Result<Self> {
        let lookup: Arc<dyn Lookup> = Arc::new(lookup);
        let client = |policy| {
            let resolver = GuardedResolver::new(policy, Arc::clone(&lookup));
            build_client(&config, resolver)
        };
        let networks_only = config.addresses.has_networks().then(|| config.addresses.without_public());
        Ok(Self {
            client: client(config.addresses.clone())?,
            networks_only: networks_only.map(client).transpose()?,
            budget: Budget::new(config.memory_budget),
            config: Arc::new(config),
        })
    }

    /// Fetches and checks one image, trying again after transient errors. The call itself, not the first poll, takes
    /// a place in the order of the memory budget: callers that need images in order call in that order; then no
    /// fetch can wait for memory that a later one holds.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch(&self, url: &str) -> impl Future<Output = Result<Fetched, FetchError>> + Send + use<> {
        let (fetcher, url, reservation) = (self.clone(), url.to_owned(), self.budget.join());
        async move { fetcher.try_often(&url, reservation).await }
    }

    async fn try_often(&self, url: &str, mut reservation: Reservation) -> Result<Fetched, FetchError> {
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(url, &mut reservation).await {
                Ok(image) => {
                    return Ok(Fetched {
                        bytes: image.bytes,
                        content_type: image.content_type,
                        http_status: image.http_status,
                        final_url: image.final_url,
                        fetch_ms: millis_since(started),
                        reservation,
                    });
                }
                Err(failure) => failure,
            };
            if !failure.class.is_transient() || attempt >= self.config.max_attempts {
                return Err(failure.into_error(millis_since(started)));
            }
            reservation.shrink_to(0);
            tokio::time::sleep(retry::pause(&self.config, attempt, failure.retry_after, fastrand::f64()))
                .await;
            attempt += 1;
        }
    }

    async fn attempt(&self, url: &str, reservation: &mut Reservation) -> Result<Image, Failure> {
        let mut deadline = Deadline::new(self.config.total_timeout);
        let (url, response) = self.follow(url, deadline).await?;
        let http_status = response.status().as_u16();
        let content_type = content_type(response.headers());
        let bytes = body::receive(response, reservation, &mut deadline, &self.config).await?;
        Ok(Image { bytes, content_type, http_status, final_url: url.into() })
    }

    /// Follows redirects to an answer that promises an image.
    async fn follow(&self, url: &str, deadline: Deadline) -> Result<(Url, Response), Failure> {
        let mut target = Target::parse(url, &self.config)?;
        let mut redirects = 0;
        loop {
            let response = self.send(&target, deadline).await?;
            let status = response.status();
            if let Some(failure) = classify::status(status) {
                return Err(
                    failure.with_retry_after(retry::retry_after(response.headers(), SystemTime::now()))
                );
            }
            if status.is_success() {
                let encoding = response.headers().get(CONTENT_ENCODING);
                if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
                    let message = "the body is compressed, which was not asked for";
                    return Err(Failure::new(ErrorClass::BadResponse, message).with_status(status.as_u16()));
                }
                return Ok((target.into_url(), response));
            }
            if redirects == self.config.max_redirects {
                let message = format!("more than {redirects} redirects");
                return Err(Failure::new(ErrorClass::Redirect, message).with_status(status.as_u16()));
            }
            redirects += 1;
            let next = target.redirected(response.headers(), &self.config);
            target = next.map_err(|failure| failure.with_status(status.as_u16()))?;
        }
    }

    async fn send(&self, target: &Target, deadline: Deadline) -> Result<Response, Failure> {
        let client = match (&self.networks_only, target.needs_allowed_network()) {
            (Some(client), true) => client,
            _ => &self.client,
        };
        let limit = self.config.connect_timeout + self.config.first_byte_timeout;
        let sending = client.get(target.url().clone()).send();
        let response = deadline.limit(limit, "no answer", sending).await?;
        let response = response.map_err(|error| classify::send_error(&error))?;
        let checked = response.remote_addr().map(|peer| self.config.addresses.check(peer.ip()));
        match checked {
            Some(Ok(())) => Ok(response),
            Some(Err(blocked)) => Err(Failure::new(ErrorClass::BlockedAddress, blocked.to_string())),
            None => Err(Failure::new(ErrorClass::BlockedAddress, "the server's address is not known")),
        }
    }
}

struct Image {
    bytes: Bytes,
    content_type: String,
    http_status: u16,
    final_url: String,
}

fn build_client(config: &FetchConfig, resolver: GuardedResolver) -> reqwest::Result<Client> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("image/*,*/*;q=0.5"));
    // What is not compressed cannot be a compression bomb.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Client::builder()
        .dns_resolver(Arc::new(resolver))
        .redirect(redirect::Policy::none())
        // A proxy would resolve names itself, past the address policy.
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_only()
        .user_agent(&config.user_agent)
        .default_headers(headers)
        .connect_timeout(config.connect_timeout)
        .pool_max_idle_per_host(4)
        .build()
}

/// What the server calls it, fit for a message.
fn content_type(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(CONTENT_TYPE) else { return "no content type".to_owned() };
    String::from_utf8_lossy(value.as_bytes()).chars().filter(|c| !c.is_control()).take(100).collect()
}

fn millis_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
