//! A host that sends its images at a byte a second.

use crate::Result;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Another address than the fast host's, so that it is another host by any count.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PAUSE: Duration = Duration::from_secs(1);
/// A photo's size: at this speed it takes a day.
const HEADER: &str = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 86400\r\n\r\n";
const JPEG_START: [u8; 20] =
    [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0];

/// Starts it; it runs until this process ends. Gives its address without a slash at the end.
pub(super) fn start() -> Result<String> {
    let listener = TcpListener::bind(SocketAddr::from((ADDRESS, 0)))?;
    let base_url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Each of few connections spends its time asleep. Whoever leaves ends its thread by the failing write.
            std::thread::spawn(move || drip(stream));
        }
    });
    Ok(base_url)
}

fn drip(mut stream: TcpStream) -> Option<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        request.push(byte[0]);
    }
    if request.starts_with(b"GET /robots.txt") {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .ok();
    }
    stream.write_all(HEADER.as_bytes()).ok()?;
    for byte in JPEG_START.into_iter().chain(std::iter::repeat(0)) {
        stream.write_all(&[byte]).ok()?;
        std::thread::sleep(PAUSE);
    }
    None
}
