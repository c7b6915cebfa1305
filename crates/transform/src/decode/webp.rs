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

/// What decoding takes besides the pixels.
pub(super) fn scratch_bytes(bytes: &[u8], area: u64) -> u64 {
    // VP8X is the first chunk of a file with more than pixels; bit 1 of its flags says animation (RFC 9649, 2.7.1).
    let is_animated = bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0);
    let per_pixel = if is_animated {
        // The canvas and a frame, and what a single picture takes.
        15
    } else if is_plain(bytes) {
        // The library's pixels, which are copied.
        3
    } else if is_lossless(bytes) {
        // Its pixels always have alpha.
        4
    } else {
        // Planes, and the alpha plane as RGBA and as it is.
        7
    };
    // Chunks are copied.
    per_pixel * area + bytes.len() as u64
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
