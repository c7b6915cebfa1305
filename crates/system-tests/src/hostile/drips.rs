//! Hosts that never end, and never stop sending either: no idle limit meets them.

use super::JPEG;
use super::case::Case;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::http("drip-in-status-line", "timeout", |e| e.drip(b"HTTP/1.1                               "))
            .or("bad_response"),
        Case::http("drip-in-header", "timeout", |e| {
            e.send("HTTP/1.1 200 OK\r\nX-Slow: ")?;
            e.drip(b"slow ")
        }),
        Case::http("drip-in-body", "timeout", |e| {
            e.head("Content-Length: 100000\r\n")?;
            e.drip(JPEG)
        }),
        Case::http("drip-in-body-without-length", "timeout", |e| {
            e.head("Connection: close\r\n")?;
            e.drip(JPEG)
        }),
        Case::http("drip-in-chunk-sizes", "timeout", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.drip(b"1\r\nx\r\n")
        }),
        Case::http("slow-but-steady", "ok", |e| {
            e.head(&format!("Content-Length: {}\r\n", JPEG.len()))?;
            // All of it in a second: slow, and no reason to give up.
            for piece in JPEG.chunks(JPEG.len().div_ceil(5)) {
                e.send(piece)?;
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            Ok(())
        }),
    ]
}
