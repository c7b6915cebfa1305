//! What is to be done to images, and which are left out.

/// How an image is brought to [`TransformSettings::image_size`]; the names are img2dataset's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResizeMode {
    /// The pixels stay as they are.
    #[default]
    No,
    /// The longer side becomes the size, the rest is filled with white: a square.
    Border,
    /// The shorter side becomes the size.
    KeepRatio,
    /// The longer side becomes the size.
    KeepRatioLargest,
    /// The shorter side becomes the size, and the middle is cut out: a square.
    CenterCrop,
}

/// What stored images are encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeFormat {
    /// JPEG.
    Jpg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

/// What is done to each image. The default keeps every image byte by byte as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformSettings {
    /// How images are resized.
    pub resize_mode: ResizeMode,
    /// The side that [`ResizeMode`] brings images to, in pixels.
    pub image_size: u32,
    /// What stored images are encoded as. `None` keeps the bytes as they came, unless there is something to resize:
    /// then it is JPEG.
    pub encode_format: Option<EncodeFormat>,
    /// For JPEG and WebP 1 to 100; for PNG the compression, 0 to 9.
    pub encode_quality: u8,
    /// Leaves images alone that are not larger than the size.
    pub resize_only_if_bigger: bool,
    /// Keeps the bytes of an image that needs no resizing and is in the right format already.
    pub skip_reencode: bool,
    /// Images whose shorter side is below are left out, in pixels.
    pub min_image_size: u32,
    /// Images of more pixels are left out.
    pub max_image_area: Option<u64>,
    /// Images whose longer side is more than this many times the shorter are left out.
    pub max_aspect_ratio: Option<f64>,
    /// Images of more pixels are refused as too large, whatever is done to them.
    pub max_pixels: u64,
    /// Images with a longer side are refused as too large, in pixels.
    pub max_side: u32,
    /// Images that need more memory than this to be transformed are refused as too large.
    pub max_work_bytes: u64,
}

impl Default for TransformSettings {
    fn default() -> Self {
        Self {
            resize_mode: ResizeMode::No,
            image_size: 256,
            encode_format: None,
            encode_quality: 95,
            resize_only_if_bigger: false,
            skip_reencode: false,
            min_image_size: 0,
            max_image_area: None,
            max_aspect_ratio: None,
            max_pixels: 50_000_000,
            max_side: 16_384,
            max_work_bytes: 144 * 1024 * 1024,
        }
    }
}
