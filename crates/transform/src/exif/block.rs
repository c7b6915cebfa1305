//! The Exif block within a file, found without reading what is in it.

/// The block of a PNG or WebP file; `None` for other files and where there is none.
pub(super) fn find(bytes: &[u8]) -> Option<&[u8]> {
    if let Some(chunks) = bytes.strip_prefix(b"\x89PNG\r\n\x1A\n") {
        return png(chunks);
    }
    let chunks = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    webp(chunks)
}

/// Length, name, data and a checksum (PNG, third edition, section 5.3).
fn png(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let data = rest.get(8..)?.get(..length)?;
        if rest.get(4..8)? == b"eXIf" {
            return Some(data);
        }
        rest = rest.get(length.checked_add(12)?..)?;
    }
}

/// Name, length and data, filled up to an even length (RFC 9649 section 2.3).
fn webp(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let length = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize;
        let data = rest.get(8..)?.get(..length)?;
        if rest.get(..4)? == b"EXIF" {
            // Some writers keep the mark that a JPEG's segment begins with.
            return Some(data.strip_prefix(b"Exif\0\0").unwrap_or(data));
        }
        rest = rest.get(length.checked_add(length % 2)?.checked_add(8)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_found_behind_other_chunks_and_not_past_the_end() {
        let png = b"\x89PNG\r\n\x1A\n\0\0\0\x02IDATxxcccc\0\0\0\x03eXIfabccccc";
        assert_eq!(find(png), Some(b"abc".as_slice()));
        let webp = b"RIFF\0\0\0\0WEBPVP8 \x03\0\0\0xyz\0EXIF\x04\0\0\0abcd";
        assert_eq!(find(webp), Some(b"abcd".as_slice()));
        for file in [png.as_slice(), webp] {
            for end in 0..file.len() - 8 {
                assert_eq!(find(&file[..end]), None, "{end}");
            }
        }
        assert_eq!(find(b"\x89PNG\r\n\x1A\n\xFF\xFF\xFF\xFFeXIf"), None);
    }
}
