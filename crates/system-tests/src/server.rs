//! `ream serve` as a process, on a database of its own.

use crate::paths::scratch;
use crate::ream::{Ream, Running};
use ream_test_servers::{Fault, Result, cannot, until};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tempfile::TempDir;

/// More than any of its answers takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A database file, and the commands on it.
#[derive(Debug)]
pub struct Database {
    folder: TempDir,
}

impl Database {
    /// None yet: the first command makes it.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: scratch()? })
    }

    /// `ream --database URL ARGS…`.
    pub fn ream<const N: usize>(&self, args: [&str; N]) -> Ream {
        Ream::new(["--database".to_owned(), self.url()]).with(args)
    }

    /// Makes a token, and gives it.
    ///
    /// # Errors
    /// The command fails.
    pub fn token(&self, name: &str, role: &str) -> Result<String> {
        let made = self.ream(["tokens", "create", "--name", name, "--role", role]).run(LIMIT)?;
        Ok(made.expect_code(0)?.stdout.trim().to_owned())
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.folder.path().join("ream.db").display())
    }
}

/// A server that answers. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Running,
    url: String,
}

impl Server {
    /// Starts `ream serve` on a free port of loopback.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(database: &Database) -> Result<Self> {
        Self::of(&database.ream(["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Starts it by this command line.
    ///
    /// # Errors
    /// It does not start.
    pub fn of(serve: &Ream) -> Result<Self> {
        let mut process = serve.start()?;
        let url = until("the server's address", LIMIT, || {
            if process.has_ended()? {
                return Err(Fault::new("the server ended by itself"));
            }
            Ok(process.stdout_so_far().strip_suffix('\n').map(str::to_owned))
        })?;
        Ok(Self { process, url })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    ///
    /// # Errors
    /// It said something else than an address.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.url.trim_start_matches("http://");
        address.parse().map_err(cannot(format!("take {address} for an address")))
    }

    /// A connection that gives up at some time.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address()?, LIMIT).map_err(cannot("connect"))?;
        stream.set_read_timeout(Some(LIMIT)).map_err(cannot("limit a connection"))?;
        stream.set_write_timeout(Some(LIMIT)).map_err(cannot("limit a connection"))?;
        Ok(stream)
    }

    /// Asks with a body of JSON, and gives the status and all of the answer.
    ///
    /// # Errors
    /// It does not answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        let mut stream = self.connect()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).map_err(cannot("send a request"))?;
        stream.read_to_string(&mut answer).map_err(cannot("read an answer"))?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or_else(|| Fault::new(format!("no status in {answer:?}")))?, answer))
    }
}
