use super::*;
use crate::hex;
use crate::parts::PartsReader;
use ream_core::ImageRange;
use sha2::{Digest as _, Sha256};

#[test]
fn a_list_becomes_parts_and_rejects() {
    let tmp = tempfile::tempdir().unwrap();
    let (list, dir) = (tmp.path().join("urls.txt"), tmp.path().join("list"));
    std::fs::write(&list, "http://a.test/0\nnot a url\nhttp://a.test/1\n").unwrap();
    let mut heard = Vec::new();
    let found = ingest(&list, &dir, &IngestOptions::default(), |done, all| heard.push((done, all))).unwrap();
    assert_eq!(found.sha256, hex(&Sha256::digest(std::fs::read(&list).unwrap())));
    assert_eq!((found.accepted, found.rejected), (2, 1));
    assert_eq!((found.kept_columns, found.source_files), (vec![], vec!["urls.txt".to_owned()]));
    assert_eq!(heard.last(), Some(&(42, 42)));
    let rows = PartsReader::open(&dir, 500).unwrap().read(ImageRange::new(0, 1).unwrap()).unwrap();
    assert_eq!(rows.iter().map(|row| row.source_line).collect::<Vec<_>>(), [1, 3]);
    let rejects = std::fs::read_to_string(dir.join(REJECTS_FILE)).unwrap();
    assert_eq!(
        rejects,
        "{\"source_file\":\"urls.txt\",\"source_line\":2,\
         \"reason\":\"not a URL: it has to begin with http:// or https://\"}\n"
    );
}

#[test]
fn a_list_without_a_good_row_leaves_nothing_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let list = tmp.path().join("urls.csv");
    for (text, message) in [
        ("url\n", "has no rows"),
        (
            "url\nx\ny\n",
            "has no usable row: all 2 were rejected, the first in line 2 of urls.csv: not a URL: ",
        ),
    ] {
        std::fs::write(&list, text).unwrap();
        let error =
            ingest(&list, &tmp.path().join("list"), &IngestOptions::default(), |_, _| {}).unwrap_err();
        assert!(error.is_bad_input() && error.to_string().contains(message), "{error}");
        assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_missing_list_is_named() {
    let error = ingest(Path::new("nowhere.txt"), Path::new("out"), &IngestOptions::default(), |_, _| {});
    assert!(error.unwrap_err().to_string().starts_with("cannot open nowhere.txt: "));
}
