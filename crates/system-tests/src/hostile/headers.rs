//! Strange heads of answers.

use super::JPEG;
use super::case::Case;

const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
const FLOOD_BYTES: u64 = 1 << 30;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::http("early-hints", "ok", |e| {
            e.send(EARLY)?;
            e.jpeg()
        }),
        Case::http("flood-of-early-hints", "bad_response", |e| e.pour(EARLY.as_bytes(), FLOOD_BYTES))
            .or("timeout")
            .requests(1..=3)
            .most_sent_bytes(FLOOD_BYTES - 1),
        Case::http("hundred-headers", "ok", |e| {
            let names: Vec<_> = (0..90).map(|number| format!("X-Header-{number}")).collect();
            let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "one of many")).collect();
            e.answer("200 OK", &headers, JPEG)
        }),
        Case::http("thousand-headers", "bad_response", |e| {
            let names: Vec<_> = (0..1000).map(|number| format!("X-Header-{number}")).collect();
            let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "one of far too many")).collect();
            e.answer("200 OK", &headers, JPEG)
        }),
        Case::http("header-of-1-mb", "bad_response", |e| {
            let long = "x".repeat(1 << 20);
            e.answer("200 OK", &[("X-Long", &long)], JPEG)
        }),
        Case::http("endless-header", "bad_response", |e| {
            e.send("HTTP/1.1 200 OK\r\nX-Long: ")?;
            e.pour(&[b'x'; 4096], FLOOD_BYTES)
        })
        .most_sent_bytes(32 << 20),
        Case::http("header-without-colon", "bad_response", |e| {
            e.send("HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: 0\r\n\r\n")
        }),
        Case::http("nul-in-header", "bad_response", |e| e.answer("200 OK", &[("X-Nul", "a\0b")], JPEG)),
        Case::http("no-http-at-all", "bad_response", |e| e.send("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
        Case::http("http-2-unasked", "bad_response", |e| e.send(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64"))
            .or("truncated")
            .or("connect")
            .requests(1..=3),
        Case::http("switching-protocols", "bad_response", |e| {
            e.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")?;
            e.stall()
        })
        .or("timeout")
        .requests(1..=3),
        Case::http("sets-cookies", "ok", |e| {
            e.answer("200 OK", &[("Set-Cookie", "id=1; Path=/"), ("Set-Cookie", "b=2")], JPEG)
        })
        .and("/again.jpg", "ok"),
    ]
}
