//! What a PNG carries before its pixels (PNG third edition, section 11.3).

use crate::color::MAX_PROFILE_BYTES;

/// Deflate's best is 1 to 1032.
const BEST_RATIO: u64 = 1032;

/// A bound for the memory that the decoder holds for profile and texts.
pub(super) fn held_bytes(bytes: &[u8]) -> u64 {
    let (mut at, mut held_bytes) = (8, 0);
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let (length, kind) = (u64::from(length).min(bytes.len() as u64), &head[4..]);
        held_bytes += match kind {
            b"IDAT" | b"IEND" => break,
            b"iCCP" => (length * BEST_RATIO).min(MAX_PROFILE_BYTES as u64),
            // The chunk as it came and as it is kept, which may take two bytes per letter.
            _ => 3 * length,
        };
        // Length, kind and checksum.
        at += 12 + length as usize;
    }
    held_bytes
}

#[cfg(test)]
mod tests;
