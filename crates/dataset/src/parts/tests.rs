use super::*;
use crate::kept::{KeptKind, KeptValue};
use proptest::prelude::*;

fn row(image: u64) -> ListRow {
    ListRow {
        url: format!("http://a.test/{image}.jpg"),
        caption: (!image.is_multiple_of(3)).then(|| format!("caption {image}")),
        expected_sha256: image.is_multiple_of(5).then(|| format!("{image:064x}")),
        kept: vec![
            image.is_multiple_of(2).then(|| KeptValue::Text(format!("tag {image}"))),
            (!image.is_multiple_of(4)).then_some(KeptValue::Integer(-(image as i64))),
            Some(KeptValue::Float(image as f64 / 3.0)),
            Some(KeptValue::Boolean(image.is_multiple_of(7))),
        ],
        source_file: format!("list-{}.txt", image / 100),
        source_line: image * 2 + 1,
    }
}

/// Of every kind one; a kept column may be called as one that every list has.
fn kept() -> Vec<KeptColumn> {
    let kinds = [KeptKind::Text, KeptKind::Integer, KeptKind::Float, KeptKind::Boolean];
    let names = ["url", "kept_url", "a.b", ""];
    names.into_iter().zip(kinds).map(|(name, kind)| KeptColumn { name: name.to_owned(), kind }).collect()
}

fn write(dir: &Path, chunk_size: u64, rows: u64) {
    let mut writer = PartsWriter::new(dir, chunk_size, &kept()).unwrap();
    for image in 0..rows {
        writer.push(row(image)).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), rows);
}

fn range(start: u64, end: u64) -> ImageRange {
    ImageRange::new(start, end).unwrap()
}

#[test]
fn parts_have_256_chunks_each() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    write(&dir, 2, 2 * 256 + 3);
    let mut names: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["part-00000.parquet", "part-00001.parquet"]);
    let reader = PartsReader::open(&dir, 2).unwrap();
    let across = reader.read(range(509, 514)).unwrap();
    assert_eq!(across, (509..=514).map(row).collect::<Vec<_>>());
    let part = reader.part(0).unwrap();
    assert_eq!((part.groups(), part.rows_in(255)), (256, Some(2)));
}

#[test]
fn the_kept_columns_are_told_by_their_names_in_the_list() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    write(&dir, 2, 3);
    assert_eq!(PartsReader::open(&dir, 2).unwrap().kept_columns(), kept());
}

#[test]
fn a_row_with_other_kept_values_than_the_columns_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    for kept_values in [vec![], vec![Some(KeptValue::Integer(1)), None, None, None], vec![None; 5]] {
        let mut writer = PartsWriter::new(&dir, 1, &kept()).unwrap();
        let error = writer.push(ListRow { kept: kept_values, ..row(0) }).unwrap_err().to_string();
        assert!(error.contains("the row of line 1 has other kept values than the columns"), "{error}");
    }
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 0);
}

#[test]
fn full_parts_leave_no_empty_one() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    write(&dir, 1, 256);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
    assert_eq!(PartsReader::open(&dir, 1).unwrap().read(range(255, 255)).unwrap(), [row(255)]);
}

#[test]
fn what_is_not_finished_does_not_count() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    let mut writer = PartsWriter::new(&dir, 2, &kept()).unwrap();
    (0..5).for_each(|image| writer.push(row(image)).unwrap());
    assert!(matches!(PartsReader::open(&dir, 2), Err(Error::Io { .. })));
    // As after a crash: nobody cleans up.
    std::mem::forget(writer);
    write(&dir, 2, 3);
    assert_eq!(PartsReader::open(&dir, 2).unwrap().read(range(0, 2)).unwrap().len(), 3);
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 1, "leftovers stay");
    write(&dir, 2, 1);
    assert!(PartsReader::open(&dir, 2).unwrap().read(range(1, 1)).is_err(), "an old part is still there");
}

#[test]
fn another_chunk_size_or_an_image_too_far_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    write(&dir, 10, 25);
    assert!(PartsReader::open(&dir, 5).err().unwrap().to_string().contains("row group 0 has 10 rows"));
    assert!(PartsReader::open(&dir, 20).is_err());
    assert!(PartsWriter::new(&dir, 0, &[]).is_err());
    let reader = PartsReader::open(&dir, 10).unwrap();
    assert!(reader.read(range(20, 25)).err().unwrap().to_string().contains("no image 25"));
    assert!(reader.read(range(30, 30)).is_err());
    assert!(reader.read(range(0, u64::MAX / 2 - 1)).is_err());
}

#[test]
fn a_damaged_part_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    write(&dir, 10, 25);
    let path = dir.join("part-00000.parquet");
    let good = std::fs::read(&path).unwrap();
    for cut in [0, 3, 4, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..cut]).unwrap();
        assert!(matches!(PartsReader::open(&dir, 10), Err(Error::Damaged { .. })), "{cut} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_flipped_bit_makes_reading_panic(at in any::<usize>()) {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("parts");
        write(&dir, 10, 25);
        let path = dir.join("part-00000.parquet");
        let mut bytes = std::fs::read(&path).unwrap();
        let bit = at % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &bytes).unwrap();
        let _ = PartsReader::open(&dir, 10).and_then(|reader| reader.read(range(0, 24)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_run_of_rows_comes_back(
        rows in 1u64..900, chunk_size in 1u64..40, at in any::<u64>(), length in any::<u64>()
    ) {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("parts");
        write(&dir, chunk_size, rows);
        let start = at % rows;
        let end = start + length % (rows - start);
        let found = PartsReader::open(&dir, chunk_size).unwrap().read(range(start, end)).unwrap();
        prop_assert_eq!(found, (start..=end).map(row).collect::<Vec<_>>());
    }
}

/// Notes what is read of a folder.
struct Noted {
    folder: LocalFolder,
    reads: Mutex<Vec<(String, std::ops::Range<u64>)>>,
}

impl RangeSource for Noted {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.folder.len(name)
    }

    fn read(&self, name: &str, range: std::ops::Range<u64>) -> io::Result<bytes::Bytes> {
        self.reads.lock().unwrap().push((name.to_owned(), range.clone()));
        self.folder.read(name, range)
    }
}

#[test]
fn a_chunk_is_read_in_one_piece_and_the_end_of_a_part_once() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    write(&dir, 2, 2 * 256 + 3);
    let source = Arc::new(Noted { folder: LocalFolder(dir), reads: Mutex::default() });
    let reader = PartsReader::open_source(source.clone(), 2).unwrap();
    reader.read(range(0, 513)).unwrap();
    source.reads.lock().unwrap().clear();
    for image in [20, 512, 30] {
        assert_eq!(reader.read(range(image, image + 1)).unwrap(), [row(image), row(image + 1)]);
    }
    let reads = std::mem::take(&mut *source.reads.lock().unwrap());
    let names: Vec<&str> = reads.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["part-00000.parquet", "part-00001.parquet", "part-00000.parquet"]);
    assert!(reads.iter().all(|(_, range)| range.end - range.start < 2_000), "{reads:?}");
}

#[test]
fn what_keeps_a_part_from_being_read_is_no_damage() {
    struct Broken(LocalFolder, std::sync::atomic::AtomicBool);
    impl RangeSource for Broken {
        fn path(&self, name: &str) -> PathBuf {
            self.0.path(name)
        }
        fn len(&self, name: &str) -> io::Result<u64> {
            self.0.len(name)
        }
        fn read(&self, name: &str, range: std::ops::Range<u64>) -> io::Result<bytes::Bytes> {
            if self.1.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(io::Error::other("nobody there"));
            }
            self.0.read(name, range)
        }
    }
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("parts");
    write(&dir, 2, 4);
    let source = Arc::new(Broken(LocalFolder(dir), false.into()));
    let reader = PartsReader::open_source(source.clone(), 2).unwrap();
    source.1.store(true, std::sync::atomic::Ordering::Relaxed);
    for error in [reader.read(range(0, 1)).unwrap_err(), PartsReader::open_source(source, 2).unwrap_err()] {
        assert!(matches!(error, Error::Io { .. }) && error.to_string().ends_with("nobody there"), "{error}");
    }
}
