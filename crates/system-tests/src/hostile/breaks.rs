//! Connections that break off, and ones on which nothing more comes.

use super::JPEG;
use super::case::Case;
use super::exchange::{reset, silence};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::http("reset-before-answer", "connect", reset).or("truncated"),
        Case::http("reset-in-header", "connect", |e| {
            e.send("HTTP/1.1 200 OK\r\nContent-")?;
            e.reset()
        })
        .or("truncated"),
        Case::http("reset-in-body", "truncated", |e| {
            e.head(&format!("Content-Length: {}\r\n", JPEG.len()))?;
            e.send(&JPEG[..1000])?;
            e.reset()
        })
        .or("connect"),
        Case::http("closed-before-answer", "connect", |_| Ok(())).or("truncated"),
        Case::http("closed-in-header", "connect", |e| e.send("HTTP/1.1 200 OK\r\nContent-"))
            .or("truncated")
            .or("bad_response"),
        Case::http("stall-before-answer", "timeout", silence),
        Case::http("stall-in-header", "timeout", |e| {
            e.send("HTTP/1.1 200 OK\r\nContent-")?;
            e.stall()
        }),
        Case::http("stall-before-body", "timeout", |e| {
            e.head(&format!("Content-Length: {}\r\n", JPEG.len()))?;
            e.stall()
        }),
        Case::http("stall-in-body", "timeout", |e| {
            e.head(&format!("Content-Length: {}\r\n", JPEG.len()))?;
            e.send(&JPEG[..1000])?;
            e.stall()
        }),
        Case::http("stall-in-chunks", "timeout", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.send("400\r\n")?;
            e.stall()
        }),
        // Whole, and then the connection stays open without a word: the image is there.
        Case::http("stall-after-body", "ok", |e| {
            e.head(&format!("Content-Length: {}\r\n", JPEG.len()))?;
            e.send(JPEG)?;
            e.stall()
        }),
        Case::http("breaks-off-once", "ok", |e| if e.nth == 0 { e.reset() } else { e.jpeg() })
            .requests(2..=2),
    ]
}
