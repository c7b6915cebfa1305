//! What a JPEG's segments say (ITU-T T.81, annex B), and whether its data is whole.

use crate::color::MAX_PROFILE_BYTES;
use memchr::memchr_iter;

/// The header of a JPEG, up to the first scan.
#[derive(Debug, Default)]
pub(crate) struct JpegHeader<'a> {
    /// In pixels.
    pub(crate) width: u32,
    /// In pixels.
    pub(crate) height: u32,
    /// Colour components: 1 is grey, 3 is colour, 4 is for printing.
    pub(crate) components: u8,
    /// Whether the coefficients come in several scans, and all of them must be held in memory.
    pub(crate) buffered: bool,
    /// Whether some components have fewer samples than others.
    pub(crate) subsampled: bool,
    /// Samples of all components, subsampled and rounded up to whole blocks.
    pub(crate) padded_samples: u64,
    /// The Exif block, from its TIFF header on.
    pub(crate) exif: Option<&'a [u8]>,
    /// The parts of the ICC profile, in the order of the file.
    icc: Vec<&'a [u8]>,
    /// Where the first scan begins.
    scan_at: usize,
}

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
/// More scans than any encoder makes; a file of thousands of tiny scans would take minutes to decode.
const MAX_SCANS: usize = 100;

impl<'a> JpegHeader<'a> {
    /// `None` if there is no frame or no scan.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut header = Self::default();
        let mut at = 0;
        loop {
            at += memchr::memchr(0xFF, bytes.get(at..)?)? + 1;
            let marker = *bytes.get(at)?;
            // Fill bytes, and markers without a length.
            if matches!(marker, 0xFF | 0 | 1 | 0xD0..=SOI) {
                at += usize::from(marker != 0xFF);
                continue;
            }
            let body = segment(bytes, at + 1)?;
            at += 3 + body.len();
            match marker {
                EOI => return None,
                // C4, C8 and CC are no frames but tables.
                0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => header.frame(marker, body)?,
                0xE1 if header.exif.is_none() => header.exif = body.strip_prefix(b"Exif\0\0"),
                0xE2 => header.icc.extend(body.strip_prefix(b"ICC_PROFILE\0")),
                SOS => {
                    header.buffered |= *body.first()? < header.components;
                    header.scan_at = at;
                    return (header.components > 0).then_some(header);
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, marker: u8, body: &[u8]) -> Option<()> {
        let u16_at = |at: usize| Some(u32::from(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?])));
        (self.height, self.width, self.components) = (u16_at(1)?, u16_at(3)?, *body.get(5)?);
        // Progressive frames are C2, C6, CA and CE.
        self.buffered = marker & 3 == 2;
        let factors: Vec<(u64, u64)> = body
            .get(6..)?
            .chunks_exact(3)
            .take(usize::from(self.components))
            .map(|part| (u64::from(part[1] >> 4), u64::from(part[1] & 15)))
            .collect();
        let (most_x, most_y) =
            (factors.iter().map(|f| f.0).max()?.max(1), factors.iter().map(|f| f.1).max()?.max(1));
        self.subsampled = factors.iter().any(|&factor| factor != (most_x, most_y));
        let units = u64::from(self.width).div_ceil(8 * most_x) * u64::from(self.height).div_ceil(8 * most_y);
        self.padded_samples = factors.iter().map(|(x, y)| x * y * units * 64).sum();
        Some(())
    }

    /// The ICC profile (ICC.1:2022, annex B.4), or nothing if parts are missing or it is too large to be used.
    pub(crate) fn icc(&self) -> Option<Vec<u8>> {
        let mut parts = self.icc.clone();
        parts.sort_by_key(|part| part.first().copied());
        let count = usize::from(*parts.first()?.get(1)?);
        if parts.iter().map(|part| part.len()).sum::<usize>() > MAX_PROFILE_BYTES {
            return None;
        }
        let whole = parts.len() == count && parts.iter().zip(1..).all(|(part, n)| part.first() == Some(&n));
        whole.then(|| parts.iter().flat_map(|part| part.get(2..).unwrap_or_default()).copied().collect())
    }

    /// Checks that the file goes on to its end marker, and has at least the bits that so many blocks take.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(crate) fn check_whole(&self, bytes: &[u8]) -> Result<(), String> {
        let data = bytes.get(self.scan_at..).unwrap_or_default();
        let (mut scans, mut skip_to) = (1, 0);
        for at in memchr_iter(0xFF, data) {
            if at < skip_to {
                continue;
            }
            match data.get(at + 1) {
                // Stuffed bytes, restarts and fill bytes belong to the data.
                Some(0 | 1 | 0xFF | 0xD0..=SOI) => {}
                Some(&EOI) => return self.check_size(at),
                Some(&marker) => {
                    scans += usize::from(marker == SOS);
                    if scans > MAX_SCANS {
                        return Err(format!("a JPEG of more than {MAX_SCANS} scans"));
                    }
                    skip_to = at + 4 + segment(data, at + 2).map_or(0, <[u8]>::len);
                }
                None => break,
            }
        }
        Err("the JPEG ends before its end marker".to_owned())
    }

    fn check_size(&self, data_bytes: usize) -> Result<(), String> {
        // A block takes a code for the first coefficient and one for the end of the block, a bit each at the very
        // least. Where they come in several scans, the later ones may cover thousands of blocks with one code.
        let bits_per_block = if self.buffered { 1 } else { 2 };
        let least_bytes = self.padded_samples / 64 * bits_per_block / 8;
        // Blocks that lie wholly outside the picture may be left out.
        if (data_bytes as u64) < least_bytes / 4 {
            let (width, height) = (self.width, self.height);
            return Err(format!("{data_bytes} bytes are too few for a JPEG of {width}x{height} pixels"));
        }
        Ok(())
    }
}

/// What follows a marker: two bytes of length that count themselves, and that many.
fn segment(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    bytes.get(at + 2..at + length.max(2))
}

#[cfg(test)]
mod tests;
