//! What `inspect` says an image will take is at least what it takes, measured by an allocator that counts.
//! The memory of the C libraries is not seen by it. `REAM_FULL=1` takes images of 6 and 12 megapixels.
#![allow(clippy::unwrap_used)]

mod support;

use peak_alloc::PeakAlloc;
use ream_transform::{EncodeFormat, ResizeMode, TransformSettings, inspect, transform};
use support::{every_kind, exif, jpeg_with, resizing};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The bytes that transforming took at its peak, and what was foretold.
fn taken(bytes: &[u8], settings: &TransformSettings) -> (u64, u64) {
    let inspected = inspect(bytes, settings).unwrap();
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let transformed = transform(bytes, &inspected, settings).unwrap();
    let peak = ALLOCATOR.peak_usage();
    drop(transformed);
    (peak.saturating_sub(before) as u64, inspected.work_bytes)
}

/// Whether `REAM_FULL` asks for everything.
fn full() -> bool {
    std::env::var_os("REAM_FULL").is_some_and(|value| !value.is_empty() && value != "0")
}

// One test, as the allocator counts for the whole process.
#[test]
fn no_image_takes_more_memory_than_foretold() {
    // At the larger sizes, what is taken per pixel outweighs what is taken once.
    let sizes = if full() { vec![(4000, 3000), (3001, 2000)] } else { vec![(400, 300), (1500, 24)] };
    for (width, height) in sizes {
        let mut files = every_kind(width, height);
        let turned = jpeg_with(width, height, support::JPEG, &[(1, &exif(6))]);
        files.push(("turned jpeg".to_owned(), turned));
        for (kind, bytes) in files {
            for mode in [ResizeMode::No, ResizeMode::Border, ResizeMode::CenterCrop] {
                for &format in EncodeFormat::ALL {
                    let settings =
                        TransformSettings { max_work_bytes: 1 << 40, ..resizing(mode, 256, format) };
                    let (taken, foretold) = taken(&bytes, &settings);
                    let what = format!("{kind} {width}x{height} {mode} {format}: {taken} of {foretold}");
                    assert!(taken <= foretold, "{what}");
                    // And not by far, or images would be refused that fit.
                    let seen = format != EncodeFormat::Webp;
                    assert!(!seen || foretold <= 8 * taken + spare_bytes(&kind), "{what}");
                }
            }
        }
    }
    a_part_that_is_claimed_and_not_there_is_foretold();
}

/// Beyond what is in proportion.
fn spare_bytes(kind: &str) -> u64 {
    // Some kinds may claim 16 MiB for parts that are not there.
    if kind.starts_with("webp") { 20 << 20 } else { 4 << 20 }
}

/// Found by fuzzing: 208 bytes of WebP that claim a partition of 15 MiB.
fn a_part_that_is_claimed_and_not_there_is_foretold() {
    let bytes = include_bytes!("fixtures/claiming.webp");
    let settings = resizing(ResizeMode::Border, 256, EncodeFormat::Jpg);
    let inspected = inspect(bytes, &settings).unwrap();
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    transform(bytes, &inspected, &settings).unwrap_err();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before) as u64;
    assert!(taken > 10 << 20, "it claims {taken} bytes only");
    assert!(taken <= inspected.work_bytes, "{taken} of {}", inspected.work_bytes);
}
