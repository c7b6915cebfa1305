use super::*;
use proptest::prelude::*;

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(b"\x08\x02\0\0\0\0\0\0\0");
    bytes
}

fn ftyp(brand: &[u8; 4], minor: &[u8; 4]) -> Vec<u8> {
    [b"\0\0\0\x18ftyp".as_slice(), brand, b"\0\0\0\0", minor, b"miaf"].concat()
}

fn heif_with_size(brand: &[u8; 4]) -> Vec<u8> {
    let ispe = [b"\0\0\0\x14ispe\0\0\0\0".as_slice(), &7u32.to_be_bytes(), &5u32.to_be_bytes()].concat();
    let boxed = |name: &[u8; 4], inner: &[u8]| {
        [&(inner.len() as u32 + 8).to_be_bytes(), name.as_slice(), inner].concat()
    };
    let properties = boxed(b"iprp", &boxed(b"ipco", &ispe));
    [ftyp(brand, b"mif1"), boxed(b"meta", &[b"\0\0\0\0".as_slice(), &properties].concat())].concat()
}

#[test]
fn formats_are_told_by_their_bytes() {
    let jpeg =
        b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xFF\xC0\0\x11\x08\0\x05\0\x07\x03\x01\x11\0";
    let gif = b"GIF89a\x07\0\x05\0\0\0\0;";
    let webp = b"RIFF\x1A\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\x06\0\0\x04\0\0\0\0\0\0";
    let bmp = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x07\0\0\0\x05\0\0\0\x01\0\x18\0";
    let tiff =
        b"II*\0\x08\0\0\0\x02\0\0\x01\x03\0\x01\0\0\0\x07\0\0\0\x01\x01\x03\0\x01\0\0\0\x05\0\0\0\0\0\0\0";
    let ico = b"\0\0\x01\0\x01\0\x07\x05\0\0\x01\0\x20\0\x04\0\0\0\x16\0\0\0\0\0\0\0";
    let cases: [(ImageFormat, Vec<u8>); 9] = [
        (ImageFormat::Jpeg, jpeg.to_vec()),
        (ImageFormat::Png, png(7, 5)),
        (ImageFormat::Gif, gif.to_vec()),
        (ImageFormat::Webp, webp.to_vec()),
        (ImageFormat::Bmp, bmp.to_vec()),
        (ImageFormat::Tiff, tiff.to_vec()),
        (ImageFormat::Ico, ico.to_vec()),
        (ImageFormat::Avif, heif_with_size(b"avif")),
        (ImageFormat::Heic, heif_with_size(b"heic")),
    ];
    for (format, bytes) in cases {
        assert_eq!(sniff(&bytes), Some(ImageInfo { format, width: Some(7), height: Some(5) }), "{format}");
    }
    // 256 x 256, the smallest way to write a size in JPEG XL.
    let jxl = sniff(b"\xFF\x0A\xFF\x07\x08\x83\x04\x0C\0\x4B\x20\x18\0\0").map(|info| info.format);
    assert_eq!(jxl, Some(ImageFormat::Jxl));
}

#[test]
fn drawings_have_no_pixels() {
    let svg = Some(ImageInfo { format: ImageFormat::Svg, width: None, height: None });
    assert_eq!(sniff(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), svg);
    assert_eq!(
        sniff(b"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!-- a -->\n<!DOCTYPE svg PUBLIC \"x\">\n<svg>"),
        svg
    );
    assert_eq!(sniff(b"<!DOCTYPE html><html><svg></svg></html>"), None);
    assert_eq!(sniff(b"<svgfoo xmlns=\"a\">"), None);
    assert_eq!(sniff(b"<!-- never closed <svg>"), None);
}

#[test]
fn a_header_that_cannot_be_read_is_no_image() {
    for bytes in [
        b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR".as_slice(),
        b"\xFF\xD8\xFF\xE0 and nothing more",
        b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf",
        b"<!DOCTYPE html><html>",
        b"{\"error\": \"not found\"}",
        b"BM is how this text begins",
        b"",
        b"II",
    ] {
        assert_eq!(sniff(bytes), None, "{bytes:?}");
    }
    assert_eq!(sniff(&png(0, 5)), None);
    assert_eq!(sniff(&png(60_000, 60_000)).and_then(|info| info.width), Some(60_000));
}

#[test]
fn names_of_formats_agree_everywhere() {
    for format in ImageFormat::ALL {
        assert_eq!(serde_json::to_string(format).unwrap(), format!("\"{format}\""));
        assert!(format.mime().starts_with("image/"));
    }
}

const MAGIC: &[&[u8]] = &[
    b"\xFF\xD8\xFF",
    b"\x89PNG\r\n\x1A\n",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"RIFF\0\0\0\0WEBPVP8L",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"II*\0",
    b"MM\0*",
    b"\0\0\x01\0",
    b"\xFF\x0A",
    b"\0\0\0\x0CJXL \r\n\x87\n",
    b"\0\0\0\x18ftypavif\0\0\0\0mif1",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1",
    b"BM\0\0\0\0\0\0\0\0",
    b"<svg",
    b"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn no_bytes_make_it_panic(
        magic in prop::sample::select(MAGIC), rest in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let bytes = [magic, &rest].concat();
        if let Some(info) = sniff(&bytes) {
            prop_assert!(info.format == ImageFormat::Svg || (info.width > Some(0) && info.height > Some(0)));
        }
    }
}
