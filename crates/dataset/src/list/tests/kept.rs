use super::*;
use crate::kept::{KeptColumn, KeptKind, KeptValue};

fn options(kept: &[&str]) -> ListOptions {
    let names = kept.iter().map(|name| (*name).to_owned()).collect();
    ListOptions { keep_columns: KeepColumns::Named(names), ..ListOptions::default() }
}

fn text(value: &str) -> Option<KeptValue> {
    Some(KeptValue::Text(value.to_owned()))
}

fn kept(items: Items) -> Vec<Vec<Option<KeptValue>>> {
    rows(items.unwrap()).into_iter().map(|row| row.kept).collect()
}

#[test]
fn columns_are_kept_as_text_in_the_order_asked_for() {
    let list = b"id,url,tag\n1,http://a.test/1,x\n2,http://a.test/2,\n";
    let found = kept(read_with("a.csv", list, &options(&["tag", "url", " id", "tag"])));
    let wanted =
        [vec![text("x"), text("http://a.test/1"), text("1")], vec![None, text("http://a.test/2"), text("2")]];
    assert_eq!(found, wanted);
    let all = ListOptions { keep_columns: KeepColumns::All, ..ListOptions::default() };
    assert_eq!(kept(read_with("a.csv", list, &all)), [[text("1"), text("x")], [text("2"), None]]);
    assert_eq!(kept(read_with("a.txt", b"http://a.test/", &all)), [[]]);
    let hashed = ListOptions { sha256_column: Some("hash".to_owned()), ..all };
    let list = b"url,hash\nhttp://a.test/1,\n";
    assert_eq!(kept(read_with("a.csv", list, &hashed)), [[None]], "the hash goes along with all others");
}

#[test]
fn json_values_are_kept_as_their_text() {
    let list =
        b"{\"url\":\"http://a.test/1\",\"w\":1.50,\"tag\":\"\\u00e9\",\"o\":{\"b\":[1, 2]},\"t\":true}\n\
        {\"url\":\"http://a.test/2\",\"w\":null,\"t\":\"\"}\n";
    let found = kept(read_with("a.jsonl", list, &options(&["w", "tag", "o", "t", "url"])));
    let wanted = [
        vec![text("1.50"), text("é"), text("{\"b\":[1, 2]}"), text("true"), text("http://a.test/1")],
        vec![None, None, None, text(""), text("http://a.test/2")],
    ];
    assert_eq!(found, wanted);
    let all = ListOptions { keep_columns: KeepColumns::All, ..ListOptions::default() };
    assert!(read_with("a.jsonl", list, &all).unwrap_err().contains("name the columns to keep"));
}

#[test]
fn a_text_list_has_no_column_to_ask_for() {
    let caption = ListOptions { caption_column: Some("c".to_owned()), ..ListOptions::default() };
    for (options, name) in [(options(&["tag"]), "tag"), (caption, "c")] {
        let error = read_with("a.txt", b"http://a.test/", &options).unwrap_err();
        let wanted = "; a text list has one URL per line and nothing else";
        assert_eq!(error, format!("the list a.txt has no column `{name}`{wanted}"));
    }
}

#[test]
fn an_expected_hash_is_64_hexadecimal_digits_or_nothing() {
    let good = "AB".repeat(32);
    let list = format!(
        "url,hash\nhttp://a.test/1, {good}\nhttp://a.test/2,\nhttp://a.test/3,{good}0\nhttp://a.test/4,xy\n"
    );
    let options = ListOptions { sha256_column: Some("hash".to_owned()), ..ListOptions::default() };
    let items = read_with("a.csv", list.as_bytes(), &options).unwrap();
    let hashes: Vec<_> = items
        .iter()
        .map(|item| match item {
            ListItem::Row(row) => row.expected_sha256.clone(),
            ListItem::Reject(reject) => Some(reject.reason.clone()),
        })
        .collect();
    let lower = good.to_ascii_lowercase();
    let bad = |text: String| Some(format!("the SHA-256 `{text}` is not 64 hexadecimal digits"));
    assert_eq!(hashes, [Some(lower), None, bad(format!("{good}0")), bad("xy".to_owned())]);
    let error = read_with("a.csv", b"url\nx\n", &options).unwrap_err();
    assert!(error.contains("has no column `hash`; its columns are `url`"));
}

#[test]
fn the_kept_columns_are_told_before_the_first_row() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("a.csv");
    std::fs::write(&path, "url, tag \n").unwrap();
    let reader = ListReader::open(&path, &options(&["tag"])).unwrap();
    assert_eq!(reader.kept_columns(), [KeptColumn { name: "tag".to_owned(), kind: KeptKind::Text }]);
}
