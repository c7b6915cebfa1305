//! TLS that must not be accepted, and one that must.

use super::case::Case;
use super::certificates::Kind;
use super::exchange::stall;
use std::io::{Read as _, Write as _};
use std::time::Duration;

pub(super) fn cases() -> Vec<Case> {
    // A host whose `robots.txt` cannot be had for the same reason may be taken for one that refuses (RFC 9309, 2.3.1.4).
    let refused = |case: Case| case.or("robots").resized(&["tls"]).requests(0..=0);
    vec![
        Case::https("good-certificate", "ok", Kind::Good),
        refused(Case::https("self-signed-certificate", "tls", Kind::SelfSigned)),
        refused(Case::https("expired-certificate", "tls", Kind::Expired)),
        refused(Case::https("certificate-of-the-future", "tls", Kind::NotYet)),
        refused(Case::https("certificate-of-another", "tls", Kind::WrongName)),
        refused(Case::no_tls("garbage-for-a-handshake", "tls", |mut socket| {
            socket
                .write_all(b"\x16\x03\x03\x7f\xffthis is no handshake at all, but it goes on for a while")?;
            stall(&mut socket)
        })),
        refused(Case::no_tls("plain-http-for-a-handshake", "tls", |mut socket| {
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            stall(&mut socket)
        })),
        Case::no_tls("stall-in-handshake", "timeout", |mut socket| stall(&mut socket))
            .or("robots")
            .resized(&["timeout"])
            .requests(0..=0),
        Case::no_tls("reset-in-handshake", "connect", |mut socket| {
            let _ = socket.read(&mut [0; 16])?;
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))
        })
        .or("tls")
        .or("robots")
        .resized(&["connect", "tls"])
        .requests(0..=0),
    ]
}
