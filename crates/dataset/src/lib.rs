//! Image lists in, image datasets out. Synchronous: everything here is files and bytes.
//!
//! A list is read row by row ([`list`]), kept as Parquet parts from which any chunk's rows can be read alone
//! ([`mod@ingest`], [`parts`]), and images are stored ([`sink`]), accounted for
//! ([`ledger`]) and moved to their final names ([`mod@publish`]), which a [`layout`] gives them. A [`summary`] tells of
//! the whole.

pub mod error;
mod facts;
mod files;
pub mod ingest;
pub mod kept;
mod kept_cells;
pub mod layout;
pub mod ledger;
pub mod list;
pub mod parts;
pub mod publish;
pub mod sink;
pub mod summary;
mod table;
#[cfg(test)]
mod testing;

pub use error::{Error, Result};
pub use files::{hex, is_file_at};
pub use ingest::{IngestOptions, Ingested, ingest};
pub use kept::{KeptColumn, KeptKind, KeptValue};
pub use layout::{Layout, OutputOptions, is_output_name};
pub use ledger::{ImageStatus, LedgerReader, LedgerRow, LedgerWriter};
pub use list::{
    KeepColumns, ListFingerprint, ListItem, ListOptions, ListReader, ListRow, Reject, list_fingerprint,
    list_sha256,
};
pub use parts::{PartsReader, PartsWriter};
pub use publish::{Staging, publish, sweep_staging};
pub use sink::{OutputFormat, Sink, StoredImage, open_sink};
pub use summary::{Shard, SummaryWriter};
pub use table::RangeSource;
