use super::*;
use crate::pixels::Layout;
use image::{DynamicImage, RgbImage};

#[test]
fn all_orientations_are_those_of_another_implementation() {
    for value in 1..=8u8 {
        let data: Vec<u8> = (0..3 * 5 * 4).collect();
        let mut expected = DynamicImage::ImageRgb8(RgbImage::from_raw(5, 4, data.clone()).unwrap());
        expected.apply_orientation(image::metadata::Orientation::from_exif(value).unwrap());
        let orientation = Orientation::new(u32::from(value));
        let found = upright(Pixels { size: (5, 4), layout: Layout::Rgb, data }, orientation);
        assert_eq!(found.size, (expected.width(), expected.height()), "{value}");
        assert_eq!(found.data, expected.into_bytes(), "{value}");
    }
}

#[test]
fn what_is_no_orientation_is_upright() {
    for value in [0, 9, 256, u32::MAX] {
        assert_eq!(Orientation::new(value), Orientation::UPRIGHT);
    }
}
