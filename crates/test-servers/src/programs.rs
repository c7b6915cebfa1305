//! Where the servers' programs are.

use crate::fault::{Fault, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where Debian keeps PostgreSQL, one folder per major version.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// Names the folder of the version to test with.
const CHOSEN_POSTGRES: &str = "REAM_TEST_POSTGRES";

/// The folder with `initdb`, `postgres` and `psql`: the one that `REAM_TEST_POSTGRES` names, else of the newest version
/// that Debian's packages installed, else the first on the `PATH`.
pub(crate) fn postgres_folder() -> Result<PathBuf> {
    let complete =
        |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    if let Some(chosen) = std::env::var_os(CHOSEN_POSTGRES).map(PathBuf::from) {
        return if complete(&chosen) {
            Ok(chosen)
        } else {
            Err(Fault::new(format!(
                "{CHOSEN_POSTGRES}={} has not all of `initdb`, `postgres` and `psql`",
                chosen.display()
            )))
        };
    }
    debian_folders().into_iter().chain(search_path()).find(complete).ok_or_else(|| {
        Fault::new(format!(
            "PostgreSQL is not installed (Debian package `postgresql`): \
             `initdb`, `postgres` and `psql` are neither in {DEBIAN_POSTGRES}/*/bin nor in one folder of the PATH"
        ))
    })
}

/// The program of PgBouncer.
pub(crate) fn pgbouncer() -> Result<PathBuf> {
    // An ordinary user's PATH does not have the folder where Debian keeps it.
    let folders = search_path().into_iter().chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .ok_or_else(|| Fault::new("PgBouncer is not installed (Debian package `pgbouncer`)"))
}

fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The newest version first.
fn debian_folders() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(DEBIAN_POSTGRES) else { return Vec::new() };
    let mut versions: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter_map(|folder| Some((version(&folder)?, folder.join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn version(folder: &Path) -> Option<u32> {
    folder.file_name().and_then(OsStr::to_str)?.parse().ok()
}
