//! A stock web server on loopback.

use crate::fault::{Fault, Result, cannot};
use crate::process::{tethered, until};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long the server may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Another process may take the free port first; more often than this it is something else.
const PORTS_TRIED: u32 = 10;

/// How fast a site answers; `None` is as fast as it can.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// The most bytes per second of one connection.
    pub bytes_per_second: Option<u64>,
    /// The most requests per second, all together; further ones wait.
    pub requests_per_second: Option<u32>,
}

/// nginx with one process, its own configuration and its own folders. Stopped when dropped.
#[derive(Debug)]
pub struct Site {
    server: Child,
    folder: TempDir,
    port: u16,
}

impl Site {
    /// Serves a folder. Below `/moved/` everything is redirected to its place without that, and below `/broken/`
    /// everything is a server error.
    ///
    /// # Errors
    /// nginx is not installed or does not start.
    pub fn start(web_root: &Path, pace: Pace) -> Result<Self> {
        let mut last = Fault::new("no port was tried");
        for _ in 0..PORTS_TRIED {
            match Self::start_once(web_root, pace) {
                Ok(site) => return Ok(site),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    fn start_once(web_root: &Path, pace: Pace) -> Result<Self> {
        let folder = TempDir::new().map_err(cannot("create a folder for the web server"))?;
        let port = free_port()?;
        let path = folder.path();
        std::fs::write(path.join("nginx.conf"), config(path, web_root, port, pace))
            .map_err(cannot("write the web server's configuration"))?;
        let log = path.join("error.log");
        let mut command = tethered("nginx");
        command.arg("-p").arg(path).arg("-c").arg(path.join("nginx.conf")).arg("-e").arg(&log);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().map_err(cannot("start nginx (Debian package `nginx-light`)"))?;
        // From here on dropping stops it.
        let mut site = Self { server, folder, port };
        let pid = site.server.id().to_string();
        let pid_file = site.folder.path().join("nginx.pid");
        // The file is written once the port is open.
        until("nginx to start", START_LIMIT, || {
            if let Some(status) = site.server.try_wait().map_err(cannot("look after nginx"))? {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let hint = "is the Debian package `nginx-light` installed?";
                return Err(Fault::new(format!("nginx ended with {status}; {hint}\n{said}")));
            }
            Ok(std::fs::read_to_string(&pid_file).ok().filter(|text| text.trim() == pid))
        })?;
        Ok(site)
    }

    /// The address of the web root, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // One process and nothing to save.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot("find a free port"))?;
    listener.local_addr().map(|address| address.port()).map_err(cannot("find a free port"))
}

fn config(own: &Path, web_root: &Path, port: u16, pace: Pace) -> String {
    let own = own.display();
    let mut http = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(http, "  {kind}_temp_path \"{own}/{kind}\";");
    }
    let mut server = String::new();
    if let Some(rate) = pace.requests_per_second {
        let _ = writeln!(http, "  limit_req_zone $server_name zone=all:64k rate={rate}r/s;");
        let _ = writeln!(server, "    limit_req zone=all burst=100000;");
    }
    if let Some(rate) = pace.bytes_per_second {
        let _ = writeln!(server, "    limit_rate {rate};");
    }
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid \"{own}/nginx.pid\";
error_log \"{own}/error.log\" warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  types {{ image/jpeg jpg jpeg; image/png png; image/gif gif; image/webp webp; image/svg+xml svg; }}
  default_type application/octet-stream;
{http}  server {{
    listen 127.0.0.1:{port} backlog=1024;
    root \"{}\";
{server}    rewrite ^/moved/(.*)$ /$1 redirect;
    location /broken/ {{ return 500; }}
  }}
}}
",
        web_root.display()
    )
}
