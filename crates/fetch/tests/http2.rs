//! HTTP/2 over TLS, chosen by ALPN, against a server on loopback with a certificate of its own.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test")]

mod site;

use bytes::Bytes;
use futures::future::join_all;
use h2::server::SendResponse;
use http::{HeaderValue, StatusCode, Version};
use ream_core::ErrorClass;
use ream_fetch::{FetchConfig, FetchError, Fetched};
use site::{fetcher, near, png};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

struct Server {
    address: SocketAddr,
    certificate: Vec<u8>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["near.test".to_owned()]).unwrap();
        let certificate = CertificateDer::from(made.cert.der().to_vec());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config =
            config.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(acceptor.clone(), stream));
            }
        });
        Self { address, certificate: certificate.to_vec(), connections }
    }

    fn trusting(&self) -> FetchConfig {
        FetchConfig { extra_root_certificates: vec![self.certificate.clone()], ..near() }
    }

    fn url(&self, path: &str) -> String {
        format!("https://near.test:{}{path}", self.address.port())
    }

    async fn get(&self, path: &str) -> Result<Fetched, FetchError> {
        fetcher(self.trusting()).fetch(&self.url(path)).await
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        assert_eq!(request.version(), Version::HTTP_2);
        tokio::spawn(answer(request.uri().path().to_owned(), respond));
    }
}

async fn answer(path: String, mut respond: SendResponse<Bytes>) {
    let mut head = http::Response::new(());
    match path.as_str() {
        "/hints" => return flood(respond).await,
        "/reset" => return respond.send_reset(h2::Reason::INTERNAL_ERROR),
        "/503" => *head.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        "/short" => drop(head.headers_mut().insert("content-length", HeaderValue::from_static("1000"))),
        "/large-headers" => {
            for _ in 0..20 {
                head.headers_mut().append("x-filler", HeaderValue::from_str(&"x".repeat(4096)).unwrap());
            }
        }
        _ => {}
    }
    let Ok(mut body) = respond.send_response(head, false) else { return };
    match path.as_str() {
        "/cut" => {
            let _ = body.send_data(Bytes::from_static(b"\x89PNG"), false);
            body.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        "/large" => {
            let mut left = 90_000;
            while left > 0 {
                body.reserve_capacity(left);
                let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else { return };
                let piece = room.min(left);
                left -= piece;
                let _ = body.send_data(Bytes::from(vec![7; piece]), left == 0);
            }
        }
        _ => {
            let _ = body.send_data(Bytes::from(png(7, 5)), true);
        }
    }
}

/// Hints without an end, and never an answer.
async fn flood(mut respond: SendResponse<Bytes>) {
    let hint = || {
        let mut hint = http::Response::new(());
        *hint.status_mut() = StatusCode::EARLY_HINTS;
        hint
    };
    while (0..100).all(|_| respond.send_informational(hint()).is_ok()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn hints_without_end_end_in_time() {
    let server = Server::start().await;
    let short = Duration::from_millis(500);
    let limits = FetchConfig { total_timeout: short, max_tries: 1, ..server.trusting() };
    let error = fetcher(limits).fetch(&server.url("/hints")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Timeout, "{error}");
    assert!(error.message.starts_with("not done"), "{error}");
}

#[tokio::test]
async fn images_of_a_host_share_one_connection() {
    let server = Server::start().await;
    let fetcher = fetcher(server.trusting());
    let urls = [server.url("/ok.png"), server.url("/large")];
    assert_eq!(fetcher.fetch(&urls[0]).await.unwrap().bytes, png(7, 5));
    let all = join_all((0..40).map(|n| fetcher.fetch(&urls[n % 2]))).await;
    let sizes: Vec<_> = all.into_iter().map(|image| image.unwrap().bytes.len()).collect();
    assert_eq!(sizes, [png(7, 5).len(), 90_000].repeat(20));
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_goes_wrong_has_the_same_classes_as_before() {
    let server = Server::start().await;
    for (path, class, tries) in [
        ("/503", ErrorClass::Http5xx, 2),
        ("/reset", ErrorClass::Connect, 2),
        // The length that was promised is not kept, which HTTP/2 itself notices (RFC 9113 section 8.1.1).
        ("/short", ErrorClass::BadResponse, 1),
        ("/large-headers", ErrorClass::BadResponse, 1),
    ] {
        let error = server.get(path).await.unwrap_err();
        assert_eq!((error.class, error.tries), (class, tries), "{path}: {error}");
    }
    // The reset may overtake what was sent before it.
    let error = server.get("/cut").await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::Truncated | ErrorClass::Connect), "{error}");
    assert_eq!(error.tries, 2);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = Server::start().await;
    let error = fetcher(near()).fetch(&server.url("/ok.png")).await.unwrap_err();
    assert_eq!((error.class, error.tries), (ErrorClass::Tls, 1), "{error}");
}
