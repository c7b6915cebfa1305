//! A list of real images as people have them: photos and icons, odd names, captions, and some that cannot be had.

mod names;
mod rows;

use crate::packages::{REAL_IMAGES, unpacked};
use crate::process::is_full;
use ream_test_servers::{Fault, Result, cannot};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A handful of icons; below 2 MB to download.
    Handful,
    /// One package of icons; below 2 MB to download.
    Tiny,
    /// A few photos and some hundred icons; below 20 MB to download.
    Mixed,
    /// Some photos and some icons, for every day; below 60 MB to download.
    Small,
    /// Everything; below 250 MB to download.
    Full,
}

impl Size {
    /// [`Size::Full`] where `REAM_FULL` asks for it, else [`Size::Small`].
    pub fn asked_for() -> Self {
        if is_full() { Self::Full } else { Self::Small }
    }

    /// Packages, and the most images to take of each.
    const fn packages(self) -> &'static [(&'static str, usize)] {
        match self {
            Self::Handful => &[("tango-icon-theme", 120)],
            Self::Tiny => &[("tango-icon-theme", 1_072)],
            Self::Mixed => &[
                ("lomiri-wallpapers-16.04", 8),
                ("propaganda-debian", 40),
                ("tango-icon-theme", 150),
                ("faenza-icon-theme", 150),
            ],
            Self::Small => &[
                ("lomiri-wallpapers-16.04", 100),
                ("lomiri-wallpapers-20.04", 100),
                ("propaganda-debian", 100),
                ("sway-backgrounds", 100),
                ("tango-icon-theme", 1_000),
                ("faenza-icon-theme", 1_200),
            ],
            Self::Full => REAL_IMAGES,
        }
    }
}

/// One real image.
#[derive(Debug, Clone)]
struct Picture {
    /// On disk.
    source: PathBuf,
    /// Its place below the web root.
    place: String,
    bytes: u64,
}

/// Real images in a folder that a web server can serve.
#[derive(Debug)]
pub struct Pictures {
    web_root: PathBuf,
    pictures: Vec<Picture>,
}

const EXTENSIONS: &[&str] = &["jpg", "jpeg", "png", "webp", "svg", "gif"];
/// A file of a camera's format from this size on is counted as a photo.
const PHOTO_BYTES: u64 = 20_000;

impl Pictures {
    /// Fetches the packages, and links their images into `web_root`. Their order is the same each time, and mixed.
    ///
    /// # Errors
    /// A package cannot be fetched, or the file system refuses.
    pub fn collect(size: Size, web_root: &Path) -> Result<Self> {
        let mut pictures = Vec::new();
        for (package, most) in size.packages() {
            let root = unpacked(package)?;
            let mut files = Vec::new();
            images_below(&root, &mut files)?;
            files.sort_by_key(|path| mixed(path.strip_prefix(&root).unwrap_or(path)));
            for source in files.into_iter().take(*most) {
                let inside = source.strip_prefix(root.join("usr/share")).unwrap_or(&source);
                let bytes = source.metadata().map_err(cannot(format!("look at {}", source.display())))?.len();
                let place = format!("{package}/{}", inside.display());
                pictures.push(Picture { place, bytes, source });
            }
        }
        pictures.sort_by_key(|picture| mixed(Path::new(&picture.place)));
        for (number, picture) in pictures.iter_mut().enumerate() {
            if let Some(odd) = names::odd(number, &picture.place) {
                picture.place = odd;
            }
            link(&picture.source, &web_root.join(&picture.place))?;
        }
        if pictures.is_empty() {
            return Err(Fault::new("the packages hold no images"));
        }
        Ok(Self { web_root: web_root.to_owned(), pictures })
    }

    /// Writes the list, and what the checker has to know about it, into `folder`.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn list(&self, base_url: &str, folder: &Path) -> Result<RealList> {
        rows::write(self, base_url, folder)
    }

    /// Photos among the images.
    pub fn photos(&self) -> usize {
        let is_photo = |p: &&Picture| {
            matches!(p.extension().as_str(), "jpg" | "jpeg" | "webp") && p.bytes >= PHOTO_BYTES
        };
        self.pictures.iter().filter(is_photo).count()
    }

    /// Images in all.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// There are always some.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }
}

impl fmt::Display for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut kinds, mut packages) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
        for picture in &self.pictures {
            *kinds.entry(picture.extension()).or_default() += 1;
            let part = |path: &Path| path.components().map(|c| c.as_os_str().to_owned()).collect::<Vec<_>>();
            let cached = part(&picture.source).into_iter().find_map(|name| {
                name.to_str().and_then(|name| name.strip_prefix("package-")).map(str::to_owned)
            });
            *packages.entry(cached.unwrap_or_default()).or_default() += 1;
        }
        let bytes: u64 = self.pictures.iter().map(|picture| picture.bytes).sum();
        write!(
            f,
            "{} images ({} photos), {bytes} bytes, {kinds:?} from {packages:?}",
            self.len(),
            self.photos()
        )
    }
}

impl Picture {
    fn extension(&self) -> String {
        self.source.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
    }
}

/// A list, ready to be crawled.
#[derive(Debug, Clone)]
pub struct RealList {
    /// The list itself, as CSV.
    pub path: PathBuf,
    /// For the checker: which file is behind which URL.
    pub served: PathBuf,
    /// For the checker: which URL must fail, and with which class.
    pub expected: PathBuf,
    /// Rows that are good.
    pub accepted: usize,
}

/// Regular image files; links would be the same images again.
fn images_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(cannot(format!("read {}", folder.display())))?;
    for entry in entries {
        let entry = entry.map_err(cannot(format!("read {}", folder.display())))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(cannot("look at a file"))?);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if kind.is_dir() {
            images_below(&path, found)?;
        } else if kind.is_file() && EXTENSIONS.contains(&extension.as_str()) {
            found.push(path);
        }
    }
    Ok(())
}

fn link(source: &Path, at: &Path) -> Result<()> {
    let parent = at.parent().unwrap_or(at);
    std::fs::create_dir_all(parent).map_err(cannot(format!("create {}", parent.display())))?;
    std::os::unix::fs::symlink(source, at).map_err(cannot(format!("link {}", at.display())))
}

/// Sorts in an order that has nothing to do with names, and is the same each time (FNV-1a).
fn mixed(path: &Path) -> (u64, PathBuf) {
    let text = path.to_string_lossy();
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (text.bytes().fold(0xcbf2_9ce4_8422_2325, step), path.to_owned())
}
