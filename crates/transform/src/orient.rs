//! Turns and mirrors pixels as EXIF's orientation says.

use crate::pixels::Pixels;

/// EXIF's tag 274 (EXIF 2.32, section 4.6.4): 1 to 8, 1 is upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation(u8);

impl Orientation {
    pub(crate) const UPRIGHT: Self = Self(1);

    /// What is out of range means upright.
    pub(crate) fn new(value: u32) -> Self {
        match u8::try_from(value) {
            Ok(value @ 1..=8) => Self(value),
            _ => Self::UPRIGHT,
        }
    }

    /// Whether width and height change places.
    pub(crate) fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Which of the source's sides is reversed (x, y) to get at the shown pixel.
    fn reversed(self) -> (bool, bool) {
        match self.0 {
            2 | 7 => (true, self.0 == 7),
            3 => (true, true),
            4 => (false, true),
            // A quarter clockwise: the shown top row is the left column, from the bottom up.
            6 => (false, true),
            8 => (true, false),
            _ => (false, false),
        }
    }
}

/// The image as it is to be shown. Takes as much memory again, unless it is upright.
pub(crate) fn upright(pixels: Pixels, orientation: Orientation) -> Pixels {
    if orientation == Orientation::UPRIGHT {
        return pixels;
    }
    let (width, height) = (pixels.size.0 as usize, pixels.size.1 as usize);
    let samples = pixels.layout.samples();
    let (reverse_x, reverse_y) = orientation.reversed();
    let swap = orientation.swaps_sides();
    let (shown_width, shown_height) = if swap { (height, width) } else { (width, height) };
    let mut data = Vec::with_capacity(pixels.data.len());
    for shown_y in 0..shown_height {
        for shown_x in 0..shown_width {
            let (x, y) = if swap { (shown_y, shown_x) } else { (shown_x, shown_y) };
            let x = if reverse_x { width - 1 - x } else { x };
            let y = if reverse_y { height - 1 - y } else { y };
            data.extend_from_slice(&pixels.data[(y * width + x) * samples..][..samples]);
        }
    }
    let size = if swap { (pixels.size.1, pixels.size.0) } else { pixels.size };
    Pixels { size, layout: pixels.layout, data }
}

#[cfg(test)]
mod tests;
