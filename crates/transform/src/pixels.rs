//! Pixels of eight bits per sample, without gaps between rows.

use crate::plan::Size;

/// What the samples of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Grey.
    L,
    /// Grey and alpha.
    La,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and alpha.
    Rgba,
}

impl Layout {
    /// Samples per pixel, which is bytes as well.
    pub(crate) const fn samples(self) -> usize {
        match self {
            Self::L => 1,
            Self::La => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    pub(crate) const fn has_alpha(self) -> bool {
        matches!(self, Self::La | Self::Rgba)
    }
}

/// An image in memory.
pub(crate) struct Pixels {
    pub(crate) size: Size,
    pub(crate) layout: Layout,
    /// Exactly width times height times samples.
    pub(crate) data: Vec<u8>,
}

impl Pixels {
    pub(crate) fn row_bytes(&self) -> usize {
        self.size.0 as usize * self.layout.samples()
    }

    /// Takes alpha away: over white if `flatten`, else only if all of it is opaque. In place.
    pub(crate) fn settle_alpha(&mut self, flatten: bool) {
        if !self.layout.has_alpha() {
            return;
        }
        let samples = self.layout.samples();
        let opaque = self.data.chunks_exact(samples).all(|pixel| pixel[samples - 1] == u8::MAX);
        if !opaque && !flatten {
            return;
        }
        let colors = samples - 1;
        let pixels = self.data.len() / samples;
        for n in 0..pixels {
            let alpha = u32::from(self.data[n * samples + colors]);
            for color in 0..colors {
                let over_white = u32::from(self.data[n * samples + color]) * alpha + 255 * (255 - alpha);
                self.data[n * colors + color] = ((over_white + 127) / 255) as u8;
            }
        }
        self.data.truncate(pixels * colors);
        self.layout = if colors == 1 { Layout::L } else { Layout::Rgb };
    }

    /// Three samples where there was one.
    pub(crate) fn expand_grey(&mut self) {
        match self.layout {
            Layout::L => {
                self.data = self.data.iter().flat_map(|&grey| [grey; 3]).collect();
                self.layout = Layout::Rgb;
            }
            Layout::La => {
                self.data = self.data.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
                self.layout = Layout::Rgba;
            }
            Layout::Rgb | Layout::Rgba => {}
        }
    }

    /// Puts the image in the middle of a white square.
    pub(crate) fn pad(self, side: u32) -> Self {
        let (width, height) = self.size;
        if (width, height) == (side, side) {
            return self;
        }
        let samples = self.layout.samples();
        let mut data = vec![u8::MAX; side as usize * side as usize * samples];
        let (left, top) = ((side - width) as usize / 2, (side - height) as usize / 2);
        let rows = data.chunks_exact_mut(side as usize * samples).skip(top);
        for (to, from) in rows.zip(self.data.chunks_exact(self.row_bytes())) {
            to[left * samples..][..from.len()].copy_from_slice(from);
        }
        Self { size: (side, side), layout: self.layout, data }
    }
}

/// Sixteen bits to eight, rounded to nearest, in place.
pub(crate) fn reduce_u16(data: &mut Vec<u8>) {
    let samples = data.len() / 2;
    for n in 0..samples {
        let sample = u32::from(u16::from_ne_bytes([data[2 * n], data[2 * n + 1]]));
        data[n] = ((sample + 128) / 257) as u8;
    }
    data.truncate(samples);
}

/// Floating point, where 1 is white, to eight bits, in place.
pub(crate) fn reduce_f32(data: &mut Vec<u8>) {
    let samples = data.len() / 4;
    for n in 0..samples {
        let bytes = [data[4 * n], data[4 * n + 1], data[4 * n + 2], data[4 * n + 3]];
        // The cast makes 0 of what is not a number.
        data[n] = (f32::from_ne_bytes(bytes).clamp(0.0, 1.0) * 255.0).round() as u8;
    }
    data.truncate(samples);
}

#[cfg(test)]
mod tests;
