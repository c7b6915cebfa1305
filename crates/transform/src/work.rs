//! The memory that an image takes, before any of it is taken. Checked against real allocations in `tests/memory.rs`.

use crate::decode::Probe;
use crate::encode::jpeg_reserve_bytes;
use crate::plan::Plan;
use crate::settings::EncodeFormat;

/// Colour profiles, filters, buffers of encoders.
const TABLES_BYTES: u64 = 512 * 1024;

/// An upper bound, in bytes: the most of what decoding, scaling, turning and encoding hold at once.
pub(crate) fn work_bytes(probe: &Probe, plan: Option<&Plan>, format: EncodeFormat) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width).saturating_mul(u64::from(height));
    let samples = probe.samples;
    // Sixteen bits per sample keep their room until they are scaled.
    let source_bytes = probe.pixels_bytes;
    let (wanted, result) = plan.map_or((probe.decoded, probe.decoded), |plan| {
        let (_, _, width, height) = plan.wanted();
        ((width, height), plan.result())
    });
    let scaled_bytes = area(wanted).saturating_mul(samples);
    let scaling = plan.map_or(0, |plan| {
        // Rows are scaled first; then columns. Alpha is multiplied in, in a copy.
        let rows_bytes = u64::from(wanted.0) * u64::from(probe.decoded.1.max(wanted.1)) * samples;
        let copy_bytes = if samples.is_multiple_of(2) { source_bytes } else { 0 };
        let filters_bytes = 16 * (u64::from(probe.decoded.0) + u64::from(probe.decoded.1))
            + 64 * (u64::from(plan.scaled.0) + u64::from(plan.scaled.1));
        source_bytes.saturating_add(rows_bytes + copy_bytes + filters_bytes + scaled_bytes)
    });
    let held_bytes = if plan.is_some() { scaled_bytes } else { source_bytes };
    // Converting colours, turning and padding make a new image each, one after the other.
    let result_bytes = area(result).saturating_mul(samples);
    let turning = held_bytes.saturating_add(result_bytes.max(scaled_bytes));
    let encoder_bytes = match format {
        EncodeFormat::Jpg => jpeg_reserve_bytes(area(result)),
        // Filtered rows, and the compressed stream twice while it grows.
        EncodeFormat::Png => result_bytes.saturating_mul(4),
        // Grey as RGB, four bytes per pixel of the library's, planes, statistics and the stream.
        EncodeFormat::Webp => area(result).saturating_mul(12),
    };
    let encoding = held_bytes.max(result_bytes).saturating_add(encoder_bytes);
    let most = probe.peak_bytes.max(scaling).max(turning).max(encoding);
    most.saturating_add(TABLES_BYTES)
}
