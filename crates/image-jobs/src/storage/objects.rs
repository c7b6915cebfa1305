//! A place in an object store.

use super::Entry;
use super::location::{Access, ObjectPlace, Provider, open};
use crate::error::{Error, Result};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;
use object_store::{GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};
use ream_dataset::is_output_name;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

/// A larger file is uploaded in parts of this many bytes, one after the other.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Files uploaded at the same time, through all clones: each takes a part's bytes of memory.
const UPLOADS: usize = 8;
/// Parts of a file that are fetched at the same time.
const FETCHES: usize = 4;
/// Files removed at the same time where a store takes one at a time.
const DELETES: usize = 16;
/// What a store copies in one call.
const MAX_COPY_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// What is repeated of a store's words.
const MAX_MESSAGE_CHARS: usize = 400;

#[derive(Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    place: Arc<ObjectPlace>,
    uploads: Arc<Semaphore>,
}

impl Objects {
    pub(super) fn open(field: &str, place: ObjectPlace, access: &Access) -> ream_core::Result<Self> {
        let store = open(field, &place, access)?;
        Ok(Self { store, place: Arc::new(place), uploads: Arc::new(Semaphore::new(UPLOADS)) })
    }

    pub(super) fn join(&self, name: &str) -> Self {
        let place = ObjectPlace { prefix: self.key_of(name), ..(*self.place).clone() };
        Self { place: Arc::new(place), ..self.clone() }
    }

    pub(super) fn outer(&self) -> Vec<Self> {
        let mut found = Vec::new();
        let mut prefix = self.place.prefix.as_str();
        while !prefix.is_empty() {
            prefix = prefix.rsplit_once('/').map_or("", |(outer, _)| outer);
            let place = ObjectPlace { prefix: prefix.to_owned(), ..(*self.place).clone() };
            found.push(Self { place: Arc::new(place), ..self.clone() });
        }
        found
    }

    pub(super) fn place_of(&self, name: &str) -> String {
        format!("{}://{}/{}", self.place.scheme, self.place.bucket, self.key_of(name))
    }

    fn key_of(&self, name: &str) -> String {
        match (self.place.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}/{name}"),
        }
    }

    fn key(&self, name: &str) -> Result<Key> {
        Key::parse(self.key_of(name)).map_err(|_| Error::BadName { name: name.to_owned() })
    }

    /// The name of a key that was found below this place.
    fn name_of(&self, key: &Key) -> Option<String> {
        let name = key.as_ref().strip_prefix(&self.place.prefix)?;
        let name = if self.place.prefix.is_empty() { name } else { name.strip_prefix('/')? };
        Some(name.to_owned())
    }

    fn failed(&self, action: &'static str, name: &str) -> impl Fn(object_store::Error) -> Error {
        let place = self.place_of(name);
        move |error| Error::Store { action, place: place.clone(), message: words(&error) }
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.store.head(&self.key(name)?).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look at", name)(error)),
        }
    }

    pub(super) async fn has(&self, name: &str) -> Result<bool> {
        if self.size(name).await?.is_some() {
            return Ok(true);
        }
        let first = self.store.list(Some(&self.key(name)?)).next().await;
        Ok(first.transpose().map_err(self.failed("list", name))?.is_some())
    }

    pub(super) async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let expected = range.end - range.start;
        let bytes = self.store.get_range(&self.key(name)?, range).await;
        let bytes = bytes.map_err(self.failed("read", name))?;
        if bytes.len() as u64 == expected {
            return Ok(bytes);
        }
        let message = format!("{} bytes came, wanted were {expected}", bytes.len());
        Err(Error::Store { action: "read", place: self.place_of(name), message })
    }

    /// By ranges, each with a time limit and retries of its own.
    pub(super) async fn fetch(&self, name: &str, into: &Path) -> Result<()> {
        let key = self.key(name)?;
        let found = self.store.head(&key).await.map_err(self.failed("read", name))?;
        let cannot_write = || Error::io("write", into.display().to_string());
        let mut file = File::create(into).await.map_err(cannot_write())?;
        let ranges = (0..found.size).step_by(PART_BYTES as usize);
        let parts = ranges.map(|start| {
            let range = start..found.size.min(start + PART_BYTES);
            // All of it from the same file, should somebody replace it meanwhile.
            let options = GetOptions::new().with_range(Some(range)).with_if_match(found.e_tag.clone());
            async { self.store.get_opts(&key, options).await?.bytes().await }
        });
        let mut parts = futures::stream::iter(parts).buffered(FETCHES);
        let mut written = 0;
        while let Some(bytes) = parts.try_next().await.map_err(self.failed("read", name))? {
            written += bytes.len() as u64;
            file.write_all(&bytes).await.map_err(cannot_write())?;
        }
        file.flush().await.map_err(cannot_write())?;
        if written == found.size {
            return Ok(());
        }
        let message = format!("{written} bytes came, wanted were {}", found.size);
        Err(Error::Store { action: "read", place: self.place_of(name), message })
    }

    pub(super) async fn put(&self, name: &str, bytes: Bytes, new: bool) -> Result<bool> {
        let mode = if new { PutMode::Create } else { PutMode::Overwrite };
        match self.store.put_opts(&self.key(name)?, bytes.into(), mode.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) if new => Ok(false),
            Err(error) => Err(self.failed("write", name)(error)),
        }
    }

    pub(super) async fn put_file(&self, name: &str, from: &Path) -> Result<()> {
        // Never closed.
        let _turn = self.uploads.acquire().await;
        let cannot_read = || Error::io("read", from.display().to_string());
        let mut file = File::open(from).await.map_err(cannot_read())?;
        let bytes = file.metadata().await.map_err(cannot_read())?.len();
        if bytes > MAX_COPY_BYTES {
            let message =
                format!("it has {bytes} bytes, and stores copy at most {MAX_COPY_BYTES}; use smaller chunks");
            return Err(Error::Store { action: "write", place: self.place_of(name), message });
        }
        let first = read_part(&mut file).await.map_err(cannot_read())?;
        if bytes <= PART_BYTES {
            return self.put(name, first, false).await.map(|_| ());
        }
        let upload = self.store.put_multipart(&self.key(name)?).await;
        let mut upload = upload.map_err(self.failed("write", name))?;
        let written = self.put_parts(name, upload.as_mut(), first, &mut file, from).await;
        if written.is_err() {
            // The store keeps parts for ever otherwise; what cannot be taken back now is for its own rules to remove.
            if let Err(error) = upload.abort().await {
                tracing::debug!(name, error = words(&error), "could not take an upload back");
            }
        }
        written
    }

    async fn put_parts(
        &self,
        name: &str,
        upload: &mut dyn MultipartUpload,
        first: Bytes,
        file: &mut File,
        from: &Path,
    ) -> Result<()> {
        let mut part = first;
        while !part.is_empty() {
            upload.put_part(PutPayload::from(part)).await.map_err(self.failed("write", name))?;
            part = read_part(file).await.map_err(Error::io("read", from.display().to_string()))?;
        }
        upload.complete().await.map_err(self.failed("write", name)).map(|_| ())
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<bool> {
        let (source, target) = (self.key(from)?, self.key(to)?);
        match self.store.copy(&source, &target).await {
            Ok(()) => {
                self.check_copied(from, to).await?;
                self.delete(from).await.map(|()| true)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            // Not every store says that it is not there.
            Err(error) => match self.size(from).await? {
                None => Ok(false),
                Some(_) => Err(self.failed("copy", from)(error)),
            },
        }
    }

    /// Azure may answer before it has copied; until the copy is whole, its source is needed.
    async fn check_copied(&self, from: &str, to: &str) -> Result<()> {
        if self.place.provider != Provider::Azure {
            return Ok(());
        }
        match (self.size(from).await?, self.size(to).await?) {
            (None, Some(_)) => Ok(()),
            (source, target) if source == target => Ok(()),
            _ => {
                let message = "the copy that it becomes is not whole yet".to_owned();
                Err(Error::Store { action: "rename", place: self.place_of(from), message })
            }
        }
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.key(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", name)(error)),
        }
    }

    pub(super) async fn delete_folder(&self, folder: &str) -> Result<()> {
        let found = self.list(folder).await?;
        futures::stream::iter(found)
            .map(Ok)
            .try_for_each_concurrent(DELETES, |entry| async move { self.delete(&entry.name).await })
            .await
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let key = self.key(folder)?;
        let found = self.store.list(Some(&key));
        let named = found.try_filter_map(|meta| async move {
            Ok(self.name_of(&meta.location).map(|name| Entry { name, bytes: meta.size }))
        });
        named.try_collect().await.map_err(self.failed("list", folder))
    }

    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let key = self.key(folder)?;
        let found = self.store.list_with_delimiter(Some(&key)).await.map_err(self.failed("list", folder))?;
        let names = found.common_prefixes.iter().filter_map(Key::filename).map(str::to_owned);
        Ok(names.collect())
    }

    pub(super) async fn output(&self) -> Result<Option<String>> {
        // What begins with a digit comes first, and there nothing else is expected; the rest is asked for by name.
        let mut found = self.store.list_with_offset(Some(&self.key("")?), &self.key("0")?);
        while let Some(meta) = found.try_next().await.map_err(self.failed("list", ""))? {
            let name = self.name_of(&meta.location).unwrap_or_default();
            let first = name.split('/').next().unwrap_or_default();
            if is_output_name(first) {
                return Ok(Some(first.to_owned()));
            }
            if !first.starts_with(|c: char| c.is_ascii_digit()) {
                break;
            }
        }
        for name in ["_ledger", "dataset.json"] {
            if self.has(name).await? {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place_of("").trim_end_matches('/'))
    }
}

async fn read_part(file: &mut File) -> std::io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART_BYTES).read_to_end(&mut part).await?;
    Ok(part.into())
}

/// What a store said, in one short line, without anything that could be a secret.
fn words(error: &object_store::Error) -> String {
    let told = match error {
        object_store::Error::NotFound { .. } => "it is not there".to_owned(),
        object_store::Error::PermissionDenied { .. } => "the store does not allow it".to_owned(),
        object_store::Error::Unauthenticated { .. } => "the store does not know the credentials".to_owned(),
        other => other.to_string(),
    };
    let plain: String = told.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().map(without_secrets).collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// A URL without its user and query.
fn without_secrets(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let host_ends = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_ends);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}
