//! What a case is made of.

use super::certificates::Kind;
use super::exchange::Exchange;
use std::io;
use std::net::TcpStream;
use std::ops::RangeInclusive;

/// Answers a request.
pub(super) type Handler = Box<dyn Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync>;

/// The two crawls that the site is put through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Bytes kept as they came, robots respected.
    Kept,
    /// Every image decoded and resized, robots ignored.
    Resized,
}

/// What a host does with a connection.
pub(super) enum Behaviour {
    /// HTTP; `robots.txt` is answered beside it.
    Http(Handler),
    /// The same within TLS.
    Https(Kind, Handler),
    /// Whatever it is, it is no TLS, on the port where TLS should be.
    NoTls(fn(TcpStream) -> io::Result<()>),
    /// There is no host: nobody may come.
    Nobody,
}

/// What a host's `robots.txt` is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Robots {
    /// 404: all is allowed.
    None,
    /// 200 with this text.
    Text(&'static str),
    /// This status line.
    Status(&'static str),
    /// The request is read, and never answered.
    Stall,
}

/// A row of the list, and what must become of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// As it stands in the list.
    pub url: String,
    /// The classes that may come of it in [`Run::Kept`]; `ok` is one.
    pub kept: Vec<&'static str>,
    /// The same in [`Run::Resized`].
    pub resized: Vec<&'static str>,
    /// How many requests for this row's path its host may see, in either run where the row may be requested.
    pub requests: RangeInclusive<usize>,
    /// The path as the host sees it; `None` where nobody may come.
    pub path: Option<String>,
}

/// A misbehaviour: a host, and the rows that lead there.
pub struct Case {
    /// The host's name without `.example`.
    pub label: String,
    pub(super) behaviour: Behaviour,
    pub(super) robots: Robots,
    /// The rows that lead there.
    pub rows: Vec<Row>,
    /// The most bytes that the host may get rid of in one answer.
    pub(super) most_sent_bytes: Option<u64>,
    /// How long its host must be left alone after it said so, in seconds.
    pub(super) retry_after_s: Option<u64>,
}

const TRANSIENT: &[&str] = &["dns", "connect", "timeout", "http_429", "http_5xx", "truncated"];
/// Attempts that one image may take.
pub(super) const ATTEMPTS: usize = 3;

impl Case {
    /// A host that answers each request so; one row leads to its `/image.jpg`.
    pub(super) fn http(
        label: impl Into<String>,
        expected: &'static str,
        handler: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(label, expected, "http", Behaviour::Http(Box::new(handler)))
    }

    /// The same within TLS.
    pub(super) fn https(label: &str, expected: &'static str, kind: Kind) -> Self {
        Self::new(label, expected, "https", Behaviour::Https(kind, Box::new(super::exchange::jpeg)))
    }

    /// A host that does not speak TLS where it should.
    pub(super) fn no_tls(label: &str, expected: &'static str, talk: fn(TcpStream) -> io::Result<()>) -> Self {
        Self::new(label, expected, "https", Behaviour::NoTls(talk))
    }

    /// A row that leads to nobody.
    pub(super) fn nobody(label: impl Into<String>, expected: &'static str, url: impl Into<String>) -> Self {
        let mut case = Self::new(label, expected, "http", Behaviour::Nobody);
        case.rows[0].url = url.into();
        case.rows[0].path = None;
        case
    }

    fn new(label: impl Into<String>, expected: &'static str, scheme: &str, behaviour: Behaviour) -> Self {
        let label = label.into();
        let mut case = Self {
            label,
            behaviour,
            robots: Robots::None,
            rows: Vec::new(),
            most_sent_bytes: None,
            retry_after_s: None,
        };
        let url = format!("{scheme}://{}.example/image.jpg", case.label);
        case.rows.push(Row::new(url, expected));
        case
    }

    /// A further row, or with the first path another one instead.
    pub(super) fn and(mut self, path: &str, expected: &'static str) -> Self {
        let url = format!("http://{}.example{path}", self.label);
        self.rows.push(Row::new(url, expected));
        self
    }

    /// The first row has this URL instead, and the host sees this path.
    pub(super) fn at(mut self, url: &str, path: &str) -> Self {
        self.rows[0].url = url.to_owned();
        self.rows[0].path = Some(path.to_owned());
        self
    }

    /// The last row may end otherwise, too, in both runs.
    pub(super) fn or(mut self, class: &'static str) -> Self {
        let row = self.last();
        row.kept.push(class);
        row.resized.push(class);
        self
    }

    /// The last row must end so when images are resized and robots are ignored.
    pub(super) fn resized(mut self, classes: &[&'static str]) -> Self {
        self.last().resized = classes.to_vec();
        self
    }

    /// The last row's path is asked for as often as this.
    pub(super) fn requests(mut self, count: RangeInclusive<usize>) -> Self {
        self.last().requests = count;
        self
    }

    pub(super) fn robots(mut self, robots: Robots) -> Self {
        self.robots = robots;
        self
    }

    pub(super) fn most_sent_bytes(mut self, bytes: u64) -> Self {
        self.most_sent_bytes = Some(bytes);
        self
    }

    pub(super) fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    fn last(&mut self) -> &mut Row {
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }
}

impl Row {
    fn new(url: String, expected: &'static str) -> Self {
        let path = url.splitn(4, '/').nth(3).map(|path| format!("/{path}"));
        let requests = if TRANSIENT.contains(&expected) { 1..=ATTEMPTS } else { 1..=1 };
        Self { url, kept: vec![expected], resized: vec![expected], requests, path }
    }

    /// The classes that may come of it.
    pub fn expected(&self, run: Run) -> &[&'static str] {
        match run {
            Run::Kept => &self.kept,
            Run::Resized => &self.resized,
        }
    }
}
