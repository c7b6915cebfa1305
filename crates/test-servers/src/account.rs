//! Which user a server runs as: PostgreSQL and PgBouncer refuse root.

use crate::fault::{Fault, Result, cannot};
use crate::process::run;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;

/// The user that Debian's packages create.
const SERVER_USER: &str = "postgres";

/// The user that servers run as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// Whoever runs the tests.
    Own,
    /// Another one, because the tests run as root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The one for servers that refuse root.
    pub(crate) fn for_servers() -> Result<Self> {
        let own = std::fs::metadata("/proc/self").map_err(cannot("find out which user runs this"))?;
        if own.uid() != 0 {
            return Ok(Self::Own);
        }
        Ok(Self::Other { uid: ask_id("-u")?, gid: ask_id("-g")? })
    }

    /// Makes it the owner of a file or folder.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid))
                .map_err(cannot(format!("hand {} to the user `{SERVER_USER}`", path.display()))),
        }
    }

    /// What `setpriv` has to be told.
    pub(crate) fn setpriv_args(self) -> Vec<String> {
        match self {
            Self::Own => Vec::new(),
            Self::Other { uid, gid } => {
                vec![format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]
            }
        }
    }
}

fn ask_id(what: &str) -> Result<u32> {
    let output = run(Command::new("id").args([what, SERVER_USER])).map_err(|fault| {
        Fault::new(format!(
            "root cannot run PostgreSQL, and there is no user `{SERVER_USER}` (Debian package `postgresql`): {fault}"
        ))
    })?;
    output
        .trim()
        .parse()
        .map_err(cannot(format!("read the number of the user `{SERVER_USER}` from {output:?}")))
}
