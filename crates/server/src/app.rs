//! What every request goes through, and what handlers share.

use crate::access::{self, Tokens};
use crate::answer::Refusal;
use crate::config::ServerConfig;
use crate::datasets::Datasets;
use crate::events::Hub;
use crate::holders::Holders;
use crate::limits::Rates;
use crate::metrics::Metrics;
use crate::{docs, observe, openapi, routes};
use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use ream::{CrawlJobService, JobChunkRepository, JobChunkingService, Store};
use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

/// What handlers share; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: ServerConfig,
    pub(crate) repository: Arc<dyn JobChunkRepository>,
    pub(crate) chunks: JobChunkingService,
    pub(crate) jobs: CrawlJobService,
    pub(crate) tokens: Tokens,
    pub(crate) holders: Holders,
    pub(crate) datasets: Datasets,
    pub(crate) rates: Rates,
    /// A permit for each byte of a large body in memory.
    pub(crate) bodies: Arc<Semaphore>,
    pub(crate) hub: Hub,
    pub(crate) metrics: Metrics,
    /// Said when the server is told to stop: who waits, waits no longer.
    pub(crate) stopping: CancellationToken,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<App> for () {
    fn from_ref(_: &App) {}
}

impl App {
    pub(crate) fn new(store: Arc<dyn Store>, config: ServerConfig) -> Self {
        let repository: Arc<dyn JobChunkRepository> = store.clone();
        let on_loopback = config.listen.ip().to_canonical().is_loopback();
        Self(Arc::new(Inner {
            chunks: JobChunkingService::new(repository.clone()),
            jobs: CrawlJobService::new(repository.clone()),
            tokens: Tokens::new(store, on_loopback),
            holders: Holders::new(repository.clone()),
            datasets: Datasets::new(config.storage.clone(), config.limits.max_lists),
            rates: Rates::new(&config.limits),
            bodies: Arc::new(Semaphore::new(config.limits.max_bodies_bytes.min(Semaphore::MAX_PERMITS))),
            hub: Hub::new(repository.clone()),
            metrics: Metrics::new(),
            repository,
            config,
            stopping: CancellationToken::new(),
        }))
    }

    /// Everything that answers, the first layer last.
    pub(crate) fn router(&self) -> Router {
        let (routes, document) = routes::all().split_for_parts();
        let document = openapi::complete(document);
        Router::new()
            .merge(routes)
            .merge(docs::routes(&document))
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(from_fn_with_state(self.clone(), access::check))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn_with_state(self.clone(), observe::request))
            .with_state(self.clone())
    }
}

async fn not_found() -> Refusal {
    Refusal::new("not_found", "there is no such route; `/docs` shows those there are")
}

async fn method_not_allowed() -> Refusal {
    Refusal::new(
        "method_not_allowed",
        "the route is there, but not by this method; `/docs` shows which it has",
    )
}

#[allow(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let told =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = told.unwrap_or("without words"), "a handler panicked");
    Refusal::new("internal", "a fault of the server, which is in its log").into_response()
}
