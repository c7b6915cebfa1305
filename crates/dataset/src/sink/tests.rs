use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::io::Read as _;

fn image<'a>(
    number: u64,
    bytes: &'a [u8],
    caption: Option<&'a str>,
    metadata: &'a serde_json::Value,
) -> StoredImage<'a> {
    StoredImage { number, bytes, extension: "jpg", caption, metadata }
}

/// Writes images 1500.. with these bytes and gives the whole tar.
fn tar_of(images: &[Vec<u8>]) -> Vec<u8> {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(OutputFormat::Webdataset, tmp.path(), 3).unwrap();
    let metadata = json!({"url": "http://a.test/", "width": 7});
    for (number, bytes) in (1500..).zip(images) {
        sink.append(&image(number, bytes, Some("a cat"), &metadata)).unwrap();
    }
    assert_eq!(sink.finish().unwrap(), ["00003.tar"]);
    std::fs::read(tmp.path().join("00003.tar")).unwrap()
}

fn members(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert!(header.as_ustar().is_some() && header.entry_type().is_file());
        assert_eq!((header.mtime().unwrap(), header.mode().unwrap() & 0o777), (0, 0o644));
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    });
    entries.collect()
}

#[test]
fn a_tar_holds_image_metadata_and_caption() {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(OutputFormat::Webdataset, tmp.path(), 123_456).unwrap();
    let metadata = json!({"b": 1, "a": "x"});
    assert_eq!(sink.append(&image(1503, b"jpeg", Some("a cat"), &metadata)).unwrap(), "000001503.jpg");
    assert_eq!(sink.append(&image(5_850_000_000, b"", None, &metadata)).unwrap(), "5850000000.jpg");
    assert_eq!(sink.finish().unwrap(), ["123456.tar"]);
    let tar = std::fs::read(tmp.path().join("123456.tar")).unwrap();
    let text = |name: &str, bytes: &str| (name.to_owned(), bytes.as_bytes().to_vec());
    assert_eq!(
        members(&tar),
        [
            text("000001503.jpg", "jpeg"),
            text("000001503.json", "{\"a\":\"x\",\"b\":1}"),
            text("000001503.txt", "a cat"),
            text("5850000000.jpg", ""),
            text("5850000000.json", "{\"a\":\"x\",\"b\":1}"),
        ]
    );
}

#[test]
fn files_go_into_a_folder_per_chunk() {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(OutputFormat::Files, tmp.path(), 3).unwrap();
    let metadata = json!({});
    assert_eq!(sink.append(&image(1503, b"jpeg", None, &metadata)).unwrap(), "00003/000001503.jpg");
    assert_eq!(sink.finish().unwrap(), ["00003"]);
    assert_eq!(std::fs::read(tmp.path().join("00003/000001503.jpg")).unwrap(), b"jpeg");
}

#[test]
fn a_chunk_without_images_has_output_too() {
    let tmp = tempfile::tempdir().unwrap();
    for (format, name) in [(OutputFormat::Files, "00000"), (OutputFormat::Webdataset, "00000.tar")] {
        assert_eq!(open_sink(format, tmp.path(), 0).unwrap().finish().unwrap(), [name]);
        assert!(tmp.path().join(name).exists());
    }
    assert_eq!(members(&std::fs::read(tmp.path().join("00000.tar")).unwrap()), []);
}

#[test]
fn formats_have_one_name() {
    for format in OutputFormat::ALL {
        assert_eq!(format.to_string().parse::<OutputFormat>().unwrap(), *format);
        assert_eq!(serde_json::to_string(format).unwrap(), format!("\"{format}\""));
    }
    let error = "zip".parse::<OutputFormat>().unwrap_err().to_string();
    assert_eq!(error, "`output_format` is \"zip\", allowed is files or webdataset");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn the_same_images_give_the_same_tar(
        images in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..12)
    ) {
        let tar = tar_of(&images);
        prop_assert_eq!(&tar, &tar_of(&images));
        let found: Vec<_> =
            members(&tar).into_iter().filter(|(name, _)| name.ends_with(".jpg")).map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(found, images);
    }
}
