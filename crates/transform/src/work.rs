//! The memory that an image takes, before any of it is taken. Checked against real allocations in `tests/memory.rs`.

use crate::decode::Probe;
use crate::encode::encoder_bytes;
use crate::plan::{Fit, Plan};
use crate::settings::EncodeFormat;

/// Colour profiles, filters, buffers of encoders.
const TABLES_BYTES: u64 = 512 * 1024;

/// An upper bound, in bytes: the most of what decoding, scaling, turning and encoding hold at once.
pub(crate) fn work_bytes(probe: &Probe, plan: Option<&Plan>, format: EncodeFormat) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width).saturating_mul(u64::from(height));
    let has_alpha = probe.samples.is_multiple_of(2);
    // JPEG has no alpha: it is gone before anything else is done.
    let keeps_alpha = has_alpha && format != EncodeFormat::Jpg;
    let samples = if has_alpha && !keeps_alpha { probe.samples - 1 } else { probe.samples };
    // Whatever is taken away, alpha or eight bits of sixteen, its room is kept until the pixels are scaled.
    let source_bytes = probe.pixels_bytes;
    let (wanted, result) = plan.map_or((probe.decoded, probe.decoded), |plan| {
        let (_, _, width, height) = plan.wanted();
        ((width, height), plan.result())
    });
    let scaled_bytes = area(wanted).saturating_mul(samples);
    let scaling = plan.map_or(0, |plan| {
        // Columns are scaled first, then rows; as one factor holds for both sides, the columns that are wanted hold as
        // many pixels then as the rows would. Alpha is multiplied in place.
        let columns_bytes = u64::from(wanted.0) * u64::from(probe.decoded.1.max(wanted.1)) * samples;
        // A weight and a place for each source pixel that a target pixel draws on, which overlap; and some rows more
        // where the edges of what is wanted draw on what is not.
        let sides = u64::from(probe.decoded.0) + u64::from(probe.decoded.1);
        let filters_bytes = 32 * sides + 64 * (u64::from(plan.scaled.0) + u64::from(plan.scaled.1));
        source_bytes.saturating_add(columns_bytes + filters_bytes + scaled_bytes)
    });
    let held_bytes = if plan.is_some() { scaled_bytes } else { source_bytes };
    // Converting colours, turning and padding make a new image each, one after the other.
    let result_bytes = area(result).saturating_mul(samples);
    let turning = held_bytes.saturating_add(result_bytes.max(scaled_bytes));
    let encoding = held_bytes.max(result_bytes).saturating_add(encoder_bytes(format, area(result), samples));
    let most = probe.peak_bytes.max(scaling).max(turning).max(encoding);
    most.saturating_add(TABLES_BYTES)
}

/// The side, in pixels, of the largest square that a grey image of one pixel can be scaled to within so many bytes.
pub(crate) fn largest_square(format: EncodeFormat, most_bytes: u64) -> u32 {
    let pixel = Probe { size: (1, 1), peak_bytes: 0, decoded: (1, 1), pixels_bytes: 1, samples: 1 };
    let fits = |side: u32| {
        let plan = Plan { scaled: (side, side), fit: Fit::Whole };
        work_bytes(&pixel, Some(&plan), format) <= most_bytes
    };
    // No format has longer sides.
    let (mut fitting, mut too_large) = (0, 65_536);
    while too_large - fitting > 1 {
        let side = fitting + (too_large - fitting) / 2;
        if fits(side) { fitting = side } else { too_large = side }
    }
    fitting
}
