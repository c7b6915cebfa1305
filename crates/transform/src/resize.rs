//! Pixels to fewer or more pixels.

use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::pixels::{Layout, Pixels};
use crate::plan::Plan;
use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// Scales and cuts out; padding comes last, see [`crate::pixels::Pixels::pad`].
///
/// Where img2dataset averages areas to shrink, this takes Hamming's filter: as many source pixels per target pixel,
/// weighted towards the middle, so that edges stay sharper. To enlarge, both take Lanczos.
pub(crate) fn scale(mut pixels: Pixels, plan: &Plan) -> Result<Pixels, Refusal> {
    let (left, top, width, height) = plan.wanted();
    let kind = match pixels.layout {
        Layout::L => PixelType::U8,
        Layout::La => PixelType::U8x2,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba => PixelType::U8x4,
    };
    let (source_width, source_height) = pixels.size;
    let (scale_x, scale_y) = (
        f64::from(source_width) / f64::from(plan.scaled.0),
        f64::from(source_height) / f64::from(plan.scaled.1),
    );
    let filter = if scale_x.max(scale_y) > 1.0 { FilterType::Hamming } else { FilterType::Lanczos3 };
    // Only the part that is wanted is read. Rounding must not push it over the edge.
    let (crop_left, crop_top) = (f64::from(left) * scale_x, f64::from(top) * scale_y);
    let crop_width = (f64::from(width) * scale_x).min(f64::from(source_width) - crop_left);
    let crop_height = (f64::from(height) * scale_y).min(f64::from(source_height) - crop_top);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(crop_left, crop_top, crop_width, crop_height)
        .use_alpha(false);
    let mut source =
        Image::from_slice_u8(source_width, source_height, &mut pixels.data, kind).map_err(undecodable)?;
    let mut target = Image::new(width, height, kind);
    // What is transparent must not colour what is not. Done here, in place: the resizer's own way copies the source.
    let has_alpha = matches!(pixels.layout, Layout::La | Layout::Rgba);
    if has_alpha {
        MulDiv::new().multiply_alpha_inplace(&mut source).map_err(undecodable)?;
    }
    Resizer::new().resize(&source, &mut target, &options).map_err(undecodable)?;
    if has_alpha {
        MulDiv::new().divide_alpha_inplace(&mut target).map_err(undecodable)?;
    }
    Ok(Pixels { size: (width, height), layout: pixels.layout, data: target.into_vec() })
}
