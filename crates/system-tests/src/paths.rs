//! Where things lie.

use ream_test_servers::{Result, cannot};
pub use ream_test_servers::{in_cache, target_and_profile};
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An empty folder within the target folder, removed when dropped: large, so not in memory as some `/tmp` are.
///
/// # Errors
/// The file system refuses.
pub fn scratch() -> Result<tempfile::TempDir> {
    let folder = target_and_profile()?.0.join("system-tests/scratch");
    std::fs::create_dir_all(&folder).map_err(cannot(format!("create {}", folder.display())))?;
    let made = tempfile::Builder::new().prefix("test-").tempdir_in(&folder);
    made.map_err(cannot(format!("create a folder in {}", folder.display())))
}
