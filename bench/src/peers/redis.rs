//! A Redis of its own for each round.

use crate::Result;
use ream_system_tests::process::tethered;
use ream_test_servers::until;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(20);

/// Stopped and removed when dropped.
#[derive(Debug)]
pub(super) struct Redis {
    server: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    /// Starts it. `always`: each write is on disk before it is answered, as PostgreSQL does it; else as Redis comes,
    /// which may lose the last minute to an hour.
    pub(super) fn start(always: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ream-bench-redis-").tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = tethered("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder.path());
        if always {
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let redis = Self { server, port, _folder: folder };
        until("Redis to start", START_LIMIT, || {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(()))
        })?;
        Ok(redis)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
