//! Real images: from Debian packages, which are downloaded and unpacked, but not installed.

use crate::paths::in_cache;
use crate::process::run;
use ream_test_servers::{Fault, Result, cannot};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages with some thousand images, and the most to take of each: photos, camera test images, drawings, icons. Below
/// 250 MB to download.
pub const REAL_IMAGES: &[(&str, usize)] = &[
    ("gnome-backgrounds", 100),
    ("lomiri-wallpapers-16.04", 100),
    ("mate-backgrounds", 100),
    ("ukui-wallpapers", 100),
    ("opencv-doc", 3_000),
    ("propaganda-debian", 100),
    ("sway-backgrounds", 100),
    ("tango-icon-theme", 1_100),
    ("faenza-icon-theme", 2_000),
];

/// A folder with a package's files, fetched on first use.
///
/// # Errors
/// It cannot be downloaded or unpacked.
pub fn unpacked(package: &str) -> Result<PathBuf> {
    in_cache(&format!("package-{package}"), |folder| {
        if folder.exists() {
            return Ok(folder.to_owned());
        }
        let parts = folder.with_extension("unfinished");
        if parts.exists() {
            std::fs::remove_dir_all(&parts).map_err(cannot(format!("remove {}", parts.display())))?;
        }
        std::fs::create_dir_all(&parts).map_err(cannot(format!("create {}", parts.display())))?;
        let deb = download(package, &parts)?;
        let files = parts.join("files");
        run(Command::new("dpkg-deb").arg("-x").args([&deb, &files]))?;
        std::fs::rename(&files, folder).map_err(cannot(format!("rename {}", files.display())))?;
        std::fs::remove_dir_all(&parts).map_err(cannot(format!("remove {}", parts.display())))?;
        Ok(folder.to_owned())
    })
}

fn download(package: &str, into: &Path) -> Result<PathBuf> {
    let mut apt = Command::new("apt-get");
    // Whoever runs the tests may write here; the user that apt would change to may not.
    apt.current_dir(into).args(["-o", "APT::Sandbox::User=root", "download", package]);
    run(&mut apt).map_err(|fault| {
        Fault::new(format!(
            "cannot download the Debian package `{package}` (`apt-get update` may help): {fault}"
        ))
    })?;
    let found = std::fs::read_dir(into).map_err(cannot(format!("read {}", into.display())))?;
    let mut debs = found.flatten().map(|entry| entry.path());
    debs.find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| Fault::new(format!("apt-get downloaded no file for `{package}`")))
}
