//! The demo's own image site, on loopback: most pictures are fine, some are broken on purpose.

use super::picture::picture;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode, header};
use axum::routing::get;
use futures::StreamExt;
use ream_fetch::address::IpNet;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// When a picture that is cut off on purpose is cut off.
const CUT_OFF_AFTER: Duration = Duration::from_millis(50);

/// Pictures on the site unless more are asked for.
pub(super) const IMAGES: u64 = 2500;

/// A site that runs until it is dropped.
pub(super) struct Site {
    address: SocketAddr,
    images: u64,
    server: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Site {
    /// Starts it with so many pictures on a free port of 127.0.0.1.
    pub(super) async fn start(images: u64) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let pictures = Pictures { images, asked: Asked::default() };
        let router = Router::new().route("/{number}", get(serve)).with_state(pictures);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the demo's site ended");
            }
        });
        Ok(Self { address, images, server })
    }

    /// The network that it can be fetched from: its own address alone.
    pub(super) fn network(&self) -> IpNet {
        IpNet::from(self.address.ip())
    }

    /// The list of its pictures, as CSV with captions. Three of them point to where a crawler must not go.
    pub(super) fn list(&self) -> String {
        let mut list = "url,caption\n".to_owned();
        for number in 0..self.images {
            let url = match number {
                42 => "http://169.254.169.254/latest/meta-data/".to_owned(),
                1042 => "http://[::ffff:10.0.0.1]/router.png".to_owned(),
                2042 => "http://192.168.0.1/camera.jpg".to_owned(),
                _ => format!("http://{}/{number}", self.address),
            };
            list.push_str(&format!("{url},\"Picture {number}, drawn for the demo\"\n"));
        }
        list.push_str("not a URL,a row that is rejected\n");
        list
    }
}

/// Numbers that were asked for before.
type Asked = Arc<Mutex<HashSet<u64>>>;

#[derive(Clone)]
struct Pictures {
    images: u64,
    asked: Asked,
}

async fn serve(State(pictures): State<Pictures>, Path(number): Path<u64>) -> Response<Body> {
    let Pictures { images, asked } = pictures;
    let again = !asked.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
    match number {
        n if n >= images => plain(StatusCode::NOT_FOUND, "no such picture"),
        n if n % 100 == 13 => plain(StatusCode::NOT_FOUND, "this picture is missing on purpose"),
        n if n % 500 == 77 => plain(StatusCode::INTERNAL_SERVER_ERROR, "this picture fails on purpose"),
        n if n % 250 == 101 => {
            html("<!doctype html><p>This page is served in place of a picture, on purpose.")
        }
        n if n % 500 == 333 => promised(picture(n), 5_000),
        n if n % 500 == 444 => promised(picture(n), 1 << 40),
        // Busy the first time, to show that a crawl tries again.
        n if n % 250 == 222 && !again => plain(StatusCode::SERVICE_UNAVAILABLE, "busy, come again"),
        n => image(picture(n)),
    }
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    respond(status, "text/plain", text)
}

fn html(text: &'static str) -> Response<Body> {
    respond(StatusCode::OK, "text/html", text)
}

fn image(bytes: Vec<u8>) -> Response<Body> {
    respond(StatusCode::OK, "image/png", bytes)
}

/// A picture with `missing` bytes more promised than come.
fn promised(bytes: Vec<u8>, missing: u64) -> Response<Body> {
    let length = bytes.len() as u64 + missing;
    let pieces =
        futures::stream::once(async { Ok(Bytes::from(bytes)) }).chain(futures::stream::once(async {
            // A server that gives up at once would not even send its headers.
            tokio::time::sleep(CUT_OFF_AFTER).await;
            Err(std::io::Error::other("this picture is cut off on purpose"))
        }));
    let mut response = respond(StatusCode::OK, "image/png", Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}
