//! JPEG by libjpeg-turbo, which scales by 2, 4 and 8 while it decodes.

use super::jpeg_header::JpegHeader;
use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::pixels::{Layout, Pixels};
use turbojpeg::{Decompressor, Error, Image, PixelFormat};

pub(super) fn decode(bytes: &[u8], header: &JpegHeader<'_>, shrink_by: u32) -> Result<Pixels, Refusal> {
    let (layout, format) =
        if header.components == 1 { (Layout::L, PixelFormat::GRAY) } else { (Layout::Rgb, PixelFormat::RGB) };
    let size = (header.width.div_ceil(shrink_by), header.height.div_ceil(shrink_by));
    let (width, height) = (size.0 as usize, size.1 as usize);
    let pitch = width * layout.samples();
    let mut data = vec![0; pitch * height];
    let mut decompressor = Decompressor::new().map_err(undecodable)?;
    let image = Image { pixels: data.as_mut_slice(), width, pitch, height, format };
    match decompressor.decompress(bytes, image) {
        Ok(()) => {}
        Err(Error::TurboJpegError(message)) if harmless(&message) => {}
        Err(error) => return Err(undecodable(error)),
    }
    Ok(Pixels { size, layout, data })
}

/// libjpeg warns of these and decodes the image all the same, every pixel of it.
fn harmless(message: &str) -> bool {
    [
        "extraneous bytes before marker",
        "Invalid SOS parameters",
        "unknown JFIF revision",
        "unknown Adobe color",
    ]
    .iter()
    .any(|warning| message.contains(warning))
}
