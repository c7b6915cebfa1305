use super::*;
use crate::kept::KeptKind;
use crate::testing::stored_row;
use proptest::prelude::*;
use ream_core::ErrorClass;

fn failed(image: u64, class: ErrorClass) -> LedgerRow {
    LedgerRow {
        image,
        url: format!("http://a.test/ä/{image}"),
        error_class: Some(class),
        error_message: Some("the reason".to_owned()),
        source_file: "urls.txt".to_owned(),
        source_line: 3,
        ..LedgerRow::default()
    }
}

fn write_ledger(path: &Path, kept: &[KeptColumn], rows: &[LedgerRow]) {
    let mut ledger = LedgerWriter::create(path, kept).unwrap();
    rows.iter().for_each(|row| ledger.push(row.clone()).unwrap());
    ledger.finish().unwrap();
}

#[test]
fn rows_come_back_as_they_were() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("_ledger").join(ledger_name(3));
    assert!(path.ends_with("00003.ledger.parquet"));
    let mut rows: Vec<LedgerRow> = (0..).zip(ErrorClass::ALL).map(|(n, class)| failed(n, *class)).collect();
    rows.extend((100..10_200).map(|image| stored_row(image, b"")));
    rows.push(stored_row(i64::MAX as u64, b""));
    for rows in [rows.as_slice(), &rows[..1], &[]] {
        write_ledger(&path, &[], rows);
        assert_eq!(read_ledger(&path).unwrap(), rows);
    }
}

#[test]
fn a_file_that_is_no_ledger_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("x.parquet");
    std::fs::write(&path, "PAR1 or not PAR1").unwrap();
    assert!(matches!(read_ledger(&path), Err(Error::Damaged { .. })));
    TableWriter::create(&path, row::fixed_columns()[..2].to_vec()).unwrap().finish().unwrap();
    assert!(read_ledger(&path).err().unwrap().to_string().contains("unexpected columns"));
    let mut with_bytes = row::fixed_columns();
    with_bytes.push(Column::binary("picture").nullable());
    TableWriter::create(&path, with_bytes).unwrap().finish().unwrap();
    assert!(read_ledger(&path).err().unwrap().to_string().contains("column picture cannot be in a ledger"));
    assert!(matches!(read_ledger(&tmp.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn a_value_without_meaning_is_an_error_not_a_row() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("x.parquet");
    for (column, wrong) in [
        ("status", Cells::Text(vec![Some("lost".to_owned())])),
        ("error_class", Cells::Text(vec![Some("bad luck".to_owned())])),
        ("http_status", Cells::Integers(vec![Some(70_000)])),
        ("width", Cells::Integers(vec![Some(-1)])),
    ] {
        let columns = row::fixed_columns();
        let mut cells = row::to_cells(&[LedgerRow::default()]);
        cells[columns.iter().position(|c| c.name == column).unwrap()] = wrong;
        let mut table = TableWriter::create(&path, columns).unwrap();
        table.write_group(cells).unwrap();
        table.finish().unwrap();
        assert!(read_ledger(&path).err().unwrap().to_string().contains("no meaning"), "{column}");
    }
}

fn kept_value(kind: KeptKind) -> BoxedStrategy<Option<KeptValue>> {
    let value = match kind {
        KeptKind::Text => ".{0,9}".prop_map(KeptValue::Text).boxed(),
        KeptKind::Integer => any::<i64>().prop_map(KeptValue::Integer).boxed(),
        KeptKind::Float => {
            let odd = prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE]);
            prop_oneof![prop::num::f64::NORMAL, odd].prop_map(KeptValue::Float).boxed()
        }
        KeptKind::Boolean => any::<bool>().prop_map(KeptValue::Boolean).boxed(),
    };
    prop::option::of(value).boxed()
}

const KINDS: [KeptKind; 4] = [KeptKind::Text, KeptKind::Integer, KeptKind::Float, KeptKind::Boolean];

fn row(kinds: Vec<KeptKind>) -> impl Strategy<Value = LedgerRow> {
    let text = || prop::option::of(".{0,9}");
    let words = (text(), text(), text(), text(), text(), text(), text(), text(), text(), text());
    let class = prop::option::of(prop::sample::select(ErrorClass::ALL));
    let large = (any::<u64>(), any::<u64>(), any::<[Option<u64>; 4]>());
    let small = (any::<[Option<u32>; 5]>(), any::<Option<u16>>(), any::<bool>(), ".{0,9}", ".{0,9}");
    let kept = kinds.into_iter().map(kept_value).collect::<Vec<_>>();
    (words, class, large, small, kept).prop_map(|(words, error_class, large, small, kept)| LedgerRow {
        image: large.0,
        url: small.3,
        caption: words.0,
        status: if small.2 { ImageStatus::Ok } else { ImageStatus::Failed },
        error_class,
        error_message: words.1,
        http_status: small.1,
        bytes: large.2[0],
        width: small.0[0],
        height: small.0[1],
        format: words.2,
        sha256: words.3,
        file: words.4,
        original_bytes: large.2[1],
        original_width: small.0[2],
        original_height: small.0[3],
        original_format: words.5,
        original_sha256: words.6,
        tries: small.0[4],
        fetch_ms: large.2[2],
        transform_ms: large.2[3],
        final_url: words.7,
        etag: words.8,
        last_modified: words.9,
        source_file: small.4,
        source_line: large.1,
        kept,
    })
}

fn ledger() -> impl Strategy<Value = (Vec<KeptKind>, Vec<LedgerRow>)> {
    prop::collection::vec(prop::sample::select(&KINDS[..]), 0..5).prop_flat_map(|kinds| {
        let rows = prop::collection::vec(row(kinds.clone()), 0..20);
        (Just(kinds), rows)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_field_and_kept_column_comes_back((kinds, rows) in ledger()) {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("x.parquet");
        // The third has the name of a fixed column, the fourth one twice.
        let names = ["a", "b", "url", "a", "c"];
        let kept: Vec<KeptColumn> =
            names.iter().zip(kinds).map(|(name, kind)| KeptColumn { name: (*name).to_owned(), kind }).collect();
        write_ledger(&path, &kept, &rows);
        let ledger = LedgerReader::open(&path).unwrap();
        let expected = ["a", "b", "kept_url", "kept_a", "c"].into_iter();
        let found: Vec<(&str, KeptKind)> = ledger.kept().iter().map(|c| (c.name.as_str(), c.kind)).collect();
        prop_assert_eq!(found, expected.zip(kept.iter().map(|c| c.kind)).collect::<Vec<_>>());
        prop_assert_eq!(ledger.rows().collect::<Result<Vec<_>>>().unwrap(), rows);
    }
}
