//! What several test modules need.

use crate::ledger::{ImageStatus, LedgerRow};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use std::fs::File;
use std::path::Path;

/// The account of an image that was fetched as PNG and stored as JPEG.
pub(crate) fn stored_row(image: u64, bytes: &[u8]) -> LedgerRow {
    LedgerRow {
        image,
        url: format!("http://a.test/{image}"),
        status: ImageStatus::Ok,
        http_status: Some(200),
        bytes: Some(bytes.len() as u64),
        width: Some(4),
        height: Some(3),
        format: Some("jpg".to_owned()),
        sha256: Some("cd".repeat(32)),
        original_bytes: Some(9),
        original_width: Some(8),
        original_height: Some(6),
        original_format: Some("png".to_owned()),
        original_sha256: Some("ab".repeat(32)),
        ..LedgerRow::default()
    }
}

fn open(path: &Path) -> SerializedFileReader<File> {
    SerializedFileReader::new(File::open(path).unwrap()).unwrap()
}

/// Every row as the parquet crate reads it: `name: Type(value)` per column.
pub(crate) fn rows_of_table(path: &Path) -> Vec<Vec<String>> {
    use parquet::record::Field;
    let show = |name: &String, field: &Field| match field {
        Field::Bytes(bytes) => format!("{name}: Bytes({:?})", String::from_utf8_lossy(bytes.data())),
        other => format!("{name}: {other:?}"),
    };
    let rows = open(path).into_iter().map(|row| row.unwrap());
    rows.map(|row| row.get_column_iter().map(|(name, field)| show(name, field)).collect()).collect()
}

pub(crate) fn rows_per_group(path: &Path) -> Vec<i64> {
    open(path).metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect()
}
