use super::*;
use crate::kept::{KeptKind, KeptValue};
use ::parquet::basic::{Compression, Encoding};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use ::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// The values of a column for writing, with the definition levels where it is optional.
pub(super) enum Column {
    Bytes(Vec<Option<Vec<u8>>>),
    Int32(Vec<Option<i32>>),
    Int64(Vec<Option<i64>>),
    Float(Vec<Option<f32>>),
    Double(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
}

pub(super) fn texts(values: &[Option<&str>]) -> Column {
    Column::Bytes(values.iter().map(|value| value.map(|text| text.as_bytes().to_vec())).collect())
}

fn write_column(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, column: &Column) {
    let mut writer = group.next_column().unwrap().unwrap();
    macro_rules! put {
        ($type:ty, $values:expr, $convert:expr) => {{
            let levels: Vec<i16> = $values.iter().map(|value| i16::from(value.is_some())).collect();
            let present: Vec<_> = $values.iter().flatten().map($convert).collect();
            writer.typed::<$type>().write_batch(&present, Some(&levels), None).unwrap();
        }};
    }
    match column {
        Column::Bytes(values) => put!(ByteArrayType, values, |bytes| ByteArray::from(bytes.clone())),
        Column::Int32(values) => put!(Int32Type, values, |value| *value),
        Column::Int64(values) => put!(Int64Type, values, |value| *value),
        Column::Float(values) => put!(FloatType, values, |value| *value),
        Column::Double(values) => put!(DoubleType, values, |value| *value),
        Column::Boolean(values) => put!(BoolType, values, |value| *value),
    }
    writer.close().unwrap();
}

/// Writes a file of row groups with columns; every leaf of `schema` is optional or has all values.
pub(super) fn write(schema: &str, properties: WriterPropertiesBuilder, groups: &[Vec<Column>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for column in columns {
            write_column(&mut group, column);
        }
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

const URL_AND_CAPTION: &str =
    "message m { optional binary caption (UTF8); required binary url; optional int32 n; }";

/// Every way in which the crate can write texts that readers in use meet.
pub(super) fn ways() -> Vec<WriterPropertiesBuilder> {
    let new = WriterProperties::builder;
    let mut ways = vec![new().set_compression(Compression::UNCOMPRESSED)];
    for codec in [
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
    ] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let way =
                || new().set_compression(codec).set_writer_version(version).set_data_page_row_count_limit(7);
            ways.push(way());
            for encoding in [Encoding::PLAIN, Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
                let way =
                    ["url", "caption"].iter().fold(way().set_dictionary_enabled(false), |way, column| {
                        way.set_column_encoding((*column).into(), encoding)
                    });
                ways.push(way);
            }
        }
    }
    ways
}

#[test]
fn texts_are_read_however_they_are_packed() {
    let urls: Vec<String> = (0..3000).map(|n| format!("http://a.test/{}/ä b,{n}", n % 7)).collect();
    let captions: Vec<Option<String>> =
        (0..3000).map(|n| (n % 3 > 0).then(|| format!("caption {}", n / 9))).collect();
    let group = |range: std::ops::Range<usize>| {
        let count = range.len();
        vec![
            texts(&captions[range.clone()].iter().map(Option::as_deref).collect::<Vec<_>>()),
            texts(&urls[range].iter().map(|url| Some(url.as_str())).collect::<Vec<_>>()),
            Column::Int32(vec![None; count]),
        ]
    };
    for (way, properties) in ways().into_iter().enumerate() {
        let properties = properties.set_write_batch_size(64);
        let file = write(
            URL_AND_CAPTION,
            properties,
            &[group(0..1), group(1..1), group(1..2100), group(2100..3000)],
        );
        let found = rows(read("a.parquet", &file).unwrap());
        assert_eq!(found.len(), 3000, "{way}");
        for (at, row) in found.iter().enumerate() {
            assert_eq!(
                (&row.url, &row.caption, row.source_line),
                (&urls[at], &captions[at], at as u64 + 1),
                "{way}"
            );
        }
    }
}

#[test]
fn bad_rows_are_rejected_alone() {
    let long = format!("http://a.test/{}", "x".repeat(70_000));
    let urls = vec![
        Some(b"x".to_vec()),
        Some(vec![0xFF]),
        Some(long.into_bytes()),
        None,
        Some(b"http://a.test/".to_vec()),
    ];
    let schema = "message m { optional binary url; }";
    let file = write(schema, WriterProperties::builder(), &[vec![Column::Bytes(urls)]]);
    let items = short(&read("a.parquet", &file).unwrap());
    assert_eq!(
        items,
        [
            "1 !not a URL: it has to begin with http:// or https://",
            "2 !not valid UTF-8",
            "3 !longer than 64 KiB",
            "4 !no URL",
            "5 http://a.test/",
        ]
    );
}

const ALL_KINDS: &str = "message m {
    required binary url (UTF8);
    optional int32 small (INTEGER(8,true)); optional int32 plain; optional int64 big;
    optional int32 u32 (INTEGER(32,false)); optional int64 u64 (INTEGER(64,false));
    optional float f; optional double d; optional boolean t;
    optional binary json (JSON);
    optional int32 day (DATE); optional int64 at (TIMESTAMP(MILLIS,true)); optional int32 price (DECIMAL(9,2));
    optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
}";

fn all_kinds() -> Vec<u8> {
    let columns = vec![
        texts(&[Some("http://a.test/1"), Some("http://a.test/2")]),
        Column::Int32(vec![Some(-1), None]),
        Column::Int32(vec![Some(i32::MIN), None]),
        Column::Int64(vec![Some(i64::MAX), None]),
        Column::Int32(vec![Some(-1), None]),
        Column::Int64(vec![Some(-1), None]),
        Column::Float(vec![Some(0.1), None]),
        Column::Double(vec![Some(f64::NEG_INFINITY), None]),
        Column::Boolean(vec![Some(true), None]),
        texts(&[Some("{}"), None]),
        Column::Int32(vec![None, None]),
        Column::Int64(vec![None, None]),
        Column::Int32(vec![None, None]),
    ];
    let schema = Arc::new(parse_message_type(ALL_KINDS).unwrap());
    let tags = schema.get_fields().last().unwrap().clone();
    assert_eq!(tags.name(), "tags");
    // The list column is written by hand: two rows without one.
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::default())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        write_column(&mut group, &column);
    }
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&[], Some(&[0, 0]), Some(&[0, 0])).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn keep(names: &[&str]) -> ListOptions {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    ListOptions { keep_columns: KeepColumns::Named(names), ..ListOptions::default() }
}

#[test]
fn single_values_are_kept_exactly() {
    let names = ["small", "plain", "big", "u32", "u64", "f", "d", "t", "json", "url"];
    let found = rows(read_with("a.parquet", &all_kinds(), &keep(&names)).unwrap());
    let text = |text: &str| Some(KeptValue::Text(text.to_owned()));
    let integer = |value| Some(KeptValue::Integer(value));
    let wanted = [
        integer(-1),
        integer(i64::from(i32::MIN)),
        integer(i64::MAX),
        integer(i64::from(u32::MAX)),
        text("18446744073709551615"),
        Some(KeptValue::Float(f64::from(0.1f32))),
        Some(KeptValue::Float(f64::NEG_INFINITY)),
        Some(KeptValue::Boolean(true)),
        text("{}"),
        text("http://a.test/1"),
    ];
    assert_eq!(found[0].kept, wanted);
    assert_eq!(found[1].kept[..9], [const { None }; 9]);
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("a.parquet");
    std::fs::write(&path, all_kinds()).unwrap();
    let reader = ListReader::open(&path, &keep(&names)).unwrap();
    let kinds: Vec<KeptKind> = reader.kept_columns().iter().map(|column| column.kind).collect();
    use KeptKind::{Boolean, Float, Integer, Text};
    assert_eq!(kinds, [Integer, Integer, Integer, Integer, Text, Float, Float, Boolean, Text, Text]);
}

#[test]
fn all_columns_are_those_that_can_be_kept() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("a.parquet");
    std::fs::write(&path, all_kinds()).unwrap();
    let options = ListOptions { keep_columns: KeepColumns::All, ..ListOptions::default() };
    let reader = ListReader::open(&path, &options).unwrap();
    let names: Vec<&str> = reader.kept_columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["small", "plain", "big", "u32", "u64", "f", "d", "t", "json"]);
}

#[test]
fn what_cannot_be_kept_is_an_error_that_names_its_type() {
    for (name, message) in [
        (
            "day",
            "has values of the type date in the column `day`; columns of text, integers, floats and booleans",
        ),
        ("at", "in the column `at`; columns of text"),
        ("price", "in the column `price`; columns of text"),
        ("tags", "has nested values in the column `tags`; only columns of single values are read"),
        ("no", "has no column `no`; its columns are `url`, `small`, "),
    ] {
        let error = read_with("a.parquet", &all_kinds(), &keep(&[name])).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let error = read_with(
        "a.parquet",
        &all_kinds(),
        &ListOptions { url_column: "d".to_owned(), ..Default::default() },
    );
    assert!(error.unwrap_err().contains("has values of the type float in the column `d`; it has to be text"));
}

/// A file of one row group with one dictionary, to be damaged.
fn small() -> Vec<u8> {
    let urls: Vec<String> = (0..50).map(|n| format!("http://a.test/{}", n % 9)).collect();
    let urls: Vec<Option<&str>> = urls.iter().map(|url| Some(url.as_str())).collect();
    let columns = vec![texts(&urls), texts(&urls), Column::Int32(vec![Some(7); 50])];
    write(URL_AND_CAPTION, WriterProperties::builder(), &[columns])
}

#[test]
fn a_cut_file_is_an_error() {
    let file = small();
    for cut in [1, 4, 8, 12, file.len() / 2, file.len() - 1] {
        let error = read("a.parquet", &file[..cut]).unwrap_err();
        assert!(error.starts_with("the list a.parquet cannot be read as Parquet: "), "{error}");
    }
}

#[test]
fn a_page_or_footer_that_is_too_large_is_refused_before_it_is_read() {
    // One page of 80 MB that packs to a few kilobytes.
    let value = vec![b'x'; 80_000_000];
    let schema = "message m { required binary url; }";
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default()));
    let file =
        write(schema, properties.set_dictionary_enabled(false), &[vec![Column::Bytes(vec![Some(value)])]]);
    assert!(file.len() < 100_000);
    let error = read("a.parquet", &file).unwrap_err();
    assert!(error.contains("a page has 80000004 bytes, at most 64 MiB are read"), "{error}");

    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("a.parquet");
    let sparse = std::fs::File::create(&path).unwrap();
    sparse.set_len(100_000_000).unwrap();
    drop(sparse);
    let mut bytes = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut bytes, &[&90_000_000u32.to_le_bytes()[..], b"PAR1"].concat()).unwrap();
    let error = read_path(&path, &ListOptions::default()).unwrap_err();
    assert!(error.contains("its footer has 90000000 bytes, at most 16 MiB are read"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_damage_makes_reading_panic_or_fail_otherwise_than_as_a_bad_list(
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4), way in any::<usize>()
    ) {
        let urls: Vec<String> = (0..40).map(|n| format!("http://a.test/{}", n % 9)).collect();
        let urls: Vec<Option<&str>> = urls.iter().map(|url| Some(url.as_str())).collect();
        let columns = vec![texts(&urls), texts(&urls), Column::Int32(vec![Some(7); 40])];
        let ways = ways();
        let properties = ways[way % ways.len()].clone();
        let mut file = write(URL_AND_CAPTION, properties, &[columns]);
        for (at, byte) in damage {
            let at = at % file.len();
            file[at] = byte;
        }
        let _ = read_with("a.parquet", &file, &keep(&["n"]));
    }
}
