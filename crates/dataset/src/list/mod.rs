//! Reading image lists: one item per row, in constant memory whatever the list holds.
//!
//! A list is a file or a folder of them (`source`); a file may be compressed (`compression`) and has one of the
//! formats in `format`. A format is a file of its own that hands up rows (`row::RowSource`).

mod columns;
mod compression;
mod delimited;
mod digest;
mod format;
mod jsonl;
mod lines;
mod object;
mod options;
mod parquet;
mod reader;
mod record;
mod row;
mod source;
mod txt;
mod url_check;

pub use digest::{ListFingerprint, list_fingerprint, list_sha256};
pub use lines::MAX_LINE_BYTES;
pub use options::{KeepColumns, ListOptions};
pub use reader::ListReader;
pub use row::{ListItem, ListRow, Reject};

#[cfg(test)]
mod tests;
