//! What a server is told at its start, a struct per concern.

use ream_image_jobs::Storage;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A server's settings.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key, where TLS is not somebody else's to do.
    pub tls: Option<TlsFiles>,
    /// Where the datasets of jobs lie, with their lists; without it jobs have none.
    pub storage: Option<Storage>,
    /// Sizes, numbers and times that no client may go beyond.
    pub limits: Limits,
}

impl ServerConfig {
    /// The defaults at this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, tls: None, storage: None, limits: Limits::default() }
    }
}

/// Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those that lead to a root, its own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What keeps one client from taking everything.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted. Default 10,000.
    pub max_connections: usize,
    /// Connections at once from one address; further ones are closed. Default 2,500.
    pub max_connections_per_address: usize,
    /// Bytes of a body, but for image lists. Default 2 MiB.
    pub max_body_bytes: usize,
    /// Bytes of all bodies in memory together, but for the first 16 KiB of each; more is told to come later. Default 128 MiB.
    pub max_bodies_bytes: usize,
    /// Bytes of an image list as it is sent. Default 64 GiB.
    pub max_list_bytes: u64,
    /// Image lists taken in at once; further ones are told to come later. Default 4.
    pub max_lists: usize,
    /// Bytes of a request's head. Default 32 KiB.
    pub max_head_bytes: usize,
    /// Time for a TLS handshake, and for the head of a request, from the first byte on. Default 10 s.
    pub head_timeout: Duration,
    /// Time for a body; an image list has it between two pieces. Default 30 s.
    pub body_timeout: Duration,
    /// How long a client may take none of what it is sent. Default 30 s.
    pub write_timeout: Duration,
    /// Requests a second of one token, or of one address where there are none. Default 10,000.
    pub requests_per_s: u32,
    /// Refused tokens a minute from one address. Default 60.
    pub refusals_per_min: u32,
    /// How long work in flight may take to end once the server is told to stop. Default 30 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 2_500,
            max_body_bytes: 2 << 20,
            max_bodies_bytes: 128 << 20,
            max_list_bytes: 64 << 30,
            max_lists: 4,
            max_head_bytes: 32 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            requests_per_s: 10_000,
            refusals_per_min: 60,
            drain_timeout: Duration::from_secs(30),
        }
    }
}
