//! One request and its answer, byte by byte: a server that must be able to do everything wrong can leave nothing to a
//! library.

use super::JPEG;
use super::log::Log;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection, within TLS or without.
pub(super) trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// No client of these tests sends more.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Pause between the bytes of a drip: far more often than any idle limit.
const DRIP_PAUSE: Duration = Duration::from_millis(200);

/// A request's head.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// With the query, as it was sent.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// Reads a request's head; `None` if the client has closed the connection instead.
    ///
    /// # Errors
    /// The connection breaks, or this is no request.
    pub(super) fn read(stream: &mut dyn Duplex) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return Ok(None);
            }
            head.push(byte[0]);
            if head.len() > MAX_HEAD_BYTES {
                return Err(io::Error::other("the request's head is too long"));
            }
        }
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let method = first.next().unwrap_or_default().to_owned();
        let path = first.next().unwrap_or_default().to_owned();
        let pair = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Ok(Some(Self { method, path, headers: lines.filter_map(pair).collect() }))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A request that waits for its answer.
pub(super) struct Exchange<'a> {
    pub(super) stream: &'a mut dyn Duplex,
    pub(super) socket: &'a TcpStream,
    pub(super) request: &'a Request,
    /// Requests for the same path of the same host before this one.
    pub(super) nth: usize,
    pub(super) label: &'a str,
    pub(super) log: &'a Log,
    /// Whether the connection can take another request.
    pub(super) keep_alive: bool,
    /// What was sent in this answer.
    pub(super) sent_bytes: u64,
}

impl Exchange<'_> {
    /// Sends bytes as they are; the connection is closed after the answer, unless `keep_alive` is set.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        self.stream.write_all(bytes)?;
        self.stream.flush()?;
        self.sent_bytes += bytes.len() as u64;
        self.log.sent(self.label, self.sent_bytes);
        Ok(())
    }

    /// A proper answer.
    pub(super) fn answer(&mut self, status: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(format!("{head}\r\n"))?;
        self.send(body)?;
        self.keep_alive = true;
        Ok(())
    }

    /// The photo.
    pub(super) fn jpeg(&mut self) -> io::Result<()> {
        self.answer("200 OK", &[("Content-Type", "image/jpeg")], JPEG)
    }

    /// A redirect to there.
    pub(super) fn redirect(&mut self, target: &str) -> io::Result<()> {
        self.answer("302 Found", &[("Location", target)], b"")
    }

    /// The head of an answer whose body is sent by hand.
    pub(super) fn head(&mut self, headers: &str) -> io::Result<()> {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n{headers}\r\n"))
    }

    /// Sends these bytes over and over, as fast as they are taken, until the client has enough.
    pub(super) fn pour(&mut self, bytes: &[u8], most_bytes: u64) -> io::Result<()> {
        while self.sent_bytes < most_bytes {
            self.send(bytes)?;
        }
        Ok(())
    }

    /// Sends byte after byte, slowly, over and over, until the client has enough.
    pub(super) fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes.iter().cycle() {
            self.send([*byte])?;
            std::thread::sleep(DRIP_PAUSE);
        }
        Ok(())
    }

    /// Says nothing more until the client has closed the connection.
    pub(super) fn stall(&mut self) -> io::Result<()> {
        stall(&mut *self.stream)
    }

    /// Breaks the connection off: the client is told `connection reset by peer`.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(self.socket).set_linger(Some(Duration::ZERO))?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

/// Reads until the other side has closed the connection.
pub(super) fn stall(stream: &mut (impl Read + ?Sized)) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored)? > 0 {}
    Ok(())
}

/// Answers with the photo.
pub(super) fn jpeg(exchange: &mut Exchange<'_>) -> io::Result<()> {
    exchange.jpeg()
}

/// Breaks the connection off.
pub(super) fn reset(exchange: &mut Exchange<'_>) -> io::Result<()> {
    exchange.reset()
}

/// Never answers.
pub(super) fn silence(exchange: &mut Exchange<'_>) -> io::Result<()> {
    exchange.stall()
}
