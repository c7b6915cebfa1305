//! The facts of one image, and their columns in the ledger.

use super::ImageStatus;
use super::field::Field;
use crate::kept::KeptValue;
use crate::kept_cells;
use crate::list::ListRow;
use crate::table::{Cells, Column};
use ream_core::ErrorClass;

/// Makes the row and its columns out of one list of fields, so that a new field is one line.
macro_rules! ledger_row {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)+) => {
        /// What became of one image.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct LedgerRow {
            $($(#[$doc])* pub $field: $type,)+
            /// The values of the kept columns, in their order.
            pub kept: Vec<Option<KeptValue>>,
        }

        /// The columns that every ledger has.
        pub(super) fn fixed_columns() -> Vec<Column> {
            vec![$(<$type as Field>::column(stringify!($field))),+]
        }

        /// The names of [`fixed_columns`]: kept columns get others.
        pub(crate) const FIXED_NAMES: &[&str] = &[$(stringify!($field)),+];

        /// The rows as [`fixed_columns`].
        pub(super) fn to_cells(rows: &[LedgerRow]) -> Vec<Cells> {
            vec![$(<$type as Field>::to_cells(rows.iter().map(|row| &row.$field))),+]
        }

        /// Takes the columns apart again, kept ones last; `None` if a value does not fit its field.
        pub(super) fn of_cells(
            cells: Vec<Cells>,
            count: usize,
        ) -> Option<Vec<LedgerRow>> {
            let mut cells = cells.into_iter();
            $(let mut $field = <$type as Field>::of_cells(cells.next()?)?.into_iter();)+
            let mut kept = kept_rows(cells, count)?;
            (0..count)
                .map(|_| Some(LedgerRow { $($field: $field.next()?,)+ kept: kept.next()? }))
                .collect()
        }
    };
}

/// The kept values row by row; `None` for a column that cannot be a kept one.
fn kept_rows(
    columns: impl Iterator<Item = Cells>,
    count: usize,
) -> Option<impl Iterator<Item = Vec<Option<KeptValue>>>> {
    let mut rows = vec![Vec::new(); count];
    for cells in columns {
        for (row, value) in rows.iter_mut().zip(kept_cells::of_cells(cells)?) {
            row.push(value);
        }
    }
    Some(rows.into_iter())
}

ledger_row! {
    /// The image number.
    image: u64,
    /// The URL as the list has it.
    url: String,
    /// The caption, if the list has one.
    caption: Option<String>,
    /// Whether it was stored.
    status: ImageStatus,
    /// Why it was not stored.
    error_class: Option<ErrorClass>,
    /// The same in words.
    error_message: Option<String>,
    /// The status of the last answer, if there was one.
    http_status: Option<u16>,
    /// The size of the stored file.
    bytes: Option<u64>,
    /// The stored image's, in pixels.
    width: Option<u32>,
    /// The stored image's, in pixels.
    height: Option<u32>,
    /// The stored image's format, as its file name extension.
    format: Option<String>,
    /// SHA-256 of the stored file, in lower-case hexadecimal.
    sha256: Option<String>,
    /// Where it is stored: the file within the dataset, the member of the chunk's tar, or the chunk's Parquet file.
    file: Option<String>,
    /// The size of the file as fetched.
    original_bytes: Option<u64>,
    /// The fetched image's, in pixels.
    original_width: Option<u32>,
    /// The fetched image's, in pixels.
    original_height: Option<u32>,
    /// The fetched image's format, as its file name extension.
    original_format: Option<String>,
    /// SHA-256 of the file as fetched, in lower-case hexadecimal.
    original_sha256: Option<String>,
    /// Requests that were made for it, redirects not counted.
    tries: Option<u32>,
    /// How long fetching took, retries included.
    fetch_ms: Option<u64>,
    /// How long checking and transforming took.
    transform_ms: Option<u64>,
    /// The URL after all redirects.
    final_url: Option<String>,
    /// The answer's `ETag` (RFC 9110 section 8.8.3).
    etag: Option<String>,
    /// The answer's `Last-Modified` (RFC 9110 section 8.8.2).
    last_modified: Option<String>,
    /// The list's file name.
    source_file: String,
    /// The row's line in the list.
    source_line: u64,
}

impl LedgerRow {
    /// What the list says of an image of which nothing else is known yet. It counts as failed until it is stored.
    pub fn of_list(image: u64, row: ListRow) -> Self {
        let ListRow { url, caption, kept, source_file, source_line, .. } = row;
        Self { image, url, caption, kept, source_file, source_line, ..Self::default() }
    }
}
