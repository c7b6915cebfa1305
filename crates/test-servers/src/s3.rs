//! An S3-compatible store.

use crate::account::Account;
use crate::fault::{Fault, Result, cannot};
use crate::folder::Folder;
use crate::port::ReservedPort;
use crate::process::{spawn, tethered, until};
use crate::python::python_environment;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long it may take to start: a cold disk has many small files to read.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Moto's server: multipart uploads, copies, ranges, lists of version 2, conditional writes.
const PACKAGES: &[&str] =
    &["boto3==1.44.8", "flask==3.1.3", "flask-cors==6.0.5", "moto[s3]==5.2.5", "werkzeug==3.1.9"];
/// Changes with the packages.
const ENVIRONMENT: &str = "python-moto-1";

/// An S3-compatible store on a port of its own on 127.0.0.1, in memory; it believes every key. Stopped when dropped, and
/// when this process ends in any other way.
#[derive(Debug)]
pub struct S3Server {
    server: Child,
    port: ReservedPort,
    folder: Folder,
    buckets: AtomicU64,
}

impl S3Server {
    /// Starts one.
    ///
    /// # Errors
    /// Its packages cannot be installed, or it does not start.
    pub fn start() -> Result<Self> {
        let python = python_environment(ENVIRONMENT, PACKAGES, &[])?;
        let folder = Folder::new(Account::Own)?;
        let port = ReservedPort::new()?;
        let log = File::create(folder.path().join("log")).map_err(cannot("create the store's log"))?;
        let errors = log.try_clone().map_err(cannot("use the log twice"))?;
        let mut command = tethered(&python, "KILL", Account::Own);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.number().to_string()]);
        command.current_dir(folder.path()).stdout(log).stderr(errors);
        let server = spawn(command).map_err(cannot("start setpriv (Debian package `util-linux`)"))?;
        // From here on dropping stops it.
        let mut store = Self { server, port, folder, buckets: AtomicU64::new(0) };
        store.wait()?;
        Ok(store)
    }

    /// The store that all tests of this process share; started when first asked for. A static is never dropped: the
    /// system stops it when the process ends, in whatever way.
    ///
    /// # Panics
    /// It cannot be started; the message is that of [`S3Server::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|fault| panic!("{fault}")))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Makes an empty bucket; gives its name.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn fresh_bucket(&self) -> Result<String> {
        let name = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        let answer = self.call("PUT", &format!("/{name}")).map_err(cannot("make a bucket"))?;
        if !answer.starts_with("HTTP/1.1 200") {
            return Err(Fault::new(format!("the store made no bucket: {answer}")));
        }
        Ok(name)
    }

    /// What a client of it has to find in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        Self::environment_at(self.port())
    }

    /// As [`Self::environment`], for a client that comes by way of another port, of a proxy say.
    pub fn environment_at(port: u16) -> Vec<(String, String)> {
        let url = format!("http://127.0.0.1:{port}");
        [
            ("AWS_ACCESS_KEY_ID", "a-key-of-tests"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-of-tests"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_ALLOW_HTTP", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn wait(&mut self) -> Result<()> {
        let log = self.folder.path().join("log");
        until("the S3 server to start", START_LIMIT, || {
            if let Some(status) = self.server.try_wait().map_err(cannot("look after the S3 server"))? {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Fault::new(format!("the S3 server ended with {status}:\n{said}")));
            }
            Ok(self
                .call("GET", "/moto-api/data.json")
                .ok()
                .filter(|answer| answer.contains("200"))
                .map(|_| ()))
        })
    }

    /// One request without a body.
    fn call(&self, method: &str, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port()))?;
        stream.set_read_timeout(Some(CALL_LIMIT))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
