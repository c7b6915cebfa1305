//! img2dataset's layout, as its version 1.47.0 writes it with `--compute_hash sha256`.
//!
//! From its source: `downloader.py` for keys, statuses and columns, `writer.py` for files, members and tables,
//! `logger.py` for the statistics. What differs, on purpose: rows are in the order of the list, which there is the
//! order of arrival; tar headers have no times; failed rows tell Ream's reasons.

mod key;
mod metadata;
mod stats;
mod status;

use crate::facts::{Fact, FactTable};
use crate::layout::OutputOptions;
use crate::ledger::LedgerRow;
use crate::sink::{Folder, OutputFormat, Sink, StoredImage, Tar, chunk_stem, into_io};
use key::Keys;
use metadata::Metadata;
use stats::Stats;
use status::Status;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What img2dataset calls images if it is told nothing.
const DEFAULT_EXTENSION: &str = "jpg";

/// One chunk in img2dataset's layout.
pub(crate) struct Img2datasetSink {
    staging: PathBuf,
    stem: String,
    extension: &'static str,
    has_captions: bool,
    keys: Keys,
    metadata: Metadata,
    images: Images,
    table: FactTable,
    stats: Stats,
}

enum Images {
    Folder(Folder),
    Tar(Tar),
    /// In the table.
    Column,
}

impl Img2datasetSink {
    pub(crate) fn create(options: &OutputOptions, staging: &Path, chunk_index: u64) -> io::Result<Self> {
        let stem = chunk_stem(chunk_index);
        let extension = options.encode_extension.unwrap_or(DEFAULT_EXTENSION);
        let images = match options.format {
            OutputFormat::Files => Images::Folder(Folder::create(staging, stem.clone())?),
            OutputFormat::Webdataset => Images::Tar(Tar::create(staging, &stem)?),
            OutputFormat::Parquet => Images::Column,
        };
        let metadata = Metadata::new(options, extension);
        let mut columns = metadata.facts(&LedgerRow::default(), "", &Status::Success, None);
        if matches!(images, Images::Column) {
            columns.push(Fact::binary(extension, None));
        }
        let table = FactTable::create(&staging.join(table_name(&stem)), &columns).map_err(into_io)?;
        Ok(Self {
            staging: staging.to_owned(),
            extension,
            has_captions: options.has_captions,
            keys: Keys::new(chunk_index, options.chunk_size),
            metadata,
            images,
            table,
            stats: Stats::start(),
            stem,
        })
    }

    /// Writes the files of a stored image in the order of their extensions, as the webdataset package does. Gives the
    /// image's name for the ledger.
    fn store(&mut self, key: &str, row: &LedgerRow, bytes: &[u8], facts: &[Fact]) -> io::Result<String> {
        let json = metadata::to_json(facts)?;
        let mut members = vec![(self.extension, bytes), ("json", json.as_slice())];
        if self.has_captions {
            members.push(("txt", row.caption.as_deref().unwrap_or_default().as_bytes()));
        }
        members.sort_unstable_by_key(|(extension, _)| *extension);
        for (extension, bytes) in members {
            let name = format!("{key}.{extension}");
            match &mut self.images {
                Images::Folder(folder) => folder.add(name, bytes)?,
                Images::Tar(tar) => tar.add(&name, bytes)?,
                Images::Column => {}
            }
        }
        Ok(match &self.images {
            Images::Folder(_) => format!("{}/{key}.{}", self.stem, self.extension),
            Images::Tar(_) => format!("{key}.{}", self.extension),
            Images::Column => table_name(&self.stem),
        })
    }
}

impl Sink for Img2datasetSink {
    fn append(&mut self, row: &LedgerRow, image: Option<StoredImage<'_>>) -> io::Result<Option<String>> {
        let key = self.keys.next_key();
        let status = Status::of(row);
        self.stats.count(&status);
        let exif = image.and_then(|image| image.exif);
        let mut facts = self.metadata.facts(row, &key, &status, exif);
        let name = image.map(|image| self.store(&key, row, image.bytes, &facts)).transpose()?;
        if matches!(self.images, Images::Column) {
            facts.push(Fact::binary(self.extension, image.map(|image| image.bytes)));
        }
        self.table.push(facts).map_err(into_io)?;
        Ok(name)
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        let mut names = match self.images {
            Images::Folder(folder) => vec![folder.finish()?],
            Images::Tar(tar) => vec![tar.finish()?],
            Images::Column => Vec::new(),
        };
        self.table.finish().map_err(into_io)?;
        names.push(table_name(&self.stem));
        let stats_name = format!("{}_stats.json", self.stem);
        let mut file = File::create(self.staging.join(&stats_name))?;
        file.write_all(&self.stats.into_json()?)?;
        file.sync_all()?;
        names.push(stats_name);
        Ok(names)
    }
}

fn table_name(stem: &str) -> String {
    format!("{stem}.parquet")
}

#[cfg(test)]
mod tests;
