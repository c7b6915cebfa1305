//! A server's temporary folder, removed however its process ends.

use crate::account::Account;
use crate::fault::{Result, cannot};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Waits until its input ends, which the system sees to when the process that holds the other end is gone. A server
/// may still be writing its last while the folder is removed, so there is more than one try.
const REMOVE_AT_THE_END: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && exit
    sleep 0.2
done"#;

/// A temporary folder that belongs to the user that servers run as. Removed when dropped, and by a watcher when this
/// process ends without that.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    watcher: Child,
}

impl Folder {
    pub(crate) fn new(owner: Account) -> Result<Self> {
        let made = tempfile::Builder::new().prefix("ream-server-").tempdir();
        let folder = made.map_err(cannot("create a temporary folder"))?;
        owner.own(folder.path())?;
        let mut command = Command::new("sh");
        command.args(["-c", REMOVE_AT_THE_END, "sh"]).arg(folder.path()).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watcher = command.spawn().map_err(cannot("start a shell"))?;
        Ok(Self { folder, watcher })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It removes the folder here as well, so that this is tried every time.
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}
