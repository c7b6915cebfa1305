use super::*;
use crate::ledger::LedgerRow;
use crate::sink::open_sink;

fn options(layout: Layout, format: OutputFormat) -> OutputOptions {
    OutputOptions { layout, ..format.into() }
}

#[test]
fn layouts_have_one_name() {
    for layout in Layout::ALL {
        assert_eq!(layout.to_string().parse::<Layout>().unwrap(), *layout);
        assert_eq!(serde_json::to_string(layout).unwrap(), format!("\"{layout}\""));
    }
    let error = "other".parse::<Layout>().unwrap_err().to_string();
    assert_eq!(error, "`layout` is \"other\", allowed is ream or img2dataset");
}

#[test]
fn every_output_is_known_by_its_name() {
    let tmp = tempfile::tempdir().unwrap();
    for (n, (layout, format)) in
        Layout::ALL.iter().flat_map(|l| OutputFormat::ALL.iter().map(move |f| (*l, *f))).enumerate()
    {
        let staging = tmp.path().join(n.to_string());
        std::fs::create_dir(&staging).unwrap();
        let options = options(layout, format);
        let mut names = open_sink(&options, &staging, 123_456).unwrap().finish().unwrap();
        names.extend([options.ledger_name(123_456), layout.summary_name()]);
        for name in names {
            assert!(is_output_name(name.split('/').next().unwrap()), "{name}");
        }
    }
    for name in ["_ream", "_staging", "photos", "0000.tar", "notes.json", "2024_trip", "00000b", ""] {
        assert!(!is_output_name(name), "{name}");
    }
}

#[test]
fn a_pattern_for_shards_never_finds_a_ledger() {
    for (layout, format, expected) in [
        (Layout::Ream, OutputFormat::Files, "00003.ledger.parquet"),
        (Layout::Ream, OutputFormat::Webdataset, "00003.ledger.parquet"),
        (Layout::Ream, OutputFormat::Parquet, "_ledger/00003.ledger.parquet"),
        (Layout::Img2dataset, OutputFormat::Files, "_ledger/00003.ledger.parquet"),
        (Layout::Img2dataset, OutputFormat::Webdataset, "_ledger/00003.ledger.parquet"),
        (Layout::Img2dataset, OutputFormat::Parquet, "_ledger/00003.ledger.parquet"),
    ] {
        assert_eq!(options(layout, format).ledger_name(3), expected);
    }
}

#[test]
fn only_where_images_are_encoded_must_they_be_decodable() {
    let img2dataset = options(Layout::Img2dataset, OutputFormat::Files);
    let encoding = OutputOptions { encode_extension: Some("jpg"), ..img2dataset.clone() };
    let ream = OutputOptions { encode_extension: Some("jpg"), ..OutputFormat::Files.into() };
    assert!(encoding.refusal_of_undecoded("svg").unwrap().contains("svg"));
    assert_eq!((img2dataset.refusal_of_undecoded("svg"), ream.refusal_of_undecoded("svg")), (None, None));
}

#[test]
fn an_image_without_a_usable_format_gets_no_name() {
    let tmp = tempfile::tempdir().unwrap();
    let bytes = bytes::Bytes::from_static(b"x");
    for format in [None, Some(""), Some("../x"), Some("a.b")] {
        let row = LedgerRow { format: format.map(str::to_owned), ..LedgerRow::default() };
        let options = OutputFormat::Webdataset.into();
        let mut sink = open_sink(&options, tmp.path(), 0).unwrap();
        let image = crate::StoredImage { bytes: &bytes, exif: None };
        assert!(sink.append(&row, Some(image)).is_err(), "{format:?}");
    }
}
