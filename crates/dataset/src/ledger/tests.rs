use super::*;

fn ok(image: u64) -> LedgerRow {
    LedgerRow {
        image,
        url: format!("http://a.test/ä/{image}"),
        caption: Some("a cat, \"asleep\"\n日本".to_owned()),
        status: ImageStatus::Ok,
        error_class: None,
        error_message: None,
        http_status: Some(200),
        bytes: Some(20 * 1024 * 1024),
        width: Some(u32::MAX),
        height: Some(1),
        format: Some("jpeg".to_owned()),
        sha256: Some("00".repeat(32)),
        file: Some("00000/000000001.jpg".to_owned()),
        fetch_ms: Some(12),
        source_file: "urls.txt".to_owned(),
        source_line: 3,
    }
}

fn failed(image: u64, class: ErrorClass) -> LedgerRow {
    LedgerRow {
        caption: None,
        status: ImageStatus::Failed,
        error_class: Some(class),
        error_message: Some("the reason".to_owned()),
        http_status: None,
        bytes: None,
        width: None,
        height: None,
        format: None,
        sha256: None,
        file: None,
        ..ok(image)
    }
}

#[test]
fn rows_come_back_as_they_were() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join(ledger_name(3));
    assert!(path.ends_with("00003.ledger.parquet"));
    let mut rows: Vec<LedgerRow> = (0..).zip(ErrorClass::ALL).map(|(n, class)| failed(n, *class)).collect();
    rows.extend((100..10_200).map(ok));
    rows.push(ok(i64::MAX as u64));
    for rows in [rows.as_slice(), &rows[..1], &[]] {
        write_ledger(&path, rows).unwrap();
        assert_eq!(read_ledger(&path).unwrap(), rows);
    }
}

#[test]
fn a_file_that_is_no_ledger_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("x.parquet");
    std::fs::write(&path, "PAR1 or not PAR1").unwrap();
    assert!(matches!(read_ledger(&path), Err(Error::Damaged { .. })));
    TableWriter::create(&path, &COLUMNS[..2]).unwrap().finish().unwrap();
    assert!(read_ledger(&path).err().unwrap().to_string().contains("unexpected columns"));
    assert!(matches!(read_ledger(&tmp.path().join("none")), Err(Error::Io { .. })));
}
