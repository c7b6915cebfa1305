//! Recognising an image and reading its size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ream_fuzz::pixels::size_in_header;
use ream_transform::{ImageFormat, sniff};

fuzz_target!(
    init: ream_fuzz::let_dependencies_panic(),
    |data: &[u8]| {
        let Some(info) = sniff(data) else { return };
        assert_eq!(info.width.is_some(), info.height.is_some());
        assert_eq!(info.width.is_none(), info.format == ImageFormat::Svg);
        assert!(info.width != Some(0) && info.height != Some(0));
        if let Some(truth) = size_in_header(info.format, data) {
            assert_eq!((info.width, info.height), (Some(truth.0), Some(truth.1)));
        }
        assert_eq!(sniff(data), Some(info), "the same twice");
    }
);
