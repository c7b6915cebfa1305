use super::*;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

fn jpeg(progressive: bool, sampling: SamplingFactor) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_progressive(progressive);
    encoder.set_sampling_factor(sampling);
    encoder.add_app_segment(1, b"Exif\0\0II*\0".to_vec()).unwrap();
    encoder.add_icc_profile(&[9; 100_000]).unwrap();
    encoder.encode(&[99; 3 * 33 * 17], 33, 17, ColorType::Rgb).unwrap();
    bytes
}

#[test]
fn a_header_says_what_is_in_its_segments() {
    for progressive in [false, true] {
        let bytes = jpeg(progressive, SamplingFactor::F_2_2);
        let header = JpegHeader::read(&bytes).unwrap();
        assert_eq!((header.width, header.height, header.components), (33, 17, 3));
        assert_eq!(header.buffered, progressive);
        // Three by two units of six blocks.
        assert_eq!(header.padded_samples, 3 * 2 * 6 * 64);
        assert_eq!(header.exif, Some(b"II*\0".as_slice()));
        assert_eq!(header.icc(), Some(vec![9; 100_000]));
        assert_eq!(header.check_whole(&bytes), Ok(()));
    }
}

#[test]
fn every_cut_before_the_end_marker_is_noticed() {
    let bytes = jpeg(true, SamplingFactor::F_1_1);
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        let is_whole = JpegHeader::read(cut).is_some_and(|header| header.check_whole(cut).is_ok());
        assert!(!is_whole, "{length}");
    }
}

#[test]
fn a_profile_with_a_missing_part_is_none() {
    let bytes = jpeg(false, SamplingFactor::F_1_1);
    let mut header = JpegHeader::read(&bytes).unwrap();
    assert_eq!(header.icc.len(), 2);
    header.icc.swap(0, 1);
    assert!(header.icc().is_some());
    header.icc.pop();
    assert!(header.icc().is_none());
}
