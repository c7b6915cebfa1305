//! The kinds of list that can be read, one line each.

use super::compression::{Bytes, Compression, ENDINGS};
use super::lines::Lines;
use super::options::ListOptions;
use super::row::RowSource;
use super::{delimited, jsonl, parquet, txt};
use crate::error::{Error, Result};
use std::fs::File;
use std::path::Path;

/// One kind of list.
pub(super) struct Format {
    /// Its extensions in lower case, without the dot.
    pub(super) extensions: &'static [&'static str],
    pub(super) open: Open,
}

pub(super) type Rows = Box<dyn RowSource>;

/// How its rows are reached.
#[derive(Clone, Copy)]
pub(super) enum Open {
    /// Line by line; the file may be compressed.
    Lines(fn(Lines, &ListOptions) -> Result<Rows>),
    /// From anywhere in the file, which is compressed inside.
    File(fn(File, &Path, &ListOptions) -> Result<Rows>),
}

const FORMATS: [&Format; 5] =
    [&txt::FORMAT, &delimited::CSV, &delimited::TSV, &jsonl::FORMAT, &parquet::FORMAT];

/// What a file's name says of its contents.
#[derive(Clone, Copy)]
pub(super) struct Detected {
    pub(super) format: &'static Format,
    pub(super) compression: Compression,
}

impl Detected {
    /// Tells format and compression from the extensions, in any case.
    ///
    /// # Errors
    /// [`Error::BadList`] that names the extension found and those that are allowed.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let ending = ENDINGS.into_iter().find_map(|(ending, compression)| {
            Some((name.strip_suffix(ending)?.strip_suffix('.')?, compression))
        });
        let (inner, compression) = ending.unwrap_or((&name, Compression::None));
        let Some((_, extension)) = inner.rsplit_once('.') else {
            return Err(Error::bad_list(
                path,
                format!("has no extension that tells its format; {}", allowed()),
            ));
        };
        match FORMATS.into_iter().find(|format| format.extensions.contains(&extension)) {
            None => Err(Error::bad_list(path, format!("ends in `.{extension}`; {}", allowed()))),
            Some(Format { open: Open::File(_), .. }) if compression != Compression::None => {
                let message =
                    format!("is a compressed `.{extension}`, which is compressed inside; unpack it");
                Err(Error::bad_list(path, message))
            }
            Some(format) => Ok(Self { format, compression }),
        }
    }

    /// The rows of a format that is read line by line; `None` if there is not a byte.
    pub(super) fn open_bytes(
        self,
        bytes: Bytes,
        path: &Path,
        options: &ListOptions,
        open: fn(Lines, &ListOptions) -> Result<Rows>,
    ) -> Result<Option<Rows>> {
        let bytes = self.compression.unpack(bytes).map_err(Error::io("read", path))?;
        Lines::new(bytes, path)?.map(|lines| open(lines, options)).transpose()
    }
}

/// The extensions that are allowed, in words.
pub(super) fn allowed() -> String {
    let dotted = |open: fn(&Open) -> bool| {
        let formats = FORMATS.into_iter().filter(|format| open(&format.open));
        let extensions = formats.flat_map(|format| format.extensions);
        extensions.map(|extension| format!("`.{extension}`")).collect::<Vec<_>>().join(", ")
    };
    let lines = dotted(|open| matches!(open, Open::Lines(_)));
    let files = dotted(|open| matches!(open, Open::File(_)));
    format!("allowed are {lines}, each also with `.gz` or `.zst` behind it, and {files}")
}
