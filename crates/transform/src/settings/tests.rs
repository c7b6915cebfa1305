use super::*;

#[test]
fn names_are_those_of_img2dataset_everywhere() {
    let modes: Vec<_> = ResizeMode::ALL.iter().map(|mode| mode.as_str()).collect();
    assert_eq!(modes, ["no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"]);
    for mode in ResizeMode::ALL {
        assert_eq!(mode.to_string().parse::<ResizeMode>().unwrap(), *mode);
        assert_eq!(serde_json::to_string(mode).unwrap(), format!("\"{mode}\""));
    }
    for format in EncodeFormat::ALL {
        assert_eq!(format.to_string().parse::<EncodeFormat>().unwrap(), *format);
        assert_eq!(serde_json::to_string(format).unwrap(), format!("\"{format}\""));
    }
    let error = "crop".parse::<ResizeMode>().unwrap_err().to_string();
    assert!(error.contains("`resize_mode` is \"crop\"") && error.contains("center_crop"), "{error}");
}

#[test]
fn settings_out_of_range_are_named_all_at_once() {
    assert!(TransformSettings::default().validate().is_ok());
    let bad = TransformSettings {
        image_size: 0,
        encode_format: Some(EncodeFormat::Png),
        max_aspect_ratio: Some(f64::NAN),
        ..TransformSettings::default()
    };
    let error = bad.validate().unwrap_err().to_string();
    for words in [
        "`image_size` is 0",
        "`encode_quality` is 95, allowed is 0 to 9 for png",
        "`max_aspect_ratio` is NaN",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    for (format, quality, is_right) in [
        (None, 0, false),
        (None, 100, true),
        (Some(EncodeFormat::Webp), 101, false),
        (Some(EncodeFormat::Png), 0, true),
        (Some(EncodeFormat::Png), 10, false),
        (Some(EncodeFormat::Jpg), 1, true),
    ] {
        let settings =
            TransformSettings { encode_format: format, encode_quality: quality, ..Default::default() };
        assert_eq!(settings.validate().is_ok(), is_right, "{format:?} {quality}");
    }
}

#[test]
fn a_square_that_no_image_could_be_brought_to_is_refused_with_the_largest_that_fits() {
    for format in EncodeFormat::ALL {
        let quality = if *format == EncodeFormat::Png { 6 } else { 95 };
        for (mode, fills_square) in [
            (ResizeMode::Border, true),
            (ResizeMode::CenterCrop, true),
            (ResizeMode::KeepRatio, true),
            (ResizeMode::KeepRatioLargest, false),
        ] {
            let of = |image_size| TransformSettings {
                resize_mode: mode,
                encode_format: Some(*format),
                encode_quality: quality,
                image_size,
                ..Default::default()
            };
            let largest = of(1).largest_image_size();
            assert_eq!(
                largest < MAX_IMAGE_SIZE.min(format.max_side()),
                fills_square,
                "{mode} {format}: {largest}"
            );
            assert!(of(largest).validate().is_ok(), "{mode} {format}");
            let error = of(largest + 1).validate().unwrap_err().to_string();
            assert!(error.contains(&format!("allowed is 1 to {largest} pixels")), "{error}");
        }
    }
}
