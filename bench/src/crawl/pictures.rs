//! Real photos and graphics of Debian packages, and lists of them.

use crate::Result;
use ream_system_tests::packages::{REAL_IMAGES, unpacked};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const EXTENSIONS: &[&str] = &["jpg", "jpeg", "png", "webp", "svg", "gif"];
/// Left out wherever images are decoded: OpenCV cannot, and Ream keeps it as it came.
const NEVER_DECODED: &str = "svg";

/// One image below the web root.
#[derive(Debug)]
struct Picture {
    /// Its name below the web root, such as `00017.jpg`.
    name: String,
    kind: String,
    bytes: u64,
}

/// Images that a web server can serve, mixed, in the same order each time.
#[derive(Debug)]
pub(super) struct Pictures(Vec<Picture>);

/// A list of URLs, one per line.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) path: PathBuf,
    pub(super) images: usize,
}

impl Pictures {
    /// Fetches the packages and links their first `most` images into `web_root`. Every file is read once, so that no
    /// contender pays for the disk.
    pub(super) fn collect(web_root: &Path, most: usize) -> Result<Self> {
        let mut files = Vec::new();
        for (package, limit) in REAL_IMAGES {
            let root = unpacked(package)?;
            let mut found = Vec::new();
            images_below(&root, &mut found)?;
            found.sort_by_key(|path| mixed(path.strip_prefix(&root).unwrap_or(path)));
            let named = |path: PathBuf| {
                let inside = path.strip_prefix(&root).unwrap_or(&path);
                (mixed(&Path::new(package).join(inside)), path)
            };
            files.extend(found.into_iter().take(*limit).map(named));
        }
        files.sort();
        let mut pictures = Vec::new();
        for (number, (_, source)) in files.into_iter().take(most).enumerate() {
            let kind = extension(&source);
            let name = format!("{number:05}.{kind}");
            let bytes = std::fs::read(&source)?.len() as u64;
            std::os::unix::fs::symlink(source, web_root.join(&name))?;
            pictures.push(Picture { name, kind, bytes });
        }
        if pictures.is_empty() { Err("the packages hold no images".into()) } else { Ok(Self(pictures)) }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Lists all of them, again and again up to `images`.
    pub(super) fn list(&self, base_url: &str, images: usize, path: PathBuf) -> Result<List> {
        write_list(&self.0.iter().collect::<Vec<_>>(), base_url, images, path)
    }

    /// The same with those only that every contender can decode.
    pub(super) fn decodable_list(&self, base_url: &str, images: usize, path: PathBuf) -> Result<List> {
        let wanted: Vec<_> = self.0.iter().filter(|p| p.is_decodable()).collect();
        write_list(&wanted, base_url, images, path)
    }

    /// How many can be decoded by every contender.
    pub(super) fn decodable(&self) -> usize {
        self.0.iter().filter(|picture| picture.is_decodable()).count()
    }

    /// The names of the largest photo in JPEG and of the largest PNG below 20 kB, which is a drawing.
    pub(super) fn photo_and_drawing(&self) -> Option<(&str, &str)> {
        let largest = |kinds: &[&str], most_bytes: u64| {
            let wanted = self.0.iter().filter(|p| kinds.contains(&p.kind.as_str()) && p.bytes <= most_bytes);
            wanted.max_by_key(|picture| picture.bytes).map(|picture| picture.name.as_str())
        };
        Some((largest(&["jpg", "jpeg"], u64::MAX)?, largest(&["png"], 20_000)?))
    }

    /// What they are, in one line.
    pub(super) fn told(&self) -> String {
        let mut kinds = BTreeMap::<&str, usize>::new();
        for picture in &self.0 {
            *kinds.entry(&picture.kind).or_default() += 1;
        }
        let mib = self.0.iter().map(|picture| picture.bytes).sum::<u64>() as f64 / f64::from(1 << 20);
        let kinds: Vec<_> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        format!("{} files, {mib:.0} MiB: {}", self.len(), kinds.join(", "))
    }
}

impl Picture {
    fn is_decodable(&self) -> bool {
        self.kind != NEVER_DECODED
    }
}

/// From the second time on an image has a query, so that all URLs differ; the web server does not look at it.
fn write_list(pictures: &[&Picture], base_url: &str, images: usize, path: PathBuf) -> Result<List> {
    let mut text = String::new();
    for number in 0..images {
        let name = &pictures[number % pictures.len()].name;
        match number / pictures.len() {
            0 => writeln!(text, "{base_url}/{name}")?,
            again => writeln!(text, "{base_url}/{name}?{again}")?,
        }
    }
    std::fs::write(&path, text)?;
    Ok(List { path, images })
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// Regular image files; links would be the same images again.
fn images_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            images_below(&path, found)?;
        } else if kind.is_file() && EXTENSIONS.contains(&extension(&path).as_str()) {
            found.push(path);
        }
    }
    Ok(())
}

/// Sorts in an order that has nothing to do with names, and is the same each time (FNV-1a).
fn mixed(path: &Path) -> (u64, PathBuf) {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (path.to_string_lossy().bytes().fold(0xcbf2_9ce4_8422_2325, step), path.to_owned())
}
