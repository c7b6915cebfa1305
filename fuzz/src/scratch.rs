//! Input that a parser wants as a file.

use std::path::PathBuf;

/// Puts the bytes into a file of this process with the given extension, over what was there before. `run` points
/// `TMPDIR` to a folder in memory, which it removes.
///
/// # Panics
/// If the file cannot be written.
pub fn file(extension: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ream-fuzz-{}.{extension}", std::process::id()));
    std::fs::write(&path, bytes).expect("the folder for temporary files can be written to");
    path
}
