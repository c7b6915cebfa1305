//! Connections: how many there may be, how long they may take, and how they end.

use crate::access::Peer;
use crate::app::App;
use crate::config::Limits;
use crate::metrics::Metrics;
use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// The wait after the system would not give another connection: files have run out, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests of one HTTP/2 connection at once.
const MAX_STREAMS: u32 = 256;
/// How often an HTTP/2 connection is asked whether anybody is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Accepts until `stop` is said, then waits for what is in flight. Answers how many connections were cut off.
pub(crate) async fn serve(
    app: App,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
    stopping: CancellationToken,
) -> usize {
    let limits = app.config.limits.clone();
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    let router = app.router();
    let builder = Arc::new(builder(&limits));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let connection = Connection {
                    router: router.clone(),
                    builder: builder.clone(),
                    tls: tls.clone(),
                    watcher: graceful.watcher(),
                    stopping: stopping.clone(),
                    handshake_timeout: limits.head_timeout,
                };
                tokio::spawn(async move {
                    let _present = (place, Metrics::connection());
                    connection.serve(stream, peer).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From here on the system refuses who connects.
    drop(listener);
    stopping.cancel();
    let left = graceful.count();
    tracing::info!(connections = left, "stopping: requests in flight may end");
    match tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => limits.max_connections - connections.available_permits(),
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = connections.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are small, and somebody waits for each.
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.max_head_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(limits.head_timeout);
    builder
}

/// One connection.
struct Connection {
    router: Router,
    builder: Arc<Builder<TokioExecutor>>,
    tls: Option<TlsAcceptor>,
    watcher: Watcher,
    stopping: CancellationToken,
    handshake_timeout: Duration,
}

impl Connection {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        match &self.tls {
            None => self.answer(stream, peer).await,
            Some(tls) => match tokio::time::timeout(self.handshake_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.answer(stream, peer).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came about"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            },
        }
    }

    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: SocketAddr) {
        let router = self.router.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            request.map(Body::new)
        });
        let connection = self
            .builder
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
            .into_owned();
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%peer, error = %error, "a connection broke off");
        }
    }
}
