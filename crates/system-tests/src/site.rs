//! A stock web server on loopback.

use crate::process::tethered;
use ream_test_servers::{Fault, Result, cannot, until};
use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
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

/// One line of a site's log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Seconds since 1970 when the answer was sent.
    pub at_s: f64,
    /// The answer's HTTP status.
    pub status: u16,
}

#[derive(Debug, Clone, Copy)]
enum Log {
    Off,
    Times,
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
        Self::start_with(web_root, pace, Log::Off)
    }

    /// As [`Site::start`], and [`Site::answers`] tells what was answered. That costs the server some time.
    ///
    /// # Errors
    /// As [`Site::start`].
    pub fn start_with_log(web_root: &Path) -> Result<Self> {
        Self::start_with(web_root, Pace::default(), Log::Times)
    }

    fn start_with(web_root: &Path, pace: Pace, log: Log) -> Result<Self> {
        let mut last = Fault::new("no port was tried");
        for _ in 0..PORTS_TRIED {
            match Self::start_once(web_root, pace, log) {
                Ok(site) => return Ok(site),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    fn start_once(web_root: &Path, pace: Pace, log: Log) -> Result<Self> {
        let folder = TempDir::new().map_err(cannot("create a folder for the web server"))?;
        let port = free_port()?;
        let path = folder.path();
        std::fs::write(path.join("nginx.conf"), config(path, web_root, port, pace, log))
            .map_err(cannot("write the web server's configuration"))?;
        let error_log = path.join("error.log");
        let mut command = tethered("nginx");
        command.arg("-p").arg(path).arg("-c").arg(path.join("nginx.conf")).arg("-e").arg(&error_log);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().map_err(cannot("start nginx (Debian package `nginx-light`)"))?;
        // From here on dropping stops it.
        let mut site = Self { server, folder, port };
        let pid = site.server.id().to_string();
        let pid_file = site.folder.path().join("nginx.pid");
        // The file is written once the port is open.
        until("nginx to start", START_LIMIT, || {
            if let Some(status) = site.server.try_wait().map_err(cannot("look after nginx"))? {
                let said = std::fs::read_to_string(&error_log).unwrap_or_default();
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

    /// Forgets what was answered so far.
    ///
    /// # Errors
    /// The log cannot be written; there is none without [`Site::start_with_log`].
    pub fn forget(&self) -> Result<()> {
        let path = self.log_path();
        let emptied = File::options().write(true).open(&path).and_then(|log| log.set_len(0));
        emptied.map_err(cannot(format!("empty {}", path.display())))
    }

    /// What was answered.
    ///
    /// # Errors
    /// The log cannot be read; there is none without [`Site::start_with_log`].
    pub fn answers(&self) -> Result<Vec<Answer>> {
        let path = self.log_path();
        let log = std::fs::read_to_string(&path).map_err(cannot(format!("read {}", path.display())))?;
        Ok(log.lines().filter_map(Answer::parse).collect())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }
}

impl Answer {
    fn parse(line: &str) -> Option<Self> {
        let (at_s, status) = line.split_once(' ')?;
        Some(Self { at_s: at_s.parse().ok()?, status: status.parse().ok()? })
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

fn config(own: &Path, web_root: &Path, port: u16, pace: Pace, log: Log) -> String {
    let own = own.display();
    let access_log = match log {
        Log::Off => "off".to_owned(),
        Log::Times => format!("\"{own}/access.log\" times"),
    };
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
  log_format times '$msec $status';
  access_log {access_log};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_a_time_and_a_status() {
        assert_eq!(Answer::parse("1700000000.250 200"), Some(Answer { at_s: 1_700_000_000.25, status: 200 }));
        assert_eq!(Answer::parse("half a li"), None);
    }
}
