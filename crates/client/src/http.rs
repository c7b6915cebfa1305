//! Requests and their answers.

use crate::options::ClientOptions;
use crate::own_runtime::OwnRuntime;
use crate::retry::{Lost, Pauses, Repeat};
use bytes::Bytes;
use futures::TryStreamExt as _;
use ream_core::{DatabaseFault, Error, Result};
use ream_wire::problem::PROBLEM_JSON;
use ream_wire::{IDEMPOTENCY_KEY, Problem};
use reqwest::{Method, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request: less than servers keep it, who close it after ten seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a server may think about an ordinary request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The same where there is another server to ask: less than a lease, so that a server that hangs costs none.
const ANSWER_TIMEOUT_OF_ONE: Duration = Duration::from_secs(4);
/// How long it may think about a request that goes through a whole job.
const LONG_ANSWER_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long the sending of a file may take, and what the server makes of it.
const FILE_TIMEOUT: Duration = Duration::from_secs(48 * 3600);
/// The largest answer that is read: a thousand chunks with long messages.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// What is sent with a request.
#[derive(Debug, Clone)]
enum Content {
    Nothing,
    Json(Bytes),
    /// A file as it is, whose bytes are told as they go.
    File(PathBuf, Sent),
}

/// Hears how many bytes of a file have been sent.
#[derive(Clone)]
pub(crate) struct Sent(pub(crate) Arc<dyn Fn(u64) + Send + Sync>);

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent(…)")
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    body: Content,
    repeat: Repeat,
    key: Option<String>,
    timeout: Duration,
    /// The server has more to do than to look something up.
    takes_long: bool,
}

/// A successful answer.
pub(crate) struct Answered<T> {
    pub(crate) value: T,
    pub(crate) status: StatusCode,
    /// Whether it was sent more than once.
    pub(crate) resent: bool,
}

impl<T> Answered<T> {
    /// Whether an earlier call had done already what was asked. Sent again after an answer that was lost, it is this very call
    /// that did it.
    pub(crate) fn is_of_earlier_call(&self) -> bool {
        self.status == StatusCode::OK && !self.resent
    }
}

impl Ask {
    fn new(method: Method, path: impl Into<String>, repeat: Repeat) -> Self {
        Self {
            method,
            path: path.into(),
            body: Content::Nothing,
            repeat,
            key: None,
            timeout: ANSWER_TIMEOUT,
            takes_long: false,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Repeat::Safe)
    }

    /// What may be sent again without harm.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path, Repeat::Safe)
    }

    /// What would be done again.
    pub(crate) fn post_once(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path, Repeat::OnlyUnsent)
    }

    pub(crate) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path, Repeat::Safe)
    }

    pub(crate) fn patch_once(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path, Repeat::OnlyUnsent)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, Repeat::Safe)
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self> {
        self.body = Content::Json(serde_json::to_vec(body).map_err(|error| odd(&self.path, &error))?.into());
        Ok(self)
    }

    /// With a file.
    pub(crate) fn file(mut self, path: PathBuf, sent: Sent) -> Self {
        self.body = Content::File(path, sent);
        self.takes_long = true;
        self.timeout = FILE_TIMEOUT;
        self
    }

    /// With a key, so that it may be sent again.
    pub(crate) fn keyed(mut self, key: Option<&str>) -> Self {
        self.key = Some(key.map_or_else(|| format!("{:032x}", fastrand::u128(..)), str::to_owned));
        self.repeat = Repeat::Safe;
        self
    }

    /// The server may wait so long before it answers.
    pub(crate) fn waiting(mut self, wait: Duration) -> Self {
        self.timeout += wait;
        self
    }

    /// The server goes through a whole job.
    pub(crate) fn long(mut self) -> Self {
        self.timeout = LONG_ANSWER_TIMEOUT;
        self.takes_long = true;
        self
    }
}

/// The servers of one database.
#[derive(Clone)]
pub(crate) struct Servers(Arc<Inner>);

struct Inner {
    runtime: OwnRuntime,
    client: reqwest::Client,
    urls: Vec<Url>,
    /// The one that answered last.
    current: AtomicUsize,
    patience: Duration,
}

impl Servers {
    pub(crate) fn new(options: &ClientOptions) -> Result<Self> {
        let mut headers = header::HeaderMap::new();
        if let Some(token) = &options.token {
            let mut value = header::HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
                .map_err(|_| Error::invalid("token", "another text", "a token"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("ream/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(15))
            .tcp_nodelay(true)
            // A redirect could lead the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Database {
                fault: DatabaseFault::Constraint,
                message: format!("prepare requests: {}", told(&error)),
            })?;
        Ok(Self(Arc::new(Inner {
            runtime: OwnRuntime::start()?,
            client,
            urls: options.servers.as_slice().to_vec(),
            current: AtomicUsize::new(0),
            patience: options.patience,
        })))
    }

    /// Asks until there is an answer.
    pub(crate) async fn ask<T: DeserializeOwned + Send + 'static>(&self, ask: Ask) -> Result<Answered<T>> {
        let inner = self.0.clone();
        self.0.runtime.run(async move { inner.ask(ask).await }).await
    }

    /// The answer alone.
    pub(crate) async fn read<T: DeserializeOwned + Send + 'static>(&self, ask: Ask) -> Result<T> {
        Ok(self.ask(ask).await?.value)
    }
}

/// A try at one server. Whoever gives it up without an answer leaves it to the next call to ask another server.
struct Asked<'s> {
    servers: &'s Inner,
    at: usize,
    answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let next = (self.at + 1) % self.servers.urls.len();
            // Another call may have moved on already.
            let current = &self.servers.current;
            let _ = current.compare_exchange(self.at, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// Why there is no answer of the service.
enum NoAnswer {
    /// It may be asked again.
    Lost(Lost, Error),
    /// It said no.
    Refused(Error),
}

impl Inner {
    async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<Answered<T>> {
        // Patience begins when it is first needed.
        let mut pauses: Option<Pauses> = None;
        let mut resent = false;
        loop {
            let at = self.current.load(Ordering::Relaxed);
            let mut asked = Asked { servers: self, at, answered: false };
            match self.ask_one(&ask, at).await {
                Ok((status, body)) => {
                    asked.answered = true;
                    return Ok(Answered { value: value(&ask.path, &body)?, status, resent });
                }
                Err(NoAnswer::Refused(error)) => {
                    asked.answered = true;
                    let was_done = resent && ask.method == Method::DELETE;
                    return match error {
                        // It was there the first time, of which the answer was lost.
                        Error::NotFound { .. } if was_done => Ok(Answered {
                            value: value(&ask.path, b"")?,
                            status: StatusCode::NO_CONTENT,
                            resent,
                        }),
                        error => Err(error),
                    };
                }
                Err(NoAnswer::Lost(lost, error)) => {
                    drop(asked);
                    tracing::debug!(%error, path = ask.path, "a server did not answer");
                    let pauses = pauses.get_or_insert_with(|| Pauses::until(Instant::now() + self.patience));
                    if !pauses.wait(ask.repeat, lost).await {
                        return Err(error);
                    }
                    resent |= lost == Lost::Unknown;
                }
            }
        }
    }

    /// How long one server may take.
    fn timeout(&self, ask: &Ask) -> Duration {
        if self.urls.len() == 1 || ask.takes_long {
            return ask.timeout;
        }
        ask.timeout - ANSWER_TIMEOUT + ANSWER_TIMEOUT_OF_ONE
    }

    async fn ask_one(&self, ask: &Ask, at: usize) -> std::result::Result<(StatusCode, Bytes), NoAnswer> {
        let base = &self.urls[at % self.urls.len()];
        let url = base
            .join(ask.path.trim_start_matches('/'))
            .map_err(|error| NoAnswer::Refused(odd(&ask.path, &error)))?;
        let mut request = self.client.request(ask.method.clone(), url).timeout(self.timeout(ask));
        request = match &ask.body {
            Content::Nothing => request,
            Content::Json(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(body.clone())
            }
            Content::File(path, sent) => {
                let (length, body) = file(path, sent.clone()).await.map_err(NoAnswer::Refused)?;
                let request = request.header(header::CONTENT_TYPE, "application/octet-stream");
                request.header(header::CONTENT_LENGTH, length).body(body)
            }
        };
        if let Some(key) = &ask.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let response = request.send().await.map_err(|error| unreachable(base, &error))?;
        let status = response.status();
        let is_problem = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(PROBLEM_JSON.as_bytes()));
        let body = whole(response).await.map_err(|error| unreachable(base, &error))?;
        if status.is_success() {
            return Ok((status, body));
        }
        Err(refused(base, status, is_problem, &body))
    }
}

/// A file as a body, and its length.
async fn file(path: &Path, sent: Sent) -> Result<(u64, reqwest::Body)> {
    let cannot =
        |error: std::io::Error| Error::invalid("list", format!("{}: {error}", path.display()), "a file");
    let file = tokio::fs::File::open(path).await.map_err(cannot)?;
    let length = file.metadata().await.map_err(cannot)?.len();
    let mut so_far = 0;
    let pieces = tokio_util::io::ReaderStream::with_capacity(file, 1 << 16).inspect_ok(move |piece| {
        so_far += piece.len() as u64;
        sent.0(so_far);
    });
    Ok((length, reqwest::Body::wrap_stream(pieces)))
}

/// The whole body, unless it is endless.
async fn whole(mut response: Response) -> reqwest::Result<Bytes> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(body.into())
}

/// What a successful answer says; without a body, null.
fn value<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"null" } else { body };
    serde_json::from_slice(body).map_err(|error| odd(path, &error))
}

fn unreachable(server: &Url, error: &reqwest::Error) -> NoAnswer {
    let message = format!("ask {}: {}", shown(server), told(error));
    let lost = if error.is_connect() { Lost::Unsent } else { Lost::Unknown };
    NoAnswer::Lost(lost, Error::Database { fault: DatabaseFault::Unavailable, message })
}

fn refused(server: &Url, status: StatusCode, is_problem: bool, body: &[u8]) -> NoAnswer {
    let problem = is_problem.then(|| serde_json::from_slice::<Problem>(body).ok()).flatten();
    let Some(problem) = problem else {
        // A proxy's word, or another program's.
        let message = format!("{} answers {status}, and not as Ream does", shown(server));
        let gateway = matches!(status.as_u16(), 429 | 502..=504);
        let fault = if gateway { DatabaseFault::Unavailable } else { DatabaseFault::Constraint };
        let error = Error::Database { fault, message };
        return if gateway { NoAnswer::Lost(Lost::Unknown, error) } else { NoAnswer::Refused(error) };
    };
    match problem.code.as_str() {
        "unavailable" => NoAnswer::Lost(Lost::Unknown, problem.into_error()),
        "rate_limited" | "timeout" => NoAnswer::Lost(Lost::Unsent, problem.into_error()),
        _ => NoAnswer::Refused(problem.into_error()),
    }
}

/// What is the matter, down to its cause, without the URL: that is told beside it.
fn told(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    causes.pop().unwrap_or_else(|| "no answer".to_owned())
}

fn shown(server: &Url) -> &str {
    server.as_str().trim_end_matches('/')
}

fn odd(path: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Database {
        fault: DatabaseFault::Constraint,
        message: format!("{path}: the answer is not as this version of Ream expects: {error}"),
    }
}
