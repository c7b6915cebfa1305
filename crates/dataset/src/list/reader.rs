//! The rows of a list, file after file.

use super::compression::Bytes;
use super::digest::{ListDigest, Meter, file_sha256};
use super::format::{Open, Rows};
use super::options::ListOptions;
use super::row::ListItem;
use super::source::{ListFile, ListSource};
use crate::error::{Error, Result};
use crate::kept::KeptColumn;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The rows of a list in order. An error of the iterator means that the list cannot be read on; a bad row is a
/// [`ListItem::Reject`].
pub struct ListReader {
    path: PathBuf,
    source: ListSource,
    options: ListOptions,
    kept_columns: Vec<KeptColumn>,
    next_file: usize,
    current: Option<Current>,
    bytes_before: u64,
    digest: ListDigest,
    failed: bool,
}

/// The file that is being read; `rows` is `None` where it has not a byte.
struct Current {
    file: ListFile,
    rows: Option<Rows>,
    meter: Meter,
}

impl ListReader {
    /// Opens a list: a file by its extensions, or a folder's files in the order of their names. Every file is opened
    /// once, so that a column missing in the last of them is told at once.
    ///
    /// # Errors
    /// [`Error::BadList`] for an unknown extension, a folder without lists, an empty file, UTF-16, a missing column
    /// or files of which the kept columns differ; [`Error::Io`].
    pub fn open(path: &Path, options: &ListOptions) -> Result<Self> {
        let source = ListSource::find(path)?;
        let mut first: Option<(&ListFile, Vec<KeptColumn>)> = None;
        for file in &source.files {
            let Some(rows) = open_file(file, options, &Meter::default())? else { continue };
            let kept = rows.kept_columns();
            match &first {
                Some((other, before)) if before != kept => {
                    return Err(differ(path, (other, before), (file, kept)));
                }
                Some(_) => {}
                None => first = Some((file, kept.to_vec())),
            }
        }
        let Some((_, kept_columns)) = first else {
            let message = if source.is_folder { "has only empty files" } else { "is empty" };
            return Err(Error::bad_list(path, message));
        };
        Ok(Self {
            path: path.to_owned(),
            digest: ListDigest::new(source.is_folder),
            source,
            options: options.clone(),
            kept_columns,
            next_file: 0,
            current: None,
            bytes_before: 0,
            failed: false,
        })
    }

    /// The columns of which every row has a value, or none, in [`super::ListRow::kept`].
    pub fn kept_columns(&self) -> &[KeptColumn] {
        &self.kept_columns
    }

    /// The names of the files, in the order in which they are read.
    pub fn source_files(&self) -> Vec<String> {
        self.source.files.iter().map(|file| file.name.clone()).collect()
    }

    /// What else is in a folder, by name, sorted, and takes no part. Hidden entries and those that begin with `_` are
    /// not named.
    pub fn passed_over(&self) -> &[String] {
        &self.source.passed_over
    }

    /// How much was read, in bytes as they lie on disk. Where the list is read line by line, this may be ahead of
    /// the rows by a buffer.
    pub fn bytes_read(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, |current| {
            let done = current.rows.as_ref().and_then(|rows| rows.bytes_done());
            done.unwrap_or_else(|| current.meter.bytes())
        });
        self.bytes_before + current
    }

    /// The size of all files together when the list was opened.
    pub fn bytes_total(&self) -> u64 {
        self.source.bytes()
    }

    /// The list's SHA-256 as [`super::list_sha256`] has it, once all rows were read.
    pub fn into_sha256(self) -> String {
        self.digest.finish()
    }

    fn next_item(&mut self) -> Result<Option<ListItem>> {
        loop {
            if self.current.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let raw = current.rows.as_mut().map_or(Ok(None), |rows| rows.next_row())?;
            if let Some(raw) = raw {
                return Ok(Some(raw.check(&current.file.name)));
            }
            self.close_current()?;
        }
    }

    fn open_next(&mut self) -> Result<bool> {
        let Some(file) = self.source.files.get(self.next_file).cloned() else { return Ok(false) };
        self.next_file += 1;
        let meter = Meter::default();
        let rows = open_file(&file, &self.options, &meter)?;
        if let Some(rows) = &rows
            && rows.kept_columns() != self.kept_columns
        {
            return Err(Error::bad_list(&self.path, "was changed while it was read"));
        }
        self.current = Some(Current { file, rows, meter });
        Ok(true)
    }

    fn close_current(&mut self) -> Result<()> {
        let Some(Current { file, meter, .. }) = self.current.take() else { return Ok(()) };
        let sha256 = match file.detected.format.open {
            Open::Lines(_) => meter.sha256(),
            // Its bytes were not read in order.
            Open::File(_) => file_sha256(&file.path)?,
        };
        self.digest.add(&file.name, &sha256);
        self.bytes_before += file.bytes;
        Ok(())
    }
}

/// The rows of a file, or `None` if it has not a byte.
fn open_file(file: &ListFile, options: &ListOptions, meter: &Meter) -> Result<Option<Rows>> {
    let path = &file.path;
    let opened = File::open(path).map_err(Error::io("open", path))?;
    match file.detected.format.open {
        _ if file.bytes == 0 => Ok(None),
        Open::File(open) => open(opened, path, options).map(Some),
        Open::Lines(open) => {
            let bytes: Bytes = Box::new(meter.watch(opened));
            file.detected.open_bytes(bytes, path, options, open)
        }
    }
}

fn differ(
    path: &Path,
    (file, kept): (&ListFile, &[KeptColumn]),
    (other_file, other_kept): (&ListFile, &[KeptColumn]),
) -> Error {
    let named = |kept: &[KeptColumn]| {
        let named = kept.iter().map(|column| format!("`{:.64}` ({:?})", column.name, column.kind));
        named.take(20).collect::<Vec<_>>().join(", ").to_lowercase()
    };
    let message = format!(
        "has files of which the columns to keep differ: {} has {}, {} has {}",
        file.name,
        named(kept),
        other_file.name,
        named(other_kept)
    );
    Error::bad_list(path, message)
}

impl Iterator for ListReader {
    type Item = Result<ListItem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.next_item().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
