//! A folder of the file system. What was written survives a power cut.

use super::Entry;
use crate::error::{Error, Result};
use bytes::Bytes;
use ream_dataset::is_output_name;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Folder {
    root: Arc<Path>,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>> {
        self.run("look at", name, |path| match fs::metadata(path) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) => missing_is(None, error),
        })
        .await
    }

    pub(super) async fn has(&self, name: &str) -> Result<bool> {
        self.run("look at", name, |path| match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(fs::read_dir(path)?.next().transpose()?.is_some()),
            Ok(_) => Ok(true),
            Err(error) => missing_is(false, error),
        })
        .await
    }

    pub(super) async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        self.run("read", name, move |path| {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(range.start))?;
            let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes)?;
            Ok(bytes.into())
        })
        .await
    }

    pub(super) async fn fetch(&self, name: &str, into: &Path) -> Result<()> {
        let into = into.to_owned();
        self.run("copy", name, move |path| fs::copy(path, into).map(|_| ())).await
    }

    /// Answers whether it was written: not if only a `new` one may be.
    pub(super) async fn put(&self, name: &str, bytes: Bytes, new: bool) -> Result<bool> {
        self.run("write", name, move |path| write(path, new, |file| file.write_all(&bytes))).await
    }

    pub(super) async fn put_file(&self, name: &str, from: &Path) -> Result<()> {
        let from = from.to_owned();
        let copy = move |path: &Path| {
            let mut source = File::open(&from)?;
            write(path, false, |file| io::copy(&mut source, file).map(|_| ()))
        };
        self.run("write", name, copy).await.map(|_| ())
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<bool> {
        let to = self.root.join(to);
        self.run("rename", from, move |from| {
            make_parent(&to)?;
            match fs::rename(from, &to) {
                Ok(()) => sync_parent(&to).and_then(|()| sync_parent(from)).map(|()| true),
                Err(error) => missing_is(false, error),
            }
        })
        .await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        self.run("remove", name, |path| fs::remove_file(path).or_else(|error| missing_is((), error))).await
    }

    pub(super) async fn delete_folder(&self, name: &str) -> Result<()> {
        self.run("remove", name, |path| fs::remove_dir_all(path).or_else(|error| missing_is((), error))).await
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let folder = folder.to_owned();
        self.run("list", &folder.clone(), move |path| {
            let mut found = Vec::new();
            list_into(&mut found, path, &folder).or_else(|error| missing_is((), error))?;
            Ok(found)
        })
        .await
    }

    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        self.run("list", folder, |path| {
            let entries = match fs::read_dir(path) {
                Ok(entries) => entries,
                Err(error) => return missing_is(Vec::new(), error),
            };
            let mut found = Vec::new();
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    found.extend(entry.file_name().into_string().ok());
                }
            }
            Ok(found)
        })
        .await
    }

    pub(super) async fn output(&self) -> Result<Option<String>> {
        self.run("list", "", |path| {
            let entries = match fs::read_dir(path) {
                Ok(entries) => entries,
                Err(error) => return missing_is(None, error),
            };
            for entry in entries {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if is_output_name(&name) {
                    return Ok(Some(name));
                }
            }
            Ok(None)
        })
        .await
    }

    /// On a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        name: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = if name.is_empty() { self.root.to_path_buf() } else { self.root.join(name) };
        let place = path.display().to_string();
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(Error::io(action, place))
    }
}

/// Without links and `..`, as far as the path is there.
pub(super) fn canonical(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        // It ends with `..`.
        (Some(parent), None) => canonical(parent).parent().unwrap_or(Path::new("/")).to_owned(),
        (None, _) => path.to_owned(),
    }
}

/// A file or folder that is not there, or whose folder is a file, is no error.
fn missing_is<T>(nothing: T, error: io::Error) -> io::Result<T> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(nothing),
        _ => Err(error),
    }
}

fn list_into(found: &mut Vec<Entry>, path: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Ok(own) = entry.file_name().into_string() else { continue };
        let name = format!("{name}/{own}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list_into(found, &entry.path(), &name)?;
        } else if kind.is_file() {
            found.push(Entry { name, bytes: entry.metadata()?.len() });
        }
    }
    Ok(())
}

/// Writes beside the place, and puts it there when it is whole. Answers false where only a `new` file may be and there is
/// one.
fn write(path: &Path, new: bool, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<bool> {
    let parent = make_parent(path)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".unfinished-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any other new file, instead of private.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(&parent)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    if new {
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error.error),
        }
    } else {
        file.persist(path).map_err(|error| error.error)?;
    }
    sync_parent(path)?;
    Ok(true)
}

fn make_parent(path: &Path) -> io::Result<PathBuf> {
    let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
    fs::create_dir_all(&parent)?;
    Ok(parent)
}

/// Without it a new name can be undone by a power cut. Elsewhere a directory cannot be opened, and need not be.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
