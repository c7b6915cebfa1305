use super::compression::{gzip, zst};
use super::*;

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let tmp = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(tmp.path().join(name), bytes).unwrap();
    }
    tmp
}

#[test]
fn the_files_of_a_folder_are_read_in_the_order_of_their_bytes() {
    let tmp = folder(&[
        ("b.csv", b"url\nhttp://a.test/b\n"),
        ("a.txt.gz", &gzip(b"http://a.test/a1\nx\nhttp://a.test/a2\n")),
        ("B.jsonl", b"{\"url\":\"http://a.test/B\"}\n"),
        ("\u{e9}.tsv.zst", &zst(b"url\tcaption\nhttp://a.test/e\tc\n")),
        ("c.txt", b""),
        ("README.md", b"x"),
        ("_SUCCESS", b""),
        ("_old.txt", b"http://a.test/no\n"),
        (".hidden.txt", b"http://a.test/no\n"),
    ]);
    std::fs::create_dir(tmp.path().join("sub.txt")).unwrap();
    let mut reader = ListReader::open(tmp.path(), &ListOptions::default()).unwrap();
    assert_eq!(reader.source_files(), ["B.jsonl", "a.txt.gz", "b.csv", "c.txt", "\u{e9}.tsv.zst"]);
    assert_eq!(reader.passed_over(), ["README.md", "sub.txt"]);
    let items: Vec<ListItem> = reader.by_ref().map(|item| item.unwrap()).collect();
    let named: Vec<String> = items
        .iter()
        .zip(short(&items))
        .map(|(item, short)| match item {
            ListItem::Row(row) => format!("{} {short}", row.source_file),
            ListItem::Reject(reject) => format!("{} {short}", reject.source_file),
        })
        .collect();
    let reason = "!not a URL: it has to begin with http:// or https://";
    assert_eq!(
        named,
        [
            "B.jsonl 1 http://a.test/B".to_owned(),
            "a.txt.gz 1 http://a.test/a1".to_owned(),
            format!("a.txt.gz 2 {reason}"),
            "a.txt.gz 3 http://a.test/a2".to_owned(),
            "b.csv 2 http://a.test/b".to_owned(),
            "\u{e9}.tsv.zst 2 http://a.test/e [c]".to_owned(),
        ]
    );
    assert_eq!(reader.bytes_read(), reader.bytes_total());
    assert_eq!(reader.into_sha256(), list_sha256(tmp.path()).unwrap());
}

#[test]
fn a_folder_without_lists_says_what_was_found_and_looked_for() {
    let tmp = folder(&[("b.xlsx", b"x"), ("a", b"x"), ("_x.txt", b"x")]);
    let name = tmp.path().file_name().unwrap().to_str().unwrap();
    let error = read_path(tmp.path(), &ListOptions::default()).unwrap_err();
    assert_eq!(
        error,
        format!("the list {name} is a folder without lists; found were `a`, `b.xlsx`; {ALLOWED}")
    );
    let tmp = folder(&[]);
    let error = read_path(tmp.path(), &ListOptions::default()).unwrap_err();
    assert!(error.contains("is an empty folder; allowed are"), "{error}");
    let tmp = folder(&[("a.txt", b""), ("b.txt.gz", &gzip(b""))]);
    let error = read_path(tmp.path(), &ListOptions::default()).unwrap_err();
    assert!(error.ends_with("has only empty files"), "{error}");
}

#[test]
fn a_column_missing_in_one_file_is_told_before_anything_is_read() {
    let tmp = folder(&[("a.csv", b"url,tag\nx,y\n"), ("b.csv", b"url,tags\nx,y\n")]);
    let options =
        ListOptions { keep_columns: KeepColumns::Named(vec!["tag".to_owned()]), ..ListOptions::default() };
    let error = ListReader::open(tmp.path(), &options).err().unwrap().to_string();
    assert!(error.ends_with("b.csv has no column `tag`; its columns are `url`, `tags`"), "{error}");
    let all = ListOptions { keep_columns: KeepColumns::All, ..ListOptions::default() };
    let error = ListReader::open(tmp.path(), &all).err().unwrap().to_string();
    let message =
        "has files of which the columns to keep differ: a.csv has `tag` (text), b.csv has `tags` (text)";
    assert!(error.ends_with(message), "{error}");
}

#[test]
fn a_list_that_changes_has_another_digest() {
    let tmp = folder(&[("a.txt", b"http://a.test/1\n"), ("b.txt", b"http://a.test/2\n")]);
    let first = (list_sha256(tmp.path()).unwrap(), list_fingerprint(tmp.path()).unwrap());
    assert_eq!(first.1.bytes, 32);
    assert!(first.1.modified_ms > 1_500_000_000_000);
    std::fs::write(tmp.path().join("_note"), "x").unwrap();
    assert_eq!(list_sha256(tmp.path()).unwrap(), first.0);
    std::fs::rename(tmp.path().join("b.txt"), tmp.path().join("c.txt")).unwrap();
    assert_ne!(list_sha256(tmp.path()).unwrap(), first.0);
    std::fs::write(tmp.path().join("d.txt"), "http://a.test/3\n").unwrap();
    assert_ne!(list_fingerprint(tmp.path()).unwrap().bytes, first.1.bytes);
    let single = tmp.path().join("a.txt");
    assert_eq!(list_fingerprint(&single).unwrap().bytes, 16);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(b"http://a.test/1\n");
    assert_eq!(list_sha256(&single).unwrap(), crate::hex(&digest));
}
