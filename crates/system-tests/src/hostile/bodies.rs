//! Bodies of the wrong size: endless ones, huge ones, bombs, and lengths that are not true.

use super::JPEG;
use super::case::Case;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write as _};

const MIB: u64 = 1024 * 1024;
/// What an endless body is cut off at by the host itself, so that a failed test ends.
const ENDLESS_BYTES: u64 = 4096 * MIB;
/// What a client may have taken off the host's hands when it gives up at [`MAX_BYTES`]: that, and what the system keeps
/// in buffers on the way.
const MOST_SENT_BYTES: u64 = MAX_BYTES + 24 * MIB;
/// The limit that the crawls of the hostile site are given.
pub(super) const MAX_BYTES: u64 = 5 * MIB;
const HUGE_BYTES: u64 = 200_000_000;
const BOMB_BYTES: usize = 10_000_000;
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = unending();
    cases.extend(wrong_lengths());
    cases.extend(encoded());
    cases
}

fn unending() -> Vec<Case> {
    vec![
        Case::http("endless-body", "too_large", |e| {
            e.head("Connection: close\r\n")?;
            e.send(JPEG)?;
            e.pour(&PIECE, ENDLESS_BYTES)
        })
        .most_sent_bytes(MOST_SENT_BYTES),
        Case::http("endless-chunked-body", "too_large", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.pour(&chunk(&PIECE), ENDLESS_BYTES)
        })
        .most_sent_bytes(MOST_SENT_BYTES),
        Case::http("endless-chunk-extension", "bad_response", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.send("1;")?;
            e.pour(&PIECE, ENDLESS_BYTES)
        })
        .or("too_large")
        .or("timeout")
        .most_sent_bytes(MOST_SENT_BYTES),
        Case::http("endless-trailers", "bad_response", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.send([chunk(JPEG), b"0\r\n".to_vec()].concat())?;
            e.pour(b"X-More: and more, and more, and more, and more\r\n", ENDLESS_BYTES)
        })
        .or("too_large")
        .or("timeout")
        .most_sent_bytes(MOST_SENT_BYTES),
        Case::http("200-mb-declared", "too_large", |e| {
            e.head(&format!("Content-Length: {HUGE_BYTES}\r\n"))?;
            e.pour(&PIECE, HUGE_BYTES)
        })
        .most_sent_bytes(MOST_SENT_BYTES),
        Case::http("200-mb-undeclared", "too_large", |e| {
            e.head("Connection: close\r\n")?;
            e.pour(&PIECE, HUGE_BYTES)
        })
        .most_sent_bytes(MOST_SENT_BYTES),
        Case::http("declares-more-than-there-can-be", "too_large", |e| {
            e.head("Content-Length: 18446744073709551615\r\n")?;
            e.stall()
        })
        .or("bad_response"),
    ]
}

fn wrong_lengths() -> Vec<Case> {
    vec![
        Case::http("shorter-than-declared", "truncated", |e| {
            e.head(&format!("Content-Length: {}\r\nConnection: close\r\n", JPEG.len() + 1000))?;
            e.send(JPEG)
        }),
        // What is beyond the declared length is not the body's (RFC 9112 section 6.3); the photo is whole.
        Case::http("longer-than-declared", "ok", |e| {
            e.head(&format!("Content-Length: {}\r\nConnection: close\r\n", JPEG.len()))?;
            e.send([JPEG, b"HTTP/1.1 200 OK\r\n\r\nnot asked for"].concat())
        }),
        Case::http("two-lengths", "bad_response", |e| {
            let length = JPEG.len();
            e.head(&format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length - 1))?;
            e.send(JPEG)
        }),
        Case::http("negative-length", "bad_response", |e| {
            e.head("Content-Length: -1\r\n")?;
            e.send(JPEG)
        }),
        Case::http("chunks-break-off", "truncated", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.send(chunk(JPEG))
        }),
        Case::http("no-chunk-size", "bad_response", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.send("many\r\n")?;
            e.send(JPEG)
        }),
        Case::http("chunk-size-overflows", "bad_response", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            e.send("fffffffffffffffff\r\n")?;
            e.send(JPEG)
        })
        .or("too_large"),
        Case::http("empty-body", "not_an_image", |e| e.answer("200 OK", &[], b"")),
        Case::http("no-content", "bad_response", |e| e.send("HTTP/1.1 204 No Content\r\n\r\n")),
        Case::http("partial-content", "bad_response", |e| {
            e.answer("206 Partial Content", &[("Content-Range", "bytes 0-99/100000")], JPEG)
        }),
        Case::http("good-chunks", "ok", |e| {
            e.head("Transfer-Encoding: chunked\r\n")?;
            let (start, end) = JPEG.split_at(1000);
            e.send([chunk(start), chunk(end), b"0\r\n\r\n".to_vec()].concat())?;
            e.keep_alive = true;
            Ok(())
        }),
    ]
}

/// Nobody asked for an encoding.
fn encoded() -> Vec<Case> {
    let encoding = |label: &str, name: &'static str, body: Vec<u8>| {
        Case::http(label, "bad_response", move |e| {
            e.answer("200 OK", &[("Content-Type", "image/png"), ("Content-Encoding", name)], &body)
        })
    };
    vec![
        encoding("gzip-bomb", "gzip", gzip(&vec![0; BOMB_BYTES]).unwrap_or_default()),
        encoding("gzip-in-gzip", "gzip, gzip", gzip(&gzip(JPEG).unwrap_or_default()).unwrap_or_default()),
        encoding("unknown-encoding", "middle-out", JPEG.to_vec()),
        Case::http("identity-encoding", "ok", |e| {
            e.answer("200 OK", &[("Content-Encoding", "identity")], JPEG)
        })
        .or("bad_response"),
    ]
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
