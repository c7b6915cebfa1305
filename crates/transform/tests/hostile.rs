//! Damaged and malicious files: they end in a class, and nothing panics.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use ream_core::ErrorClass;
use ream_transform::{EncodeFormat, ResizeMode, TransformSettings, exif_json, inspect, transform};
use support::*;

fn settings() -> TransformSettings {
    resizing(ResizeMode::CenterCrop, 16, EncodeFormat::Jpg)
}

/// A file cut off anywhere is refused. Formats whose end carries no pixels may lose that.
#[test]
fn a_truncated_file_is_refused() {
    for (kind, bytes) in every_kind(40, 28) {
        // PNG ends in a checksum and a chunk without content, GIF in a trailer, TIFF may end in its directory.
        let spare = if kind.starts_with("png") {
            16
        } else if kind.starts_with("gif") {
            4
        } else if kind.starts_with("webp") || kind.starts_with("ico") {
            // Chunks are padded; the decoder reads no further than it must.
            24
        } else {
            0
        };
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            match run(cut, &settings()) {
                Ok(_) => assert!(
                    length + spare >= bytes.len(),
                    "{kind}: {length} of {} bytes are enough",
                    bytes.len()
                ),
                Err(refusal) => assert!(
                    matches!(refusal.class, ErrorClass::Decode | ErrorClass::NotAnImage),
                    "{kind} at {length}: {refusal}"
                ),
            }
        }
    }
}

#[test]
fn bytes_after_the_end_do_no_harm() {
    for (kind, mut bytes) in every_kind(40, 28) {
        bytes.extend(b"what a camera or a thief appended \xFF\xD8\xFF\xD9");
        let outcome = run(&bytes, &settings());
        assert!(outcome.is_ok(), "{kind}: {outcome:?}");
    }
}

#[test]
fn a_small_file_that_claims_to_be_large_is_refused() {
    let mut bytes = jpeg(64, 64);
    let frame = bytes.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x1B, 0x58, 0x1B, 0x58]);
    let refusal = run(&bytes, &TransformSettings { max_work_bytes: 1 << 30, ..settings() }).unwrap_err();
    assert_eq!(refusal.class, ErrorClass::Decode);
    assert!(refusal.message.contains("too few for a JPEG of 7000x7000"), "{refusal}");
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x4E, 0x20, 0x4E, 0x20]);
    assert_eq!(run(&bytes, &settings()).unwrap_err().class, ErrorClass::TooLarge);
}

#[test]
fn a_jpeg_of_a_thousand_scans_is_refused() {
    let bytes = jpeg_with(64, 64, Jpeg { progressive: true, ..JPEG }, &[]);
    let last = bytes.windows(2).rposition(|two| two == [0xFF, 0xDA]).unwrap();
    let (start, scan) = (&bytes[..last], &bytes[last..bytes.len() - 2]);
    let many: Vec<u8> = [start, &scan.repeat(1000), b"\xFF\xD9"].concat();
    let refusal = run(&many, &settings()).unwrap_err();
    assert!(refusal.class == ErrorClass::Decode && refusal.message.contains("scans"), "{refusal}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn flipped_bytes_never_panic(
        which in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        format in prop::sample::select(EncodeFormat::ALL),
    ) {
        let mut kinds = every_kind(33, 17);
        let (_, mut bytes) = kinds.swap_remove(which.index(kinds.len()));
        for (place, value) in places {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        let settings = TransformSettings { max_pixels: 100_000, ..resizing(ResizeMode::CenterCrop, 16, format) };
        if let Ok(inspected) = inspect(&bytes, &settings)
            && let Err(refusal) = transform(&bytes, &inspected, &settings)
        {
            prop_assert_eq!(refusal.class, ErrorClass::Decode);
        }
        let _ = exif_json(&bytes);
    }

    #[test]
    fn any_exif_is_read_or_not_but_never_panics(tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let block = [b"Exif\0\0MM\0*\0\0\0\x08".as_slice(), &tail].concat();
        let bytes = jpeg_with(16, 16, JPEG, &[(1, &block)]);
        if let Some(json) = exif_json(&bytes) {
            prop_assert!(json.len() <= ream_transform::MAX_EXIF_JSON_BYTES);
        }
        prop_assert!(run(&bytes, &settings()).is_ok());
    }
}

/// Found by fuzzing: a JPEG whose second frame header has no height.
#[test]
fn a_header_that_takes_its_size_back_is_refused() {
    let bytes = include_bytes!("fixtures/two_sizes.jpg");
    let settings =
        TransformSettings { encode_format: Some(EncodeFormat::Png), ..TransformSettings::default() };
    assert_eq!(run(bytes, &settings).unwrap_err().class, ErrorClass::Decode);
}
