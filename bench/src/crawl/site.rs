//! A stock web server on loopback that can tell when it answered what.

use crate::Result;
use ream_system_tests::process::{tethered, until};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(20);

/// nginx with one process and its own folder; stopped when dropped.
#[derive(Debug)]
pub(super) struct Site {
    server: Child,
    folder: TempDir,
    port: u16,
}

/// One line of the server's log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answer {
    /// Seconds since 1970 when the answer was sent.
    pub(super) at_s: f64,
    pub(super) status: u16,
}

impl Site {
    /// Serves a folder; with a log if one is wanted, which costs the server some time.
    pub(super) fn start(web_root: &Path, with_log: bool) -> Result<Self> {
        let folder = TempDir::new()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let path = folder.path().to_owned();
        std::fs::write(path.join("nginx.conf"), config(&path, web_root, port, with_log))?;
        let mut command = tethered("nginx");
        command
            .arg("-p")
            .arg(&path)
            .arg("-c")
            .arg(path.join("nginx.conf"))
            .arg("-e")
            .arg(path.join("error.log"));
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut site = Self { server, folder, port };
        let (pid, pid_file) = (site.server.id().to_string(), path.join("nginx.pid"));
        until("nginx to start", START_LIMIT, || {
            if let Ok(Some(status)) = site.server.try_wait() {
                let said = std::fs::read_to_string(path.join("error.log")).unwrap_or_default();
                let hint = "is the Debian package `nginx-light` installed?";
                return Err(ream_system_tests::fault::Fault::new(format!(
                    "nginx ended with {status}; {hint}\n{said}"
                )));
            }
            Ok(std::fs::read_to_string(&pid_file).ok().filter(|text| text.trim() == pid))
        })?;
        Ok(site)
    }

    /// The address of the web root, without a slash at the end.
    pub(super) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Forgets what was answered so far.
    pub(super) fn forget(&self) -> Result<()> {
        Ok(std::fs::File::options().write(true).open(self.log_path())?.set_len(0)?)
    }

    /// What was answered.
    pub(super) fn answers(&self) -> Result<Vec<Answer>> {
        Ok(std::fs::read_to_string(self.log_path())?.lines().filter_map(Answer::parse).collect())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // One process and nothing to save.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Answer {
    fn parse(line: &str) -> Option<Self> {
        let (at_s, status) = line.split_once(' ')?;
        Some(Self { at_s: at_s.parse().ok()?, status: status.parse().ok()? })
    }
}

fn config(own: &Path, web_root: &Path, port: u16, with_log: bool) -> String {
    let own = own.display();
    let temp = |kind: &str| format!("  {kind}_temp_path \"{own}/{kind}\";\n");
    let temps: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(temp).concat();
    let log = if with_log { format!("\"{own}/access.log\" times") } else { "off".to_owned() };
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid \"{own}/nginx.pid\";
error_log \"{own}/error.log\" warn;
events {{ worker_connections 1024; }}
http {{
  log_format times '$msec $status';
  access_log {log};
  sendfile on;
  types {{ image/jpeg jpg jpeg; image/png png; image/gif gif; image/webp webp; image/svg+xml svg; }}
  default_type application/octet-stream;
{temps}  server {{
    listen 127.0.0.1:{port} backlog=1024;
    root \"{}\";
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
