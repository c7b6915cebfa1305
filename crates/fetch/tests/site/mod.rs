//! A site on loopback that misbehaves in one way per path.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The requests so far, by path.
type Requests = Arc<Mutex<HashMap<String, Vec<String>>>>;

pub struct Site {
    pub address: SocketAddr,
    requests: Requests,
}

impl Site {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Requests::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&seen)));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self, path: &str) -> Vec<String> {
        self.requests.lock().unwrap().get(path).cloned().unwrap_or_default()
    }
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    [b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR".as_slice(), &size, b"\x08\x02\0\0\0\0\0\0\0"].concat()
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn status(line: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n").into_bytes()
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn answer(mut stream: TcpStream, seen: Requests) {
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
    let found = "302 Found";
    let bytes = match path.as_str() {
        "/429" if earlier == 0 => status("429 Too Many Requests", "Retry-After: 1\r\n"),
        "/flaky" if earlier < 2 => status("503 Service Unavailable", ""),
        "/ok.png" | "/429" | "/flaky" => ok("Content-Type: text/plain\r\nSet-Cookie: a=b\r\n", &png(7, 5)),
        "/500" => status("500 Internal Server Error", ""),
        "/204" => status("204 No Content", ""),
        "/html" => ok("Content-Type: text/html; charset=utf-8\r\n", b"<!DOCTYPE html><html>not found</html>"),
        "/empty" => ok("", b""),
        "/giant" => ok("", &png(60_000, 10)),
        "/gzip" => ok("Content-Encoding: gzip\r\n", b"\x1F\x8B\x08"),
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
