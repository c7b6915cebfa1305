//! Recognising images by their bytes; what a server calls them does not count.

use crate::guard::caught;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! formats {
    ($($name:ident = $extension:literal, $mime:literal;)+) => {
        /// The image formats that are stored, as they came.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        #[allow(missing_docs, reason = "the names say it all")]
        pub enum ImageFormat { $($name,)+ }

        impl ImageFormat {
            /// Every format.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The file name extension, without a dot.
            pub const fn extension(self) -> &'static str {
                match self { $(Self::$name => $extension),+ }
            }

            /// The media type.
            pub const fn mime(self) -> &'static str {
                match self { $(Self::$name => $mime),+ }
            }
        }
    };
}

formats! {
    Jpeg = "jpg", "image/jpeg";
    Png = "png", "image/png";
    Gif = "gif", "image/gif";
    Webp = "webp", "image/webp";
    Bmp = "bmp", "image/bmp";
    Tiff = "tiff", "image/tiff";
    Svg = "svg", "image/svg+xml";
    Avif = "avif", "image/avif";
    Heic = "heic", "image/heic";
    Jxl = "jxl", "image/jxl";
    Ico = "ico", "image/x-icon";
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Jpeg => "jpeg",
            other => other.extension(),
        })
    }
}

/// What an image's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageInfo {
    /// By its magic bytes.
    pub format: ImageFormat,
    /// In pixels; `None` for a drawing without pixels (SVG).
    pub width: Option<u32>,
    /// In pixels; `None` for a drawing without pixels (SVG).
    pub height: Option<u32>,
}

/// Recognises an image by its magic bytes and reads its size from the header. `None` for everything else, and for
/// an image format whose header cannot be read. Nothing is decoded, so a bomb costs nothing.
pub fn sniff(bytes: &[u8]) -> Option<ImageInfo> {
    let format = magic(bytes)?;
    if format == ImageFormat::Svg {
        return Some(ImageInfo { format, width: None, height: None });
    }
    // These are other people's parsers on hostile bytes: should one panic, the image is bad, not the worker.
    let size = caught(|| imagesize::blob_size(bytes))?.ok()?;
    let (width, height) = (u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?);
    (width > 0 && height > 0).then_some(ImageInfo { format, width: Some(width), height: Some(height) })
}

fn magic(bytes: &[u8]) -> Option<ImageFormat> {
    use ImageFormat as F;
    let is = |at: usize, what: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(what));
    Some(match bytes {
        // No image is smaller than the longest of these signatures.
        short if short.len() < 12 => return None,
        _ if is(0, b"\xFF\xD8\xFF") => F::Jpeg,
        _ if is(0, b"\x89PNG\r\n\x1A\n") => F::Png,
        _ if is(0, b"GIF87a") || is(0, b"GIF89a") => F::Gif,
        _ if is(0, b"RIFF") && is(8, b"WEBP") => F::Webp,
        _ if is(0, b"II*\0") || is(0, b"MM\0*") => F::Tiff,
        _ if is(0, b"\0\0\x01\0") => F::Ico,
        _ if is(0, b"\xFF\x0A") || is(0, b"\0\0\0\x0CJXL \r\n\x87\n") => F::Jxl,
        _ if is(4, b"ftyp") => heif(bytes)?,
        // `BM` alone is too little to go by: the reserved words must be zero and the header size a known one.
        _ if is(0, b"BM") && is(6, &[0; 4]) => F::Bmp,
        _ if is_svg(bytes) => F::Svg,
        _ => return None,
    })
}

/// AVIF and HEIC share a container; the brands in its first box tell them apart.
fn heif(bytes: &[u8]) -> Option<ImageFormat> {
    let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let end = size.clamp(12, 256).min(bytes.len());
    let brands = bytes.get(8..end)?;
    // The major brand comes first, then a version number, then the compatible brands.
    for brand in brands.chunks_exact(4) {
        match brand {
            b"avif" | b"avis" => return Some(ImageFormat::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => return Some(ImageFormat::Heic),
            _ => {}
        }
    }
    None
}

/// Whether the first element is `svg`, after a byte order mark, blanks, comments, instructions and a doctype.
fn is_svg(bytes: &[u8]) -> bool {
    const LOOK_AT: usize = 4096;
    let start = &bytes[..bytes.len().min(LOOK_AT)];
    let mut rest = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    loop {
        let end: &[u8] = if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"<?") {
            b"?>"
        } else if rest.starts_with(b"<!DOCTYPE svg") {
            b">"
        } else {
            break;
        };
        let Some(at) = rest.windows(end.len()).position(|window| window == end) else { return false };
        rest = rest[at + end.len()..].trim_ascii_start();
    }
    let name_ends =
        |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'));
    rest.strip_prefix(b"<svg").is_some_and(|after| name_ends(after.first()))
}

#[cfg(test)]
mod tests;
