//! What cameras note in a file: Exif (CIPA DC-008).

mod block;

use crate::decode::jpeg_header::JpegHeader;
use crate::guard::caught;
use crate::orient::Orientation;
use exif::{Context, Exif, Field, In, Reader, Tag};
use std::collections::BTreeMap;
use std::io::Cursor;

/// The longest JSON of [`exif_json`], in bytes.
pub const MAX_EXIF_JSON_BYTES: usize = 64 * 1024;
/// Longer values are data of the camera's maker and the like.
const MAX_VALUE_CHARS: usize = 1024;
/// The same in numbers; sixteen bytes of text count as one.
const MAX_VALUES: usize = 64;
/// Fields that are looked at: each may take as much memory as the whole block.
const MAX_FIELDS: usize = 256;
/// The largest block that is looked at. Within a JPEG there is no larger one; elsewhere each of many fields could point
/// at the same megabytes.
const MAX_EXIF_BYTES: usize = 64 * 1024;

/// The Exif of a file as a JSON object of names and values, such as `"Image Make": "Canon"`; names begin with the group
/// as in img2dataset's column `exif`. `None` if there is none or it cannot be read. Fields in the order of their
/// names, without previews and binary values, as many as fit in [`MAX_EXIF_JSON_BYTES`].
pub fn exif_json(bytes: &[u8]) -> Option<String> {
    let fields = caught(|| fields(bytes))??;
    let mut kept = BTreeMap::new();
    let mut length_bytes = 2;
    for (name, value) in fields {
        // Quotes, a colon, a comma, and what JSON adds to the value, all counted by writing it.
        length_bytes += serde_json::to_string(&(&name, &value)).ok()?.len();
        if length_bytes > MAX_EXIF_JSON_BYTES {
            break;
        }
        kept.insert(name, value);
    }
    if kept.is_empty() { None } else { serde_json::to_string(&kept).ok() }
}

fn fields(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let exif = read(bytes)?;
    let named = exif.fields().take(MAX_FIELDS).filter(|field| field.ifd_num == In::PRIMARY).filter_map(named);
    let fields: BTreeMap<_, _> = named.collect();
    (!fields.is_empty()).then_some(fields)
}

fn read(bytes: &[u8]) -> Option<Exif> {
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    // A JPEG's segments are walked here: the reader would stop at the first that it does not like.
    let exif = if bytes.starts_with(b"\xFF\xD8") {
        reader.read_raw(JpegHeader::read(bytes)?.exif?.to_vec())
    } else if bytes.len() <= MAX_EXIF_BYTES {
        reader.read_from_container(&mut Cursor::new(bytes))
    } else {
        let block = block::find(bytes).filter(|block| block.len() <= MAX_EXIF_BYTES);
        reader.read_raw(block?.to_vec())
    };
    exif.or_else(|error| error.distill_partial_result(|_| ())).ok()
}

fn named(field: &Field) -> Option<(String, String)> {
    if matches!(field.tag, Tag::MakerNote | Tag::UserComment) {
        return None;
    }
    let group = match field.tag.context() {
        Context::Tiff => "Image",
        Context::Exif => "EXIF",
        Context::Gps => "GPS",
        Context::Interop => "Interoperability",
        _ => return None,
    };
    // Long values are not even written out: a number may take 300 characters.
    if count(&field.value) > MAX_VALUES {
        return None;
    }
    let text = match &field.value {
        exif::Value::Ascii(lines) => {
            let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
            lines.join(" ").trim().to_owned()
        }
        value => value.display_as(field.tag).to_string(),
    };
    (text.len() <= MAX_VALUE_CHARS).then(|| (format!("{group} {}", field.tag), text))
}

/// The numbers or bytes of a value.
fn count(value: &exif::Value) -> usize {
    use exif::Value as V;
    match value {
        V::Byte(v) | V::Undefined(v, _) => v.len() / 16,
        V::Ascii(v) => v.iter().map(|line| line.len() / 16).sum(),
        V::Short(v) => v.len(),
        V::Long(v) => v.len(),
        V::Rational(v) => v.len(),
        V::SByte(v) => v.len(),
        V::SShort(v) => v.len(),
        V::SLong(v) => v.len(),
        V::SRational(v) => v.len(),
        V::Float(v) => v.len(),
        V::Double(v) => v.len(),
        V::Unknown(..) => usize::MAX,
    }
}

/// The orientation that an Exif block names.
pub(crate) fn orientation(exif: Option<&[u8]>) -> Orientation {
    let read = || {
        let mut reader = Reader::new();
        reader.continue_on_error(true);
        let exif =
            reader.read_raw(exif?.to_vec()).or_else(|error| error.distill_partial_result(|_| ())).ok()?;
        exif.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0)
    };
    read().map_or(Orientation::UPRIGHT, Orientation::new)
}
