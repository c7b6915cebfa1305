//! One request on the network, for an image or a robots.txt, past every check and gate.

use crate::classify;
use crate::config::FetchConfig;
use crate::deadline::Deadline;
use crate::dns::Lookup;
use crate::error::Failure;
use crate::gate::{Admission, Asker, Gate};
use crate::resolve::GuardedResolver;
use crate::target::Target;
use ream_core::ErrorClass;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Response, redirect};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a stream of HTTP/2 may send before it is read: it is memory outside the budget, once per fetch in flight.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// For all streams of a connection: enough that those which wait for memory do not stop the others.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

pub(crate) struct Net {
    pub(crate) config: Arc<FetchConfig>,
    pub(crate) gate: Gate,
    /// For ports that anybody may be asked on.
    client: Client,
    /// For all other ports: its resolver knows the allowed networks only.
    networks_only: Option<Client>,
}

impl Net {
    pub(crate) fn new(config: Arc<FetchConfig>, lookup: &Arc<dyn Lookup>) -> reqwest::Result<Self> {
        // Ends before the whole connection must stand, so that it is known what took so long.
        let limit = config.connect_timeout.mul_f64(0.8);
        let client = |policy| build_client(&config, GuardedResolver::new(policy, Arc::clone(lookup), limit));
        let networks_only = config.addresses.has_networks().then(|| config.addresses.without_public());
        Ok(Self {
            client: client(config.addresses.clone())?,
            networks_only: networks_only.map(client).transpose()?,
            gate: Gate::new(Arc::clone(&config)),
            config,
        })
    }

    /// Waits for the request's turn, sends it and returns its answer, whatever its status. The host has heard of a
    /// failure; how an answer ends, the caller tells it. Waits do not count against the deadline.
    pub(crate) async fn ask(
        &self,
        target: &Target,
        asker: Asker<'_>,
        patience: Instant,
        deadline: &mut Deadline,
    ) -> Result<(Admission, Response), Failure> {
        let waiting = Instant::now();
        let host = self.gate.host(target.url());
        let entered = self.gate.enter(host, asker, patience).await;
        deadline.extend(waiting.elapsed());
        let mut admission = entered?;
        // In a box, so that those who still wait take little memory.
        let sending = Box::pin(self.send(target, asker, *deadline));
        match admission.slot.during(sending).await {
            Ok(response) => Ok((admission, response)),
            Err(failure) => {
                admission.failed(&failure);
                Err(failure)
            }
        }
    }

    async fn send(&self, target: &Target, asker: Asker<'_>, deadline: Deadline) -> Result<Response, Failure> {
        let client = match (&self.networks_only, target.needs_allowed_network()) {
            (Some(client), true) => client,
            _ => &self.client,
        };
        let limit = self.config.connect_timeout.saturating_add(self.config.first_byte_timeout);
        let accept = match asker {
            Asker::Image(_) => "image/*,*/*;q=0.5",
            Asker::Robots { .. } => "text/plain,*/*;q=0.5",
        };
        let sending = client.get(target.url().clone()).header(ACCEPT, accept).send();
        let response = deadline.limit(limit, "no answer", sending).await?;
        let response = response.map_err(|error| classify::send_error(&error))?;
        let checked = response.remote_addr().map(|peer| self.config.addresses.check(peer.ip()));
        let blocked = |message: String| Err(Failure::new(ErrorClass::BlockedAddress, message));
        match checked {
            Some(Ok(())) => self.check_headers(response),
            Some(Err(why)) => blocked(why.to_string()),
            None => blocked("the server's address is not known".to_owned()),
        }
    }

    /// HTTP/1.1 has room for more in its buffer; HTTP/2 stops by itself.
    fn check_headers(&self, response: Response) -> Result<Response, Failure> {
        let bytes: usize =
            response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes as u64 <= u64::from(self.config.max_header_bytes) {
            return Ok(response);
        }
        let message = format!("headers of {bytes} bytes, allowed are {}", self.config.max_header_bytes);
        Err(Failure::new(ErrorClass::BadResponse, message).with_status(response.status().as_u16()))
    }
}

fn build_client(config: &FetchConfig, resolver: GuardedResolver) -> reqwest::Result<Client> {
    let mut headers = HeaderMap::new();
    // What is not compressed cannot be a compression bomb.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let roots = config.extra_root_certificates.iter().map(|der| Certificate::from_der(der));
    let roots = roots.collect::<reqwest::Result<Vec<_>>>()?;
    let mut builder = Client::builder()
        .dns_resolver(Arc::new(resolver))
        .redirect(redirect::Policy::none())
        // A proxy would resolve names itself, past the address policy.
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .user_agent(&config.user_agent)
        .default_headers(headers)
        .connect_timeout(config.connect_timeout)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(config.max_header_bytes)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .http2_keep_alive_timeout(config.read_timeout)
        // A list with ever new hosts would otherwise keep thousands of connections open.
        .pool_idle_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(config.max_per_host);
    if !roots.is_empty() {
        builder = builder.tls_certs_merge(roots);
    }
    builder.build()
}
