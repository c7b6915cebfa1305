//! The metadata of a sample: a row of `00000.parquet`, and the sample's own `.json`.

use super::status::Status;
use crate::facts::{Fact, JsonObject};
use crate::kept::KeptColumn;
use crate::kept_cells::rename_kept;
use crate::layout::OutputOptions;
use crate::ledger::LedgerRow;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use std::fmt::Write as _;

/// Names of columns that img2dataset keeps for itself; it refuses to keep columns of the list by these.
const RESERVED: &[&str] = &[
    "key",
    "caption",
    "url",
    "width",
    "height",
    "original_width",
    "original_height",
    "status",
    "error_message",
    "exif",
    "md5",
    "sha256",
    "sha512",
];

/// What is told of each sample of a dataset.
pub(super) struct Metadata {
    kept: Vec<KeptColumn>,
    has_captions: bool,
}

impl Metadata {
    pub(super) fn new(options: &OutputOptions, extension: &'static str) -> Self {
        let taken: Vec<&str> = RESERVED.iter().copied().chain([extension]).collect();
        Self { kept: rename_kept(&options.kept, &taken), has_captions: options.has_captions }
    }

    /// In img2dataset's order: what the list says (kept columns, caption, URL), then what came of it. It says nothing
    /// of a file that failed.
    pub(super) fn facts(&self, row: &LedgerRow, key: &str, status: &Status, exif: Option<&str>) -> Vec<Fact> {
        let stored = (*status == Status::Success).then_some(row);
        let mut facts: Vec<Fact> = Fact::kept(&self.kept, row).collect();
        if self.has_captions {
            facts.push(Fact::text("caption", row.caption.as_deref()));
        }
        facts.extend([
            Fact::text("url", Some(&row.url)),
            Fact::text("key", Some(key)),
            Fact::text("status", Some(status.as_str())),
            Fact::text("error_message", status.message()),
            Fact::integer32("width", stored.and_then(|row| row.width)),
            Fact::integer32("height", stored.and_then(|row| row.height)),
            Fact::integer32("original_width", stored.and_then(|row| row.original_width)),
            Fact::integer32("original_height", stored.and_then(|row| row.original_height)),
            Fact::text("exif", stored.and(exif)),
            Fact::text("sha256", stored.and_then(|row| row.original_sha256.as_deref())),
        ]);
        facts
    }
}

pub(super) fn to_json(facts: &[Fact]) -> serde_json::Result<Vec<u8>> {
    dumps(&JsonObject(facts))
}

/// As Python's `json.dumps(value, indent=4)`: ASCII only, so that it can be read in any locale.
pub(super) fn dumps(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::new();
    let pretty = PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, pretty))?;
    Ok(escape(&String::from_utf8_lossy(&json)).into_bytes())
}

/// In JSON everything beyond ASCII stands in a string, where it may be escaped (RFC 8259 section 7).
fn escape(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut ascii, char| {
        if char.is_ascii() {
            ascii.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
        ascii
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_python_does() {
        let value = serde_json::json!({"a": "é \u{1f431} \"x\" \n", "b": [1, null], "c": 0.5});
        let expected = concat!(
            "{\n    \"a\": \"\\u00e9 \\ud83d\\udc31 \\\"x\\\" \\n\",\n",
            "    \"b\": [\n        1,\n        null\n    ],\n    \"c\": 0.5\n}"
        );
        assert_eq!(String::from_utf8(dumps(&value).unwrap()).unwrap(), expected);
    }
}
