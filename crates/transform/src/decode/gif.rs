//! How much a GIF's first frame takes besides the canvas.

use crate::guard::undecodable;
use crate::inspect::Refusal;
use gif::DecodeOptions;
use std::io::Cursor;

/// Bytes of memory: the frame's indices into its palette, and, where it is narrower than the canvas or reaches beyond it,
/// its pixels apart.
pub(super) fn scratch_bytes(bytes: &[u8], canvas: (u32, u32)) -> Result<u64, Refusal> {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(undecodable)?;
    let frame = decoder.next_frame_info().map_err(undecodable)?;
    let frame = frame.ok_or_else(|| undecodable("it has no frame"))?;
    let area = u64::from(frame.width) * u64::from(frame.height);
    let fills_rows = frame.left == 0
        && u32::from(frame.width) == canvas.0
        && u32::from(frame.top) + u32::from(frame.height) <= canvas.1;
    Ok(if fills_rows { area } else { 5 * area })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A canvas of 100 by 80, and the header of a frame.
    fn file(left: u16, top: u16, width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"GIF89a\x64\0\x50\0\x80\0\0\0\0\0\xff\xff\xff\x2c".to_vec();
        for number in [left, top, width, height] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(b"\0\x02\x02\x44\x01\0\x3b");
        bytes
    }

    #[test]
    fn a_frame_that_fills_its_rows_needs_no_pixels_apart() {
        let scratch = |frame: Vec<u8>| scratch_bytes(&frame, (100, 80)).unwrap();
        assert_eq!(scratch(file(0, 0, 100, 80)), 8_000);
        assert_eq!(scratch(file(0, 10, 100, 70)), 7_000);
        for (left, top, width, height) in [(1, 0, 99, 80), (0, 10, 100, 80), (0, 0, 99, 80)] {
            let area = u64::from(width) * u64::from(height);
            assert_eq!(scratch(file(left, top, width, height)), 5 * area, "{left} {top} {width} {height}");
        }
        assert!(scratch_bytes(b"GIF89a\x64\0\x50\0\0\0\0\x3b", (100, 80)).is_err());
    }
}
