//! What holds for every list, whatever its bytes.

use crate::scratch;
use ream_dataset::{KeepColumns, ListItem, ListOptions, ListReader, ListRow, list_sha256};
use std::path::Path;
use url::Url;

/// Longer than any row's values may be.
const MAX_VALUE_BYTES: usize = ream_dataset::list::MAX_LINE_BYTES;

/// Reads the bytes as a list of the format with this extension. The last byte also chooses the options, so that a seed
/// is an ordinary list.
pub fn check(extension: &str, data: &[u8]) {
    let path = scratch::file(extension, data);
    let options = options(data.last().copied().unwrap_or(0), extension);
    if let Some(items) = read(&path, &options) {
        assert_eq!(read(&path, &options).as_ref().map(Vec::len), Some(items.len()), "read twice");
    }
}

/// Reads a compressed list as such, and again after it was unpacked by other means: both must be the same.
pub fn check_compressed(extension: &str, data: &[u8], unpack: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
    let options = options(0, extension);
    let packed = read(&scratch::file(extension, data), &options);
    let Some(plain) = unpack(data) else { return };
    let plain_extension = extension.split('.').next().expect("split has a first part");
    let unpacked = read(&scratch::file(plain_extension, &plain), &options);
    let bare = |items: Vec<ListItem>| items.into_iter().map(without_file).collect::<Vec<_>>();
    assert_eq!(packed.map(bare), unpacked.map(bare), "the same compressed and plain");
}

fn without_file(item: ListItem) -> ListItem {
    match item {
        ListItem::Row(row) => ListItem::Row(ListRow { source_file: String::new(), ..row }),
        ListItem::Reject(mut reject) => {
            reject.source_file.clear();
            ListItem::Reject(reject)
        }
    }
}

fn options(choice: u8, extension: &str) -> ListOptions {
    let has_columns = !extension.starts_with("txt");
    let knows_all = !extension.starts_with("jsonl");
    let keep_columns = match choice % 3 {
        1 if has_columns && knows_all => KeepColumns::All,
        2 if has_columns => KeepColumns::Named(vec!["k".to_owned()]),
        _ => KeepColumns::None,
    };
    let sha256_column = (has_columns && choice & 64 != 0).then(|| "sha256".to_owned());
    ListOptions { keep_columns, sha256_column, ..ListOptions::default() }
}

/// All items, or `None` if the list cannot be read to its end.
fn read(path: &Path, options: &ListOptions) -> Option<Vec<ListItem>> {
    let mut reader = match ListReader::open(path, options) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(error.is_bad_input(), "the file is there, so the list is at fault: {error}");
            return None;
        }
    };
    let columns = reader.kept_columns().to_vec();
    let mut items = Vec::new();
    let mut line_before = 0;
    for item in &mut reader {
        let item = match item {
            Ok(item) => item,
            Err(error) => {
                assert!(error.is_bad_input(), "the file is there, so the list is at fault: {error}");
                assert!(reader.next().is_none(), "nothing comes after an error");
                return None;
            }
        };
        let line = match &item {
            ListItem::Row(row) => {
                check_row(row);
                assert_eq!(row.kept.len(), columns.len());
                for (value, column) in row.kept.iter().zip(&columns) {
                    assert!(value.as_ref().is_none_or(|value| value.kind() == column.kind));
                }
                row.source_line
            }
            ListItem::Reject(reject) => {
                assert!(!reject.reason.is_empty() && reject.reason.len() < 10_000, "{}", reject.reason);
                reject.source_line
            }
        };
        assert!(line > line_before, "line {line} after {line_before}");
        line_before = line;
        items.push(item);
    }
    assert_eq!(reader.bytes_read(), reader.bytes_total(), "read to the end");
    assert_eq!(reader.into_sha256(), list_sha256(path).expect("the file is there"));
    Some(items)
}

fn check_row(row: &ListRow) {
    let url = Url::parse(&row.url).unwrap_or_else(|error| panic!("{:?}: {error}", row.url));
    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
    assert!(url.has_host() && url.username().is_empty() && url.password().is_none(), "{url}");
    assert!(!row.url.chars().any(|c| c.is_ascii_control()) && row.url.len() <= MAX_VALUE_BYTES);
    assert!(row.caption.as_ref().is_none_or(|text| !text.trim().is_empty() && text.len() <= MAX_VALUE_BYTES));
    let is_sha256 =
        |text: &String| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    assert!(row.expected_sha256.as_ref().is_none_or(is_sha256));
}
