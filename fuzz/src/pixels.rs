//! What holds for every image, whatever its bytes.

use crate::memory;
use ream_transform::{
    EncodeFormat, ImageFormat, Inspected, ResizeMode, TransformSettings, Transformed, inspect, sniff,
    transform,
};

const SIZE: u32 = 24;
/// What small things may take beyond what was announced, in bytes.
const SLACK_BYTES: usize = 256 * 1024;

/// Width and height as they stand in the header, of formats that have them at a fixed place.
#[must_use]
pub fn size_in_header(format: ImageFormat, bytes: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let small = |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
    match format {
        ImageFormat::Png if bytes.get(12..16) == Some(b"IHDR") => Some((big(16)?, big(20)?)),
        ImageFormat::Gif => Some((small(6)?, small(8)?)),
        _ => None,
    }
}

/// Inspects and transforms. The last byte also chooses the settings, so that a seed is an ordinary image.
pub fn check(data: &[u8]) {
    let settings = settings(data.last().copied().unwrap_or(0));
    settings.validate().expect("the settings of the target are valid");
    let inspected = match inspect(data, &settings) {
        Ok(inspected) => inspected,
        Err(refusal) => return assert!(!refusal.message.is_empty() && refusal.message.len() < 2000),
    };
    check_inspected(&inspected, &settings);
    let before = memory::start();
    let done = transform(data, &inspected, &settings);
    let used_bytes = memory::peak_since(before);
    let said = usize::try_from(inspected.work_bytes).expect("it is within a small limit");
    assert!(
        used_bytes <= said + SLACK_BYTES,
        "took {used_bytes} bytes, said were {said}: {:?}",
        inspected.info
    );
    match done {
        Ok(done) => check_transformed(&done, &inspected, &settings),
        Err(refusal) => assert!(!refusal.message.is_empty() && refusal.message.len() < 2000),
    }
}

fn settings(choice: u8) -> TransformSettings {
    let modes = [
        ResizeMode::No,
        ResizeMode::Border,
        ResizeMode::KeepRatio,
        ResizeMode::KeepRatioLargest,
        ResizeMode::CenterCrop,
    ];
    let formats = [Some(EncodeFormat::Jpg), Some(EncodeFormat::Png), Some(EncodeFormat::Webp), None];
    let encode_format = formats[usize::from(choice / 5 % 4)];
    TransformSettings {
        resize_mode: modes[usize::from(choice % 5)],
        image_size: SIZE,
        encode_format,
        encode_quality: if encode_format == Some(EncodeFormat::Png) { 6 } else { 90 },
        resize_only_if_bigger: choice & 64 != 0,
        skip_reencode: choice & 128 != 0,
        max_pixels: 256 * 256,
        max_side: 512,
        max_work_bytes: 16 * 1024 * 1024,
        ..TransformSettings::default()
    }
}

fn check_inspected(inspected: &Inspected, settings: &TransformSettings) {
    assert!(inspected.work_bytes <= settings.max_work_bytes);
    if let (Some(width), Some(height)) = (inspected.info.width, inspected.info.height) {
        assert!(width > 0 && height > 0 && width.max(height) <= settings.max_side);
        assert!(u64::from(width) * u64::from(height) <= settings.max_pixels);
    }
}

fn check_transformed(done: &Transformed, inspected: &Inspected, settings: &TransformSettings) {
    let info = inspected.info;
    let Some(bytes) = &done.bytes else {
        assert_eq!((done.format, done.width, done.height), (info.format, info.width, info.height), "kept");
        return;
    };
    let made = sniff(bytes).expect("what was encoded is an image");
    assert_eq!((made.format, made.width, made.height), (done.format, done.width, done.height), "as it says");
    if let Some(wanted) = settings.encode_format {
        assert_eq!(done.format, wanted.image_format());
    }
    let (Some(width), Some(height)) = (done.width, done.height) else { panic!("pixels without a size") };
    if !settings.resize_only_if_bigger {
        match settings.resize_mode {
            ResizeMode::No => {}
            ResizeMode::Border | ResizeMode::CenterCrop => assert_eq!((width, height), (SIZE, SIZE)),
            ResizeMode::KeepRatio => assert_eq!(width.min(height), SIZE, "{width}x{height}"),
            ResizeMode::KeepRatioLargest => assert_eq!(width.max(height), SIZE, "{width}x{height}"),
        }
    }
}
