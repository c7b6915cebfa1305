//! Connections: how many there may be, how long they may take, and how they end.

use crate::access::Peer;
use crate::app::App;
use crate::config::Limits;
use crate::limits::prefix;
use crate::metrics::Metrics;
use crate::tls;
use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
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
) -> usize {
    let limits = app.config.limits.clone();
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    let router = app.router();
    let protocols = Arc::new(Protocols::new(&limits));
    let addresses = Addresses::default();
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
                let Some(counted) = addresses.count(peer.ip(), limits.max_connections_per_address) else {
                    tracing::debug!(%peer, "too many connections from this address");
                    continue;
                };
                let connection = Connection {
                    router: router.clone(),
                    protocols: protocols.clone(),
                    tls: tls.clone(),
                    watcher: graceful.watcher(),
                    handshake_timeout: limits.head_timeout,
                    write_timeout: limits.write_timeout,
                };
                tokio::spawn(async move {
                    let _present = (place, counted, Metrics::connection());
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
    app.stopping.cancel();
    let left = graceful.count();
    tracing::info!(connections = left, "stopping: requests in flight may end");
    match tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => limits.max_connections - connections.available_permits(),
    }
}

/// Connections of each address.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them, until it is dropped.
struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// Counts another one; `None` where there are so many already.
    fn count(&self, address: IpAddr, at_most: usize) -> Option<Counted> {
        let address = prefix(address);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= at_most {
            return None;
        }
        *count += 1;
        drop(all);
        Some(Counted { addresses: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
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

/// The two protocols. Which one a connection speaks is told by TLS, and without it there is only the older: a server that waits for
/// first bytes to tell them apart would wait for ever for who sends none.
#[derive(Clone)]
struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Protocols {
    fn new(limits: &Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_buf_size(limits.max_head_bytes.max(8192));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(limits.head_timeout);
        Self { http1, http2 }
    }
}

/// One connection.
struct Connection {
    router: Router,
    protocols: Arc<Protocols>,
    tls: Option<TlsAcceptor>,
    watcher: Watcher,
    handshake_timeout: Duration,
    write_timeout: Duration,
}

impl Connection {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let Some(tls) = self.tls.clone() else { return self.speak_http1(stream, peer).await };
        match tokio::time::timeout(self.handshake_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2) => {
                self.speak_http2(stream, peer).await;
            }
            Ok(Ok(stream)) => self.speak_http1(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came about"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    /// Gives up on who takes nothing of what it is sent.
    fn patient<S: AsyncRead + AsyncWrite>(&self, stream: S) -> Pin<Box<TimeoutStream<S>>> {
        let mut patient = TimeoutStream::new(stream);
        patient.set_write_timeout(Some(self.write_timeout));
        Box::pin(patient)
    }

    async fn speak_http1(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
    ) {
        let stream = self.patient(stream);
        let service = answering(self.router, peer);
        let connection = self.protocols.http1.serve_connection(TokioIo::new(stream), service);
        note_end(peer, self.watcher.watch(connection).await);
    }

    async fn speak_http2(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
    ) {
        let stream = self.patient(stream);
        let service = answering(self.router, peer);
        let connection = self.protocols.http2.serve_connection(TokioIo::new(stream), service);
        note_end(peer, self.watcher.watch(connection).await);
    }
}

/// The routes, told who asks.
fn answering(
    router: Router,
    peer: SocketAddr,
) -> impl hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + Send {
    TowerToHyperService::new(router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        request.map(Body::new)
    }))
}

fn note_end(peer: SocketAddr, end: Result<(), hyper::Error>) {
    if let Err(error) = end {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
}
