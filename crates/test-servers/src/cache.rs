//! A cache that outlives a test run, in the build's target folder.

use crate::fault::{Fault, Result, cannot};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The folder of the running program's profile, such as `target/debug`.
fn profile_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(cannot("find the running program"))?;
    // Tests lie in `deps`, other programs beside it.
    let folder = program.ancestors().skip(1).find(|folder| folder.join("deps").is_dir());
    folder
        .map(Path::to_owned)
        .ok_or_else(|| Fault::new(format!("{} is in no target folder", program.display())))
}

/// The target folder, and the name of the profile that the running test was built with.
///
/// # Errors
/// The running test does not lie where cargo puts tests.
pub fn target_and_profile() -> Result<(PathBuf, String)> {
    let dir = profile_dir()?;
    let target = dir.parent().ok_or_else(|| Fault::new("the profile's folder has no parent"))?;
    let profile = match dir.file_name().map(|name| name.to_string_lossy().into_owned()) {
        Some(name) if name != "debug" => name,
        _ => "dev".to_owned(),
    };
    Ok((target.to_owned(), profile))
}

/// Calls `make` for a folder of this name in the cache while no other process does; the folder may be there already.
///
/// # Errors
/// What `make` answers, or the file system refuses.
pub fn in_cache<T>(name: &str, make: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let cache = target_and_profile()?.0.join("system-tests");
    std::fs::create_dir_all(&cache).map_err(cannot(format!("create {}", cache.display())))?;
    let path = cache.join(format!("{name}.lock"));
    let lock = File::create(&path).map_err(cannot(format!("create {}", path.display())))?;
    lock.lock().map_err(cannot(format!("lock {}", path.display())))?;
    make(&cache.join(name))
}
