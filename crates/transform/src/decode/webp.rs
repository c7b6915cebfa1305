//! WebP.
//!
//! The usual ones, lossy and without alpha, are decoded by libwebp, which is twice as fast and takes less memory. Its
//! decoder for the lossless kind, which alpha comes in as well, takes hundreds of megabytes for some small files made
//! to do so: those, and animations, are left to the decoder in Rust.

use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::pixels::{Layout, Pixels};
use crate::plan::Size;
use ::webp::{BitstreamFeatures, BitstreamFormat, Decoder};

/// Whether it is one picture, lossy, without alpha.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    BitstreamFeatures::new(bytes).is_some_and(|features| {
        !features.has_alpha()
            && !features.has_animation()
            && matches!(features.format(), Some(BitstreamFormat::Lossy))
    })
}

fn is_lossless(bytes: &[u8]) -> bool {
    let features = BitstreamFeatures::new(bytes);
    features.is_some_and(|features| matches!(features.format(), Some(BitstreamFormat::Lossless)))
}

/// Memory that a lossy picture may claim for a part that is not there, in 24 bits (RFC 6386, 9.5); the decoder in Rust
/// takes it before it looks.
const CLAIM_BYTES: u64 = 1 << 24;

/// What decoding takes besides the pixels.
pub(super) fn scratch_bytes(bytes: &[u8], area: u64) -> u64 {
    // VP8X is the first chunk of a file with more than pixels; bit 1 of its flags says animation (RFC 9649, 2.7.1).
    let is_animated = bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0);
    let (per_pixel, claim_bytes) = if is_animated {
        // The canvas and a frame, and what a single picture takes.
        (15, CLAIM_BYTES)
    } else if is_plain(bytes) {
        // The library's pixels, which are copied.
        (3, 0)
    } else if is_lossless(bytes) {
        // Its pixels always have alpha.
        (4, 0)
    } else {
        // Planes, and the alpha plane as RGBA and as it is.
        (7, CLAIM_BYTES)
    };
    // Chunks are copied.
    per_pixel * area + claim_bytes + bytes.len() as u64
}

/// Decodes a picture that [`is_plain`], of the size given.
pub(super) fn decode(bytes: &[u8], size: Size) -> Result<Pixels, Refusal> {
    let Some(image) = Decoder::new(bytes).decode() else {
        return Err(undecodable("the WebP is damaged or ends too early"));
    };
    if (image.width(), image.height()) != size || image.is_alpha() {
        return Err(undecodable("the WebP's header contradicts itself"));
    }
    Ok(Pixels { size, layout: Layout::Rgb, data: image.to_vec() })
}
