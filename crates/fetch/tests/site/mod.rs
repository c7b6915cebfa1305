//! A site on loopback that misbehaves in one way per path, and a look-up that knows it under many names.

#![allow(dead_code, reason = "each test file uses a part of it")]

use futures::future::BoxFuture;
use ream_core::policy::RobotsPolicy;
use ream_fetch::dns::{Found, Lookup, LookupError};
use ream_fetch::{AddressPolicy, FetchConfig, Fetcher};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The requests so far, by path.
type Requests = Arc<Mutex<HashMap<String, Vec<String>>>>;
/// Answers of the test's own, before those below.
type Answers = Arc<HashMap<String, Vec<u8>>>;

/// Knows a few names, and all under `near.test` and `near.example`.
pub struct Names;

impl Lookup for Names {
    fn lookup(&self, host: String) -> BoxFuture<'static, Result<Found, LookupError>> {
        let addresses: &[&str] = match host.as_str() {
            "mixed.test" => &["127.0.0.1", "10.0.0.1"],
            "inside.test" => &["127.0.0.2"],
            "public.test" => &["8.8.8.8"],
            "broken.test" => &[],
            near if near.ends_with("near.test") || near.ends_with("near.example") => &["127.0.0.1"],
            _ => {
                let none = LookupError::NoSuchName { message: "no such name".to_owned(), ttl: None };
                return Box::pin(async { Err(none) });
            }
        };
        let failed = LookupError::Failed { message: "no answer".to_owned() };
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async {
            if addresses.is_empty() { Err(failed) } else { Ok(Found { addresses, ttl: None }) }
        })
    }
}

/// Loopback is allowed, and nobody's robots.txt is asked.
pub fn near() -> FetchConfig {
    FetchConfig {
        addresses: AddressPolicy::public_only().allow("127.0.0.1/32".parse().unwrap()),
        robots: RobotsPolicy::Ignore,
        max_bytes: 100_000,
        max_tries: 2,
        backoff_base: Duration::from_millis(1),
        ..FetchConfig::default()
    }
}

pub fn fetcher(config: FetchConfig) -> Fetcher {
    Fetcher::with_lookup(config, Names).unwrap()
}

pub struct Site {
    pub address: SocketAddr,
    requests: Requests,
}

impl Site {
    pub async fn start() -> Self {
        Self::start_with([]).await
    }

    /// One that first looks whether the path has an answer here.
    pub async fn start_with<const N: usize>(answers: [(&str, Vec<u8>); N]) -> Self {
        let answers = answers.into_iter().map(|(path, answer)| (path.to_owned(), answer));
        let answers: Answers = Arc::new(answers.collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Requests::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&seen), Arc::clone(&answers)));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same by a name.
    pub fn url_at(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    /// The number of all requests.
    pub fn total(&self) -> usize {
        self.requests.lock().unwrap().values().map(Vec::len).sum()
    }

    pub fn requests(&self, path: &str) -> Vec<String> {
        self.requests.lock().unwrap().get(path).cloned().unwrap_or_default()
    }
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    [b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR".as_slice(), &size, b"\x08\x02\0\0\0\0\0\0\0"].concat()
}

pub fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub fn status(line: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n").into_bytes()
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn answer(mut stream: TcpStream, seen: Requests, answers: Answers) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // A TLS client says more only once it was answered; the answer below is none it understands.
    let is_tls = |request: &[u8]| request.first() == Some(&0x16);
    while !is_tls(&request) && !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let earlier = {
        let mut seen = seen.lock().unwrap();
        let requests = seen.entry(path.clone()).or_default();
        requests.push(request);
        requests.len() - 1
    };
    if let Some(answer) = answers.get(&path) {
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
        return;
    }
    let found = "302 Found";
    let bytes = match path.as_str() {
        "/429" if earlier == 0 => status("429 Too Many Requests", "Retry-After: 1\r\n"),
        "/501" => status("501 Not Implemented", ""),
        "/flaky" if earlier < 2 => status("503 Service Unavailable", ""),
        "/ok.png" | "/429" | "/flaky" => ok("Content-Type: text/plain\r\nSet-Cookie: a=b\r\n", &png(7, 5)),
        "/500" => status("500 Internal Server Error", ""),
        "/204" => status("204 No Content", ""),
        "/html" => ok("Content-Type: text/html; charset=utf-8\r\n", b"<!DOCTYPE html><html>not found</html>"),
        "/empty" => ok("", b""),
        "/giant" => ok("", &png(60_000, 10)),
        "/gzip" => ok("Content-Encoding: gzip\r\n", b"\x1F\x8B\x08"),
        "/tagged" => ok("ETag: \"v1\"\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n", &png(7, 5)),
        "/many-headers" => ok(&"X-Filler: 1\r\n".repeat(95), &png(7, 5)),
        "/too-many-headers" => ok(&"X-Filler: 1\r\n".repeat(1000), &png(7, 5)),
        "/large-headers" => ok(&format!("X-Filler: {}\r\n", "x".repeat(70_000)), &png(7, 5)),
        "/hinted" => {
            [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(20), ok("", &png(7, 5))].concat()
        }
        "/hints" => return flood(stream, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await,
        "/continues" => return flood(stream, b"HTTP/1.1 100 Continue\r\n\r\n").await,
        "/header-drip" => return drip_headers(stream).await,
        "/redirect" => status(found, "Location: /ok.png\r\nSet-Cookie: a=b\r\n"),
        "/loop" => status(found, "Location: /loop\r\n"),
        "/nowhere" => status(found, ""),
        "/to-metadata" => status(found, "Location: http://169.254.169.254/latest/\r\n"),
        "/to-mapped" => status(found, "Location: http://[::ffff:10.0.0.1]/\r\n"),
        "/to-file" => status(found, "Location: file:///etc/passwd\r\n"),
        "/truncated" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n\x89PNG".to_vec(),
        "/cut-chunk" => [CHUNKED, b"ff\r\n\x89PNG"].concat(),
        "/bad-chunk" => [CHUNKED, b"zz\r\n"].concat(),
        "/huge" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n".to_vec(),
        "/not-http" => b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        "/hang-up" => return,
        "/silent" => return until_hung_up(stream).await,
        "/stall" => {
            let _ = stream.write_all(&ok("", &png(7, 5))[..80]).await;
            return until_hung_up(stream).await;
        }
        "/drip" => return repeat(stream, b"1\r\nx\r\n", Duration::from_millis(1)).await,
        "/endless" => {
            return repeat(stream, &[b"1000\r\n", [b'x'; 4096].as_slice(), b"\r\n"].concat(), Duration::ZERO)
                .await;
        }
        _ => status("404 Not Found", ""),
    };
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// The same bytes, as fast as they are taken.
async fn flood(mut stream: TcpStream, piece: &[u8]) {
    while stream.write_all(piece).await.is_ok() {}
}

async fn drip_headers(mut stream: TcpStream) {
    let mut open = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Filler: ").await.is_ok();
    while open {
        open = stream.write_all(b"x").await.is_ok();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn until_hung_up(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

async fn repeat(mut stream: TcpStream, piece: &[u8], pace: Duration) {
    let mut open = stream.write_all(CHUNKED).await.is_ok();
    while open {
        open = stream.write_all(piece).await.is_ok();
        tokio::time::sleep(pace).await;
    }
}
