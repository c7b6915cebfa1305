use super::*;
use crate::kept::{KeptColumn, KeptKind, KeptValue};
use crate::layout::Layout;
use crate::sink::open_sink;
use crate::testing::{rows_of_table, stored_row};
use bytes::Bytes;
use ream_core::ErrorClass;
use serde_json::Value;

fn options(format: OutputFormat) -> OutputOptions {
    let column = |name: &str, kind| KeptColumn { name: name.to_owned(), kind };
    OutputOptions {
        layout: Layout::Img2dataset,
        kept: vec![
            column("similarity", KeptKind::Float),
            column("id", KeptKind::Integer),
            column("key", KeptKind::Text),
            column("nsfw", KeptKind::Boolean),
        ],
        has_captions: true,
        encode_extension: Some("jpg"),
        ..format.into()
    }
}

fn ok_row() -> LedgerRow {
    let kept = [
        KeptValue::Float(0.25),
        KeptValue::Integer(7),
        KeptValue::Text("é".to_owned()),
        KeptValue::Boolean(true),
    ];
    let caption = Some("a \"cat\"\né".to_owned());
    LedgerRow { caption, kept: kept.into_iter().map(Some).collect(), ..stored_row(1500, b"jpeg") }
}

fn failed_row(image: u64, class: ErrorClass, message: &str) -> LedgerRow {
    LedgerRow {
        image,
        url: format!("http://a.test/{image}"),
        error_class: Some(class),
        error_message: Some(message.to_owned()),
        original_width: Some(5),
        ..LedgerRow::default()
    }
}

/// A stored image, one without an answer, one that is no image, and a stored one without a caption.
fn write(staging: &Path, options: &OutputOptions) -> (Vec<String>, Vec<Option<String>>) {
    let mut sink = open_sink(options, staging, 3).unwrap();
    let bytes = Bytes::from_static(b"jpeg");
    let exif = Some("{\"Image Make\": \"Canon\"}");
    let named = [
        sink.append(&ok_row(), Some(StoredImage { bytes: &bytes, exif })).unwrap(),
        sink.append(&failed_row(1501, ErrorClass::Http4xx, "HTTP 404: Not Found"), None).unwrap(),
        sink.append(&failed_row(1502, ErrorClass::NotAnImage, "not a known image"), None).unwrap(),
        sink.append(&stored_row(1503, b"jpeg"), Some(StoredImage { bytes: &bytes, exif: None })).unwrap(),
    ];
    (sink.finish().unwrap(), named.to_vec())
}

fn expected_rows() -> Vec<Vec<String>> {
    let sha256 = format!("sha256: Str({:?})", "ab".repeat(32));
    let stored = [
        "similarity: Double(0.25)",
        "id: Long(7)",
        "kept_key: Str(\"é\")",
        "nsfw: Bool(true)",
        "caption: Str(\"a \\\"cat\\\"\\né\")",
        "url: Str(\"http://a.test/1500\")",
        "key: Str(\"00003000\")",
        "status: Str(\"success\")",
        "error_message: Null",
        "width: Int(4)",
        "height: Int(3)",
        "original_width: Int(8)",
        "original_height: Int(6)",
        "exif: Str(\"{\\\"Image Make\\\": \\\"Canon\\\"}\")",
        &sha256,
    ];
    let failed = |image: u64, key: &str, status: &str, message: &str| {
        let mut row =
            ["similarity", "id", "kept_key", "nsfw", "caption"].map(|n| format!("{n}: Null")).to_vec();
        for (name, value) in
            [("url", format!("http://a.test/{image}")), ("key", key.into()), ("status", status.into())]
        {
            row.push(format!("{name}: Str({value:?})"));
        }
        row.push(format!("error_message: Str({message:?})"));
        let nothing = ["width", "height", "original_width", "original_height", "exif", "sha256"];
        row.extend(nothing.map(|name| format!("{name}: Null")));
        row
    };
    let mut bare = failed(1503, "00003003", "success", "");
    bare[8] = "error_message: Null".to_owned();
    bare.splice(9..13, stored[9..13].iter().map(|text| (*text).to_owned()));
    *bare.last_mut().unwrap() = sha256.clone();
    vec![
        stored.map(str::to_owned).to_vec(),
        failed(1501, "00003001", "failed_to_download", "HTTP Error 404: Not Found"),
        failed(1502, "00003002", "failed_to_resize", "not a known image"),
        bare,
    ]
}

#[test]
fn files_have_the_names_keys_and_metadata_of_img2dataset() {
    let tmp = tempfile::tempdir().unwrap();
    let (names, named) = write(tmp.path(), &options(OutputFormat::Files));
    assert_eq!(names, ["00003", "00003.parquet", "00003_stats.json"]);
    assert_eq!(
        named,
        [Some("00003/00003000.jpg".to_owned()), None, None, Some("00003/00003003.jpg".to_owned())]
    );
    let read = |name: &str| std::fs::read_to_string(tmp.path().join("00003").join(name)).unwrap();
    assert_eq!(read("00003000.jpg"), "jpeg");
    assert_eq!((read("00003000.txt"), read("00003003.txt")), (ok_row().caption.unwrap(), String::new()));
    let json = read("00003000.json");
    assert!(json.starts_with("{\n    \"similarity\": 0.25,\n    \"id\": 7,\n") && json.is_ascii(), "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["kept_key"], "é");
    assert_eq!((&json["nsfw"], &json["error_message"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(std::fs::read_dir(tmp.path().join("00003")).unwrap().count(), 6);
    assert_eq!(rows_of_table(&tmp.path().join("00003.parquet")), expected_rows());
}

#[test]
fn a_tar_has_its_members_in_the_order_of_img2dataset() {
    let tmp = tempfile::tempdir().unwrap();
    for (extension, members) in [
        ("jpg", ["00003000.jpg", "00003000.json", "00003000.txt"]),
        ("png", ["00003000.json", "00003000.png", "00003000.txt"]),
        ("webp", ["00003000.json", "00003000.txt", "00003000.webp"]),
    ] {
        let options =
            OutputOptions { encode_extension: Some(extension), ..options(OutputFormat::Webdataset) };
        let (names, named) = write(tmp.path(), &options);
        assert_eq!(names, ["00003.tar", "00003.parquet", "00003_stats.json"]);
        assert_eq!(named[0], Some(format!("00003000.{extension}")));
        let bytes = std::fs::read(tmp.path().join("00003.tar")).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: Vec<String> =
            archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(found[..3], members);
        assert_eq!(found.len(), 6);
        assert_eq!(rows_of_table(&tmp.path().join("00003.parquet")), expected_rows());
    }
}

#[test]
fn parquet_has_the_image_as_the_last_column() {
    let tmp = tempfile::tempdir().unwrap();
    let (names, named) = write(tmp.path(), &options(OutputFormat::Parquet));
    assert_eq!(names, ["00003.parquet", "00003_stats.json"]);
    assert_eq!(named[0].as_deref(), Some("00003.parquet"));
    let mut expected = expected_rows();
    for (row, image) in expected.iter_mut().zip(["Bytes(\"jpeg\")", "Null", "Null", "Bytes(\"jpeg\")"]) {
        row.push(format!("jpg: {image}"));
    }
    assert_eq!(rows_of_table(&tmp.path().join("00003.parquet")), expected);
}

#[test]
fn statistics_count_by_status_and_message() {
    let tmp = tempfile::tempdir().unwrap();
    write(tmp.path(), &options(OutputFormat::Files));
    let text = std::fs::read_to_string(tmp.path().join("00003_stats.json")).unwrap();
    let stats: Value = serde_json::from_str(&text).unwrap();
    let counts = ["count", "successes", "failed_to_download", "failed_to_resize"];
    assert_eq!(counts.map(|name| stats[name].as_u64().unwrap()), [4, 2, 1, 1]);
    let expected = serde_json::json!({"success": 2, "HTTP Error 404: Not Found": 1, "not a known image": 1});
    assert_eq!(stats["status_dict"], expected);
    let [start, end, duration] = ["start_time", "end_time", "duration"].map(|n| stats[n].as_f64().unwrap());
    assert!(start > 1.7e9 && duration >= 0.0 && (end - start - duration).abs() < 1e-3, "{text}");
}

#[test]
fn a_list_of_bare_urls_has_no_captions() {
    let tmp = tempfile::tempdir().unwrap();
    let options = OutputOptions {
        kept: Vec::new(),
        has_captions: false,
        encode_extension: None,
        ..options(OutputFormat::Files)
    };
    write(tmp.path(), &options);
    assert!(!tmp.path().join("00003/00003000.txt").exists());
    let rows = rows_of_table(&tmp.path().join("00003.parquet"));
    assert!(rows[0][0].starts_with("url: ") && rows[0][1].starts_with("key: "), "{rows:?}");
}

#[test]
fn dimensions_that_do_not_fit_are_not_known() {
    let tmp = tempfile::tempdir().unwrap();
    let mut sink = open_sink(&options(OutputFormat::Parquet), tmp.path(), 3).unwrap();
    let bytes = Bytes::from_static(b"x");
    let row = LedgerRow { original_width: Some(u32::MAX), ..stored_row(0, b"x") };
    sink.append(&row, Some(StoredImage { bytes: &bytes, exif: None })).unwrap();
    sink.finish().unwrap();
    let rows = rows_of_table(&tmp.path().join("00003.parquet"));
    assert!(rows[0].contains(&"original_width: Null".to_owned()), "{rows:?}");
}
