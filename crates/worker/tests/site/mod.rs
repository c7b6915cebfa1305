//! An image site on loopback, and lists of what it serves.

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::get;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

const PIXEL: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x00\x00\x00\x00\x00\
    \x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

/// Serves an image per number; every request takes a permit, so that a test can hold the crawl where it likes.
pub(crate) struct Site {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) permits: Arc<Semaphore>,
}

async fn image(
    State(permits): State<Arc<Semaphore>>,
    UrlPath(number): UrlPath<u64>,
) -> (StatusCode, Vec<u8>) {
    permits.acquire().await.unwrap().forget();
    if number % 10 == 3 {
        return (StatusCode::NOT_FOUND, Vec::new());
    }
    let mut bytes = PIXEL.to_vec();
    // Behind the end of the picture: makes each file another one.
    bytes.extend_from_slice(&number.to_be_bytes());
    (StatusCode::OK, bytes)
}

pub(crate) async fn site(permits: usize) -> Site {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let permits = Arc::new(Semaphore::new(permits));
    let router = Router::new().route("/{number}", get(image)).with_state(permits.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Site { address, permits }
}

pub(crate) fn write_list(folder: &Path, site: &Site, images: u64) -> PathBuf {
    let path = folder.join("list.txt");
    let lines: String = (0..images).map(|n| format!("http://{}/{n}\n", site.address)).collect();
    std::fs::write(&path, lines).unwrap();
    path
}
