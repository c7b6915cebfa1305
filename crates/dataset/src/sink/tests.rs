use super::*;
use crate::kept::{KeptColumn, KeptKind, KeptValue};
use crate::ledger::ImageStatus;
use crate::testing::{rows_of_table, stored_row};
use proptest::prelude::*;
use std::io::Read as _;

const JPEG: &[u8] = b"jpeg";

fn kept_options(format: OutputFormat) -> OutputOptions {
    let column = |name: &str, kind| KeptColumn { name: name.to_owned(), kind };
    let kept = vec![
        column("similarity", KeptKind::Float),
        column("id", KeptKind::Integer),
        column("url", KeptKind::Text),
        column("nsfw", KeptKind::Boolean),
    ];
    OutputOptions { kept, ..format.into() }
}

fn kept_values() -> Vec<Option<KeptValue>> {
    vec![
        Some(KeptValue::Float(0.25)),
        Some(KeptValue::Integer(-7)),
        Some(KeptValue::Text("other".to_owned())),
        None,
    ]
}

fn append(sink: &mut dyn Sink, row: &LedgerRow, bytes: &'static [u8]) -> Option<String> {
    let bytes = Bytes::from_static(bytes);
    sink.append(row, Some(StoredImage { bytes: &bytes, exif: None })).unwrap()
}

fn members(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ::tar::Archive::new(tar);
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
    let mut sink = open_sink(&kept_options(OutputFormat::Webdataset), tmp.path(), 123_456).unwrap();
    let mut row = LedgerRow { kept: kept_values(), ..stored_row(1503, JPEG) };
    row.caption = Some("a cat".to_owned());
    assert_eq!(append(sink.as_mut(), &row, JPEG).as_deref(), Some("000001503.jpg"));
    assert_eq!(sink.append(&LedgerRow { image: 1504, ..LedgerRow::default() }, None).unwrap(), None);
    row = LedgerRow { image: 5_850_000_000, caption: None, kept: Vec::new(), ..row };
    assert_eq!(append(sink.as_mut(), &row, b"").as_deref(), Some("5850000000.jpg"));
    assert_eq!(sink.finish().unwrap(), ["123456.tar"]);
    let tar = std::fs::read(tmp.path().join("123456.tar")).unwrap();
    let members = members(&tar);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["000001503.jpg", "000001503.json", "000001503.txt", "5850000000.jpg", "5850000000.json"]
    );
    assert_eq!((members[0].1.as_slice(), members[2].1.as_slice()), (JPEG, b"a cat".as_slice()));
    let expected = concat!(
        r#"{"caption":"a cat","format":"jpg","height":3,"id":-7,"image":1503,"kept_url":"other","nsfw":null,"#,
        r#""original_bytes":9,"original_format":"png","original_height":6,"#,
        r#""original_sha256":"ORIGINAL","original_width":8,"sha256":"STORED","#,
        r#""similarity":0.25,"url":"http://a.test/1503","width":4}"#,
    );
    let expected = expected.replace("ORIGINAL", &"ab".repeat(32)).replace("STORED", &"cd".repeat(32));
    assert_eq!(String::from_utf8_lossy(&members[1].1), expected);
}

#[test]
fn a_parquet_shard_has_a_typed_column_for_everything() {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(&kept_options(OutputFormat::Parquet), tmp.path(), 3).unwrap();
    let row = LedgerRow { kept: kept_values(), ..stored_row(1503, JPEG) };
    assert_eq!(append(sink.as_mut(), &row, JPEG).as_deref(), Some("00003.parquet"));
    assert_eq!(sink.append(&LedgerRow::default(), None).unwrap(), None);
    assert_eq!(sink.finish().unwrap(), ["00003.parquet"]);
    let rows = rows_of_table(&tmp.path().join("00003.parquet"));
    let expected = [
        "image: Long(1503)",
        "url: Str(\"http://a.test/1503\")",
        "caption: Null",
        "width: Long(4)",
        "height: Long(3)",
        "format: Str(\"jpg\")",
        &format!("sha256: Str({:?})", "cd".repeat(32)),
        "original_bytes: Long(9)",
        "original_width: Long(8)",
        "original_height: Long(6)",
        "original_format: Str(\"png\")",
        &format!("original_sha256: Str({:?})", "ab".repeat(32)),
        "similarity: Double(0.25)",
        "id: Long(-7)",
        "kept_url: Str(\"other\")",
        "nsfw: Null",
        "bytes: Bytes(\"jpeg\")",
    ];
    assert_eq!(rows, [expected.map(str::to_owned).to_vec()]);
}

#[test]
fn a_row_group_holds_four_mebibytes_or_one_image() {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(&OutputFormat::Parquet.into(), tmp.path(), 0).unwrap();
    let mebibytes = [1, 2, 2, 20, 1, 4, 1];
    for (image, size) in (0..).zip(mebibytes) {
        let bytes = Bytes::from(vec![image as u8; size << 20]);
        sink.append(&stored_row(image, &bytes), Some(StoredImage { bytes: &bytes, exif: None })).unwrap();
    }
    sink.finish().unwrap();
    let path = tmp.path().join("00000.parquet");
    assert_eq!(crate::testing::rows_per_group(&path), [2, 1, 1, 1, 1, 1]);
}

#[test]
fn files_go_into_a_folder_per_chunk() {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(&OutputFormat::Files.into(), tmp.path(), 3).unwrap();
    let name = append(sink.as_mut(), &stored_row(1503, JPEG), JPEG);
    assert_eq!(name.as_deref(), Some("00003/000001503.jpg"));
    assert_eq!(sink.finish().unwrap(), ["00003"]);
    assert_eq!(std::fs::read(tmp.path().join("00003/000001503.jpg")).unwrap(), JPEG);
}

#[test]
fn a_chunk_without_images_has_output_too() {
    let tmp = tempfile::tempdir().unwrap();
    for (format, name) in [
        (OutputFormat::Files, "00000"),
        (OutputFormat::Webdataset, "00000.tar"),
        (OutputFormat::Parquet, "00000.parquet"),
    ] {
        assert_eq!(open_sink(&format.into(), tmp.path(), 0).unwrap().finish().unwrap(), [name]);
        assert!(tmp.path().join(name).exists());
    }
    assert_eq!(members(&std::fs::read(tmp.path().join("00000.tar")).unwrap()), []);
    assert_eq!(rows_of_table(&tmp.path().join("00000.parquet")), Vec::<Vec<String>>::new());
}

#[test]
fn formats_have_one_name() {
    for format in OutputFormat::ALL {
        assert_eq!(format.to_string().parse::<OutputFormat>().unwrap(), *format);
        assert_eq!(serde_json::to_string(format).unwrap(), format!("\"{format}\""));
    }
    let error = "zip".parse::<OutputFormat>().unwrap_err().to_string();
    assert_eq!(error, "`output_format` is \"zip\", allowed is files, webdataset or parquet");
}

/// Everything that a chunk's shards consist of, by name; statistics have times and are left out.
fn shards_of(options: &OutputOptions, images: &[Option<Vec<u8>>], run: u64) -> Vec<(String, Vec<u8>)> {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(options, tmp.path(), 3).unwrap();
    for (image, bytes) in (1500..).zip(images) {
        let bytes = bytes.clone().map(Bytes::from);
        let mut row = LedgerRow { kept: kept_values(), ..stored_row(image, b"") };
        if bytes.is_none() {
            row.status = ImageStatus::Failed;
        }
        // What differs from run to run.
        (row.fetch_ms, row.transform_ms, row.tries) = (Some(run), Some(run), Some(run as u32));
        (row.etag, row.last_modified) = (Some(run.to_string()), Some(run.to_string()));
        row.final_url = Some(run.to_string());
        sink.append(&row, bytes.as_ref().map(|bytes| StoredImage { bytes, exif: None })).unwrap();
    }
    let mut files = Vec::new();
    for name in sink.finish().unwrap() {
        let path = tmp.path().join(&name);
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            files.extend(
                entries.map(|path| (path.file_name().unwrap().to_owned(), std::fs::read(&path).unwrap())),
            );
        } else if !name.ends_with("_stats.json") {
            files.push((name.into(), std::fs::read(path).unwrap()));
        }
    }
    files.sort();
    files.into_iter().map(|(name, bytes)| (name.to_string_lossy().into_owned(), bytes)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn the_same_images_give_the_same_shards_in_every_format_and_layout(
        images in prop::collection::vec(
            prop::option::weighted(0.8, prop::collection::vec(any::<u8>(), 0..2000)), 0..12
        )
    ) {
        for layout in Layout::ALL {
            for format in OutputFormat::ALL {
                let options = OutputOptions { layout: *layout, has_captions: true, ..kept_options(*format) };
                let shards = shards_of(&options, &images, 1);
                prop_assert_eq!(&shards, &shards_of(&options, &images, 2));
                let stored: Vec<&Vec<u8>> = images.iter().flatten().collect();
                let jpegs: Vec<Vec<u8>> = match format {
                    OutputFormat::Files => {
                        shards.into_iter().filter(|(name, _)| name.ends_with(".jpg")).map(|(_, b)| b).collect()
                    }
                    OutputFormat::Webdataset => {
                        let tar = shards.iter().find(|(name, _)| name.ends_with(".tar")).unwrap();
                        members(&tar.1).into_iter().filter(|(n, _)| n.ends_with(".jpg")).map(|(_, b)| b).collect()
                    }
                    OutputFormat::Parquet => continue,
                };
                prop_assert_eq!(jpegs.iter().collect::<Vec<_>>(), stored);
            }
        }
    }
}
