//! Image lists in, image datasets out. Synchronous: everything here is files and bytes.
//!
//! A list is read row by row ([`list`]), kept as Parquet parts from which any chunk's rows can be read alone
//! ([`mod@ingest`], [`parts`]), and images are stored ([`sink`]), accounted for
//! ([`ledger`]) and moved to their final names ([`mod@publish`]).

pub mod error;
mod files;
pub mod ingest;
pub mod ledger;
pub mod list;
pub mod parts;
pub mod publish;
pub mod sink;
mod table;

pub use error::{Error, Result};
pub use files::hex;
pub use ingest::{IngestOptions, Ingested, ingest};
pub use ledger::{ImageStatus, LedgerRow};
pub use list::{ListFormat, ListItem, ListOptions, ListReader, ListRow, Reject};
pub use parts::{PartsReader, PartsWriter};
pub use publish::{Staging, publish, sweep_staging};
pub use sink::{OutputFormat, Sink, StoredImage, open_sink};
